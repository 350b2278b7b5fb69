//! What every request gets before anything else: a trace id that stands in each log line about it, and a count.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use naru_component::ctx::Ctx;
use naru_core::id::trace_id;
use naru_core::metric::Series;
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What [`trace`] needs.
#[derive(Clone)]
pub struct Traced {
    ctx: Ctx,
    /// By the first digit of the status.
    answered: Arc<[Series; 5]>,
}

impl Traced {
    /// Makes the counters, so that each is there from the start.
    pub fn new(ctx: &Ctx) -> Traced {
        let series = ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|class| {
            ctx.metrics().counter("naru_http_requests_total", "HTTP requests answered", &[("status", class)])
        });
        Traced { ctx: ctx.clone(), answered: Arc::new(series) }
    }
}

/// Traces and counts a request, and keeps shutdown waiting until it is answered.
pub async fn trace(State(traced): State<Traced>, request: Request, next: Next) -> Response {
    let _activity = traced.ctx.lifecycle().activity("request");
    let clock = traced.ctx.clock();
    let id = given(&request).map_or_else(|| trace_id(clock.now_ms()), str::to_owned);
    let span = tracing::info_span!(
        "request",
        trace_id = id,
        http.method = request.method().as_str(),
        http.path = shown(request.uri().path())
    );
    let start = clock.monotonic_us();
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    if let Some(series) = usize::from(status / 100).checked_sub(1).and_then(|class| traced.answered.get(class)) {
        series.add(1);
    }
    let took_us = clock.monotonic_us().saturating_sub(start);
    // Not `info`: one message may be one request.
    span.in_scope(|| tracing::debug!(http.status = status, took_us, "request answered"));
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// A path as the log may hold it: the link of a sign-in is a secret until it was used.
fn shown(path: &str) -> &str {
    const LINK: &str = "/signin/";
    if path.starts_with(LINK) { LINK } else { path }
}

/// The id that came along, where it has our form: a caller or a proxy follows its own request through our log.
fn given(request: &Request) -> Option<&str> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_link_stands_in_no_log() {
        assert_eq!(shown("/signin/989d647b92754f14"), "/signin/");
        assert_eq!(shown("/v1/messages"), "/v1/messages");
    }
}
