//! Repositories, GitLab and registries, held against the real Git and against a GitLab that keeps a ledger.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

mod committing;
mod credentials;
mod gitlab;
mod house;
mod program;
mod racing;
mod reading;
mod refusing;
mod registry;
mod resolving;
mod texts;
