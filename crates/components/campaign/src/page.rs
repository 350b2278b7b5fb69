//! The pages of campaigns: a list, and one campaign live. Beside them those of messages and of templates.

pub mod codes;
mod difference;
mod file;
mod list;
mod message;
mod new;
mod template;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use futures_util::future::BoxFuture;
use maud::html;
use naru_component::ctx::Ctx;
use naru_core::clock::seoul;
use naru_core::failure::Failure;
use naru_dispatch::campaign::{self, Campaign, CampaignState};
use naru_dispatch::engine::Dispatch;
use naru_dispatch::history;
use naru_dispatch::page::{outcomes, slices, tone};
use naru_dispatch::side::State as MessageState;
use naru_dispatch::template::Measure;
use naru_web::deed::Deed;
use naru_web::failed::{Failed, form_again, mendable};
use naru_web::feed::{self, Parts};
use naru_web::page::chart::{account, progress, stacked, timeline};
use naru_web::page::part::{Look, Tone, badge, button, fields, heading, refusal, section};
use naru_web::page::{Markup, Reader, count, moment};
use naru_web::role::{Actor, Role};
use naru_web::visit::{Resume, SignedIn, Visit};
use serde::Deserialize;

use crate::campaign_word::{end, let_go, may_steer};
use crate::send_word::start_at;

/// Columns of a campaign's chart at most.
const CHART_COLUMNS: u32 = 120;
/// And at least: a campaign that has only begun is no wall of one column.
const CHART_COLUMNS_MIN: usize = 24;

/// The routes.
pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/campaigns", get(list::show))
        .route("/campaigns/{id}", get(show))
        .route("/campaigns/{id}/live", get(live))
        .route("/campaigns/{id}/pause", post(pause))
        .route("/campaigns/{id}/resume", post(resume))
        .route("/campaigns/{id}/start", post(start))
        .route("/campaigns/{id}/schedule", post(schedule))
        .route("/campaigns/{id}/cancel", post(cancel))
        .route("/campaigns/{id}/discard", post(discard))
        .merge(file::routes())
        .merge(message::routes())
        .merge(new::routes())
        .merge(template::routes())
}

async fn show(State(ctx): State<Ctx>, visit: Visit, _: SignedIn, Path(id): Path<String>) -> Result<Markup, Failed> {
    Ok(page(&ctx, &visit, &find(&ctx, &id).await?, None).await?)
}

/// A time that was typed, and why it was not taken.
type Refused<'a> = Option<(&'a str, &'a Failure)>;

async fn page(ctx: &Ctx, visit: &Visit, campaign: &Campaign, refused: Refused<'_>) -> Result<Markup, Failure> {
    let reader = &visit.reader;
    let actor = visit.must(Role::View)?;
    let about = fields(&[
        (reader.say("field-template", &[]), html! { (campaign.template) " v" (campaign.version) }),
        (reader.say("field-purpose", &[]), html! { (reader.say(&format!("purpose-{}", campaign.purpose), &[])) }),
        (reader.say("field-lane", &[]), html! { (campaign.lane) }),
        (reader.say("field-created", &[]), html! { (moment::at(campaign.created_at)) " · " (campaign.created_by) }),
        (reader.say("field-refused", &[]), html! { (count(campaign.refused)) }),
    ]);
    let body = html! {
        @let parts = parts(ctx, reader, campaign, actor, refused).await?;
        @if refused.is_some() {
            // What was typed is not for the next drawing to take away.
            div.parts { @for (id, html) in parts { div id=(id) { (html) } } }
        } @else {
            (feed::live(&format!("/campaigns/{}/live", campaign.id), parts))
        }
        (section(&reader.say("page-about", &[]), about))
    };
    Ok(visit.page(&campaign.name, body))
}

/// Asks when a campaign that waits is to begin.
fn schedule_form(reader: &Reader, campaign: &Campaign, refused: Refused) -> Markup {
    let say = |key: &str| reader.say(key, &[]);
    let typed = refused.map(|(text, _)| text.to_owned());
    let stored = || campaign.start_at.map(|at| seoul(at)[..16].replace(' ', "T"));
    html! {
        @match campaign.start_at {
            Some(at) => p { (reader.say("page-begins-at", &[("at", &seoul(at))])) },
            None => p.quiet { (say("page-begins-never")) },
        }
        @if let Some((_, failure)) = refused { (refusal(reader, failure)) }
        form.row-form method="post" action={ "/campaigns/" (campaign.id) "/schedule" } {
            label {
                (say("page-begins"))
                input type="datetime-local" name="at" value=(typed.or_else(stored).unwrap_or_default());
            }
            button.button type="submit" { (say("button-schedule")) }
        }
    }
}

