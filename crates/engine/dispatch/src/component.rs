//! The engine's own room: its tables, its jobs, and the words for looking at it.

use std::sync::Arc;
use std::time::Duration;

use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::{Call, Word};
use naru_component::{Check, Component, Finding};
use naru_core::failure::Failure;
use naru_core::text::{Catalog, Lang};
use naru_job::Job;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::account::Account;
use crate::config::DispatchConfig;
use crate::engine::Dispatch;
use crate::side::State;
use crate::{audit, retention, schema};

/// The sentences of this crate.
pub const TEXTS: Catalog =
    Catalog { name: "dispatch", en: include_str!("../texts/en.ftl"), ko: include_str!("../texts/ko.ftl") };

/// How often retention looks.
const RETENTION_EVERY: Duration = Duration::from_secs(600);

/// Builds the engine and offers it; built after the rooms, so that it finds what they offer when it runs.
pub fn component(config: DispatchConfig, ctx: &Ctx) -> Component {
    let dispatch = Dispatch::new(config, ctx);
    ctx.offer::<Dispatch>(dispatch.clone());
    Component {
        schema: schema::SCHEMA,
        words: vec![Word::reading("audit", say_audit), Word::reading("lane list", say_lanes)],
        jobs: vec![retention_job(dispatch.clone())],
        checks: vec![lanes_check()],
        ..Component::new("dispatch", TEXTS)
    }
}

/// Prove that every accepted message is accounted for
///
/// Reads every frame and every row of states, counts them again and holds the sums against what is written. Exits 1
/// where anything does not hold.
#[derive(clap::Args, Serialize, Deserialize, JsonSchema)]
struct AuditArgs {}

async fn say_audit(ctx: Ctx, call: Call<AuditArgs>) -> Result<Answer, Failure> {
    let audit = audit::audit(ctx.store()).await?;
    let mut answer = Answer::data(&audit)?.fields(account_fields(&ctx, call.lang, &audit.total));
    for finding in &audit.findings {
        answer = answer.warn(finding);
    }
    answer.refused = !audit.balances();
    let frames = audit.frames.to_string();
    let verdict = if audit.balances() { "audit-balances" } else { "audit-does-not-balance" };
    Ok(answer.line(ctx.say(call.lang, verdict, &[("frames", &frames)])))
}

/// The account as names and values, in the reader's language.
pub fn account_fields(ctx: &Ctx, lang: Lang, account: &Account) -> Vec<(String, String)> {
    let mut fields = vec![(ctx.say(lang, "state-accepted", &[]), account.accepted.to_string())];
    let term = |state: State| (ctx.say(lang, &format!("state-{}", state.name()), &[]), account.of(state).to_string());
    fields.extend(STATES_SHOWN.map(term));
    fields
}

/// States in the order in which a message goes through them.
pub const STATES_SHOWN: [State; 8] = [
    State::Pending,
    State::Sent,
    State::Delivered,
    State::Failed,
    State::Expired,
    State::Suppressed,
    State::Cancelled,
    State::Unknown,
];

/// List the lanes: provider, caps, and how each is
#[derive(clap::Args, Serialize, Deserialize, JsonSchema)]
struct LaneListArgs {}

async fn say_lanes(ctx: Ctx, call: Call<LaneListArgs>) -> Result<Answer, Failure> {
    let dispatch = ctx.need::<Dispatch>()?;
    let views = dispatch.lane_views().await?;
    let cap = |max: Option<u32>| max.map_or_else(|| "-".to_owned(), |max| max.to_string());
    let data: Vec<_> = views
        .iter()
        .map(|view| {
            json!({
                "name": view.name, "provider": view.config.provider, "channel": view.config.channel,
                "running": view.status.is_some(), "paused": view.paused, "messages_today": view.today,
                "requests_per_second_max": view.config.requests_per_second_max,
                "messages_per_second_max": view.config.messages_per_second_max,
                "in_flight": view.status.map(|status| status.in_flight),
                "held": view.status.map(|status| status.held),
                "stalled": view.status.map(|status| status.stalled),
            })
        })
        .collect();
    let rows = views.iter().map(|view| {
        vec![
            view.name.clone(),
            view.config.provider.clone(),
            view.config.channel.to_string(),
            cap(view.config.requests_per_second_max),
            cap(view.config.messages_per_second_max),
            view.status.map_or_else(|| "-".to_owned(), |status| status.in_flight.to_string()),
            view.status.map_or_else(|| "-".to_owned(), |status| status.held.to_string()),
            view.today.to_string(),
        ]
    });
    let columns = ["lane", "provider", "channel", "requests", "messages", "in-flight", "held", "today"];
    let columns = columns.map(|name| ctx.say(call.lang, &format!("lane-column-{name}"), &[])).to_vec();
    Ok(Answer::data(data)?.table(columns, rows.collect()))
}

fn retention_job(dispatch: Arc<Dispatch>) -> Job {
    Job {
        name: "retention",
        every: RETENTION_EVERY,
        run: Arc::new(move || {
            let dispatch = dispatch.clone();
            Box::pin(async move {
                let (store, clock) = (dispatch.ctx().store(), dispatch.ctx().clock());
                retention::run(store, clock.now_ms(), dispatch.config().keep_days).await
            })
        }),
    }
}

fn lanes_check() -> Check {
    Check {
        name: "lanes",
        run: Arc::new(|ctx: Ctx| {
            Box::pin(async move {
                let lanes = match ctx.need::<Dispatch>().and_then(|dispatch| dispatch.providers()) {
                    Ok(lanes) => lanes,
                    Err(failure) => return vec![Finding::Bad(failure)],
                };
                let mut findings = Vec::with_capacity(lanes.len());
                for (name, provider) in lanes {
                    findings.push(match provider.check().await {
                        Ok(()) => Finding::Good(format!("{name}: {}", provider.name())),
                        Err(why) => {
                            Finding::Bad(Failure::unavailable("provider-unreachable").arg("lane", name).cause_text(why))
                        }
                    });
                }
                findings
            })
        }),
    }
}
