//! One call with receipts: written, signed, and made until it is taken or given up.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use http_body_util::Full;
use naru_core::id::write_hex;
use naru_core::masked::Secret;
use sha2::Sha256;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::fault::{Fault, Faults};
use crate::ledger::Stamp;
use crate::receipt::Receipts;
use crate::vendor::Vendor;

/// How often a call is made before its receipts are given up: with the waits below, for some eighty seconds, so that
/// a receiver may restart meanwhile.
const TRIES_MAX: u32 = 20;
const _: () = assert!(TRIES_MAX >= 10, "the contract promises ten tries");
/// The wait after the first failed try; it doubles up to the longest.
const BACKOFF_MS: u64 = 100;
const BACKOFF_MS_MAX: u64 = 5_000;

/// A call, and the right to make it.
pub struct Posting {
    /// The vendor whose ledger has the entries.
    pub vendor: Arc<Vendor>,
    /// Which of the ledger's lives they belong to.
    pub generation: u32,
    /// The entries whose receipts it carries.
    pub entries: Vec<u32>,
    /// One of the calls that may be made at a time.
    pub permit: OwnedSemaphorePermit,
}

impl Posting {
    /// Makes the call until it is taken or given up; `first_try` ends with the first try.
    pub async fn make(self, first_try: oneshot::Sender<()>) {
        let Some(receipts) = &self.vendor.receipts else { return };
        let count = self.entries.len();
        if let Some(body) = self.body(receipts) {
            receipts.count(self.generation, |totals| totals.sent += count as u64);
            let taken = self.try_often(receipts, body, first_try).await;
            if taken {
                self.vendor.reported(self.generation, &self.entries);
            }
            receipts.count(self.generation, |totals| match taken {
                true => totals.acknowledged += count as u64,
                false => totals.lost += count as u64,
            });
        }
        receipts.done(count);
        drop(self.permit);
    }

    async fn try_often(&self, receipts: &Receipts, body: Vec<u8>, first_try: oneshot::Sender<()>) -> bool {
        let signature = sign(&receipts.settings.secret, &body);
        let (body, mut first_try) = (Bytes::from(body), Some(first_try));
        let mut backoff_ms = BACKOFF_MS;
        for _ in 0..TRIES_MAX {
            let answer = receipts.client.call(request(receipts, body.clone(), signature.clone())).await;
            first_try.take();
            let why = match answer {
                Ok((status, _)) if status.is_success() => return true,
                Ok((status, _)) => status.to_string(),
                Err(causes) => causes.join(": "),
            };
            if self.vendor.lifecycle.is_stopping() || !receipts.is_owed(self.generation) {
                return false;
            }
            tracing::debug!(receipts = self.entries.len(), error = why, "receipts were not taken");
            self.vendor.pause(Duration::from_millis(backoff_ms)).await;
            backoff_ms = (backoff_ms * 2).min(BACKOFF_MS_MAX);
        }
        tracing::warn!(receipts = self.entries.len(), tries = TRIES_MAX, "receipts were given up");
        false
    }

    /// The call's body, unless the ledger was emptied since.
    fn body(&self, receipts: &Receipts) -> Option<Vec<u8>> {
        let faults = self.vendor.faults();
        let at_ms = |stamp: Stamp| self.vendor.wall_ms(stamp.at) + receipts.delay_ms(stamp, &faults) as i64;
        let mut body = Vec::with_capacity(32 + self.entries.len() * 160);
        body.extend_from_slice(b"{\"receipts\":[");
        let book = self.vendor.book();
        if book.generation() != self.generation {
            return None;
        }
        for (place, &entry) in self.entries.iter().enumerate() {
            if place > 0 {
                body.push(b',');
            }
            book.ledger().write_receipt(entry, fate(entry, &faults), at_ms, &mut body);
        }
        body.extend_from_slice(b"]}");
        Some(body)
    }
}

fn request(receipts: &Receipts, body: Bytes, signature: HeaderValue) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = receipts.settings.url.clone();
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.headers_mut().insert("x-sandbox-signature", signature);
    request
}

/// What became of a message: status and code.
fn fate(entry: u32, faults: &Faults) -> (&'static str, &'static str) {
    match u64::from(entry) {
        subject if faults.hits(Fault::FailReceipt, subject) => ("failed", "unreachable"),
        subject if faults.hits(Fault::ExpireReceipt, subject) => ("expired", "expired"),
        _ => ("delivered", "ok"),
    }
}

fn sign(secret: &Secret, body: &[u8]) -> HeaderValue {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    let mut hex = [0; 64];
    let signature = format!("sha256={}", write_hex(&mac.finalize().into_bytes(), &mut hex));
    HeaderValue::try_from(signature).expect("hex digits make a header")
}
