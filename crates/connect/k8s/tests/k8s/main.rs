//! The client against a stand-in that follows Kubernetes' documented rules, and the same against a real server where
//! there is one (`cargo xtask test --real-k8s`).

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

#[macro_use]
mod server;

mod config;
mod credential;
mod fault;
mod kubectl;
mod list;
mod namespace;
mod object;
mod right;
mod said;
mod scale;
mod served;
mod watch;
