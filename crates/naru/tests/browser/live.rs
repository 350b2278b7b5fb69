//! What one person does is seen by another who looks, without asking for the page again.

use crate::person::Person;
use crate::shop::house_without_a_vendor;

#[tokio::test]
async fn a_change_appears_in_another_tab_and_in_another_language() {
    let house = house_without_a_vendor();
    house.write("c.csv", "to,name,order\n01012345678,김민지,A-1\n");
    house.done(&["send", "--template", "shipped", "--to", "c.csv", "--name", "fall"]);
    let serve = house.serve().await;
    let one = Person::of(&house, &serve, "minji", "operate").await;
    let other = Person::of(&house, &serve, "junho", "view").await;
    other.reads("ko").await;
    for person in [&one, &other] {
        person.open("/campaigns/fall").await;
        person.tab.eval("window.same = true").await;
    }
    one.tab.submit("form[action$='/pause'] button").await;
    one.sees("paused").await;
    other.sees("일시 정지").await;
    one.tab.submit("form[action$='/resume'] button").await;
    other.sees("발송 중").await;
    house.done(&["campaign", "cancel", "fall"]);
    one.sees("cancelled").await;
    other.sees("취소됨").await;
    assert_eq!(other.tab.eval("window.same").await, true, "it is the page that was opened");
    for person in [&one, &other] {
        person.is_clean("a campaign").await;
    }
    serve.stop().await;
}
