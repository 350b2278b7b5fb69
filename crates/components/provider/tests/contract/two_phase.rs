//! Faults at either call of level two-phase: before the second nobody was sent anything, and what was not sent cannot be
//! any more once it was asked about.

use std::time::Duration;

use naru_dispatch::provider::{Answer, Provider, Verdict};
use naru_provider::{Config, SandboxLevel};
use serde_json::{Value, json};

use crate::house::{House, messages, send, send_within};
use crate::script::{HttpScript, reply};
use crate::vendors::{SEED_OF_THE_SECOND, SandboxVendor, Vendor};

/// Which of the two calls a fault hits.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hit {
    Opening,
    Sending,
}

async fn house() -> House {
    House::build(Config { sandbox_level: SandboxLevel::TwoPhase, ..Config::default() }).await
}

fn unknown(code: &str) -> Answer {
    Answer::Unknown { code: code.to_owned() }
}

/// Sends three messages into a fault, asks about them when it is over, and sends them again if they never arrived.
async fn check(hit: Hit, fault: &str, expect: Answer, state: &str, sent: bool) {
    let options = json!({ "level": "two-phase", "slow_ms": 600_000, "seed": SEED_OF_THE_SECOND });
    let (vendor, house) = (SandboxVendor::with(options).await, house().await);
    let provider = house.provider(&vendor.config(&house)).unwrap();
    let messages = messages(&house.ctx, (0..3).map(|n| vendor.address(n)));
    let case = format!("{fault} at the {hit:?}");
    vendor.faults(json!({ fault: if hit == Hit::Opening { 100 } else { 50 } })).await;
    assert_eq!(send_within(Duration::from_secs(3), &*provider, "key", &messages).await, expect, "{case}");
    vendor.faults(json!({})).await;
    let (_, group) = vendor.call("GET", "/v1/groups?key=key").await;
    let found = group["state"].as_str().unwrap_or("absent").to_owned();
    assert_eq!(found, state, "{case}");
    let taken = vec![Verdict::Taken; 3];
    assert_eq!(vendor.ledger().await.len(), if sent { 3 } else { 0 }, "{case}");
    assert_eq!(provider.lookup("key").await, Ok(sent.then(|| taken.clone())), "{case}");
    assert_eq!(provider.lookup("key").await, Ok(sent.then(|| taken.clone())), "{case}, asked again");
    if !sent {
        never_again(&vendor, &*provider, &messages, &group).await;
        assert_eq!(send(&*provider, "another try", &messages).await, Answer::Each(taken), "{case}");
    }
    let summary = vendor.summary().await;
    assert_eq!((&summary["messages"]["accepted"], &summary["doubled"]), (&json!(3), &json!(0)), "{case}");
}

/// What was on its way while the vendor was asked comes too late.
async fn never_again(
    vendor: &SandboxVendor,
    provider: &dyn Provider,
    messages: &[naru_dispatch::provider::Outgoing],
    group: &Value,
) {
    let Some(name) = group["group"].as_str() else { return };
    let (status, late) = vendor.call("POST", &format!("/v1/groups/{name}/send")).await;
    assert_eq!((status, &late["code"]), (409, &json!("group-deleted")));
    assert_eq!(send(provider, "key", messages).await, unknown("http-409"));
    assert!(vendor.ledger().await.is_empty());
}

#[tokio::test]
async fn a_fault_at_the_call_that_opens_sends_nothing() {
    let throttled = |after| Answer::Throttled { after };
    check(Hit::Opening, "fail-before-accept", unknown("http-503"), "absent", false).await;
    check(Hit::Opening, "fail-after-accept", unknown("http-500"), "open", false).await;
    check(Hit::Opening, "reset-after-accept", unknown("connection-lost"), "open", false).await;
    check(Hit::Opening, "slow", unknown("timeout"), "open", false).await;
    check(Hit::Opening, "throttle", throttled(Some(Duration::from_secs(1))), "absent", false).await;
    check(Hit::Opening, "throttle-bare", throttled(None), "absent", false).await;
}

