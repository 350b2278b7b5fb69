//! One question over HTTP/1.1 on a connection of its own: for control, not for load.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use crate::Result;

/// Asks over `stream` and returns the body of an answer that is a success.
pub async fn ask<S>(stream: S, method: Method, path: &str, body: Option<Value>) -> Result<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |e: hyper::Error| format!("{path}: {e}");
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::<Bytes>::from(body.map(|body| body.to_string()).unwrap_or_default()))
        .map_err(|e| e.to_string())?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // Dropped with the answer in hand, which closes the connection.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender.send_request(request).await.map_err(failed)?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(failed)?.to_bytes();
    match status {
        StatusCode::OK => Ok(body),
        status => Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&body))),
    }
}
