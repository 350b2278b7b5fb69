//! `instance` and `drain`: who runs on this database, and how one takes no new work for a while.

use std::sync::Arc;

use clap::Args;
use naru_component::answer::{Answer, Follow};
use naru_component::ctx::Ctx;
use naru_component::word::{Call, Word};
use naru_core::clock::{Millis, seoul};
use naru_core::failure::Failure;
use naru_core::text::Lang;
use naru_job::presence::{self, DRAIN_MS, Presence, Seen, State};
use naru_store::Engine;
use naru_web::role::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::seconds;

/// List the instances on this database: version, since when, and what runs there
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct List {}

/// Wait until nothing runs any more on instances that drain
///
/// Says what it waits for. Ends with 1 when the time is up, or when one drains no more.
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct Wait {
    /// Which; all that drain where none is named
    #[serde(default)]
    instances: Vec<String>,
    /// How long, such as 90s or 30m; as long as a drain lasts where absent
    #[arg(long = "timeout", value_name = "TIME", value_parser = seconds)]
    timeout_s: Option<u64>,
    /// When the time is up, by the database's clock: of a wait that goes on
    #[arg(skip)]
    until: Option<Millis>,
}

/// Let instances take no new work for a while; they stay up and take messages in
///
/// Lanes are left to other instances, and no job begins; what has begun ends. Requests and receipts are answered as
/// always. It ends by `--undo` or after 30 minutes, also where the instance was restarted meanwhile.
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct Drain {
    /// Which: a name of `naru instance list`, or `here` for the one of this machine; all where none is named
    instance: Option<String>,
    /// Wait until nothing runs there, and say for what; ends with 1 when the time is up
    #[arg(long)]
    #[serde(default)]
    wait: bool,
    /// Let them take work again
    #[arg(long, conflicts_with = "wait")]
    #[serde(default)]
    undo: bool,
    /// How long to wait, such as 90s or 30m; as long as the drain lasts where absent
    #[arg(long = "timeout", value_name = "TIME", value_parser = seconds, requires = "wait")]
    timeout_s: Option<u64>,
}

/// What stands for the instance that is asked.
const HERE: &str = "here";

/// The words.
pub fn words() -> Vec<Word> {
    vec![
        Word::reading("instance list", list),
        Word::reading("instance wait", wait),
        Word::new("drain", Role::Operate, drain).about(&["instance", "undo"]),
    ]
}

async fn list(ctx: Ctx, call: Call<List>) -> Result<Answer, Failure> {
    let instances = seen(&ctx).await?;
    let say = |key: &str| ctx.say(call.lang, key, &[]);
    let columns = ["name", "state", "version", "since", "seen", "draining", "runs"];
    let columns = columns.map(|name| say(&format!("instance-column-{name}"))).to_vec();
    let row = |it: &Seen| {
        let leads = it.leads.iter().map(|name| format!("leader {name}"));
        let runs: Vec<String> = it.busy.keys().cloned().chain(leads).collect();
        vec![
            it.name.clone(),
            say(&format!("instance-state-{}", state(it))),
            it.version.clone(),
            seoul(it.started_at),
            seoul(it.seen_at),
            it.drain_until.map_or_else(|| "-".to_owned(), seoul),
            if runs.is_empty() { "-".to_owned() } else { runs.join(", ") },
        ]
    };
    let rows: Vec<_> = instances.iter().map(row).collect();
    let answer = Answer::data(json!({ "instances": instances }))?;
    Ok(if rows.is_empty() { answer.line(say("instances-none")) } else { answer.table(columns, rows) })
}

pub(super) fn state(instance: &Seen) -> &'static str {
    match (instance.live, instance.state) {
        (_, State::Stopped) => "stopped",
        (false, _) => "gone",
        (true, _) if instance.drain_until.is_none() => "running",
        (true, State::Closed) if instance.busy.is_empty() => "drained",
        (true, _) => "draining",
    }
}

