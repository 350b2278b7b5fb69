//! Receipts: signed, repeated until taken, and wrong in every way the faults know.

use std::collections::BTreeSet;

use naru_sandbox::Options;
use serde_json::json;

use crate::kit::{FOREVER_MS, Kit, Receiver, batch, field, single, until};

/// Sends 50 messages in one batch, waits until no receipt waits, and returns the receiver and the ledger's account.
async fn fifty(options: Options, receiver: &Receiver) -> serde_json::Value {
    let kit = Kit::start(options).await;
    let references: Vec<String> = (0..50).map(|n| format!("r{n}")).collect();
    kit.post("/v1/batches", &batch("k", &references.iter().map(String::as_str).collect::<Vec<_>>())).await;
    let receipts = settled(&kit).await;
    let ids: BTreeSet<String> = kit
        .get("/ledger/entries")
        .await
        .text
        .lines()
        .map(|line| field(&serde_json::from_str(line).unwrap(), "/id"))
        .collect();
    assert!(receiver.fields("/id").iter().all(|id| ids.contains(id)));
    receipts
}

async fn settled(kit: &Kit) -> serde_json::Value {
    until("no receipt waits", async || {
        let receipts = kit.ledger().await["receipts"].clone();
        (receipts["waiting"] == 0).then_some(receipts)
    })
    .await
}

async fn with_fault(fault: &str) -> (Receiver, serde_json::Value) {
    let lifecycle = naru_core::lifecycle::Lifecycle::default();
    let (receiver, options) = Receiver::start(&[], &lifecycle).await;
    let receipts = fifty(Options { fault: vec![fault.parse().unwrap()], ..options }, &receiver).await;
    (receiver, receipts)
}

#[tokio::test]
async fn every_accepted_message_gets_a_signed_receipt_and_calls_hold_what_they_may() {
    let lifecycle = naru_core::lifecycle::Lifecycle::default();
    for (per_call, most) in [(1, 1), (20, 20), (1_000, 50)] {
        let (receiver, options) = Receiver::start(&[], &lifecycle).await;
        let receipts = fifty(Options { receipts_per_call: per_call, ..options }, &receiver).await;
        assert_eq!(receipts, json!({ "sent": 50, "lost": 0, "acknowledged": 50, "doubled": 0, "waiting": 0 }));
        let calls = receiver.calls();
        assert_eq!(calls.iter().map(Vec::len).max(), Some(most));
        let receipt = &calls[0][0];
        assert_eq!((&receipt["status"], &receipt["code"]), (&json!("delivered"), &json!("ok")));
        assert!(receipt["at_ms"].as_i64().unwrap() > 1_700_000_000_000);
        let references: BTreeSet<String> = receiver.fields("/ref").into_iter().collect();
        assert_eq!(references, (0..50).map(|n| format!("r{n}")).collect());
    }
}

#[tokio::test]
async fn a_call_that_is_not_taken_is_made_again() {
    let lifecycle = naru_core::lifecycle::Lifecycle::default();
    let (receiver, options) = Receiver::start(&[500, 429, 302], &lifecycle).await;
    let receipts = fifty(options, &receiver).await;
    assert_eq!(receipts, json!({ "sent": 50, "lost": 0, "acknowledged": 50, "doubled": 0, "waiting": 0 }));
    let calls = receiver.calls();
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| *call == calls[0]));
}

#[tokio::test]
async fn lost_receipts_are_never_posted_and_are_counted() {
    let (receiver, receipts) = with_fault("lose-receipt=40").await;
    let lost = 50 - receiver.fields("/ref").len();
    assert!(0 < lost && lost < 50);
    assert_eq!(
        receipts,
        json!({ "sent": 50 - lost, "lost": lost, "acknowledged": 50 - lost, "doubled": 0, "waiting": 0 })
    );
}

#[tokio::test]
async fn doubled_receipts_come_twice_and_alike() {
    let (receiver, receipts) = with_fault("double-receipt=100").await;
    assert_eq!(receipts, json!({ "sent": 100, "lost": 0, "acknowledged": 100, "doubled": 50, "waiting": 0 }));
    let mut all: Vec<String> = receiver.calls().iter().flatten().map(ToString::to_string).collect();
    all.sort();
    assert!(all.chunks(2).all(|pair| pair[0] == pair[1]));
    all.dedup();
    assert_eq!(all.len(), 50);
}

