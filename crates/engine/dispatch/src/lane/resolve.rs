//! How a request ended, what is tried again when, and what is done about outcomes that nobody knows.

use std::cmp::Reverse;

use naru_core::clock::Millis;

use super::{Action, ChunkKey, Group, Lane, Now, Retry};
use crate::message::Purpose;
use crate::provider::{Answer, Level, Verdict};
use crate::side::State;

/// A provider that throttles without saying for how long is left alone for at most this long.
const THROTTLE_MAX_MS: u64 = 60_000;
/// A `Retry-After` of more than a day is a mistake of theirs or an attack on ours.
const RETRY_AFTER_MAX_MS: u64 = 86_400_000;
/// Looks into one doubt; with the back-off between them this is hours.
const RESOLVES_MAX: u32 = 30;

impl Lane {
    pub(super) fn answered(&mut self, now: Now, key: ChunkKey, slots: Vec<u16>, answer: Answer, roll: u64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if !matches!(answer, Answer::Throttled { .. } | Answer::Unsent { .. }) {
            self.throttles = 0;
        }
        match answer {
            Answer::Each(verdicts) if verdicts.len() == slots.len() => self.judged(now, key, slots, verdicts, roll),
            Answer::Each(_) => self.doubt(now, key, slots, "answer-of-another-length".to_owned(), roll),
            Answer::Throttled { after } => self.throttled(now, key, slots, after.map(|a| a.as_millis() as u64), roll),
            Answer::Unsent { .. } => self.throttled(now, key, slots, None, roll),
            Answer::Unknown { code } => self.doubt(now, key, slots, code, roll),
            Answer::Refused { code } => {
                let verdicts = vec![Verdict::Refused(code); slots.len()];
                self.judged(now, key, slots, verdicts, roll);
            }
        }
    }

    pub(super) fn looked_up(
        &mut self,
        now: Now,
        key: ChunkKey,
        slots: Vec<u16>,
        found: Result<Option<Vec<Verdict>>, String>,
        roll: u64,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match found {
            Ok(Some(verdicts)) if verdicts.len() == slots.len() => self.judged(now, key, slots, verdicts, roll),
            Ok(None) => {
                let again = Verdict::Retry { code: "never-arrived".to_owned(), after: None };
                let verdicts = vec![again; slots.len()];
                self.judged(now, key, slots, verdicts, roll);
            }
            Ok(Some(_)) => self.doubt(now, key, slots, "lookup-of-another-length".to_owned(), roll),
            Err(why) => self.doubt(now, key, slots, why, roll),
        }
    }

    /// One verdict a message: some end, some are tried again, together.
    fn judged(&mut self, now: Now, key: ChunkKey, slots: Vec<u16>, verdicts: Vec<Verdict>, roll: u64) {
        let Some(chunk) = self.chunks.get(&key) else { return };
        let (no, tries) = (chunk.no, chunk.tries + 1);
        let mut again = Vec::new();
        let mut wait_ms = self.jitter(tries, roll);
        for (slot, verdict) in slots.iter().copied().zip(verdicts) {
            let pending = self.frames.get(&no).is_some_and(|open| open.side.state(slot) == State::Pending);
            match verdict {
                Verdict::Taken => self.end(no, slot, State::Sent, ""),
                Verdict::Refused(code) => self.end(no, slot, State::Failed, &code),
                Verdict::Retry { code, .. } if tries >= self.options.tries_max => {
                    self.end(no, slot, State::Failed, &code);
                }
                Verdict::Retry { after, .. } if pending => {
                    let after_ms = after.map_or(0, |after| after.as_millis() as u64).min(RETRY_AFTER_MAX_MS);
                    wait_ms = wait_ms.max(after_ms);
                    again.push(slot);
                }
                // A report told its end while we asked: nothing to try again.
                Verdict::Retry { .. } => self.end(no, slot, State::Pending, ""),
            }
        }
        self.retry(no, again, now.wall + wait_ms as Millis, key.attempt, tries);
        self.close(key, &slots);
    }

