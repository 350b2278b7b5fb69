//! One operation: what it changes, how far it is, and what a person can do about it.

use axum::extract::{Form, Path, State as Of};
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::future::BoxFuture;
use maud::html;
use naru_component::ctx::Ctx;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_web::deed::Deed;
use naru_web::failed::{Failed, form_again, mendable};
use naru_web::feed::{self, Parts};
use naru_web::page::part::{Column, Tone, badge, fields, heading, notice, prose, refusal, section, table};
use naru_web::page::{Markup, Reader, count, moment};
use naru_web::role::{Actor, Role};
use naru_web::visit::{Resume, SignedIn, Visit};
use serde::Deserialize;
use std::sync::Arc;

use super::state_badge;
use crate::course::StepState;
use crate::engine::{Ask, Operations};
use crate::operation::{self, Operation, Progress, State, short};
use crate::plan::Step;
use crate::record::{self, Entry};

/// Steps that a page shows; the word has all of them.
const STEPS_SHOWN_MAX: usize = 500;
/// Entries of the record that a page shows, the newest.
const RECORD_SHOWN: usize = 100;
/// Digits of a plan's hash that people are shown.
const HASH_DIGITS: usize = 12;

pub(super) async fn show(
    Of(ctx): Of<Ctx>,
    visit: Visit,
    SignedIn(actor): SignedIn,
    Path(id): Path<String>,
) -> Result<Markup, Failed> {
    let id = operation::resolve(ctx.store(), &id).await?;
    may_see(&ctx, &actor, id).await?;
    Ok(page(&ctx, &visit, id, html! {}).await?)
}

async fn page(ctx: &Ctx, visit: &Visit, id: Id, news: Markup) -> Result<Markup, Failure> {
    let reader = &visit.reader;
    let Some((operation, _)) = operation::show(ctx.store(), id).await? else { return Err(unknown(id)) };
    let brief = &operation.brief;
    let mut about = vec![
        (reader.say("operation-about-operation", &[]), html! { code { (short(id)) } }),
        (reader.say("operation-about-actor", &[]), html! { (brief.actor) }),
        (reader.say("operation-about-asked", &[]), moment::at(brief.created_at)),
    ];
    let texts = [("reason", &brief.reason), ("broke", &brief.break_glass)];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        about.push((reader.say(&format!("operation-about-{name}"), &[]), html! { (text) }));
    }
    if let Some(of) = brief.undoes {
        let link = html! { a href={ "/operations/" (of) } { code { (short(of)) } } };
        about.push((reader.say("operation-about-undoes", &[]), link));
    }
    let body = html! {
        (heading(&brief.title, html! {}))
        (news)
        (feed::live(&format!("/operations/{id}/live"), parts(ctx, reader, id).await?.unwrap_or_default()))
        (section(&reader.say("operation-about", &[]), fields(&about)))
    };
    Ok(visit.page(&brief.title, body))
}

async fn may_see(ctx: &Ctx, actor: &Actor, id: Id) -> Result<(), Failure> {
    let Some((operation, _)) = operation::show(ctx.store(), id).await? else { return Err(unknown(id)) };
    ctx.need::<Operations>()?.sight(actor).must(&operation.plan.targets)
}

fn unknown(id: Id) -> Failure {
    Failure::not_found("operation-unknown").arg("operation", short(id))
}

pub(super) async fn live(
    Of(ctx): Of<Ctx>,
    visit: Visit,
    SignedIn(actor): SignedIn,
    Path(id): Path<String>,
    Resume(seen): Resume,
) -> Result<Response, Failed> {
    let id = operation::resolve(ctx.store(), &id).await?;
    may_see(&ctx, &actor, id).await?;
    let draw = move |reader: Reader| -> BoxFuture<'static, Result<Option<Parts>, Failure>> {
        let ctx = ctx.clone();
        Box::pin(async move { parts(&ctx, &reader, id).await })
    };
    Ok(visit.web().feed(&format!("operation {id}"), &visit.reader, seen, Arc::new(draw))?)
}

