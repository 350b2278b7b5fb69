//! The pages of campaigns: a list, and one campaign live.

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::html;
use naru_component::ctx::Ctx;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_dispatch::account::Account;
use naru_dispatch::campaign::{self, Campaign, CampaignState};
use naru_dispatch::component::STATES_SHOWN;
use naru_dispatch::engine::Dispatch;
use naru_dispatch::side::State as MessageState;
use naru_web::failed::Failed;
use naru_web::live::Patch;
use naru_web::page::chart::{Slice, account, progress, stacked};
use naru_web::page::part::{Look, Tone, badge, button, empty, fields, heading, section};
use naru_web::page::{Markup, Reader, count, moment};
use naru_web::role::Role;
use naru_web::visit::{Resume, SignedIn, Visit};

/// Campaigns of one page.
const PAGE: usize = 50;
/// How often a live page looks: the store sums a campaign up in a few milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The routes.
pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/", get(|| async { Redirect::to("/campaigns") }))
        .route("/campaigns", get(list))
        .route("/campaigns/{id}", get(show))
        .route("/campaigns/{id}/live", get(live))
        .route("/campaigns/{id}/pause", post(pause))
        .route("/campaigns/{id}/resume", post(resume))
        .route("/campaigns/{id}/cancel", post(cancel))
}

async fn list(State(ctx): State<Ctx>, visit: Visit, _: SignedIn) -> Result<Markup, Failed> {
    let reader = &visit.reader;
    let campaigns = campaign::list(ctx.store(), Millis::MAX, PAGE).await.map_err(Failure::from)?;
    let title = reader.say("page-campaigns", &[]);
    let body = html! {
        (heading(&title, html! {}))
        @if campaigns.is_empty() {
            (empty(&reader.say("page-campaigns-none", &[]), &reader.say("page-campaigns-none.hint", &[])))
        } @else {
            div.table-scroll { table {
                thead { tr {
                    th { (reader.say("field-campaign", &[])) }
                    th { (reader.say("field-state", &[])) }
                    th.number { (reader.say("state-accepted", &[])) }
                    th { (reader.say("page-progress", &[])) }
                    th { (reader.say("field-created", &[])) }
                } }
                tbody { @for campaign in &campaigns { (row(reader, campaign)) } }
            } }
        }
    };
    Ok(visit.page(&title, body))
}

fn row(reader: &Reader, campaign: &Campaign) -> Markup {
    html! { tr {
        td { a href={ "/campaigns/" (campaign.id) } { (campaign.name) } }
        td { (state_badge(reader, campaign)) }
        td.number { (count(campaign.account.accepted)) }
        td { (stacked(reader, &campaign.name, &slices(reader, &campaign.account))) }
        td { (moment::ago(reader, campaign.created_at)) }
    } }
}

async fn show(
    State(ctx): State<Ctx>,
    visit: Visit,
    SignedIn(actor): SignedIn,
    Path(id): Path<String>,
) -> Result<Markup, Failed> {
    let reader = &visit.reader;
    let campaign = find(&ctx, &id).await?;
    let steer = if actor.role >= Role::Operate {
        buttons(reader, &campaign)
    } else {
        html! {}
    };
    let about = fields(&[
        (reader.say("field-template", &[]), html! { (campaign.template) " v" (campaign.version) }),
        (reader.say("field-purpose", &[]), html! { (reader.say(&format!("purpose-{}", campaign.purpose), &[])) }),
        (reader.say("field-lane", &[]), html! { (campaign.lane) }),
        (reader.say("field-created", &[]), html! { (moment::at(campaign.created_at)) " · " (campaign.created_by) }),
        (reader.say("field-refused", &[]), html! { (count(campaign.refused)) }),
    ]);
    let body = html! {
        (heading(&campaign.name, steer))
        div data-live={ "/campaigns/" (campaign.id) "/live" } {
            div id="campaign-progress" { (progress_part(reader, &campaign)) }
            div id="campaign-account" { (account_part(reader, &campaign)) }
        }
        (section(&reader.say("page-about", &[]), about))
    };
    Ok(visit.page(&campaign.name, body))
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
        CampaignState::Paused => Tone::Held,
        CampaignState::Cancelled => Tone::Ended,
        CampaignState::Done => Tone::Good,
    };
    badge(tone, &reader.say(&format!("campaign-state-{}", campaign.state.name()), &[]))
}

