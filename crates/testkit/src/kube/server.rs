//! HTTP: faults, tokens and the ledger.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::Shared;
use super::fault::{Entry, Fault};
use super::refusal::Refusal;
use super::route::{Told, answer};
use super::watch;

/// What a client must not read to its end.
const HUGE_BYTES: usize = 33 << 20;

pub async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("it listens");
    let router = Router::new().fallback(handle).layer(DefaultBodyLimit::max(3 << 20)).with_state(shared);
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
        method: method.to_string(),
        path: decoded(uri.path()),
        query: pairs(uri.query().unwrap_or_default()),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        content_type: text("content-type"),
        user: String::new(),
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
    let mut releases = shared.signal.subscribe();
    let before = releases.borrow_and_update().releases;
    let response = done(&shared, &mut entry, token.as_deref());
    entry.status = response.status().as_u16();
    shared.ledger().push(entry);
    shared.signal.send_modify(|signal| signal.looks += 1);
    match fault {
        Some(Fault::DropAfter) => cut(),
        Some(Fault::Garbage) => "<html>not what you think</html>\n".into_response(),
        Some(Fault::Huge) => vec![b' '; HUGE_BYTES].into_response(),
        Some(Fault::Hold) => {
            // An error means that the stand-in has gone.
            let _ = releases.wait_for(|signal| signal.releases != before).await;
            response
        }
        _ => response,
    }
}

fn done(shared: &Arc<Shared>, entry: &mut Entry, token: Option<&str>) -> Response {
    let mut world = shared.world();
    let user = world.users.get(token.unwrap_or_default());
    entry.user = user.map(|user| user.name.clone()).unwrap_or_default();
    let refused = |refusal: Refusal| reply(refusal.code, refusal.body().to_string());
    match answer(&mut world, entry, token) {
        Ok(Told::Answer(status, body)) => reply(status, body.to_string()),
        Ok(Told::NoSuchPath) => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
        Ok(Told::Watch(kind, place)) => watch::open(shared, &mut world, *kind, place, entry).unwrap_or_else(refused),
        Err(refusal) => refused(refusal),
    }
}

fn is_done(fault: Fault) -> bool {
    matches!(fault, Fault::DropAfter | Fault::Hold | Fault::Garbage | Fault::Huge)
}

fn instead(fault: Fault) -> Response {
    let own = |code: u16, seconds: Option<u64>| reply(code, Refusal::fault(code, seconds).body().to_string());
    match fault {
        Fault::Status(status) => own(status, None),
        Fault::TokenExpired => own(401, None),
        Fault::Throttle(seconds) => ([("retry-after", seconds.to_string())], own(429, Some(seconds))).into_response(),
        Fault::Page(status) => {
            (code(status), [("content-type", "text/html")], "<html>a gateway</html>").into_response()
        }
        _ => cut(),
    }
}

fn reply(status: u16, body: String) -> Response {
    (code(status), [("content-type", "application/json")], body).into_response()
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("a test asks for a status that there is")
}

/// A body that fails closes the connection.
fn cut() -> Response {
    let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Response::new(Body::from_stream(stream::once(async { Err::<Bytes, _>(error) })))
}

fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn decoded(text: &str) -> String {
    // A `+` is itself in a path.
    let text = format!("={}", text.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(text.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}
