//! The pages of operations: what is under way and what was, and one operation with its steps, live.

mod one;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State as Of};
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::future::BoxFuture;
use maud::html;
use naru_component::Concern;
use naru_component::ctx::Ctx;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_web::failed::Failed;
use naru_web::feed::{self, Parts};
use naru_web::page::part::{Column, Tone, badge, empty, heading, section, table};
use naru_web::page::{Markup, Reader, count, moment};
use naru_web::role::Role;
use naru_web::visit::{Resume, SignedIn, Visit};
use serde::Deserialize;

use crate::engine::Operations;
use crate::grant::Sight;
use crate::lock::{self, Lock};
use crate::operation::{self, Brief, State, Which};
use crate::record;
use crate::rows::OPEN_MAX;

/// Operations of one page.
const PAGE: usize = 50;
/// How long the overview names what failed.
const FAILED_SHOWN_MS: Millis = 12 * 3_600_000;
/// Operations that the overview looks at for it.
const FAILED_LOOKED: usize = 20;

pub(crate) fn routes() -> Router<Ctx> {
    Router::new()
        .route("/operations", get(show))
        .route("/operations/live", get(live))
        .route("/operations/{id}", get(one::show))
        .route("/operations/{id}/live", get(one::live))
        .route("/operations/{id}/approve", post(one::approve))
        .route("/operations/{id}/cancel", post(one::cancel))
        .route("/operations/{id}/keep", post(one::keep))
        .route("/operations/{id}/undo", post(one::undo))
}

#[derive(Default, Deserialize)]
struct Asks {
    /// The oldest operation of the page before.
    #[serde(default)]
    before: String,
    /// Only those on this target, app or environment.
    #[serde(default)]
    on: String,
}

async fn show(
    Of(ctx): Of<Ctx>,
    visit: Visit,
    SignedIn(actor): SignedIn,
    Query(asks): Query<Asks>,
) -> Result<Markup, Failed> {
    let reader = &visit.reader;
    let before = Some(asks.before.as_str()).filter(|text| !text.is_empty());
    let before = before.map(str::parse::<Id>).transpose().map_err(|_| Failure::usage("request-malformed"))?;
    let on = Some(asks.on.trim()).filter(|on| !on.is_empty());
    let title = match on {
        Some(on) => reader.say("operations-title-on", &[("scope", on)]),
        None => reader.say("operations-title", &[]),
    };
    let sight = ctx.need::<Operations>()?.sight(&actor);
    let which = Which { on, before, sight: &sight, kind: None };
    let past = operation::list(ctx.store(), which, PAGE + 1).await?;
    let next = past.get(PAGE).map(|_| past[PAGE - 1].id);
    // Those that have not ended stand above, where all of them are told.
    let is_told = |brief: &&Brief| brief.state.is_over() || on.is_some();
    let past: Vec<&Brief> = past.iter().take(PAGE).filter(is_told).collect();
    let body = html! {
        (heading(&title, html! {}))
        @if before.is_none() && on.is_none() { (feed::live("/operations/live", parts(&ctx, reader, &sight).await?)) }
        @if !past.is_empty() {
            (section(&reader.say("operations-past", &[]), briefs(reader, past.iter().copied())))
        } @else if on.is_some() {
            (empty(&reader.say("operations-none-on", &[]), &reader.say("operations-none-on.hint", &[])))
        }
        @if let Some(next) = next {
            @let next = next.to_string();
            div.actions { a.button href=(older(on, &next)) { (reader.say("operations-older", &[])) } }
        }
    };
    Ok(visit.page(&title, body))
}

fn older(on: Option<&str>, before: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("before", before);
    if let Some(on) = on {
        query.append_pair("on", on);
    }
    format!("/operations?{}", query.finish())
}

async fn live(
    Of(ctx): Of<Ctx>,
    visit: Visit,
    SignedIn(actor): SignedIn,
    Resume(seen): Resume,
) -> Result<Response, Failed> {
    let sight = ctx.need::<Operations>()?.sight(&actor);
    let name = format!("operations {}", sight.key());
    let draw = move |reader: Reader| -> BoxFuture<'static, Result<Option<Parts>, Failure>> {
        let (ctx, sight) = (ctx.clone(), sight.clone());
        Box::pin(async move { parts(&ctx, &reader, &sight).await.map(Some) })
    };
    Ok(visit.web().feed(&name, &visit.reader, seen, Arc::new(draw))?)
}

