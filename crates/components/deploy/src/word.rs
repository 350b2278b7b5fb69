//! `naru deploy`, `naru rollback`, `naru unpin`, `naru history`.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::clock::seoul;
use naru_core::failure::Failure;
use naru_estate::catalogue::App;
use naru_estate::estate::Estate;
use naru_estate::tag::Built;
use naru_operation::engine::{Ask, Operations};
use naru_operation::operation::{self, Which, short};
use naru_operation::word::{answer_of, steps_table};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::release::{Release, Wanted};
use crate::{Config, kind, past, pin, said};

/// Repositories that are asked at once.
const RESOLVED_AT_ONCE: usize = 16;

/// Deploy apps: `naru deploy web api feature/cart to staging`
///
/// Apps of the catalogue, then a branch, a tag or a commit of their repositories (none: each app's own branch), then where.
/// The image is waited for while its pipeline runs; what is written and rolled out is shown first.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployArgs {
    /// Apps, then a ref, then `to` and an environment
    #[arg(value_name = "APP… [REF] [to ENV]", required = true)]
    words: Vec<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    #[serde(default)]
    why: String,
    /// Show what would be done, and do nothing
    #[arg(long)]
    #[serde(default)]
    plan: bool,
    /// Go on in spite of a lock, and say why; it is recorded
    #[arg(long, value_name = "WHY")]
    break_glass: Option<String>,
}

/// Deploy what ran before: `naru rollback web 2 to staging`
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackArgs {
    /// The app
    #[arg(value_name = "APP")]
    app: String,
    /// How many releases back, if not one, then `to` and an environment
    #[arg(value_name = "[N] [to ENV]")]
    #[serde(default)]
    words: Vec<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    #[serde(default)]
    why: String,
    /// Show what would be done, and do nothing
    #[arg(long)]
    #[serde(default)]
    plan: bool,
    /// Go on in spite of a lock, and say why; it is recorded
    #[arg(long, value_name = "WHY")]
    break_glass: Option<String>,
}

/// Keep what is deployed of an app as it is: `naru pin web`
///
/// It stays though its branch goes on, and after some days whoever said so is asked about it; said again, it stays longer.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PinArgs {
    /// The app
    #[arg(value_name = "APP")]
    app: String,
    /// `to` and an environment
    #[arg(value_name = "[to ENV]")]
    #[serde(default)]
    words: Vec<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    #[serde(default)]
    why: String,
    /// Show what would be done, and do nothing
    #[arg(long)]
    #[serde(default)]
    plan: bool,
    /// Go on in spite of a lock, and say why; it is recorded
    #[arg(long, value_name = "WHY")]
    break_glass: Option<String>,
}

/// Let an app follow its own branch again: `naru unpin web`
///
/// What is deployed of another branch, of a tag or of a commit, and what is rolled back to, stays until this is said.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnpinArgs {
    /// The app
    #[arg(value_name = "APP")]
    app: String,
    /// `to` and an environment
    #[arg(value_name = "[to ENV]")]
    #[serde(default)]
    words: Vec<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    #[serde(default)]
    why: String,
    /// Show what would be done, and do nothing
    #[arg(long)]
    #[serde(default)]
    plan: bool,
    /// Go on in spite of a lock, and say why; it is recorded
    #[arg(long, value_name = "WHY")]
    break_glass: Option<String>,
}

/// List what was deployed, the newest first
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryArgs {
    /// Only this app, environment, or app in an environment (`web@staging`)
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// How many, 200 at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[serde(default = "twenty")]
    limit: usize,
}

fn twenty() -> usize {
    20
}

