//! From a chosen chunk to requests on their way: consent, the mark, the start at the provider's pace.

use std::collections::{BTreeMap, HashSet};

use naru_core::clock::{Micros, Millis, seoul_day};
use naru_core::id::Id;

use super::frames::requests;
use super::{Action, Chunk, ChunkKey, Lane, Mark, Now, Unsent};
use crate::consent::Permit;
use crate::provider::Level;
use crate::side::State;

/// What consent holds back is asked about again after this at the soonest: no answer of it makes the lane spin.
const HOLD_MIN_MS: Millis = 1_000;

impl Lane {
    pub(super) fn asked(&mut self, now: Now, key: ChunkKey, denied: Vec<(u16, Permit)>) {
        let Some(chunk) = self.chunks.get_mut(&key) else { return };
        let (no, tries, row, open) = (chunk.no, chunk.tries, chunk.row, chunk.open.clone());
        self.uncount_unsent(open.len());
        self.asking -= open.len();
        // Gone with the mark, or with the row that comes instead of it: never before, or an attempt would be forgotten.
        if let Some(first) = row {
            self.next.retry_gone(key.frame, first);
        }
        if self.is_kept_back(no) {
            // What consent said no longer matters: all of it waits until it is let go, or ends if it was cancelled.
            self.drop_chunk(&key);
            return self.retry(no, open, now.wall, key.attempt, tries);
        }
        let gone: HashSet<u16> = denied.iter().filter(|(_, p)| *p != Permit::Send).map(|(slot, _)| *slot).collect();
        let left: Vec<u16> = open.into_iter().filter(|slot| !gone.contains(slot)).collect();
        let mut held: BTreeMap<Millis, Vec<u16>> = BTreeMap::new();
        for (slot, permit) in denied {
            match permit {
                Permit::Send => {}
                Permit::Suppress(code) => self.end(no, slot, State::Suppressed, code),
                Permit::Hold(until) => held.entry(until.max(now.wall + HOLD_MIN_MS)).or_default().push(slot),
            }
        }
        for (until, slots) in held {
            self.retry(no, slots, until, key.attempt, tries);
        }
        if left.is_empty() { self.drop_chunk(&key) } else { self.mark(now, key, left) }
    }

    fn mark(&mut self, now: Now, key: ChunkKey, slots: Vec<u16>) {
        self.count_unsent(slots.len());
        self.count_day(now, slots.len());
        let single = self.options.batch_max == 1;
        let Some(chunk) = self.chunks.get_mut(&key) else { return };
        chunk.open.clone_from(&slots);
        chunk.unsent = requests(single, &slots);
        chunk.day = self.day;
        // The times are filled in when it goes into a save.
        self.next.marks.push(Mark { key, slots, tries: chunk.tries, started_at: 0, deadline: 0 });
    }

    /// Marks a chunk anew before its requests in doubt are made again or asked about.
    pub(super) fn repeat(&mut self, now: Now, key: ChunkKey, requests: Vec<Vec<u16>>) {
        let asks = self.asks_about_doubts();
        let Some(chunk) = self.chunks.get_mut(&key) else { return };
        let messages: usize = if asks { 0 } else { requests.iter().map(Vec::len).sum() };
        self.unsent.requests += requests.len();
        self.unsent.messages += messages;
        chunk.repeats.extend(requests);
        let (slots, tries) = (chunk.open.clone(), chunk.tries);
        // One is enough for all requests of the chunk; its times and slots are filled in when it goes into a save.
        if self.next.marks.iter().all(|mark| mark.key != key) {
            self.next.marks.push(Mark { key, slots, tries, started_at: chunk.started_at, deadline: chunk.deadline });
        }
        // What was counted today is not counted again: at most one of the two is taken.
        let counted = chunk.day == seoul_day(now.wall);
        self.count_day(now, if counted { 0 } else { messages });
        if let Some(chunk) = self.chunks.get_mut(&key) {
            chunk.day = self.day;
        }
    }

    pub(super) fn start_requests(&mut self, now: Now, actions: &mut Vec<Action>) {
        // What came too late is taken back in every queue, also behind a more urgent one that waits.
        let fronts: Vec<usize> =
            (0..self.queues.len()).filter(|queue| self.next_chunk(now, *queue).is_some()).collect();
        for priority in fronts {
            while let Some((chunk, messages)) = self.next_chunk(now, priority) {
                if self.in_flight >= self.in_flight_max() || self.options.pace.ready_at(messages) > now.mono {
                    return;
                }
                let Some(slots) = self.chunks.get_mut(&chunk).and_then(Chunk::take_request) else { break };
                self.options.pace.start(now.mono, messages);
                self.in_flight += 1;
                self.unsent.requests -= 1;
                self.unsent.messages -= messages;
                self.more_ahead();
                let ask = messages == 0;
                actions.push(if ask { Action::Lookup { chunk, slots } } else { Action::Send { chunk, slots } });
            }
        }
    }

