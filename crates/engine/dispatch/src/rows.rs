//! The engine's statements, one function each, so that SQL stands in one place.

use std::collections::{BTreeMap, HashMap};

use naru_core::clock::Millis;
use naru_core::id::Id;
use naru_job::lease;
use naru_store::error::StoreError;
use naru_store::script::{Bound, Script};
use naru_store::{Engine, Result, Store, many};
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use crate::lane::{ChunkKey, Day, Doubt, Mark, Retry, Save, SideSave};
use crate::shard::Shard;
use crate::share;
use crate::side::{Side, SideRow};

/// Set aside, as `dispatch_side.open` has it.
pub const ASIDE: i64 = 2;

/// A frame on its way into the store.
#[derive(Clone, Debug)]
pub struct NewFrame {
    /// Made before the commit, so that a commit repeated is not doubled.
    pub id: Id,
    /// Its lane's shard.
    pub shard: Shard,
    /// Lower goes first.
    pub priority: usize,
    /// Whose it is.
    pub campaign: Option<Id>,
    /// How many messages.
    pub count: usize,
    /// The packed messages.
    pub body: Vec<u8>,
    /// Where addresses and trace ids may be, see [`crate::find`].
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

/// Stores frames as [`add_frames`] does.
pub async fn insert_frames(conn: &mut AnyConnection, frames: &[NewFrame]) -> Result<()> {
    let mut script = Script::on(conn);
    add_frames(&mut script, frames).await?;
    script.end().await
}

/// Stores frames and gives them their place in the lane's order, under the shard row's lock. Frames that are there
/// already are left as they are: a commit whose answer was lost is made again.
pub async fn add_frames(script: &mut Script<'_>, frames: &[NewFrame]) -> Result<()> {
    for run in frames.chunk_by(|a, b| a.shard == b.shard) {
        let places: Vec<(usize, &NewFrame)> = run.iter().enumerate().map(|(n, it)| (run.len() - 1 - n, it)).collect();
        let text = |before, _| {
            let (count, lane, shard) = (before + 1, before + 2, before + 3);
            format!("UPDATE dispatch_shard SET seq = seq + ${count} WHERE lane = ${lane} AND shard = ${shard}")
        };
        let bind = |bound: &mut Bound, run: &&[NewFrame]| {
            bound.bind(run.len() as i64).bind(run[0].shard.lane.to_string()).bind(run[0].shard.column());
        };
        script.add(&[run], 3, text, bind).await?;
        insert_bodies(script, run).await?;
        insert_sides(script, &places).await?;
    }
    Ok(())
}

async fn insert_bodies(script: &mut Script<'_>, frames: &[NewFrame]) -> Result<()> {
    let text = |before, rows| {
        let rows = many::values(before, rows, 5);
        format!(
            "INSERT INTO dispatch_frame (id, campaign, count, accepted_at, body) VALUES {rows} ON CONFLICT DO NOTHING"
        )
    };
    let bind = |bound: &mut Bound, frame: &NewFrame| {
        bound
            .bind(frame.id.0.to_vec())
            .bind(frame.campaign.map(|id| id.0.to_vec()))
            .bind(frame.count as i64)
            .bind(frame.accepted_at)
            .bind(frame.body.clone());
    };
    script.add(frames, 5, text, bind).await?;
    let text = |before, rows| {
        format!(
            "INSERT INTO dispatch_find (frame, prints) VALUES {} ON CONFLICT DO NOTHING",
            many::values(before, rows, 2)
        )
    };
    let bind = |bound: &mut Bound, frame: &NewFrame| {
        bound.bind(frame.id.0.to_vec()).bind(frame.prints.clone());
    };
    script.add(frames, 2, text, bind).await
}

/// States of frames of one shard, each with how many come after it.
async fn insert_sides(script: &mut Script<'_>, frames: &[(usize, &NewFrame)]) -> Result<()> {
    let text = |before, rows| {
        format!(
            "INSERT INTO dispatch_side (frame, lane, priority, seq, campaign, states, codes, checksum, pending,
                 changed_at, shard, open, unknown, sent, failed, expired, suppressed, cancelled, delivered, fence)
             SELECT v.column1, s.lane, v.column3, s.seq - v.column4, v.column5, v.column6, v.column7, v.column8,
                 v.column9, v.column10, s.shard, 1, 0, 0, 0, 0, 0, 0, 0, 0
             FROM (VALUES {}) AS v JOIN dispatch_shard s ON s.lane = v.column2 AND s.shard = v.column11
             WHERE true ON CONFLICT DO NOTHING",
            many::values(before, rows, 11)
        )
    };
    let bind = |bound: &mut Bound, (after, frame): &(usize, &NewFrame)| {
        let row = Side::new(frame.count).row();
        bound
            .bind(frame.id.0.to_vec())
            .bind(frame.shard.lane.to_string())
            .bind(frame.priority as i64)
            .bind(*after as i64)
            .bind(frame.campaign.map(|id| id.0.to_vec()))
            .bind(row.states)
            .bind(row.codes)
            .bind(row.checksum)
            .bind(frame.count as i64)
            .bind(frame.accepted_at)
            .bind(frame.shard.column());
    };
    script.add(frames, 11, text, bind).await
}