/// What of the page moves.
async fn parts(ctx: &Ctx, reader: &Reader, id: Id) -> Result<Option<Parts>, Failure> {
    let Some((operation, steps)) = operation::show(ctx.store(), id).await? else { return Ok(None) };
    let before = match operation.brief.state {
        State::Queued => ctx.need::<Operations>()?.before(id).await?,
        _ => Vec::new(),
    };
    let undone = operation::undone_by(ctx.store(), id).await?;
    let kept_by = record::kept_by(ctx.store(), id).await?;
    let entries = record::of(ctx.store(), id).await?;
    Ok(Some(vec![
        ("operation-standing", standing(reader, &operation, &before, undone, kept_by.as_deref())),
        ("operation-steps", steps_part(reader, &operation, &steps)),
        ("operation-record", record_part(reader, &entries)),
    ]))
}

fn standing(
    reader: &Reader,
    of: &Operation,
    before: &[Id],
    undone: Option<(Id, State)>,
    kept_by: Option<&str>,
) -> Markup {
    let brief = &of.brief;
    let link = |id: &Id| html! { a href={ "/operations/" (id) } { code { (short(*id)) } } };
    let body = html! {
        p {
            (state_badge(reader, brief.state)) " "
            (reader.say("operation-done-of", &[("n", &count(brief.steps_done)), ("max", &count(brief.steps))]))
        }
        @if !before.is_empty() {
            p { (reader.say("operation-waits-for", &[])) @for id in before { " " (link(id)) } }
        }
        @if brief.state == State::Running && !brief.cancelled_by.is_empty() {
            (notice(Tone::Warn, &reader.say("operation-ending", &[("person", &brief.cancelled_by)])))
        }
        @if let Some(why) = &brief.why { (refusal(reader, why)) }
        @if brief.state == State::Planned {
            (notice(Tone::Held, &reader.say("operation-wants-approval", &[
                ("rule", &brief.approval), ("actor", &brief.actor),
            ])))
        }
        @if !brief.approved_by.is_empty() {
            p.quiet { (reader.say("operation-approved-by", &[("person", &brief.approved_by)])) }
        }
        @if let Some((id, _)) = &undone { p { (reader.say("operation-undone-by", &[])) " " (link(id)) } }
        @if let Some(person) = kept_by { p.quiet { (reader.say("operation-kept-by", &[("person", person)])) } }
        (buttons(reader, of, kept_by.is_some(), undone.is_some_and(|(_, state)| !state.is_over() || state == State::Done)))
    };
    section(&reader.say("operation-standing", &[]), body)
}

fn buttons(reader: &Reader, of: &Operation, is_kept: bool, is_undone: bool) -> Markup {
    let brief = &of.brief;
    let button = |verb: &str, class: &str| {
        html! {
            form method="post" action={ "/operations/" (brief.id) "/" (verb) } {
                input type="hidden" name="plan" value=(brief.hash);
                button class=(class) type="submit" { (reader.say(&format!("operation-button-{verb}"), &[])) }
            }
        }
    };
    let can_undo = brief.state.is_over() && !is_undone && brief.steps_done > 0;
    let can_undo = can_undo && of.plan.steps.iter().any(|step| step.undo.is_some());
    html! {
        div.actions {
            @if brief.state == State::Planned { (button("approve", "button primary")) }
            @if !brief.state.is_over() && brief.cancelled_by.is_empty() { (button("cancel", "button danger")) }
            @if can_undo { (button("undo", "button")) }
            @if can_undo && brief.state.is_broken_off() && !is_kept { (button("keep", "button")) }
        }
    }
}

fn steps_part(reader: &Reader, of: &Operation, steps: &[Progress]) -> Markup {
    let title = reader.say("operation-plan", &[]);
    let notes = html! {
        @for note in &of.plan.notes { (notice(Tone::Held, &reader.texts.detail(reader.lang, note))) }
    };
    if of.plan.steps.is_empty() {
        return section(&title, html! { (notes) p.quiet { (reader.say("operation-empty", &[])) } });
    }
    let row = |(number, step): (usize, &Step)| {
        let progress = steps.get(number).unwrap_or(&Progress::WAITING);
        // What the operation failed by stands above.
        let why = progress.why.as_ref().filter(|why| of.brief.why.as_ref() != Some(why));
        let why = why.map(|why| reader.texts.explained(reader.lang, why));
        vec![
            html! { (step.subject) },
            step_badge(reader, progress.state),
            html! { (reader.say(&format!("step-{}", step.verb), &[])) },
            html! { (step.before) },
            html! { (step.after) @if let Some(why) = why { span.sub.why { (prose(&why)) } } },
        ]
    };
    let columns = ["subject", "state", "verb", "before", "after"];
    let columns = columns.map(|name| Column::of(&reader.say(&format!("operation-column-{name}"), &[])));
    let rows: Vec<_> = of.plan.steps.iter().enumerate().take(STEPS_SHOWN_MAX).map(row).collect();
    let more = of.plan.steps.len().saturating_sub(STEPS_SHOWN_MAX);
    section(
        &title,
        html! {
            (notes)
            p.quiet { code { (of.brief.hash.chars().take(HASH_DIGITS).collect::<String>()) } }
            (table(&columns, &rows))
            @if more > 0 { p.quiet { (reader.say("operation-more-steps", &[("n", &count(more as u64))])) } }
        },
    )
}