    /// Nothing was taken: the whole account rests, and the try does not count.
    fn throttled(&mut self, now: Now, key: ChunkKey, slots: Vec<u16>, after_ms: Option<u64>, roll: u64) {
        self.throttles = (self.throttles + 1).min(16);
        let limit = (self.options.retry_base_ms << self.throttles.min(16)).min(THROTTLE_MAX_MS);
        // Half fixed, half random: instances that were throttled together do not come back together.
        let wait_ms = after_ms.unwrap_or(limit / 2 + roll % (limit / 2 + 1)).min(RETRY_AFTER_MAX_MS);
        self.options.pace.block(now.mono + wait_ms * 1_000);
        let Some(chunk) = self.chunks.get(&key) else { return };
        let (no, tries) = (chunk.no, chunk.tries);
        self.retry(no, slots.clone(), now.wall + wait_ms as Millis, key.attempt, tries);
        self.close(key, &slots);
    }

    /// Nobody knows. Looked into when no request of the chunk can be on its way any more, then ever more seldom.
    fn doubt(&mut self, now: Now, key: ChunkKey, slots: Vec<u16>, why: String, roll: u64) {
        let Some(chunk) = self.chunks.get(&key) else { return };
        let wait_ms = if chunk.resolves == 0 { 0 } else { self.jitter(chunk.resolves as u16, roll) };
        let due = chunk.deadline.max(now.wall + wait_ms as Millis);
        if let Some(chunk) = self.chunks.get_mut(&key) {
            chunk.why = why;
            chunk.doubt.push(slots);
        }
        self.doubts.push(Reverse((due, key)));
    }

    pub(super) fn wake_doubts(&mut self, now: Now, actions: &mut Vec<Action>) {
        while let Some(Reverse((at, key))) = self.doubts.peek().copied() {
            if at > now.wall || self.stopped {
                return;
            }
            self.doubts.pop();
            let Some(chunk) = self.chunks.get_mut(&key) else { continue };
            self.in_flight = self.in_flight.saturating_sub(std::mem::take(&mut chunk.ghost));
            chunk.resolves += 1;
            for slots in std::mem::take(&mut chunk.doubt) {
                self.resolve(now, key, slots, actions);
            }
        }
    }

    fn resolve(&mut self, now: Now, key: ChunkKey, slots: Vec<u16>, actions: &mut Vec<Action>) {
        let Some(chunk) = self.chunks.get_mut(&key) else { return };
        let told = slots
            .iter()
            .all(|slot| self.frames.get(&chunk.no).is_none_or(|open| open.side.state(*slot) != State::Pending));
        if told || chunk.resolves > RESOLVES_MAX {
            return self.give_up(now, key, slots);
        }
        match self.options.level {
            Level::Key { life } => {
                let last = chunk.started_at + life.as_millis() as Millis - self.options.timeout_ms as Millis;
                if now.wall >= last {
                    return self.give_up(now, key, slots);
                }
                // The same request under the same key: it cannot be taken twice, and its answer is the first one.
                chunk.unsent.push_back(slots);
                self.unsent += 1;
                self.queues[chunk.priority].start.push_back(key);
            }
            Level::Lookup | Level::TwoPhase => {
                self.in_flight += 1;
                actions.push(Action::Lookup { chunk: key, slots });
            }
            Level::None => self.give_up(now, key, slots),
        }
    }

    /// Nothing will tell. Where the provider has no way to say, auth and info are sent again; the rest is for a person.
    fn give_up(&mut self, now: Now, key: ChunkKey, slots: Vec<u16>) {
        let Some(chunk) = self.chunks.get(&key) else { return };
        let (no, tries, why) = (chunk.no, chunk.tries + 1, chunk.why.clone());
        let urgent = chunk.priority != Purpose::Ad.priority();
        let resend = self.options.level == Level::None && urgent && tries < self.options.tries_max;
        let mut again = Vec::new();
        for slot in &slots {
            let pending = self.frames.get(&no).is_some_and(|open| open.side.state(*slot) == State::Pending);
            if pending && resend { again.push(*slot) } else { self.end(no, *slot, State::Unknown, &why) }
        }
        self.retry(no, again, now.wall, key.attempt, tries);
        self.close(key, &slots);
    }

