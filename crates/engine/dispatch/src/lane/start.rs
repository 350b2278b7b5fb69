//! From a chosen chunk to requests on their way: consent, the mark, the start at the provider's pace.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use naru_core::clock::{Micros, Millis, seoul_day};
use naru_core::id::Id;

use super::frames::requests;
use super::outlet::Outlet;
use super::{Action, Chunk, ChunkKey, Day, Lane, Mark, Now};
use crate::consent::Permit;
use crate::side::State;

/// What consent holds back is asked about again after this at the soonest: no answer of it makes the lane spin.
const HOLD_MIN_MS: Millis = 1_000;

impl Lane {
    pub(super) fn asked(&mut self, now: Now, key: ChunkKey, denied: Vec<(u16, Permit)>) {
        let Some(chunk) = self.chunks.get_mut(&key) else { return };
        let (no, tries, row, open) = (chunk.no, chunk.tries, chunk.row, chunk.open.clone());
        if let Some(outlet) = chunk.outlet.and_then(|outlet| self.outlets.get_mut(outlet)) {
            outlet.uncount_unsent(open.len());
            outlet.asking -= open.len();
        }
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
        let Some(chunk) = self.chunks.get_mut(&key) else { return };
        let Some((no, outlet)) = chunk.outlet.and_then(|no| Some((no, self.outlets.get_mut(no)?))) else { return };
        outlet.count_unsent(slots.len());
        outlet.count_day(now, slots.len());
        chunk.open.clone_from(&slots);
        chunk.unsent = requests(chunk.single, &slots);
        chunk.day = outlet.day;
        // The times are filled in when it goes into a save.
        self.next.marks.push(Mark {
            key,
            outlet: no,
            single: chunk.single,
            slots,
            tries: chunk.tries,
            started_at: 0,
            deadline: 0,
        });
        self.keep_day(no);
    }

    /// Marks a chunk anew before its requests in doubt are made again or asked about.
    pub(super) fn repeat(&mut self, now: Now, key: ChunkKey, requests: Vec<Vec<u16>>) {
        let Some(chunk) = self.chunks.get_mut(&key) else { return };
        let Some((no, outlet)) = chunk.outlet.and_then(|no| Some((no, self.outlets.get_mut(no)?))) else { return };
        let messages: usize = if outlet.asks_about_doubts() { 0 } else { requests.iter().map(Vec::len).sum() };
        outlet.unsent.requests += requests.len();
        outlet.unsent.messages += messages;
        chunk.repeats.extend(requests);
        // What was counted today is not counted again: at most one of the two is taken.
        let counted = chunk.day == seoul_day(now.wall);
        outlet.count_day(now, if counted { 0 } else { messages });
        chunk.day = outlet.day;
        let (slots, tries) = (chunk.open.clone(), chunk.tries);
        let (started_at, deadline, single) = (chunk.started_at, chunk.deadline, chunk.single);
        // One is enough for all requests of the chunk; its times and slots are filled in when it goes into a save.
        if self.next.marks.iter().all(|mark| mark.key != key) {
            self.next.marks.push(Mark { key, outlet: no, single, slots, tries, started_at, deadline });
        }
        self.keep_day(no);
    }

    pub(super) fn start_requests(&mut self, now: Now, actions: &mut Vec<Action>) {
        for outlet in 0..self.outlets.len() {
            self.start_requests_by(now, outlet, actions);
        }
    }

    fn start_requests_by(&mut self, now: Now, no: usize, actions: &mut Vec<Action>) {
        // What came too late is taken back in every queue, also behind a more urgent one that waits.
        let fronts: Vec<usize> =
            (0..self.queues.len()).filter(|queue| self.next_chunk(now, no, *queue).is_some()).collect();
        for priority in fronts {
            if !self.outlets[no].joined {
                return;
            }
            while let Some((chunk, messages)) = self.next_chunk(now, no, priority) {
                let outlet = &mut self.outlets[no];
                if !outlet.may_start(messages == 0) || outlet.options.pace.ready_at(messages) > now.mono {
                    return;
                }
                let Some(begun) = self.chunks.get_mut(&chunk) else { break };
                let single = begun.single;
                let Some(slots) = begun.take_request() else { break };
                outlet.options.pace.start(now.mono, messages);
                outlet.in_flight += 1;
                outlet.unsent.requests -= 1;
                outlet.unsent.messages -= messages;
                outlet.more_ahead();
                let ask = messages == 0;
                actions.push(match ask {
                    true => Action::Lookup { outlet: no, single, chunk, slots },
                    false => Action::Send { outlet: no, single, chunk, slots },
                });
            }
        }
    }

