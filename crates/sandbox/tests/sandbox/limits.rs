//! Limits and peaks, with a clock that stands still.

use std::sync::Arc;

use naru_sandbox::Options;
use naru_sandbox::flag::Level;
use serde_json::{Value, json};

use crate::kit::{FOREVER_MS, HeldClock, Kit, batch, field, message, single, until};

#[tokio::test]
async fn requests_above_the_limit_of_a_sliding_second_are_throttled_and_not_accepted() {
    let clock = Arc::new(HeldClock::default());
    let kit = Kit::start_at(Options { requests_per_second: Some(2), ..Options::default() }, clock.clone()).await;
    let mut seen = Vec::new();
    for (at, reference) in [(0, "a"), (999_999, "b"), (999_999, "c"), (1_000_000, "d"), (1_000_001, "e")] {
        clock.set(at);
        let answer = kit.post("/v1/messages", &single(reference, reference)).await;
        seen.push((answer.status.as_u16(), answer.retry_after().map(str::to_owned)));
    }
    let throttled = (429, Some("1".to_owned()));
    assert_eq!(seen, [(200, None), (200, None), throttled.clone(), (200, None), throttled]);
    assert_eq!(kit.accepted().await, ["a", "b", "d"]);
    let ledger = kit.ledger().await;
    assert_eq!((&ledger["requests"], &ledger["throttled"]), (&json!(5), &json!(2)));
    assert_eq!(ledger["requests_per_second_peak"], 4, "what is throttled has arrived all the same");
}

#[tokio::test]
async fn every_step_of_a_group_and_every_question_is_a_request_and_the_messages_count_once() {
    let clock = Arc::new(HeldClock::default());
    let limits = Options { requests_per_second: Some(4), messages_per_second: Some(2), ..Options::default() };
    let kit = Kit::start_at(Options { level: Level::TwoPhase, ..limits }, clock.clone()).await;
    let body = json!({ "key": "k", "messages": [message("a"), message("b")] });
    let opened = kit.post("/v1/groups", &body).await;
    let group = format!("/v1/groups/{}", field(&opened.json(), "/group"));
    let mut seen = vec![opened.brief(), kit.post(&format!("{group}/send"), &Value::Null).await.brief()];
    for question in [&group, "/v1/groups?key=k", "/v1/lookup?key=k"] {
        seen.push(kit.get(question).await.status.as_str().to_owned());
    }
    assert_eq!(seen, ["200 ok ok", "200 ok ok", "200", "200", "429"]);
    let ledger = kit.ledger().await;
    assert_eq!((&ledger["requests"], &ledger["throttled"]), (&json!(5), &json!(1)));
    assert_eq!(ledger["messages_per_second_peak"], 2, "what is sent was counted when it was brought");
    clock.set(1_000_000);
    assert_eq!(kit.get("/v1/lookup?key=k").await.brief(), "200 ok ok");
}

#[tokio::test]
async fn messages_above_the_limit_of_a_sliding_second_are_throttled_and_not_accepted() {
    let clock = Arc::new(HeldClock::default());
    let kit = Kit::start_at(Options { messages_per_second: Some(3), ..Options::default() }, clock.clone()).await;
    let mut seen = Vec::new();
    for (at, key, references) in
        [(0, "1", ["a", "b"]), (500_000, "2", ["c", "d"]), (1_000_000, "3", ["e", "f"]), (1_000_001, "4", ["g", "h"])]
    {
        clock.set(at);
        seen.push(kit.post("/v1/batches", &batch(key, &references)).await.brief());
    }
    assert_eq!(seen, ["200 ok ok", "429 throttled", "200 ok ok", "429 throttled"]);
    assert_eq!(kit.accepted().await, ["a", "b", "e", "f"]);
    assert_eq!(kit.ledger().await["messages_per_second_peak"], 6);
}

#[tokio::test]
async fn one_request_too_many_in_flight_is_throttled() {
    let kit = Arc::new(Kit::start(Options { in_flight: Some(1), latency_ms: FOREVER_MS, ..Options::default() }).await);
    let first = send(&kit, "a");
    until("the first is accepted", async || (kit.accepted().await == ["a"]).then_some(())).await;
    let second = send(&kit, "b");
    until("the second is counted", async || (kit.ledger().await["throttled"] == 1).then_some(())).await;
    assert_eq!(kit.ledger().await["in_flight_peak"], 2);
    // Only the end of the sandbox ends the latency: both answers were held back.
    kit.lifecycle.stop();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), ("200 ok".to_owned(), "429 throttled".to_owned()));
}

#[tokio::test]
async fn a_stopped_sandbox_leaves_nothing_running_and_takes_no_connection() {
    let kit = Kit::start(Options::default()).await;
    kit.post("/v1/messages", &single("k", "a")).await;
    let silent = tokio::net::TcpStream::connect(kit.address).await.unwrap();
    until("the silent connection is taken", async || {
        (kit.lifecycle.waiting_for() == [("sandbox connection", 2)]).then_some(())
    })
    .await;
    kit.lifecycle.stop();
    assert_eq!(kit.lifecycle.drained(crate::kit::PATIENCE).await, []);
    until("the port is closed", async || tokio::net::TcpStream::connect(kit.address).await.err()).await;
    drop(silent);
}

fn send(kit: &Arc<Kit>, reference: &'static str) -> tokio::task::JoinHandle<String> {
    let caller = kit.clone();
    kit.lifecycle
        .spawn("test send", async move { caller.post("/v1/messages", &single(reference, reference)).await.brief() })
}
