//! The pages of messages: find them, read one's life, see whose address was shown to whom.
//!
//! An address that somebody looks for goes in the body of a form and never into an address of a page, which ends up in
//! histories and logs. What is found is linked by ids, which say nothing to whoever may not look them up.

mod life;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::html;
use naru_component::ctx::Ctx;
use naru_core::failure::{Failure, Kind};
use naru_core::id::Id;
use naru_dispatch::access::{self, Asked, Entry};
use naru_dispatch::address::normalise;
use naru_dispatch::engine::Dispatch;
use naru_dispatch::find::Wanted;
use naru_dispatch::life as engine;
use naru_dispatch::look::{MessageView, look};
use naru_dispatch::message::{Channel, MessageId};
use naru_web::failed::{Failed, form_again, mendable};
use naru_web::page::part::{Column, empty, heading, refusal, section, table};
use naru_web::page::{Markup, Reader, moment, segment};
use naru_web::role::Role;
use naru_web::visit::{SignedIn, Visit};
use serde::Deserialize;

use super::message_badge;
use crate::item::NAME_BYTES_MAX;

/// Messages of one page: each is read out of a frame of its own.
const PAGE: usize = 25;
/// Rows of the access record on one page.
const ENTRIES: usize = 50;
/// A form of these pages: an address or a reason.
const FORM_BYTES_MAX: usize = 32 * 1024;

/// The routes.
pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/messages", get(find).post(search))
        .route("/messages/access", get(record))
        .route("/messages/{id}", get(show))
        .route("/messages/{id}/address", get(back).post(open))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}

#[derive(Default, Deserialize)]
struct Asks {
    /// What was typed.
    #[serde(default)]
    q: String,
    #[serde(default)]
    trace: String,
    /// The last message of the page before.
    #[serde(default)]
    before: String,
}

impl Asks {
    fn before(&self) -> Option<MessageId> {
        self.before.parse().ok()
    }
}

