//! The engine's statements, one function each, so that SQL stands in one place.

use naru_core::clock::Millis;
use naru_core::id::Id;
use naru_store::Result;
use naru_store::error::StoreError;
use sqlx::{AnyConnection, Row};

use crate::account::Account;
use crate::lane::{ChunkKey, Doubt, Retry, Save};
use crate::side::{Side, SideRow};

/// A frame on its way into the store.
#[derive(Clone, Debug)]
pub struct NewFrame {
    /// Made before the commit, so that a commit repeated is not doubled.
    pub id: Id,
    /// Its lane.
    pub lane: String,
    /// Lower goes first.
    pub priority: usize,
    /// Whose it is.
    pub campaign: Option<Id>,
    /// How many messages.
    pub count: usize,
    /// The packed messages.
    pub body: Vec<u8>,
    /// Two bytes a message.
    pub prints: Vec<u8>,
    /// When.
    pub accepted_at: Millis,
}

/// Slots as stored: two bytes each, little-endian.
pub fn slots_to_bytes(slots: &[u16]) -> Vec<u8> {
    slots.iter().flat_map(|slot| slot.to_le_bytes()).collect()
}

/// Slots from their stored form.
pub fn slots_from_bytes(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// An id from a column.
pub fn id_column(bytes: Vec<u8>) -> Result<Id> {
    Id::from_bytes(&bytes).ok_or_else(|| StoreError::Damaged { what: format!("an id of {} bytes", bytes.len()) })
}

/// Stores frames and gives them their place in the lane's order, under the shard row's lock.
pub async fn insert_frames(conn: &mut AnyConnection, frames: &[NewFrame]) -> Result<()> {
    for run in frames.chunk_by(|a, b| a.lane == b.lane) {
        let last: i64 =
            sqlx::query_scalar("UPDATE dispatch_shard SET seq = seq + $1 WHERE lane = $2 AND shard = 0 RETURNING seq")
                .bind(run.len() as i64)
                .bind(run[0].lane.as_str())
                .fetch_one(&mut *conn)
                .await?;
        for (index, frame) in run.iter().enumerate() {
            insert_frame(conn, frame, last - (run.len() - 1 - index) as i64).await?;
        }
    }
    Ok(())
}

async fn insert_frame(conn: &mut AnyConnection, frame: &NewFrame, seq: i64) -> Result<()> {
    let campaign = frame.campaign.map(|id| id.0.to_vec());
    let new = sqlx::query(
        "INSERT INTO dispatch_frame (id, campaign, count, accepted_at, body) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
    )
    .bind(frame.id.0.to_vec())
    .bind(campaign.clone())
    .bind(frame.count as i64)
    .bind(frame.accepted_at)
    .bind(frame.body.clone())
    .execute(&mut *conn)
    .await?;
    if new.rows_affected() == 0 {
        return Ok(());
    }
    let row = Side::new(frame.count).row();
    sqlx::query(
        "INSERT INTO dispatch_side (frame, lane, shard, priority, seq, campaign, open, states, codes, checksum,
             pending, unknown, sent, failed, expired, suppressed, cancelled, delivered, fence, changed_at)
         VALUES ($1, $2, 0, $3, $4, $5, 1, $6, $7, $8, $9, 0, 0, 0, 0, 0, 0, 0, 0, $10)",
    )
    .bind(frame.id.0.to_vec())
    .bind(frame.lane.as_str())
    .bind(frame.priority as i64)
    .bind(seq)
    .bind(campaign)
    .bind(row.states)
    .bind(row.codes)
    .bind(row.checksum)
    .bind(frame.count as i64)
    .bind(frame.accepted_at)
    .execute(&mut *conn)
    .await?;
    sqlx::query("INSERT INTO dispatch_find (frame, prints) VALUES ($1, $2)")
        .bind(frame.id.0.to_vec())
        .bind(frame.prints.clone())
        .execute(&mut *conn)
        .await?;
    Ok(())
}

/// Runs a write of the lane's owner only while it still is the owner.
pub async fn hold_fence(conn: &mut AnyConnection, lane: &str, fence: i64) -> Result<bool> {
    let held = sqlx::query("UPDATE dispatch_shard SET fence = fence WHERE lane = $1 AND shard = 0 AND fence = $2")
        .bind(lane)
        .bind(fence)
        .execute(&mut *conn)
        .await?;
    Ok(held.rows_affected() == 1)
}

