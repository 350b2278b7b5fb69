//! Receipts: what providers report later. Stored before they are acknowledged, merged afterwards.
//!
//! They come one at a time or a thousand, late, doubled, out of order, before our own outcome is stored, and for ids
//! that were never ours. All that wait are packed into one receipt frame and one commit; the lane that owns the frames
//! merges them, at most once a second a frame, and a state only moves forward.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use futures_util::future::BoxFuture;
use naru_core::clock::Clock;
use naru_core::failure::{Failure, Kind};
use naru_core::id::Id;
use naru_core::lifecycle::Lifecycle;
use naru_core::metric::Series;
use naru_store::{Result, Store};
use sqlx::Row;
use tokio::sync::{mpsc, oneshot};

use crate::config::LaneConfig;
use crate::message::MessageId;
use crate::provider::{Report, ReportEnd};
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

/// Lanes that merge, by name.
pub type Mergers = Arc<RwLock<HashMap<String, mpsc::Sender<Stored>>>>;

/// Stores receipts and passes them on.
pub struct Receipts {
    calls: mpsc::Sender<Call>,
    lanes: HashMap<String, LaneConfig>,
    unknown: Series,
}

struct Call {
    lane: String,
    ends: Vec<End>,
    answer: oneshot::Sender<std::result::Result<(), Failure>>,
}

impl Receipts {
    /// Starts the task that stores.
    pub fn start(
        store: Store,
        clock: Arc<dyn Clock>,
        lifecycle: &Lifecycle,
        lanes: HashMap<String, LaneConfig>,
        mergers: Mergers,
        unknown: Series,
    ) -> Receipts {
        let (calls, receiver) = mpsc::channel(WAITING_MAX);
        lifecycle.spawn("receipts", work(store, clock, mergers, receiver));
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

async fn work(store: Store, clock: Arc<dyn Clock>, mergers: Mergers, mut calls: mpsc::Receiver<Call>) {
    let mut group = Vec::with_capacity(CALLS_MAX);
    while calls.recv_many(&mut group, CALLS_MAX).await > 0 {
        let mut by_lane: HashMap<String, (Vec<End>, Vec<oneshot::Sender<_>>)> = HashMap::new();
        for call in group.drain(..) {
            let (ends, answers) = by_lane.entry(call.lane).or_default();
            ends.extend(call.ends);
            answers.push(call.answer);
        }
        for (lane, (ends, answers)) in by_lane {
            let row = Id::new(clock.now_ms());
            let stored = insert(&store, row, &lane, &ends, clock.now_ms()).await.map_err(Failure::from);
            answers.into_iter().for_each(|answer| drop(answer.send(stored.clone())));
            let merger = mergers.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(&lane).cloned();
            if let (Ok(()), Some(merger)) = (stored, merger) {
                // A lane that is gone reads its rows from the store when it comes back.
                let _ = merger.send(Stored { row, ends }).await;
            }
        }
    }
}

async fn insert(store: &Store, row: Id, lane: &str, ends: &[End], now: i64) -> Result<()> {
    let body = pack(ends);
    let lane = lane.to_owned();
    store
        .write(move |conn| {
            let (body, lane) = (body.clone(), lane.clone());
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO dispatch_receipt (id, lane, received_at, body) VALUES ($1, $2, $3, $4)
                     ON CONFLICT DO NOTHING",
                )
                .bind(row.0.to_vec())
                .bind(lane)
                .bind(now)
                .bind(body)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
}

/// Receipts of `lane` that an earlier life stored and did not merge, oldest first.
pub async fn unmerged(store: &Store, lane: &str, limit: i64, after: Id) -> Result<Vec<Stored>> {
    let rows = sqlx::query("SELECT id, body FROM dispatch_receipt WHERE lane = $1 AND id > $2 ORDER BY id LIMIT $3")
        .bind(lane)
        .bind(after.0.to_vec())
        .bind(limit)
        .fetch_all(store.reader())
        .await?;
    rows.iter()
        .map(|row| {
            let id = crate::rows::id_column(row.try_get(0)?)?;
            let ends = unpack(&row.try_get::<Vec<u8>, _>(1)?).unwrap_or_else(|| {
                tracing::error!(receipt.row = %id, "a stored receipt is damaged and is left out");
                Vec::new()
            });
            Ok(Stored { row: id, ends })
        })
        .collect()
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
