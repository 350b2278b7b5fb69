//! The engine's own room: its tables, its words, its pages.

use std::sync::Arc;

use naru_component::ctx::Ctx;
use naru_component::word::Word;
use naru_component::{Component, MenuEntry};
use naru_core::text::Catalog;
use naru_web::role::Role;

use crate::config::OperationConfig;
use crate::engine::Operations;
use crate::{page, schema, word};

/// The sentences of this crate.
pub const TEXTS: Catalog =
    Catalog { name: "operation", en: include_str!("../texts/en.ftl"), ko: include_str!("../texts/ko.ftl") };

/// Builds the engine and offers it; built after the rooms, which bring the kinds.
pub fn component(config: OperationConfig, ctx: &Ctx) -> Component {
    ctx.offer::<Operations>(Operations::new(config, ctx));
    Component {
        schema: schema::SCHEMA,
        words: vec![
            Word::reading("op list", word::list).in_chat(),
            Word::reading("op show", word::show).in_chat(),
            Word::new("op approve", Role::View, word::approve).about(&["operation"]).in_chat(),
            Word::new("op cancel", Role::View, word::cancel).about(&["operation"]).in_chat(),
            Word::new("op keep", Role::View, word::keep).about(&["operation"]).in_chat(),
            Word::new("op undo", Role::View, word::undo).about(&["operation", "break_glass"]).in_chat(),
            Word::reading("op record", word::record),
        ],
        routes: page::routes(),
        menu: &[MenuEntry { order: 40, text: "menu-operations", href: "/operations", role: Role::View }],
        concerns: vec![Arc::new(|ctx, reader| Box::pin(async move { page::concerns(&ctx, &reader).await }))],
        ..Component::new("operation", TEXTS)
    }
}
