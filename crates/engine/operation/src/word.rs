//! `naru op …`: what changes the platform, looked at, approved, ended and taken back.

use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::clock::seoul;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::text::Lang;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::{Ask, Asked, Operations};
use crate::operation::{self, Brief, Operation, Progress, Which, short};
use crate::plan::Plan;
use crate::record;

/// Operations of one list.
const LIST_MAX: usize = operation::LIST_MAX;
/// Digits of a hash that people are shown.
const HASH_DIGITS: usize = 12;
/// Columns of a plan's table.
const COLUMNS: [&str; 7] = ["number", "state", "verb", "subject", "before", "after", "why"];
/// Steps told one by one; the data has all of them.
const STEPS_TOLD_MAX: usize = 200;

/// List operations: what changes the platform, now and in the past
///
/// What has not ended stands first, in the order in which it will be carried out.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListArgs {
    /// Only those on this app, environment or other target
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// Also those that have ended
    #[arg(long)]
    #[serde(default)]
    all: bool,
    /// How many, 200 at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[serde(default = "fifty")]
    limit: usize,
    /// Older than this one: the last of the page before
    #[arg(long, value_name = "OPERATION")]
    before: Option<String>,
}

fn fifty() -> usize {
    50
}

/// Show an operation: its plan, how far its steps are, and what holds it up
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowArgs {
    /// Its id, or the first digits of it
    #[arg(value_name = "OPERATION")]
    operation: String,
}

/// Let an operation go that waits for a second person
///
/// Whoever asked for it cannot approve it. If the world has changed until its turn comes, it is planned again and waits again.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveArgs {
    /// Its id, or the first digits of it
    #[arg(value_name = "OPERATION")]
    operation: String,
    /// The plan that was looked at, as `naru op show` names it: refused where it is another by now
    #[arg(long, value_name = "HASH")]
    plan: Option<String>,
}

/// End an operation early
///
/// One that has not begun ends at once. One that runs begins no further step, and ends with those that are under way; what
/// it has done stays done, see `naru op undo`.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelArgs {
    /// Its id, or the first digits of it
    #[arg(value_name = "OPERATION")]
    operation: String,
}

/// Leave what an operation has done as it is, where it ended halfway
///
/// It failed, or somebody ended it: it is no concern any more once this is said. `naru op undo` takes it back instead.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepArgs {
    /// Its id, or the first digits of it
    #[arg(value_name = "OPERATION")]
    operation: String,
}

/// Take back what an operation has done, as an operation of its own
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoArgs {
    /// Its id, or the first digits of it
    #[arg(value_name = "OPERATION")]
    operation: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    #[serde(default)]
    why: String,
    /// Go on in spite of a lock, and say why; it is recorded
    #[arg(long, value_name = "WHY")]
    break_glass: Option<String>,
}

/// Read the record: who asked for what, who approved it, what was done
///
/// Nothing in naru changes or removes an entry. To take it elsewhere, ask again and again with `--after` and the last number.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordArgs {
    /// Entries behind this one
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    #[serde(default)]
    after: u64,
    /// How many, 1000 at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[serde(default = "hundred")]
    limit: usize,
}

fn hundred() -> usize {
    100
}

/// Lists them.
pub async fn list(ctx: Ctx, call: Call<ListArgs>) -> Result<Answer, Failure> {
    let ListArgs { on, all, limit, before } = call.args;
    if !(1..=LIST_MAX).contains(&limit) {
        return Err(Failure::usage("operation-limit").arg("max", LIST_MAX));
    }
    let before = match before {
        Some(text) => Some(operation::resolve(ctx.store(), &text).await?),
        None => None,
    };
    let sight = &ctx.need::<Operations>()?.sight(&call.actor);
    let found = match all || on.is_some() || before.is_some() {
        true => {
            let which = Which { on: on.as_deref(), before, sight, kind: None };
            operation::list(ctx.store(), which, limit).await?
        }
        false => operation::open(ctx.store(), sight, limit).await?,
    };
    let say = |key: &str| ctx.say(call.lang, key, &[]);
    let answer = Answer::data(&found)?;
    if found.is_empty() {
        return Ok(answer.line(say("operation-none")));
    }
    let row = |brief: &Brief| {
        vec![
            short(brief.id),
            brief.title.clone(),
            say(&format!("operation-state-{}", brief.state.name())),
            format!("{}/{}", brief.steps_done, brief.steps),
            brief.actor.clone(),
            seoul(brief.created_at),
        ]
    };
    let columns = ["operation", "title", "state", "steps", "actor", "asked"];
    let columns = columns.map(|name| say(&format!("operation-column-{name}"))).to_vec();
    Ok(answer.table(columns, found.iter().map(row).collect()))
}

