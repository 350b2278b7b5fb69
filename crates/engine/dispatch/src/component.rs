//! The engine's own room: its tables, its jobs, and the words for looking at it.

use std::sync::Arc;
use std::time::Duration;

use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::{Call, Word};
use naru_component::{Check, Component, Finding, MenuEntry};
use naru_core::failure::Failure;
use naru_core::text::{Catalog, Lang};
use naru_job::{Job, Missed, Place};
use naru_web::role::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::config::DispatchConfig;
use crate::engine::Dispatch;
use crate::gauge::PendingGauges;
use crate::side::State;
use crate::{account, audit, lane_word, page, retention, schema, unknown_word};

/// The sentences of this crate.
pub const TEXTS: Catalog =
    Catalog { name: "dispatch", en: include_str!("../texts/en.ftl"), ko: include_str!("../texts/ko.ftl") };

/// How often retention looks.
const RETENTION_EVERY: Duration = Duration::from_secs(600);
/// How often campaigns are looked at whose time may have come.
const SCHEDULE_EVERY: Duration = Duration::from_secs(2);
/// How often what waits is counted for `/metrics`: as often as that is usually read.
const PENDING_EVERY: Duration = Duration::from_secs(15);

/// Builds the engine and offers it; built after the rooms, so that it finds what they offer when it runs.
pub fn component(config: DispatchConfig, ctx: &Ctx) -> Component {
    let dispatch = Dispatch::new(config, ctx);
    let (panels, concerns) = page::overview();
    ctx.offer::<Dispatch>(dispatch.clone());
    Component {
        schema: schema::SCHEMA,
        words: vec![
            Word::reading("audit", say_audit),
            Word::reading("lane list", lane_word::list),
            Word::reading("unknown list", unknown_word::list),
            Word::new("unknown settle", Role::Operate, unknown_word::settle)
                .about(&["as", "lane", "campaign", "messages"]),
        ],
        routes: page::routes(),
        menu: &[
            MenuEntry { order: 50, text: "menu-lanes", href: "/lanes", role: Role::View },
            MenuEntry { order: 60, text: "menu-unknown", href: "/unknown", role: Role::View },
        ],
        panels,
        concerns: vec![concerns],
        jobs: vec![retention_job(dispatch.clone()), pending_job(ctx.clone()), schedule_job(dispatch)],
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

fn retention_job(dispatch: Arc<Dispatch>) -> Job {
    Job {
        name: "retention",
        every: RETENTION_EVERY,
        // Frames belong to all instances, and two that let go of the same ones wait for each other.
        place: Place::Once(Missed::RunOnce),
        run: Arc::new(move || {
            let dispatch = dispatch.clone();
            Box::pin(async move {
                let (store, clock) = (dispatch.ctx().store(), dispatch.ctx().clock());
                retention::run(store, clock.now_ms(), dispatch.config().keep_days).await
            })
        }),
    }
}

fn schedule_job(dispatch: Arc<Dispatch>) -> Job {
    Job {
        name: "schedule",
        every: SCHEDULE_EVERY,
        // Of two that let a campaign go the second finds it gone.
        place: Place::Everywhere,
        run: Arc::new(move || {
            let dispatch = dispatch.clone();
            Box::pin(async move { dispatch.start_due().await })
        }),
    }
}

fn pending_job(ctx: Ctx) -> Job {
    let gauges = Arc::new(PendingGauges::default());
    Job {
        name: "pending",
        every: PENDING_EVERY,
        place: Place::Everywhere,
        run: Arc::new(move || {
            let (ctx, gauges) = (ctx.clone(), gauges.clone());
            Box::pin(async move {
                gauges.show(ctx.metrics(), &account::pending_by_lane(ctx.store()).await?);
                Ok(())
            })
        }),
    }
}

fn lanes_check() -> Check {
    Check {
        name: "lanes",
        run: Arc::new(|ctx: Ctx| {
            Box::pin(async move {
                match look_at_lanes(&ctx).await {
                    Ok(findings) => findings,
                    Err(failure) => vec![Finding::Bad(failure)],
                }
            })
        }),
    }
}

async fn look_at_lanes(ctx: &Ctx) -> Result<Vec<Finding>, Failure> {
    let dispatch = ctx.need::<Dispatch>()?;
    let mut findings = Vec::new();
    for (name, provider) in dispatch.providers()? {
        findings.push(match provider.check().await {
            Ok(()) => Finding::Good(format!("{name}: {}", provider.name())),
            Err(why) => Finding::Bad(Failure::unavailable("provider-unreachable").arg("lane", name).cause_text(why)),
        });
    }
    for (lane, messages) in dispatch.stranded().await? {
        findings.push(Finding::Bad(Failure::refused("lane-gone").arg("lane", lane).arg("messages", messages)));
    }
    let (frames, messages) = account::set_aside(ctx.store()).await?;
    if frames > 0 {
        let failure = Failure::refused("frames-set-aside").arg("frames", frames).arg("messages", messages);
        findings.push(Finding::Bad(failure));
    }
    Ok(findings)
}
