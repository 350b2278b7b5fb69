//! Idempotency keys: 16-byte hashes in a table a day, looked up in all of them, dropped after seven days.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use naru_core::clock::{Millis, seoul_day, seoul_minute};
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::error::StoreError;
use naru_store::script::{Bound, Script};
use naru_store::{Result, many};
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use crate::message::MessageId;

/// Days a key is kept.
pub const KEEP_DAYS: i64 = 7;
const DAY_MS: Millis = 86_400_000;

/// A key with the answer that was given for it.
#[derive(Clone, Debug)]
pub struct KeyRow {
    key: [u8; 16],
    body: [u8; 16],
    runs: Vec<u8>,
}

impl KeyRow {
    /// The row of a key, a body's hash and the ids that were given.
    pub fn new((key, body): ([u8; 16], [u8; 16]), ids: &[MessageId]) -> Option<KeyRow> {
        Some(KeyRow { key, body, runs: runs_to_bytes(ids) })
    }

    /// The key's hash.
    pub fn key(&self) -> [u8; 16] {
        self.key
    }
}

/// What is known of a key.
#[derive(Clone, Debug)]
pub struct Known {
    body: [u8; 16],
    ids: Vec<MessageId>,
}

impl Known {
    /// The first answer again, or a conflict where the body is another.
    pub fn answer(&self, body: &[u8; 16]) -> std::result::Result<Vec<MessageId>, Failure> {
        if self.body == *body { Ok(self.ids.clone()) } else { Err(Failure::conflict("idempotency-key-reused")) }
    }
}

/// The days that have a table, as this process saw them a moment ago: to ask anew is a trip a commit.
#[derive(Default)]
pub struct Days(Mutex<Option<Seen>>);

struct Seen {
    days: Vec<i64>,
    at: Millis,
}

/// Another instance may have made a table since. Its keys are found all the same: for an hour they also stand in the
/// table of the day before, and where there is none we make the same table ourselves, whose primary key decides.
const SEEN_TRUSTED_MS: Millis = 60_000;

impl Days {
    /// Asks the database next time: something went wrong, and it may be that a table is not there.
    pub fn forget(&self) {
        *self.seen() = None;
    }

    async fn read(&self, script: &mut Script<'_>, now: Millis) -> Result<Vec<i64>> {
        if let Some(seen) = self.seen().as_ref().filter(|seen| (0..SEEN_TRUSTED_MS).contains(&(now - seen.at))) {
            return Ok(seen.days.clone());
        }
        let days = days(script.conn().await?).await?;
        *self.seen() = Some(Seen { days: days.clone(), at: now });
        Ok(days)
    }

    fn has(&self, day: i64) -> bool {
        self.seen().as_ref().is_some_and(|seen| seen.days.contains(&day))
    }

    fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Those of `keys` that were stored before.
pub async fn known(
    script: &mut Script<'_>,
    days: &Days,
    keys: &[[u8; 16]],
    now: Millis,
) -> Result<HashMap<[u8; 16], Known>> {
    let mut found = HashMap::new();
    let days = days.read(script, now).await?;
    if days.is_empty() {
        return Ok(found);
    }
    for keys in script.pieces(keys, 1) {
        let text = |before| {
            let list = many::values(before, keys.len(), 1);
            let of_day =
                |day: &i64| format!("SELECT key, body, runs FROM dispatch_key_{day} WHERE key IN (VALUES {list})");
            days.iter().map(of_day).collect::<Vec<_>>().join(" UNION ALL ")
        };
        let bind = |bound: &mut Bound| {
            for key in keys {
                bound.bind(key.to_vec());
            }
        };
        for row in script.fetch(text, bind).await? {
            let (key, body): (Vec<u8>, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            let ids = runs_from_bytes(&row.try_get::<Vec<u8>, _>(2)?);
            let damaged = || StoreError::Damaged { what: "an idempotency key".to_owned() };
            let body = body.try_into().map_err(|_| damaged())?;
            let ids = ids.ok_or_else(damaged)?;
            found.insert(key.try_into().map_err(|_| damaged())?, Known { body, ids });
        }
    }
    Ok(found)
}

/// Stores keys in today's table, and in a day's first hour in yesterday's too: another instance's clock may still be
/// there, and the primary key is what makes two instances agree.
pub async fn add(script: &mut Script<'_>, days: &Days, rows: &[KeyRow], now: Millis) -> Result<()> {
    add_day(script, days, rows, seoul_day(now)).await?;
    if seoul_minute(now) < 60 {
        add_day(script, days, rows, seoul_day(now - DAY_MS)).await?;
    }
    Ok(())
}

async fn add_day(script: &mut Script<'_>, days: &Days, rows: &[KeyRow], day: i64) -> Result<()> {
    if !days.has(day) {
        make_table(script.conn().await?, day).await?;
        days.forget();
    }
    let text = |before, rows| {
        format!("INSERT INTO dispatch_key_{day} (key, body, runs) VALUES {}", many::values(before, rows, 3))
    };
    let bind = |bound: &mut Bound, row: &KeyRow| {
        bound.bind(row.key.to_vec()).bind(row.body.to_vec()).bind(row.runs.clone());
    };
    // A key that another instance stored a moment ago fails here, and intake tries again and finds it.
    script.add(rows, 3, text, bind).await
}

async fn make_table(conn: &mut AnyConnection, day: i64) -> Result<()> {
    let blob = if conn.backend_name() == "SQLite" { "BLOB" } else { "BYTEA" };
    let text = format!(
        "CREATE TABLE IF NOT EXISTS dispatch_key_{day}
         (key {blob} NOT NULL PRIMARY KEY, body {blob} NOT NULL, runs {blob} NOT NULL)"
    );
    sqlx::query(AssertSqlSafe(text)).execute(&mut *conn).await?;
    sqlx::query("INSERT INTO dispatch_key_day (day) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(day)
        .execute(&mut *conn)
        .await?;
    Ok(())
}

/// Drops the tables of days that are over.
pub async fn drop_old(conn: &mut AnyConnection, now: Millis) -> Result<()> {
    let oldest = seoul_day(now - KEEP_DAYS * DAY_MS);
    for day in days(conn).await?.into_iter().filter(|day| *day < oldest) {
        sqlx::query(AssertSqlSafe(format!("DROP TABLE IF EXISTS dispatch_key_{day}"))).execute(&mut *conn).await?;
        sqlx::query("DELETE FROM dispatch_key_day WHERE day = $1").bind(day).execute(&mut *conn).await?;
    }
    Ok(())
}

async fn days(conn: &mut AnyConnection) -> Result<Vec<i64>> {
    Ok(sqlx::query_scalar("SELECT day FROM dispatch_key_day ORDER BY day DESC").fetch_all(&mut *conn).await?)
}

/// Ids as runs of one frame's slots: frame, first slot, length.
fn runs_to_bytes(ids: &[MessageId]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for run in ids.chunk_by(|a, b| a.frame == b.frame && a.slot + 1 == b.slot) {
        bytes.extend_from_slice(&run[0].frame.0);
        bytes.extend_from_slice(&run[0].slot.to_le_bytes());
        bytes.extend_from_slice(&(run.len() as u16).to_le_bytes());
    }
    bytes
}

fn runs_from_bytes(bytes: &[u8]) -> Option<Vec<MessageId>> {
    let mut ids = Vec::new();
    for run in bytes.chunks(20) {
        let frame = Id::from_bytes(run.get(..16)?)?;
        let first = u16::from_le_bytes(run.get(16..18)?.try_into().ok()?);
        let length = u16::from_le_bytes(run.get(18..20)?.try_into().ok()?);
        ids.extend((first..first.checked_add(length)?).map(|slot| MessageId { frame, slot }));
    }
    Some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_storage_in_any_order() {
        let (a, b) = (Id::new(1), Id::new(2));
        let ids: Vec<MessageId> =
            [(a, 0), (a, 1), (b, 7), (a, 2), (a, 5)].map(|(frame, slot)| MessageId { frame, slot }).to_vec();
        assert_eq!(runs_from_bytes(&runs_to_bytes(&ids)), Some(ids));
        assert_eq!(runs_from_bytes(&[1, 2, 3]), None);
    }
}
