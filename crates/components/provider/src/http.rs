//! HTTP/1.1 requests to one host, each of which ends as sent and answered, certainly unsent, or unknown.
//!
//! Built on hyper's single connection instead of a pooling client, because only there the moment is known from which a
//! request may have left: what fails earlier can safely be sent again. It is also the cheapest by CPU (9 µs a small
//! request; hyper-util's client 11 to 13, reqwest 16 to 18). A connection is driven by the request that uses it, so
//! there is no task to own, and a dropped request takes its connection with it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use naru_core::clock::{Clock, Millis};
use naru_wire::wait;
use tokio::time::{Instant, timeout_at};

use crate::keys::Endpoint;
use crate::net::{Stream, Tls, connect};
use crate::pool::Pool;

/// Answers to 1,000 messages are some 150 kB; a larger one is not an answer to us.
const REPLY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A host that takes longer to accept a connection is not there. Shorter than any sensible time-out of a request, so
/// that a dead host leaves nothing unknown.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Common servers hang up after 5 s of silence or later; a request that crosses a hang-up on the way ends unknown.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// Sends requests to one host over as many connections as there are requests at one time.
pub struct Client {
    endpoint: Endpoint,
    host: HeaderValue,
    authorization: HeaderValue,
    tls: Option<Tls>,
    pool: Pool<Link>,
}

/// What a host answered.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Why there is no answer, in kebab-case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// No byte of the request left.
    Unsent(&'static str),
    /// The request may have been acted upon.
    Unknown(&'static str),
}

impl Client {
    /// A client of `endpoint` that keeps up to `connections_max` connections open between requests.
    pub fn new(
        endpoint: Endpoint,
        authorization: HeaderValue,
        tls: Option<Tls>,
        clock: Arc<dyn Clock>,
        connections_max: usize,
    ) -> Client {
        let host = match endpoint.host.contains(':') {
            true => format!("[{}]:{}", endpoint.host, endpoint.port),
            false => format!("{}:{}", endpoint.host, endpoint.port),
        };
        let host = HeaderValue::from_str(&host).expect("a host comes from a parsed URL");
        Client { endpoint, host, authorization, tls, pool: Pool::new(clock, IDLE_MAX, connections_max) }
    }

    /// The target of requests for `path` below the configured URL.
    pub fn target(&self, path: &str) -> Uri {
        format!("{}{path}", self.endpoint.path).parse().expect("a path of a parsed URL, and one of ours")
    }

    /// Sends one request and reads its whole answer, all within `timeout`.
    pub async fn call(&self, method: Method, target: Uri, body: Bytes, timeout: Duration) -> Result<Reply, NoReply> {
        let start = Instant::now();
        let deadline = start + timeout;
        let mut request = self.request(method, target, body);
        loop {
            let (mut link, parked) = match self.pool.take() {
                Some(link) => (link, true),
                None => {
                    let connected = timeout_at(deadline.min(start + CONNECT_MAX), self.connect()).await;
                    (connected.map_err(|_| NoReply::Unsent("connect-timeout"))??, false)
                }
            };
            match timeout_at(deadline, link.exchange(request)).await {
                Ok(Ok(reply)) => {
                    self.pool.park(link);
                    return Ok(reply);
                }
                // The host hung up while the connection was parked, and hyper read that before it wrote. Ends: each
                // round uses up a parked connection.
                Ok(Err(Broken::Before(unsent))) if parked => request = *unsent,
                Ok(Err(Broken::Before(_))) => return Err(NoReply::Unsent("connection-closed")),
                Ok(Err(Broken::After(code))) => return Err(NoReply::Unknown(code)),
                Err(_) => return Err(NoReply::Unknown("timeout")),
            }
        }
    }

    fn request(&self, method: Method, target: Uri, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        (*request.method_mut(), *request.uri_mut()) = (method, target);
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request
    }

    async fn connect(&self) -> Result<Link, NoReply> {
        let stream = connect(&self.endpoint.host, self.endpoint.port, self.tls.as_ref()).await.map_err(|error| {
            tracing::debug!(host = self.endpoint.host, error = &error as &dyn std::error::Error, "no connection");
            NoReply::Unsent(error.code())
        })?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|_| NoReply::Unsent("connection-closed"))?;
        Ok(Link { sender, connection: Some(connection) })
    }
}

impl Reply {
    /// How long `Retry-After` (RFC 9110, 10.2.3) asks to wait: seconds, or until a date.
    pub fn retry_after(&self, now: Millis) -> Option<Duration> {
        wait::retry_after(&self.headers, now)
    }
}

/// One connection: what requests are put into, and what moves the bytes.
struct Link {
    sender: SendRequest<Full<Bytes>>,
    /// None once it has ended.
    connection: Option<Connection<TokioIo<Stream>, Full<Bytes>>>,
}

/// How an exchange failed.
enum Broken {
    /// Nothing of this request was written.
    Before(Box<Request<Full<Bytes>>>),
    /// Some of it may have been.
    After(&'static str),
}

impl Link {
    /// Sends the request and reads the answer to its end, moving the connection along.
    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, Broken> {
        let mut talk = pin!(talk(&mut self.sender, request));
        poll_fn(|cx| {
            if let Poll::Ready(end) = talk.as_mut().poll(cx) {
                return Poll::Ready(end);
            }
            // Dropped at its end: only then is a request that still waits for it given back.
            self.connection.take_if(|connection| Pin::new(connection).poll(cx).is_ready());
            talk.as_mut().poll(cx)
        })
        .await
    }
}

async fn talk(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Result<Reply, Broken> {
    if sender.ready().await.is_err() {
        return Err(Broken::Before(Box::new(request)));
    }
    let response = sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
        // Given back only while it is whole: hyper had not begun to write it.
        Some(request) => Broken::Before(Box::new(request)),
        None => {
            tracing::debug!(error = error.error() as &dyn std::error::Error, "no answer");
            Broken::After(if error.error().is_parse() { "reply-unreadable" } else { "connection-lost" })
        }
    })?;
    let (head, body) = response.into_parts();
    // To the end, so that the connection can be used again.
    let body = Limited::new(body, REPLY_BYTES_MAX).collect().await.map_err(|error| {
        tracing::debug!(error = &*error as &dyn std::error::Error, "an answer broke off");
        Broken::After(if error.is::<LengthLimitError>() { "reply-too-large" } else { "connection-lost" })
    })?;
    Ok(Reply { status: head.status, headers: head.headers, body: body.to_bytes() })
}
