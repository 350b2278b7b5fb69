//! What one person does is seen by another who looks, without asking for the page again.

use naru_testkit::argocd::fault::Fault;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::{Value, json};

use crate::house::House;
use crate::person::Person;
use crate::platform::Platform;
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

#[tokio::test]
async fn a_deploy_is_approved_and_followed_to_its_end_without_asking_for_the_page_again() {
    let (house, platform) = (House::new(), Platform::new());
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &format!("{config}\n{}", platform.configure(&house)));
    let serve = house.serve().await;
    let one = Person::of(&house, &serve, "minji", "operate").await;
    let other = Person::of(&house, &serve, "junho", "view").await;
    other.reads("ko").await;
    platform.argocd.fault_at("POST /api/v1/applications/web-production/sync", Fault::Hold);
    let said = house.done(&["deploy", "web", "main", "to", "production", "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    let page = format!("/operations/{}", said["operation"]["id"].as_str().unwrap());
    for person in [&one, &other] {
        person.open(&page).await;
        person.tab.eval("window.same = true").await;
    }
    other.sees("승인 대기").await;
    one.tab.submit("form[action$='/approve'] button").await;
    // The commit is done, and the rollout waits for what is held.
    other.sees("2단계 중 1단계 완료").await;
    other.sees("minji 님이 승인했습니다").await;
    let is_held = || platform.argocd.ledger().iter().any(|call| call.fault == Some(Fault::Hold));
    eventually("the sync to be held", PATIENCE, async || is_held().then_some(())).await;
    platform.argocd.release();
    other.sees("2단계 중 2단계 완료").await;
    one.sees("2 of 2 steps done").await;

    // One that fails is kept as it is, and both see by whom.
    platform.argocd.world(|world| {
        world.change_app("web-production", &json!({ "spec": { "syncPolicy": null } }));
        world.fail_next_sync = Some("one or more objects failed to apply".to_owned());
    });
    platform.code.commit("main", &[("src", Some(b"2"))], "Change");
    let said = house.done(&["deploy", "web", "main", "to", "production", "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    let page = format!("/operations/{}", said["operation"]["id"].as_str().unwrap());
    for person in [&one, &other] {
        person.open(&page).await;
    }
    one.tab.submit("form[action$='/approve'] button").await;
    other.sees("one or more objects failed to apply").await;
    one.sees("Keep it so").await;
    one.tab.submit("form[action$='/keep'] button").await;
    other.sees("minji 님이 한 일을 그대로 두기로 했습니다").await;
    for person in [&one, &other] {
        person.is_clean("an operation").await;
    }
    serve.stop().await;
}
