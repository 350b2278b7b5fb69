//! `lease`: what programs use to hold something alone, as `naru leader run` and `naru job run` do.

use clap::Args;
use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::{Call, Word};
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_job::lent::{self, Ask, Loan, NAMES_MAX};
use naru_web::role::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{SECONDS_MAX, seconds};
use crate::house::Schedule;

/// Take a lease: `leader/NAME`, or `job/NAME` for a run that a drain waits for
///
/// One holder has it, across all instances. It lasts as long as asked for without being renewed, counted from when this
/// answers; a program counts from before it asked, on a monotonic clock, and has stopped before then. Ends with 1 where
/// it was not lent.
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct Take {
    /// Such as leader/feed or job/nightly
    name: String,
    /// Tells the process from all others: asking again as the same holder gives the lease again
    #[arg(long)]
    holder: String,
    /// How long it lasts, 2s to 5m
    #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
    for_s: u64,
    /// Not where the job began less than this ago and came to its end
    #[arg(long = "every", value_name = "TIME", value_parser = seconds)]
    every_s: Option<u64>,
}

/// Let a lease last on, counted from now
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct Renew {
    /// Which
    name: String,
    /// The number it was lent under
    #[arg(long)]
    fence: i64,
    /// How long it lasts, 2s to 5m
    #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
    for_s: u64,
}

/// Give a lease back, so that another may take it at once
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct Release {
    /// Which
    name: String,
    /// The number it was lent under
    #[arg(long)]
    fence: i64,
    /// What became of the job, as `naru job list` shows it
    #[arg(long, default_value = "", hide_default_value = true)]
    #[serde(default)]
    outcome: String,
}

/// Shorter than this nobody could stop in time.
const FOR_S_MIN: u64 = 2;
/// Longer than this nobody would wait for one that was killed.
const FOR_S_MAX: u64 = 300;
/// As a label of Kubernetes: it stands in tables and logs.
const NAME_BYTES_MAX: usize = 63;

/// The words.
pub fn words() -> Vec<Word> {
    vec![
        Word::new("lease take", Role::Operate, take).said_often(),
        Word::new("lease renew", Role::Operate, renew).said_often(),
        Word::new("lease release", Role::Operate, release),
    ]
}

async fn take(ctx: Ctx, call: Call<Take>) -> Result<Answer, Failure> {
    let Take { name, holder, for_s, every_s } = call.args;
    must_be_lendable(&ctx, &name)?;
    if !is_name(&holder) {
        return Err(Failure::usage("lease-holder").arg("holder", holder));
    }
    let every_ms = (every_s.unwrap_or(0).min(SECONDS_MAX) * 1_000) as Millis;
    let ask = Ask { name: name.clone(), holder, last_ms: last_ms(for_s)?, every_ms };
    let said = |key: &str, args: &[(&str, &str)]| ctx.say(call.lang, key, args);
    let seconds = |left_ms: Millis| (left_ms.max(0) as u64).div_ceil(1_000).to_string();
    let (data, line) = match lent::take(&ctx.process(), &ask).await? {
        Loan::Lent(fence) => {
            tracing::info!(lease.name = name, lease.fence = fence, "lease lent");
            let line = said("lease-lent", &[("name", &name), ("fence", &fence.to_string())]);
            return Ok(Answer::data(json!({ "state": "lent", "fence": fence }))?.line(line));
        }
        Loan::Held(holder, left_ms) => {
            let line = said("lease-held", &[("name", &name), ("holder", &holder)]);
            (json!({ "state": "held", "holder": holder, "left_ms": left_ms }), line)
        }
        Loan::Early(left_ms) => {
            let line = said("job-early", &[("name", &name), ("seconds", &seconds(left_ms))]);
            (json!({ "state": "early", "left_ms": left_ms }), line)
        }
        Loan::Draining => (json!({ "state": "draining" }), said("job-drained", &[("name", &name)])),
        Loan::TooMany => return Err(Failure::refused("lease-names-many").arg("most", NAMES_MAX)),
    };
    Ok(Answer { refused: true, ..Answer::data(data)?.warn(line) })
}

async fn renew(ctx: Ctx, call: Call<Renew>) -> Result<Answer, Failure> {
    let Renew { name, fence, for_s } = call.args;
    must_be_lendable(&ctx, &name)?;
    let renewed = lent::renew(ctx.store(), &name, fence, last_ms(for_s)?).await?;
    kept_or_lost(&ctx, &call.lang, &name, json!({ "renewed": renewed }), renewed)
}

async fn release(ctx: Ctx, call: Call<Release>) -> Result<Answer, Failure> {
    let Release { name, fence, outcome } = call.args;
    must_be_lendable(&ctx, &name)?;
    let released = lent::give_back(ctx.store(), &name, fence, &outcome).await?;
    kept_or_lost(&ctx, &call.lang, &name, json!({ "released": released }), released)
}

fn kept_or_lost(
    ctx: &Ctx,
    lang: &naru_core::text::Lang,
    name: &str,
    data: serde_json::Value,
    was_held: bool,
) -> Result<Answer, Failure> {
    let answer = Answer::data(data)?;
    if was_held {
        return Ok(answer);
    }
    let line = ctx.say(*lang, "lease-lost", &[("name", name)]);
    Ok(Answer { refused: true, ..answer.warn(line) })
}

/// What naru itself holds, lanes and its own jobs, is not for others.
fn must_be_lendable(ctx: &Ctx, name: &str) -> Result<(), Failure> {
    let lendable = match name.split_once('/') {
        Some(("leader", name)) => is_name(name),
        Some(("job", name)) => {
            let own = ctx.need::<Schedule>()?;
            if own.0.iter().any(|job| job.name == name) {
                return Err(Failure::refused("job-own").arg("name", name));
            }
            is_name(name)
        }
        _ => false,
    };
    if lendable { Ok(()) } else { Err(Failure::usage("lease-name").arg("name", name)) }
}

fn is_name(name: &str) -> bool {
    let is_in = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_in)
}

fn last_ms(for_s: u64) -> Result<Millis, Failure> {
    if (FOR_S_MIN..=FOR_S_MAX).contains(&for_s) {
        return Ok((for_s * 1_000) as Millis);
    }
    let failure = Failure::usage("lease-time").arg("seconds", for_s);
    Err(failure.arg("least", FOR_S_MIN).arg("most", FOR_S_MAX))
}
