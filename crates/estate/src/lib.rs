//! The apps of an Argo CD and how they are changed: which Application an app is in an environment, which image a ref is, and
//! where in Git a change is written.
//!
//! Deploys, nights, environments of persons and sites all change the same apps by the same few ways, so those stand here
//! once. What is written is worked out by functions from texts to texts, which know no network; whoever carries it out
//! reads before and after.
//!
//! Must never know: a component, a chat, a page. A change must keep this: a file is changed only where it is meant to be,
//! and what stands beside that, comments included, stays as it is.

pub mod catalogue;
mod check;
pub mod component;
pub mod config;
pub mod edit;
pub mod estate;
pub mod import;
pub mod merge;
pub mod nearest;
pub mod overlay;
pub mod place;
pub mod release;
pub mod scale;
pub mod spec;
pub mod step;
pub mod tag;
mod word;
pub mod yaml;

/// The sentences of this crate.
pub const TEXTS: naru_core::text::Catalog = naru_core::text::Catalog {
    name: "estate",
    en: include_str!("../texts/en.ftl"),
    ko: include_str!("../texts/ko.ftl"),
};