    /// Stores that `slots` are tried again; their keys stay held.
    pub(super) fn retry(&mut self, no: u32, slots: Vec<u16>, due_at: Millis, attempt: u16, tries: u16) {
        let Some(open) = self.frames.get_mut(&no) else { return };
        let Some(first) = slots.first().copied() else { return };
        let retry = Retry { slots, due_at, attempt: attempt.saturating_add(1), tries };
        self.queues[open.priority].retrying += retry.slots.len();
        self.retries.push(Reverse((due_at, no, first)));
        self.next.retries.push((open.id, retry.clone()));
        open.retries.insert(first, retry);
    }

    pub(super) fn wake_retries(&mut self, now: Now) {
        while let Some(Reverse((at, no, first))) = self.retries.peek().copied() {
            if at > now.wall {
                return;
            }
            self.retries.pop();
            let Some(open) = self.frames.get_mut(&no) else { continue };
            if open.retries.get(&first).is_none_or(|retry| retry.due_at != at) {
                continue;
            }
            let Some(retry) = open.retries.remove(&first) else { continue };
            self.queues[open.priority].retrying -= retry.slots.len();
            let Retry { slots, attempt, tries, .. } = retry;
            open.ready.push_back(Group { slots, attempt, tries, row: Some(first) });
            if !open.in_ready {
                open.in_ready = true;
                self.queues[open.priority].ready.push_back(no);
            }
        }
    }

    /// These slots of the chunk have ended, one way or another.
    fn close(&mut self, key: ChunkKey, slots: &[u16]) {
        let Some(chunk) = self.chunks.get_mut(&key) else { return };
        if chunk.open.len() == slots.len() {
            chunk.open.clear();
        } else {
            chunk.open.retain(|slot| !slots.contains(slot));
        }
        chunk.changed = true;
        if chunk.open.is_empty() {
            self.drop_chunk(&key);
            self.next.ended.push(key);
        }
    }

    pub(super) fn drop_chunk(&mut self, key: &ChunkKey) {
        if let Some(chunk) = self.chunks.remove(key)
            && let Some(open) = self.frames.get_mut(&chunk.no)
        {
            open.chunks -= 1;
        }
    }

    /// Takes back what was marked and not started, to be chosen again.
    pub(super) fn give_back_unsent(&mut self, no: u32, due_at: Millis) {
        for (key, slots, tries) in self.take_unsent(no) {
            self.retry(no, slots.clone(), due_at, key.attempt, tries);
            self.close(key, &slots);
        }
    }

    /// Ends what was marked and not started.
    pub(super) fn cancel_unsent(&mut self, no: u32) {
        for (key, slots, _) in self.take_unsent(no) {
            slots.iter().for_each(|slot| self.end(no, *slot, State::Cancelled, ""));
            self.close(key, &slots);
        }
    }

    fn take_unsent(&mut self, no: u32) -> Vec<(ChunkKey, Vec<u16>, u16)> {
        let mut taken = Vec::new();
        // A repeat of a request in doubt is no new start: it stays.
        for (key, chunk) in self.chunks.iter_mut().filter(|(_, chunk)| chunk.no == no && chunk.resolves == 0) {
            self.unsent -= chunk.unsent.len();
            let slots: Vec<u16> = chunk.unsent.drain(..).flatten().collect();
            if !slots.is_empty() {
                taken.push((*key, slots, chunk.tries));
            }
        }
        taken.sort_unstable_by_key(|(key, ..)| *key);
        taken
    }

    /// Full jitter: anything up to the back-off of this try.
    fn jitter(&self, tries: u16, roll: u64) -> u64 {
        let limit = (self.options.retry_base_ms << (tries.saturating_sub(1)).min(20)).min(self.options.retry_max_ms);
        roll % (limit + 1)
    }
}
