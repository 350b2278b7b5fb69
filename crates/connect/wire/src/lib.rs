//! What every client of an outside service needs: whom it trusts ([`tls`]), how long it waits before the next try
//! ([`wait`]), how it reads a stream of lines ([`lines`]), and how it shows an address ([`address`]).
//!
//! Must never know: any one service. A change must keep this: nothing here grows with what comes from outside.

pub mod address;
pub mod lines;
pub mod tls;
pub mod wait;

use naru_core::text::Catalog;

/// The sentences of this crate's failures.
pub const TEXTS: Catalog =
    Catalog { name: "wire", en: include_str!("../texts/en.ftl"), ko: include_str!("../texts/ko.ftl") };