/// Asks for a deploy.
pub async fn deploy(ctx: Ctx, call: Call<DeployArgs>, config: Arc<Config>) -> Result<Answer, Failure> {
    let estate = ctx.need::<Estate>()?;
    let catalogue = estate.catalogue().await?;
    let said = said::read(&call.args.words, &catalogue, &config.environment)?;
    let mut asked = Vec::new();
    for name in &said.apps {
        let (app, place) = catalogue.place(name, &said.env)?;
        let no_branch = || Failure::usage("deploy-no-ref").arg("app", name).arg("env", &said.env);
        let git_ref = said.git_ref.clone().or_else(|| place.branch.clone()).ok_or_else(no_branch)?;
        asked.push((name, app, place, git_ref));
    }
    let built = resolve(&estate, asked.iter().map(|(name, app, _, git_ref)| (*name, *app, git_ref))).await?;
    let tags: Vec<_> =
        asked.iter().zip(&built).map(|((_, app, place, _), built)| estate.image_tag(app, place, built)).collect();
    let tags: Vec<_> = futures_util::stream::iter(tags).buffered(RESOLVED_AT_ONCE).collect().await;
    let mut apps = Vec::with_capacity(built.len());
    for (((name, _, place, git_ref), built), tag) in asked.into_iter().zip(built).zip(tags) {
        let tag = tag.map_err(|failure| failure.arg("app", name))?;
        apps.push(Wanted::new(name, &said.env, place, git_ref, built, tag));
    }
    let DeployArgs { why, plan, break_glass, .. } = call.args.clone();
    ask(&ctx, &call, Release { apps }, plan, Ask { reason: why, break_glass, key: call.key.clone(), ..Ask::default() })
        .await
}

/// What the refs of apps are now; one that several apps of a repository share is asked for once.
async fn resolve<'a>(
    estate: &Estate,
    asked: impl Iterator<Item = (&'a String, &'a App, &'a String)>,
) -> Result<Vec<Built>, Failure> {
    let asked: Vec<_> = asked.collect();
    let mut firsts: BTreeMap<(Option<&String>, &String), usize> = BTreeMap::new();
    let mut resolves = Vec::new();
    for (name, app, git_ref) in &asked {
        firsts.entry((app.repository.as_ref(), git_ref)).or_insert_with(|| {
            resolves.push(estate.resolve(name, app, git_ref));
            resolves.len() - 1
        });
    }
    let built: Vec<Result<Built, Failure>> =
        futures_util::stream::iter(resolves).buffered(RESOLVED_AT_ONCE).collect().await;
    let built = built.into_iter().collect::<Result<Vec<Built>, Failure>>()?;
    let of = |(_, app, git_ref): &(&String, &'a App, &'a String)| firsts[&(app.repository.as_ref(), *git_ref)];
    Ok(asked.iter().map(|it| built[of(it)].clone()).collect())
}

async fn ask<A>(ctx: &Ctx, call: &Call<A>, release: Release, only_plan: bool, ask: Ask) -> Result<Answer, Failure> {
    let operations = ctx.need::<Operations>()?;
    let request = serde_json::to_value(&release).map_err(Failure::bug)?;
    if only_plan {
        let plan = operations.plan(kind::NAME, request, &call.actor).await?;
        let answer = Answer::data(json!({ "plan": plan }))?;
        return Ok(steps_table(ctx, call.lang, answer, &plan, &[]));
    }
    let asked = operations.ask(Ask { kind: kind::NAME.to_owned(), request, ..ask }, &call.actor).await?;
    answer_of(ctx, call.lang, &asked)
}

/// Asks for a release of before.
pub async fn rollback(ctx: Ctx, call: Call<RollbackArgs>, config: Arc<Config>) -> Result<Answer, Failure> {
    let RollbackArgs { app, words, why, plan, break_glass } = call.args.clone();
    let (n, env) = said::back(&words, &config.environment)?;
    let catalogue = ctx.need::<Estate>()?.catalogue().await?;
    let (_, place) = catalogue.place(&app, &env)?;
    let past::Past { releases, is_unsettled } = past::releases(ctx.store(), &app, &env).await?;
    // What did not come to its end is what is gone back from.
    let back = n - usize::from(is_unsettled);
    let none = || Failure::not_found("rollback-none").arg("app", &app).arg("env", &env).arg("n", n);
    let wanted = releases.get(back).cloned().ok_or_else(|| none().arg("known", releases.len().saturating_sub(1)))?;
    let ask_for = Ask { reason: why, break_glass, key: call.key.clone(), ..Ask::default() };
    // Whatever its branch is by now: it stays until somebody takes it away.
    let wanted = Wanted { pin: place.branch.is_some(), fixed: true, ..wanted };
    ask(&ctx, &call, Release { apps: vec![wanted] }, plan, ask_for).await
}

