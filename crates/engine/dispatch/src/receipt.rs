//! Receipts: what providers report later. Stored before they are acknowledged, merged afterwards.
//!
//! They come one at a time or a thousand, late, doubled, out of order, before our own outcome is stored, and for ids
//! that were never ours. All that wait are packed into one receipt frame and one commit; the lane that owns the frames
//! merges them, at most once a second a frame, and a state only moves forward.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, RwLock};

use futures_util::future::BoxFuture;
use naru_core::clock::{Clock, Millis};
use naru_core::failure::{Failure, Kind};
use naru_core::id::Id;
use naru_core::lifecycle::Lifecycle;
use naru_core::metric::Series;
use naru_job::instance::Instance;
use naru_store::{Result, Store};
use sqlx::{AnyConnection, Row};
use tokio::sync::{mpsc, oneshot};

use crate::config::LaneConfig;
use crate::message::MessageId;
use crate::provider::{Report, ReportEnd};
use crate::rows;
use crate::shard::{Shard, Shards};
use crate::side::State;

/// Calls that may wait.
const WAITING_MAX: usize = 4_096;
/// Calls of one receipt frame.
const CALLS_MAX: usize = 1_024;

/// Where an adapter hands receipts to.
pub trait ReceiptSink: Send + Sync {
    /// Stores reports of one call; returns after they are on the disk.
    fn take<'a>(&'a self, lane: &'a str, reports: Vec<Report>) -> BoxFuture<'a, std::result::Result<(), Failure>>;

    /// The configuration of a lane, for the secret that proves a receipt.
    fn lane(&self, lane: &str) -> Option<LaneConfig>;
}

/// One slot's end, as merged.
pub type End = (MessageId, State, String);

/// A stored receipt frame on its way to its lane.
pub struct Stored {
    /// Its row, removed once merged.
    pub row: Id,
    /// What it says.
    pub ends: Vec<End>,
}

/// Shards that merge here.
pub type Mergers = Arc<RwLock<HashMap<Shard, mpsc::Sender<Stored>>>>;

/// Stores receipts and passes them on.
pub struct Receipts {
    calls: mpsc::Sender<Call>,
    lanes: HashMap<String, LaneConfig>,
    unknown: Series,
}

/// Where reports are stored.
#[derive(Clone)]
pub struct Desk {
    /// The database.
    pub store: Store,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Who stores.
    pub instance: Instance,
    /// How many shards each lane has.
    pub shards: Shards,
    /// Who merges here.
    pub mergers: Mergers,
}

struct Call {
    lane: String,
    ends: Vec<End>,
    answer: oneshot::Sender<std::result::Result<(), Failure>>,
}

impl Receipts {
    /// Starts the task that stores.
    pub fn start(desk: Desk, lifecycle: &Lifecycle, lanes: HashMap<String, LaneConfig>, unknown: Series) -> Receipts {
        let (calls, receiver) = mpsc::channel(WAITING_MAX);
        lifecycle.spawn("receipts", desk.work(receiver));
        Receipts { calls, lanes, unknown }
    }
}

impl ReceiptSink for Receipts {
    fn take<'a>(&'a self, lane: &'a str, reports: Vec<Report>) -> BoxFuture<'a, std::result::Result<(), Failure>> {
        Box::pin(async move {
            let count = reports.len();
            let ends: Vec<End> = reports.into_iter().filter_map(end).collect();
            self.unknown.add((count - ends.len()) as i64);
            if ends.is_empty() {
                return Ok(());
            }
            let (answer, answered) = oneshot::channel();
            let call = Call { lane: lane.to_owned(), ends, answer };
            self.calls.try_send(call).map_err(|_| Failure::new(Kind::TooMany, "receipts-full").retry_after(1))?;
            answered.await.map_err(|_| Failure::unavailable("receipts-stopped"))?
        })
    }

    fn lane(&self, lane: &str) -> Option<LaneConfig> {
        self.lanes.get(lane).cloned()
    }
}

