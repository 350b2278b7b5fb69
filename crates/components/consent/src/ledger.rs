//! What people said, as rows that are added to and dated but never removed, and the one order of all changes.
//!
//! `consent_block` holds every refusal with who entered it and when it was lifted; `consent_ad` every consent with its
//! evidence and when a refusal withdrew it. Of several consents to one channel the youngest counts, and of two of the
//! same moment the narrower, so the order in which files arrive and how often does not matter.
//!
//! Every transaction that writes takes a number from `consent_change` and keeps that row locked until its commit, so
//! numbers become visible in their order and "all after the last number seen" misses nothing, on any instance.

pub mod block;
pub mod facts;
pub mod given;
pub mod history;

use clap::ValueEnum;
use naru_dispatch::message::Channel;
use naru_store::Result;
use naru_store::migrate::Migration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

/// The tables.
pub const SCHEMA: &[Migration] = &[Migration {
    version: 1,
    name: "blocks, consents and the order of their changes",
    oldest: "0.1",
    sql: "
CREATE TABLE consent_block (
    address TEXT NOT NULL, channel TEXT NOT NULL, scope TEXT NOT NULL, blocked_at BIGINT NOT NULL,
    why TEXT NOT NULL, who TEXT NOT NULL, lifted_at BIGINT, lifted_by TEXT, change BIGINT NOT NULL,
    PRIMARY KEY (address, channel, scope, blocked_at));
CREATE INDEX consent_block_change ON consent_block (change);
CREATE TABLE consent_ad (
    address TEXT NOT NULL, channel TEXT NOT NULL, given_at BIGINT NOT NULL, night BIGINT NOT NULL,
    evidence TEXT NOT NULL, who TEXT NOT NULL, stored_at BIGINT NOT NULL, withdrawn_at BIGINT, change BIGINT NOT NULL,
    PRIMARY KEY (address, channel, given_at, night));
CREATE INDEX consent_ad_change ON consent_ad (change);
CREATE TABLE consent_change (id BIGINT PRIMARY KEY, number BIGINT NOT NULL);
INSERT INTO consent_change (id, number) VALUES (1, 0);",
}];

/// Bytes of an address, beside its channel and two numbers: PostgreSQL takes index entries of up to 2,704 bytes.
/// Push tokens of APNs and FCM are a few hundred.
pub const ADDRESS_BYTES_MAX: usize = 2_048;
/// Bytes of a reason or a piece of evidence: a sentence or a reference, not a document.
pub const TEXT_BYTES_MAX: usize = 1_000;

/// What is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Advertisements
    Ads,
    /// Every message, sign-in codes included
    All,
}

impl Scope {
    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Ads => "ads",
            Scope::All => "all",
        }
    }
}

/// The stored name of a channel; `None` is every channel.
pub fn channel_name(channel: Option<Channel>) -> &'static str {
    channel.map_or("all", Channel::name)
}

/// Takes the next number, and with it the right to be the only one who writes until the commit.
async fn next_change(conn: &mut AnyConnection) -> Result<i64> {
    let sql = "UPDATE consent_change SET number = number + 1 WHERE id = 1 RETURNING number";
    Ok(sqlx::query_scalar(sql).fetch_one(conn).await?)
}
