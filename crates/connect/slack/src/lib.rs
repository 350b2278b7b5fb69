//! Slack: what people say and click comes in, what they are told goes out.
//!
//! Commands and clicks come over a socket that naru itself opens ([`socket`]), so that nothing of naru must be reached
//! from outside, or as signed HTTP requests ([`signature`], [`payload`]); either way they are answered at one desk
//! ([`desk`]). Messages leave by the Web API ([`web`]), and what goes on for long is told by one message that changes
//! ([`card`]). Written by hand on the HTTP client that naru has anyway, for a dozen calls.
//!
//! Must never know: storage, what a command means, who may say it. A change must keep this: a command that was taken is
//! handed on exactly once as long as this process remembers it, whatever Slack repeats; whoever must know for longer
//! stores [`payload::Request::key`]. And the last state of a card that was handed in is the one that stays.

pub mod answer;
pub mod card;
pub mod config;
pub mod desk;
pub mod message;
pub mod mrkdwn;
pub mod payload;
pub mod periods;
pub mod signature;
pub mod socket;
pub mod web;

use naru_core::text::Catalog;

/// The sentences of this crate's failures.
pub const TEXTS: Catalog =
    Catalog { name: "slack", en: include_str!("../texts/en.ftl"), ko: include_str!("../texts/ko.ftl") };
