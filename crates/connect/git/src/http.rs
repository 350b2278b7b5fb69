//! HTTP calls with bounds on time, size and repetition.
//!
//! A question is repeated after what passes by itself (no connection, 429, 5xx), as the server asks or a little later
//! each time. What changes something is sent once: whoever sends it finds out by a question whether it arrived. No
//! redirect is followed, since a token must not go where an answer points.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderMap, RETRY_AFTER};
use naru_core::clock::{Clock, Millis};
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use reqwest::{Client, RequestBuilder};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// A page of any list asked for here is far smaller.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// With the first.
const TRIES_MAX: u32 = 4;
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// Who is asked to wait longer than this says so to whoever asked.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Quotas are renewed daily at the latest; a longer pause is a mistake of theirs.
const RETRY_AFTER_MAX_S: u64 = 86_400;

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
        let client = Client::builder()
            .user_agent(concat!("naru/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls(ca_file)?)
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
        let retry_after_s = retry_after_s(response.headers(), self.clock.now_ms());
        Ok(Reply { status: response.status(), headers: response.headers().clone(), body, retry_after_s })
    }

    /// Sends a question until it is answered, a few times.
    pub async fn ask(&self, request: impl Fn() -> RequestBuilder) -> Result<Reply, NoReply> {
        let mut pause = PAUSE_FIRST;
        for tries in 1.. {
            let outcome = self.send(request()).await;
            let asked = match &outcome {
                Ok(reply) if !passes(reply.status) => return outcome,
                Ok(reply) => reply.retry_after_s.map(Duration::from_secs),
                Err(_) => None,
            };
            if tries >= TRIES_MAX || asked.is_some_and(|asked| asked > PAUSE_MAX) || self.lifecycle.is_stopping() {
                return outcome;
            }
            let _ = tokio::time::timeout(asked.unwrap_or(pause), self.lifecycle.stopped()).await;
            pause *= 3;
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

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
fn retry_after_s(headers: &HeaderMap, now: Millis) -> Option<u64> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match value.parse() {
        Ok(seconds) => seconds,
        Err(_) => {
            let until = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_millisecond();
            u64::try_from(until - now).unwrap_or(0).div_ceil(1_000)
        }
    };
    Some(seconds.min(RETRY_AFTER_MAX_S))
}

fn tls(ca_file: Option<(&Path, &str)>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some((path, key)) = ca_file {
        let wrong =
            |why: String| Failure::usage("git-ca-wrong").arg("path", path.display()).arg("key", key).cause_text(why);
        let public = roots.len();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))? {
            let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
            roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
        }
        if roots.len() == public {
            return Err(wrong("it holds no certificate".to_owned()));
        }
    }
    // Named here rather than taken from the process, so that it works whoever starts it.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(Failure::bug)?.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_more_than_a_day() {
        // 1994-11-06 08:49:07 UTC.
        let now = 784_111_747_000;
        for (value, expect) in [
            ("0", Some(0)),
            (" 17 ", Some(17)),
            ("86401", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(value).unwrap())]);
            assert_eq!(retry_after_s(&headers, now), expect, "{value}");
        }
    }
}
