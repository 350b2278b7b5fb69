//! `POST /v1/messages`: one message, an array of them, or a stream of lines.
//!
//! Answered after the messages are on the disk. With an `Idempotency-Key` the same call again gets its first answer.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use naru_component::ctx::Ctx;
use naru_core::failure::{Failure, Kind};
use naru_core::text::{Lang, Texts};
use naru_dispatch::engine::Dispatch;
use naru_dispatch::intake::{Batch, CALL_MESSAGES_MAX, Part};
use naru_dispatch::message::MessageId;
use naru_web::failed::Failed;
use naru_web::role::Role;
use naru_web::visit::Visit;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::item::{Item, Judge, Judged};
use crate::json::why;
use crate::{rejects, stream};

/// Bytes of a body that is one message or an array.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a key.
const KEY_BYTES_MAX: usize = 255;

/// The routes.
pub fn routes() -> Router<Ctx> {
    Router::new().route("/v1/messages", post(take)).route("/v1/rejected/{file}", get(rejects::fetch))
}

async fn take(State(ctx): State<Ctx>, visit: Visit, request: Request) -> Result<Response, Failed> {
    let actor = visit.must(Role::Send)?;
    let key = key(request.headers(), &actor.name)?;
    if is_stream(request.headers())? {
        return stream::take(ctx, key, request.into_body()).await;
    }
    let body = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await;
    let body = body.map_err(|_| Failure::new(Kind::TooLarge, "messages-too-large").arg("max", BODY_BYTES_MAX))?;
    let one = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let dispatch = ctx.need::<Dispatch>()?;
    if one {
        let item = serde_json::from_slice::<Item>(&body).map_err(not_json)?;
        let taken = accept(&dispatch, vec![Ok(item)], key.map(|key| (key, xxh3_128(&body).to_le_bytes()))).await?;
        return match taken.into_iter().next() {
            Some(Ok(id)) => Ok((StatusCode::ACCEPTED, axum::Json(One { id })).into_response()),
            Some(Err(failure)) => Err(Failed(failure)),
            None => Err(Failed(Failure::bug("a message without an answer"))),
        };
    }
    let items: Vec<&serde_json::value::RawValue> = serde_json::from_slice(&body).map_err(not_json)?;
    if items.is_empty() || items.len() > CALL_MESSAGES_MAX {
        return Err(Failed(Failure::usage("messages-count").arg("found", items.len()).arg("max", CALL_MESSAGES_MAX)));
    }
    let items = items.into_iter().map(|raw| serde_json::from_str::<Item>(raw.get()).map_err(row_not_json)).collect();
    let taken = accept(&dispatch, items, key.map(|key| (key, xxh3_128(&body).to_le_bytes()))).await?;
    let accepted = taken.iter().filter(|taken| taken.is_ok()).count();
    let texts = visit.web().texts();
    let messages: Vec<Value> = taken.iter().map(|taken| told(texts, taken)).collect();
    let status = if accepted == 0 { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::ACCEPTED };
    let answer = json!({ "accepted": accepted, "refused": messages.len() - accepted, "messages": messages });
    Ok((status, axum::Json(answer)).into_response())
}

/// The answer to one message.
#[derive(Serialize)]
struct One {
    #[serde(serialize_with = "printed")]
    id: MessageId,
}

fn printed<S: Serializer>(id: &MessageId, to: S) -> Result<S::Ok, S::Error> {
    let mut text = String::with_capacity(MessageId::PRINTED_BYTES_MAX);
    id.write_to(&mut text);
    to.serialize_str(&text)
}

/// Whether lines come and not one body. What says that it is something else than JSON is not read as if it were.
fn is_stream(headers: &HeaderMap) -> Result<bool, Failure> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(false) };
    let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/x-ndjson" => Ok(true),
        "application/json" => Ok(false),
        _ => Err(Failure::new(Kind::WrongType, "content-type-wrong").arg("found", kind)),
    }
}

/// What became of an item.
pub type Taken = Result<MessageId, Failure>;

