//! `POST /v1/messages` with NDJSON: lines as they come, a line of answer for each, in order.
//!
//! Lines are stored and answered in parts of 1,000, each under a key of its own made from the caller's, so that a stream
//! that broke off goes on after its last stored line when it is sent again. Without a key nothing is sent again, and a
//! part that is slow to fill up is stored as it is: a caller may wait for the answer to one line before the next.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use naru_component::ctx::Ctx;
use naru_core::failure::{Failure, Kind};
use naru_dispatch::engine::Dispatch;
use naru_web::failed::Failed;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use xxhash_rust::xxh3::xxh3_128;

use crate::api::{accept, failed, row_not_json, told};
use crate::item::Item;

/// Lines that are stored, and answered, together.
const PART_LINES: usize = 1_000;
/// How long the first line of a part waits for others, without a key: a busy sender's next packets come sooner.
const PART_WAIT: Duration = Duration::from_millis(10);
/// Bytes of one line.
const LINE_BYTES_MAX: usize = 256 * 1024;
/// Answered parts that a caller has not read.
const ANSWERS_AHEAD: usize = 4;

/// Takes a stream. What fails before anything is answered decides the status; whatever fails later is the last line.
pub async fn take(ctx: Ctx, key: Option<[u8; 16]>, body: Body) -> Result<Response, Failed> {
    let (answers, mut answered) = mpsc::channel::<Result<Bytes, Failure>>(ANSWERS_AHEAD);
    let lifecycle = ctx.lifecycle().clone();
    lifecycle.spawn("stream of messages", async move {
        let mut lines = Lines { ctx, key, parts: 0, lines: 0, answers };
        if let Err(failure) = lines.take_all(body).await {
            let texts = lines.ctx.texts().filter(|_| lines.parts > 0);
            let last = texts.map(|texts| format!("{}\n", failed(&texts, &failure)).into()).ok_or(failure);
            let _ = lines.answers.send(last).await;
        }
    });
    let first = answered.recv().await.transpose().map_err(Failed)?;
    let rest = futures_util::stream::unfold(answered, |mut answered| async {
        answered.recv().await.map(|part| (part.map_err(|failure| std::io::Error::other(failure.code)), answered))
    });
    let answers = futures_util::stream::iter(first.map(Ok)).chain(rest);
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(answers)).into_response())
}

struct Lines {
    ctx: Ctx,
    key: Option<[u8; 16]>,
    /// Parts stored so far.
    parts: u64,
    /// Lines in them.
    lines: u64,
    answers: mpsc::Sender<Result<Bytes, Failure>>,
}

impl Lines {
    async fn take_all(&mut self, body: Body) -> Result<(), Failure> {
        let mut chunks = body.into_data_stream();
        let mut pending: Vec<u8> = Vec::new();
        let mut part: Vec<Vec<u8>> = Vec::with_capacity(PART_LINES);
        // When the part that is begun is stored as it is. With a key it never is: it must be the same the next time.
        let mut due: Option<Instant> = None;
        loop {
            let chunk = match due {
                Some(due) => timeout_at(due, chunks.next()).await,
                None => Ok(chunks.next().await),
            };
            match chunk {
                Ok(Some(chunk)) => {
                    pending.extend_from_slice(&chunk.map_err(|error| Failure::refused("stream-broken").cause(&error))?);
                    self.cut(&mut pending, &mut part).await?;
                }
                Ok(None) => break,
                Err(_) => self.take_part(std::mem::take(&mut part)).await?,
            }
            let begun = self.key.is_none() && !part.is_empty();
            due = begun.then(|| due.unwrap_or_else(|| Instant::now() + PART_WAIT));
        }
        if !pending.trim_ascii().is_empty() {
            part.push(pending.trim_ascii().to_vec());
        }
        if part.is_empty() { Ok(()) } else { self.take_part(part).await }
    }

    /// Takes the whole lines out of `pending`, and stores parts as they get full.
    async fn cut(&mut self, pending: &mut Vec<u8>, part: &mut Vec<Vec<u8>>) -> Result<(), Failure> {
        let mut begin = 0;
        while let Some(length) = memchr::memchr(b'\n', &pending[begin..]) {
            let line = pending[begin..begin + length].trim_ascii();
            begin += length + 1;
            if !line.is_empty() {
                part.push(line.to_vec());
            }
            if part.len() == PART_LINES {
                self.take_part(std::mem::take(part)).await?;
            }
        }
        pending.drain(..begin);
        if pending.len() > LINE_BYTES_MAX {
            return Err(Failure::new(Kind::TooLarge, "line-too-large").arg("max", LINE_BYTES_MAX));
        }
        Ok(())
    }

    async fn take_part(&mut self, lines: Vec<Vec<u8>>) -> Result<(), Failure> {
        let dispatch = self.ctx.need::<Dispatch>()?;
        let key = self.key.map(|key| {
            let all = lines.join(&b'\n');
            let mut name = key.to_vec();
            name.extend_from_slice(&self.parts.to_le_bytes());
            (xxh3_128(&name).to_le_bytes(), xxh3_128(&all).to_le_bytes())
        });
        let items = lines.iter().map(|line| serde_json::from_slice::<Item>(line).map_err(row_not_json)).collect();
        let taken = accept(&dispatch, items, key).await?;
        let Some(texts) = self.ctx.texts() else { return Err(Failure::bug("no sentences were handed over")) };
        let mut answer = String::new();
        for taken in &taken {
            self.lines += 1;
            let mut line = told(&texts, taken);
            line["line"] = json!(self.lines);
            answer.push_str(&line.to_string());
            answer.push('\n');
        }
        self.parts += 1;
        // A caller that went away has its lines stored all the same, and gets the answers when it asks again.
        let _ = self.answers.send(Ok(answer.into())).await;
        Ok(())
    }
}