fn progress_part(reader: &Reader, campaign: &Campaign) -> Markup {
    let slices = slices(reader, &campaign.account);
    section(
        &reader.say("page-progress", &[]),
        html! {
            p { (state_badge(reader, campaign)) }
            (progress(reader, &campaign.name, campaign.account.done(), campaign.account.accepted))
            (stacked(reader, &reader.say("page-outcomes", &[]), &slices))
        },
    )
}

fn account_part(reader: &Reader, campaign: &Campaign) -> Markup {
    let label = reader.say("state-accepted", &[]);
    let table = account(reader, &label, campaign.account.accepted, &slices(reader, &campaign.account));
    section(&reader.say("page-account", &[]), table)
}

fn buttons(reader: &Reader, campaign: &Campaign) -> Markup {
    let button = |verb: &str, look: Look| {
        button(&format!("/campaigns/{}/{verb}", campaign.id), &reader.say(&format!("button-{verb}"), &[]), look)
    };
    html! {
        @match campaign.state {
            CampaignState::Running => { (button("pause", Look::Plain)) (button("cancel", Look::Danger)) }
            CampaignState::Held => { (button("start", Look::Primary)) (button("discard", Look::Danger)) }
            CampaignState::Paused => { (button("resume", Look::Primary)) (button("cancel", Look::Danger)) }
            CampaignState::Loading => { (button("cancel", Look::Danger)) }
            CampaignState::Cancelled | CampaignState::Done => {}
        }
    }
}

fn state_badge(reader: &Reader, campaign: &Campaign) -> Markup {
    let tone = match campaign.state {
        CampaignState::Loading => Tone::Idle,
        CampaignState::Running => Tone::Going,
        CampaignState::Paused | CampaignState::Held => Tone::Held,
        CampaignState::Cancelled => Tone::Ended,
        CampaignState::Done => Tone::Good,
    };
    badge(tone, &reader.say(&format!("campaign-state-{}", campaign.state.name()), &[]))
}

/// A message's state by its name, in a word.
fn message_badge(reader: &Reader, name: &str) -> Markup {
    let state = MessageState::ALL.into_iter().find(|state| state.name() == name).unwrap_or(MessageState::Unknown);
    badge(tone(state), &reader.say(&format!("state-{}", state.name()), &[]))
}

/// How long a text is, as its channel counts.
fn length(reader: &Reader, is_sms: bool, measure: &Measure) -> String {
    let args = [("length", measure.length.to_string()), ("max", measure.max.to_string())];
    let [length, max] = &args;
    let unit = if is_sms { "euc-kr" } else { measure.unit };
    let said = reader.say("page-length", &[(length.0, &length.1), (max.0, &max.1), ("unit", unit)]);
    if measure.is_lms { format!("{said} · {}", reader.say("page-length-lms", &[])) } else { said }
}

async fn live(
    State(ctx): State<Ctx>,
    visit: Visit,
    SignedIn(actor): SignedIn,
    Path(id): Path<String>,
    Resume(seen): Resume,
) -> Result<Response, Failed> {
    let id = find(&ctx, &id).await?.id;
    // Whoever has the same role sees the same.
    let feed = format!("campaign {id} {}", actor.role);
    let draw = move |reader: Reader| -> BoxFuture<'static, Result<Option<Parts>, Failure>> {
        let (ctx, actor) = (ctx.clone(), actor.clone());
        Box::pin(async move {
            let Some(campaign) = campaign::show(ctx.store(), id).await? else { return Ok(None) };
            parts(&ctx, &reader, &campaign, &actor, None).await.map(Some)
        })
    };
    Ok(visit.web().feed(&feed, &visit.reader, seen, Arc::new(draw))?)
}

/// What of a campaign's page moves.
async fn parts(
    ctx: &Ctx,
    reader: &Reader,
    campaign: &Campaign,
    actor: &Actor,
    refused: Refused<'_>,
) -> Result<Parts, Failure> {
    let may_steer = may_steer(actor, campaign).is_ok();
    let steer = if may_steer {
        buttons(reader, campaign)
    } else {
        html! {}
    };
    let when = if may_steer && (campaign.state == CampaignState::Held || refused.is_some()) {
        section(&reader.say("page-schedule", &[]), schedule_form(reader, campaign, refused))
    } else {
        html! {}
    };
    let codes = codes::part(ctx, reader, campaign).await?;
    let (file, refused) = file::parts(ctx, reader, campaign, actor).await?;
    let (width, columns) = history::of_campaign(ctx.store(), campaign.id, CHART_COLUMNS).await?;
    let title = reader.say("page-over-time", &[]);
    let from = columns.first().map_or(campaign.created_at, |(at, _)| *at);
    let count = columns.last().map_or(1, |(at, _)| ((at - from) / width + 1) as usize).max(CHART_COLUMNS_MIN);
    let chart = timeline(reader, &title, &outcomes(reader, from, width, count, columns));
    Ok(vec![
        ("campaign-heading", heading(&campaign.name, steer)),
        ("campaign-schedule", when),
        ("campaign-progress", progress_part(reader, campaign)),
        ("campaign-file", file),
        ("campaign-refused", refused),
        ("campaign-chart", section(&title, chart)),
        ("campaign-account", account_part(reader, campaign)),
        ("campaign-codes", codes.map_or_else(|| html! {}, |codes| section(&reader.say("page-codes", &[]), codes))),
    ])
}

