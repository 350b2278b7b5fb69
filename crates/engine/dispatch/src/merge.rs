//! Merging stored receipts into states: gathered, then once a second, frame by frame.
//!
//! A frame that the lane holds is changed by the lane; any other is read, changed and written here, under the lane's
//! fence. A receipt row is removed only after everything it said is committed.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use naru_core::clock::{Micros, Millis};
use naru_core::id::Id;
use naru_core::lifecycle::Lifecycle;
use naru_store::script::{Bound, Script};
use naru_store::{Result, Store, many};
use sqlx::AnyConnection;

use crate::history::Tally;
use crate::lane::SideSave;
use crate::receipt::Stored;
use crate::rows;
use crate::shard::Shard;
use crate::side::{Side, State};

/// Receipts that may wait for their merge, about 60 bytes each.
const WAITING_MAX: usize = 200_000;
/// A frame is merged at most this often.
const PACE_US: Micros = 1_000_000;

/// What a receipt says of one slot.
type SlotEnd = (u16, State, String);
type ByFrame = HashMap<Id, Vec<SlotEnd>>;
type Work = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Option<Merged>>> + Send>> + Send>;

/// What a write of receipts came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Receipts of no frame.
    pub unknown: usize,
    /// Messages by the state they came to.
    pub moved: Tally,
}

/// Gathers receipts of one shard.
pub struct Merge {
    store: Store,
    shard: Shard,
    fence: i64,
    waiting: ByFrame,
    count: usize,
    rows: Vec<Id>,
    merging: Vec<Id>,
    storing: bool,
    /// Rows that may go once this many saves came back.
    merged: Vec<(u64, Vec<Id>)>,
    save_needed: u64,
    due: Micros,
}

impl Merge {
    /// Gathers for `shard`.
    pub fn new(store: Store, shard: Shard, fence: i64) -> Merge {
        Merge {
            store,
            shard,
            fence,
            waiting: HashMap::new(),
            count: 0,
            rows: Vec::new(),
            merging: Vec::new(),
            storing: false,
            merged: Vec::new(),
            save_needed: 0,
            due: 0,
        }
    }

    /// Whether more may be taken.
    pub fn has_room(&self) -> bool {
        self.count < WAITING_MAX
    }

    /// Takes a stored receipt frame.
    pub fn take(&mut self, stored: Stored) {
        self.count += stored.ends.len();
        self.rows.push(stored.row);
        for (id, state, code) in stored.ends {
            self.waiting.entry(id.frame).or_default().push((id.slot, state, code));
        }
    }

    /// Whether frames that the lane does not hold are being written.
    pub fn is_storing(&self) -> bool {
        self.storing
    }

    /// Whether nothing is under way; what waits is in the store and is read again at the next start.
    pub fn is_idle(&self) -> bool {
        !self.storing
    }

    /// Whether it is time.
    pub fn is_due(&self, now: Micros) -> bool {
        !self.storing && !self.rows.is_empty() && now >= self.due
    }

    /// Everything that waits, split into what the lane holds and what it does not.
    pub fn split(&mut self, now: Micros, held: impl Fn(&Id) -> bool) -> (ByFrame, ByFrame) {
        self.due = now + PACE_US;
        self.count = 0;
        self.storing = true;
        self.merging = std::mem::take(&mut self.rows);
        std::mem::take(&mut self.waiting).into_iter().partition(|(frame, _)| held(frame))
    }

    /// What the lane holds is committed with save number `save`.
    pub fn held_in(&mut self, save: u64) {
        self.save_needed = save;
    }

    /// The write of frames that the lane does not hold; answers `None` where the lane is not owned any more.
    pub fn store(&self, frames: ByFrame, now: Millis) -> Work {
        let (store, shard, fence) = (self.store.clone(), self.shard.clone(), self.fence);
        let frames: Arc<Vec<(Id, Vec<SlotEnd>)>> = Arc::new(frames.into_iter().collect());
        Box::new(move || {
            let (store, shard, frames) = (store.clone(), shard.clone(), frames.clone());
            Box::pin(async move {
                let job = store.write(move |conn| {
                    let (shard, frames) = (shard.clone(), frames.clone());
                    Box::pin(async move {
                        if !rows::hold_fence(conn, &shard, fence).await? {
                            return Ok(None);
                        }
                        let mut merged = Merged::default();
                        for frames in many::pieces(conn, &frames, 1) {
                            merge(conn, &shard, frames, fence, now, &mut merged).await?;
                        }
                        Ok(Some(merged))
                    })
                });
                job.await
            })
        })
    }

    /// The write is committed.
    pub fn stored(&mut self) {
        self.storing = false;
        let rows = std::mem::take(&mut self.merging);
        if !rows.is_empty() {
            self.merged.push((self.save_needed, rows));
        }
    }

    /// Removes rows whose every word is committed.
    pub fn forget_merged(&mut self, saves_done: u64, lifecycle: &Lifecycle) {
        let (ready, later) = std::mem::take(&mut self.merged).into_iter().partition(|(save, _)| *save <= saves_done);
        self.merged = later;
        let ready: Vec<(u64, Vec<Id>)> = ready;
        let rows: Vec<Id> = ready.into_iter().flat_map(|(_, rows)| rows).collect();
        if rows.is_empty() {
            return;
        }
        let (store, rows) = (self.store.clone(), Arc::new(rows));
        lifecycle.spawn("receipt rows removed", async move {
            let removed = store.write(move |conn| {
                let rows = rows.clone();
                Box::pin(async move {
                    let text = |before, rows| {
                        let rows = many::values(before, rows, 1);
                        format!("DELETE FROM dispatch_receipt WHERE id IN (VALUES {rows})")
                    };
                    let bind = |bound: &mut Bound, row: &Id| {
                        bound.bind(row.0.to_vec());
                    };
                    let mut script = Script::on(conn);
                    script.add(&rows, 1, text, bind).await?;
                    script.end().await
                })
            });
            if let Err(error) = removed.await {
                // They are merged again at the next start, which changes nothing.
                tracing::warn!(error = %error, "merged receipts could not be removed");
            }
        });
    }
}

/// Reads the states of a few frames and writes those that a receipt moved.
async fn merge(
    conn: &mut AnyConnection,
    shard: &Shard,
    frames: &[(Id, Vec<SlotEnd>)],
    fence: i64,
    now: Millis,
    merged: &mut Merged,
) -> Result<()> {
    let ids: Vec<Id> = frames.iter().map(|(id, _)| *id).collect();
    let stored = rows::sides(conn, &ids, shard).await?;
    let mut moved = Vec::new();
    for (id, ends) in frames {
        let Some((row, campaign)) = stored.get(id) else {
            merged.unknown += ends.len();
            continue;
        };
        let Some(mut side) = Side::read(row) else { continue };
        let mut changed = false;
        for (slot, state, code) in ends {
            if side.advance(*slot, *state, code) {
                merged.moved.entry(*campaign).or_default().add(*state, 1);
                changed = true;
            }
        }
        if changed {
            moved.push(SideSave::of(*id, &side));
        }
    }
    rows::update_sides(conn, &moved, fence, now).await
}
