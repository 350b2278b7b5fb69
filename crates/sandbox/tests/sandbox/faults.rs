//! Every fault of requests and messages: what the client sees, and what the ledger says.

use std::sync::Arc;

use naru_sandbox::Options;
use naru_sandbox::flag::Level;
use serde_json::json;

use crate::kit::{FOREVER_MS, Kit, batch, message, single, until};

/// Sends under one fault; says what the client saw and what the ledger accepted.
async fn check(fault: &str, expect: &str) {
    let kit = Kit::with_faults(&[&format!("{fault}=100")]).await;
    let body = batch("k", &["a", "b"]).to_string().into_bytes();
    let answer = kit.try_call("POST", "/v1/batches", "sandbox", body).await;
    let seen = answer.map_or("no answer".to_owned(), |answer| {
        format!("{}{}", answer.brief(), if answer.retry_after() == Some("1") { ", retry after 1" } else { "" })
    });
    let ledger = kit.ledger().await;
    let accepted = kit.accepted().await;
    assert_eq!(ledger["messages"]["accepted"], accepted.len());
    assert_eq!(format!("{seen}; throttled {}; accepted {accepted:?}", ledger["throttled"]), expect, "{fault}");
}

#[tokio::test]
async fn faults_of_requests_accept_all_or_nothing_as_their_names_say() {
    check("throttle", "429 throttled, retry after 1; throttled 1; accepted []").await;
    check("throttle-bare", "429 throttled; throttled 1; accepted []").await;
    check("fail-before-accept", "503 unavailable; throttled 0; accepted []").await;
    check("fail-after-accept", r#"500 internal; throttled 0; accepted ["a", "b"]"#).await;
    check("reset-after-accept", r#"no answer; throttled 0; accepted ["a", "b"]"#).await;
}

#[tokio::test]
async fn a_message_accepted_without_an_answer_is_found_by_its_key_and_not_sent_twice() {
    for fault in ["fail-after-accept", "reset-after-accept"] {
        let kit = Kit::with_faults(&[&format!("{fault}=100")]).await;
        kit.try_call("POST", "/v1/messages", "sandbox", single("k", "a").to_string().into_bytes()).await;
        kit.set_faults(&json!({})).await;
        let again = kit.post("/v1/messages", &single("k", "a")).await;
        assert_eq!((again.brief(), again.is_replay()), ("200 ok".to_owned(), true));
        assert_eq!(kit.get("/v1/lookup?key=k").await.json()["results"], json!([again.json()]));
        assert_eq!(kit.accepted().await, ["a"]);
    }
}

#[tokio::test]
async fn a_request_that_was_throttled_or_failed_before_is_not_remembered_by_its_key() {
    for fault in ["throttle", "throttle-bare", "fail-before-accept"] {
        let kit = Kit::with_faults(&[&format!("{fault}=100")]).await;
        kit.post("/v1/messages", &single("k", "a")).await;
        assert_eq!(kit.get("/v1/lookup?key=k").await.json(), json!({ "found": false }));
        kit.set_faults(&json!({})).await;
        assert!(!kit.post("/v1/messages", &single("k", "a")).await.is_replay());
        assert_eq!(kit.accepted().await, ["a"]);
    }
}

#[tokio::test]
async fn a_slow_answer_comes_late_to_what_was_accepted_at_once() {
    let fault = vec!["slow=100".parse().unwrap()];
    let kit = Arc::new(Kit::start(Options { fault, slow_ms: FOREVER_MS, ..Options::default() }).await);
    let caller = kit.clone();
    let late = kit.lifecycle.spawn("test send", async move { caller.post("/v1/messages", &single("k", "a")).await });
    until("it is accepted", async || (kit.accepted().await == ["a"]).then_some(())).await;
    assert!(!late.is_finished());
    kit.lifecycle.stop();
    assert_eq!(late.await.unwrap().brief(), "200 ok");
}

#[tokio::test]
async fn a_busy_message_is_accepted_when_it_is_sent_again() {
    let kit = Kit::with_faults(&["busy=50"]).await;
    let references: Vec<String> = (0..100).map(|n| format!("r{n}")).collect();
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    let first = kit.post("/v1/batches", &batch("k1", &references)).await.json();
    let busy: Vec<&str> = references
        .iter()
        .zip(first["results"].as_array().unwrap())
        .filter(|(_, result)| result["code"] == "busy")
        .inspect(|(_, result)| assert!(result.get("id").is_none()))
        .map(|(reference, _)| *reference)
        .collect();
    assert!((20..80).contains(&busy.len()), "50 % of 100 is not {}", busy.len());
    let again = kit.post("/v1/batches", &batch("k2", &busy)).await;
    assert_eq!(again.text.matches(r#""code":"ok""#).count(), busy.len());
    let ledger = kit.ledger().await;
    assert_eq!(ledger["messages"], json!({ "accepted": 100, "busy": busy.len(), "refused": 0 }));
    assert_eq!(ledger["doubled"], 0);
}

#[tokio::test]
async fn a_refused_address_stays_refused_and_others_do_not_suffer() {
    let kit = Kit::with_faults(&["refuse=30"]).await;
    let codes = async |try_number: usize| {
        let messages: Vec<_> = (0..100)
            .map(|n| json!({ "ref": format!("{try_number}-{n}"), "to": format!("0101234{n:04}"), "text": "t" }))
            .collect();
        let answer = kit.post("/v1/batches", &json!({ "key": try_number.to_string(), "messages": messages })).await;
        answer.brief()
    };
    let first = codes(1).await;
    let refused = first.matches("unknown-number").count();
    assert!((10..60).contains(&refused), "30 % of 100 is not {refused}");
    assert_eq!(codes(2).await, first);
    let counts = json!({ "accepted": 200 - 2 * refused, "busy": 0, "refused": 2 * refused });
    assert_eq!(kit.ledger().await["messages"], counts);
}

#[tokio::test]
async fn the_same_seed_hits_the_same_requests_and_another_hits_others() {
    let run = async |seed: u64| {
        let fault = vec!["throttle-bare=50".parse().unwrap()];
        let kit = Kit::start(Options { seed, fault, ..Options::default() }).await;
        let mut hit = Vec::new();
        for round in 0..2 {
            for n in 0..40 {
                let key = format!("{round}-{n}");
                hit.push(kit.post("/v1/messages", &single(&key, &key)).await.status.as_u16());
            }
            kit.call("DELETE", "/ledger", &serde_json::Value::Null).await;
        }
        let (before, after) = hit.split_at(40);
        assert_eq!(before, after, "an emptied ledger begins anew");
        before.to_vec()
    };
    let first = run(1).await;
    assert!(first.contains(&200) && first.contains(&429));
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
}

#[tokio::test]
async fn faults_are_replaced_while_it_runs_and_unknown_ones_are_refused() {
    let kit = Kit::with_faults(&["throttle=100"]).await;
    kit.set_faults(&json!({ "fail-before-accept": 100 })).await;
    assert_eq!(kit.post("/v1/messages", &single("k", "a")).await.brief(), "503 unavailable");
    for (faults, detail) in [
        (json!({ "trottle": 5 }), "there are throttle, "),
        (json!({ "throttle": 101 }), "from 0 to 100"),
        (json!({ "throttle": "5" }), "not a percentage"),
        (json!([]), "expected a map"),
    ] {
        let answer = kit.call("PUT", "/faults", &faults).await;
        assert_eq!(answer.brief(), "400 bad-request");
        assert!(answer.text.contains(detail), "{}", answer.text);
    }
    assert_eq!(kit.post("/v1/messages", &single("k", "a")).await.brief(), "503 unavailable", "the old ones stay");
}

#[tokio::test]
async fn the_steps_of_a_group_can_fail_like_any_call() {
    let kit = Kit::start(Options { level: Level::TwoPhase, ..Options::default() }).await;
    let group = kit.post("/v1/groups", &json!({ "key": "k" })).await.json()["group"].as_str().unwrap().to_owned();
    let path = format!("/v1/groups/{group}");
    kit.set_faults(&json!({ "reset-after-accept": 100 })).await;
    let messages = json!({ "messages": [message("a")] }).to_string().into_bytes();
    assert!(kit.try_call("PUT", &format!("{path}/messages"), "sandbox", messages).await.is_none());
    let state =
        async || (kit.get(&path).await.json()["state"].clone(), kit.get(&path).await.json()["messages"].clone());
    assert_eq!(state().await, (json!("open"), json!(1)));
    assert!(kit.try_call("POST", &format!("{path}/send"), "sandbox", Vec::new()).await.is_none());
    assert_eq!(state().await, (json!("sent"), json!(1)));
    assert_eq!(kit.accepted().await, ["a"]);
    let body = json!({ "key": "other", "messages": [message("b")] }).to_string().into_bytes();
    assert!(kit.try_call("POST", "/v1/groups", "sandbox", body).await.is_none());
    let opened = kit.get("/v1/groups?key=other").await.json();
    assert_eq!((&opened["state"], &opened["messages"]), (&json!("open"), &json!(1)));
    let path = format!("/v1/groups/{}", opened["group"].as_str().unwrap());
    assert!(kit.try_call("DELETE", &path, "sandbox", Vec::new()).await.is_none());
    assert_eq!(kit.get(&path).await.json()["state"], "deleted");
}