/// Whether a frame is stored.
pub async fn has_frame(conn: &mut AnyConnection, id: Id) -> Result<bool> {
    let found = sqlx::query("SELECT 1 FROM dispatch_frame WHERE id = $1").bind(id.0.to_vec()).fetch_optional(conn);
    Ok(found.await?.is_some())
}

/// Whether messages wait in a lane that was split into another number of shards.
pub async fn is_split_otherwise(conn: &mut AnyConnection, lane: &str, shards: u16) -> Result<bool> {
    let found = sqlx::query(
        "SELECT 1 FROM dispatch_shard WHERE lane = $1 AND shards <> $2
             AND EXISTS (SELECT 1 FROM dispatch_side WHERE lane = $1 AND open = 1) LIMIT 1",
    );
    Ok(found.bind(lane).bind(i64::from(shards)).fetch_optional(conn).await?.is_some())
}

/// Whether a shard has messages of its own to send, or receipts to merge.
pub async fn has_own_work(conn: &mut AnyConnection, shard: &Shard) -> Result<bool> {
    let found = sqlx::query(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM dispatch_side WHERE lane = $1 AND shard = $2 AND open = 1)
             OR EXISTS (SELECT 1 FROM dispatch_receipt WHERE lane = $1 AND shard = $2)",
    );
    Ok(found.bind(shard.lane.to_string()).bind(shard.column()).fetch_optional(conn).await?.is_some())
}

/// Whether a person paused it, and the messages that it started on `day`, by lane.
pub async fn paces(store: &Store, day: i64) -> Result<BTreeMap<String, (bool, u64)>> {
    let text = "SELECT s.lane, MAX(s.paused), CAST(SUM(CASE WHEN p.day = $1 THEN p.day_used ELSE 0 END) AS BIGINT)
         FROM dispatch_shard s JOIN dispatch_pace p ON p.lane = s.lane AND p.shard = s.shard GROUP BY s.lane";
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(text).bind(day).fetch_all(store.reader()).await?;
    Ok(rows.into_iter().map(|(lane, paused, used)| (lane, (paused == 1, used as u64))).collect())
}

/// Makes the rows of a shard where they are not there yet.
pub async fn make_shard(conn: &mut AnyConnection, shard: &Shard, shards: u16) -> Result<()> {
    sqlx::query(
        "INSERT INTO dispatch_shard (lane, shard, shards, seq, paused) VALUES ($1, $2, $3, 0, 0)
         ON CONFLICT (lane, shard) DO UPDATE SET shards = excluded.shards",
    )
    .bind(shard.lane.to_string())
    .bind(shard.column())
    .bind(i64::from(shards))
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO dispatch_pace (lane, shard, day, day_used, marked_at) VALUES ($1, $2, 0, 0, 0)
         ON CONFLICT DO NOTHING",
    )
    .bind(shard.lane.to_string())
    .bind(shard.column())
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes the slices of a lane's caps where there are others or none, each with the shard whose own it is.
pub async fn make_slices(conn: &mut AnyConnection, engine: Engine, lane: &str, shards: u16) -> Result<()> {
    let wanted = if shards > 1 { i64::from(shards) * i64::from(share::EACH) } else { 0 };
    let there: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM dispatch_slice WHERE lane = $1")
        .bind(lane)
        .fetch_one(&mut *conn)
        .await?;
    if there == wanted {
        return Ok(());
    }
    sqlx::query("DELETE FROM dispatch_slice WHERE lane = $1").bind(lane).execute(&mut *conn).await?;
    // Who has split it otherwise sees within half a second that nothing is its own any more.
    let rest = if there > 0 { format!("{} + 3000", engine.now()) } else { "0".to_owned() };
    let text = format!(
        "INSERT INTO dispatch_slice (lane, slice, shard, goes_to, usable_at) VALUES ($1, $2, $3, NULL, {rest})"
    );
    for shard in 0..if shards > 1 { shards } else { 0 } {
        for slice in share::own(shard) {
            sqlx::query(AssertSqlSafe(text.clone()))
                .bind(lane)
                .bind(i64::from(slice))
                .bind(i64::from(shard))
                .execute(&mut *conn)
                .await?;
        }
    }
    Ok(())
}

