//! What a client that missed its answer can do, level by level.

use std::sync::Arc;

use naru_sandbox::Options;
use naru_sandbox::flag::Level;
use serde_json::{Value, json};

use crate::kit::{HeldClock, Kit, batch, field, message, single};

#[tokio::test]
async fn at_none_and_lookup_a_repeated_key_is_accepted_again_and_shows_as_doubled() {
    for level in [Level::None, Level::Lookup] {
        let kit = Kit::level(level).await;
        let first = kit.post("/v1/batches", &batch("k", &["a", "b"])).await;
        let again = kit.post("/v1/batches", &batch("k", &["a", "b"])).await;
        assert!(!again.is_replay());
        assert_ne!(first.text, again.text, "new messages have new ids");
        let ledger = kit.ledger().await;
        assert_eq!((&ledger["messages"]["accepted"], &ledger["doubled"]), (&json!(4), &json!(2)));
    }
}

#[tokio::test]
async fn at_key_and_two_phase_a_repeated_key_gets_the_first_answer_and_accepts_nothing() {
    for level in [Level::Key, Level::TwoPhase] {
        let kit = Kit::level(level).await;
        for (path, body) in [("/v1/messages", single("k1", "a")), ("/v1/batches", batch("k2", &["b", "c"]))] {
            let first = kit.post(path, &body).await;
            let again = kit.post(path, &body).await;
            assert_eq!((first.is_replay(), again.is_replay()), (false, true));
            assert_eq!(first.text, again.text);
        }
        let ledger = kit.ledger().await;
        assert_eq!((&ledger["messages"]["accepted"], &ledger["doubled"]), (&json!(3), &json!(0)));
        assert_eq!(kit.post("/v1/messages", &single("k2", "d")).await.brief(), "400 bad-request");
    }
}

