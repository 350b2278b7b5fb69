//! Which messages go next: the oldest whose key is free, most urgent purpose first, from one frame at a time.

use super::{Action, Chunk, ChunkKey, Group, Lane, Now, Open, SINGLES_MAX};
use crate::side::State;

/// Requests that may be marked ahead of their start, so that a start never waits for a commit.
const AHEAD: usize = 64;
/// Frames looked at in one go: bounds a step when everything there is waits.
const LOOKS_MAX: usize = 64;

impl Lane {
    pub(super) fn choose(&mut self, now: Now, actions: &mut Vec<Action>) {
        let (ahead, batch) = self.ahead();
        while self.unsent < ahead && self.options.pace.blocked_until() <= now.mono + 500_000 {
            let size = batch.min(self.day_left(now));
            if size == 0 {
                return;
            }
            let found = (0..self.queues.len()).find_map(|priority| self.choose_from(now, priority, size));
            let Some((no, group)) = found else { return };
            self.begin_chunk(no, group, actions);
        }
    }

    /// How many requests may be marked ahead, and how many messages a mark covers: together at most half a second.
    fn ahead(&self) -> (usize, usize) {
        let half_second = self.options.pace.singles_max();
        if self.options.batch_max == 1 {
            let ahead = self.options.in_flight_max.max(AHEAD).min(half_second);
            return (ahead, SINGLES_MAX.min(half_second));
        }
        let size = self.options.batch_max.min(self.options.pace.batch_max());
        (self.options.in_flight_max.min(AHEAD).min(half_second).max(1), size)
    }

    fn day_left(&self, now: Now) -> usize {
        let Some(max) = self.options.per_day_max else { return usize::MAX };
        let used = if naru_core::clock::seoul_day(now.wall) == self.day { self.day_used } else { 0 };
        usize::try_from(max.saturating_sub(used)).unwrap_or(usize::MAX)
    }

    fn choose_from(&mut self, now: Now, priority: usize, size: usize) -> Option<(u32, Group)> {
        self.choose_ready(now, priority, size).or_else(|| self.choose_new(now, priority, size))
    }

    /// Slots that waited for an earlier message or for a retry: older than anything that nobody looked at.
    fn choose_ready(&mut self, now: Now, priority: usize, size: usize) -> Option<(u32, Group)> {
        for _ in 0..self.queues[priority].ready.len().min(LOOKS_MAX) {
            let no = self.queues[priority].ready.pop_front()?;
            let Some(open) = self.frames.get_mut(&no) else { continue };
            if open.campaign.is_some_and(|campaign| self.paused_campaigns.contains(&campaign)) {
                self.queues[priority].ready.push_back(no);
                continue;
            }
            let Some(mut group) = open.ready.pop_front() else {
                open.in_ready = false;
                continue;
            };
            if group.slots.len() > size {
                let rest = group.slots.split_off(size);
                self.put_back(no, rest, &group);
            }
            self.forget_row(no, &group);
            let slots = std::mem::take(&mut group.slots);
            group.slots = slots.into_iter().filter(|slot| self.may_start(now, no, *slot)).collect();
            let more = self.frames.get_mut(&no).is_some_and(|open| {
                open.in_ready = !open.ready.is_empty();
                open.in_ready
            });
            if more {
                self.queues[priority].ready.push_front(no);
            }
            if !group.slots.is_empty() {
                return Some((no, group));
            }
        }
        None
    }

    /// The part of a group that is too large for one chunk: it keeps its place, and its retry row, under its own name.
    fn put_back(&mut self, no: u32, rest: Vec<u16>, group: &Group) {
        let Some(open) = self.frames.get_mut(&no) else { return };
        let row = group.row.map(|_| rest[0]);
        if row.is_some() {
            let retry = super::Retry { slots: rest.clone(), due_at: 0, attempt: group.attempt, tries: group.tries };
            self.next.retries.push((open.id, retry));
        }
        open.ready.push_front(Group { slots: rest, attempt: group.attempt, tries: group.tries, row });
    }

    fn forget_row(&mut self, no: u32, group: &Group) {
        if let (Some(first), Some(open)) = (group.row, self.frames.get(&no)) {
            self.next.retry_gone(open.id, first);
        }
    }

    /// Whether a slot that holds its key can start; one that cannot gives the key back.
    fn may_start(&mut self, now: Now, no: u32, slot: u16) -> bool {
        let Some(open) = self.frames.get(&no) else { return false };
        if open.side.state(slot) != State::Pending {
            // A report came first: nothing to send, the key is freed with the next save.
            self.ending.push((no, slot));
            self.make_dirty(no);
            return false;
        }
        if open.is_expired(slot, now) {
            self.end(no, slot, State::Expired, "expired");
            return false;
        }
        true
    }

    fn choose_new(&mut self, now: Now, priority: usize, size: usize) -> Option<(u32, Group)> {
        if self.queues[priority].is_stalled() {
            return None;
        }
        for _ in 0..LOOKS_MAX {
            let no = *self.queues[priority].scan.front()?;
            let slots = self.look_at(now, no, size);
            let Some(open) = self.frames.get(&no) else {
                self.queues[priority].scan.pop_front();
                continue;
            };
            if open.cursor >= open.side.count() {
                self.queues[priority].scan.pop_front();
                // A frame of which nothing was left to look at, such as one whose reports came first.
                self.forget_if_done(no);
            }
            if !slots.is_empty() {
                return Some((no, Group { slots, attempt: 0, tries: 0, row: None }));
            }
        }
        None
    }

    /// Goes through slots that nobody looked at until `size` can start.
    fn look_at(&mut self, now: Now, no: u32, size: usize) -> Vec<u16> {
        let Some(open) = self.frames.get_mut(&no) else { return Vec::new() };
        let keys = &mut self.queues[open.priority].keys;
        let mut slots = Vec::with_capacity(size.min(open.side.count() - open.cursor));
        let mut expired = Vec::new();
        while slots.len() < size && open.cursor < open.side.count() {
            let slot = open.cursor as u16;
            open.cursor += 1;
            let under_way = open.under_way.get(usize::from(slot)).copied().unwrap_or(false);
            if under_way || open.side.state(slot) != State::Pending || !keys.take(open.key(slot), (no, slot)) {
                continue;
            }
            if open.is_expired(slot, now) { expired.push(slot) } else { slots.push(slot) }
        }
        expired.into_iter().for_each(|slot| self.end(no, slot, State::Expired, "expired"));
        slots
    }

    fn begin_chunk(&mut self, no: u32, group: Group, actions: &mut Vec<Action>) {
        let Some(open) = self.frames.get_mut(&no) else { return };
        open.chunks += 1;
        let key = ChunkKey { frame: open.id, first: group.slots[0], attempt: group.attempt };
        let chunk = Chunk {
            no,
            priority: open.priority,
            open: group.slots.clone(),
            tries: group.tries,
            unsent: Default::default(),
            started_at: 0,
            deadline: 0,
            doubt: Vec::new(),
            resolves: 0,
            why: String::new(),
            ghost: 0,
            changed: false,
        };
        self.chunks.insert(key, chunk);
        self.unsent += 1;
        actions.push(Action::Ask { chunk: key, slots: group.slots, priority: open.priority });
    }
}

impl Open {
    fn is_expired(&self, slot: u16, now: Now) -> bool {
        self.expires.get(usize::from(slot)).is_some_and(|at| *at <= now.wall)
    }
}
