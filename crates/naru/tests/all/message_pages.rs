//! The pages of messages over HTTP: what is found, what stays masked, and what is written down when it is not.

use serde_json::{Value, json};

use crate::browser::{Browser, EVIL};
use crate::campaign::post;
use crate::house::{House, Serve};

const TRACE: &str = "0123456789abcdef0123456789abcdef";
const PHONE: &str = "01012345678";
const MASKED: &str = "010-****-5678";

async fn shop(house: &House) -> (Serve, String) {
    let serve = house.serve().await;
    house.done(&["template", "push", "templates"]);
    let token = house.done(&["token", "add", "shop", "--role", "send"]).trim().to_owned();
    (serve, token)
}

/// Sends one message and returns its id.
async fn send(serve: &Serve, token: &str, message: Value) -> String {
    let (status, said) = post(serve, token, None, "application/json", message.to_string()).await;
    assert_eq!(status, 202, "{said}");
    serde_json::from_str::<Value>(&said).unwrap()["id"].as_str().unwrap().to_owned()
}

fn message(name: &str) -> Value {
    json!({ "template": "shipped", "to": PHONE, "variables": { "name": name, "order": "A-17" } })
}

#[tokio::test]
async fn a_message_is_found_by_id_address_and_trace_and_no_address_is_in_an_address() {
    let house = House::new();
    let (serve, token) = shop(&house).await;
    let mut with_trace = message("민수");
    with_trace["trace_id"] = TRACE.into();
    let id = send(&serve, &token, with_trace).await;
    let reader = Browser::of(&house, &serve, "reader", "view").await;

    reader.get("/messages").await.shows("Nothing was looked for yet");
    let by_id = reader.post("/messages", &[("q", &format!(" {id} "))]).await;
    assert_eq!((by_id.status, by_id.location), (303, format!("/messages/{id}")));
    let by_address = reader.post("/messages", &[("q", "010-1234-5678")]).await;
    assert_eq!((by_address.status, by_address.location.as_str()), (200, ""));
    by_address.shows(MASKED).shows(&format!("href=\"/messages/{id}\"")).hides(PHONE);
    let by_trace = reader.post("/messages", &[("q", TRACE)]).await;
    assert_eq!((by_trace.status, by_trace.location), (303, format!("/messages?trace={TRACE}")));
    reader.get(&format!("/messages?trace={TRACE}")).await.shows(&id).shows(MASKED);

    reader.post("/messages", &[("q", "010-7777-7777")]).await.shows("No message was found").shows("010-7777-7777");
    let empty = reader.post("/messages", &[("q", " ")]).await;
    assert_eq!(empty.status, 422);
    empty.shows("There is nothing to look for");
    let strange = reader.post("/messages", &[("q", "0192f0c1a2b34c5d6e7f8091a2b3c4d5-17")]).await;
    assert_eq!(strange.status, 404);
    strange.shows("value=\"0192f0c1a2b34c5d6e7f8091a2b3c4d5-17\"");
    assert_eq!(reader.get("/messages/0192f0c1a2b34c5d6e7f8091a2b3c4d5-17").await.status, 404);
    assert_eq!(reader.get("/messages/x").await.status, 404);
    serve.stop().await;
}