fn slices(reader: &Reader, account: &Account) -> Vec<Slice> {
    let slice = |state: MessageState| Slice {
        label: reader.say(&format!("state-{}", state.name()), &[]),
        count: account.of(state),
        tone: match state {
            MessageState::Pending => Tone::Idle,
            MessageState::Sent => Tone::Going,
            MessageState::Delivered => Tone::Good,
            MessageState::Failed => Tone::Bad,
            MessageState::Expired => Tone::Warn,
            MessageState::Suppressed => Tone::Held,
            MessageState::Cancelled => Tone::Ended,
            MessageState::Unknown => Tone::Doubt,
        },
    };
    STATES_SHOWN.map(slice).to_vec()
}

/// Patches whenever something changed; the id is what the account was when it was drawn.
async fn live(
    State(ctx): State<Ctx>,
    visit: Visit,
    _: SignedIn,
    Path(id): Path<String>,
    Resume(seen): Resume,
) -> Result<Response, Failed> {
    let campaign = find(&ctx, &id).await?;
    let start = (ctx, visit.reader.clone(), campaign.id, seen);
    let patches = futures_util::stream::unfold(start, |(ctx, mut reader, id, seen)| async move {
        let (campaign, print) = next_change(&ctx, id, seen).await?;
        reader.now = ctx.clock().now_ms();
        let parts = vec![
            ("campaign-progress", progress_part(&reader, &campaign)),
            ("campaign-account", account_part(&reader, &campaign)),
        ];
        Some((Patch { id: print, parts }, (ctx, reader, id, Some(print))))
    });
    Ok(visit.web().live(patches)?)
}

/// Waits until the campaign differs from what was seen; ends when it cannot be read.
async fn next_change(ctx: &Ctx, id: Id, seen: Option<u64>) -> Option<(Campaign, u64)> {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let campaign = campaign::show(ctx.store(), id).await.ok()??;
        let drawn = format!("{:?}{:?}{}", campaign.account, campaign.state, campaign.loaded);
        let print = xxhash_rust::xxh3::xxh3_64(drawn.as_bytes());
        if seen != Some(print) {
            return Some((campaign, print));
        }
    }
}

async fn pause(State(ctx): State<Ctx>, visit: Visit, Path(id): Path<String>) -> Result<Response, Failed> {
    visit.must(Role::Operate)?;
    let campaign = find(&ctx, &id).await?;
    ctx.need::<Dispatch>()?.pause(campaign.id).await?;
    Ok(back(&campaign))
}

async fn resume(State(ctx): State<Ctx>, visit: Visit, Path(id): Path<String>) -> Result<Response, Failed> {
    visit.must(Role::Operate)?;
    let campaign = find(&ctx, &id).await?;
    ctx.need::<Dispatch>()?.resume(campaign.id).await?;
    Ok(back(&campaign))
}

async fn cancel(State(ctx): State<Ctx>, visit: Visit, Path(id): Path<String>) -> Result<Response, Failed> {
    visit.must(Role::Operate)?;
    let campaign = find(&ctx, &id).await?;
    ctx.need::<Dispatch>()?.cancel(campaign.id).await?;
    Ok(back(&campaign))
}

async fn find(ctx: &Ctx, id: &str) -> Result<Campaign, Failure> {
    campaign::resolve(ctx.store(), id).await
}

fn back(campaign: &Campaign) -> Response {
    Redirect::to(&format!("/campaigns/{}", campaign.id)).into_response()
}
