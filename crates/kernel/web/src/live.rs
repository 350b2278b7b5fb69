//! Live pages: a stream of patches that the page's script puts in place.
//!
//! The stream runs in a task of its own and hands patches over a short queue. A reader that does not keep up is
//! dropped, not buffered: it comes back by itself and is told only what it has not seen, by the id of the patch it saw
//! last. Streams end at shutdown, so that draining never waits for somebody who just looks, and once in a while
//! besides, so that a session that ended is noticed.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use http::HeaderValue;
use naru_core::failure::{Failure, Kind};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::page::Markup;
use crate::state::Web;

/// Streams open at once: twice what the house is measured with, each a task and a socket.
pub const STREAMS_MAX: usize = 1_024;
/// Patches that wait for a reader.
const QUEUE_MAX: usize = 8;
/// How long a full queue is borne before its reader is dropped.
const READER_WAIT: Duration = Duration::from_secs(2);
/// A stream ends after so long and is asked for again, which asks again who reads it.
const STREAM_LIFE: Duration = Duration::from_secs(10 * 60);
/// Proxies cut what is silent for a minute; some for half of one.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How soon a browser comes back after a stream ended.
const RETRY: Duration = Duration::from_secs(1);

/// One change of a page: parts that belong together, put in place at once.
#[derive(Clone, Debug)]
pub struct Patch {
    /// What the reader has seen once it has this: it comes back as [`crate::visit::Resume`].
    pub id: u64,
    /// The id of an element, and its new content.
    pub parts: Vec<(&'static str, Markup)>,
}

impl Web {
    /// Answers with `patches` as server-sent events, until they end, the reader goes or the process stops.
    pub fn live(&self, patches: impl Stream<Item = Patch> + Send + 'static) -> Result<Response, Failure> {
        let full = || Failure::new(Kind::TooMany, "live-full").arg("max", STREAMS_MAX).retry_after(RETRY_FULL_S);
        let place = self.streams().clone().try_acquire_owned().map_err(|_| full())?;
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let lifecycle = self.lifecycle().clone();
        self.lifecycle().spawn("live stream", async move {
            tokio::select! {
                () = hand_over(patches, &sender) => {}
                () = sender.closed() => {}
                () = lifecycle.stopped() => {}
                () = tokio::time::sleep_until(tokio::time::Instant::now() + STREAM_LIFE) => {}
            }
        });
        // The place is kept by the answer and not by the task: a reader that hangs holds its socket.
        let events = ReceiverStream::new(receiver).map(move |event| {
            let _ = &place;
            Ok::<Event, Infallible>(event)
        });
        let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
        // Proxies of the nginx family would collect events into blocks.
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(response)
    }
}

/// Readers who found no place come back in this many seconds.
const RETRY_FULL_S: u64 = 10;

async fn hand_over(patches: impl Stream<Item = Patch>, sender: &mpsc::Sender<Event>) {
    let mut patches = std::pin::pin!(patches);
    let mut first = true;
    while let Some(patch) = patches.next().await {
        let event = event(&patch, std::mem::take(&mut first));
        if !matches!(tokio::time::timeout(READER_WAIT, sender.send(event)).await, Ok(Ok(()))) {
            return;
        }
    }
}

fn event(patch: &Patch, first: bool) -> Event {
    let parts: Vec<(&str, &str)> = patch.parts.iter().map(|(target, html)| (*target, html.0.as_str())).collect();
    // JSON has no raw line ends, which would end the event.
    let data = serde_json::to_string(&parts).unwrap_or_default();
    let event = Event::default().id(patch.id.to_string()).data(data);
    if first { event.retry(RETRY) } else { event }
}
