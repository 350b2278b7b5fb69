//! The store, as far as a lane sees it: what was committed and nothing else. Follows the engine's statements.

use std::collections::{BTreeMap, HashMap, HashSet};

use naru_core::clock::Millis;
use naru_core::id::Id;
use naru_dispatch::lane::{ChunkKey, Doubt, Loaded, Retry, Save};
use naru_dispatch::side::{Side, SideRow, State};

pub type SlotEnd = (u16, State, String);
pub type End = (Id, SlotEnd);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Campaign {
    Running,
    Paused,
    Cancelled,
}

pub struct FrameRow {
    pub seq: i64,
    pub priority: usize,
    pub campaign: Option<usize>,
    pub keys: Vec<u64>,
    pub expires: Vec<Millis>,
    pub side: SideRow,
}

#[derive(Clone)]
pub struct ChunkRow {
    pub outlet: usize,
    pub single: bool,
    pub slots: Vec<u16>,
    pub tries: u16,
    pub started_at: Millis,
    pub deadline: Millis,
}

#[derive(Default)]
pub struct Disk {
    pub frames: HashMap<Id, FrameRow>,
    pub order: BTreeMap<i64, Id>,
    pub chunks: BTreeMap<ChunkKey, ChunkRow>,
    pub retries: BTreeMap<(Id, u16), Retry>,
    /// Receipts that are stored and not merged.
    pub receipts: BTreeMap<u64, Vec<End>>,
    pub campaigns: Vec<Campaign>,
    pub lane_paused: bool,
    /// Of each outlet.
    pub pace: [Pace; 2],
}

#[derive(Clone, Copy, Default)]
pub struct Pace {
    pub day: i64,
    pub day_used: u64,
    pub marked_at: Millis,
}

impl Disk {
    pub fn insert(&mut self, id: Id, row: FrameRow) {
        self.order.insert(row.seq, id);
        self.frames.insert(id, row);
    }

    pub fn side(&self, frame: &Id) -> Side {
        Side::read(&self.frames[frame].side).expect("the checksum fits")
    }

    pub fn state(&self, frame: &Id, slot: u16) -> State {
        State::ALL[usize::from(self.frames[frame].side.states[usize::from(slot)])]
    }

    pub fn is_open(&self, frame: &Id) -> bool {
        self.frames[frame].side.states.contains(&(State::Pending as u8))
    }

    pub fn store(&mut self, save: &Save, now: Millis) {
        // Rows of one statement: none may be there twice.
        assert!(all_differ(save.marks.iter().map(|mark| mark.key)));
        assert!(all_differ(save.sides.iter().map(|side| side.frame)));
        assert!(all_differ(save.left.iter().map(|(key, _)| *key)));
        assert!(all_differ(save.retries.iter().map(|(frame, retry)| (*frame, retry.slots[0]))));
        for mark in &save.marks {
            let row = ChunkRow {
                outlet: mark.outlet,
                single: mark.single,
                slots: mark.slots.clone(),
                tries: mark.tries,
                started_at: mark.started_at,
                deadline: mark.deadline,
            };
            self.chunks.entry(mark.key).and_modify(|known| known.deadline = mark.deadline).or_insert(row);
        }
        assert!(all_differ(save.days.iter().map(|day| day.outlet)));
        for day in &save.days {
            self.pace[day.outlet] = Pace { day: day.day, day_used: day.used, marked_at: now };
        }
        for side in &save.sides {
            let row = self.frames.get_mut(&side.frame).expect("a lane saves states of stored frames");
            row.side = side.row.clone();
            assert_eq!(Side::read(&row.side).map(|read| read.account()), Some(side.account), "counts are the slots'");
            assert!(side.account.balances());
        }
        for (key, slots) in &save.left {
            if let Some(row) = self.chunks.get_mut(key) {
                row.slots.clone_from(slots);
            }
        }
        save.ended.iter().for_each(|key| drop(self.chunks.remove(key)));
        save.retries_gone.iter().for_each(|row| drop(self.retries.remove(row)));
        for (frame, retry) in &save.retries {
            self.retries.insert((*frame, retry.slots[0]), retry.clone());
        }
    }

