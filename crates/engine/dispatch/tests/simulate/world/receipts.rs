//! Receipts, stored and then merged as the engine does.

use std::collections::HashMap;

use naru_core::clock::Micros;
use naru_core::id::Id;
use naru_dispatch::lane::Event;

use super::{Happening, World};
use crate::disk::{End, SlotEnd};
use crate::plan::SECOND;

/// A frame is merged at most this often.
const MERGE_PACE: Micros = SECOND;

pub type ByFrame = HashMap<Id, Vec<SlotEnd>>;

impl World {
    pub(super) fn report(&mut self, end: End) {
        self.reports_left -= 1;
        self.receipts += 1;
        self.disk.receipts.insert(self.receipts, vec![end]);
        if self.lane.is_some() {
            self.merge.waiting.push(self.receipts);
        }
    }

    pub(super) fn merge_receipts(&mut self) {
        let now = self.clock();
        let saved = self.saves.1;
        let (ready, later) = std::mem::take(&mut self.merge.merged).into_iter().partition(|(save, _)| *save <= saved);
        self.merge.merged = later;
        let ready: Vec<(u64, Vec<u64>)> = ready;
        ready.into_iter().flat_map(|(_, rows)| rows).for_each(|row| drop(self.disk.receipts.remove(&row)));
        let Some(lane) = &mut self.lane else { return };
        if self.claims > 0 || self.merge.storing || self.merge.waiting.is_empty() || now.mono < self.merge.due {
            return;
        }
        self.merge.due = now.mono + MERGE_PACE;
        self.merge.merging = std::mem::take(&mut self.merge.waiting);
        let mut frames = ByFrame::new();
        for (frame, end) in self.merge.merging.iter().flat_map(|row| self.disk.receipts[row].clone()) {
            frames.entry(frame).or_default().push(end);
        }
        let (held, others): (ByFrame, ByFrame) = frames.into_iter().partition(|(frame, _)| lane.holds(frame));
        for (frame, ends) in held {
            *self.seen.entry("reported while held").or_default() += 1;
            lane.apply(now, Event::Reported { frame, ends });
        }
        self.merge.save_needed = self.saves.0 + u64::from(lane.has_changed());
        self.merge.storing = true;
        if others.is_empty() {
            return self.merge.stored();
        }
        let life = self.life;
        self.within(SECOND / 20, Happening::MergeStored { life, frames: others });
    }

    pub(super) fn merge_stored(&mut self, life: u64, frames: ByFrame) {
        if life != self.life {
            return;
        }
        for (frame, ends) in &frames {
            assert!(self.lane.as_ref().is_some_and(|lane| !lane.holds(frame)), "{frame} is changed by two");
            self.disk.merge(frame, ends);
        }
        self.merge.stored();
        let waiting = std::mem::take(&mut self.waiting_claims);
        waiting.into_iter().for_each(|action| self.act(action));
    }
}

/// As the engine's: gathers receipts and merges them once a second.
#[derive(Default)]
pub struct Merge {
    pub waiting: Vec<u64>,
    pub merging: Vec<u64>,
    pub storing: bool,
    pub merged: Vec<(u64, Vec<u64>)>,
    pub save_needed: u64,
    pub due: Micros,
}

impl Merge {
    pub(super) fn stored(&mut self) {
        self.storing = false;
        let rows = std::mem::take(&mut self.merging);
        if !rows.is_empty() {
            self.merged.push((self.save_needed, rows));
        }
    }
}