fn step_badge(reader: &Reader, state: StepState) -> Markup {
    let tone = match state {
        StepState::Waiting => Tone::Idle,
        StepState::Begun => Tone::Going,
        StepState::Done => Tone::Good,
        StepState::Failed => Tone::Bad,
    };
    badge(tone, &reader.say(&format!("operation-step-{}", state.name()), &[]))
}

fn record_part(reader: &Reader, entries: &[Entry]) -> Markup {
    let row = |entry: &Entry| {
        let subject = entry.data.get("subject").and_then(|text| text.as_str()).unwrap_or_default();
        vec![
            moment::at(entry.at),
            html! { (reader.say(&format!("operation-event-{}", entry.event), &[])) },
            html! { (entry.person) },
            html! { (subject) },
        ]
    };
    let columns = ["at", "event", "actor", "about"];
    let columns = columns.map(|name| Column::of(&reader.say(&format!("operation-column-{name}"), &[])));
    let rows: Vec<_> = entries.iter().rev().take(RECORD_SHOWN).map(row).collect();
    section(&reader.say("operation-record", &[]), table(&columns, &rows))
}

#[derive(Deserialize)]
pub(super) struct Said {
    /// The plan that the page showed.
    #[serde(default)]
    plan: String,
}

pub(super) async fn approve(
    Of(ctx): Of<Ctx>,
    visit: Visit,
    Path(id): Path<String>,
    Form(said): Form<Said>,
) -> Result<Response, Failed> {
    let actor = visit.act(Role::View, Deed::new("op approve", &[("operation", &id)]))?;
    let id = operation::resolve(ctx.store(), &id).await?;
    let done = ctx.need::<Operations>()?.approve(id, Some(&said.plan), actor).await;
    after(&ctx, &visit, id, done).await
}

pub(super) async fn cancel(Of(ctx): Of<Ctx>, visit: Visit, Path(id): Path<String>) -> Result<Response, Failed> {
    let actor = visit.act(Role::View, Deed::new("op cancel", &[("operation", &id)]))?;
    let id = operation::resolve(ctx.store(), &id).await?;
    let done = ctx.need::<Operations>()?.cancel(id, actor).await;
    after(&ctx, &visit, id, done).await
}

pub(super) async fn keep(Of(ctx): Of<Ctx>, visit: Visit, Path(id): Path<String>) -> Result<Response, Failed> {
    let actor = visit.act(Role::View, Deed::new("op keep", &[("operation", &id)]))?;
    let id = operation::resolve(ctx.store(), &id).await?;
    let done = ctx.need::<Operations>()?.keep(id, actor).await;
    after(&ctx, &visit, id, done).await
}

pub(super) async fn undo(Of(ctx): Of<Ctx>, visit: Visit, Path(id): Path<String>) -> Result<Response, Failed> {
    let actor = visit.act(Role::View, Deed::new("op undo", &[("operation", &id)]))?;
    let id = operation::resolve(ctx.store(), &id).await?;
    match ctx.need::<Operations>()?.undo(id, Ask::default(), actor).await {
        Ok(asked) => Ok(Redirect::to(&format!("/operations/{}", asked.operation.id)).into_response()),
        Err(failure) => after(&ctx, &visit, id, Err(failure)).await,
    }
}

async fn after(ctx: &Ctx, visit: &Visit, id: Id, done: Result<(), Failure>) -> Result<Response, Failed> {
    match done {
        Ok(()) => Ok(Redirect::to(&format!("/operations/{id}")).into_response()),
        Err(failure) => {
            let failure = mendable(failure)?;
            let why = refusal(&visit.reader, &failure);
            Ok(form_again(&failure, page(ctx, visit, id, why).await?))
        }
    }
}
