//! `token`: how programs come in.

use clap::Args;
use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::{Call, Word};
use naru_core::clock::seoul;
use naru_core::failure::Failure;
use naru_web::role::Role;
use naru_web::token;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{for_admins, role_parser};

/// Add a token for a program and print it, once
///
/// Only the token goes to standard output: `NARU_TOKEN="$(naru token add shop --role send)"`.
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct Add {
    /// What its actions are recorded under
    name: String,
    /// What it may do; each role includes those before it
    #[arg(long, value_parser = role_parser())]
    role: Role,
}

/// List tokens and when each was last used
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct List {}

/// Make a token worthless
#[derive(Args, Serialize, Deserialize, JsonSchema)]
struct Revoke {
    /// Which
    name: String,
}

/// The words.
pub fn words() -> Vec<Word> {
    vec![
        Word::new("token add", Role::Admin, add).about(&["name", "role"]),
        for_admins(Word::reading("token list", list)),
        Word::new("token revoke", Role::Admin, revoke).about(&["name"]),
    ]
}

async fn add(ctx: Ctx, call: Call<Add>) -> Result<Answer, Failure> {
    let Add { name, role } = call.args;
    let token = token::add(ctx.store(), ctx.clock().now_ms(), &call.actor, &name, role).await?;
    let note = ctx.say(call.lang, "token-note", &[("name", &name), ("role", role.name())]);
    let answer = Answer::data(json!({ "name": name, "role": role, "token": token.reveal() }))?;
    Ok(answer.line(token.reveal()).warn(note))
}

async fn list(ctx: Ctx, call: Call<List>) -> Result<Answer, Failure> {
    let tokens = token::list(ctx.store()).await?;
    let say = |key: &str| ctx.say(call.lang, key, &[]);
    let columns = ["column-name", "column-role", "column-used", "column-created", "column-created-by"].map(say);
    let row = |token: &token::Token| {
        let used = token.used_at.map_or_else(|| say("token-unused"), seoul);
        vec![token.name.clone(), token.role.to_string(), used, seoul(token.created_at), token.created_by.clone()]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    let answer = Answer::data(json!({ "tokens": tokens }))?;
    Ok(if rows.is_empty() { answer.line(say("tokens-none")) } else { answer.table(columns.to_vec(), rows) })
}

async fn revoke(ctx: Ctx, call: Call<Revoke>) -> Result<Answer, Failure> {
    token::revoke(ctx.store(), &call.args.name).await?;
    let line = ctx.say(call.lang, "token-revoked", &[("name", &call.args.name)]);
    Ok(Answer::data(json!({ "name": call.args.name }))?.line(line))
}