/// Stores what a lane wants stored.
pub async fn store_save(
    conn: &mut AnyConnection,
    lane: &str,
    fence: i64,
    adapter: i64,
    save: &Save,
    now: Millis,
) -> Result<()> {
    for mark in &save.marks {
        sqlx::query(
            "INSERT INTO dispatch_chunk (frame, first, attempt, slots, tries, adapter, started_at, deadline)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (frame, first, attempt) DO UPDATE SET deadline = $8",
        )
        .bind(mark.key.frame.0.to_vec())
        .bind(i64::from(mark.key.first))
        .bind(i64::from(mark.key.attempt))
        .bind(slots_to_bytes(&mark.slots))
        .bind(i64::from(mark.tries))
        .bind(adapter)
        .bind(mark.started_at)
        .bind(mark.deadline)
        .execute(&mut *conn)
        .await?;
    }
    if let Some((day, used)) = save.day {
        sqlx::query("UPDATE dispatch_shard SET day = $1, day_used = $2, marked_at = $3 WHERE lane = $4 AND shard = 0")
            .bind(day)
            .bind(used as i64)
            .bind(now)
            .bind(lane)
            .execute(&mut *conn)
            .await?;
    }
    for side in &save.sides {
        update_side(conn, side.frame, &side.row, &side.account, fence, now).await?;
    }
    for (key, slots) in &save.left {
        sqlx::query("UPDATE dispatch_chunk SET slots = $1 WHERE frame = $2 AND first = $3 AND attempt = $4")
            .bind(slots_to_bytes(slots))
            .bind(key.frame.0.to_vec())
            .bind(i64::from(key.first))
            .bind(i64::from(key.attempt))
            .execute(&mut *conn)
            .await?;
    }
    for key in &save.ended {
        sqlx::query("DELETE FROM dispatch_chunk WHERE frame = $1 AND first = $2 AND attempt = $3")
            .bind(key.frame.0.to_vec())
            .bind(i64::from(key.first))
            .bind(i64::from(key.attempt))
            .execute(&mut *conn)
            .await?;
    }
    for (frame, first) in &save.retries_gone {
        sqlx::query("DELETE FROM dispatch_retry WHERE frame = $1 AND first = $2")
            .bind(frame.0.to_vec())
            .bind(i64::from(*first))
            .execute(&mut *conn)
            .await?;
    }
    for (frame, retry) in &save.retries {
        insert_retry(conn, *frame, retry).await?;
    }
    Ok(())
}

async fn insert_retry(conn: &mut AnyConnection, frame: Id, retry: &Retry) -> Result<()> {
    sqlx::query(
        "INSERT INTO dispatch_retry (frame, first, slots, due_at, attempt, tries) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (frame, first) DO UPDATE SET slots = $3, due_at = $4, attempt = $5, tries = $6",
    )
    .bind(frame.0.to_vec())
    .bind(i64::from(retry.slots.first().copied().unwrap_or_default()))
    .bind(slots_to_bytes(&retry.slots))
    .bind(retry.due_at)
    .bind(i64::from(retry.attempt))
    .bind(i64::from(retry.tries))
    .execute(&mut *conn)
    .await?;
    Ok(())
}

/// Writes a frame's states and counts.
pub async fn update_side(
    conn: &mut AnyConnection,
    frame: Id,
    row: &SideRow,
    account: &Account,
    fence: i64,
    now: Millis,
) -> Result<()> {
    sqlx::query(
        "UPDATE dispatch_side SET open = $1, states = $2, codes = $3, checksum = $4, pending = $5, unknown = $6,
             sent = $7, failed = $8, expired = $9, suppressed = $10, cancelled = $11, delivered = $12, fence = $13,
             changed_at = $14 WHERE frame = $15 AND open <> 2",
    )
    .bind(i64::from(account.pending > 0))
    .bind(row.states.clone())
    .bind(row.codes.clone())
    .bind(row.checksum)
    .bind(account.pending as i64)
    .bind(account.unknown as i64)
    .bind(account.sent as i64)
    .bind(account.failed as i64)
    .bind(account.expired as i64)
    .bind(account.suppressed as i64)
    .bind(account.cancelled as i64)
    .bind(account.delivered as i64)
    .bind(fence)
    .bind(now)
    .bind(frame.0.to_vec())
    .execute(&mut *conn)
    .await?;
    Ok(())
}