async fn parts(ctx: &Ctx, reader: &Reader, sight: &Sight) -> Result<Parts, Failure> {
    let open = operation::open(ctx.store(), sight, OPEN_MAX).await?;
    let mut locks = lock::list(ctx.store(), reader.now).await?;
    locks.retain(|lock| sight.covers_scope(&lock.scope));
    Ok(vec![("operations-open", now(reader, &open)), ("operations-locks", locked(reader, &locks))])
}

fn now(reader: &Reader, open: &[Brief]) -> Markup {
    if open.is_empty() {
        return empty(&reader.say("operations-none", &[]), &reader.say("operations-none.hint", &[]));
    }
    section(&reader.say("operations-now", &[]), briefs(reader, open.iter()))
}

fn briefs<'a>(reader: &Reader, of: impl Iterator<Item = &'a Brief>) -> Markup {
    let row = |brief: &Brief| {
        vec![
            html! { a href={ "/operations/" (brief.id) } { (brief.title) } },
            state_badge(reader, brief.state),
            html! { (count(brief.steps_done)) " / " (count(brief.steps)) },
            html! { (brief.actor) },
            moment::ago(reader, brief.created_at),
        ]
    };
    let say = |key: &str| reader.say(key, &[]);
    let columns = [
        Column::of(&say("operation-column-title")),
        Column::of(&say("operation-column-state")),
        Column::number(&say("operation-column-steps")),
        Column::of(&say("operation-column-actor")),
        Column::of(&say("operation-column-asked")),
    ];
    table(&columns, &of.map(row).collect::<Vec<_>>())
}

fn locked(reader: &Reader, locks: &[Lock]) -> Markup {
    if locks.is_empty() {
        return html! {};
    }
    let row = |lock: &Lock| {
        vec![
            html! { (lock.scope) },
            html! { (lock.person) },
            html! { (lock.reason) },
            moment::ago(reader, lock.from_at),
            moment::at(lock.until_at),
        ]
    };
    let columns = ["scope", "actor", "reason", "from", "until"];
    let columns = columns.map(|name| Column::of(&reader.say(&format!("operation-column-{name}"), &[])));
    section(&reader.say("operations-locks", &[]), table(&columns, &locks.iter().map(row).collect::<Vec<_>>()))
}

fn state_badge(reader: &Reader, state: State) -> Markup {
    let tone = match state {
        State::Planned => Tone::Held,
        State::Queued => Tone::Idle,
        State::Running => Tone::Going,
        State::Done => Tone::Good,
        State::Failed => Tone::Bad,
        State::Cancelled | State::Lapsed => Tone::Ended,
    };
    badge(tone, &reader.say(&format!("operation-state-{}", state.name()), &[]))
}

/// What of the engine wants a person: what waits for one, and what failed lately, where nobody took it back or keeps it.
pub(crate) async fn concerns(ctx: &Ctx, reader: &Reader) -> Result<Vec<Concern>, Failure> {
    let wants = |tone, key: &str, brief: &Brief| {
        let text = reader.say(key, &[("title", &brief.title), ("actor", &brief.actor)]);
        Concern { tone, text, href: Some("/operations"), role: Role::View }
    };
    let open = operation::open(ctx.store(), &Sight::Everything, OPEN_MAX).await?;
    let mut found: Vec<Concern> = open
        .iter()
        .filter(|brief| brief.state == State::Planned)
        .map(|brief| wants(Tone::Held, "concern-operation-planned", brief))
        .collect();
    for brief in operation::list(ctx.store(), Which::ALL, FAILED_LOOKED).await? {
        let lately = brief.ended_at.is_some_and(|at| reader.now - at < FAILED_SHOWN_MS);
        if brief.state != State::Failed || !lately {
            continue;
        }
        let is_undone = operation::undone_by(ctx.store(), brief.id).await?.is_some();
        if !is_undone && record::kept_by(ctx.store(), brief.id).await?.is_none() {
            found.push(wants(Tone::Bad, "concern-operation-failed", &brief));
        }
    }
    Ok(found)
}