#[tokio::test]
async fn many_to_one_address_come_page_by_page_newest_first() {
    let house = House::new();
    let (serve, token) = shop(&house).await;
    let all: Vec<Value> = (0..60).map(|n| message(&format!("n{n}"))).collect();
    let (_, said) = post(&serve, &token, None, "application/json", Value::from(all).to_string()).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    let mut left: Vec<String> =
        said["messages"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    let reader = Browser::of(&house, &serve, "reader", "view").await;
    let mut page = reader.post("/messages", &[("q", PHONE)]).await;
    for shown in [25, 25, 10] {
        let expect: Vec<String> = left.split_off(left.len() - shown).into_iter().rev().collect();
        let links = page.html.split("href=\"/messages/").skip(1).map(|rest| rest.split('"').next().unwrap());
        assert_eq!(links.filter(|id| id.contains('-')).collect::<Vec<_>>(), expect);
        if shown == 25 {
            let before = page.hidden("before");
            page = reader.post("/messages", &[("q", PHONE), ("before", &before)]).await;
        }
    }
    page.hides("Older");
    serve.stop().await;
}

#[tokio::test]
async fn an_address_is_shown_for_a_reason_that_stays_in_the_record() {
    let house = House::new();
    let (serve, token) = shop(&house).await;
    let id = send(&serve, &token, message("김민수")).await;
    let (page, form) = (format!("/messages/{id}"), format!("/messages/{id}/address"));
    let reader = Browser::of(&house, &serve, "reader", "view").await;
    let caller = Browser::of(&house, &serve, "caller", "operate").await;
    let admin = Browser::of(&house, &serve, "boss", "admin").await;

    reader.get(&page).await.shows(MASKED).hides(PHONE).hides("김민수").hides("/address");
    let refused = reader.post(&form, &[("reason", "curious")]).await;
    assert_eq!(refused.status, 403);
    refused.hides(PHONE);
    admin.get("/messages/access").await.shows("Nobody was shown an address yet");

    caller.get(&page).await.shows(&form).hides(PHONE).hides("김민수");
    let refused = caller.post(&form, &[("reason", "  ")]).await;
    assert_eq!(refused.status, 422);
    refused.shows("only to whoever gives a reason").hides(PHONE);
    let long = "x".repeat(501);
    caller.post(&form, &[("reason", &long)]).await.shows("longer than 500 characters").shows(&long).hides(PHONE);
    admin.get("/messages/access").await.shows("Nobody was shown an address yet");

    let shown = caller.post(&form, &[("reason", "customer asks, ticket 17")]).await;
    assert_eq!((shown.status, shown.cache.as_str()), (200, "no-store"));
    shown.shows(PHONE).shows("김민수");
    // Neither the page nor the answer asked for again shows it.
    caller.get(&page).await.shows(MASKED).hides(PHONE);
    assert_eq!(caller.get(&form).await.location, page);
    caller.post(&form, &[("reason", "ticket 18")]).await;

    let record = admin.get("/messages/access").await;
    record.shows("customer asks, ticket 17").shows("caller").shows("127.0.0.1").shows(&id).hides(PHONE);
    assert!(record.html.find("ticket 18").unwrap() < record.html.find("ticket 17").unwrap(), "newest first");
    for person in [&reader, &caller] {
        assert_eq!(person.get("/messages/access").await.status, 403);
    }
    assert_eq!(admin.post("/messages/access", &[]).await.status, 405);

    for n in 0..49 {
        caller.post(&form, &[("reason", &format!("more {n}"))]).await;
    }
    let newest = admin.get("/messages/access").await;
    newest.shows("more 48").shows("ticket 18").hides("ticket 17");
    let older = newest.html.split("href=\"/messages/access").nth(1).unwrap().split('"').next().unwrap();
    admin.get(&format!("/messages/access{older}")).await.shows("ticket 17").hides("ticket 18").hides("Older");
    serve.stop().await;
}

#[tokio::test]
async fn the_values_of_a_code_are_shown_to_nobody() {
    let house = House::new();
    house.write("templates/code.toml", "channel = \"sms\"\npurpose = \"auth\"\nbody = \"[shop] #{code}\"\n");
    let (serve, token) = shop(&house).await;
    let code = json!({ "template": "code", "to": PHONE, "variables": { "code": "774412" } });
    let id = send(&serve, &token, code).await;
    let admin = Browser::of(&house, &serve, "boss", "admin").await;
    let shown = admin.post(&format!("/messages/{id}/address"), &[("reason", "test")]).await;
    shown.shows(PHONE).shows("[shop] 7***").hides("774412").shows("13 of 90 bytes");
    serve.stop().await;
}

#[tokio::test]
async fn what_others_wrote_is_shown_as_text_in_both_languages() {
    let house = House::new();
    let (serve, token) = shop(&house).await;
    let mut evil = message(EVIL);
    evil["variables"]["order"] = "1".into();
    evil["customer"] = EVIL.into();
    evil["trace_id"] = EVIL.into();
    let id = send(&serve, &token, evil).await;
    let caller = Browser::of(&house, &serve, "caller", "admin").await;
    let korean = caller.in_korean();
    for (person, accepted) in [(&caller, "Accepted"), (&korean, "접수했습니다")] {
        let page = person.get(&format!("/messages/{id}")).await;
        page.shows("&lt;script&gt;").shows(accepted).is_harmless();
        person.post("/messages", &[("q", &format!("{EVIL}{EVIL}"))]).await.shows("&lt;script&gt;").is_harmless();
        let found = person.post("/messages", &[("q", EVIL)]).await;
        assert_eq!(found.status, 303);
        person.get(&found.location).await.shows(&id).shows("&lt;script&gt;").is_harmless();
        person.post(&format!("/messages/{id}/address"), &[("reason", EVIL)]).await.shows(PHONE).is_harmless();
        person.get("/messages/access").await.shows("&lt;script&gt;").is_harmless();
        let long = EVIL.repeat(20);
        person.post(&format!("/messages/{id}/address"), &[("reason", &long)]).await.shows("&lt;img").is_harmless();
    }
    korean.get("/messages").await.shows("아직 찾은 것이 없습니다").shows("lang=\"ko\"");
    serve.stop().await;
}