#[tokio::test]
async fn a_fault_at_the_call_that_sends_is_settled_by_what_became_of_the_group() {
    let throttled = |after| Answer::Throttled { after };
    check(Hit::Sending, "fail-before-accept", unknown("http-503"), "open", false).await;
    check(Hit::Sending, "fail-after-accept", unknown("http-500"), "sent", true).await;
    check(Hit::Sending, "reset-after-accept", unknown("connection-lost"), "sent", true).await;
    check(Hit::Sending, "slow", unknown("timeout"), "sent", true).await;
    // Certainly not sent: the group goes at once, the messages come back in another one.
    check(Hit::Sending, "throttle", throttled(Some(Duration::from_secs(1))), "deleted", false).await;
    check(Hit::Sending, "throttle-bare", throttled(None), "deleted", false).await;
}

#[tokio::test]
async fn nothing_is_called_never_arrived_before_its_group_is_certainly_deleted() {
    let (vendor, house) = (SandboxVendor::with(json!({ "level": "two-phase" })).await, house().await);
    let provider = house.provider(&vendor.config(&house)).unwrap();
    let messages = messages(&house.ctx, (0..3).map(|n| vendor.address(n)));
    vendor.faults(json!({ "fail-after-accept": 100 })).await;
    assert_eq!(send(&*provider, "key", &messages).await, unknown("http-500"));
    assert_eq!(provider.lookup("key").await, Err("http-500".to_owned()));
    vendor.faults(json!({ "fail-before-accept": 100 })).await;
    assert_eq!(provider.lookup("key").await, Ok(None), "the first question had deleted it");
}

async fn check_lookup(answers: &[String], expect: Result<Option<Vec<Verdict>>, String>) {
    let house = house().await;
    let script = HttpScript::play(answers.to_vec(), false).await;
    let provider = house.provider(&script.config()).unwrap();
    assert_eq!(provider.lookup("key").await, expect, "{answers:?}");
}

#[tokio::test]
async fn only_an_answer_that_says_so_says_that_nothing_arrived() {
    let ok = |body: &str| reply("200 OK", body);
    let open = ok(r#"{"found":true,"group":"g1","state":"open","messages":1}"#);
    let sent = ok(r#"{"found":true,"group":"g1","state":"sent","results":[{"code":"ok"},{"code":"busy"}]}"#);
    let busy = Verdict::Retry { code: "busy".to_owned(), after: None };
    let wrong = |code: &str| Err(code.to_owned());
    check_lookup(&[ok(r#"{"found":false}"#)], Ok(None)).await;
    check_lookup(&[sent], Ok(Some(vec![Verdict::Taken, busy]))).await;
    check_lookup(&[open.clone(), ok("{}")], Ok(None)).await;
    // Sent between the question and the deletion: the next question tells.
    check_lookup(&[open, reply("409 Conflict", r#"{"code":"group-sent"}"#)], wrong("http-409")).await;
    check_lookup(&[reply("404 Not Found", "")], wrong("http-404")).await;
    check_lookup(&[reply("500 x", "")], wrong("http-500")).await;
    for body in [
        "<html>",
        "{}",
        r#"{"found":true}"#,
        r#"{"found":true,"group":"g1","state":"sent"}"#,
        r#"{"found":true,"group":"g1","state":"sending"}"#,
        r#"{"found":true,"group":"../x","state":"open"}"#,
    ] {
        check_lookup(&[ok(body)], wrong("reply-unreadable")).await;
    }
}

#[tokio::test]
async fn an_answer_that_names_no_group_is_not_followed() {
    for body in ["{}", r#"{"group":"../../faults"}"#, r#"{"group":""}"#] {
        let house = house().await;
        let script = HttpScript::play([reply("200 OK", body)], false).await;
        let provider = house.provider(&script.config()).unwrap();
        let messages = messages(&house.ctx, [naru_core::masked::Address::new("01012345678")]);
        assert_eq!(send(&*provider, "key", &messages).await, unknown("reply-unreadable"), "{body}");
    }
}

#[tokio::test]
async fn a_sandbox_of_another_level_is_told_by_the_check_and_pauses_the_lane() {
    let (vendor, house) = (SandboxVendor::with(json!({ "level": "key" })).await, house().await);
    let provider = house.provider(&vendor.config(&house)).unwrap();
    assert_eq!(provider.check().await, Err("http-404".to_owned()));
    let messages = messages(&house.ctx, [vendor.address(1)]);
    let answer = send(&*provider, "key", &messages).await;
    assert_eq!(answer, Answer::Throttled { after: Some(Duration::from_secs(60)) });
    assert!(vendor.ledger().await.is_empty());
}
