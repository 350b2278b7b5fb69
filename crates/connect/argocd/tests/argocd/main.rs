//! The client against a stand-in that follows Argo CD's documented rules.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

mod deploy;
mod fault;
mod house;
mod refused;
mod said;
mod schema;
mod stand_in;
mod watch;
mod windows;
mod workloads;