fn end(report: Report) -> Option<End> {
    let id = report.reference.parse().ok()?;
    let (state, code) = match report.end {
        ReportEnd::Delivered => (State::Delivered, String::new()),
        ReportEnd::Failed => (State::Failed, report.code),
        ReportEnd::Expired => (State::Expired, report.code),
    };
    Some((id, state, code))
}

impl Desk {
    async fn work(self, mut calls: mpsc::Receiver<Call>) {
        let mut group = Vec::with_capacity(CALLS_MAX);
        while calls.recv_many(&mut group, CALLS_MAX).await > 0 {
            let mut by_lane: HashMap<String, (Vec<End>, Vec<oneshot::Sender<_>>)> = HashMap::new();
            for call in group.drain(..) {
                let (ends, answers) = by_lane.entry(call.lane).or_default();
                ends.extend(call.ends);
                answers.push(call.answer);
            }
            for (lane, (ends, answers)) in by_lane {
                let stored = self.store(&lane, ends).await.map_err(Failure::from);
                let told = stored.as_ref().map(drop).map_err(Clone::clone);
                answers.into_iter().for_each(|answer| drop(answer.send(told.clone())));
                for (shard, stored) in stored.into_iter().flatten() {
                    // A lane that is elsewhere, or comes back, reads its rows from the store.
                    self.pass_on(&shard, stored).await;
                }
            }
        }
    }

    /// Passes stored reports on to a lane that runs here; gives them back where it does not.
    pub async fn pass_on(&self, shard: &Shard, stored: Stored) -> Option<Stored> {
        let merger = self.mergers.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(shard).cloned();
        match merger {
            Some(merger) => merger.send(stored).await.err().map(|unsent| unsent.0),
            None => Some(stored),
        }
    }

    /// Stores reports, a row a shard.
    pub async fn store(&self, lane: &str, ends: Vec<End>) -> Result<Vec<(Shard, Stored)>> {
        let now = self.clock.now_ms();
        let rows: Vec<(Shard, Id, Vec<End>)> =
            self.by_shard(lane, ends).await?.into_iter().map(|(shard, ends)| (shard, Id::new(now), ends)).collect();
        let rows = Arc::new(rows);
        let (to_store, by) = (rows.clone(), self.instance.clone());
        let job = self.store.write(move |conn| {
            let (rows, by) = (to_store.clone(), by.clone());
            Box::pin(async move {
                for (shard, row, ends) in rows.iter() {
                    sqlx::query(
                        "INSERT INTO dispatch_receipt (id, lane, shard, stored_by, received_at, body)
                         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                    )
                    .bind(row.0.to_vec())
                    .bind(shard.lane.to_string())
                    .bind(shard.column())
                    .bind(by.name())
                    .bind(now)
                    .bind(pack(ends))
                    .execute(&mut *conn)
                    .await?;
                }
                Ok(())
            })
        });
        job.await?;
        let stored = |(shard, row, ends): (Shard, Id, Vec<End>)| (shard, Stored { row, ends });
        Ok(Arc::unwrap_or_clone(rows).into_iter().map(stored).collect())
    }

    /// Each shard's own; what is of no frame that is stored goes to the first, which counts it.
    async fn by_shard(&self, lane: &str, ends: Vec<End>) -> Result<Vec<(Shard, Vec<End>)>> {
        if self.shards.is_whole(lane) {
            return Ok(vec![(Shard::new(lane, 0), ends)]);
        }
        let frames: Vec<Id> = ends.iter().map(|(id, ..)| id.frame).collect::<HashSet<_>>().into_iter().collect();
        let shards = self.store.read(|conn| Box::pin(async move { rows::shards(conn, &frames).await })).await?;
        let mut by_shard: HashMap<Shard, Vec<End>> = HashMap::new();
        for end in ends {
            // An account reports on what may have left by it, and on nothing else.
            let mine = |shard: &&Shard| self.shards.may_meet(&shard.lane, lane);
            let shard = shards.get(&end.0.frame).filter(mine).cloned();
            by_shard.entry(shard.unwrap_or_else(|| Shard::new(self.shards.first(lane), 0))).or_default().push(end);
        }
        Ok(by_shard.into_iter().collect())
    }
}

