//! Consents: added by the thousand.

use std::fmt::Write;
use std::sync::Arc;

use naru_core::clock::Millis;
use naru_core::masked::Address;
use naru_dispatch::message::Channel;
use naru_store::{Result, Store};
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::ledger::next_change;

/// Consents of one transaction: it keeps the one writer for some tens of milliseconds, which others can wait for.
pub const CONSENTS_PER_CHANGE: usize = 5_000;
/// Rows of one statement, of five values each. The driver looks every value up by name among all of its statement, so
/// longer statements cost more than they save.
const ROWS_PER_STATEMENT: usize = 30;

/// A consent to advertisements on one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// In its normal form.
    pub address: Address,
    /// On this channel.
    pub channel: Channel,
    /// When the person gave it.
    pub at: Millis,
    /// Whether it is for the night as well.
    pub night: bool,
    /// How it can be proven.
    pub evidence: String,
}

/// What a file's consents changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Consents that were not there before.
    pub stored: u64,
    /// Of those, how many an earlier entered refusal has withdrawn.
    pub withdrawn: u64,
}

/// Stores up to [`CONSENTS_PER_CHANGE`] consents in one transaction; those that are there already stay as they are.
pub async fn add(store: &Store, given: Vec<Given>, who: &str, at: Millis) -> Result<Added> {
    let rows = Arc::new((given, who.to_owned()));
    store
        .write(move |conn| {
            let rows = rows.clone();
            Box::pin(async move { write(conn, &rows.0, &rows.1, at).await })
        })
        .await
}

async fn write(conn: &mut AnyConnection, given: &[Given], who: &str, at: Millis) -> Result<Added> {
    let change = next_change(conn).await?;
    let mut stored = 0;
    for rows in given.chunks(ROWS_PER_STATEMENT) {
        let mut query = sqlx::query(AssertSqlSafe(insert(rows.len()))).bind(who).bind(at).bind(change);
        for row in rows {
            query = query
                .bind(row.address.reveal())
                .bind(row.channel.name())
                .bind(row.at)
                .bind(i64::from(row.night))
                .bind(row.evidence.as_str());
        }
        stored += query.execute(&mut *conn).await?.rows_affected();
    }
    // Lifted refusals count as well: a consent from before one does not come back by being found later.
    let withdrawn = sqlx::query(WITHDRAW_OLDER).bind(change).execute(&mut *conn).await?.rows_affected();
    Ok(Added { stored, withdrawn })
}

/// The first refusal that is not older than the consent. A value of the row and not a join, so that both engines find
/// it by the primary key whatever they guess about the sizes of the tables.
macro_rules! refused_at {
    () => {
        "(SELECT MIN(b.blocked_at) FROM consent_block b WHERE b.address = consent_ad.address
          AND (b.channel = 'all' OR b.channel = consent_ad.channel) AND b.blocked_at >= consent_ad.given_at)"
    };
}

const WITHDRAW_OLDER: &str = concat!(
    "UPDATE consent_ad SET withdrawn_at = ",
    refused_at!(),
    " WHERE change = $1 AND ",
    refused_at!(),
    " IS NOT NULL"
);

fn insert(rows: usize) -> String {
    let mut sql = String::from(
        "INSERT INTO consent_ad (who, stored_at, change, address, channel, given_at, night, evidence) VALUES ",
    );
    for row in 0..rows {
        let comma = if row == 0 { "" } else { "," };
        let [a, b, c, d, e] = [4, 5, 6, 7, 8].map(|place| place + row * 5);
        // Writing to a String cannot fail.
        let _ = write!(sql, "{comma}($1,$2,$3,${a},${b},${c},${d},${e})");
    }
    sql + " ON CONFLICT DO NOTHING"
}
