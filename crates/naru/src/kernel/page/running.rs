//! `/running`: instances, jobs that run once across them, and who holds which lease. An instance is drained here.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use futures_util::future::BoxFuture;
use maud::html;
use naru_component::ctx::Ctx;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_job::lease::{self, Held};
use naru_job::presence::{self, DRAIN_MS, Seen};
use naru_job::turn::{self, Last};
use naru_web::deed::Deed;
use naru_web::failed::Failed;
use naru_web::feed::{self, Parts};
use naru_web::page::part::{Column, Tone, badge, empty, heading, section, table};
use naru_web::page::{Markup, Reader, count, moment};
use naru_web::role::Role;
use naru_web::visit::{Resume, SignedIn, Visit};

use crate::house::Schedule;
use crate::kernel::{instances, jobs};

/// Leases shown: far more than lanes and jobs of one shop.
const LEASES_MAX: i64 = 500;

pub(super) fn routes() -> Router<Ctx> {
    Router::new()
        .route("/running", get(show))
        .route("/running/live", get(live))
        .route("/running/{instance}/drain", post(drain))
        .route("/running/{instance}/undrain", post(undrain))
}

async fn show(State(ctx): State<Ctx>, visit: Visit, SignedIn(actor): SignedIn) -> Result<Markup, Failed> {
    let reader = &visit.reader;
    let title = reader.say("page-running", &[]);
    let steers = actor.role >= Role::Operate;
    let body = html! {
        (heading(&title, html! {}))
        (feed::live("/running/live", parts(&ctx, reader).await?))
        // Buttons stand still: what moves is the same for everybody who looks.
        @if steers { (section(&reader.say("page-drain", &[]), drains(&ctx, reader).await?)) }
    };
    Ok(visit.page(&title, body))
}

async fn live(State(ctx): State<Ctx>, visit: Visit, _: SignedIn, Resume(seen): Resume) -> Result<Response, Failed> {
    let draw = move |reader: Reader| -> BoxFuture<'static, Result<Option<Parts>, Failure>> {
        let ctx = ctx.clone();
        Box::pin(async move { parts(&ctx, &reader).await.map(Some) })
    };
    Ok(visit.web().feed("running", &visit.reader, seen, Arc::new(draw))?)
}

async fn parts(ctx: &Ctx, reader: &Reader) -> Result<Parts, Failure> {
    let say = |key: &str| reader.say(key, &[]);
    Ok(vec![
        ("running-instances", section(&say("page-instances"), all_instances(ctx, reader).await?)),
        ("running-jobs", section(&say("page-jobs"), all_jobs(ctx, reader).await?)),
        ("running-leases", section(&say("page-leases"), all_leases(ctx, reader).await?)),
    ])
}

async fn all_instances(ctx: &Ctx, reader: &Reader) -> Result<Markup, Failure> {
    let say = |key: &str| reader.say(key, &[]);
    let rows: Vec<Vec<Markup>> = instances::seen(ctx).await?.iter().map(|it| instance(reader, it)).collect();
    let columns = ["name", "state", "version", "since", "seen", "runs"];
    Ok(table(&columns.map(|name| Column::of(&say(&format!("instance-column-{name}")))), &rows))
}

fn instance(reader: &Reader, it: &Seen) -> Vec<Markup> {
    let state = instances::state(it);
    let tone = match state {
        "running" => Tone::Good,
        "draining" | "drained" => Tone::Held,
        "stopped" => Tone::Ended,
        _ => Tone::Bad,
    };
    let runs: Vec<&str> = it.busy.keys().chain(&it.leads).map(String::as_str).collect();
    vec![
        html! { (it.name) },
        html! {
            (badge(tone, &reader.say(&format!("instance-state-{state}"), &[])))
            @if let Some(until) = it.drain_until { span.sub { (moment::ago(reader, until)) } }
        },
        html! { (it.version) },
        moment::ago(reader, it.started_at),
        moment::ago(reader, it.seen_at),
        html! { @if runs.is_empty() { "-" } @else { (runs.join(", ")) } },
    ]
}

/// A button for each instance that is there.
async fn drains(ctx: &Ctx, reader: &Reader) -> Result<Markup, Failure> {
    let all = instances::seen(ctx).await?;
    let there = all.iter().filter(|it| it.live || it.drain_until.is_some());
    let row = |it: &Seen| {
        let verb = if it.drain_until.is_some() { "undrain" } else { "drain" };
        let action = format!("/running/{}/{verb}", naru_web::page::segment(&it.name));
        let said = reader.say(&format!("button-{verb}"), &[]);
        html! { li.row-form {
            span { (it.name) }
            form method="post" action=(action) {
                // Said apart from its line, a button tells which instance it is about.
                button.button type="submit" aria-label={ (said) " " (it.name) } { (said) }
            }
        } }
    };
    Ok(html! {
        p.quiet { (reader.say("page-drain-what", &[])) }
        ul.plain { @for it in there { (row(it)) } }
    })
}

