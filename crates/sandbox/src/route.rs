//! Which call is answered by whom.
//!
//! Calls under `/v1` are the vendor's own and need its key. `/ledger` and `/faults` belong to whoever runs the
//! sandbox; a real vendor has no such thing, so no key of a vendor's opens or closes them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use serde_json::{Value, json};

use crate::change::{Change, perform};
use crate::fault::FaultShare;
use crate::flag::Level;
use crate::reply::{Body, Lines, Reply};
use crate::vendor::Vendor;

/// Bytes a body may have: a batch of a thousand long messages is one or two million.
const BODY_BYTES_MAX: usize = 8 << 20;
/// How long a body may take; requests that come meanwhile are kept count of.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Said instead of an answer: the connection is to be closed without one.
#[derive(Debug)]
pub struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed without an answer")
    }
}

impl std::error::Error for Cut {}

/// Answers one call.
pub async fn answer(vendor: Arc<Vendor>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if let Some(path) = path.strip_prefix("/v1/") {
        let reply = vendor_call(&vendor, &parts, path, body).await?;
        return Ok(reply.into_response());
    }
    let reply = match (&parts.method, path) {
        (&Method::GET, "/ledger") => Reply::value(&vendor.summary()),
        (&Method::GET, "/ledger/entries") => match page(&parts.uri) {
            Ok((from, limit)) => return Ok(Lines::response(&vendor, from, limit)),
            Err(reply) => reply,
        },
        (&Method::DELETE, "/ledger") => {
            vendor.empty();
            Reply::value(&json!({}))
        }
        (&Method::PUT, "/faults") => put_faults(&vendor, body).await,
        _ => Reply::not_found(),
    };
    Ok(reply.into_response())
}