    /// The next open frames of campaigns that run.
    pub fn claim(&self, priority: usize, after: i64, limit: usize) -> (Vec<Loaded>, bool) {
        let running =
            |row: &FrameRow| row.campaign.is_none_or(|campaign| self.campaigns[campaign] == Campaign::Running);
        let ids: Vec<Id> = self
            .order
            .range(after + 1..)
            .map(|(_, id)| *id)
            .filter(|id| self.frames[id].priority == priority && running(&self.frames[id]) && self.is_open(id))
            .take(limit)
            .collect();
        let more = ids.len() == limit;
        (ids.into_iter().map(|id| self.loaded(id, Vec::new(), Vec::new())).collect(), more)
    }

    /// The frames of which something is under way, whatever became of their campaigns.
    pub fn left_overs(&self, priority: usize) -> Vec<Loaded> {
        let started = self.chunks.keys().map(|key| key.frame);
        let frames: HashSet<Id> = self.retries.keys().map(|(frame, _)| *frame).chain(started).collect();
        let in_order = self.order.values().filter(|id| frames.contains(id) && self.frames[id].priority == priority);
        in_order.map(|id| self.loaded(*id, self.retries_of(id), self.doubts_of(id))).collect()
    }

    /// Every retry and every chunk of a frame: the slots of each.
    pub fn under_way(&self, frame: &Id) -> Vec<u16> {
        let doubts = self.doubts_of(frame).into_iter().map(|doubt| doubt.slots);
        self.retries_of(frame).into_iter().map(|retry| retry.slots).chain(doubts).flatten().collect()
    }

    fn retries_of(&self, frame: &Id) -> Vec<Retry> {
        self.retries.range((*frame, 0)..=(*frame, u16::MAX)).map(|(_, retry)| retry.clone()).collect()
    }

    fn doubts_of(&self, frame: &Id) -> Vec<Doubt> {
        let key = |first, attempt| ChunkKey { frame: *frame, first, attempt };
        let rows = self.chunks.range(key(0, 0)..=key(u16::MAX, u16::MAX));
        rows.map(|(key, row)| Doubt {
            key: *key,
            outlet: Some(row.outlet),
            single: Some(row.single),
            slots: row.slots.clone(),
            tries: row.tries,
            started_at: row.started_at,
            deadline: row.deadline,
        })
        .collect()
    }

    fn loaded(&self, id: Id, retries: Vec<Retry>, doubts: Vec<Doubt>) -> Loaded {
        let row = &self.frames[&id];
        Loaded {
            id,
            seq: row.seq,
            campaign: row.campaign.map(campaign_id),
            keys: row.keys.clone(),
            expires: row.expires.clone(),
            side: self.side(&id),
            retries,
            doubts,
        }
    }

    /// Merges receipts into a frame that the lane does not hold.
    pub fn merge(&mut self, frame: &Id, ends: &[SlotEnd]) {
        let mut side = self.side(frame);
        for (slot, state, code) in ends {
            side.advance(*slot, *state, code);
        }
        self.frames.get_mut(frame).expect("side read it").side = side.row();
    }

    /// Cancels what is pending in frames of a campaign that the lane does not hold.
    pub fn cancel_rest(&mut self, campaign: usize, held: &HashSet<Id>) {
        let mine = |id: &Id| self.frames[id].campaign == Some(campaign) && self.is_open(id) && !held.contains(id);
        let frames: Vec<Id> = self.order.values().copied().filter(mine).collect();
        for id in frames {
            let mut side = self.side(&id);
            let pending = (0..side.count() as u16).filter(|slot| side.state(*slot) == State::Pending);
            for slot in pending.collect::<Vec<u16>>() {
                side.advance(slot, State::Cancelled, "");
            }
            self.frames.get_mut(&id).expect("it was listed").side = side.row();
            self.chunks.retain(|key, _| key.frame != id);
            self.retries.retain(|(frame, _), _| *frame != id);
        }
    }
}

pub fn campaign_id(campaign: usize) -> Id {
    Id([campaign as u8 + 1; 16])
}

fn all_differ<T: Eq + std::hash::Hash>(mut all: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    all.all(|one| seen.insert(one))
}
