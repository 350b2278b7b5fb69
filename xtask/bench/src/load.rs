//! The load generator: keep-alive connections, each with one request under way, on hyper's bare connection.
//!
//! It takes what every client of the kind would take (some 8 µs of a processor a request) and no more: bodies are made
//! before the clock starts, answers are read and only their status is looked at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Result;

/// Callers at a time, as the table says.
pub const CALLERS: usize = 64;

/// What is posted.
pub struct Load {
    /// To whom.
    pub address: SocketAddr,
    /// Path of every request.
    pub path: String,
    /// Headers of every request.
    pub headers: HeaderMap,
    /// Bodies, taken in turn; with their own headers.
    pub bodies: Vec<(Bytes, HeaderMap)>,
    /// A header that no two requests share, and what its value begins with.
    pub unique: Option<(HeaderName, String)>,
}

/// How long it goes on.
#[derive(Clone, Copy)]
pub enum Extent {
    /// For a time.
    For(Duration),
    /// Until every body was posted once.
    Once,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Answers with a status of success.
    pub good: u64,
    /// Other answers.
    pub bad: u64,
    /// From the first request to the last answer.
    pub took: Duration,
    /// Microseconds from each request to its answer, in order of size.
    pub latencies_us: Vec<u32>,
}

impl Answers {
    /// Good answers in a second.
    pub fn per_second(&self) -> f64 {
        self.good as f64 / self.took.as_secs_f64()
    }

    /// The time within which `share` of all answers came, in milliseconds.
    pub fn within_ms(&self, share: f64) -> f64 {
        let at = ((self.latencies_us.len() as f64 * share) as usize).min(self.latencies_us.len().saturating_sub(1));
        f64::from(self.latencies_us.get(at).copied().unwrap_or_default()) / 1_000.0
    }
}

/// Posts from [`CALLERS`] connections at once.
pub async fn post(load: Load, extent: Extent) -> Result<Answers> {
    let load = Arc::new(load);
    let next = Arc::new(AtomicU64::new(0));
    let mut drivers = JoinSet::new();
    let mut callers = JoinSet::new();
    let mut senders = Vec::with_capacity(CALLERS);
    for _ in 0..CALLERS {
        senders.push(connect(load.address, &mut drivers).await?);
    }
    let start = Instant::now();
    let end = match extent {
        Extent::For(time) => Some(start + time),
        Extent::Once => None,
    };
    for sender in senders {
        callers.spawn(call(sender, load.clone(), next.clone(), end));
    }
    let mut all = Answers::default();
    while let Some(answers) = callers.join_next().await {
        let answers = answers.map_err(|e| e.to_string())??;
        all.good += answers.good;
        all.bad += answers.bad;
        all.latencies_us.extend(answers.latencies_us);
    }
    all.took = start.elapsed();
    all.latencies_us.sort_unstable();
    Ok(all)
}

type Sender = SendRequest<Full<Bytes>>;

async fn connect(address: SocketAddr, drivers: &mut JoinSet<hyper::Result<()>>) -> Result<Sender> {
    let stream = TcpStream::connect(address).await.map_err(|e| format!("could not connect to {address}: {e}"))?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    drivers.spawn(connection);
    Ok(sender)
}

/// One caller: the next request when the answer is here.
async fn call(mut sender: Sender, load: Arc<Load>, next: Arc<AtomicU64>, end: Option<Instant>) -> Result<Answers> {
    let uri: Uri = load.path.parse().map_err(|_| format!("{} is no path", load.path))?;
    let host = HeaderValue::from_static("localhost");
    let mut answers = Answers::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        if end.map_or(number >= load.bodies.len() as u64, |end| start >= end) {
            return Ok(answers);
        }
        let (body, own) = &load.bodies[number as usize % load.bodies.len()];
        let mut request = Request::new(Full::new(body.clone()));
        (*request.method_mut(), *request.uri_mut()) = (Method::POST, uri.clone());
        let headers = request.headers_mut();
        headers.insert(HOST, host.clone());
        let given = load.headers.iter().chain(own.iter());
        given.for_each(|(name, value)| drop(headers.insert(name.clone(), value.clone())));
        if let Some((name, begin)) = &load.unique {
            let value = HeaderValue::from_str(&format!("{begin}-{number:012}")).map_err(|e| e.to_string())?;
            headers.insert(name.clone(), value);
        }
        let failed = |e: hyper::Error| format!("{}: {e}", load.path);
        let answer = sender.send_request(request).await.map_err(failed)?;
        let good = answer.status().is_success();
        let body = answer.into_body().collect().await.map_err(failed)?.to_bytes();
        answers.latencies_us.push(start.elapsed().as_micros() as u32);
        if good {
            answers.good += 1;
        } else {
            answers.bad += 1;
            // Its reason is worth more than a thousand repetitions.
            if answers.bad > BAD_MAX {
                return Err(format!("{}: refused again and again: {}", load.path, String::from_utf8_lossy(&body)));
            }
        }
    }
}

/// Refusals of one caller.
const BAD_MAX: u64 = 100;
