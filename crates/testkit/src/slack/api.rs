//! The Web API, with the errors that Slack documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::slack::book::{Book, TEAM};
use crate::slack::ledger::{Call, Posted};
use crate::slack::limit::Verdict;
use crate::slack::{APP_TOKEN, BOT_TOKEN, CHANNEL, Desk, OLD_CHANNEL, OTHER_CHANNEL, block};

pub async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    let routes = Router::new()
        .route("/api/{method}", post(call))
        .route("/hooks/{hook}", post(hook))
        .layer(DefaultBodyLimit::max(8 << 20))
        .with_state(desk);
    axum::serve(listener, routes).await.expect("it serves until it is dropped");
}

type Fields = BTreeMap<String, Value>;

async fn call(State(desk): State<Arc<Desk>>, Path(method): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let form: Fields = form_urlencoded::parse(&body)
        .map(|(name, value)| match &*name {
            "blocks" | "view" => (name.into_owned(), serde_json::from_str(&value).unwrap_or_default()),
            _ => (name.into_owned(), Value::String(value.into_owned())),
        })
        .collect();
    {
        let mut book = desk.book();
        if let Some(times) = book.failing.get_mut(&method).filter(|times| **times > 0) {
            *times -= 1;
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        if let Verdict::Throttled { retry_after_s, is_early } = book.limits.judge(&method, text(&form, "channel")) {
            book.throttled_calls += 1;
            book.early_calls += usize::from(is_early);
            let body = Json(json!({ "ok": false, "error": "ratelimited" }));
            return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", retry_after_s.to_string())], body).into_response();
        }
        *book.waiting.entry(method.clone()).or_default() += 1;
    }
    desk.until(|book| !book.held.contains(&method)).await;
    let mut book = desk.book();
    *book.waiting.entry(method.clone()).or_default() -= 1;
    let is_form = header("content-type").starts_with("application/x-www-form-urlencoded");
    let token = header("authorization").trim_start_matches("Bearer ").to_owned();
    let answer = match is_form {
        true => allowed(&book, &method, &token).and_then(|()| act(&desk, &mut book, &method, &form)),
        false => Err(json!({ "error": "invalid_form_data" })),
    };
    let (mut answer, is_yes) = match answer {
        Ok(yes) => (yes, true),
        Err(no) => (no, false),
    };
    answer["ok"] = is_yes.into();
    if is_yes {
        book.calls.push(Call { method, answers: String::new(), fields: form });
    }
    ([("x-oauth-scopes", book.scopes.join(","))], Json(answer)).into_response()
}

/// A post to a `response_url`, good for five.
async fn hook(State(desk): State<Arc<Desk>>, Path(hook): Path<String>, Json(body): Json<Fields>) -> Response {
    let mut book = desk.book();
    match book.hooks.get_mut(&hook).and_then(|left| left.checked_sub(1).inspect(|now| *left = *now)) {
        None => (StatusCode::NOT_FOUND, "used_url").into_response(),
        Some(_) => {
            book.calls.push(Call { method: "response_url".to_owned(), answers: hook.clone(), fields: body });
            "ok".into_response()
        }
    }
}

/// A no, with Slack's code.
fn no<T>(error: &str) -> Result<T, Value> {
    Err(json!({ "error": error }))
}

fn allowed(book: &Book, method: &str, token: &str) -> Result<(), Value> {
    let (expected, other) =
        if method == "apps.connections.open" { (APP_TOKEN, BOT_TOKEN) } else { (BOT_TOKEN, APP_TOKEN) };
    match token {
        "" => return no("not_authed"),
        token if token == other => return no("not_allowed_token_type"),
        token if token != expected => return no("invalid_auth"),
        _ => {}
    }
    let needed = match method {
        "chat.postMessage" | "chat.update" | "chat.postEphemeral" => "chat:write",
        "users.info" => "users:read",
        "usergroups.list" | "usergroups.users.list" => "usergroups:read",
        "conversations.info" => "channels:read",
        _ => return Ok(()),
    };
    match book.scopes.iter().any(|scope| scope == needed) {
        true => Ok(()),
        false => Err(json!({ "error": "missing_scope", "needed": needed, "provided": book.scopes.join(",") })),
    }
}

fn act(desk: &Desk, book: &mut Book, method: &str, form: &Fields) -> Result<Value, Value> {
    match method {
        "auth.test" => Ok(json!({
            "url": "https://shop.slack.example/", "team": "shop", "team_id": TEAM, "user": "naru", "user_id": "U0NARU",
            "bot_id": "B0NARU",
        })),
        "apps.connections.open" => {
            let ticket = format!("ticket-{}", book.next());
            book.tickets.insert(ticket.clone());
            Ok(json!({ "url": format!("ws://{}/link/?ticket={ticket}", desk.sockets) }))
        }
        "chat.postMessage" => post_message(book, form),
        "chat.update" => update(book, form),
        "chat.postEphemeral" => {
            writable(form)?;
            match book.person(text(form, "user")) {
                Some(_) => Ok(json!({ "message_ts": book.ts() })),
                None => no("user_not_in_channel"),
            }
        }
        "users.info" => {
            book.person(text(form, "user")).map_or(no("user_not_found"), |user| Ok(json!({ "user": user })))
        }
        "usergroups.list" => {
            Ok(json!({ "usergroups": [{ "id": "S0OPS", "team_id": TEAM, "handle": "ops", "name": "Operators" }] }))
        }
        "usergroups.users.list" if text(form, "usergroup") == "S0OPS" => Ok(json!({ "users": ["U0LEE"] })),
        "usergroups.users.list" => no("no_such_subteam"),
        "conversations.info" => channel(text(form, "channel")),
        "views.open" => {
            let key = text(form, "trigger_id");
            let found = book.triggers.iter().position(|trigger| trigger == key);
            match found.and_then(|index| book.triggers.remove(index)) {
                Some(_) => Ok(json!({ "view": { "id": format!("V{}", book.next()) } })),
                None => no("exchanged_trigger_id"),
            }
        }
        _ => no("unknown_method"),
    }
}

fn post_message(book: &mut Book, form: &Fields) -> Result<Value, Value> {
    writable(form)?;
    let (channel, ts) = (text(form, "channel").to_owned(), book.ts());
    let looks = vec![look(form)];
    let message = Posted { channel: channel.clone(), ts: ts.clone(), looks };
    book.messages.insert((channel.clone(), ts.clone()), message);
    Ok(json!({ "channel": channel, "ts": ts, "message": { "text": text(form, "text") } }))
}

fn update(book: &mut Book, form: &Fields) -> Result<Value, Value> {
    writable(form)?;
    let (channel, ts) = (text(form, "channel").to_owned(), text(form, "ts").to_owned());
    let Some(message) = book.messages.get_mut(&(channel.clone(), ts.clone())) else { return no("message_not_found") };
    message.looks.push(look(form));
    Ok(json!({ "channel": channel, "ts": ts, "text": text(form, "text") }))
}

fn look(form: &Fields) -> (String, Value) {
    (text(form, "text").to_owned(), form.get("blocks").cloned().unwrap_or_default())
}

fn is_person(id: &str) -> bool {
    id.starts_with("U0")
}

/// Whether the bot may post that there.
fn writable(form: &Fields) -> Result<(), Value> {
    match text(form, "channel") {
        CHANNEL => {}
        // Direct messages of a person, by the person's own id.
        person if is_person(person) => {}
        OTHER_CHANNEL => return no("not_in_channel"),
        OLD_CHANNEL => return no("is_archived"),
        _ => return no("channel_not_found"),
    }
    let none = json!([]);
    match block::fault(text(form, "text"), form.get("blocks").unwrap_or(&none)) {
        None => Ok(()),
        Some(error) => Err(json!({
            "error": error, "response_metadata": { "messages": [format!("[ERROR] {error} [json-pointer:/blocks]")] },
        })),
    }
}

fn channel(id: &str) -> Result<Value, Value> {
    let (name, is_member, is_archived) = match id {
        CHANNEL => ("deploys", true, false),
        OTHER_CHANNEL => ("other", false, false),
        OLD_CHANNEL => ("old", false, true),
        _ => return no("channel_not_found"),
    };
    Ok(json!({ "channel": { "id": id, "name": name, "is_member": is_member, "is_archived": is_archived } }))
}

fn text<'a>(form: &'a Fields, name: &str) -> &'a str {
    form.get(name).and_then(Value::as_str).unwrap_or_default()
}
