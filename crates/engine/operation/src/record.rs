//! The record: who asked for what, who approved it, what was done, and with what result. Only ever added to, in the commit
//! that does what it tells.

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::error::StoreError;
use naru_store::{Result, Store};
use serde::Serialize;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::rows::id_column;

/// Entries of one reading.
pub const READ_MAX: usize = 1_000;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody asked for an operation.
    Asked,
    /// A second person approved it.
    Approved,
    /// The world had changed: it was planned anew.
    PlannedAgain,
    /// It has begun.
    Begun,
    /// A step's intent.
    StepBegun,
    /// A step was done and read back.
    StepDone,
    /// A step failed.
    StepFailed,
    /// All is done.
    Done,
    /// It ended with a step that failed, or could not be planned.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// It ended halfway, and somebody leaves what it did as it is.
    Kept,
    /// Nobody approved it, or its turn never came.
    Lapsed,
    /// Somebody set a lock.
    Locked,
    /// Somebody lifted one.
    Unlocked,
    /// Somebody went on in spite of a lock.
    BrokeGlass,
}

impl Event {
    /// Every event.
    pub const ALL: [Event; 15] = [
        Event::Asked,
        Event::Approved,
        Event::PlannedAgain,
        Event::Begun,
        Event::StepBegun,
        Event::StepDone,
        Event::StepFailed,
        Event::Done,
        Event::Failed,
        Event::Cancelled,
        Event::Kept,
        Event::Lapsed,
        Event::Locked,
        Event::Unlocked,
        Event::BrokeGlass,
    ];

    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            Event::Asked => "asked",
            Event::Approved => "approved",
            Event::PlannedAgain => "planned-again",
            Event::Begun => "begun",
            Event::StepBegun => "step-begun",
            Event::StepDone => "step-done",
            Event::StepFailed => "step-failed",
            Event::Done => "done",
            Event::Failed => "failed",
            Event::Cancelled => "cancelled",
            Event::Kept => "kept",
            Event::Lapsed => "lapsed",
            Event::Locked => "locked",
            Event::Unlocked => "unlocked",
            Event::BrokeGlass => "broke-glass",
        }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Its place in the record, from 1.
    pub number: u64,
    /// When.
    pub at: Millis,
    /// Of which operation; none where it is about a lock alone.
    pub operation: Option<Id>,
    /// What, by its name.
    pub event: String,
    /// Who; empty where naru did it by itself.
    pub person: String,
    /// The rest of it.
    pub data: Value,
}

/// Adds an entry.
pub(crate) async fn add(
    conn: &mut AnyConnection,
    at: Millis,
    operation: Option<Id>,
    event: Event,
    person: &str,
    data: &Value,
) -> Result<()> {
    let next = "UPDATE operation_record_last SET number = number + 1 WHERE place = 0 RETURNING number";
    let number: i64 = sqlx::query_scalar(next).fetch_one(&mut *conn).await?;
    sqlx::query(
        "INSERT INTO operation_record (number, at, operation, event, person, data) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(number)
    .bind(at)
    .bind(operation.map(|id| id.0.to_vec()))
    .bind(event.name())
    .bind(person.to_owned())
    .bind(data.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// The entries of one operation, the oldest first, [`READ_MAX`] at most from the newest back.
pub async fn of(store: &Store, operation: Id) -> std::result::Result<Vec<Entry>, Failure> {
    let rows = sqlx::query(
        "SELECT number, at, operation, event, person, data FROM operation_record WHERE operation = $1 ORDER BY number DESC LIMIT $2",
    )
    .bind(operation.0.to_vec())
    .bind(READ_MAX as i64)
    .fetch_all(store.reader())
    .await
    .map_err(StoreError::from)?;
    let mut entries = rows.iter().map(read).collect::<Result<Vec<Entry>>>()?;
    entries.reverse();
    Ok(entries)
}

/// Who leaves an operation that ended halfway as it is; none where nobody has said so.
pub async fn kept_by(store: &Store, operation: Id) -> std::result::Result<Option<String>, Failure> {
    let person = sqlx::query_scalar(
        "SELECT person FROM operation_record WHERE operation = $1 AND event = 'kept' ORDER BY number LIMIT 1",
    )
    .bind(operation.0.to_vec())
    .fetch_optional(store.reader());
    Ok(person.await.map_err(StoreError::from)?)
}

/// Entries behind `after`, the oldest first, `limit` at most: how the record is taken elsewhere.
pub async fn since(store: &Store, after: u64, limit: usize) -> std::result::Result<Vec<Entry>, Failure> {
    let rows = sqlx::query(
        "SELECT number, at, operation, event, person, data FROM operation_record WHERE number > $1 ORDER BY number LIMIT $2",
    )
    .bind(after as i64)
    .bind(limit.min(READ_MAX) as i64)
    .fetch_all(store.reader())
    .await
    .map_err(StoreError::from)?;
    Ok(rows.iter().map(read).collect::<Result<Vec<Entry>>>()?)
}

fn read(row: &AnyRow) -> Result<Entry> {
    let operation: Option<Vec<u8>> = row.try_get(2)?;
    let number = row.try_get::<i64, _>(0)? as u64;
    let damaged = |_| StoreError::Damaged { what: format!("entry {number} of the operations' record") };
    Ok(Entry {
        number,
        at: row.try_get(1)?,
        operation: operation.map(id_column).transpose()?,
        event: row.try_get(3)?,
        person: row.try_get(4)?,
        data: serde_json::from_str(&row.try_get::<String, _>(5)?).map_err(damaged)?,
    })
}