/// Asks whether somebody may steer campaigns, and has it told who did.
fn steers<'v>(visit: &'v Visit, role: Role, word: &'static str, id: &str) -> Result<&'v Actor, Failure> {
    visit.act(role, Deed::new(word, &[("campaign", id)]))
}

async fn pause(State(ctx): State<Ctx>, visit: Visit, Path(id): Path<String>) -> Result<Response, Failed> {
    steers(&visit, Role::Operate, "campaign pause", &id)?;
    let campaign = find(&ctx, &id).await?;
    ctx.need::<Dispatch>()?.pause(campaign.id).await?;
    Ok(back(&campaign))
}

async fn resume(State(ctx): State<Ctx>, visit: Visit, Path(id): Path<String>) -> Result<Response, Failed> {
    let actor = steers(&visit, Role::Send, "campaign resume", &id)?;
    let campaign = find(&ctx, &id).await?;
    let_go(&*ctx.need::<Dispatch>()?, actor, &campaign).await?;
    Ok(back(&campaign))
}

/// What the button said: a campaign that was paused meanwhile stays so, and one that began has been begun.
async fn start(State(ctx): State<Ctx>, visit: Visit, Path(id): Path<String>) -> Result<Response, Failed> {
    steers(&visit, Role::Send, "campaign resume", &id)?;
    let campaign = find(&ctx, &id).await?;
    ctx.need::<Dispatch>()?.start(campaign.id).await?;
    Ok(back(&campaign))
}

/// What the button said: a campaign that began meanwhile goes on, which whoever pressed it is told.
async fn discard(State(ctx): State<Ctx>, visit: Visit, Path(id): Path<String>) -> Result<Response, Failed> {
    steers(&visit, Role::Send, "campaign cancel", &id)?;
    let campaign = find(&ctx, &id).await?;
    ctx.need::<Dispatch>()?.discard(campaign.id).await?;
    Ok(back(&campaign))
}

#[derive(Deserialize)]
struct Schedule {
    /// As a browser writes it: without a zone, which is Seoul's. Empty where it is not to begin by itself.
    at: String,
}

async fn schedule(
    State(ctx): State<Ctx>,
    visit: Visit,
    Path(id): Path<String>,
    Form(form): Form<Schedule>,
) -> Result<Response, Failed> {
    let deed = Deed::new("campaign schedule", &[("campaign", &id), ("at", &form.at)]);
    let actor = visit.act(Role::Send, deed)?;
    let campaign = find(&ctx, &id).await?;
    may_steer(actor, &campaign)?;
    let text = form.at.replace('T', " ");
    let at = if text.is_empty() { Ok(None) } else { start_at(&text, ctx.clock().now_ms()).map(Some) };
    let scheduled = match at {
        Ok(at) => ctx.need::<Dispatch>()?.schedule(campaign.id, at).await,
        Err(failure) => Err(failure),
    };
    match scheduled {
        Ok(()) => Ok(back(&campaign)),
        Err(failure) => {
            let failure = mendable(failure)?;
            // As it is by now.
            let campaign = find(&ctx, &id).await?;
            Ok(form_again(&failure, page(&ctx, &visit, &campaign, Some((&form.at, &failure))).await?))
        }
    }
}

async fn cancel(State(ctx): State<Ctx>, visit: Visit, Path(id): Path<String>) -> Result<Response, Failed> {
    let actor = steers(&visit, Role::Send, "campaign cancel", &id)?;
    let campaign = find(&ctx, &id).await?;
    end(&*ctx.need::<Dispatch>()?, actor, &campaign).await?;
    Ok(back(&campaign))
}

async fn find(ctx: &Ctx, id: &str) -> Result<Campaign, Failure> {
    campaign::resolve(ctx.store(), id).await
}

fn back(campaign: &Campaign) -> Response {
    Redirect::to(&format!("/campaigns/{}", campaign.id)).into_response()
}