/// Shows one.
pub async fn show(ctx: Ctx, call: Call<ShowArgs>) -> Result<Answer, Failure> {
    let id = operation::resolve(ctx.store(), &call.args.operation).await?;
    let found = operation::show(ctx.store(), id).await?;
    let unknown = || Failure::not_found("operation-unknown").arg("operation", &call.args.operation);
    let (operation, steps) = found.ok_or_else(unknown)?;
    let operations = ctx.need::<Operations>()?;
    operations.sight(&call.actor).must(&operation.plan.targets)?;
    let before = operations.before(id).await?;
    let data = json!({ "operation": operation, "steps": steps, "before": before });
    let answer = Answer { data, ..Answer::default() };
    Ok(told(&ctx, call.lang, answer, &operation, &steps, &before))
}

fn told(ctx: &Ctx, lang: Lang, answer: Answer, of: &Operation, steps: &[Progress], before: &[Id]) -> Answer {
    let say = |key: &str, args: &[(&str, &str)]| ctx.say(lang, key, args);
    let brief = &of.brief;
    let mut fields = vec![
        (say("operation-column-operation", &[]), brief.id.to_string()),
        (say("operation-column-title", &[]), brief.title.clone()),
        (say("operation-column-state", &[]), say(&format!("operation-state-{}", brief.state.name()), &[])),
        (say("operation-column-actor", &[]), brief.actor.clone()),
        (say("operation-column-asked", &[]), seoul(brief.created_at)),
        (say("operation-column-plan", &[]), brief.hash.chars().take(HASH_DIGITS).collect()),
    ];
    let optional = [
        ("operation-column-reason", &brief.reason),
        ("operation-column-approved", &brief.approved_by),
        ("operation-column-broke", &brief.break_glass),
    ];
    for (key, value) in optional.into_iter().filter(|(_, value)| !value.is_empty()) {
        fields.push((say(key, &[]), value.clone()));
    }
    if !before.is_empty() {
        let names: Vec<String> = before.iter().map(|id| short(*id)).collect();
        fields.push((say("operation-column-behind", &[]), names.join(", ")));
    }
    let mut answer = answer.fields(fields);
    if let (Some(why), Some(texts)) = (&brief.why, ctx.texts()) {
        answer = answer.warn(texts.explained(lang, why));
    }
    steps_table(ctx, lang, answer, &of.plan, steps)
}

/// A plan as a table; with how far it is where that is known.
pub fn steps_table(ctx: &Ctx, lang: Lang, answer: Answer, plan: &Plan, steps: &[Progress]) -> Answer {
    let note = |note: &Failure| ctx.texts().map_or_else(|| note.to_string(), |texts| texts.detail(lang, note));
    let answer = plan.notes.iter().fold(answer, |answer, it| answer.warn(note(it)));
    if plan.steps.is_empty() {
        return answer.line(ctx.say(lang, "operation-empty", &[]));
    }
    let say = |key: &str| ctx.say(lang, key, &[]);
    // Of what has not begun there is nothing to tell but what it will do.
    let is_told = |column: &str| !steps.is_empty() || !["state", "why"].contains(&column);
    let row = |(number, step): (usize, &crate::plan::Step)| {
        let progress = steps.get(number).unwrap_or(&Progress::WAITING);
        let why = progress.why.as_ref().and_then(|why| Some(ctx.texts()?.explained(lang, why)));
        let cells = [
            (number + 1).to_string(),
            say(&format!("operation-step-{}", progress.state.name())),
            say(&format!("step-{}", step.verb)),
            step.subject.clone(),
            step.before.clone(),
            step.after.clone(),
            why.unwrap_or_default(),
        ];
        COLUMNS.into_iter().zip(cells).filter(|(column, _)| is_told(column)).map(|(_, cell)| cell).collect()
    };
    let columns = COLUMNS.into_iter().filter(|column| is_told(column));
    let columns = columns.map(|name| say(&format!("operation-column-{name}"))).collect();
    let answer = answer.table(columns, plan.steps.iter().enumerate().take(STEPS_TOLD_MAX).map(row).collect());
    match plan.steps.len().saturating_sub(STEPS_TOLD_MAX) {
        0 => answer,
        more => answer.line(ctx.say(lang, "operation-more-steps", &[("n", &more.to_string())])),
    }
}

