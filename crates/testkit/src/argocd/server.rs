//! HTTP: faults, tokens, the ledger, and the stream.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use super::Shared;
use super::fault::{Entry, Fault};
use super::route::{Refusal, Request, answer};
use super::watcher::Watcher;

/// What a client must not read to its end.
const HUGE_BYTES: usize = 17 << 20;

pub async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("it listens");
    let router = Router::new().fallback(handle).with_state(shared);
    axum::serve(listener, router).await.expect("a listener that is open takes connections");
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let token = text("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
    let mut entry = Entry {
        at_ms: shared.world().now_ms,
        method: method.to_string(),
        path: decoded(uri.path()),
        query: pairs(uri.query().unwrap_or_default()),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        content_type: text("content-type"),
        account: String::new(),
        status: 0,
        fault: None,
    };
    let fault = shared.faults().take(&entry.place());
    entry.fault = fault;
    if let Some(fault) = fault.filter(|fault| !is_done(*fault)) {
        let response = instead(fault);
        entry.status = response.status().as_u16();
        shared.ledger().push(entry);
        return response;
    }
    let told = {
        let mut world = shared.world();
        let account = token.as_deref().and_then(|token| world.accounts.get(token));
        entry.account = account.map(|account| account.name.clone()).unwrap_or_default();
        if entry.path == "/api/v1/stream/applications" && !entry.account.is_empty() {
            let response = watch(&mut world, &entry);
            entry.status = 200;
            drop(world);
            shared.ledger().push(entry);
            return response;
        }
        let request = Request { entry: &entry, token: token.as_deref() };
        let told = answer(&mut world, &request);
        world.tell();
        told
    };
    let (status, body) = match told {
        Ok(value) => (StatusCode::OK, value.to_string()),
        Err(refusal) => (refusal.http, refusal.body().to_string()),
    };
    entry.status = status.as_u16();
    shared.ledger().push(entry);
    match fault {
        Some(Fault::DropAfter) => cut(),
        Some(Fault::Garbage) => "<html>not what you think</html>".into_response(),
        Some(Fault::Huge) => vec![b' '; HUGE_BYTES].into_response(),
        Some(Fault::Hold) => {
            let mut released = shared.released.subscribe();
            // An error means that the stand-in has gone.
            let _ = released.changed().await;
            reply(status, body)
        }
        _ => reply(status, body),
    }
}

fn is_done(fault: Fault) -> bool {
    matches!(fault, Fault::DropAfter | Fault::Hold | Fault::Garbage | Fault::Huge)
}

fn instead(fault: Fault) -> Response {
    let own = |http: u16, code: u16, message: &str| {
        let http = StatusCode::from_u16(http).expect("a test asks for a status that there is");
        reply(http, Refusal { http, code, message: message.to_owned() }.body().to_string())
    };
    match fault {
        Fault::Status(status) => own(status, 2, "a fault that was asked for"),
        Fault::TokenExpired => own(401, 16, "invalid session: token has invalid claims: token is expired"),
        Fault::Throttle(seconds) => {
            ([("retry-after", seconds.to_string())], own(429, 8, "too many requests")).into_response()
        }
        Fault::Page(status) => {
            let status = StatusCode::from_u16(status).expect("a test asks for a status that there is");
            (status, [("content-type", "text/html")], "<html>a gateway</html>").into_response()
        }
        _ => cut(),
    }
}

fn reply(status: StatusCode, body: String) -> Response {
    (status, [("content-type", "application/json")], body).into_response()
}

/// A body that fails closes the connection.
fn cut() -> Response {
    let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Response::new(Body::from_stream(stream::once(async { Err::<Bytes, _>(error) })))
}

fn watch(world: &mut super::World, entry: &Entry) -> Response {
    let (lines, receiver) = unbounded_channel::<Value>();
    let projects = entry.query.iter().filter(|(name, _)| name == "projects").map(|(_, value)| value.clone()).collect();
    world.watch(Watcher { projects, lines }, entry.parameter("resourceVersion").is_none());
    let body = stream::unfold(receiver, async |mut receiver| {
        let line: Value = receiver.recv().await?;
        Some((Ok::<_, Infallible>(Bytes::from(format!("{line}\n"))), receiver))
    });
    Response::new(Body::from_stream(body.boxed()))
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

fn decoded(text: &str) -> String {
    let (mut out, bytes) = (Vec::new(), text.as_bytes());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => (out.push(byte), at += 3).1,
            None => (out.push(bytes[at]), at += 1).1,
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Refusal {
    fn body(&self) -> Value {
        json!({ "code": self.code, "error": self.message, "message": self.message })
    }
}
