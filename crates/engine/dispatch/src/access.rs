//! The access record: who was shown whose address, when, from where and why.
//!
//! An address is personal data. The rules on safe handling of it (개인정보의 안전성 확보조치 기준, article 8) ask for a
//! record of account, time, place, person concerned and work done, kept for a year at least, so nothing here ever
//! removes a row, not even when the message is let go of.
//!
//! A change must keep this: nobody is shown an address whose row is not on the disk. [`Recorded`] is made here alone.

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::Store;
use naru_store::error::StoreError;
use serde::Serialize;
use sqlx::Row;

use crate::life::stored;
use crate::message::MessageId;
use crate::rows;

/// A reason is a sentence.
pub const REASON_CHARS_MAX: usize = 500;

/// Who wants to see an address, and why.
#[derive(Clone, Debug)]
pub struct Asked {
    /// When.
    pub at: Millis,
    /// Who.
    pub person: String,
    /// From which address of the network.
    pub peer: String,
    /// Which message's.
    pub message: MessageId,
    /// Why.
    pub reason: String,
}

/// Proof that somebody's look is in the record.
#[derive(Debug)]
pub struct Recorded(MessageId);

/// A row of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Names the row, and where the next page begins.
    pub id: String,
    /// When.
    pub at: Millis,
    /// Who.
    pub person: String,
    /// From which address of the network.
    pub peer: String,
    /// Which message's address.
    pub message: String,
    /// Why.
    pub reason: String,
}

impl Recorded {
    /// Whose address may be shown.
    pub fn id(&self) -> MessageId {
        self.0
    }
}

/// Records a look before it is taken.
pub async fn record(store: &Store, asked: Asked) -> Result<Recorded, Failure> {
    // Line ends and the like would let a reason look like several rows of the record.
    let reason: String = asked.reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let reason = reason.trim().to_owned();
    if reason.is_empty() {
        return Err(Failure::refused("access-reason-missing"));
    }
    if reason.chars().count() > REASON_CHARS_MAX {
        return Err(Failure::refused("access-reason-long").arg("max", REASON_CHARS_MAX));
    }
    let (id, message) = (Id::new(asked.at), asked.message);
    let added = store.write(move |conn| {
        let (asked, reason) = (asked.clone(), reason.clone());
        Box::pin(async move {
            if !stored::is_there(conn, asked.message).await? {
                return Ok(false);
            }
            let text = "INSERT INTO dispatch_access (id, at, person, peer, message, reason)
                VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
            let insert = sqlx::query(text).bind(id.0.to_vec()).bind(asked.at).bind(asked.person).bind(asked.peer);
            insert.bind(asked.message.to_string()).bind(reason).execute(conn).await?;
            Ok(true)
        })
    });
    if added.await? { Ok(Recorded(message)) } else { Err(stored::no_message(message)) }
}

/// The newest entries, older than the one named by `before`.
pub async fn list(store: &Store, before: Option<Id>, limit: usize) -> Result<Vec<Entry>, Failure> {
    let text = "SELECT id, at, person, peer, message, reason FROM dispatch_access WHERE id < $1
        ORDER BY id DESC LIMIT $2";
    // Longer and so greater than every id.
    let before = before.map_or_else(|| vec![0xFF; 17], |before| before.0.to_vec());
    let rows = sqlx::query(text).bind(before).bind(limit as i64).fetch_all(store.reader()).await;
    let entry = |row: &sqlx::any::AnyRow| -> Result<Entry, StoreError> {
        Ok(Entry {
            id: rows::id_column(row.try_get(0)?)?.to_string(),
            at: row.try_get(1)?,
            person: row.try_get(2)?,
            peer: row.try_get(3)?,
            message: row.try_get(4)?,
            reason: row.try_get(5)?,
        })
    };
    Ok(rows.map_err(StoreError::from)?.iter().map(entry).collect::<Result<_, _>>()?)
}