async fn all_jobs(ctx: &Ctx, reader: &Reader) -> Result<Markup, Failure> {
    let schedule = ctx.need::<Schedule>()?;
    let runs = turn::list(ctx.store()).await?;
    let all = jobs::all(&schedule, &runs);
    let say = |key: &str| reader.say(key, &[]);
    let rows: Vec<Vec<Markup>> = all
        .iter()
        .map(|(name, job, last)| {
            let mut row = vec![html! { (name) }, html! { (jobs::told(|key, args| reader.say(key, args), *job)) }];
            row.extend(run(reader, *last));
            row
        })
        .collect();
    let columns = ["name", "runs", "state", "where", "started", "outcome", "due"];
    let mut columns = columns.map(|name| Column::of(&say(&format!("job-column-{name}")))).to_vec();
    columns.push(Column::number(&say("job-column-missed")));
    Ok(table(&columns, &rows))
}

/// The last run, in the columns behind the name.
fn run(reader: &Reader, last: Option<&Last>) -> Vec<Markup> {
    let none = || html! { "-" };
    let Some(last) = last else {
        let never = html! { (reader.say("job-never", &[])) };
        let idle = badge(Tone::Idle, &reader.say("job-state-idle", &[]));
        return vec![idle, none(), never, none(), none(), none()];
    };
    let (state, tone) = match (last.running, last.ended_at) {
        (true, _) => ("running", Tone::Going),
        (false, None) => ("cut", Tone::Bad),
        (false, Some(_)) if last.has_failed() => ("idle", Tone::Bad),
        (false, Some(_)) => ("idle", Tone::Idle),
    };
    vec![
        badge(tone, &reader.say(&format!("job-state-{state}"), &[])),
        html! { (last.instance) },
        moment::ago(reader, last.started_at),
        if last.outcome.is_empty() {
            none()
        } else {
            html! { (last.outcome) }
        },
        last.due_at.map_or_else(none, |at| moment::ago(reader, at)),
        html! { (count(last.missed as u64)) },
    ]
}

async fn all_leases(ctx: &Ctx, reader: &Reader) -> Result<Markup, Failure> {
    let leases = lease::list(ctx.store(), LEASES_MAX).await?;
    if leases.is_empty() {
        return Ok(empty(&reader.say("page-leases-none", &[]), &reader.say("page-leases-none.hint", &[])));
    }
    let row = |held: &Held| {
        // An embedded store has one process, whose lock is the lease: that does not end.
        let ends: Millis = reader.now + held.standing.left_ms;
        vec![
            html! { (held.name) },
            html! { @if held.standing.holder.is_empty() { "-" } @else { (held.standing.holder) } },
            html! { (count(held.standing.fence as u64)) },
            if held.endless {
                html! { (reader.say("page-lease-endless", &[])) }
            } else {
                moment::ago(reader, ends)
            },
        ]
    };
    let rows: Vec<Vec<Markup>> = leases.iter().map(row).collect();
    let say = |key: &str| reader.say(key, &[]);
    let columns = [
        Column::of(&say("page-lease")),
        Column::of(&say("page-lease-holder")),
        Column::number(&say("page-lease-fence")),
        Column::of(&say("page-lease-ends")),
    ];
    Ok(table(&columns, &rows))
}

async fn drain(State(ctx): State<Ctx>, visit: Visit, Path(instance): Path<String>) -> Result<Response, Failed> {
    visit.act(Role::Operate, Deed::new("drain", &[("instance", &instance)]))?;
    change(&ctx, &instance, DRAIN_MS).await
}

async fn undrain(State(ctx): State<Ctx>, visit: Visit, Path(instance): Path<String>) -> Result<Response, Failed> {
    visit.act(Role::Operate, Deed::new("drain", &[("instance", &instance), ("undo", "true")]))?;
    change(&ctx, &instance, 0).await
}

async fn change(ctx: &Ctx, instance: &str, last_ms: Millis) -> Result<Response, Failed> {
    let known = instances::seen(ctx).await?;
    instances::must_know(&known, instance)?;
    presence::drain(ctx.store(), Some(instance), last_ms).await?;
    Ok(Redirect::to("/running").into_response())
}
