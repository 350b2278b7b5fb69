//! Git repositories, GitLab and image registries, as what stands above needs them.
//!
//! [`repository`] reads any Git server and commits to it through the `git` program; [`gitlab`] asks what Git does not
//! know (pipelines, merge requests, who may push); [`registry`] tells an image's tag from its digest. The three share
//! nothing but their way to fail: each can be had without the others.
//!
//! Must never know: the store, or why anybody asks (a deploy, a pin, a release). A change must keep: a secret appears in
//! no argument, no URL, no file and no failure; what is written is found before it is written again.

pub mod files;
pub mod gitlab;
pub mod name;
pub mod person;
pub mod program;
pub mod registry;
pub mod remote;
pub mod repository;
pub mod url;

mod http;
mod mirror;
mod near;
mod said;

/// The sentences of this crate.
pub const TEXTS: naru_core::text::Catalog =
    naru_core::text::Catalog { name: "git", en: include_str!("../texts/en.ftl"), ko: include_str!("../texts/ko.ftl") };
