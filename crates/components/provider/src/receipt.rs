//! Where providers report what became of messages: `POST /v1/receipts/{lane}`.
//!
//! A call is believed when it is signed with the lane's `receipt_secret`, and answered with 200 only after the engine
//! has stored its reports: until then the provider repeats it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Extension, Router};
use hmac::{Hmac, KeyInit, Mac};
use naru_component::ctx::Ctx;
use naru_core::failure::{Failure, Kind};
use naru_dispatch::receipt::ReceiptSink;
use naru_web::failed::Failed;
use sha2::Sha256;

use crate::keys::LaneKeys;
use crate::sandbox;

/// 1,000 receipts are some 200 kB.
const CALL_BYTES_MAX: usize = 2_000_000;
const SIGNATURE: &str = "x-sandbox-signature";

/// The routes receipts come in by.
pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/v1/receipts/{lane}", post(take))
        .layer(DefaultBodyLimit::max(CALL_BYTES_MAX))
        .layer(Extension(Arc::new(Signatures::default())))
}

async fn take(
    State(ctx): State<Ctx>,
    Extension(signatures): Extension<Arc<Signatures>>,
    Path(lane): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Failed> {
    let sink = ctx.need::<dyn ReceiptSink>()?;
    let signature = signatures.of(&ctx, &*sink, &lane)?;
    let given = headers.get(SIGNATURE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    signature.verify(&lane, given, &body)?;
    let reports = sandbox::reports(&body).map_err(|why| Failure::usage("receipt-unreadable").cause_text(why))?;
    sink.take(&lane, reports).await?;
    Ok(StatusCode::OK)
}

/// The signatures of the lanes that take receipts, each read once: its secret may be in a file.
#[derive(Default)]
struct Signatures(Mutex<HashMap<String, Arc<Signature>>>);

impl Signatures {
    fn of(&self, ctx: &Ctx, sink: &dyn ReceiptSink, lane: &str) -> Result<Arc<Signature>, Failure> {
        let mut known = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(signature) = known.get(lane) {
            return Ok(signature.clone());
        }
        let none = || Failure::not_found("receipt-lane-unknown").arg("lane", lane);
        let config = sink.lane(lane).filter(|config| config.provider == sandbox::NAME).ok_or_else(none)?;
        let keys = LaneKeys { lane, config: &config, base: &ctx.parts().config_dir };
        let secret = keys.receipt_secret()?.ok_or_else(none)?;
        let key = Hmac::new_from_slice(secret.reveal().as_bytes()).map_err(Failure::bug)?;
        let signature = Arc::new(Signature { key, told: AtomicBool::new(false) });
        // Bounded by the lanes of the configuration.
        known.insert(lane.to_owned(), signature.clone());
        Ok(signature)
    }
}

struct Signature {
    key: Hmac<Sha256>,
    told: AtomicBool,
}

impl Signature {
    /// Checks `sha256=<hex>` in a time that does not depend on where it differs.
    fn verify(&self, lane: &str, given: &str, body: &[u8]) -> Result<(), Failure> {
        let given = given.strip_prefix("sha256=").and_then(unhex).unwrap_or_default();
        if self.key.clone().chain_update(body).verify_slice(&given).is_ok() {
            return Ok(());
        }
        // Once, since anybody can send this; a person has to know, since receipts are lost until it is mended.
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(lane.name = lane, "a receipt call with a wrong signature was refused");
        }
        Err(Failure::new(Kind::Unauthorized, "receipt-signature-wrong").arg("lane", lane))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    text.len().is_multiple_of(2).then(|| text.as_bytes().chunks_exact(2).map(pair).collect())?
}
