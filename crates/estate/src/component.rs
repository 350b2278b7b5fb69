//! The estate's own room: the words about the catalogue.

use std::sync::Arc;

use naru_component::Component;
use naru_component::ctx::Ctx;
use naru_component::word::Word;

use crate::config::{EstateConfig, Outside};
use crate::estate::{Estate, Ground};
use crate::{TEXTS, check, word};

/// Builds the estate and offers it.
pub fn component(config: EstateConfig, outside: Outside, ctx: &Ctx) -> Component {
    let parts = ctx.parts();
    let ground = Ground {
        config_dir: parts.config_dir.clone(),
        data_dir: parts.data_dir.clone(),
        clock: parts.clock.clone(),
        lifecycle: parts.lifecycle.clone(),
    };
    ctx.offer(Arc::new(Estate::new(config, outside, ground)));
    Component {
        words: vec![
            Word::reading("app list", word::list).in_chat(),
            Word::reading("app show", word::show).in_chat(),
            Word::reading("app import", word::import),
        ],
        checks: check::all(),
        ..Component::new("estate", TEXTS)
    }
}