    /// The first marked chunk with requests to start, and how many messages its next one carries. Those that may not
    /// start any more under the mark they have, or were counted in a day that is over, are taken back.
    fn next_chunk(&mut self, now: Now, priority: usize) -> Option<(ChunkKey, usize)> {
        let today = self.options.per_day_max.map(|_| seoul_day(now.wall));
        loop {
            let key = *self.queues[priority].start.front()?;
            let messages = self.next_messages(&key);
            let good = |chunk: &Chunk| now.mono < chunk.start_by && today.is_none_or(|today| today <= chunk.day);
            if let Some(messages) = messages.filter(|_| self.chunks.get(&key).is_some_and(good)) {
                return Some((key, messages));
            }
            self.queues[priority].start.pop_front();
            if messages.is_some() {
                self.less_ahead();
                self.give_back(now, key);
                self.repeat_again(now, key);
            }
        }
    }

    fn repeat_again(&mut self, now: Now, key: ChunkKey) {
        let asks = self.asks_about_doubts();
        let Some(chunk) = self.chunks.get_mut(&key) else { return };
        let requests: Vec<Vec<u16>> = chunk.repeats.drain(..).collect();
        if requests.is_empty() {
            return;
        }
        self.unsent.requests -= requests.len();
        self.unsent.messages -= if asks { 0 } else { requests.iter().map(Vec::len).sum() };
        self.resolve(now, key, requests);
    }

    /// How many messages the next request of a chunk carries; none where it asks about an earlier one.
    fn next_messages(&self, key: &ChunkKey) -> Option<usize> {
        let chunk = self.chunks.get(key)?;
        let repeat = || chunk.repeats.front().map(|slots| if self.asks_about_doubts() { 0 } else { slots.len() });
        chunk.unsent.front().map(Vec::len).or_else(repeat)
    }

    pub(super) fn next_start_at(&self) -> Option<Micros> {
        let key = self.queues.iter().find_map(|queue| queue.start.front())?;
        let messages = self.next_messages(key).filter(|_| self.in_flight < self.in_flight_max())?;
        Some(self.options.pace.ready_at(messages))
    }

    /// Whether the provider is asked about a doubt, and does not get it again.
    pub(super) fn asks_about_doubts(&self) -> bool {
        matches!(self.options.level, Level::Lookup { .. } | Level::TwoPhase { .. })
    }

    pub(super) fn count_unsent(&mut self, messages: usize) {
        self.unsent.requests += self.requests_of(messages);
        self.unsent.messages += messages;
    }

    pub(super) fn uncount_unsent(&mut self, messages: usize) {
        self.unsent = Unsent {
            requests: self.unsent.requests - self.requests_of(messages),
            messages: self.unsent.messages - messages,
        };
    }

    fn requests_of(&self, messages: usize) -> usize {
        if self.options.batch_max == 1 { messages } else { messages.min(1) }
    }

    /// What was counted and never left is taken back.
    pub(super) fn uncount_day(&mut self, day: i64, messages: usize) {
        if day == self.day {
            self.day_used = self.day_used.saturating_sub(messages as u64);
            self.next.day = Some((self.day, self.day_used));
        }
    }

    /// A clock that runs back over midnight does not open the day before again.
    fn count_day(&mut self, now: Now, messages: usize) {
        let today = seoul_day(now.wall);
        if today > self.day {
            (self.day, self.day_used) = (today, 0);
        }
        self.day_used += messages as u64;
        self.next.day = Some((self.day, self.day_used));
    }

    pub(super) fn campaign_of(&self, no: u32) -> Option<Id> {
        self.frames.get(&no).and_then(|open| open.campaign)
    }

    /// Whether the lane or the frame's campaign was stopped.
    fn is_kept_back(&self, no: u32) -> bool {
        let stopped =
            |campaign| self.paused_campaigns.contains(&campaign) || self.cancelled_campaigns.contains(&campaign);
        !self.may_start() || self.campaign_of(no).is_some_and(stopped)
    }
}

impl Chunk {
    fn take_request(&mut self) -> Option<Vec<u16>> {
        self.unsent.pop_front().or_else(|| self.repeats.pop_front())
    }
}