/// Sets a frame aside: a byte of it is not what was written. What was not settled counts as unknown.
pub async fn quarantine(conn: &mut AnyConnection, frame: Id, side: &Side, fence: i64, now: Millis) -> Result<()> {
    update_side(conn, frame, &side.row(), &side.account(), fence, now).await?;
    sqlx::query("UPDATE dispatch_side SET open = 2 WHERE frame = $1")
        .bind(frame.0.to_vec())
        .execute(&mut *conn)
        .await?;
    for table in ["DELETE FROM dispatch_chunk WHERE frame = $1", "DELETE FROM dispatch_retry WHERE frame = $1"] {
        sqlx::query(table).bind(frame.0.to_vec()).execute(&mut *conn).await?;
    }
    Ok(())
}

/// A frame with its states, as read.
pub struct StoredFrame {
    /// Its id.
    pub id: Id,
    /// Its place.
    pub seq: i64,
    /// Whose it is.
    pub campaign: Option<Id>,
    /// How many messages intake counted.
    pub count: usize,
    /// The packed messages.
    pub body: Vec<u8>,
    /// Its states.
    pub side: SideRow,
}

impl StoredFrame {
    /// Reads the columns `frame, seq, campaign, count, body, states, codes, checksum` in this order.
    pub fn from_row(row: &sqlx::any::AnyRow) -> Result<StoredFrame> {
        Ok(StoredFrame {
            id: id_column(row.try_get(0)?)?,
            seq: row.try_get(1)?,
            campaign: row.try_get::<Option<Vec<u8>>, _>(2)?.map(id_column).transpose()?,
            count: row.try_get::<i64, _>(3)? as usize,
            body: row.try_get(4)?,
            side: SideRow { states: row.try_get(5)?, codes: row.try_get(6)?, checksum: row.try_get(7)? },
        })
    }
}

/// The next open frames of a lane, in order, of campaigns that run.
pub async fn open_frames(
    conn: &mut AnyConnection,
    lane: &str,
    priority: usize,
    after: i64,
    limit: usize,
) -> Result<Vec<StoredFrame>> {
    let rows = sqlx::query(
        "SELECT s.frame, s.seq, s.campaign, f.count, f.body, s.states, s.codes, s.checksum
         FROM dispatch_side s JOIN dispatch_frame f ON f.id = s.frame LEFT JOIN dispatch_campaign c ON c.id = s.campaign
         WHERE s.open = 1 AND s.lane = $1 AND s.shard = 0 AND s.priority = $2 AND s.seq > $3
             AND (s.campaign IS NULL OR c.state = 'running')
         ORDER BY s.seq LIMIT $4",
    )
    .bind(lane)
    .bind(priority as i64)
    .bind(after)
    .bind(limit as i64)
    .fetch_all(&mut *conn)
    .await?;
    rows.iter().map(StoredFrame::from_row).collect()
}

/// Retries and chunks of a frame that an earlier owner left.
pub async fn left_of(conn: &mut AnyConnection, frame: Id) -> Result<(Vec<Retry>, Vec<Doubt>)> {
    let retries =
        sqlx::query("SELECT slots, due_at, attempt, tries FROM dispatch_retry WHERE frame = $1 ORDER BY first")
            .bind(frame.0.to_vec())
            .fetch_all(&mut *conn)
            .await?;
    let retries = retries.iter().map(|row| {
        Ok(Retry {
            slots: slots_from_bytes(&row.try_get::<Vec<u8>, _>(0)?),
            due_at: row.try_get(1)?,
            attempt: row.try_get::<i64, _>(2)? as u16,
            tries: row.try_get::<i64, _>(3)? as u16,
        })
    });
    let retries = retries.filter(|retry| retry.as_ref().is_ok_and(|r: &Retry| !r.slots.is_empty()) || retry.is_err());
    let retries = retries.collect::<Result<Vec<Retry>>>()?;
    let chunks = sqlx::query(
        "SELECT first, attempt, slots, tries, started_at, deadline FROM dispatch_chunk WHERE frame = $1
         ORDER BY first, attempt",
    )
    .bind(frame.0.to_vec())
    .fetch_all(&mut *conn)
    .await?;
    let doubts = chunks.iter().map(|row| {
        let (first, attempt) = (row.try_get::<i64, _>(0)? as u16, row.try_get::<i64, _>(1)? as u16);
        Ok(Doubt {
            key: ChunkKey { frame, first, attempt },
            slots: slots_from_bytes(&row.try_get::<Vec<u8>, _>(2)?),
            tries: row.try_get::<i64, _>(3)? as u16,
            started_at: row.try_get(4)?,
            deadline: row.try_get(5)?,
        })
    });
    Ok((retries, doubts.collect::<Result<Vec<Doubt>>>()?))
}