async fn drain(ctx: Ctx, call: Call<Drain>) -> Result<Answer, Failure> {
    let Drain { instance, wait, undo, timeout_s } = call.args;
    let own = ctx.find::<Presence>();
    // An embedded store belongs to one process: where that is this one, and it does not serve, nothing runs.
    let nobody = own.is_none() && (ctx.store().engine() == Engine::Sqlite || instance.as_deref() == Some(HERE));
    let known = seen(&ctx).await?;
    let name = instance.map(|name| if name == HERE { ctx.instance().name().to_owned() } else { name });
    // A drain outlives the process, and so it can be ended beside none: before the next one begins.
    let meant = |it: &&Seen| match &name {
        Some(name) => *name == it.name && (undo || !nobody),
        None => it.live || undo && it.drain_until.is_some(),
    };
    let names: Vec<String> = known.iter().filter(meant).map(|it| it.name.clone()).collect();
    if names.is_empty() {
        if let (Some(name), false) = (&name, nobody) {
            must_know(&known, name)?;
        }
        let line = ctx.say(call.lang, "drain-nothing-runs", &[]);
        return Ok(Answer::data(json!({ "instances": names }))?.line(line));
    }
    presence::drain(ctx.store(), name.as_deref(), if undo { 0 } else { DRAIN_MS }).await?;
    let until = ctx.store().now().await? + DRAIN_MS;
    let key = if undo { "drain-undone" } else { "drain-begun" };
    let line = ctx.say(call.lang, key, &[("instances", &names.join(", ")), ("until", &seoul(until))]);
    let data = json!({ "instances": names, "drain_until": (!undo).then_some(until) });
    let mut answer = Answer::data(data)?.line(line);
    if wait {
        let args = json!({ "instances": names, "timeout_s": timeout_s });
        answer.follow = Some(Follow { word: "instance wait".to_owned(), args });
    }
    Ok(answer)
}

async fn wait(ctx: Ctx, call: Call<Wait>) -> Result<Answer, Failure> {
    let Wait { instances: mut names, timeout_s, until } = call.args;
    let now = ctx.store().now().await?;
    let until = until.unwrap_or(now + timeout_s.map_or(DRAIN_MS, |seconds| seconds as Millis * 1_000));
    let known = seen(&ctx).await?;
    if names.is_empty() {
        names.extend(known.iter().filter(|it| it.drain_until.is_some()).map(|it| it.name.clone()));
    }
    let mut waits = Vec::new();
    for name in &names {
        let instance = must_know(&known, name)?;
        if instance.live && instance.drain_until.is_none() {
            return Err(Failure::refused("instance-not-draining").arg("instance", name));
        }
        let begun = (instance.live && instance.state != State::Closed).then_some("drain");
        waits
            .extend(begun.into_iter().chain(instance.busy.keys().map(String::as_str)).map(|what| (name.clone(), what)));
    }
    let left: Vec<_> = waits.iter().map(|(name, what)| json!({ "instance": name, "name": what })).collect();
    let (done, late) = (waits.is_empty(), now >= until);
    let mut answer = Answer::data(json!({ "done": done || late, "instances": names, "waiting_for": left }))?;
    if done {
        return Ok(answer.line(ctx.say(call.lang, "drain-done", &[])));
    }
    let told = told(&ctx, call.lang, &waits);
    if late {
        return Ok(answer.refuse(&ctx, call.lang, &Failure::unavailable("drain-late").arg("what", told)));
    }
    answer.meanwhile = Some(ctx.say(call.lang, "drain-waits", &[("what", &told)]));
    let args = json!({ "instances": names, "until": until });
    answer.follow = Some(Follow { word: "instance wait".to_owned(), args });
    Ok(answer)
}

/// What is waited for, and where: `lane sms (shop-1f3a), …`.
fn told(ctx: &Ctx, lang: Lang, waits: &[(String, &str)]) -> String {
    let one = |(instance, what): &(String, &str)| match *what {
        "drain" => ctx.say(lang, "drain-not-begun", &[("instance", instance)]),
        what => format!("{what} ({instance})"),
    };
    waits.iter().map(one).collect::<Vec<_>>().join(", ")
}

pub(super) async fn seen(ctx: &Ctx) -> Result<Vec<Seen>, Failure> {
    let own: Option<Arc<Presence>> = ctx.find::<Presence>();
    Ok(presence::list(ctx.store(), own.as_deref()).await?)
}

pub(super) fn must_know<'a>(known: &'a [Seen], name: &str) -> Result<&'a Seen, Failure> {
    known.iter().find(|it| it.name == name).ok_or_else(|| {
        let names = known.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ");
        Failure::not_found("instance-unknown").arg("instance", name).arg("instances", names)
    })
}
