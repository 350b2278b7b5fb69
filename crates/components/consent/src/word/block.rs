//! `consent block` and `consent unblock`.

use std::sync::Arc;

use clap::Args;
use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::failure::Failure;
use naru_dispatch::message::Channel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::ledger::block::{self, Block, Lift};
use crate::ledger::{Scope, TEXT_BYTES_MAX, channel_name};
use crate::snapshot::Snapshot;

/// Stop messages to an address
///
/// Withdraws the address's consents to advertisements as well; lifting the block later does not bring them back.
#[derive(Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockArgs {
    /// Phone number or e-mail address; a push token with `--channel push`
    address: String,
    /// Only on this channel [default: on all]
    #[arg(long, value_parser = super::channel_parser())]
    channel: Option<Channel>,
    /// What to stop: an opt-out is `ads`
    #[arg(long, value_enum, default_value_t = scope_default())]
    #[serde(default = "scope_default")]
    scope: Scope,
    /// The reason, kept with the block
    #[arg(long, default_value = "")]
    #[serde(default)]
    why: String,
}

/// Lift the blocks of an address
///
/// Advertisements need a consent given after the block; those from before it stay withdrawn.
#[derive(Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnblockArgs {
    /// Phone number or e-mail address; a push token with `--channel push`
    address: String,
    /// Only what was blocked on this channel [default: every block]
    #[arg(long, value_parser = super::channel_parser())]
    channel: Option<Channel>,
}

/// Whoever blocks an address by hand means it: the narrower scope is asked for by name.
fn scope_default() -> Scope {
    Scope::All
}

/// Says `consent block`.
pub async fn block(ctx: Ctx, snapshot: Arc<Snapshot>, call: Call<BlockArgs>) -> Result<Answer, Failure> {
    let BlockArgs { address, channel, scope, why } = call.args;
    let address = super::address(&address, channel)?;
    // PostgreSQL keeps no zero byte in a text.
    if why.len() > TEXT_BYTES_MAX || why.contains('\0') {
        return Err(Failure::usage("consent-why-wrong").arg("bytes", TEXT_BYTES_MAX));
    }
    let (who, at) = (call.actor.name, ctx.clock().now_ms());
    let blocked = block::block(ctx.store(), Block { address: address.clone(), channel, scope, why, who, at }).await?;
    snapshot.follow().await?;
    tracing::info!(address = %address, channel = channel_name(channel), scope = scope.name(), "address blocked");

    let data = json!({
        "address": address.to_string(), "channel": channel_name(channel), "scope": scope.name(),
        "blocked_before": blocked.stood, "consents_withdrawn": blocked.withdrawn,
    });
    let masked = address.to_string();
    let count = blocked.withdrawn.to_string();
    let args = [("address", &*masked), ("channel", channel_name(channel)), ("scope", scope.name()), ("count", &*count)];
    let said = if blocked.stood { "consent-said-blocked-before" } else { "consent-said-blocked" };
    let answer = Answer::data(data)?.line(ctx.say(call.lang, said, &args));
    Ok(match blocked.withdrawn {
        0 => answer,
        _ => answer.line(ctx.say(call.lang, "consent-said-withdrawn", &args)),
    })
}

/// Says `consent unblock`.
pub async fn unblock(ctx: Ctx, snapshot: Arc<Snapshot>, call: Call<UnblockArgs>) -> Result<Answer, Failure> {
    let UnblockArgs { address, channel } = call.args;
    let address = super::address(&address, channel)?;
    let (who, at) = (call.actor.name, ctx.clock().now_ms());
    let lifted = block::lift(ctx.store(), Lift { address: address.clone(), channel, who, at }).await?;
    snapshot.follow().await?;
    tracing::info!(address = %address, channel = channel_name(channel), blocks = lifted.blocks, "address unblocked");

    let data = json!({
        "address": address.to_string(), "channel": channel_name(channel),
        "lifted": lifted.blocks, "still_blocked": lifted.standing,
    });
    let (masked, standing) = (address.to_string(), lifted.standing.to_string());
    let args = [("address", &*masked), ("count", &*standing)];
    let said = if lifted.blocks == 0 { "consent-said-not-blocked" } else { "consent-said-unblocked" };
    let answer = Answer::data(data)?.line(ctx.say(call.lang, said, &args));
    Ok(match lifted.standing {
        0 => answer,
        _ => answer.warn(ctx.say(call.lang, "consent-said-still-blocked", &args)),
    })
}
