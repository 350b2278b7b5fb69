//! `user`: people who may sign in.

use clap::Args;
use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::{Call, Word};
use naru_core::clock::seoul;
use naru_core::failure::Failure;
use naru_core::text::Lang;
use naru_web::role::Role;
use naru_web::{link, person};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{for_admins, role_parser};
use crate::house::Address;

/// Add a person and print a link to sign in with
///
/// The link works once, for 15 minutes. Whoever opens it may set a password there.
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct Add {
    /// What they sign in with
    name: String,
    /// What they may do; each role includes those before it
    #[arg(long, value_parser = role_parser())]
    role: Role,
}

/// Print a new link to sign in with, for whoever has no password or has lost it
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct Link {
    /// Whose
    name: String,
}

/// List everybody who may sign in
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct List {}

/// Give a person another role
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct SetRole {
    /// Whose
    name: String,
    /// What they may do from now on
    #[arg(value_parser = role_parser())]
    role: Role,
}

/// Keep a person out; their sessions end at once
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct Disable {
    /// Whom
    name: String,
}

/// Let a disabled person in again
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct Enable {
    /// Whom
    name: String,
}

/// The words.
pub fn words() -> Vec<Word> {
    vec![
        Word::new("user add", Role::Admin, add).about(&["name", "role"]),
        Word::new("user link", Role::Admin, link).about(&["name"]),
        for_admins(Word::reading("user list", list)),
        Word::new("user role", Role::Admin, set_role).about(&["name", "role"]),
        Word::new("user disable", Role::Admin, disable).about(&["name"]),
        Word::new("user enable", Role::Admin, enable).about(&["name"]),
    ]
}

async fn add(ctx: Ctx, call: Call<Add>) -> Result<Answer, Failure> {
    let now = ctx.clock().now_ms();
    let name = person::add(ctx.store(), now, &call.actor, &call.args.name, call.args.role).await?;
    linked(&ctx, call.lang, &name).await
}

async fn link(ctx: Ctx, call: Call<Link>) -> Result<Answer, Failure> {
    linked(&ctx, call.lang, &call.args.name).await
}

async fn list(ctx: Ctx, call: Call<List>) -> Result<Answer, Failure> {
    let people = person::list(ctx.store()).await?;
    let say = |key: &str| ctx.say(call.lang, key, &[]);
    let state = |person: &person::Person| match (person.disabled, person.has_password) {
        (true, _) => "person-state-disabled",
        (false, true) => "person-state-active",
        (false, false) => "person-state-invited",
    };
    let columns = ["column-name", "column-role", "column-state", "column-created", "column-created-by"].map(say);
    let row = |person: &person::Person| {
        let created = seoul(person.created_at);
        vec![person.name.clone(), person.role.to_string(), say(state(person)), created, person.created_by.clone()]
    };
    let rows: Vec<_> = people.iter().map(row).collect();
    let answer = Answer::data(json!({ "people": people }))?;
    Ok(if rows.is_empty() { answer.line(say("people-none")) } else { answer.table(columns.to_vec(), rows) })
}

async fn set_role(ctx: Ctx, call: Call<SetRole>) -> Result<Answer, Failure> {
    let SetRole { name, role } = call.args;
    person::set_role(ctx.store(), &name, role).await?;
    let line = ctx.say(call.lang, "person-role-set", &[("name", &name), ("role", role.name())]);
    Ok(Answer::data(json!({ "name": name, "role": role }))?.line(line))
}

async fn disable(ctx: Ctx, call: Call<Disable>) -> Result<Answer, Failure> {
    person::disable(ctx.store(), &call.args.name).await?;
    let line = ctx.say(call.lang, "person-disabled-now", &[("name", &call.args.name)]);
    Ok(Answer::data(json!({ "name": call.args.name, "disabled": true }))?.line(line))
}

async fn enable(ctx: Ctx, call: Call<Enable>) -> Result<Answer, Failure> {
    person::enable(ctx.store(), &call.args.name).await?;
    let line = ctx.say(call.lang, "person-enabled-now", &[("name", &call.args.name)]);
    Ok(Answer::data(json!({ "name": call.args.name, "disabled": false }))?.line(line))
}

/// The link alone goes to standard output, so that it can be piped on.
async fn linked(ctx: &Ctx, lang: Lang, name: &str) -> Result<Answer, Failure> {
    let path = link::create(ctx.store(), ctx.clock().now_ms(), name).await?;
    let url = format!("{}{path}", ctx.need::<Address>()?.0);
    let minutes = (link::LIFE_MS / 60_000).to_string();
    let note = ctx.say(lang, "link-note", &[("name", name), ("minutes", &minutes)]);
    Ok(Answer::data(json!({ "name": name, "url": url }))?.line(url).warn(note))
}
