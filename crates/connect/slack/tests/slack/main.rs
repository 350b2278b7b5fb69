//! Against the stand-in of testkit, whose ledger is joined with what the handler saw.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

mod card;
mod http;
mod kit;
mod socket;
mod texts;
mod web;
