//! What is stored, one commit at a time, and what follows from its being stored.

use naru_core::clock::{Micros, Millis};
use naru_core::id::Id;

use super::{Action, ChunkKey, Lane, Now, Retry, Saving};
use crate::account::Account;
use crate::side::{Side, SideRow, State};

/// What was marked starts at most this much later than its save was given out: with the 1,005 ms that a provider's
/// second is to us this is the 1.5 s for which an owner keeps still after the last mark of the one before it.
const START_WITHIN_US: Micros = 495_000;
/// Time to start at least, however long the commit took: a slow store makes a lane slow, it does not stop it.
const START_WITHIN_MIN_US: Micros = 100_000;
/// From a mark until its last request is on its way, and from a request's time-out until its runner has given up on it.
const GRACE_MS: Millis = 2_000;
/// How long a runner may go on after a request's time-out.
const GIVE_UP_US: Micros = 1_000_000;
/// A commit that took longer does not make the next deadline later still.
const COMMIT_MAX_US: Micros = 30_000_000;
/// Outcomes that nothing waits for are stored together with those of the next moments: a slow lane's commits cost more
/// than its sends. Whoever dies meanwhile leaves that much more in doubt, as if its commit had been slow.
const GATHER_US: Micros = 10_000;
/// While requests are on their way anyway, this long is waited also where something waits: what a busy lane stores, frees
/// and sends comes in larger pieces then, and fewer.
const GATHER_BUSY_US: Micros = 2_000;

/// What one commit stores.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Save {
    /// Started marks.
    pub marks: Vec<Mark>,
    /// States of frames.
    pub sides: Vec<SideSave>,
    /// Chunks that ended.
    pub ended: Vec<ChunkKey>,
    /// Chunks of which some slots are still open.
    pub left: Vec<(ChunkKey, Vec<u16>)>,
    /// Retries to come.
    pub retries: Vec<(Id, Retry)>,
    /// Retry rows that are over, by frame and first slot; removed before `retries` are written.
    pub retries_gone: Vec<(Id, u16)>,
    /// The day of each outlet and the messages started in it, with every mark: whoever stores it stores the moment too,
    /// after which a new owner keeps still.
    pub days: Vec<Day>,
}

impl Save {
    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
            && self.sides.is_empty()
            && self.ended.is_empty()
            && self.left.is_empty()
            && self.retries.is_empty()
            && self.retries_gone.is_empty()
            && self.days.is_empty()
    }

    /// Removes a retry row, also one that this very save would have written.
    pub(super) fn retry_gone(&mut self, frame: Id, first: u16) {
        self.retries.retain(|(id, retry)| *id != frame || retry.slots[0] != first);
        self.retries_gone.push((frame, first));
    }
}

/// What an outlet has sent in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// The outlet.
    pub outlet: usize,
    /// The day.
    pub day: i64,
    /// Messages started in it.
    pub used: u64,
}

/// A started mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The chunk.
    pub key: ChunkKey,
    /// The outlet it leaves by.
    pub outlet: usize,
    /// Whether each slot is a request of its own.
    pub single: bool,
    /// Its slots.
    pub slots: Vec<u16>,
    /// Tries that count so far.
    pub tries: u16,
    /// When.
    pub started_at: Millis,
    /// After this no request of it is on its way.
    pub deadline: Millis,
}

/// One frame's states as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideSave {
    /// The frame.
    pub frame: Id,
    /// The row.
    pub row: SideRow,
    /// Its counts.
    pub account: Account,
}

impl SideSave {
    /// The states of `frame` as they are now.
    pub fn of(frame: Id, side: &Side) -> SideSave {
        SideSave { frame, row: side.row(), account: side.account() }
    }
}

