//! Deploys from the command to healthy apps: a real Git repository behind a stand-in GitLab, another one that Argo CD's
//! stand-in renders, and naru between them, which tests kill and start again. Every case ends by holding what Argo CD was
//! asked and what Git has against the record.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

mod shop;

mod beside;
mod forward;
mod guarded;
mod health;
mod held;
mod killed;
mod others;
mod pins;
mod random;
mod refs;
mod refused;
mod revision;
mod scaled;
mod tags;
mod versions;
mod ways;