/// Judges items and stores the good ones; one answer an item, in order.
pub async fn accept(
    dispatch: &Dispatch,
    items: Vec<Result<Item<'_>, Failure>>,
    key: Option<([u8; 16], [u8; 16])>,
) -> Result<Vec<Taken>, Failure> {
    let judge = Judge { dispatch, now: dispatch.ctx().clock().now_ms() };
    let count = items.len();
    let mut taken: Vec<Taken> = Vec::with_capacity(count);
    let mut parts: Vec<Part> = Vec::new();
    for (place, item) in items.into_iter().enumerate() {
        let judged = match item {
            Ok(item) => judge.judge(&item).await,
            Err(failure) => Err(failure),
        };
        match judged {
            Ok(judged) => {
                put(&mut parts, place, judged);
                taken.push(Ok(MessageId { frame: naru_core::id::Id::default(), slot: 0 }));
            }
            Err(failure) => taken.push(Err(failure)),
        }
    }
    let ids = match key {
        // Judged anew, a call that was accepted may be refused: a moment has passed, a template has changed. It gets its
        // first answer all the same. Where anything is good, storing it looks the key up.
        Some(key) if parts.is_empty() => dispatch.answered(key).await?.unwrap_or_default(),
        None if parts.is_empty() => Vec::new(),
        _ => dispatch.accept(Batch { parts, count, key }).await?,
    };
    for (taken, id) in taken.iter_mut().zip(ids) {
        if id.frame != naru_core::id::Id::default() {
            *taken = Ok(id);
        } else if taken.is_ok() {
            *taken = Err(Failure::refused("message-refused-before"));
        }
    }
    Ok(taken)
}

/// A part is a run of one template and not all of it: a customer gets messages in the order in which they were asked for.
fn put(parts: &mut Vec<Part>, place: usize, judged: Judged) {
    let message = (place, judged.message);
    match parts.last_mut().filter(|part| part.template == judged.template) {
        Some(part) => part.messages.push(message),
        None => parts.push(Part {
            lane: judged.lane,
            priority: judged.priority,
            template: judged.template,
            messages: vec![message],
        }),
    }
}

/// What became of an item, as the API tells it.
pub fn told(texts: &Texts, taken: &Taken) -> Value {
    match taken {
        Ok(id) => json!({ "id": id.to_string() }),
        Err(failure) => failed(texts, failure),
    }
}

/// As the API tells failures: in English, whatever the caller's language.
pub fn failed(texts: &Texts, failure: &Failure) -> Value {
    let detail = texts.detail(Lang::En, failure);
    json!({ "errors": [{ "code": failure.code, "detail": detail, "hint": texts.hint(Lang::En, failure) }] })
}

/// The key's hash, bound to whoever sent it: two programs may count from 1.
fn key(headers: &HeaderMap, actor: &str) -> Result<Option<[u8; 16]>, Failure> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let bytes = value.as_bytes();
    if bytes.is_empty() || bytes.len() > KEY_BYTES_MAX {
        return Err(Failure::usage("idempotency-key-length").arg("max", KEY_BYTES_MAX));
    }
    Ok(Some(key_of(bytes, actor)))
}

/// The hash of a key that `actor` chose.
pub fn key_of(key: &[u8], actor: &str) -> [u8; 16] {
    let mut name = Vec::with_capacity(key.len() + actor.len() + 1);
    name.extend_from_slice(actor.as_bytes());
    name.push(0);
    name.extend_from_slice(key);
    let mut hash = [0; 16];
    hash.copy_from_slice(&<sha2::Sha256 as sha2::Digest>::digest(&name)[..16]);
    hash
}

fn not_json(error: serde_json::Error) -> Failure {
    Failure::usage("body-not-json").arg("why", why(&error))
}

/// One item of several cannot be read.
pub fn row_not_json(error: serde_json::Error) -> Failure {
    Failure::refused("row-not-json").arg("why", why(&error))
}

#[cfg(test)]
mod tests {
    use naru_core::masked::Address;
    use naru_dispatch::frame::TemplateRef;
    use naru_dispatch::message::Message;

    use super::*;

    #[test]
    fn messages_stay_in_the_order_of_the_call() {
        let mut parts = Vec::new();
        for (place, template) in ["order", "order", "code", "order"].into_iter().enumerate() {
            let message = Message {
                to: Address::new("01000000000".to_owned()),
                customer: None,
                expires_at: None,
                trace_id: None,
                values: Vec::new(),
            };
            let template = TemplateRef { id: template.to_owned(), version: 1, variables: 0 };
            put(&mut parts, place, Judged { lane: "sms".to_owned(), priority: 1, template, message });
        }
        let places = |part: &Part| part.messages.iter().map(|(place, _)| *place).collect::<Vec<_>>();
        assert_eq!(parts.iter().map(places).collect::<Vec<_>>(), [vec![0, 1], vec![2], vec![3]]);
    }
}
