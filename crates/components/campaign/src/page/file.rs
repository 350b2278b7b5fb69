//! What is known of a campaign's file: how far it is, what was refused, what it would cost and when it would be over.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use maud::html;
use naru_component::ctx::Ctx;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_dispatch::campaign::{Campaign, CampaignState};
use naru_dispatch::engine::Dispatch;
use naru_dispatch::estimate::{self, Estimate};
use naru_dispatch::import::row::{self, ImportView};
use naru_dispatch::life::{self, Life};
use naru_dispatch::look;
use naru_dispatch::message::Channel;
use naru_dispatch::template::Template;
use naru_web::failed::Failed;
use naru_web::page::part::{Tone, fields, notice, prose, refusal, section};
use naru_web::page::{Markup, Reader, count, moment};
use naru_web::role::{Actor, Role};
use naru_web::visit::Visit;
use tokio_util::io::ReaderStream;

use super::{find, length};
use crate::rejects;
use crate::summary::Summary;

/// Messages shown before a campaign is sent.
const SAMPLES: usize = 3;
const MINUTE_MS: Millis = 60_000;

/// The routes.
pub fn routes() -> Router<Ctx> {
    Router::new().route("/campaigns/{id}/rejected.csv", get(rejected))
}

/// The file's parts of a campaign's page, and of what was refused in it; nothing where there is nothing to say.
pub async fn parts(
    ctx: &Ctx,
    reader: &Reader,
    campaign: &Campaign,
    actor: &Actor,
) -> Result<(Markup, Markup), Failure> {
    let Some(import) = row::of_campaign(ctx.store(), campaign.id, reader.now).await? else {
        return Ok((html! {}, html! {}));
    };
    let summary = Summary::of(&import.summary);
    let say = |key: &str| reader.say(key, &[]);
    let file = match campaign.state {
        CampaignState::Held => {
            let before = before(ctx, reader, campaign, summary.as_ref()).await?;
            section(&say("page-before"), before)
        }
        CampaignState::Loading if !import.is_complete => {
            section(&say("page-file"), how_far(reader, campaign, &import, summary.as_ref()))
        }
        _ => html! {},
    };
    let refused = match campaign.refused {
        1.. if import.is_complete => section(&say("page-refused"), refusals(reader, campaign, summary.as_ref(), actor)),
        _ => html! {},
    };
    Ok((file, refused))
}

fn how_far(reader: &Reader, campaign: &Campaign, import: &ImportView, summary: Option<&Summary>) -> Markup {
    let lines = count(import.lines);
    let messages = count(campaign.account.accepted);
    let args = [("lines", lines.as_str()), ("messages", messages.as_str())];
    let stopped = summary.and_then(|summary| summary.stopped.as_ref());
    html! {
        p { (reader.say("page-file-so-far", &args)) }
        @if let Some(failure) = stopped { (refusal(reader, failure)) }
        @if !import.is_fed {
            (notice(Tone::Bad, &reader.say("page-file-stopped", &[])))
            p.help { (prose(&reader.say("page-file-stopped.hint", &[("source", &campaign.source)]))) }
        }
    }
}

/// All that a person wants to know before it is sent.
async fn before(ctx: &Ctx, reader: &Reader, campaign: &Campaign, summary: Option<&Summary>) -> Result<Markup, Failure> {
    let say = |key: &str| reader.say(key, &[]);
    let dispatch = ctx.need::<Dispatch>()?;
    let template = dispatch.templates().version(&campaign.template, campaign.version).await?;
    let from = campaign.start_at.unwrap_or(reader.now).max(reader.now);
    let estimate = estimate::estimate(&dispatch, campaign, template.text.channel, from).await?;
    let mut rows = vec![
        (say("page-before-messages"), html! { (count(campaign.account.accepted)) }),
        (say("field-refused"), html! { (count(campaign.refused)) }),
    ];
    if let Some(summary) = summary {
        rows.push((say("page-before-file"), html! { (bytes(summary.size_bytes)) }));
        rows.push((say("page-before-length"), lengths(reader, campaign, &template, summary)));
    }
    let long = summary.map_or(0, |summary| summary.lengths.lms);
    rows.push((say("page-before-cost"), cost(reader, &dispatch, campaign, long)));
    let when = if campaign.start_at.is_some() { "page-before-ends-at" } else { "page-before-ends" };
    rows.push((say(when), ends(reader, &estimate)));
    let samples = samples(&dispatch, campaign).await?;
    Ok(html! {
        (fields(&rows))
        h3 { (say("page-before-samples")) }
        (shown(&samples))
        p.help { (say("page-before-samples-help")) }
    })
}

fn lengths(reader: &Reader, campaign: &Campaign, template: &Template, summary: &Summary) -> Markup {
    let Ok(mut measure) = template.measure(&[]) else { return html! {} };
    let lengths = &summary.lengths;
    measure.length = lengths.longest as usize;
    measure.is_lms = false;
    let is_sms = template.text.channel == Channel::Sms;
    let all = count(lengths.sum);
    let average = lengths.sum.checked_div(campaign.account.accepted).unwrap_or_default().to_string();
    html! {
        (reader.say("page-before-longest", &[("length", &length(reader, is_sms, &measure))]))
        br;
        (reader.say("page-before-all", &[("all", &all), ("average", &average), ("unit", measure.unit)]))
        @if lengths.lms > 0 {
            br;
            (reader.say("page-before-lms", &[("n", &count(lengths.lms))]))
        }
    }
}

