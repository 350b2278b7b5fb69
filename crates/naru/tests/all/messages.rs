//! `POST /v1/messages` over a real connection: what is answered, when, and under which status.

use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::campaign::post;
use crate::house::{House, Serve};

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";

async fn shop(house: &House) -> (Serve, String) {
    let serve = house.serve().await;
    house.done(&["template", "push", "templates"]);
    let token = house.done(&["token", "add", "shop", "--role", "send"]).trim().to_owned();
    (serve, token)
}

fn message(n: usize) -> Value {
    json!({ "template": "shipped", "to": format!("010{n:08}"), "variables": { "name": "민수", "order": n } })
}

fn lines(range: std::ops::Range<usize>) -> String {
    range.map(|n| message(n).to_string() + "\n").collect()
}

#[tokio::test]
async fn a_key_gives_the_first_answer_whatever_is_judged_now() {
    let house = House::new();
    let (serve, token) = shop(&house).await;
    let one = message(1).to_string();
    let array = json!([message(2), { "template": "shipped", "to": "x" }, message(3)]).to_string();
    let first = post(&serve, &token, Some("one"), JSON, one.clone()).await;
    let first_array = post(&serve, &token, Some("array"), JSON, array.clone()).await;
    let first_lines = post(&serve, &token, Some("lines"), LINES, lines(10..12)).await;
    assert_eq!((first.0, first_array.0, first_lines.0), (202, 202, 200));

    // From now on every one of them would be refused.
    let template = std::fs::read_to_string(house.path("templates/shipped.toml")).unwrap();
    house.write("templates/shipped.toml", &template.replace("#{name}", "#{name} #{coupon}"));
    house.done(&["template", "push", "templates"]);
    let refused = post(&serve, &token, Some("other"), JSON, one.clone()).await;
    assert_eq!(refused.0, 422, "{}", refused.1);

    assert_eq!(post(&serve, &token, Some("one"), JSON, one.clone()).await, first);
    assert_eq!(post(&serve, &token, Some("array"), JSON, array).await, first_array);
    assert_eq!(post(&serve, &token, Some("lines"), LINES, lines(10..12)).await, first_lines);
    assert_eq!(post(&serve, &token, Some("one"), JSON, message(4).to_string()).await.0, 409);
    house.done(&["audit"]);
    serve.stop().await;
}

#[tokio::test]
async fn a_stream_that_fails_before_its_first_answer_fails_with_a_status() {
    let house = House::new();
    let (serve, token) = shop(&house).await;
    assert_eq!(post(&serve, &token, Some("key"), LINES, lines(0..2)).await.0, 200);
    let other = post(&serve, &token, Some("key"), LINES, lines(1..3)).await;
    assert_eq!(other.0, 409);
    assert!(other.1.contains("idempotency-key-reused"), "{}", other.1);
    let long = post(&serve, &token, None, LINES, "x".repeat(300_000)).await;
    assert_eq!(long.0, 413);
    assert!(long.1.contains("line-too-large"), "{}", long.1);
    // What fails later is told in the last line: a thousand lines have their answers already.
    let late = post(&serve, &token, Some("late"), LINES, lines(0..1_000) + &"x".repeat(300_000)).await;
    assert_eq!((late.0, late.1.lines().count()), (200, 1_001));
    assert!(late.1.lines().last().unwrap().contains("line-too-large"));
    assert_eq!(post(&serve, &token, None, LINES, String::new()).await, (200, String::new()));
    serve.stop().await;
}

#[tokio::test]
async fn a_stream_without_a_key_answers_each_line_while_it_is_open() {
    let house = House::new();
    let (serve, token) = shop(&house).await;
    let address = serve.url.strip_prefix("http://").unwrap();
    let (from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
    let mut from = BufReader::new(from).lines();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: {LINES}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    to.write_all(head.as_bytes()).await.unwrap();
    for n in 1..=3 {
        let line = lines(n..n + 1);
        to.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).await.unwrap();
        // The next line is sent when this one is answered.
        let answer = async {
            loop {
                let answer = from.next_line().await.unwrap().expect("the stream is open");
                if let Ok(Value::Object(answer)) = serde_json::from_str(&answer) {
                    break answer;
                }
            }
        };
        let answer = tokio::time::timeout(PATIENCE, answer).await.expect("a line is answered while the stream is open");
        assert_eq!((&answer["line"], answer["id"].is_string()), (&json!(n), true));
    }
    to.write_all(b"0\r\n\r\n").await.unwrap();
    drop(to);
    eventually("all to be accepted", PATIENCE, async || {
        let audit: Value = serde_json::from_str(&house.done(&["audit", "--json"])).unwrap();
        (audit["total"]["accepted"] == 3).then_some(())
    })
    .await;
    serve.stop().await;
}
