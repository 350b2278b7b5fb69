//! Stopping: the lane, a campaign for now, a campaign for good.

use std::collections::HashSet;

use naru_core::id::Id;

use super::{ChunkKey, Group, Lane, Now, Queue};
use crate::side::State;

impl Lane {
    /// What is marked and not started is given back, so that a stop in good order leaves nothing in doubt.
    pub(super) fn stop(&mut self, now: Now) {
        self.stopped = true;
        self.give_back_where(now, |_| true);
    }

    pub(super) fn pause(&mut self, now: Now, paused: bool) {
        self.paused = paused;
        if paused {
            self.give_back_where(now, |_| true);
        }
    }

    /// Nothing of the campaign is chosen or looked at until it goes on. What is untouched leaves memory.
    pub(super) fn pause_campaign(&mut self, now: Now, campaign: Id) {
        self.paused_campaigns.insert(campaign);
        let mine = self.frames_of(campaign);
        let numbers: HashSet<u32> = mine.iter().copied().collect();
        self.give_back_where(now, |no| numbers.contains(&no));
        for no in mine {
            self.unplace(no);
            if self.frames.get(&no).is_some_and(|open| open.cursor == 0 && open.is_idle()) {
                self.forget(no);
            }
        }
    }

    pub(super) fn resume_campaign(&mut self, campaign: Id) {
        self.paused_campaigns.remove(&campaign);
        self.frames_of(campaign).into_iter().for_each(|no| self.line_up(no));
        // Its frames lost their places: claimed from the beginning, those in memory are recognised.
        self.queues.iter_mut().for_each(Queue::claim_again);
    }

    pub(super) fn cancel_campaign(&mut self, now: Now, campaign: Id) {
        self.paused_campaigns.remove(&campaign);
        self.cancelled_campaigns.insert(campaign);
        self.frames_of(campaign).into_iter().for_each(|no| self.cancel_frame(now, no));
    }

    /// Ends all of a frame that is not on its way: what a provider may have is waited for.
    pub(super) fn cancel_frame(&mut self, now: Now, no: u32) {
        // Given back, they are ended as whatever else of a cancelled campaign would be tried again.
        self.give_back_where(now, |other| other == no);
        let chunks = self.chunks.values().filter(|chunk| chunk.no == no);
        let flying: HashSet<u16> = chunks.flat_map(|chunk| chunk.open.iter().copied()).collect();
        let Some(open) = self.frames.get_mut(&no) else { return };
        let ready: Vec<Group> = open.ready.drain(..).collect();
        let retries = std::mem::take(&mut open.retries);
        let (id, priority) = (open.id, open.priority);
        open.cursor = open.side.count();
        let pending = (0..open.side.count() as u16).filter(|slot| !flying.contains(slot));
        for slot in pending {
            if open.side.state(slot) == State::Pending {
                open.side.advance(slot, State::Cancelled, "");
                self.tally.entry(open.campaign).or_default().add(State::Cancelled, 1);
            }
        }
        self.make_dirty(no);
        self.queues[priority].retrying -= retries.values().map(|retry| retry.slots.len()).sum::<usize>();
        self.queues[priority].scan.retain(|other| *other != no);
        let rows = ready.iter().filter_map(|group| group.row).chain(retries.keys().copied());
        rows.for_each(|first| self.next.retry_gone(id, first));
        // These hold their keys. Slots that wait behind another are passed over when their turn comes, and slots that
        // nobody looked at hold nothing.
        let holders = ready.into_iter().map(|group| group.slots).chain(retries.into_values().map(|retry| retry.slots));
        holders.flatten().for_each(|slot| self.end(no, slot, State::Cancelled, ""));
    }

    /// Takes back what was marked and not started, to be chosen again.
    fn give_back_where(&mut self, now: Now, mine: impl Fn(u32) -> bool) {
        let mut keys: Vec<ChunkKey> =
            self.chunks.iter().filter(|(_, chunk)| mine(chunk.no)).map(|(key, _)| *key).collect();
        keys.sort_unstable();
        keys.into_iter().for_each(|key| self.give_back(now, key));
    }

    /// As [`Lane::give_back_where`], of one chunk.
    pub(super) fn give_back(&mut self, now: Now, key: ChunkKey) {
        let slots = self.take_unsent(key);
        let Some(chunk) = self.chunks.get(&key).filter(|_| !slots.is_empty()) else { return };
        self.retry(chunk.no, slots.clone(), now.wall, key.attempt, chunk.tries);
        self.close(key, &slots);
    }

    /// Marked messages that did not start. A request that is made again because of a doubt is no new start: it stays.
    fn take_unsent(&mut self, key: ChunkKey) -> Vec<u16> {
        let Some(chunk) = self.chunks.get_mut(&key) else { return Vec::new() };
        let (day, slots) = (chunk.day, chunk.unsent.drain(..).flatten().collect::<Vec<u16>>());
        let Some(outlet) = chunk.outlet.filter(|_| !slots.is_empty()) else { return slots };
        self.outlets[outlet].uncount_unsent(slots.len());
        self.uncount_day(outlet, day, slots.len());
        slots
    }
}