/// Reads a body to its end.
pub async fn read_body(mut body: Incoming) -> Result<Bytes, Reply> {
    let too_large = || Reply::error(StatusCode::PAYLOAD_TOO_LARGE, r#"{"code":"body-too-large"}"#);
    let announced = body.size_hint().lower();
    if announced > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let read = async {
        let mut first = Bytes::new();
        let mut all = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Reply::bad_request(&format!("body: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            if first.is_empty() {
                // A small body comes in one piece and is read where it lies.
                first = data;
                continue;
            }
            if all.is_empty() {
                all.reserve(announced as usize);
                all.extend_from_slice(&first);
            }
            if all.len() + data.len() > BODY_BYTES_MAX {
                return Err(too_large());
            }
            all.extend_from_slice(&data);
        }
        Ok(if all.is_empty() { first } else { Bytes::from(all) })
    };
    let late = || Err(Reply::error(StatusCode::REQUEST_TIMEOUT, r#"{"code":"body-too-slow"}"#));
    tokio::time::timeout(BODY_TIMEOUT, read).await.unwrap_or_else(|_| late())
}

async fn vendor_call(vendor: &Arc<Vendor>, parts: &Parts, path: &str, body: Incoming) -> Result<Reply, Cut> {
    if !is_authorized(vendor, parts) {
        // Read all the same: an answer while the body is on its way reaches few clients.
        return Ok(match read_body(body).await {
            Ok(_) => Reply::error(StatusCode::UNAUTHORIZED, r#"{"code":"unauthorized"}"#),
            Err(reply) => reply,
        });
    }
    let two_phase = vendor.options.level == Level::TwoPhase;
    let change = match (&parts.method, path) {
        (&Method::POST, "messages") => Change::Single,
        (&Method::POST, "batches") => Change::Batch,
        (&Method::POST, "groups") if two_phase => Change::OpenGroup,
        (method, path) => match path.strip_prefix("groups/").filter(|_| two_phase) {
            Some(rest) => match (method, rest.split_once('/')) {
                (&Method::PUT, Some((group, "messages"))) => Change::PutMessages(group),
                (&Method::POST, Some((group, "send"))) => Change::SendGroup(group),
                (&Method::DELETE, None) => Change::DeleteGroup(rest),
                (&Method::GET, None) => return Ok(ask(vendor, || group_by_name(vendor, rest)).await),
                _ => return Ok(Reply::not_found()),
            },
            None if method == Method::GET && path == "lookup" => {
                return Ok(ask(vendor, || lookup(vendor, &parts.uri)).await);
            }
            None if method == Method::GET && path == "groups" && two_phase => {
                return Ok(ask(vendor, || group_by_key(vendor, &parts.uri)).await);
            }
            None => return Ok(Reply::not_found()),
        },
    };
    perform(vendor, change, body).await
}

fn is_authorized(vendor: &Vendor, parts: &Parts) -> bool {
    let key = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    key.is_some_and(|key| vendor.options.api_key.matches(key))
}

/// Answers a question after the latency that every answer has. It is a request like any other: it counts for the
/// limits, which know no difference between a caller that sends too fast and one that asks too often.
async fn ask(vendor: &Vendor, answer: impl FnOnce() -> Reply) -> Reply {
    let mut arrival = vendor.arrive();
    let reply = if arrival.count(0) {
        answer()
    } else {
        arrival.throttled();
        Reply::throttled().retry_after()
    };
    vendor.pause(Duration::from_millis(vendor.options.latency_ms)).await;
    reply
}

fn group_by_name(vendor: &Vendor, name: &str) -> Reply {
    let number = vendor.book().group_number(name);
    number.map_or_else(|_| Reply::not_found(), |number| group_state(vendor, number))
}

/// By key the absence is an answer too, and not that of a wrong address: a client decides by it what it sends again.
fn group_by_key(vendor: &Vendor, uri: &Uri) -> Reply {
    let Some(key) = field(uri, "key") else { return Reply::bad_request("expected key") };
    let number = vendor.book().keyed_group(&key, vendor.now());
    number.map_or_else(|| Reply::value(&json!({ "found": false })), |number| group_state(vendor, number))
}

fn group_state(vendor: &Vendor, number: u32) -> Reply {
    let now = vendor.now();
    let mut book = vendor.book();
    let Ok((state, messages, sent)) = book.group(number, now) else { return Reply::not_found() };
    let name = book.group_name(number);
    let mut body = format!(r#"{{"found":true,"group":"{name}","state":"{state}","messages":{messages}"#).into_bytes();
    if let Some(results) = sent {
        body.extend_from_slice(b",\"results\":[");
        body.extend_from_slice(&results);
        body.push(b']');
    }
    body.push(b'}');
    Reply::ok(body)
}

fn lookup(vendor: &Vendor, uri: &Uri) -> Reply {
    if vendor.options.level == Level::None {
        return Reply::not_found();
    }
    let results = match (field(uri, "key"), field(uri, "ref")) {
        (Some(key), None) => {
            let now = vendor.now();
            vendor.book().results_of_key(&key, now)
        }
        (None, Some(reference)) => vendor.book().result_of_reference(&reference),
        _ => return Reply::bad_request("expected either key or ref"),
    };
    match results {
        Some(results) => Reply::ok([br#"{"found":true,"results":["#, &*results, b"]}"].concat()),
        None => Reply::value(&json!({ "found": false })),
    }
}

fn field(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query().unwrap_or_default().as_bytes();
    form_urlencoded::parse(query).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn page(uri: &Uri) -> Result<(u32, u32), Reply> {
    let number = |name: &str, default: u32| match field(uri, name) {
        Some(text) => u32::from_str(&text).map_err(|_| Reply::bad_request(&format!("{name}: expected a number"))),
        None => Ok(default),
    };
    Ok((number("from", 0)?, number("limit", u32::MAX)?))
}

async fn put_faults(vendor: &Vendor, body: Incoming) -> Reply {
    let body = match read_body(body).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let shares = serde_json::from_slice::<serde_json::Map<String, Value>>(&body).map_err(|error| error.to_string());
    let shares = shares.and_then(|shares| {
        let percent = |value: &Value| value.as_f64().ok_or_else(|| format!("{value} is not a percentage"));
        shares.iter().map(|(name, value)| FaultShare::new(name, percent(value)?)).collect::<Result<Vec<_>, _>>()
    });
    match shares {
        Ok(shares) => {
            vendor.set_faults(&shares);
            Reply::ok(body.to_vec())
        }
        Err(detail) => Reply::bad_request(&detail),
    }
}