/// Runs a write of the shard's owner only while it still is the owner.
pub async fn hold_fence(conn: &mut AnyConnection, shard: &Shard, fence: i64) -> Result<bool> {
    lease::hold(conn, &shard.lease(), fence).await
}

/// An outlet of a lane as rows name it: its own lane's name, and the version of its adapter.
pub type OutletName = (String, i64);

/// Stores what a lane wants stored.
pub async fn store_save(
    conn: &mut AnyConnection,
    shard: &Shard,
    fence: i64,
    outlets: &[OutletName],
    save: &Save,
    now: Millis,
) -> Result<()> {
    let mut script = Script::on(conn);
    insert_marks(&mut script, outlets, &save.marks).await?;
    let text = |before: usize, _| {
        format!(
            "UPDATE dispatch_pace SET day = ${}, day_used = ${}, marked_at = ${} WHERE lane = ${} AND shard = ${}",
            before + 1,
            before + 2,
            before + 3,
            before + 4,
            before + 5
        )
    };
    let bind = |bound: &mut Bound, day: &Day| {
        let (name, _) = &outlets[day.outlet];
        bound.bind(day.day).bind(day.used as i64).bind(now).bind(name.clone()).bind(shard.column());
    };
    for day in &save.days {
        script.add(std::slice::from_ref(day), 5, text, bind).await?;
    }
    add_sides(&mut script, &save.sides, fence, now).await?;
    update_left(&mut script, &save.left).await?;
    let text = |before, rows| {
        format!("DELETE FROM dispatch_chunk WHERE {}", many::any_of(before, rows, &["frame", "first", "attempt"]))
    };
    script.add(&save.ended, 3, text, bind_key).await?;
    let text =
        |before, rows| format!("DELETE FROM dispatch_retry WHERE {}", many::any_of(before, rows, &["frame", "first"]));
    let bind = |bound: &mut Bound, (frame, first): &(Id, u16)| {
        bound.bind(frame.0.to_vec()).bind(i64::from(*first));
    };
    script.add(&save.retries_gone, 2, text, bind).await?;
    insert_retries(&mut script, &save.retries).await?;
    script.end().await
}

fn bind_key(bound: &mut Bound, key: &ChunkKey) {
    bound.bind(key.frame.0.to_vec()).bind(i64::from(key.first)).bind(i64::from(key.attempt));
}

async fn insert_marks(script: &mut Script<'_>, outlets: &[OutletName], marks: &[Mark]) -> Result<()> {
    let text = |before, rows| {
        format!(
            "INSERT INTO dispatch_chunk (frame, first, attempt, slots, tries, adapter, outlet, single, started_at, deadline)
             VALUES {} ON CONFLICT (frame, first, attempt) DO UPDATE SET deadline = excluded.deadline",
            many::values(before, rows, 10)
        )
    };
    let bind = |bound: &mut Bound, mark: &Mark| {
        let (name, adapter) = &outlets[mark.outlet];
        bind_key(bound, &mark.key);
        bound
            .bind(slots_to_bytes(&mark.slots))
            .bind(i64::from(mark.tries))
            .bind(*adapter)
            .bind(name.clone())
            .bind(i64::from(mark.single))
            .bind(mark.started_at)
            .bind(mark.deadline);
    };
    script.add(marks, 10, text, bind).await
}

async fn update_left(script: &mut Script<'_>, left: &[(ChunkKey, Vec<u16>)]) -> Result<()> {
    let text = |before, rows| {
        format!(
            "UPDATE dispatch_chunk SET slots = v.column4 FROM (VALUES {}) AS v
             WHERE frame = v.column1 AND first = v.column2 AND attempt = v.column3",
            many::values(before, rows, 4)
        )
    };
    let bind = |bound: &mut Bound, (key, slots): &(ChunkKey, Vec<u16>)| {
        bind_key(bound, key);
        bound.bind(slots_to_bytes(slots));
    };
    script.add(left, 4, text, bind).await
}