/// Asks for what is deployed already, to stay.
pub async fn pin(ctx: Ctx, call: Call<PinArgs>, config: Arc<Config>) -> Result<Answer, Failure> {
    let PinArgs { app, words, why, plan, break_glass } = call.args.clone();
    let env = said::place(&words, &config.environment)?;
    let catalogue = ctx.need::<Estate>()?.catalogue().await?;
    let (_, place) = catalogue.place(&app, &env)?;
    if place.branch.is_none() {
        return Err(Failure::conflict("pin-no-branch").arg("app", &app).arg("env", &env));
    }
    let none = || Failure::not_found("pin-nothing").arg("app", &app).arg("env", &env);
    let (wanted, _) = past::last(ctx.store(), &format!("{app}@{env}")).await?.ok_or_else(none)?;
    let wanted = Wanted { pin: true, fixed: true, ..wanted };
    let release = serde_json::to_value(Release { apps: vec![wanted.clone()] }).map_err(Failure::bug)?;
    let planned = ctx.need::<Operations>()?.plan(kind::NAME, release, &call.actor).await?;
    if !planned.steps.is_empty() {
        return Err(Failure::conflict("pin-differs").arg("app", &app).arg("env", &env).arg("ref", &wanted.git_ref));
    }
    let ask_for = Ask { reason: why, break_glass, key: call.key.clone(), ..Ask::default() };
    ask(&ctx, &call, Release { apps: vec![wanted] }, plan, ask_for).await
}

/// Asks for what an app's own branch is, where something else is pinned.
pub async fn unpin(ctx: Ctx, call: Call<UnpinArgs>, config: Arc<Config>) -> Result<Answer, Failure> {
    let UnpinArgs { app: name, words, why, plan, break_glass } = call.args.clone();
    let env = said::place(&words, &config.environment)?;
    let estate = ctx.need::<Estate>()?;
    let catalogue = estate.catalogue().await?;
    let (app, place) = catalogue.place(&name, &env)?;
    let none = || Failure::conflict("pin-none").arg("app", &name).arg("env", &env);
    let branch = place.branch.clone().ok_or_else(none)?;
    pin::of(ctx.store(), &format!("{name}@{env}"), &config).await?.ok_or_else(none)?;
    let built = estate.resolve(&name, app, &branch).await?;
    let tag = estate.image_tag(app, place, &built).await?;
    let wanted = Wanted::new(&name, &env, place, branch, built, tag);
    let ask_for = Ask { reason: why, break_glass, key: call.key.clone(), ..Ask::default() };
    ask(&ctx, &call, Release { apps: vec![wanted] }, plan, ask_for).await
}

/// Lists deploys.
pub async fn history(ctx: Ctx, call: Call<HistoryArgs>) -> Result<Answer, Failure> {
    let HistoryArgs { name, limit } = call.args;
    if !(1..=operation::LIST_MAX).contains(&limit) {
        return Err(Failure::usage("operation-limit").arg("max", operation::LIST_MAX));
    }
    let sight = ctx.need::<Operations>()?.sight(&call.actor);
    let which = Which { on: name.as_deref(), kind: Some(kind::NAME), before: None, sight: &sight };
    let found = operation::list(ctx.store(), which, limit).await?;
    let say = |key: &str| ctx.say(call.lang, key, &[]);
    let answer = Answer::data(&found)?;
    if found.is_empty() {
        return Ok(answer.line(say("history-none")));
    }
    let rows = found.iter().map(|brief| {
        vec![
            short(brief.id),
            brief.title.clone(),
            say(&format!("operation-state-{}", brief.state.name())),
            brief.actor.clone(),
            seoul(brief.created_at),
        ]
    });
    let columns = ["operation", "title", "state", "actor", "asked"];
    Ok(answer.table(columns.map(|name| say(&format!("operation-column-{name}"))).to_vec(), rows.collect()))
}
