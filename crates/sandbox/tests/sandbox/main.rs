//! The sandbox over real HTTP: every route, level, limit and fault.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

mod faults;
mod kit;
mod ledger;
mod levels;
mod limits;
mod receipts;
mod sends;
