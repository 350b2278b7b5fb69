//! The engine that carries messages: accepted into frames, sent by lanes, each ending in one accounted outcome.
//!
//! A message is stored before it is acknowledged ([`intake`]), packed with up to 999 others into one compressed record
//! ([`frame`]) whose states live in a narrow row beside it ([`side`]). A lane ([`lane`]) is one provider account on one
//! channel: a pure machine that decides what may start when, and a runner ([`runner`]) that does it. What a provider
//! reports later comes in as receipts ([`receipt`]). Nothing is ever a difference: every number of the account is
//! counted from slots in the commit that changes them.
//!
//! Must never know: any provider's protocol, a file format, a page's look. A change must keep this: nothing leaves
//! before its started mark is committed; nothing is answered before it is committed; a slot's state only moves forward.

#[cfg(feature = "plants")]
pub mod plant;

/// Whether a fault is planted: never, in naru itself.
#[cfg(feature = "plants")]
macro_rules! planted {
    ($fault:ident) => {
        $crate::plant::is($crate::plant::Plant::$fault)
    };
}
#[cfg(not(feature = "plants"))]
macro_rules! planted {
    ($fault:ident) => {
        false
    };
}

pub mod access;
pub mod account;
pub mod address;
pub mod audit;
pub mod campaign;
pub mod cancel;
pub mod codes;
pub mod component;
pub mod config;
pub mod consent;
pub mod engine;
pub mod estimate;
pub mod find;
pub mod frame;
pub mod gauge;
pub mod health;
pub mod history;
pub mod import;
pub mod intake;
pub mod key;
pub mod lane;
pub mod lane_word;
pub mod life;
pub mod look;
pub mod merge;
pub mod message;
pub mod notice;
pub mod owner;
pub mod page;
mod prints;
pub mod provider;
pub mod receipt;
pub mod restore;
pub mod retention;
pub mod rows;
pub mod runner;
pub mod schema;
pub mod shard;
mod share;
pub mod side;
pub mod template;
pub mod templates;
pub mod unknown;
pub mod unknown_word;
