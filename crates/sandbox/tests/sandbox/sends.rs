//! Sends as the contract has them, and calls it does not have.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use naru_sandbox::flag::Level;
use serde_json::json;

use crate::kit::{Kit, METHODS, PATIENCE, batch, field, message, single, until};

#[tokio::test]
async fn a_message_is_answered_with_its_reference_and_an_id() {
    let kit = Kit::level(Level::Key).await;
    let body = json!({ "ref": "r \"1\"", "to": "kim@example.com", "subject": "s", "text": "t" });
    let answer = kit.post("/v1/messages", &body).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let json = answer.json();
    assert_eq!(
        (answer.status.as_u16(), field(&json, "/ref"), field(&json, "/code")),
        (200, "r \"1\"".into(), "ok".into())
    );
    let entry = kit.get("/ledger/entries").await.json();
    assert_eq!((&entry["id"], &entry["ref"], &entry["to"]), (&json["id"], &json["ref"], &json!("kim@example.com")));
}

#[tokio::test]
async fn a_batch_is_answered_in_its_order() {
    let kit = Kit::level(Level::Key).await;
    let references: Vec<String> = (0..1_000).map(|n| format!("0192f0c8a1b27cde8f00112233445566-{}", 999 - n)).collect();
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    let answer = kit.post("/v1/batches", &batch("k", &references)).await.json();
    let answered: Vec<String> =
        answer["results"].as_array().unwrap().iter().map(|result| field(result, "/ref")).collect();
    assert_eq!(answered, references);
    assert_eq!(kit.accepted().await, references);
}

#[tokio::test]
async fn a_batch_above_a_thousand_is_refused_whole() {
    let kit = Kit::level(Level::Key).await;
    let answer = kit.post("/v1/batches", &batch("k", &["r"; 1_001])).await;
    assert_eq!(answer.brief(), "400 batch-too-large");
    assert_eq!(kit.ledger().await["messages"]["accepted"], 0);
}

#[tokio::test]
async fn a_wrong_body_is_refused_whole_with_the_place() {
    let kit = Kit::level(Level::Key).await;
    let answer = kit.post("/v1/batches", &json!({ "key": "k", "messages": [message("a"), { "ref": "b" }] })).await;
    assert_eq!(answer.brief(), "400 bad-request");
    let detail = field(&answer.json(), "/detail");
    assert!(detail.contains("missing field `to`") && detail.contains("column"), "{detail}");
    assert_eq!(kit.ledger().await["messages"]["accepted"], 0);
}

#[tokio::test]
async fn without_the_key_nothing_of_the_vendor_answers() {
    let kit = Kit::level(Level::Key).await;
    for (method, path) in
        [("POST", "/v1/messages"), ("POST", "/v1/batches"), ("GET", "/v1/lookup?key=k"), ("GET", "/v1/x")]
    {
        let body = single("k", "r").to_string().into_bytes();
        let answer = kit.try_call(method, path, "wrong", body).await.expect("an answer");
        assert_eq!(answer.brief(), "401 unauthorized", "{method} {path}");
    }
    assert_eq!(kit.ledger().await["requests"], 0);
}

#[tokio::test]
async fn what_the_contract_does_not_have_is_not_found() {
    let kit = Kit::level(Level::TwoPhase).await;
    let known = [
        ("POST", "/v1/messages"),
        ("POST", "/v1/batches"),
        ("POST", "/v1/groups"),
        ("GET", "/v1/groups"),
        ("GET", "/v1/lookup"),
        ("GET", "/ledger"),
        ("DELETE", "/ledger"),
        ("GET", "/ledger/entries"),
        ("PUT", "/faults"),
    ];
    let paths = known.map(|(_, path)| path);
    for path in paths.into_iter().chain(["/", "/v1", "/v1/", "/v1/groups/", "/v1/groups/g/x", "/ledger/"]) {
        for method in METHODS.iter().map(|method| method.as_str()).filter(|method| !known.contains(&(*method, path))) {
            let answer = kit.call(method, path, &serde_json::Value::Null).await;
            assert_eq!(answer.brief(), "404 not-found", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_body_above_its_bound_is_refused_before_it_comes() {
    let kit = Kit::level(Level::Key).await;
    let head =
        "POST /v1/batches HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sandbox\r\ncontent-length: 8388609\r\n\r\n";
    assert!(raw(&kit, head.as_bytes()).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_body_in_pieces_that_cut_its_letters_is_read_whole() {
    let kit = Kit::level(Level::Key).await;
    let body = single("k", "주문-7").to_string();
    let mut request = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sandbox\r\n\
        connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        .to_vec();
    for piece in body.as_bytes().chunks(7) {
        request.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        request.extend_from_slice(&[piece, b"\r\n"].concat());
    }
    request.extend_from_slice(b"0\r\n\r\n");
    assert!(raw(&kit, &request).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(kit.accepted().await, ["주문-7"]);
}

#[tokio::test]
async fn a_request_that_breaks_off_accepts_nothing_and_holds_no_count_up() {
    let kit = Kit::level(Level::Key).await;
    let head =
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sandbox\r\ncontent-length: 1000\r\n\r\n{";
    let mut stream = tokio::net::TcpStream::connect(kit.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    until("it has arrived", async || (kit.ledger().await["requests"] == 1).then_some(())).await;
    kit.post("/v1/messages", &single("k", "a")).await;
    assert_eq!(kit.ledger().await["messages_per_second_peak"], 0, "the earlier request may still bring messages");
    drop(stream);
    until("the line moves on", async || (kit.ledger().await["messages_per_second_peak"] == 1).then_some(())).await;
    assert_eq!(kit.accepted().await, ["a"]);
}

/// Sends `request` as it is and reads until the connection closes.
async fn raw(kit: &Kit, request: &[u8]) -> String {
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(kit.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("an answer in time")
}
