//! Every word as `POST /v1/WORD[/VERB]`.
//!
//! The body is the arguments as JSON and the answer is its data. A word that takes a file gets its bytes as the body
//! and its arguments as JSON in the query (`?args=`); over the socket, where both sides read one disk, the argument is
//! the file's full path. `accept: application/x-ndjson` asks for lines instead: how far it is, then the whole answer.
//! A caller that goes away takes its word with it, as a killed terminal would: words are made to bear that.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use futures_util::stream;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{StatusCode, Uri};
use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::{Call, Progress, Word};
use naru_core::failure::{Failure, Kind};
use naru_core::masked::without_value;
use naru_web::failed::Failed;
use naru_web::front::Door;
use naru_web::upload::{self, Upload};
use naru_web::visit::Visit;
use serde_json::{Value, json};
use tokio::time::Interval;
use tracing::Instrument;

use crate::house::House;
use crate::wire::{HEARTBEAT_S, LINES, Line};

/// Arguments are typed by people or made by programs out of a few fields; the largest are a shop's templates.
const ARGS_BYTES_MAX: usize = 8 << 20;
/// For arguments to come in.
const ARGS_MAX: Duration = Duration::from_secs(30);
/// How often it is looked at how far a word is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A route for every word.
pub fn routes(house: &House, door: Door) -> Router {
    house.words().fold(Router::new(), |router, word| {
        let path = path(word.path);
        let (ctx, word) = (house.ctx.clone(), word.clone());
        let handler = move |visit: Visit, request: Request| answer(ctx.clone(), door, word.clone(), visit, request);
        router.route(&path, post(handler))
    })
}

/// Where a word is said over HTTP.
pub fn path(word: &str) -> String {
    format!("/v1/{}", word.replace(' ', "/"))
}

async fn answer(ctx: Ctx, door: Door, word: Word, visit: Visit, request: Request) -> Response {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let wants_lines = accept.is_some_and(|accept| accept.contains(LINES));
    match begin(ctx, door, word, &visit, request).await {
        Ok(work) if wants_lines => lines(StatusCode::OK, Body::from_stream(stream::unfold(Some(work), next_line))),
        Ok(work) => match work.said.await {
            Ok(answer) => Json(answer.data).into_response(),
            Err(failure) => Failed(failure).into_response(),
        },
        Err(failure) if wants_lines => {
            let status = StatusCode::from_u16(failure.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            lines(status, Line::Failure(failure).to_bytes())
        }
        Err(failure) => Failed(failure).into_response(),
    }
}

fn lines(status: StatusCode, body: impl Into<Body>) -> Response {
    (status, [(CONTENT_TYPE, LINES)], body.into()).into_response()
}

/// A word that is being carried out.
struct Work {
    said: BoxFuture<'static, Result<Answer, Failure>>,
    progress: Progress,
    told: (u64, u64),
    looks: Interval,
    /// Looks since the last line.
    silent: u32,
}

/// Asks whether the caller may, reads what came along, and begins.
async fn begin(ctx: Ctx, door: Door, word: Word, visit: &Visit, request: Request) -> Result<Work, Failure> {
    // Before the body is read: whoever may not say the word need not send a file first.
    let actor = visit.must(word.role)?.clone();
    let (args, upload) = read(&ctx, door, &word, request).await?;
    let progress = Progress::default();
    let call = Call {
        actor,
        lang: visit.reader.lang,
        args,
        upload: upload.as_ref().map(|upload| upload.path.clone()),
        progress: progress.clone(),
        key: None,
    };
    let activity = ctx.lifecycle().activity("word");
    let work = async move {
        let (actor, deed) = (call.actor.clone(), word.deed(&call.args));
        let outcome = word.say(ctx, call).await;
        match &outcome {
            Ok(_) if word.reads || word.often => {}
            Ok(_) => deed.log(&actor),
            Err(error) if error.kind == Kind::Bug => tracing::error!(word.path = word.path, %error, "word failed"),
            Err(error) => tracing::debug!(word.path = word.path, %error, "word refused"),
        }
        drop((upload, activity));
        outcome
    };
    let said = Box::pin(work.instrument(tracing::Span::current()));
    Ok(Work { said, progress, told: (0, 0), looks: tokio::time::interval(LOOK_EVERY), silent: 0 })
}

/// The arguments and the file of a call.
async fn read(ctx: &Ctx, door: Door, word: &Word, request: Request) -> Result<(Value, Option<Upload>), Failure> {
    let Some(name) = word.upload else { return Ok((args(request).await?, None)) };
    if let Some(text) = args_of_query(request.uri()) {
        let args = parsed(text.as_bytes())?;
        return Ok((args, Some(upload::spool(&ctx.parts().data_dir, request.into_body().into_data_stream()).await?)));
    }
    let args = args(request).await?;
    let upload = match args[name].as_str() {
        None => None,
        Some(path) if door == Door::Local => Some(upload::nearby(path).await?),
        // A path of the caller's machine says nothing here, and ours are not for callers to read.
        Some(_) => return Err(Failure::usage("upload-missing").arg("word", path(word.path))),
    };
    Ok((args, upload))
}

async fn args(request: Request) -> Result<Value, Failure> {
    let late = || Failure::unavailable("request-timed-out");
    let read = tokio::time::timeout(ARGS_MAX, axum::body::to_bytes(request.into_body(), ARGS_BYTES_MAX));
    let bytes: Bytes =
        read.await.map_err(|_| late())?.map_err(|e| Failure::new(Kind::TooLarge, "body-too-large").cause(&e))?;
    if bytes.is_empty() { Ok(json!({})) } else { parsed(&bytes) }
}

fn args_of_query(uri: &Uri) -> Option<String> {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.into_iter().find_map(|(name, value)| (name == "args").then(|| value.into_owned()))
}

fn parsed(bytes: &[u8]) -> Result<Value, Failure> {
    let wrong = |e: serde_json::Error| Failure::usage("arguments-wrong").arg("why", without_value(&e.to_string()));
    let args: Value = serde_json::from_slice(bytes).map_err(wrong)?;
    if args.is_object() {
        return Ok(args);
    }
    Err(Failure::usage("arguments-wrong").arg("why", "expected an object"))
}

/// The next line of an answer in lines, and what is left after it.
async fn next_line(work: Option<Work>) -> Option<(Result<Vec<u8>, Infallible>, Option<Work>)> {
    let mut work = work?;
    loop {
        tokio::select! {
            biased;
            outcome = &mut work.said => return Some((Ok(Line::from(outcome).to_bytes()), None)),
            _ = work.looks.tick() => {}
        }
        let now = work.progress.now();
        work.silent += 1;
        let heartbeat = LOOK_EVERY * work.silent >= Duration::from_secs(HEARTBEAT_S);
        if now != work.told || heartbeat {
            (work.told, work.silent) = (now, 0);
            return Some((Ok(Line::Progress(now.0, now.1).to_bytes()), Some(work)));
        }
    }
}