async fn insert_retries(script: &mut Script<'_>, retries: &[(Id, Retry)]) -> Result<()> {
    let text = |before, rows| {
        format!(
            "INSERT INTO dispatch_retry (frame, first, slots, due_at, attempt, tries) VALUES {}
             ON CONFLICT (frame, first) DO UPDATE SET
                 slots = excluded.slots, due_at = excluded.due_at, attempt = excluded.attempt, tries = excluded.tries",
            many::values(before, rows, 6)
        )
    };
    let bind = |bound: &mut Bound, (frame, retry): &(Id, Retry)| {
        bound
            .bind(frame.0.to_vec())
            .bind(i64::from(retry.slots.first().copied().unwrap_or_default()))
            .bind(slots_to_bytes(&retry.slots))
            .bind(retry.due_at)
            .bind(i64::from(retry.attempt))
            .bind(i64::from(retry.tries));
    };
    script.add(retries, 6, text, bind).await
}

/// Writes states and counts of frames.
pub async fn update_sides(conn: &mut AnyConnection, sides: &[SideSave], fence: i64, now: Millis) -> Result<()> {
    let mut script = Script::on(conn);
    add_sides(&mut script, sides, fence, now).await?;
    script.end().await
}

async fn add_sides(script: &mut Script<'_>, sides: &[SideSave], fence: i64, now: Millis) -> Result<()> {
    let text = |before, rows| {
        format!(
            "UPDATE dispatch_side SET open = v.column2, states = v.column3, codes = v.column4, checksum = v.column5,
                 pending = v.column6, unknown = v.column7, sent = v.column8, failed = v.column9, expired = v.column10,
                 suppressed = v.column11, cancelled = v.column12, delivered = v.column13, fence = v.column14,
                 changed_at = v.column15
             FROM (VALUES {}) AS v WHERE dispatch_side.frame = v.column1 AND dispatch_side.open <> 2",
            many::values(before, rows, 15)
        )
    };
    let bind = |bound: &mut Bound, SideSave { frame, row, account }: &SideSave| {
        bound
            .bind(frame.0.to_vec())
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
            .bind(now);
    };
    script.add(sides, 15, text, bind).await
}

/// Sets a frame aside: a byte of it is not what was written. What was not settled counts as unknown.
pub async fn quarantine(conn: &mut AnyConnection, frame: Id, side: &Side, fence: i64, now: Millis) -> Result<()> {
    update_sides(conn, &[SideSave::of(frame, side)], fence, now).await?;
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

/// The next open frames of a shard, in order, of campaigns that run.
pub async fn open_frames(
    conn: &mut AnyConnection,
    shard: &Shard,
    priority: usize,
    after: i64,
    limit: usize,
) -> Result<Vec<StoredFrame>> {
    // The limit stands in the text: SQLite plans a statement anew each time such a parameter is bound.
    let text = format!(
        "SELECT s.frame, s.seq, s.campaign, f.count, f.body, s.states, s.codes, s.checksum
         FROM dispatch_side s JOIN dispatch_frame f ON f.id = s.frame LEFT JOIN dispatch_campaign c ON c.id = s.campaign
         WHERE s.open = 1 AND s.lane = $1 AND s.shard = $2 AND s.priority = $3 AND s.seq > $4
             AND (s.campaign IS NULL OR c.state = 'running')
         ORDER BY s.seq LIMIT {limit}"
    );
    let query = sqlx::query(AssertSqlSafe(text)).bind(shard.lane.to_string()).bind(shard.column());
    let query = query.bind(priority as i64).bind(after);
    let rows = query.fetch_all(&mut *conn).await?;
    rows.iter().map(StoredFrame::from_row).collect()
}

/// Retries and chunks of a frame that an earlier owner left; `outlets` are those by which its requests can be found.
pub async fn left_of(conn: &mut AnyConnection, frame: Id, outlets: &[OutletName]) -> Result<(Vec<Retry>, Vec<Doubt>)> {
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
        "SELECT first, attempt, slots, tries, started_at, deadline, outlet, single FROM dispatch_chunk WHERE frame = $1
         ORDER BY first, attempt",
    )
    .bind(frame.0.to_vec())
    .fetch_all(&mut *conn)
    .await?;
    let doubts = chunks.iter().map(|row| {
        let (first, attempt) = (row.try_get::<i64, _>(0)? as u16, row.try_get::<i64, _>(1)? as u16);
        let outlet: String = row.try_get(6)?;
        Ok(Doubt {
            key: ChunkKey { frame, first, attempt },
            outlet: if outlet.is_empty() { Some(0) } else { outlets.iter().position(|(name, _)| *name == outlet) },
            single: row.try_get::<Option<i64>, _>(7)?.map(|single| single == 1),
            slots: slots_from_bytes(&row.try_get::<Vec<u8>, _>(2)?),
            tries: row.try_get::<i64, _>(3)? as u16,
            started_at: row.try_get(4)?,
            deadline: row.try_get(5)?,
        })
    });
    Ok((retries, doubts.collect::<Result<Vec<Doubt>>>()?))
}