/// Lets it go.
pub async fn approve(ctx: Ctx, call: Call<ApproveArgs>) -> Result<Answer, Failure> {
    let id = operation::resolve(ctx.store(), &call.args.operation).await?;
    ctx.need::<Operations>()?.approve(id, call.args.plan.as_deref(), &call.actor).await?;
    let said = ctx.say(call.lang, "operation-approved", &[("operation", &short(id))]);
    Ok(Answer::data(json!({ "operation": id }))?.line(said))
}

/// Ends it.
pub async fn cancel(ctx: Ctx, call: Call<CancelArgs>) -> Result<Answer, Failure> {
    let id = operation::resolve(ctx.store(), &call.args.operation).await?;
    ctx.need::<Operations>()?.cancel(id, &call.actor).await?;
    let said = ctx.say(call.lang, "operation-cancelled", &[("operation", &short(id))]);
    Ok(Answer::data(json!({ "operation": id }))?.line(said))
}

/// Leaves it.
pub async fn keep(ctx: Ctx, call: Call<KeepArgs>) -> Result<Answer, Failure> {
    let id = operation::resolve(ctx.store(), &call.args.operation).await?;
    ctx.need::<Operations>()?.keep(id, &call.actor).await?;
    let said = ctx.say(call.lang, "operation-kept", &[("operation", &short(id))]);
    Ok(Answer::data(json!({ "operation": id }))?.line(said))
}

/// Takes it back.
pub async fn undo(ctx: Ctx, call: Call<UndoArgs>) -> Result<Answer, Failure> {
    let id = operation::resolve(ctx.store(), &call.args.operation).await?;
    let UndoArgs { why, break_glass, .. } = call.args;
    let ask = Ask { reason: why, break_glass, key: call.key, ..Ask::default() };
    let asked = ctx.need::<Operations>()?.undo(id, ask, &call.actor).await?;
    answer_of(&ctx, call.lang, &asked)
}

/// What whoever asked for an operation is told: its plan, and whether it waits for anybody or anything.
pub fn answer_of(ctx: &Ctx, lang: Lang, asked: &Asked) -> Result<Answer, Failure> {
    let brief = &asked.operation;
    let answer = Answer::data(json!({ "operation": brief, "plan": asked.plan, "before": asked.before }))?;
    let answer = steps_table(ctx, lang, answer, &asked.plan, &[]);
    let (name, n) = (short(brief.id), asked.before.len().to_string());
    let said = match (brief.approval.is_empty(), asked.before.is_empty()) {
        (false, _) => ctx.say(lang, "operation-asked-approval", &[("operation", &name), ("rule", &brief.approval)]),
        (true, false) => ctx.say(lang, "operation-asked-behind", &[("operation", &name), ("n", &n)]),
        (true, true) => ctx.say(lang, "operation-asked", &[("operation", &name)]),
    };
    Ok(answer.line(said))
}

/// Reads the record.
pub async fn record(ctx: Ctx, call: Call<RecordArgs>) -> Result<Answer, Failure> {
    let RecordArgs { after, limit } = call.args;
    if !(1..=record::READ_MAX).contains(&limit) {
        return Err(Failure::usage("operation-limit").arg("max", record::READ_MAX));
    }
    ctx.need::<Operations>()?.sight(&call.actor).must_be_whole()?;
    let entries = record::since(ctx.store(), after, limit).await?;
    let say = |key: &str| ctx.say(call.lang, key, &[]);
    let row = |entry: &record::Entry| {
        let of = entry.operation.map(short).unwrap_or_default();
        let what = |name: &str| entry.data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let about = ["title", "subject", "scope"].map(what).into_iter().find(|text| !text.is_empty());
        let event = say(&format!("operation-event-{}", entry.event));
        vec![entry.number.to_string(), seoul(entry.at), of, event, entry.person.clone(), about.unwrap_or_default()]
    };
    let columns = ["entry", "at", "operation", "event", "actor", "about"];
    let columns = columns.map(|name| say(&format!("operation-column-{name}"))).to_vec();
    let answer = Answer::data(&entries)?;
    Ok(match entries.is_empty() {
        true => answer.line(say("operation-record-none")),
        false => answer.table(columns, entries.iter().map(row).collect()),
    })
}
