//! One command deploys apps, and one takes them back; locks and the queue beside it.
//!
//! A deploy is an operation: what is written and how it is seen through stands in the estate, the order of things in the
//! engine. This room turns a command into a request, and a request into a plan.
//!
//! Must never know: a chat, another room, how a file is changed. A change must keep this: nothing is planned whose image is
//! not there or on its way; apps that others need go before these.

mod kind;
mod lock_word;
mod page;
mod past;
mod pin;
mod plan;
mod release;
mod said;
mod who;
mod word;

use std::sync::Arc;
use std::time::Duration;

use naru_component::ctx::Ctx;
use naru_component::word::Word;
use naru_component::{Component, MenuEntry};
use naru_core::text::Catalog;
use naru_job::{Job, Missed, Place};
use naru_operation::kind::Kinds;
use naru_web::role::Role;
use serde::{Deserialize, Serialize};

/// The sentences of this room.
pub(crate) const TEXTS: Catalog =
    Catalog { name: "deploy", en: include_str!("../texts/en.ftl"), ko: include_str!("../texts/ko.ftl") };

/// How often it is seen whether a pin is due.
const PINS_LOOKED_AT: Duration = Duration::from_secs(600);

/// `[deploy]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where a deploy goes that names no environment.
    pub environment: String,
    /// After so many days whoever pinned something is asked whether it is still needed.
    pub pin_days: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config { environment: "staging".to_owned(), pin_days: 7 }
    }
}

/// Builds the room.
pub fn component(config: Config, ctx: &Ctx) -> Component {
    let config = Arc::new(config);
    Kinds::of(ctx).add(Arc::new(kind::Deploy::new(config.clone(), ctx.clone())));
    ctx.offer(config.clone());
    let (deploys, rollbacks, unpins) = (config.clone(), config.clone(), config.clone());
    let (pins, who_config, concerned, asking) = (config.clone(), config.clone(), config.clone(), ctx.clone());
    Component {
        words: vec![
            Word::new("deploy", Role::View, move |ctx, call| word::deploy(ctx, call, deploys.clone()))
                .about(&["words", "why", "plan", "break_glass"])
                .in_chat(),
            Word::new("rollback", Role::View, move |ctx, call| word::rollback(ctx, call, rollbacks.clone()))
                .about(&["app", "words", "why", "plan", "break_glass"])
                .in_chat(),
            Word::new("unpin", Role::View, move |ctx, call| word::unpin(ctx, call, unpins.clone()))
                .about(&["app", "words", "why", "plan", "break_glass"])
                .in_chat(),
            Word::new("lock", Role::View, lock_word::lock).about(&["scope", "words", "for", "why"]).in_chat(),
            Word::new("unlock", Role::View, lock_word::unlock).about(&["scope"]).in_chat(),
            Word::reading("queue", lock_word::queue).in_chat(),
            Word::reading("history", word::history).in_chat(),
            // What somebody asked for by one word they end by one.
            Word::new("cancel", Role::View, naru_operation::word::cancel).about(&["operation"]).in_chat(),
            Word::new("pin", Role::View, move |ctx, call| word::pin(ctx, call, pins.clone()))
                .about(&["app", "words", "why", "plan", "break_glass"])
                .in_chat(),
            Word::reading("who", move |ctx, call| who::who(ctx, call, who_config.clone())).in_chat(),
        ],
        routes: page::routes(),
        menu: &[MenuEntry { order: 41, text: "menu-apps", href: "/apps", role: Role::View }],
        concerns: vec![Arc::new(move |ctx, reader| {
            let config = concerned.clone();
            Box::pin(async move { page::concerns(&ctx, &reader, &config).await })
        })],
        jobs: vec![Job {
            name: "deploy pins",
            every: PINS_LOOKED_AT,
            place: Place::Once(Missed::RunOnce),
            run: Arc::new(move || {
                let (ctx, config) = (asking.clone(), config.clone());
                Box::pin(async move { pin::ask_owners(&ctx, &config).await })
            }),
        }],
        ..Component::new("deploy", TEXTS)
    }
}