impl Lane {
    /// One save at a time: while it is committed the next one gathers.
    pub(super) fn save(&mut self, now: Now, actions: &mut Vec<Action>) {
        if self.saving.is_some() || !self.has_changed() {
            return;
        }
        self.changed_at.get_or_insert(now.mono);
        if self.save_due_at().is_some_and(|at| at > now.mono) {
            return;
        }
        (self.changed_at, self.urgent) = (None, false);
        let mut save = std::mem::take(&mut self.next);
        let frames = std::mem::take(&mut self.dirty);
        for no in &frames {
            if let Some(open) = self.frames.get_mut(no) {
                (open.dirty, open.saving) = (false, true);
                save.sides.push(SideSave::of(open.id, &open.side));
            }
        }
        for key in std::mem::take(&mut self.changed) {
            if let Some(chunk) = self.chunks.get_mut(&key) {
                chunk.changed = false;
                save.left.push((key, chunk.open.clone()));
            }
        }
        // A commit as slow as the last one must leave time to start.
        let grace_ms = GRACE_MS + (self.commit_us.min(COMMIT_MAX_US) / 500) as Millis;
        save.marks.retain_mut(|mark| {
            let Some(chunk) = self.chunks.get_mut(&mark.key) else { return false };
            let outlet = &self.outlets[mark.outlet];
            let repeat = chunk.resolves > 0;
            if !repeat {
                chunk.started_at = now.wall;
            }
            if !(repeat && outlet.asks_about_doubts()) {
                chunk.deadline = now.wall + outlet.options.timeout_ms as Millis + grace_ms;
            }
            mark.slots.clone_from(&chunk.open);
            (mark.started_at, mark.deadline) = (chunk.started_at, chunk.deadline);
            true
        });
        self.saving = Some(Saving {
            marks: save.marks.iter().map(|mark| mark.key).collect(),
            ended: std::mem::take(&mut self.ending),
            frames,
            at: now.mono,
            start_by_max: now.mono + grace_ms as Micros * 1_000 - GIVE_UP_US,
        });
        if planted!(SendBeforeMark) {
            let start_by = now.mono + START_WITHIN_US;
            for mark in &save.marks {
                if let Some(chunk) = self.chunks.get_mut(&mark.key) {
                    chunk.start_by = start_by;
                    self.outlets[mark.outlet].start[chunk.priority].push_back(mark.key);
                }
            }
        }
        actions.push(Action::Save(save));
    }

    /// When what changed is stored: soon where a start or a later message of a key waits for it, and at once where nothing
    /// else would bring more.
    pub(super) fn save_due_at(&self) -> Option<Micros> {
        let changed_at = self.changed_at?;
        let urgent = self.urgent || !self.next.marks.is_empty();
        let flies = self.outlets.iter().any(|outlet| outlet.in_flight > outlet.ghosts);
        let gather_us = match (urgent, flies) {
            _ if self.stopped => 0,
            (false, _) => GATHER_US,
            (true, true) => GATHER_BUSY_US,
            (true, false) => 0,
        };
        Some(changed_at + gather_us)
    }

    pub(super) fn saved(&mut self, now: Now) {
        let Some(saving) = self.saving.take() else { return };
        self.commit_us = now.mono - saving.at;
        let start_by = (saving.at + START_WITHIN_US).max(now.mono + START_WITHIN_MIN_US).min(saving.start_by_max);
        for key in saving.marks {
            let Some(chunk) = self.chunks.get_mut(&key) else { continue };
            let Some(outlet) = chunk.outlet.and_then(|outlet| self.outlets.get_mut(outlet)) else { continue };
            let left_ms = outlet.repeats_until(chunk.started_at).saturating_sub(now.wall).max(0) as Micros;
            let repeat_by =
                if chunk.resolves > 0 { now.mono.saturating_add(left_ms.saturating_mul(1_000)) } else { start_by };
            outlet.start[chunk.priority].push_back(key);
            chunk.start_by = start_by.min(repeat_by);
        }
        for (no, slot) in saving.ended {
            self.release(no, slot);
        }
        for no in saving.frames {
            if let Some(open) = self.frames.get_mut(&no) {
                open.saving = false;
            }
            self.forget_if_done(no);
        }
    }

    /// Frees the key of a message whose end is stored; the next of the key becomes ready.
    fn release(&mut self, no: u32, slot: u16) {
        let Some(open) = self.frames.get_mut(&no) else { return };
        open.ending -= 1;
        self.let_pass(no, slot);
    }

    /// Passes a message's key on to the next that waits for it.
    pub(super) fn let_pass(&mut self, no: u32, slot: u16) {
        let Some(open) = self.frames.get(&no) else { return };
        let (priority, key) = (open.priority, open.key(slot));
        while let Some((next_no, next_slot)) = self.queues[priority].keys.release(key) {
            let Some(next) = self.frames.get_mut(&next_no) else { continue };
            if next.side.state(next_slot) != State::Pending {
                continue;
            }
            next.make_ready(next_slot);
            return self.line_up(next_no);
        }
    }

    /// Puts a frame with ready groups among those that are chosen from.
    pub(super) fn line_up(&mut self, no: u32) {
        let Some(open) = self.frames.get_mut(&no) else { return };
        if !open.in_ready && !open.ready.is_empty() {
            open.in_ready = true;
            self.queues[open.priority].ready.push_back(no);
        }
    }
}
