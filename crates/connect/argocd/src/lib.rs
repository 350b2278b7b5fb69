//! A client of Argo CD's REST API: what runs, what is asked of it, what became of that.
//!
//! Argo CD deploys; whoever uses this crate reads what it says and asks it to act, with one account's token and nothing
//! more. What is easy to get wrong is decided here once, as pure functions beside the calls: whose hand a spec is in
//! ([`owner`]), when an operation is over and whether it was ours ([`judge`]), what a server of which version can do
//! ([`version`]). Reads are repeated where a repeat is harmless; a write is sent once, and where its answer is lost the
//! failure says so, since only reading back tells whether it was done. Facts are from Argo CD's sources, its
//! `swagger.json` and its documentation.
//!
//! Must never know: storage, or what a deploy, a pin or a night is. A change must keep: every call about an Application
//! names its project (without it Argo CD answers 403 for what is merely missing); no answer is read without a bound; no
//! write is repeated.

pub mod application;
pub mod calls;
pub mod client;
pub mod config;
pub mod judge;
pub mod owner;
pub mod project;
pub mod resource;
pub mod status;
pub mod version;
pub mod watch;

mod refusal;

use naru_core::text::Catalog;

/// The sentences of this crate.
pub const TEXTS: Catalog =
    Catalog { name: "argocd", en: include_str!("../texts/en.ftl"), ko: include_str!("../texts/ko.ftl") };
