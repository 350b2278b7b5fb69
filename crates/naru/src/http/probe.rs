//! What machines look at: whether the process lives, whether it can work, and its numbers.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use naru_component::ctx::Ctx;
use naru_store::error::StoreError;

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
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
    }
    let why = match tokio::time::timeout(STORE_MAX, ctx.store().now()).await {
        Ok(Ok(_)) => return (StatusCode::OK, "ok\n".to_owned()),
        Ok(Err(StoreError::Silent { why })) => why.to_string(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", STORE_MAX.as_secs()),
    };
    (StatusCode::SERVICE_UNAVAILABLE, format!("the database does not answer: {why}\n"))
}

async fn metrics(State(ctx): State<Ctx>) -> impl IntoResponse {
    show_store(&ctx);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], ctx.metrics().render())
}

/// The store keeps no series: what it knows is asked when somebody reads.
fn show_store(ctx: &Ctx) {
    let (metrics, store) = (ctx.metrics(), ctx.store());
    let show = |name, help, value: i64| metrics.gauge(name, help, &[]).set(value);
    show("naru_store_answers", "0 while the database does not answer", i64::from(store.silence().is_none()));
    show(
        "naru_store_nearly_full",
        "1 while nothing is taken in for want of room on the disk",
        i64::from(store.is_nearly_full()),
    );
    show(
        "naru_store_clock_ahead_milliseconds",
        "How far the database's clock is ahead of this machine's",
        store.clock_seen_ahead_ms(),
    );
}