fn cost(reader: &Reader, dispatch: &Dispatch, campaign: &Campaign, long: u64) -> Markup {
    let Some(config) = dispatch.config().lane.get(&campaign.lane) else { return html! { "-" } };
    let said = match estimate::cost(config, campaign.account.accepted, long) {
        Some(won) => {
            let won = count(won.ceil() as u64);
            let price = config.price_krw.unwrap_or_default().to_string();
            reader.say("page-before-won", &[("won", &won), ("price", &price), ("lane", &campaign.lane)])
        }
        None => reader.say("page-before-no-price", &[("lane", &campaign.lane)]),
    };
    prose_of(&said)
}

fn minute(at: Millis) -> Millis {
    at.div_euclid(MINUTE_MS) * MINUTE_MS + MINUTE_MS
}

fn ends(reader: &Reader, estimate: &Estimate) -> Markup {
    let ahead = count(estimate.before);
    html! {
        @match estimate.ends {
            // To the minute: it is an estimate, and the page would move with every second otherwise.
            Some(at) => { @let at = minute(at); (moment::at(at)) " (" (moment::ago(reader, at)) ")" },
            None => (reader.say("page-before-no-end", &[])),
        }
        @if estimate.begins > reader.now { br; (reader.say("page-before-from", &[])) " " (moment::at(estimate.begins)) }
        @if estimate.before > 0 { br; (reader.say("page-before-ahead", &[("n", &ahead)])) }
    }
}

fn prose_of(text: &str) -> Markup {
    html! { (prose(text)) }
}

/// The first messages, as they would leave but for what is personal in them.
async fn samples(dispatch: &Dispatch, campaign: &Campaign) -> Result<Vec<Life>, Failure> {
    let mut samples = Vec::with_capacity(SAMPLES);
    for id in look::first_of(dispatch.ctx().store(), campaign.id, SAMPLES).await? {
        match life::look(dispatch, id).await {
            Ok(life) => samples.push(life),
            // One that cannot be read takes the page away from nobody; `audit` tells of it.
            Err(failure) => tracing::warn!(campaign.id = %campaign.id, error = %failure, "a sample could not be read"),
        }
    }
    Ok(samples)
}

fn shown(samples: &[Life]) -> Markup {
    let told = samples.iter().filter_map(|life| Some((&life.view, life.text.as_ref()?)));
    html! { @for (view, text) in told {
        p.sample {
            a href={ "/messages/" (view.id) } { (view.to) }
            @if let Some(measure) = &text.measure { " " span.quiet { (measure.length) " / " (measure.max) } }
        }
        pre.wording { "\n" @if let Some(subject) = &text.subject { strong { (subject) } "\n" } (text.body) }
    } }
}

fn refusals(reader: &Reader, campaign: &Campaign, summary: Option<&Summary>, actor: &Actor) -> Markup {
    let say = |key: &str| reader.say(key, &[]);
    let first = summary.map(|summary| summary.refusals.as_slice()).unwrap_or_default();
    let refused = count(campaign.refused);
    let rows: Vec<(String, Markup)> = first
        .iter()
        .map(|failure| {
            let line = failure.args.get("line").map_or("", String::as_str);
            let hint = reader.texts.hint(reader.lang, failure).unwrap_or_default();
            let why = reader.texts.detail(reader.lang, failure);
            (
                reader.say("page-refused-line", &[("line", line)]),
                html! { (prose(&why)) br; span.quiet { (prose(&hint)) } },
            )
        })
        .collect();
    html! {
        p { (reader.say("page-refused-lead", &[("n", &refused)])) }
        (fields(&rows))
        @if actor.role >= Role::Send {
            div.actions {
                a.button href={ "/campaigns/" (campaign.id) "/rejected.csv" } download { (say("page-refused-get")) }
            }
            p.help { (say("page-refused-help")) }
        }
    }
}

/// Hands over the refused rows of a campaign's file.
async fn rejected(State(ctx): State<Ctx>, visit: Visit, Path(id): Path<String>) -> Result<Response, Failed> {
    visit.must(Role::Send)?;
    let campaign = find(&ctx, &id).await?;
    let missing = || Failure::not_found("rejected-none").arg("campaign", &campaign.name);
    let import = row::of_campaign(ctx.store(), campaign.id, visit.reader.now).await.map_err(Failure::from)?;
    let import = import.filter(|import| campaign.refused > 0 && import.is_complete).ok_or_else(missing)?;
    if import.instance != ctx.instance().name() {
        // What lies here of it is what an earlier run had come to.
        return Err(Failure::not_found("rejected-elsewhere").arg("instance", &import.instance).into());
    }
    let path = rejects::path(&ctx, &import.key);
    let file = tokio::fs::File::open(path).await;
    let file = file.map_err(|_| Failure::not_found("rejected-gone").arg("campaign", &campaign.name))?;
    let name = format!("attachment; filename=\"{}\"", file_name(campaign.id));
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}

fn file_name(campaign: Id) -> String {
    format!("rejected-{campaign}.csv")
}

/// A size as people read it.
fn bytes(bytes: u64) -> String {
    let (unit, size) = match bytes {
        ..1_000 => ("B", bytes as f64),
        1_000..1_000_000 => ("kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => ("MB", bytes as f64 / 1e6),
        _ => ("GB", bytes as f64 / 1e9),
    };
    if unit == "B" { format!("{bytes} B") } else { format!("{size:.1} {unit}") }
}
