//! The little HTTP client that posts receipts and asks for a ledger. Plain HTTP only: both ends are on one machine.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Bytes of an answer that are read: a summary has some hundred, and an answer to a receipt is not looked at.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A pool of connections.
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    timeout: Duration,
}

impl Client {
    /// A client that gives a call so long and keeps so many idle connections.
    pub fn new(timeout: Duration, idle_max: usize) -> Client {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new()).pool_max_idle_per_host(idle_max).build(connector);
        Client { pool, timeout }
    }

    /// Makes a call; an error says what failed, outermost first.
    pub async fn call(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Vec<String>> {
        let exchange = async {
            let response = self.pool.request(request).await.map_err(|error| causes(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| causes(error.as_ref()))?;
            Ok((status, body.to_bytes()))
        };
        let late = || vec![format!("no answer within {} s", self.timeout.as_secs())];
        tokio::time::timeout(self.timeout, exchange).await.unwrap_or_else(|_| Err(late()))
    }
}

fn causes(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect()
}
