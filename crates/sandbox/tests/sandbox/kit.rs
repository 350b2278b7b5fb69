//! A sandbox to call, a receiver for its receipts, and a clock to hold still.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use naru_core::clock::{Clock, Micros, Millis, SystemClock};
use naru_core::lifecycle::Lifecycle;
use naru_sandbox::flag::Level;
use naru_sandbox::{Options, start};
use serde_json::{Value, json};

/// How long anything may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than any test: an answer held back for so long is not coming by itself.
pub const FOREVER_MS: u64 = 3_600_000;

/// A running sandbox; dropping it stops it.
pub struct Kit {
    pub lifecycle: Lifecycle,
    pub url: String,
    pub address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Kit {
    pub async fn start(options: Options) -> Kit {
        Kit::start_at(options, SystemClock::shared()).await
    }

    pub async fn start_at(options: Options, clock: Arc<dyn Clock>) -> Kit {
        let lifecycle = Lifecycle::default();
        let sandbox = start(options, lifecycle.clone(), clock).await.expect("the sandbox starts");
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Kit { lifecycle, url: sandbox.url(), address: sandbox.address(), client }
    }

    pub async fn level(level: Level) -> Kit {
        Kit::start(Options { level, ..Options::default() }).await
    }

    pub async fn with_faults(faults: &[&str]) -> Kit {
        let fault = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        Kit::start(Options { fault, ..Options::default() }).await
    }

    /// Makes a call; none is a connection that ended without an answer.
    pub async fn try_call(&self, method: &str, path: &str, key: &str, body: Vec<u8>) -> Option<Answer> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = format!("{}{path}", self.url).parse().unwrap();
        request.headers_mut().insert("authorization", HeaderValue::from_str(&format!("Bearer {key}")).unwrap());
        let call = tokio::time::timeout(PATIENCE, self.client.request(request));
        let response = call.await.expect("an answer in time").ok()?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Some(Answer { status: parts.status, headers: parts.headers, text })
    }

    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.try_call(method, path, "sandbox", body).await.expect("an answer")
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &Value::Null).await
    }

    pub async fn ledger(&self) -> Value {
        naru_sandbox::ledger(&self.url).await.expect("the ledger can be read")
    }

    /// The references in the ledger, in order.
    pub async fn accepted(&self) -> Vec<String> {
        let lines = self.get("/ledger/entries").await.text;
        lines.lines().map(|line| field(&serde_json::from_str(line).unwrap(), "/ref")).collect()
    }

    pub async fn set_faults(&self, faults: &Value) {
        assert_eq!(self.call("PUT", "/faults", faults).await.status, 200);
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

/// What a call was answered.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The status and the code, or the codes of all results: `200 ok busy`.
    pub fn brief(&self) -> String {
        let json = self.json();
        let results = json["results"].as_array().cloned().unwrap_or_else(|| vec![json]);
        let codes: Vec<String> = results.iter().map(|result| field(result, "/code")).collect();
        format!("{} {}", self.status.as_u16(), codes.join(" "))
    }

    pub fn is_replay(&self) -> bool {
        self.headers.get("idempotent-replay").is_some_and(|value| value == "true")
    }

    pub fn retry_after(&self) -> Option<&str> {
        self.headers.get("retry-after").map(|value| value.to_str().unwrap())
    }
}

pub fn field(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

pub fn message(reference: &str) -> Value {
    json!({ "ref": reference, "to": "01012345678", "text": "안녕하세요" })
}

pub fn single(key: &str, reference: &str) -> Value {
    json!({ "key": key, "ref": reference, "to": "01012345678", "text": "안녕하세요" })
}

pub fn batch(key: &str, references: &[&str]) -> Value {
    json!({ "key": key, "messages": references.iter().map(|reference| message(reference)).collect::<Vec<_>>() })
}

/// Waits until `look` sees what it looks for.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let seen = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// A clock that stands where it is put.
#[derive(Default)]
pub struct HeldClock(AtomicU64);

impl HeldClock {
    pub fn set(&self, at: Micros) {
        self.0.store(at, Ordering::SeqCst);
    }
}

impl Clock for HeldClock {
    fn now_ms(&self) -> Millis {
        1_795_361_400_000 + (self.monotonic_us() / 1_000) as Millis
    }

    fn monotonic_us(&self) -> Micros {
        self.0.load(Ordering::SeqCst)
    }
}

/// Takes receipts; answers with the statuses it was told, then 200.
#[derive(Clone, Default)]
pub struct Receiver {
    /// The receipts of each call.
    calls: Arc<Mutex<Vec<Vec<Value>>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    /// Listens, and returns options for a sandbox that posts to it.
    pub async fn start(answers: &[u16], lifecycle: &Lifecycle) -> (Receiver, Options) {
        let receiver =
            Receiver { answers: Arc::new(Mutex::new(answers.iter().copied().collect())), ..Receiver::default() };
        let shared = receiver.clone();
        let router = Router::new().route(
            "/receipts",
            post(move |headers: HeaderMap, body: Bytes| async move { shared.take(&headers, &body) }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/receipts", listener.local_addr().unwrap());
        lifecycle.spawn("test receiver", async move { axum::serve(listener, router).await });
        let options = Options {
            receipts_to: Some(url),
            receipts_secret: Some(naru_core::masked::Secret::new("s3cret")),
            receipts_delay_ms: "0".parse().unwrap(),
            ..Options::default()
        };
        (receiver, options)
    }

    fn take(&self, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"s3cret").unwrap();
        mac.update(body);
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        if headers["x-sandbox-signature"] != format!("sha256={hex}") {
            return StatusCode::UNAUTHORIZED;
        }
        let body: Value = serde_json::from_slice(body).unwrap();
        self.calls.lock().unwrap().push(body["receipts"].as_array().unwrap().clone());
        let status = self.answers.lock().unwrap().pop_front().unwrap_or(200);
        StatusCode::from_u16(status).unwrap()
    }

    pub fn calls(&self) -> Vec<Vec<Value>> {
        self.calls.lock().unwrap().clone()
    }

    /// One field of every receipt, in the order they came.
    pub fn fields(&self, pointer: &str) -> Vec<String> {
        self.calls().iter().flatten().map(|receipt| field(receipt, pointer)).collect()
    }
}

/// The methods that a route might be tried with.
pub const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
