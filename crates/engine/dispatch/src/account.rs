//! The account: every accepted message is in exactly one state, and the states add up.

use std::collections::BTreeMap;

use naru_core::clock::Millis;
use naru_store::{Result, Store};
use serde::{Deserialize, Serialize};
use sqlx::Row;

use crate::side::State;

/// Counts of messages. `accepted` is written by intake alone; every other term is counted from slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Taken in by naru.
    pub accepted: u64,
    /// Not sent yet.
    pub pending: u64,
    /// Taken by the provider.
    pub sent: u64,
    /// Reported as delivered.
    pub delivered: u64,
    /// Refused for good.
    pub failed: u64,
    /// Too old.
    pub expired: u64,
    /// Kept back by consent, suppression or the list of test recipients.
    pub suppressed: u64,
    /// Cancelled by a person.
    pub cancelled: u64,
    /// May or may not have left.
    pub unknown: u64,
}

impl Account {
    /// `count` accepted, all of them pending.
    pub fn pending(count: usize) -> Account {
        Account { accepted: count as u64, pending: count as u64, ..Account::default() }
    }

    /// Whether the identity holds.
    pub fn balances(&self) -> bool {
        self.accepted == State::ALL.iter().map(|state| self.of(*state)).sum::<u64>()
    }

    /// The count of one state.
    pub fn of(&self, state: State) -> u64 {
        let mut copy = *self;
        *copy.term(state)
    }

    /// Counts `n` more in `state`.
    pub fn add(&mut self, state: State, n: u64) {
        *self.term(state) += n;
    }

    /// Counts `n` fewer in `state`.
    pub fn take(&mut self, state: State, n: u64) {
        *self.term(state) -= n;
    }

    /// Adds all terms of `other`.
    pub fn join(&mut self, other: &Account) {
        self.accepted += other.accepted;
        for state in State::ALL {
            self.add(state, other.of(state));
        }
    }

    /// Messages that nothing more will be sent for: all but the pending.
    pub fn done(&self) -> u64 {
        self.accepted.saturating_sub(self.pending)
    }

    fn term(&mut self, state: State) -> &mut u64 {
        match state {
            State::Pending => &mut self.pending,
            State::Unknown => &mut self.unknown,
            State::Sent => &mut self.sent,
            State::Failed => &mut self.failed,
            State::Expired => &mut self.expired,
            State::Suppressed => &mut self.suppressed,
            State::Cancelled => &mut self.cancelled,
            State::Delivered => &mut self.delivered,
        }
    }
}

/// Frames that were set aside because a byte of them changed, with their messages. Looks at every frame.
pub async fn set_aside(store: &Store) -> Result<(u64, u64)> {
    let text = "SELECT COUNT(*), CAST(COALESCE(SUM(f.count), 0) AS BIGINT) FROM dispatch_side s
         JOIN dispatch_frame f ON f.id = s.frame WHERE s.open = 2";
    let (frames, messages): (i64, i64) = sqlx::query_as(text).fetch_one(store.reader()).await?;
    Ok((frames as u64, messages as u64))
}

/// Messages that are not sent yet, by lane, whether it is configured or not. Looks at frames that have such messages,
/// and not at what a month has left in the store.
pub async fn pending_by_lane(store: &Store) -> Result<BTreeMap<String, u64>> {
    let rows = sqlx::query("SELECT lane, CAST(SUM(pending) AS BIGINT) FROM dispatch_side WHERE open = 1 GROUP BY lane")
        .fetch_all(store.reader())
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get::<i64, _>(1)? as u64))).collect()
}

/// Frames summed up by one statement: a few ten milliseconds, so that no checkpoint and no vacuum waits for a month of them.
const FRAMES_SUMMED: i64 = 8_192;

/// All that is in the store, a piece of its frames after the other. Both sides of a frame's account are of one moment, and
/// so what balances in the store balances in the sum, however much comes in meanwhile.
pub async fn total(store: &Store) -> Result<Account> {
    let mut account = Account::default();
    let mut after = Vec::new();
    loop {
        let last: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT id FROM dispatch_frame WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2")
                .bind(after.clone())
                .bind(FRAMES_SUMMED - 1)
                .fetch_optional(store.reader())
                .await?;
        let Some(last) = last else {
            account.join(&between(store, after, BEHIND_ALL.to_vec()).await?);
            return Ok(account);
        };
        account.join(&between(store, after, last.clone()).await?);
        after = last;
    }
}

/// Greater than every id.
const BEHIND_ALL: [u8; 17] = [0xFF; 17];

/// The account of the frames after `after` up to `last`.
async fn between(store: &Store, after: Vec<u8>, last: Vec<u8>) -> Result<Account> {
    let sums = State::ALL.map(|state| format!("CAST(COALESCE(SUM(s.{}), 0) AS BIGINT)", state.name())).join(", ");
    let text = format!(
        "SELECT CAST(COALESCE(SUM(f.count), 0) AS BIGINT), {sums}
         FROM dispatch_frame f JOIN dispatch_side s ON s.frame = f.id WHERE f.id > $1 AND f.id <= $2"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(text)).bind(after).bind(last).fetch_one(store.reader()).await?;
    let mut account = Account { accepted: row.try_get::<i64, _>(0)? as u64, ..Account::default() };
    for (at, state) in State::ALL.into_iter().enumerate() {
        account.add(state, row.try_get::<i64, _>(at + 1)? as u64);
    }
    Ok(account)
}

/// Messages of which nobody knows whether they left.
pub async fn unknown(store: &Store) -> Result<u64> {
    let text = "SELECT CAST(COALESCE(SUM(unknown), 0) AS BIGINT) FROM dispatch_side WHERE unknown > 0";
    Ok(sqlx::query_scalar::<_, i64>(text).fetch_one(store.reader()).await? as u64)
}

/// When the message was accepted that waits longest, by lane: looks at the first frame of each shard and priority.
pub async fn oldest_waiting(store: &Store) -> Result<BTreeMap<String, Millis>> {
    let text = "SELECT p.lane, MIN(f.accepted_at) FROM dispatch_shard p
         CROSS JOIN (SELECT 0 AS priority UNION ALL SELECT 1 UNION ALL SELECT 2) v
         JOIN dispatch_frame f ON f.id =
             (SELECT s.frame FROM dispatch_side s WHERE s.lane = p.lane AND s.shard = p.shard
                  AND s.priority = v.priority AND s.open = 1 ORDER BY s.seq LIMIT 1)
         GROUP BY p.lane";
    let rows: Vec<(String, Millis)> = sqlx::query_as(text).fetch_all(store.reader()).await?;
    Ok(rows.into_iter().collect())
}
