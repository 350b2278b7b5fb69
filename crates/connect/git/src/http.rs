//! HTTP calls with bounds on time, size and repetition.
//!
//! A question is repeated after what passes by itself (no connection, 429, 5xx), as the server asks or a little later
//! each time. What changes something is sent once: whoever sends it finds out by a question whether it arrived. No
//! redirect is followed, since a token must not go where an answer points.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderMap;
use naru_core::clock::Clock;
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use naru_wire::tls::OwnAuthorities;
use naru_wire::wait;
use reqwest::{Client, RequestBuilder};

/// A page of any list asked for here is far smaller.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
const CONNECT_MAX: Duration = Duration::from_secs(10);
const PAUSE_FIRST: Duration = Duration::from_millis(200);

/// Calls one host, or those it names.
pub(crate) struct Http {
    client: Client,
    clock: Arc<dyn Clock>,
    lifecycle: Lifecycle,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// How long the server asks to be left alone.
    pub retry_after_s: Option<u64>,
}

/// Why there is none, one cause a line. The request may have arrived.
#[derive(Debug)]
pub(crate) struct NoReply(pub Vec<String>);

impl NoReply {
    /// As causes of a failure.
    pub fn explain(self, failure: Failure) -> Failure {
        self.0.into_iter().fold(failure, Failure::cause_text)
    }
}

impl Http {
    /// Takes certificates by a public authority or one of `ca_file`; `key` is that file's, for the error.
    pub fn new(
        ca_file: Option<(&Path, &str)>,
        timeout: Duration,
        clock: Arc<dyn Clock>,
        lifecycle: Lifecycle,
    ) -> Result<Http, Failure> {
        let own = match ca_file {
            Some((path, key)) => OwnAuthorities::read(path, key)?,
            None => OwnAuthorities::default(),
        };
        let client = Client::builder()
            .user_agent(concat!("naru/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(own.client()?)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_MAX)
            .timeout(timeout)
            .build()
            .map_err(Failure::bug)?;
        Ok(Http { client, clock, lifecycle })
    }

    /// To make a request with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request once and reads the whole answer.
    pub async fn send(&self, request: RequestBuilder) -> Result<Reply, NoReply> {
        // Without the URL, which the failure names itself.
        let broken = |error: reqwest::Error| NoReply(causes(&error.without_url()));
        let mut response = request.send().await.map_err(broken)?;
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await.map_err(broken)? {
            if body.len() + bytes.len() > BODY_BYTES_MAX {
                return Err(NoReply(vec![format!("the answer is larger than {BODY_BYTES_MAX} bytes")]));
            }
            body.extend_from_slice(&bytes);
        }
        let retry_after = wait::retry_after(response.headers(), self.clock.now_ms());
        let retry_after_s = retry_after.map(|wait| wait.as_secs_f64().ceil() as u64);
        Ok(Reply { status: response.status(), headers: response.headers().clone(), body, retry_after_s })
    }

    /// Sends a question until it is answered, a few times.
    pub async fn ask(&self, request: impl Fn() -> RequestBuilder) -> Result<Reply, NoReply> {
        for tries in 1.. {
            let outcome = self.send(request()).await;
            let asked = match &outcome {
                Ok(reply) if !passes(reply.status) => return outcome,
                Ok(reply) => reply.retry_after_s.map(Duration::from_secs),
                Err(_) => None,
            };
            if tries >= wait::TRIES
                || asked.is_some_and(|asked| asked > wait::ASKED_MAX)
                || self.lifecycle.is_stopping()
            {
                return outcome;
            }
            let pause = asked.unwrap_or_else(|| wait::before_next(tries, PAUSE_FIRST, wait::ASKED_MAX));
            let _ = tokio::time::timeout(pause, self.lifecycle.stopped()).await;
        }
        unreachable!("the loop ends at a bound")
    }
}

/// Whether the same question may be answered a little later.
fn passes(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
}

fn causes(error: &reqwest::Error) -> Vec<String> {
    let first: &dyn std::error::Error = error;
    std::iter::successors(Some(first), |error| error.source()).map(ToString::to_string).collect()
}