/// What a page shows under the form.
#[derive(Clone, Copy)]
enum Shown<'a> {
    Nothing,
    Refused(&'a Failure),
    None,
    Some(&'a Found),
}

/// One page of what was found, newest first.
struct Found {
    views: Vec<MessageView>,
    more: bool,
}

async fn find(State(ctx): State<Ctx>, visit: Visit, _: SignedIn, Query(asks): Query<Asks>) -> Result<Response, Failed> {
    let trace = asks.trace.trim();
    if trace.is_empty() {
        return Ok(page(&visit, "", Shown::Nothing, html! {}));
    }
    let found = look_for(&ctx, &Wanted::Trace(trace.to_owned()), asks.before()).await?;
    let older = found.older().map(|last| {
        let (trace, before) = (segment(trace), segment(last));
        html! { a.button href={ "/messages?trace=" (trace) "&before=" (before) } { (visit.reader.say("page-older", &[])) } }
    });
    Ok(page(&visit, trace, found.shown(), older.unwrap_or_default()))
}

/// Looks for what was typed: by what it reads as, then by what else it may be.
async fn search(State(ctx): State<Ctx>, visit: Visit, _: SignedIn, Form(asks): Form<Asks>) -> Result<Response, Failed> {
    let typed = asks.q.trim();
    if typed.is_empty() {
        return Ok(page(&visit, "", Shown::Refused(&Failure::refused("search-empty")), html! {}));
    }
    if let Ok(id) = typed.parse::<MessageId>() {
        return match look(ctx.store(), id).await {
            Ok(_) => Ok(Redirect::to(&format!("/messages/{id}")).into_response()),
            Err(failure) => Ok(page(&visit, typed, Shown::Refused(&mendable(failure)?), html! {})),
        };
    }
    // An e-mail address has its sign and a phone number its shape; anything at all may be a trace id or a token.
    let address = [Channel::Email, Channel::Sms].into_iter().find_map(|channel| normalise(channel, typed));
    let is_personal = address.is_some();
    let trace = (typed.len() <= NAME_BYTES_MAX).then(|| Wanted::Trace(typed.to_owned()));
    let token = normalise(Channel::Push, typed).filter(|_| !is_personal);
    let wanted = [address.map(Wanted::Address), trace, token.map(Wanted::Address)];
    for wanted in wanted.into_iter().flatten() {
        let found = look_for(&ctx, &wanted, asks.before()).await?;
        if found.views.is_empty() {
            continue;
        }
        if matches!(wanted, Wanted::Trace(_)) && !is_personal {
            return Ok(Redirect::to(&format!("/messages?trace={}", segment(typed))).into_response());
        }
        let older = found.older().map(|last| {
            html! { form method="post" action="/messages" {
                input type="hidden" name="q" value=(typed);
                input type="hidden" name="before" value=(last);
                button.button type="submit" { (visit.reader.say("page-older", &[])) }
            } }
        });
        return Ok(page(&visit, typed, found.shown(), older.unwrap_or_default()));
    }
    Ok(page(&visit, typed, Shown::None, html! {}))
}

async fn look_for(ctx: &Ctx, wanted: &Wanted, before: Option<MessageId>) -> Result<Found, Failure> {
    let ids = ctx.need::<Dispatch>()?.find_before(wanted, before, PAGE + 1).await?;
    let more = ids.len() > PAGE;
    let mut views = Vec::with_capacity(PAGE);
    for id in ids.into_iter().take(PAGE) {
        match look(ctx.store(), id).await {
            Ok(view) => views.push(view),
            // Let go of between the two reads.
            Err(failure) if failure.kind == Kind::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(Found { views, more })
}

impl Found {
    fn shown(&self) -> Shown<'_> {
        if self.views.is_empty() { Shown::None } else { Shown::Some(self) }
    }

    /// Where the next page begins.
    fn older(&self) -> Option<&str> {
        self.views.last().filter(|_| self.more).map(|view| view.id.as_str())
    }
}

fn page(visit: &Visit, typed: &str, shown: Shown, older: Markup) -> Response {
    let reader = &visit.reader;
    let say = |key: &str| reader.say(key, &[]);
    let title = say("page-messages");
    let is_admin = visit.must(Role::Admin).is_ok();
    let result = match shown {
        Shown::Nothing => empty(&say("page-messages-start"), &say("page-messages-start.hint")),
        Shown::Refused(failure) => refusal(reader, failure),
        Shown::None => empty(&say("page-messages-none"), &say("page-messages-none.hint")),
        Shown::Some(found) => listed(reader, found, older),
    };
    let body = html! {
        (heading(&title, html! {
            @if is_admin { a.button href="/messages/access" { (say("page-access")) } }
        }))
        form.search method="post" action="/messages" role="search" {
            label for="q" { (say("page-messages-search")) }
            div.search-line {
                input #q name="q" type="search" value=(typed) autocomplete="off" autocapitalize="none"
                    spellcheck="false" aria-describedby="q-help" maxlength="4096";
                button.button.primary type="submit" { (say("page-messages-go")) }
            }
            p.help #q-help { (say("page-messages-help")) }
        }
        (result)
    };
    let page = visit.page(&title, body);
    match shown {
        Shown::Refused(failure) => form_again(failure, page),
        _ => page.into_response(),
    }
}

fn listed(reader: &Reader, found: &Found, older: Markup) -> Markup {
    let row = |view: &MessageView| {
        vec![
            moment::at(view.accepted_at),
            html! { (view.to) },
            message_badge(reader, view.state),
            html! { (view.template) " v" (view.version) },
            html! { (view.lane) },
            html! { a.id href={ "/messages/" (view.id) } { (view.id) } },
        ]
    };
    let rows: Vec<Vec<Markup>> = found.views.iter().map(row).collect();
    let columns = ["accepted", "to", "state", "template", "lane", "message"];
    let columns = columns.map(|name| Column::of(&reader.say(&format!("field-{name}"), &[])));
    html! {
        (table(&columns, &rows))
        @if !older.0.is_empty() { div.actions { (older) } }
    }
}

async fn show(State(ctx): State<Ctx>, visit: Visit, _: SignedIn, Path(id): Path<String>) -> Result<Response, Failed> {
    let found = engine::look(&*ctx.need::<Dispatch>()?, read_id(&id)?).await?;
    Ok(life::page(&visit, &found, life::Door::Closed(None, "")))
}

#[derive(Deserialize)]
struct Why {
    #[serde(default)]
    reason: String,
}

/// Writes down who looks and why, then shows what is personal on this one answer.
async fn open(
    State(ctx): State<Ctx>,
    visit: Visit,
    Path(id): Path<String>,
    Form(Why { reason }): Form<Why>,
) -> Result<Response, Failed> {
    let actor = visit.must(Role::Operate)?;
    let (id, dispatch) = (read_id(&id)?, ctx.need::<Dispatch>()?);
    let asked = Asked {
        at: ctx.clock().now_ms(),
        person: actor.name.clone(),
        peer: visit.peer().map(|peer| peer.to_string()).unwrap_or_default(),
        message: id,
        reason: reason.clone(),
    };
    match access::record(ctx.store(), asked).await {
        Ok(recorded) => {
            tracing::info!(message.id = %id, person = actor.name, "a person was shown an address");
            let found = engine::open(&dispatch, &recorded).await?;
            Ok(life::page(&visit, &found, life::Door::Open))
        }
        Err(failure) => {
            let failure = mendable(failure)?;
            let found = engine::look(&dispatch, id).await?;
            Ok(life::page(&visit, &found, life::Door::Closed(Some(&failure), &reason)))
        }
    }
}

/// Whoever reloads an answer that showed an address, or changes the language on it, begins at the message again.
async fn back(_: SignedIn, Path(id): Path<String>) -> Result<Redirect, Failed> {
    Ok(Redirect::to(&format!("/messages/{}", read_id(&id)?)))
}

fn read_id(text: &str) -> Result<MessageId, Failure> {
    text.parse().map_err(|_| Failure::not_found("message-unknown").arg("message", text))
}

/// The access record, newest first. There is no way to change it.
async fn record(State(ctx): State<Ctx>, visit: Visit, _: SignedIn, Query(asks): Query<Asks>) -> Result<Markup, Failed> {
    visit.must(Role::Admin)?;
    let reader = &visit.reader;
    let say = |key: &str| reader.say(key, &[]);
    let mut entries = access::list(ctx.store(), asks.before.parse::<Id>().ok(), ENTRIES + 1).await?;
    let more = entries.len() > ENTRIES;
    entries.truncate(ENTRIES);
    let title = say("page-access");
    let row = |entry: &Entry| {
        vec![
            moment::at(entry.at),
            html! { (entry.person) },
            html! { (entry.peer) },
            html! { div.reason { (entry.reason) } },
            html! { a.id href={ "/messages/" (entry.message) } { (entry.message) } },
        ]
    };
    let rows: Vec<Vec<Markup>> = entries.iter().map(row).collect();
    let columns =
        ["page-access-at", "page-access-person", "page-access-peer", "page-access-reason-column", "field-message"];
    let rows = html! {
        (table(&columns.map(|key| Column::of(&say(key))), &rows))
        @if more && let Some(last) = entries.last() {
            div.actions { a.button href={ "/messages/access?before=" (last.id) } { (say("page-older")) } }
        }
    };
    let body = html! {
        (heading(&title, html! { a.button href="/messages" { (say("page-messages")) } }))
        p.help { (say("page-access-lead")) }
        @if entries.is_empty() {
            (empty(&say("page-access-none"), &say("page-access-none.hint")))
        } @else { (section(&say("page-access-rows"), rows)) }
    };
    Ok(visit.page(&title, body))
}
