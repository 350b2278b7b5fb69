//! `job`: what runs once across instances, when it last did, and what was missed.

use clap::Args;
use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::{Call, Word};
use naru_core::clock::seoul;
use naru_core::failure::Failure;
use naru_core::text::Lang;
use naru_job::turn::{self, Last};
use naru_job::{Job, Missed, Place};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::house::Schedule;

/// List the jobs that run once across instances: the last run, the next, and how often one was missed
///
/// naru's own, and those of `naru job run`. A run counts as missed when it was due and nobody could run it, and when it
/// was cut off.
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct List {}

/// The words.
pub fn words() -> Vec<Word> {
    vec![Word::reading("job list", list)]
}

async fn list(ctx: Ctx, call: Call<List>) -> Result<Answer, Failure> {
    let schedule = ctx.need::<Schedule>()?;
    let runs = turn::list(ctx.store()).await?;
    let all = all(&schedule, &runs);
    let data: Vec<_> = all
        .iter()
        .map(|(name, job, last)| {
            let every_s = job.map(|job| job.every.as_secs());
            json!({ "name": name, "every_s": every_s, "missed_policy": job.and_then(policy), "last": last })
        })
        .collect();
    let columns = ["name", "runs", "state", "where", "started", "outcome", "due", "missed"];
    let columns = columns.map(|name| ctx.say(call.lang, &format!("job-column-{name}"), &[])).to_vec();
    let rows = all.iter().map(|(name, job, last)| row(&ctx, call.lang, name, *job, *last)).collect();
    Ok(Answer::data(json!({ "jobs": data }))?.table(columns, rows))
}

/// Jobs by name: naru's own, and those of others that ever ran, each with its last run.
pub(super) fn all<'a>(schedule: &'a Schedule, runs: &'a [Last]) -> Vec<(&'a str, Option<&'a Job>, Option<&'a Last>)> {
    let own = |name: &str| schedule.0.iter().find(|job| job.name == name);
    let never = schedule.0.iter().filter(|job| !runs.iter().any(|run| run.name == job.name));
    let mut all: Vec<(&str, Option<&Job>, Option<&Last>)> = never.map(|job| (job.name, Some(job), None)).collect();
    all.extend(runs.iter().map(|run| (run.name.as_str(), own(&run.name), Some(run))));
    all.sort_by_key(|(name, ..)| *name);
    all
}

/// How a job runs.
pub(super) fn told(say: impl Fn(&str, &[(&str, &str)]) -> String, job: Option<&Job>) -> String {
    let Some(job) = job else { return say("job-runs-asked", &[]) };
    let key = if job.place == Place::Once(Missed::Skip) { "skipped" } else { "made-up" };
    say(&format!("job-runs-once-{key}"), &[("every", &job.every.as_secs().to_string())])
}

fn row(ctx: &Ctx, lang: Lang, name: &str, job: Option<&Job>, last: Option<&Last>) -> Vec<String> {
    let none = || "-".to_owned();
    let runs = told(|key, args| ctx.say(lang, key, args), job);
    let Some(last) = last else {
        let never = ctx.say(lang, "job-never", &[]);
        return vec![
            name.to_owned(),
            runs,
            ctx.say(lang, "job-state-idle", &[]),
            none(),
            never,
            none(),
            none(),
            none(),
        ];
    };
    let state = match (last.running, last.ended_at) {
        (true, _) => "running",
        (false, None) => "cut",
        (false, Some(_)) => "idle",
    };
    vec![
        name.to_owned(),
        runs,
        ctx.say(lang, &format!("job-state-{state}"), &[]),
        last.instance.clone(),
        seoul(last.started_at),
        if last.outcome.is_empty() { none() } else { last.outcome.clone() },
        last.due_at.map_or_else(none, seoul),
        last.missed.to_string(),
    ]
}

fn policy(job: &Job) -> Option<&'static str> {
    match job.place {
        Place::Once(Missed::RunOnce) => Some("run-once"),
        Place::Once(Missed::Skip) => Some("skip"),
        Place::Everywhere => None,
    }
}
