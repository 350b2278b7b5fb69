//! Requests over HTTP are believed only when Slack signed them, and just now.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use naru_core::clock::{Clock, SystemClock};
use naru_core::failure::Failure;
use naru_core::masked::Secret;
use naru_slack::desk::Desk;
use naru_slack::payload::{BODY_BYTES_MAX, Request, read_http};
use naru_slack::signature::{SIGNATURE, TIMESTAMP, verify};
use naru_testkit::slack::{CHANNEL, SIGNING_SECRET};
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::json;

use crate::kit::{App, message, quick};

/// As whoever serves HTTP does it.
async fn take(
    State((desk, clock)): State<(Arc<Desk>, Arc<dyn Clock>)>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let answered: Result<String, Failure> = async {
        verify(&Secret::new(SIGNING_SECRET), header(TIMESTAMP), header(SIGNATURE), &body, clock.now_ms())?;
        match read_http(&body)? {
            Some(request) => Ok(desk.answer(request).await?.http_body()),
            None => Ok(String::new()),
        }
    }
    .await;
    match answered {
        Ok(body) => (StatusCode::OK, body),
        Err(failure) => (StatusCode::from_u16(failure.kind.status()).unwrap(), json!(failure.code).to_string()),
    }
}

async fn serve(app: &App) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let routes = Router::new().route("/slack", post(take)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    let routes = routes.with_state((app.desk.clone(), SystemClock::shared()));
    app.lifecycle.spawn("http", async move { axum::serve(listener, routes).await });
    format!("http://{address}/slack")
}

#[tokio::test]
async fn signed_requests_are_answered() {
    let app = App::new(quick()).await;
    app.web.post(CHANNEL, &message("카드")).await.unwrap();
    let url = serve(&app).await;
    let door = app.slack.door(&url);
    let said = door.say("U0KIM", CHANNEL, "/naru who").await;
    assert_eq!((said.status, &said.payload["text"]), (200, &json!("who")));
    let card = app.slack.messages(CHANNEL).remove(0);
    let clicked = door.click("U0LEE", "approve", "op-1", &card).await;
    assert_eq!((clicked.status, clicked.payload), (200, json!(null)));
    let shown = eventually("the answer", PATIENCE, async || app.slack.calls_of("response_url").pop()).await;
    assert_eq!(shown.fields["text"], "op-1");
    assert_eq!(app.heard().len(), 2);
}

#[tokio::test]
async fn forged_and_old_requests_are_refused() {
    let app = App::new(quick()).await;
    let url = serve(&app).await;
    for (secret, skew_s, expect) in [
        ("another", 0, "slack-signature-wrong"),
        (SIGNING_SECRET, -400, "slack-signature-old"),
        (SIGNING_SECRET, 400, "slack-signature-old"),
    ] {
        let mut door = app.slack.door(&url);
        (door.secret, door.skew_s) = (secret, skew_s);
        let said = door.say("U0KIM", CHANNEL, "/naru deploy web").await;
        assert_eq!((said.status, said.payload), (401, json!(expect)));
    }
    assert!(app.heard().is_empty());
}

#[tokio::test]
async fn a_replayed_request_is_answered_and_not_handed_on_again() {
    let app = App::new(quick()).await;
    let request = request("1.1");
    let first = app.desk.answer(request.clone()).await.unwrap();
    assert_eq!(app.desk.answer(request).await.unwrap(), first);
    assert_eq!(app.heard(), ["1.1"]);
}

#[tokio::test]
async fn what_is_too_much_at_once_is_not_taken_and_can_come_again() {
    let app = App::new(quick()).await;
    app.shut_gate();
    let seats = (0..256).map(|n| {
        let (desk, request) = (app.desk.clone(), request(&n.to_string()));
        app.lifecycle.spawn("asking", async move { desk.answer(request).await })
    });
    let seats: Vec<_> = seats.collect();
    eventually("all seats to be taken", PATIENCE, async || (app.heard().len() == 256).then_some(())).await;
    assert_eq!(app.desk.answer(request("257")).await.unwrap_err().code, "slack-busy");
    app.open_gate();
    for seat in seats {
        seat.await.unwrap().unwrap();
    }
    assert_eq!(app.lifecycle.drained(PATIENCE).await, []);
    app.desk.answer(request("257")).await.unwrap();
    assert_eq!(app.heard().len(), 257);
}

fn request(key: &str) -> Request {
    let body = format!("team_id=T1&channel_id=C1&user_id=U1&command=%2Fnaru&text=who&response_url=x&trigger_id={key}");
    read_http(body.as_bytes()).unwrap().unwrap()
}