/// Removes a row that was merged.
pub async fn remove(store: &Store, row: Id) -> Result<()> {
    let removed = store.write(move |conn| {
        Box::pin(async move {
            sqlx::query("DELETE FROM dispatch_receipt WHERE id = $1").bind(row.0.to_vec()).execute(conn).await?;
            Ok(())
        })
    });
    removed.await
}

/// Receipts of a shard that are stored and not merged, oldest first, after `after`; without those that `by` stored `since`
/// a moment, where it is said.
pub async fn unmerged(
    store: &Store,
    shard: &Shard,
    limit: i64,
    after: Id,
    without: Option<(&str, Millis)>,
) -> Result<Vec<Stored>> {
    let (by, since) = without.unwrap_or(("", Millis::MAX));
    let rows = sqlx::query(
        "SELECT id, body FROM dispatch_receipt
         WHERE lane = $1 AND shard = $2 AND id > $3 AND (stored_by <> $4 OR received_at < $6) ORDER BY id LIMIT $5",
    )
    .bind(shard.lane.to_string())
    .bind(shard.column())
    .bind(after.0.to_vec())
    .bind(by)
    .bind(limit)
    .bind(since)
    .fetch_all(store.reader())
    .await?;
    rows.iter()
        .map(|row| {
            let id = rows::id_column(row.try_get(0)?)?;
            let ends = unpack(&row.try_get::<Vec<u8>, _>(1)?).unwrap_or_else(|| {
                tracing::error!(receipt.row = %id, "a stored receipt is damaged and is left out");
                Vec::new()
            });
            Ok(Stored { row: id, ends })
        })
        .collect()
}

/// Rows of a shard that are looked through for one message: more wait only where nobody merges for minutes.
const LOOKED_AT: i64 = 64;

/// What receipts that wait say of one message, and when they came in.
pub async fn waiting(
    conn: &mut AnyConnection,
    lane: &str,
    shard: i64,
    id: MessageId,
) -> Result<Vec<(Millis, State, String)>> {
    let rows = sqlx::query(
        "SELECT received_at, body FROM dispatch_receipt WHERE lane = $1 AND shard = $2 ORDER BY id DESC LIMIT $3",
    );
    let rows = rows.bind(lane).bind(shard).bind(LOOKED_AT).fetch_all(conn).await?;
    let mut found = Vec::new();
    for row in rows.iter().rev() {
        let (received_at, body): (Millis, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
        let mine = unpack(&body).unwrap_or_default().into_iter().filter(|(of, ..)| *of == id);
        found.extend(mine.map(|(_, state, code)| (received_at, state, code)));
    }
    Ok(found)
}

/// One entry a receipt: frame and slot in 18 bytes, state in one, then the code.
fn pack(ends: &[End]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(ends.len() * 20);
    for (id, state, code) in ends {
        raw.extend_from_slice(&id.frame.0);
        raw.extend_from_slice(&id.slot.to_le_bytes());
        raw.push(*state as u8);
        let code = &code.as_bytes()[..code.len().min(255)];
        raw.push(code.len() as u8);
        raw.extend_from_slice(code);
    }
    raw
}

fn unpack(mut raw: &[u8]) -> Option<Vec<End>> {
    let mut ends = Vec::new();
    while !raw.is_empty() {
        let frame = Id::from_bytes(raw.get(..16)?)?;
        let slot = u16::from_le_bytes(raw.get(16..18)?.try_into().ok()?);
        let state = State::ALL.get(usize::from(*raw.get(18)?)).copied()?;
        let length = usize::from(*raw.get(19)?);
        let code = String::from_utf8_lossy(raw.get(20..20 + length)?).into_owned();
        ends.push((MessageId { frame, slot }, state, code));
        raw = &raw[20 + length..];
    }
    Some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_survive_storage() {
        let frame = Id::new(1_795_361_400_000);
        let ends = vec![
            (MessageId { frame, slot: 3 }, State::Delivered, String::new()),
            (MessageId { frame, slot: 999 }, State::Failed, "no-such-subscriber".to_owned()),
        ];
        assert_eq!(unpack(&pack(&ends)), Some(ends));
        assert_eq!(unpack(&[1, 2, 3]), None);
    }
}