/// Frames of a lane that an earlier owner left retries or chunks of, in order, with their priority.
pub async fn left_overs(conn: &mut AnyConnection, lane: &str) -> Result<Vec<(Id, usize)>> {
    let rows = sqlx::query(
        "SELECT frame, priority FROM dispatch_side WHERE lane = $1 AND shard = 0 AND open <> 2 AND frame IN
             (SELECT frame FROM dispatch_retry UNION SELECT frame FROM dispatch_chunk) ORDER BY seq",
    )
    .bind(lane)
    .fetch_all(&mut *conn)
    .await?;
    rows.iter().map(|row| Ok((id_column(row.try_get(0)?)?, row.try_get::<i64, _>(1)? as usize))).collect()
}

/// One frame with its states and the lane it belongs to.
pub async fn frame(conn: &mut AnyConnection, id: Id) -> Result<Option<(StoredFrame, String, Millis)>> {
    let row = sqlx::query(
        "SELECT s.frame, s.seq, s.campaign, f.count, f.body, s.states, s.codes, s.checksum, s.lane, f.accepted_at
         FROM dispatch_side s JOIN dispatch_frame f ON f.id = s.frame WHERE s.frame = $1",
    )
    .bind(id.0.to_vec())
    .fetch_optional(&mut *conn)
    .await?;
    row.map(|row| Ok((StoredFrame::from_row(&row)?, row.try_get(8)?, row.try_get(9)?))).transpose()
}

/// The states of a frame of `lane`.
pub async fn side(conn: &mut AnyConnection, frame: Id, lane: &str) -> Result<Option<SideRow>> {
    let row =
        sqlx::query("SELECT states, codes, checksum FROM dispatch_side WHERE frame = $1 AND lane = $2 AND open <> 2")
            .bind(frame.0.to_vec())
            .bind(lane)
            .fetch_optional(&mut *conn)
            .await?;
    row.map(|row| Ok(SideRow { states: row.try_get(0)?, codes: row.try_get(1)?, checksum: row.try_get(2)? }))
        .transpose()
}

/// Cancels what is pending in a few frames of a campaign after `after`, leaving out those in `held`; answers the last
/// place looked at, or `None` at the end.
pub async fn cancel_some(
    conn: &mut AnyConnection,
    lane: &str,
    campaign: Id,
    after: i64,
    held: &std::collections::HashSet<Id>,
    fence: i64,
    now: Millis,
) -> Result<Option<i64>> {
    const FRAMES: i64 = 200;
    let rows = sqlx::query(
        "SELECT frame, seq, states, codes, checksum FROM dispatch_side
         WHERE campaign = $1 AND lane = $2 AND open = 1 AND seq > $3 ORDER BY seq LIMIT $4",
    )
    .bind(campaign.0.to_vec())
    .bind(lane)
    .bind(after)
    .bind(FRAMES)
    .fetch_all(&mut *conn)
    .await?;
    let mut last = None;
    for row in &rows {
        last = Some(row.try_get(1)?);
        let id = id_column(row.try_get(0)?)?;
        let stored = SideRow { states: row.try_get(2)?, codes: row.try_get(3)?, checksum: row.try_get(4)? };
        // A damaged row is found and set aside when it is claimed, or by the audit.
        let Some(mut side) = Side::read(&stored).filter(|_| !held.contains(&id)) else { continue };
        for slot in 0..side.count() as u16 {
            if side.state(slot) == crate::side::State::Pending {
                side.advance(slot, crate::side::State::Cancelled, "");
            }
        }
        update_side(conn, id, &side.row(), &side.account(), fence, now).await?;
        for text in ["DELETE FROM dispatch_chunk WHERE frame = $1", "DELETE FROM dispatch_retry WHERE frame = $1"] {
            sqlx::query(text).bind(id.0.to_vec()).execute(&mut *conn).await?;
        }
    }
    Ok(last)
}