#[tokio::test]
async fn the_first_answer_keeps_what_was_not_accepted() {
    let kit = Kit::with_faults(&["busy=40", "refuse=0"]).await;
    let references: Vec<String> = (0..50).map(|n| format!("r{n}")).collect();
    let body = batch("k", &references.iter().map(String::as_str).collect::<Vec<_>>());
    let first = kit.post("/v1/batches", &body).await;
    assert!(first.text.contains("busy") && first.text.contains("ok"));
    let again = kit.post("/v1/batches", &body).await;
    assert_eq!((again.is_replay(), &again.text), (true, &first.text));
    let lookup = kit.get("/v1/lookup?key=k").await.json();
    assert_eq!((&lookup["found"], &lookup["results"]), (&json!(true), &first.json()["results"]));
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_life() {
    let clock = Arc::new(HeldClock::default());
    let kit = Kit::start_at(Options { key_life_s: 10, ..Options::default() }, clock.clone()).await;
    kit.post("/v1/messages", &single("k", "a")).await;
    clock.set(9_999_999);
    assert!(kit.post("/v1/messages", &single("k", "a")).await.is_replay());
    clock.set(10_000_000);
    assert!(!kit.post("/v1/messages", &single("k", "a")).await.is_replay());
    assert_eq!(kit.ledger().await["doubled"], 1);
}

#[tokio::test]
async fn a_lookup_tells_what_became_of_a_key_or_a_reference() {
    for level in [Level::Lookup, Level::Key, Level::TwoPhase] {
        let kit = Kit::level(level).await;
        let sent = kit.post("/v1/batches", &batch("k 1&", &["a", "b"])).await.json();
        let found = |results: Value| json!({ "found": true, "results": results });
        assert_eq!(kit.get("/v1/lookup?key=k%201%26").await.json(), found(sent["results"].clone()));
        assert_eq!(kit.get("/v1/lookup?ref=b").await.json(), found(json!([sent["results"][1]])));
        kit.post("/v1/batches", &batch("k 1&", &["b"])).await;
        assert_eq!(kit.get("/v1/lookup?key=k+1%26").await.json(), found(sent["results"].clone()), "as first answered");
        for unknown in ["key=other", "ref=other"] {
            assert_eq!(kit.get(&format!("/v1/lookup?{unknown}")).await.json(), json!({ "found": false }));
        }
        assert_eq!(kit.get("/v1/lookup").await.brief(), "400 bad-request");
    }
    let kit = Kit::level(Level::None).await;
    assert_eq!(kit.get("/v1/lookup?key=k").await.brief(), "404 not-found");
}

#[tokio::test]
async fn only_a_sent_group_is_in_the_ledger() {
    let kit = Kit::level(Level::TwoPhase).await;
    let group = open(&kit, "k").await;
    let put = kit.call("PUT", &format!("{group}/messages"), &json!({ "messages": [message("a"), message("b")] })).await;
    assert_eq!(put.brief(), "200 ok ok");
    let name = group.trim_start_matches("/v1/groups/");
    let open = json!({ "found": true, "group": name, "state": "open", "messages": 2 });
    assert_eq!(kit.get(&group).await.json(), open);
    assert_eq!(kit.get("/v1/groups?key=k").await.json(), open);
    assert_eq!(kit.get("/v1/groups?key=other").await.json(), json!({ "found": false }));
    assert_eq!(kit.get("/v1/lookup?key=k").await.json(), json!({ "found": false }));
    assert!(kit.accepted().await.is_empty());

    let sent = kit.post(&format!("{group}/send"), &Value::Null).await;
    assert_eq!(sent.text, put.text, "the same ids");
    let results = &sent.json()["results"];
    let settled = json!({ "found": true, "group": name, "state": "sent", "messages": 2, "results": results });
    assert_eq!(kit.get(&group).await.json(), settled);
    assert_eq!(kit.get("/v1/groups?key=k").await.json(), settled);
    assert_eq!(kit.get("/v1/lookup?key=k").await.json()["results"], sent.json()["results"]);
    assert_eq!(kit.accepted().await, ["a", "b"]);
}

#[tokio::test]
async fn a_group_is_opened_and_filled_by_one_call_that_can_be_repeated() {
    let kit = Kit::level(Level::TwoPhase).await;
    let body = json!({ "key": "k", "messages": [message("a"), message("b")] });
    let first = kit.post("/v1/groups", &body).await;
    let again = kit.post("/v1/groups", &body).await;
    assert_eq!((first.brief().as_str(), first.is_replay()), ("200 ok ok", false));
    assert_eq!((&again.text, again.is_replay()), (&first.text, true));
    assert!(kit.accepted().await.is_empty());
    let group = format!("/v1/groups/{}", field(&first.json(), "/group"));
    let sent = kit.post(&format!("{group}/send"), &Value::Null).await;
    assert_eq!(sent.json()["results"], first.json()["results"]);
    // A late copy of the first call changes nothing that was sent.
    assert_eq!(field(&kit.post("/v1/groups", &body).await.json(), "/group"), field(&first.json(), "/group"));
    assert_eq!(kit.accepted().await, ["a", "b"]);
}

#[tokio::test]
async fn a_deleted_group_sends_nothing_ever_and_a_sent_one_cannot_be_deleted() {
    let kit = Kit::level(Level::TwoPhase).await;
    let body = json!({ "key": "k", "messages": [message("a")] });
    kit.post("/v1/groups", &body).await;
    let group = open(&kit, "k").await;
    let deleted = kit.call("DELETE", &group, &Value::Null).await;
    let again = kit.call("DELETE", &group, &Value::Null).await;
    assert_eq!((deleted.is_replay(), again.is_replay(), &again.text), (false, true, &deleted.text));
    assert_eq!(
        (&deleted.json()["state"], &kit.get(&group).await.json()["state"]),
        (&json!("deleted"), &json!("deleted"))
    );
    // Whatever was on its way when it was deleted comes too late.
    assert_eq!(kit.post(&format!("{group}/send"), &Value::Null).await.brief(), "409 group-deleted");
    assert_eq!(kit.post("/v1/groups", &body).await.brief(), "409 group-deleted");
    let put = json!({ "messages": [message("a")] });
    assert_eq!(kit.call("PUT", &format!("{group}/messages"), &put).await.brief(), "409 group-deleted");
    assert!(kit.accepted().await.is_empty());

    let group = open(&kit, "other").await;
    kit.post(&format!("{group}/send"), &Value::Null).await;
    assert_eq!(kit.call("DELETE", &group, &Value::Null).await.brief(), "409 group-sent");
    assert_eq!(kit.call("DELETE", "/v1/groups/g", &Value::Null).await.brief(), "404 not-found");
}

#[tokio::test]
async fn every_step_of_a_group_can_be_repeated() {
    let kit = Kit::level(Level::TwoPhase).await;
    let group = open(&kit, "k").await;
    assert_eq!(open(&kit, "k").await, group);
    assert_ne!(open(&kit, "other").await, group);
    let messages = json!({ "messages": [message("a"), message("b")] });
    let first = kit.call("PUT", &format!("{group}/messages"), &messages).await;
    let again = kit.call("PUT", &format!("{group}/messages"), &messages).await;
    assert_eq!(first.text, again.text);
    kit.call("PUT", &format!("{group}/messages"), &json!({ "messages": [message("c")] })).await;
    let sent = kit.post(&format!("{group}/send"), &Value::Null).await;
    let again = kit.post(&format!("{group}/send"), &Value::Null).await;
    assert_eq!((sent.is_replay(), again.is_replay(), &again.text), (false, true, &sent.text));
    assert_eq!(kit.call("PUT", &format!("{group}/messages"), &messages).await.brief(), "409 group-sent");
    assert_eq!(kit.accepted().await, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_group_keeps_its_refusals_and_only_its_accepted_messages_count() {
    let kit =
        Kit::start(Options { level: Level::TwoPhase, fault: vec!["busy=50".parse().unwrap()], ..Options::default() })
            .await;
    let group = open(&kit, "k").await;
    let messages: Vec<Value> = (0..40).map(|n| message(&format!("r{n}"))).collect();
    let put = kit.call("PUT", &format!("{group}/messages"), &json!({ "messages": messages })).await;
    let sent = kit.post(&format!("{group}/send"), &Value::Null).await;
    assert_eq!(put.text, sent.text);
    let busy = put.text.matches("busy").count();
    assert!(0 < busy && busy < 40);
    assert_eq!(kit.ledger().await["messages"], json!({ "accepted": 40 - busy, "busy": busy, "refused": 0 }));
}

#[tokio::test]
async fn groups_exist_only_at_two_phase_and_unknown_ones_nowhere() {
    let kit = Kit::level(Level::Key).await;
    assert_eq!(kit.post("/v1/groups", &json!({ "key": "k" })).await.brief(), "404 not-found");
    assert_eq!(kit.get("/v1/groups?key=k").await.brief(), "404 not-found");
    let kit = Kit::level(Level::TwoPhase).await;
    let group = open(&kit, "k").await;
    for unknown in ["/v1/groups/g", "/v1/groups/김", &format!("{group}0"), &group.replace("/g", "/h")] {
        let unknown = unknown.replace('김', "%EA%B9%80");
        assert_eq!(kit.get(&unknown).await.brief(), "404 not-found", "{unknown}");
        assert_eq!(kit.post(&format!("{unknown}/send"), &Value::Null).await.brief(), "404 not-found", "{unknown}");
    }
}

async fn open(kit: &Kit, key: &str) -> String {
    let answer = kit.post("/v1/groups", &json!({ "key": key })).await.json();
    format!("/v1/groups/{}", answer["group"].as_str().expect("a group"))
}
