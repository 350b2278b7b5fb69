//! What lanes are held against: a loop around an HTTP client as a careful team would write it.
//!
//! reqwest with a pool, a time-out, a bound on what is under way; the answer is parsed and each message's code looked
//! at. It keeps nothing: no order, no store, no retry after a crash. Bodies are made before the clock starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;

use crate::Result;
use crate::customers::{Rendered, SUBJECT};

#[derive(Deserialize)]
struct One {
    code: String,
}

#[derive(Deserialize)]
struct Many {
    results: Vec<One>,
}

/// Bodies of requests with one message each.
pub fn single_bodies(messages: &[Rendered]) -> Vec<Bytes> {
    let body = |(n, it): (usize, &Rendered)| {
        let (key, reference) = names(n, 0);
        let body = json!({ "key": key, "ref": reference, "to": it.to, "subject": SUBJECT, "text": it.text });
        Bytes::from(body.to_string())
    };
    messages.iter().enumerate().map(body).collect()
}

/// Bodies of requests with `size` messages each.
pub fn batch_bodies(messages: &[Rendered], size: usize) -> Vec<Bytes> {
    let body = |(n, batch): (usize, &[Rendered])| {
        let message = |(slot, it): (usize, &Rendered)| json!({ "ref": names(n, slot).1, "to": it.to, "subject": SUBJECT, "text": it.text });
        let list: Vec<_> = batch.iter().enumerate().map(message).collect();
        Bytes::from(json!({ "key": names(n, 0).0, "messages": list }).to_string())
    };
    messages.chunks(size).enumerate().map(body).collect()
}

/// A key and a reference as long as those of naru.
fn names(n: usize, slot: usize) -> (String, String) {
    (format!("{n:032x}-{slot}-0"), format!("{n:032x}-{slot}"))
}

/// Posts every body once, `concurrency` at a time, and returns how long it took.
pub async fn post_all(url: &str, bodies: Vec<Bytes>, concurrency: usize) -> Result<Duration> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).tcp_nodelay(true).no_proxy();
    let client = client.build().map_err(|e| e.to_string())?;
    let (bodies, next) = (Arc::new(bodies), Arc::new(AtomicUsize::new(0)));
    let mut workers = JoinSet::new();
    let start = Instant::now();
    for _ in 0..concurrency {
        let (client, url, bodies, next) = (client.clone(), url.to_owned(), bodies.clone(), next.clone());
        workers.spawn(async move {
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                post(&client, &url, body.clone()).await?;
            }
            Ok::<(), String>(())
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended.map_err(|e| e.to_string())??;
    }
    Ok(start.elapsed())
}

async fn post(client: &reqwest::Client, url: &str, body: Bytes) -> Result<()> {
    let request = client.post(url).bearer_auth("sandbox").header(CONTENT_TYPE, "application/json").body(body);
    let answer = async { request.send().await?.error_for_status()?.bytes().await };
    let answer = answer.await.map_err(|e| e.to_string())?;
    let taken = if url.ends_with("/v1/batches") {
        serde_json::from_slice::<Many>(&answer).is_ok_and(|many| many.results.iter().all(|one| one.code == "ok"))
    } else {
        serde_json::from_slice::<One>(&answer).is_ok_and(|one| one.code == "ok")
    };
    if taken { Ok(()) } else { Err(format!("not taken: {}", String::from_utf8_lossy(&answer))) }
}
