//! Slack's own requests, where it reaches naru over HTTP: each is signed, and believed for five minutes.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use naru_component::ctx::Ctx;
use naru_core::failure::Failure;
use naru_core::masked::Secret;
use naru_slack::desk::Desk;
use naru_slack::payload::{BODY_BYTES_MAX, read_http};
use naru_slack::signature::{SIGNATURE, TIMESTAMP, verify};
use naru_web::failed::Failed;

/// The path that the app at Slack is given, for commands and for buttons.
pub const PATH: &str = "/slack";

/// Who is behind that path, offered where there is somebody.
pub struct Door {
    /// Answers.
    pub desk: Arc<Desk>,
    /// What requests are signed with.
    pub signing_secret: Secret,
}

/// The one path.
pub fn routes(ctx: &Ctx) -> Router {
    Router::new().route(PATH, post(take)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(ctx.clone())
}

async fn take(State(ctx): State<Ctx>, headers: HeaderMap, body: Bytes) -> Response {
    match answer(&ctx, &headers, &body).await {
        Ok(body) if body.is_empty() => ().into_response(),
        Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(failure) => Failed(failure).into_response(),
    }
}

async fn answer(ctx: &Ctx, headers: &HeaderMap, body: &[u8]) -> Result<String, Failure> {
    let missing = || Failure::not_found("page-missing").arg("path", PATH);
    let door = ctx.find::<Door>().ok_or_else(missing)?;
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    verify(&door.signing_secret, header(TIMESTAMP), header(SIGNATURE), body, ctx.clock().now_ms())?;
    match read_http(body)? {
        Some(request) => Ok(door.desk.answer(request).await?.http_body()),
        None => Ok(String::new()),
    }
}
