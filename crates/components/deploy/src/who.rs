//! `naru who`: what naru deployed last, by whom, and what is pinned.

use std::sync::Arc;

use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::clock::seoul;
use naru_core::failure::Failure;
use naru_core::text::Lang;
use naru_estate::catalogue::{App, Place};
use naru_estate::estate::Estate;
use naru_operation::engine::Operations;
use naru_operation::operation::Brief;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::pin::{self, Pin};
use crate::release::Wanted;
use crate::{Config, past};

/// Digits of a commit that people are shown.
const COMMIT_SHOWN: usize = 8;
/// Pins whose branches are looked at: each costs a question to its repository.
const PINS_LOOKED_MAX: usize = 50;

/// Show who deployed last what runs where, and what is pinned
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhoArgs {
    /// Only this app, environment, or app in an environment (`web@staging`)
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// What runs somewhere by naru's doing.
struct Running {
    wanted: Wanted,
    brief: Brief,
    pin: Option<Pin>,
    /// Commits of the branch it follows that the pin hides, and the last one's subject.
    hidden: Option<(usize, String)>,
}

/// Shows the last deploy of each app in each environment; what naru never deployed is left out.
pub async fn who(ctx: Ctx, call: Call<WhoArgs>, config: Arc<Config>) -> Result<Answer, Failure> {
    let estate = ctx.need::<Estate>()?;
    let catalogue = estate.catalogue().await?;
    let mut all = past::all(ctx.store()).await?;
    let sight = ctx.need::<Operations>()?.sight(&call.actor);
    let mut found = Vec::new();
    let mut looked = 0;
    for (name, app) in &catalogue.app {
        for (env, place) in &app.env {
            let target = format!("{name}@{env}");
            if !sight.covers(name, env)
                || call.args.name.as_ref().is_some_and(|named| ![name, env, &target].contains(&named))
            {
                continue;
            }
            let Some((wanted, brief)) = all.remove(&target) else { continue };
            let pin = pin::pin(&wanted, &brief, &config);
            let hidden = match &pin {
                Some(pin) if looked < PINS_LOOKED_MAX => {
                    looked += 1;
                    hidden(&estate, app, place, pin).await
                }
                _ => None,
            };
            found.push(Running { wanted, brief, pin, hidden });
        }
    }
    let answer = Answer::data(found.iter().map(data).collect::<Vec<_>>())?;
    let say = |key: &str| ctx.say(call.lang, key, &[]);
    if found.is_empty() {
        return Ok(answer.line(say("history-none")));
    }
    let rows = found.iter().map(|it| {
        let commit = it.wanted.commit.get(..COMMIT_SHOWN).unwrap_or(&it.wanted.commit).to_owned();
        let at = it.brief.ended_at.map(seoul).unwrap_or_default();
        let pinned = pinned(&ctx, call.lang, it);
        vec![it.wanted.target(), it.wanted.git_ref.clone(), commit, it.brief.actor.clone(), at, pinned]
    });
    let columns = ["target", "ref", "commit", "actor", "at", "pin"].map(|name| say(&format!("who-column-{name}")));
    Ok(answer.table(columns.to_vec(), rows.collect()))
}

/// What a pin hides; none where its repository does not answer, which nothing here depends on.
async fn hidden(estate: &Estate, app: &App, place: &Place, pin: &Pin) -> Option<(usize, String)> {
    match pin::hidden(estate, app.repository.as_deref()?, place, pin).await {
        Ok(hidden) => Some(hidden),
        Err(failure) => {
            tracing::warn!(target = pin.target, error = %failure, "what a pin hides is not known");
            None
        }
    }
}

fn data(it: &Running) -> serde_json::Value {
    let Running { wanted, brief, pin, hidden } = it;
    json!({ "target": wanted.target(), "ref": wanted.git_ref, "commit": wanted.commit, "actor": brief.actor,
        "approved_by": brief.approved_by, "at": brief.ended_at, "operation": brief.id, "pin": pin,
        "hidden": hidden.as_ref().map(|(count, _)| count) })
}

fn pinned(ctx: &Ctx, lang: Lang, it: &Running) -> String {
    let Some(pin) = &it.pin else { return String::new() };
    let until = seoul(pin.until);
    match &it.hidden {
        Some((count, subject)) if *count > 0 => {
            let count = if *count >= pin::HIDDEN_MAX { format!("{count}+") } else { count.to_string() };
            ctx.say(lang, "who-pinned-hides", &[("until", &until), ("n", &count), ("subject", subject)])
        }
        _ => ctx.say(lang, "who-pinned", &[("until", &until)]),
    }
}
