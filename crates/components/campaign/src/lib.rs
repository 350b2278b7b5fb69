//! Files and API calls into messages: campaigns, templates and the look-up of single messages, with their pages.
//!
//! Thin: what a customer's file is stands in [`file`], what a message, a campaign and a template are stands in the
//! engine. This room turns what people and programs say into calls of the engine, and what it answers into words.
//!
//! Must never know: another room, a provider, SQL. A change must keep this: nothing is called accepted before the
//! engine says that it is on the disk.

pub mod file;

mod api;
mod campaign_word;
mod intake;
mod item;
mod json;
mod message_word;
mod page;
mod rejects;
mod send_word;
mod stream;
mod summary;
mod taking;
mod template_word;

use std::sync::Arc;

use naru_component::ctx::Ctx;
use naru_component::word::Word;
use naru_component::{Component, MenuEntry};
use naru_web::role::Role;
use serde::{Deserialize, Serialize};

/// The sentences of this crate.
pub const TEXTS: naru_core::text::Catalog = naru_core::text::Catalog {
    name: "campaign",
    en: include_str!("../texts/en.ftl"),
    ko: include_str!("../texts/ko.ftl"),
};

/// `[campaign]`: nothing to set yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

/// Builds the room.
pub fn component(config: Config, ctx: &Ctx) -> Component {
    let Config {} = config;
    ctx.offer(Arc::new(page::codes::Counted::default()));
    Component {
        words: vec![
            Word::new("send", Role::Send, send_word::send).with_upload("to").about(&["template", "name", "dry_run"]),
            Word::reading("campaign list", campaign_word::list),
            Word::reading("campaign show", campaign_word::show),
            Word::new("campaign pause", Role::Operate, campaign_word::pause).about(&["campaign"]),
            Word::new("campaign resume", Role::Send, campaign_word::resume).about(&["campaign"]),
            Word::new("campaign schedule", Role::Send, campaign_word::schedule).about(&["campaign", "at", "off"]),
            Word::new("campaign cancel", Role::Send, campaign_word::cancel).about(&["campaign"]),
            Word::reading("message show", message_word::show),
            Word::reading("message find", message_word::find),
            Word::new("template push", Role::Send, template_word::push).with_bring(template_word::bring),
            Word::reading("template list", template_word::list),
            Word::reading("template show", template_word::show),
        ],
        routes: api::routes().merge(page::routes()),
        menu: &[
            MenuEntry { order: 10, text: "menu-campaigns", href: "/campaigns", role: Role::View },
            MenuEntry { order: 20, text: "menu-templates", href: "/templates", role: Role::View },
            MenuEntry { order: 30, text: "menu-messages", href: "/messages", role: Role::View },
        ],
        jobs: vec![rejects::sweep_job(ctx)],
        ..Component::new("campaign", TEXTS)
    }
}
