//! A session that ends while somebody fills in a form.

use crate::house::{House, Serve};
use crate::person::Person;

const TYPED: &str = "#{name}님, 오래 쓴 글입니다.\n\"따옴표\" & <기호>";

/// Somebody wrote for long and sent it too late; with a link to sign in again.
async fn too_late() -> (House, Serve, Person, String) {
    let house = House::new();
    house.done(&["template", "push", "templates"]);
    let serve = house.serve().await;
    let minji = Person::of(&house, &serve, "minji", "send").await;
    minji.open("/templates/shipped/edit").await;
    minji.fill("textarea", TYPED).await;
    // As after twelve hours.
    house.done(&["user", "disable", "minji"]);
    house.done(&["user", "enable", "minji"]);
    minji.tab.submit("[name=do][value=save]").await;
    minji.sees("The session has ended").await;
    let link = house.done(&["user", "link", "minji"]);
    let link = format!("/signin/{}", link.trim().rsplit('/').next().unwrap());
    (house, serve, minji, link)
}

async fn nothing_is_lost(minji: &Person) {
    assert_eq!(minji.tab.eval("document.querySelector('textarea').value").await, TYPED);
    minji.tab.submit("[name=do][value=save]").await;
    minji.is_at("/templates/shipped").await;
    minji.sees("오래 쓴 글").await;
}

#[tokio::test]
async fn whoever_signs_in_in_another_tab_goes_back_and_nothing_is_lost() {
    let (_house, serve, minji, link) = too_late().await;
    let other = minji.profile.tab().await;
    other.open(&format!("{}{link}", serve.url)).await;
    other.submit("main form").await;
    minji.tab.back().await;
    nothing_is_lost(&minji).await;
    serve.stop().await;
}

#[tokio::test]
async fn whoever_signs_in_in_the_same_tab_goes_back_further_and_nothing_is_lost() {
    let (_house, serve, minji, link) = too_late().await;
    minji.open(&link).await;
    minji.tab.submit("main form").await;
    minji.is_at("/password").await;
    // By the link's page and the refusal.
    for _ in 0..3 {
        minji.tab.back().await;
    }
    nothing_is_lost(&minji).await;
    serve.stop().await;
}
