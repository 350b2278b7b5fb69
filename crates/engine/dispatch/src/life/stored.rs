//! The rows that a message's life is told from.

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_store::Result;
use sqlx::{AnyConnection, Row};

use super::{Place, Receipt, Request};
use crate::lane::{Doubt, Retry};
use crate::message::MessageId;
use crate::receipt;
use crate::rows::{self, StoredFrame};

/// Rows of one message, read at one moment.
pub struct Stored {
    /// The frame with its states, its lane, and when it was accepted.
    pub frame: (StoredFrame, String, Millis),
    /// Where it stands.
    pub place: Place,
    /// What of the frame is to be tried again, or in doubt.
    pub left: (Vec<Retry>, Vec<Doubt>),
    /// Requests with it.
    pub requests: Vec<Request>,
    /// Receipts about it.
    pub receipts: Vec<Receipt>,
}

/// Reads them; none where there is no such frame.
pub async fn stored(conn: &mut AnyConnection, id: MessageId) -> Result<Option<Stored>> {
    let Some(frame) = rows::frame(conn, id.frame).await? else { return Ok(None) };
    let left = rows::left_of(conn, id.frame, &[]).await?;
    let place = place(conn, id, &frame.0).await?;
    let requests = requests(conn, id).await?;
    let waiting = receipt::waiting(conn, &frame.1, place.shard, id).await?;
    let receipts = waiting.into_iter().map(|(received_at, state, code)| Receipt { received_at, state, code });
    Ok(Some(Stored { frame, place, left, requests, receipts: receipts.collect() }))
}

async fn place(conn: &mut AnyConnection, id: MessageId, frame: &StoredFrame) -> Result<Place> {
    let row = sqlx::query("SELECT shard, seq, fence, changed_at, open, priority FROM dispatch_side WHERE frame = $1");
    let row = row.bind(id.frame.0.to_vec()).fetch_one(conn).await?;
    Ok(Place {
        id,
        count: frame.count,
        bytes: frame.body.len(),
        shard: row.try_get(0)?,
        seq: row.try_get(1)?,
        fence: row.try_get(2)?,
        changed_at: row.try_get(3)?,
        is_aside: row.try_get::<i64, _>(4)? == rows::ASIDE,
        priority: row.try_get(5)?,
    })
}

async fn requests(conn: &mut AnyConnection, id: MessageId) -> Result<Vec<Request>> {
    let rows = sqlx::query(
        "SELECT first, attempt, slots, outlet, tries, started_at, deadline FROM dispatch_chunk WHERE frame = $1
         ORDER BY started_at, first, attempt",
    );
    let rows = rows.bind(id.frame.0.to_vec()).fetch_all(conn).await?;
    let mut requests = Vec::new();
    for row in &rows {
        let slots = rows::slots_from_bytes(&row.try_get::<Vec<u8>, _>(2)?);
        if slots.contains(&id.slot) {
            requests.push(Request {
                first: row.try_get(0)?,
                attempt: row.try_get(1)?,
                messages: slots.len(),
                outlet: row.try_get(3)?,
                tries: row.try_get(4)?,
                started_at: row.try_get(5)?,
                deadline: row.try_get(6)?,
            });
        }
    }
    Ok(requests)
}

/// Whether a message is stored.
pub async fn is_there(conn: &mut AnyConnection, id: MessageId) -> Result<bool> {
    let count: Option<i64> = sqlx::query_scalar("SELECT count FROM dispatch_frame WHERE id = $1")
        .bind(id.frame.0.to_vec())
        .fetch_optional(conn)
        .await?;
    Ok(count.is_some_and(|count| i64::from(id.slot) < count))
}

/// There is no such message, or none any more.
pub fn no_message(id: MessageId) -> Failure {
    Failure::not_found("message-unknown").arg("message", id)
}
