//! `naru lane …`: how the lanes are.

use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::failure::Failure;
use naru_core::text::Lang;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::engine::{Dispatch, LaneView};

/// List the lanes: provider, caps, and how each is
#[derive(clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct ListArgs {}

/// Lists them.
pub async fn list(ctx: Ctx, call: Call<ListArgs>) -> Result<Answer, Failure> {
    let dispatch = ctx.need::<Dispatch>()?;
    let views = dispatch.lane_views().await?;
    let cap = |max: Option<u32>| max.map_or_else(|| "-".to_owned(), |max| max.to_string());
    let data: Vec<_> = views
        .iter()
        .map(|view| {
            json!({
                "name": view.name, "provider": view.config.provider, "channel": view.config.channel,
                "state": state(view), "blocked_by": view.block,
                "running": !view.carried_by.is_empty(), "carried_by": view.carried_by, "paused": view.paused, "messages_today": view.today,
                "requests_per_second_max": view.config.requests_per_second_max,
                "messages_per_second_max": view.config.messages_per_second_max,
                "stands_by_for": view.stands_by_for,
                "in_flight": view.outlet.map(|outlet| outlet.in_flight),
                "held": view.status.map(|status| status.held),
                "stalled": view.status.map(|status| status.stalled),
            })
        })
        .collect();
    let rows = views.iter().map(|view| {
        vec![
            view.name.clone(),
            told(&ctx, call.lang, view),
            view.config.provider.clone(),
            view.config.channel.to_string(),
            cap(view.config.requests_per_second_max),
            cap(view.config.messages_per_second_max),
            view.outlet.map_or_else(|| "-".to_owned(), |outlet| outlet.in_flight.to_string()),
            view.status.map_or_else(|| "-".to_owned(), |status| status.held.to_string()),
            view.today.to_string(),
        ]
    });
    let columns = ["lane", "state", "provider", "channel", "requests", "messages", "in-flight", "held", "today"];
    let columns = columns.map(|name| ctx.say(call.lang, &format!("lane-column-{name}"), &[])).to_vec();
    Ok(Answer::data(data)?.table(columns, rows.collect()))
}

/// What keeps a lane from sending, in one word; the gravest first.
pub(crate) fn state(view: &LaneView) -> &'static str {
    match &view.status {
        _ if view.stands_by_for.is_some() && view.outlet.is_some_and(|outlet| outlet.joined) => match view.block {
            Some(_) => "blocked",
            None if view.stands_in => "standing-in",
            None => "standing-by",
        },
        None if view.carried_by.is_empty() => "stopped",
        None => "elsewhere",
        _ if view.paused => "paused",
        _ if view.block.is_some() => "blocked",
        Some(status) if status.stalled => "stalled",
        Some(_) if view.outlet.is_some_and(|outlet| outlet.day_spent) => "day-spent",
        Some(_) => "running",
    }
}

/// As [`state`], in the reader's language and with the reason.
pub(crate) fn told(ctx: &Ctx, lang: Lang, view: &LaneView) -> String {
    let code = view.block.as_deref().unwrap_or_default();
    let instance = view.carried_by.join(", ");
    let other = view.stands_by_for.as_deref().unwrap_or_default();
    let values = [("code", code), ("instance", instance.as_str()), ("other", other)];
    ctx.say(lang, &format!("lane-state-{}", state(view)), &values)
}

/// What keeps the lane `name` from sending, where something does, in the reader's language.
pub async fn trouble(ctx: &Ctx, lang: Lang, name: &str) -> Result<Option<String>, Failure> {
    let views = ctx.need::<Dispatch>()?.lane_views().await?;
    Ok(match views.iter().find(|view| view.name == name) {
        None => Some(ctx.say(lang, "lane-state-gone", &[])),
        Some(view) => (!matches!(state(view), "running" | "elsewhere")).then(|| told(ctx, lang, view)),
    })
}