#[tokio::test]
async fn shuffled_receipts_come_out_of_order_and_all() {
    let (receiver, receipts) = with_fault("shuffle-receipts=100").await;
    assert_eq!(receipts["acknowledged"], 50);
    let sent: Vec<String> = (0..50).map(|n| format!("r{n}")).collect();
    let mut came = receiver.fields("/ref");
    assert_ne!(came, sent);
    came.sort_by_key(|reference| reference[1..].parse::<u32>().unwrap());
    assert_eq!(came, sent);
}

#[tokio::test]
async fn failed_and_expired_receipts_say_so() {
    for (fault, status, code) in
        [("fail-receipt=100", "failed", "unreachable"), ("expire-receipt=100", "expired", "expired")]
    {
        let (receiver, _) = with_fault(fault).await;
        assert!(
            receiver.calls().iter().flatten().all(|receipt| receipt["status"] == status && receipt["code"] == code)
        );
        assert_eq!(receiver.fields("/ref").len(), 50);
    }
}

#[tokio::test]
async fn an_early_receipt_is_posted_before_its_send_is_answered() {
    let lifecycle = naru_core::lifecycle::Lifecycle::default();
    let (receiver, options) = Receiver::start(&[], &lifecycle).await;
    let fault = vec!["early-receipt=100".parse().unwrap()];
    let delay = format!("{FOREVER_MS}").parse().unwrap();
    let kit = Kit::start(Options { fault, receipts_delay_ms: delay, ..options }).await;
    kit.post("/v1/batches", &batch("k", &["a", "b"])).await;
    assert_eq!(receiver.fields("/ref"), ["a", "b"]);
}

#[tokio::test]
async fn receipts_of_busy_refused_replayed_and_unsent_messages_are_not_owed() {
    let lifecycle = naru_core::lifecycle::Lifecycle::default();
    let (receiver, options) = Receiver::start(&[], &lifecycle).await;
    let level = naru_sandbox::flag::Level::TwoPhase;
    let kit = Kit::start(Options { level, fault: vec!["busy=100".parse().unwrap()], ..options }).await;
    kit.post("/v1/messages", &single("k1", "a")).await;
    kit.set_faults(&json!({ "refuse": 100 })).await;
    kit.post("/v1/messages", &single("k2", "b")).await;
    kit.set_faults(&json!({})).await;
    kit.post("/v1/messages", &single("k3", "c")).await;
    kit.post("/v1/messages", &single("k3", "c")).await;
    let group = kit.post("/v1/groups", &json!({ "key": "g" })).await.json();
    let path = format!("/v1/groups/{}", group["group"].as_str().unwrap());
    kit.call("PUT", &format!("{path}/messages"), &json!({ "messages": [crate::kit::message("d")] })).await;
    settled(&kit).await;
    assert_eq!(receiver.fields("/ref"), ["c"]);
    kit.post(&format!("{path}/send"), &serde_json::Value::Null).await;
    settled(&kit).await;
    assert_eq!(receiver.fields("/ref"), ["c", "d"]);
}

#[tokio::test]
async fn an_emptied_ledger_owes_no_receipts() {
    let lifecycle = naru_core::lifecycle::Lifecycle::default();
    let (receiver, options) = Receiver::start(&[], &lifecycle).await;
    let delay = format!("{FOREVER_MS}").parse().unwrap();
    let kit = Kit::start(Options { receipts_delay_ms: delay, ..options }).await;
    kit.post("/v1/batches", &batch("k", &["a", "b"])).await;
    assert_eq!(kit.ledger().await["receipts"]["waiting"], 2);
    kit.call("DELETE", "/ledger", &serde_json::Value::Null).await;
    let receipts = kit.ledger().await["receipts"].clone();
    assert_eq!(receipts, json!({ "sent": 0, "lost": 0, "acknowledged": 0, "doubled": 0, "waiting": 0 }));
    assert!(receiver.calls().is_empty());
}