/// Frames of a shard that an earlier owner left retries or chunks of, in order, with their priority.
pub async fn left_overs(conn: &mut AnyConnection, shard: &Shard) -> Result<Vec<(Id, usize)>> {
    let rows = sqlx::query(
        "SELECT frame, priority FROM dispatch_side WHERE lane = $1 AND shard = $2 AND open <> 2 AND frame IN
             (SELECT frame FROM dispatch_retry UNION SELECT frame FROM dispatch_chunk) ORDER BY seq",
    )
    .bind(shard.lane.to_string())
    .bind(shard.column())
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

/// The states of those of `frames` that are of `shard`.
pub async fn sides(
    conn: &mut AnyConnection,
    frames: &[Id],
    shard: &Shard,
) -> Result<HashMap<Id, (SideRow, Option<Id>)>> {
    let text = format!(
        "SELECT frame, states, codes, checksum, campaign FROM dispatch_side
         WHERE lane = $1 AND shard = $2 AND open <> 2 AND frame IN (VALUES {})",
        many::values(2, frames.len(), 1)
    );
    let query = many::query(text).bind(shard.lane.to_string()).bind(shard.column());
    let query = frames.iter().fold(query, |query, frame| query.bind(frame.0.to_vec()));
    let rows = query.fetch_all(&mut *conn).await?;
    let side = |row: &sqlx::any::AnyRow| {
        let side = SideRow { states: row.try_get(1)?, codes: row.try_get(2)?, checksum: row.try_get(3)? };
        let campaign: Option<Vec<u8>> = row.try_get(4)?;
        Ok((id_column(row.try_get(0)?)?, (side, campaign.map(id_column).transpose()?)))
    };
    rows.iter().map(side).collect()
}

/// The shards of those of `frames` that are stored.
pub async fn shards(conn: &mut AnyConnection, frames: &[Id]) -> Result<HashMap<Id, Shard>> {
    let mut found = HashMap::with_capacity(frames.len());
    for frames in many::pieces(conn, frames, 1) {
        let values = many::values(0, frames.len(), 1);
        let text = format!("SELECT frame, lane, shard FROM dispatch_side WHERE frame IN (VALUES {values})");
        let query = frames.iter().fold(many::query(text), |query, frame| query.bind(frame.0.to_vec()));
        for row in query.fetch_all(&mut *conn).await? {
            let (lane, no): (String, i64) = (row.try_get(1)?, row.try_get(2)?);
            found.insert(id_column(row.try_get(0)?)?, Shard::new(&lane, no as u16));
        }
    }
    Ok(found)
}

/// Cancels what is pending in a few frames of a campaign after `after`, leaving out those in `held`; answers the last
/// place looked at, or `None` at the end.
pub async fn cancel_some(
    conn: &mut AnyConnection,
    shard: &Shard,
    campaign: Id,
    after: i64,
    held: &std::collections::HashSet<Id>,
    fence: i64,
    now: Millis,
) -> Result<Option<i64>> {
    let rows = sqlx::query(
        "SELECT frame, seq, states, codes, checksum FROM dispatch_side
         WHERE campaign = $1 AND lane = $2 AND shard = $3 AND open = 1 AND seq > $4 ORDER BY seq LIMIT 200",
    )
    .bind(campaign.0.to_vec())
    .bind(shard.lane.to_string())
    .bind(shard.column())
    .bind(after)
    .fetch_all(&mut *conn)
    .await?;
    let mut last = None;
    let mut sides = Vec::new();
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
        sides.push(SideSave::of(id, &side));
    }
    update_sides(conn, &sides, fence, now).await?;
    let mut script = Script::on(conn);
    for table in ["dispatch_chunk", "dispatch_retry"] {
        let text =
            |before, rows| format!("DELETE FROM {table} WHERE frame IN (VALUES {})", many::values(before, rows, 1));
        let bind = |bound: &mut Bound, side: &SideSave| {
            bound.bind(side.frame.0.to_vec());
        };
        script.add(&sides, 1, text, bind).await?;
    }
    script.end().await?;
    Ok(last)
}
