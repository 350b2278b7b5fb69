//! What a person is told who is not looking: that something of theirs is due, with what they may say to it.
//!
//! A room puts a reminder here once, by a key of its own; a front that reaches people takes it from here and tells it at
//! least once. Nothing waits for an answer: a button is a word like any other.

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::Store;
use naru_store::error::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::rows::id_column;

/// Reminders that are taken at once.
const TAKEN_MAX: i64 = 50;
/// Whoever took one and has not told it by then has ended.
const TAKEN_MS: Millis = 60_000;
/// What could not be told for so long is of no use any more.
const OLD_MS: Millis = 3 * 86_400_000;

/// What a person is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reminder {
    /// Who it is for: an actor's name.
    pub person: String,
    /// What it says: a sentence and a hint, by code and arguments.
    pub told: Failure,
    /// What can be said to it.
    pub buttons: Vec<Press>,
}

/// A button.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Press {
    /// The key of what stands on it.
    pub text: String,
    /// The word that it says.
    pub word: String,
    /// With these arguments.
    pub args: Value,
}

/// Puts a reminder; the same key a second time is the same reminder.
pub async fn put(store: &Store, key: &str, reminder: &Reminder, at: Millis) -> Result<(), Failure> {
    let (key, text) = (key.to_owned(), serde_json::to_string(reminder).map_err(Failure::bug)?);
    let put = store.write(move |conn| {
        let (key, text) = (key.clone(), text.clone());
        Box::pin(async move {
            sqlx::query(
                "INSERT INTO operation_reminder (id, reminder_key, reminder, at, taken_until) VALUES ($1, $2, $3, $4, 0)
                 ON CONFLICT (reminder_key) DO NOTHING",
            )
            .bind(Id::new(at).0.to_vec())
            .bind(key)
            .bind(text)
            .bind(at)
            .execute(conn)
            .await?;
            Ok(())
        })
    });
    Ok(put.await?)
}

/// Takes reminders that nobody has told, for a minute, the oldest first.
pub async fn take(store: &Store, at: Millis) -> Result<Vec<(Id, Reminder)>, Failure> {
    let rows: Vec<(Vec<u8>, String)> = sqlx::query_as(
        "SELECT id, reminder FROM operation_reminder WHERE told_at IS NULL AND taken_until <= $1 AND at > $2
         ORDER BY at LIMIT $3",
    )
    .bind(at)
    .bind(at - OLD_MS)
    .bind(TAKEN_MAX)
    .fetch_all(store.reader())
    .await
    .map_err(StoreError::from)?;
    let mut taken = Vec::new();
    for (id, text) in rows {
        let id = id_column(id)?;
        // One that a later naru wrote says nothing here.
        let Ok(reminder) = serde_json::from_str::<Reminder>(&text) else { continue };
        let set = store.write(move |conn| {
            Box::pin(async move {
                let set = sqlx::query(
                    "UPDATE operation_reminder SET taken_until = $2 WHERE id = $1 AND told_at IS NULL AND taken_until <= $3",
                );
                Ok(set.bind(id.0.to_vec()).bind(at + TAKEN_MS).bind(at).execute(conn).await?.rows_affected())
            })
        });
        if set.await? == 1 {
            taken.push((id, reminder));
        }
    }
    Ok(taken)
}

/// Remembers that one was told.
pub async fn told(store: &Store, id: Id, at: Millis) -> Result<(), Failure> {
    let set = store.write(move |conn| {
        Box::pin(async move {
            let set = sqlx::query("UPDATE operation_reminder SET told_at = $2 WHERE id = $1");
            set.bind(id.0.to_vec()).bind(at).execute(conn).await?;
            Ok(())
        })
    });
    Ok(set.await?)
}
