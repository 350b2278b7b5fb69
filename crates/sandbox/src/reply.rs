//! Answers, on their way to the wire.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Iter};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

use crate::vendor::Vendor;

/// A body held in memory, or the ledger's lines as they are read.
pub type Body = Either<Full<Bytes>, StreamBody<Iter<Lines>>>;

/// An answer held in memory.
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    body: Bytes,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Reply {
    /// 200 with JSON that is written already.
    pub fn ok(body: Vec<u8>) -> Reply {
        Reply { status: StatusCode::OK, body: body.into(), header: None }
    }

    /// 200 with a JSON value.
    pub fn value(value: &Value) -> Reply {
        Reply::ok(value.to_string().into_bytes())
    }

    /// An error known by its code alone; `body` is its JSON.
    pub fn error(status: StatusCode, body: &'static str) -> Reply {
        Reply { status, body: Bytes::from_static(body.as_bytes()), header: None }
    }

    /// 400 and why.
    pub fn bad_request(detail: &str) -> Reply {
        let body = json!({ "code": "bad-request", "detail": detail }).to_string();
        Reply { status: StatusCode::BAD_REQUEST, ..Reply::ok(body.into_bytes()) }
    }

    /// 404.
    pub fn not_found() -> Reply {
        Reply::error(StatusCode::NOT_FOUND, r#"{"code":"not-found"}"#)
    }

    /// 429; nothing was accepted.
    pub fn throttled() -> Reply {
        Reply::error(StatusCode::TOO_MANY_REQUESTS, r#"{"code":"throttled"}"#)
    }

    /// Says to come back in a second: by then the window of every limit has moved on.
    pub fn retry_after(self) -> Reply {
        Reply { header: Some((RETRY_AFTER, HeaderValue::from_static("1"))), ..self }
    }

    /// Says that this was answered before.
    pub fn replay(self) -> Reply {
        let header = (HeaderName::from_static("idempotent-replay"), HeaderValue::from_static("true"));
        Reply { header: Some(header), ..self }
    }

    /// Ready for the wire.
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Either::Left(Full::new(self.body)));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// Lines written under one lock: a tenth of a millisecond or so.
const LINES_AT_ONCE: u32 = 256;

/// The lines of ledger entries, written a few at a time as the client reads them.
pub struct Lines {
    vendor: Arc<Vendor>,
    generation: u32,
    next: u32,
    end: u32,
}

impl Lines {
    /// An answer with up to `limit` entries, those that there are now, from number `from` on.
    pub fn response(vendor: &Arc<Vendor>, from: u32, limit: u32) -> Response<Body> {
        let (generation, count) = {
            let book = vendor.book();
            (book.generation(), book.ledger().len())
        };
        let end = from.saturating_add(limit).min(count);
        let lines = Lines { vendor: vendor.clone(), generation, next: from, end };
        let mut response = Response::new(Either::Right(StreamBody::new(stream::iter(lines))));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        response
    }
}

impl Iterator for Lines {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn next(&mut self) -> Option<Self::Item> {
        let until = self.next.saturating_add(LINES_AT_ONCE).min(self.end);
        let (book, start_us) = (self.vendor.book(), self.vendor.start_wall_us());
        // Emptied meanwhile: what is left is gone.
        if self.next >= until || book.generation() != self.generation {
            return None;
        }
        let mut out = Vec::with_capacity(LINES_AT_ONCE as usize * 160);
        (self.next..until).for_each(|n| book.ledger().write_line(n, start_us, &mut out));
        self.next = until;
        Some(Ok(Frame::data(out.into())))
    }
}
