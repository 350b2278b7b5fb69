//! The ground floor: small types that every other floor shares.
//!
//! What stands here is what two rooms must agree on to talk: how a moment is read ([`clock`]), how a thing is
//! named ([`id`]), how a failure is told ([`failure`], [`text`]), how an address prints ([`masked`]), how a section
//! of the configuration is read ([`config`]), and how the process ends without dropping work ([`lifecycle`]).
//!
//! Must never know: a database, HTTP, how the runtime is set up, or anything of the business. A change must keep
//! every type here free of I/O except for reading a secret's file and the system clock.

pub mod clock;
pub mod config;
pub mod failure;
pub mod id;
pub mod lifecycle;
pub mod masked;
pub mod metric;
pub mod text;

/// The sentences of this crate.
pub const TEXTS: text::Catalog =
    text::Catalog { name: "core", en: include_str!("../texts/en.ftl"), ko: include_str!("../texts/ko.ftl") };