    /// The first marked chunk with requests to start, and how many messages its next one carries. Those that may not
    /// start any more under the mark they have, or were counted in a day that is over, are taken back.
    fn next_chunk(&mut self, now: Now, outlet: usize, priority: usize) -> Option<(ChunkKey, usize)> {
        let today = self.outlets[outlet].options.per_day_max.map(|_| seoul_day(now.wall));
        loop {
            let key = *self.outlets[outlet].start[priority].front()?;
            let messages = self.next_messages(outlet, &key);
            let good = |chunk: &Chunk| now.mono < chunk.start_by && today.is_none_or(|today| today <= chunk.day);
            if let Some(messages) = messages.filter(|_| self.chunks.get(&key).is_some_and(good)) {
                return Some((key, messages));
            }
            self.outlets[outlet].start[priority].pop_front();
            if messages.is_some() {
                self.outlets[outlet].less_ahead();
                self.give_back(now, key);
                self.repeat_again(now, key);
            }
        }
    }

    fn repeat_again(&mut self, now: Now, key: ChunkKey) {
        let Some(chunk) = self.chunks.get_mut(&key) else { return };
        let requests: Vec<Vec<u16>> = chunk.repeats.drain(..).collect();
        let Some(outlet) = chunk.outlet.and_then(|outlet| self.outlets.get_mut(outlet)) else { return };
        if requests.is_empty() {
            return;
        }
        let messages: usize = requests.iter().map(Vec::len).sum();
        outlet.unsent.requests -= requests.len();
        outlet.unsent.messages -= if outlet.asks_about_doubts() { 0 } else { messages };
        // It is a doubt as before, and this look did not count.
        chunk.put_back = true;
        if chunk.doubt.is_empty() {
            self.doubts.push(Reverse((now.wall, key)));
        }
        chunk.doubt.extend(requests);
        self.queues[chunk.priority].doubtful += messages;
    }

    /// How many messages the next request of a chunk carries; none where it asks about an earlier one.
    fn next_messages(&self, outlet: usize, key: &ChunkKey) -> Option<usize> {
        let chunk = self.chunks.get(key)?;
        let asks = self.outlets[outlet].asks_about_doubts();
        let repeat = || chunk.repeats.front().map(|slots| if asks { 0 } else { slots.len() });
        chunk.unsent.front().map(Vec::len).or_else(repeat)
    }

    pub(super) fn next_start_at(&self) -> Option<Micros> {
        // Also when what cannot start in time is to be taken back.
        let next = |(no, outlet): (usize, &Outlet)| {
            let key = outlet.start.iter().find_map(|queue| queue.front())?;
            let (start_by, messages) = (self.chunks.get(key)?.start_by, self.next_messages(no, key)?);
            let may_start = outlet.joined && outlet.may_start(messages == 0);
            Some(if may_start { outlet.options.pace.ready_at(messages).min(start_by) } else { start_by })
        };
        self.outlets.iter().enumerate().filter_map(next).min()
    }

    /// What was counted and never left is taken back.
    pub(super) fn uncount_day(&mut self, no: usize, day: i64, messages: usize) {
        let outlet = &mut self.outlets[no];
        if day == outlet.day {
            outlet.day_used = outlet.day_used.saturating_sub(messages as u64);
            self.keep_day(no);
        }
    }

    /// The next save holds what an outlet has sent today.
    fn keep_day(&mut self, no: usize) {
        let (day, used) = (self.outlets[no].day, self.outlets[no].day_used);
        self.next.days.retain(|kept| kept.outlet != no);
        self.next.days.push(Day { outlet: no, day, used });
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
