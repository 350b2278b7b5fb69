//! The rows themselves, for a person who asks what is known of an address, and their counts.

use naru_core::clock::Millis;
use naru_store::Result;
use naru_store::reader::Reader;
use serde::Serialize;
use sqlx::Row;

/// Rows of one address that are shown of each table, youngest first: nobody reads further back by eye.
const ROWS_MAX: i64 = 200;

/// A refusal as stored.
#[derive(Clone, Debug, Serialize)]
pub struct BlockRow {
    /// The channel, or `all`.
    pub channel: String,
    /// Of what: `ads` or `all`.
    pub scope: String,
    /// When it was entered.
    pub blocked_at: Millis,
    /// The reason.
    pub why: String,
    /// Who entered it.
    pub who: String,
    /// When it was lifted.
    pub lifted_at: Option<Millis>,
    /// Who lifted it.
    pub lifted_by: Option<String>,
}

/// A consent as stored.
#[derive(Clone, Debug, Serialize)]
pub struct GivenRow {
    /// The channel.
    pub channel: String,
    /// When the person gave it.
    pub given_at: Millis,
    /// Whether it was given for the night as well.
    pub night: bool,
    /// How it can be proven.
    pub evidence: String,
    /// Who brought it in.
    pub who: String,
    /// When it was brought in.
    pub stored_at: Millis,
    /// When a refusal withdrew it.
    pub withdrawn_at: Option<Millis>,
}

/// The refusals of an address, youngest first.
pub async fn blocks(reader: &Reader, address: &str) -> Result<Vec<BlockRow>> {
    let rows = sqlx::query(
        "SELECT channel, scope, blocked_at, why, who, lifted_at, lifted_by FROM consent_block WHERE address = $1
         ORDER BY blocked_at DESC, channel, scope LIMIT $2",
    )
    .bind(address)
    .bind(ROWS_MAX)
    .fetch_all(reader)
    .await?;
    let read = rows.iter().map(|row| {
        Ok(BlockRow {
            channel: row.try_get(0)?,
            scope: row.try_get(1)?,
            blocked_at: row.try_get(2)?,
            why: row.try_get(3)?,
            who: row.try_get(4)?,
            lifted_at: row.try_get(5)?,
            lifted_by: row.try_get(6)?,
        })
    });
    read.collect()
}

/// The consents of an address, youngest first.
pub async fn given(reader: &Reader, address: &str) -> Result<Vec<GivenRow>> {
    let rows = sqlx::query(
        "SELECT channel, given_at, night, evidence, who, stored_at, withdrawn_at FROM consent_ad WHERE address = $1
         ORDER BY given_at DESC, channel, night LIMIT $2",
    )
    .bind(address)
    .bind(ROWS_MAX)
    .fetch_all(reader)
    .await?;
    let read = rows.iter().map(|row| {
        Ok(GivenRow {
            channel: row.try_get(0)?,
            given_at: row.try_get(1)?,
            night: row.try_get::<i64, _>(2)? != 0,
            evidence: row.try_get(3)?,
            who: row.try_get(4)?,
            stored_at: row.try_get(5)?,
            withdrawn_at: row.try_get(6)?,
        })
    });
    read.collect()
}

/// Refusals that stand and consents that are not withdrawn.
pub async fn counts(reader: &Reader) -> Result<(i64, i64)> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM consent_block WHERE lifted_at IS NULL),
                (SELECT COUNT(*) FROM consent_ad WHERE withdrawn_at IS NULL)",
    )
    .fetch_one(reader)
    .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}
