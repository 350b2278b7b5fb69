//! What machines look at: whether the process lives, whether it can work, and its numbers.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use naru_component::ctx::Ctx;

/// A database that takes longer than this to say what time it is cannot be worked with.
const STORE_MAX: Duration = Duration::from_secs(2);

/// `/healthz`, `/readyz` and `/metrics`, for whoever can reach the door: they name lanes and counts, no person.
pub fn routes(ctx: &Ctx) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(ctx.clone())
}

async fn ready(State(ctx): State<Ctx>) -> impl IntoResponse {
    if ctx.lifecycle().is_leaving() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match tokio::time::timeout(STORE_MAX, ctx.store().now()).await {
        Ok(Ok(_)) => (StatusCode::OK, "ok\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}

async fn metrics(State(ctx): State<Ctx>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], ctx.metrics().render())
}
