//! `naru lock`, `naru unlock`, `naru queue`.

use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::clock::{Millis, seoul};
use naru_core::failure::Failure;
use naru_estate::catalogue::Catalogue;
use naru_estate::estate::Estate;
use naru_operation::engine::Operations;
use naru_operation::lock::{self, EVERYTHING};
use naru_operation::operation::{self, short};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Operations that the queue tells.
const QUEUE_MAX: usize = 200;

/// Keep others from changing something for a while: `naru lock web for 2h the sale`
///
/// What runs goes on. Whoever set a lock goes on as well, and others can in spite of it with `--break-glass`.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockArgs {
    /// An app, an environment, an app in one (`web@staging`), or `all`
    #[arg(value_name = "NAME")]
    scope: String,
    /// How long, and why: `for 2h the sale`
    #[arg(value_name = "[for TIME] [WHY…]")]
    #[serde(default)]
    words: Vec<String>,
    /// How long: `30m`, `2h`, `3d`
    #[arg(long = "for", value_name = "TIME")]
    #[serde(rename = "for", default)]
    for_: Option<String>,
    /// From when on, if not now: `2026-12-01T09:00`, in Seoul
    #[arg(long, value_name = "TIME")]
    #[serde(default)]
    from: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    #[serde(default)]
    why: String,
}

/// Lift a lock
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnlockArgs {
    /// What it is on
    #[arg(value_name = "NAME")]
    scope: String,
}

/// Show what is under way, what waits for its turn or for approval, and what is locked
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueArgs {}

/// Sets a lock.
pub async fn lock(ctx: Ctx, call: Call<LockArgs>) -> Result<Answer, Failure> {
    let LockArgs { scope, words, for_, from, why } = call.args;
    let (said_for, said_why) = match words.as_slice() {
        [word, span, why @ ..] if word == "for" => (Some(span.clone()), why.join(" ")),
        why => (None, why.join(" ")),
    };
    let (for_, why) = (for_.or(said_for), if why.is_empty() { said_why } else { why });
    let catalogue = ctx.need::<Estate>()?.catalogue().await?;
    known(&catalogue, &scope)?;
    let last_ms = for_.as_deref().map(span).transpose()?;
    let from_at = from.as_deref().map(moment).transpose()?;
    let lock = ctx.need::<Operations>()?.lock(&scope, &why, from_at, last_ms, &call.actor).await?;
    let said = ctx.say(call.lang, "lock-set", &[("scope", &lock.scope), ("until", &seoul(lock.until_at))]);
    Ok(Answer::data(&lock)?.line(said))
}

/// Refuses a lock on what does not exist: it would hold nothing.
fn known(catalogue: &Catalogue, scope: &str) -> Result<(), Failure> {
    match scope.split_once('@') {
        _ if scope == EVERYTHING || catalogue.envs().contains(scope) => Ok(()),
        Some((app, env)) => catalogue.place(app, env).map(drop),
        None => catalogue.named(scope).map(drop),
    }
}

/// `30m`, `2h`, `3d`.
fn span(text: &str) -> Result<Millis, Failure> {
    let wrong = || Failure::usage("lock-span").arg("text", text);
    let unit = text.chars().last().ok_or_else(wrong)?;
    let ms = match unit {
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: Millis = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    number.checked_mul(ms).filter(|ms| *ms > 0).ok_or_else(wrong)
}

fn moment(text: &str) -> Result<Millis, Failure> {
    let wrong = || Failure::usage("lock-moment").arg("text", text);
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(at.as_millisecond());
    }
    let civil: jiff::civil::DateTime = text.parse().map_err(|_| wrong())?;
    Ok(jiff::tz::Offset::constant(9).to_timestamp(civil).map_err(|_| wrong())?.as_millisecond())
}

/// Lifts it.
pub async fn unlock(ctx: Ctx, call: Call<UnlockArgs>) -> Result<Answer, Failure> {
    let lifted = ctx.need::<Operations>()?.unlock(&call.args.scope, &call.actor).await?;
    let said = ctx.say(call.lang, "lock-lifted", &[("scope", &call.args.scope)]);
    Ok(Answer::data(&lifted)?.line(said))
}

/// Shows it.
pub async fn queue(ctx: Ctx, call: Call<QueueArgs>) -> Result<Answer, Failure> {
    let sight = ctx.need::<Operations>()?.sight(&call.actor);
    let open = operation::open(ctx.store(), &sight, QUEUE_MAX).await?;
    let mut locks = lock::list(ctx.store(), ctx.clock().now_ms()).await?;
    locks.retain(|lock| sight.covers_scope(&lock.scope));
    let say = |key: &str| ctx.say(call.lang, key, &[]);
    let mut answer = Answer::data(json!({ "operations": open, "locks": locks }))?;
    if open.is_empty() && locks.is_empty() {
        return Ok(answer.line(say("queue-empty")));
    }
    if !open.is_empty() {
        let rows = open.iter().map(|brief| {
            vec![
                short(brief.id),
                brief.title.clone(),
                say(&format!("operation-state-{}", brief.state.name())),
                format!("{}/{}", brief.steps_done, brief.steps),
                brief.actor.clone(),
            ]
        });
        let columns = ["operation", "title", "state", "steps", "actor"];
        answer = answer.table(columns.map(|name| say(&format!("operation-column-{name}"))).to_vec(), rows.collect());
    }
    if !locks.is_empty() {
        let rows = locks.iter().map(|lock| {
            vec![
                lock.scope.clone(),
                lock.person.clone(),
                lock.reason.clone(),
                seoul(lock.from_at),
                seoul(lock.until_at),
            ]
        });
        let columns = ["scope", "actor", "reason", "from", "until"];
        answer = answer.table(columns.map(|name| say(&format!("operation-column-{name}"))).to_vec(), rows.collect());
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_and_from_when() {
        let check = |text: &str, expect: Option<Millis>| assert_eq!(span(text).ok(), expect, "{text}");
        check("30m", Some(1_800_000));
        check("2h", Some(7_200_000));
        check("3d", Some(259_200_000));
        for wrong in ["", "h", "-1h", "0h", "2", "2주", "99999999999999999d"] {
            check(wrong, None);
        }
        assert_eq!(moment("1970-01-01T09:00").unwrap(), 0);
        assert_eq!(moment("1970-01-01T00:00:01Z").unwrap(), 1_000);
        assert_eq!(moment("tomorrow").unwrap_err().code, "lock-moment");
    }
}
