//! How a request ended, what is tried again when, and what is done about outcomes that nobody knows.

use std::cmp::Reverse;

use naru_core::clock::Millis;

use super::breaker::REST_NAMED_MAX_MS;
use super::outlet::Outlet;
use super::{ChunkKey, Group, Lane, Now, Retry};
use crate::message::Purpose;
use crate::provider::{Answer, Level, Verdict};
use crate::side::State;

impl Lane {
    pub(super) fn answered(&mut self, now: Now, key: ChunkKey, slots: Vec<u16>, answer: Answer, roll: u64) {
        let Some((no, outlet)) = self.left_by(&key) else { return };
        outlet.in_flight -= 1;
        let was_well = outlet.is_well();
        let rest_ms = match &answer {
            Answer::Each(_) | Answer::Refused { .. } => {
                outlet.answers();
                0
            }
            Answer::Unknown { .. } => {
                outlet.is_silent(now, roll);
                0
            }
            Answer::Throttled { after } => outlet.throttles(now, after.map(|after| after.as_millis() as u64), roll),
            Answer::Unsent { .. } => outlet.turns_away(now, roll),
        };
        if was_well {
            self.fail_over(now, no);
        }
        match answer {
            Answer::Each(verdicts) if verdicts.len() == slots.len() => self.judged(now, key, slots, verdicts, roll),
            Answer::Each(_) => self.doubt(now, key, slots, "answer-of-another-length".to_owned(), roll),
            Answer::Throttled { .. } | Answer::Unsent { .. } => self.not_taken(now, key, slots, rest_ms, roll),
            Answer::Unknown { code } => self.doubt(now, key, slots, code, roll),
            Answer::Refused { code } if self.is_repeat(&key) => self.leave(now, key, slots, code),
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
        let Some((_, outlet)) = self.left_by(&key) else { return };
        outlet.in_flight -= 1;
        outlet.told(found.is_ok());
        let open = outlet.breaker.is_open();
        match found {
            Ok(Some(verdicts)) if verdicts.len() == slots.len() => self.judged(now, key, slots, verdicts, roll),
            // It was to find out whether anybody is there, and nobody was: no try of its own.
            Ok(None) if open => self.put_off(now, key, slots, 0),
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
        let Some(outlet) = chunk.outlet.and_then(|outlet| self.outlets.get(outlet)) else { return };
        let (no, tries, tries_max) = (chunk.no, chunk.tries + 1, outlet.options.tries_max);
        let mut again = Vec::new();
        let mut wait_ms = outlet.jitter(tries, roll);
        for (slot, verdict) in slots.iter().copied().zip(verdicts) {
            match verdict {
                Verdict::Taken => self.end(no, slot, State::Sent, ""),
                Verdict::Refused(code) => self.end(no, slot, State::Failed, &code),
                Verdict::Retry { code, .. } if tries >= tries_max => {
                    self.end(no, slot, State::Failed, &code);
                }
                Verdict::Retry { after, .. } => {
                    let after_ms = after.map_or(0, |after| after.as_millis() as u64).min(REST_NAMED_MAX_MS);
                    wait_ms = wait_ms.max(after_ms);
                    again.push(slot);
                }
            }
        }
        if planted!(WholeBatchAgain) && !again.is_empty() {
            again.clone_from(&slots);
        }
        self.retry(no, again, now.wall + wait_ms as Millis, key.attempt, tries);
        self.close(key, &slots);
    }

    /// This request was not taken: the outlet rests, and the try does not count. By another one it goes at once.
    fn not_taken(&mut self, now: Now, key: ChunkKey, slots: Vec<u16>, rest_ms: u64, roll: u64) {
        if self.is_repeat(&key) {
            // It says nothing about the request that this one repeats.
            return self.doubt(now, key, slots, "throttled".to_owned(), roll);
        }
        let fails = self.left_by(&key).is_some_and(|(_, outlet)| !outlet.is_well());
        let wait_ms = if fails && self.outlets.iter().any(Outlet::is_well) { 0 } else { rest_ms };
        self.put_off(now, key, slots, wait_ms);
    }

    /// Nothing of it left, and the try does not count.
    fn put_off(&mut self, now: Now, key: ChunkKey, slots: Vec<u16>, wait_ms: u64) {
        let Some(chunk) = self.chunks.get(&key) else { return };
        self.retry(chunk.no, slots.clone(), now.wall + wait_ms as Millis, key.attempt, chunk.tries);
        self.close(key, &slots);
    }

    /// What was marked for an outlet that is not well any more is given back, where another one is.
    fn fail_over(&mut self, now: Now, no: usize) {
        if self.outlets[no].is_well() || !self.outlets.iter().any(Outlet::is_well) {
            return;
        }
        self.give_back_from(now, no);
    }

    /// What is marked for an outlet and has not started waits for another.
    pub(super) fn give_back_from(&mut self, now: Now, no: usize) {
        let waiting: Vec<ChunkKey> = self.outlets[no].start.iter().flatten().copied().collect();
        waiting.into_iter().for_each(|key| self.give_back(now, key));
    }

    fn left_by(&mut self, key: &ChunkKey) -> Option<(usize, &mut Outlet)> {
        let no = self.chunks.get(key)?.outlet?;
        Some((no, self.outlets.get_mut(no)?))
    }

    /// A whole request that is refused when it is made again: what became of the first one is for a person to find out.
    fn leave(&mut self, now: Now, key: ChunkKey, slots: Vec<u16>, why: String) {
        if let Some(chunk) = self.chunks.get_mut(&key) {
            chunk.why = why;
        }
        self.give_up(now, key, slots);
    }

    /// Whether what is answered now was made because an earlier answer is missing.
    fn is_repeat(&self, key: &ChunkKey) -> bool {
        self.chunks.get(key).is_some_and(|chunk| chunk.resolves > 0)
    }

    /// Nobody knows. Looked into when no request of the chunk can be on its way any more, then ever more seldom.
    fn doubt(&mut self, now: Now, key: ChunkKey, slots: Vec<u16>, why: String, roll: u64) {
        let Some(chunk) = self.chunks.get(&key) else { return };
        if planted!(DoubtFailsOver) && self.outlets.len() > 1 && chunk.resolves == 0 {
            self.retry(chunk.no, slots.clone(), now.wall, key.attempt, chunk.tries);
            return self.close(key, &slots);
        }
        let outlet = chunk.outlet.and_then(|outlet| self.outlets.get(outlet)).filter(|_| chunk.resolves > 0);
        let wait_ms = outlet.map_or(0, |outlet| outlet.doubt_jitter(chunk.resolves, roll));
        let due = chunk.deadline.max(now.wall + wait_ms as Millis);
        let Some(chunk) = self.chunks.get_mut(&key) else { return };
        chunk.why = why;
        self.queues[chunk.priority].doubtful += slots.len();
        // A chunk's doubts are looked into together.
        if chunk.doubt.is_empty() {
            self.doubts.push(Reverse((due, key)));
        }
        chunk.doubt.push(slots);
    }

    pub(super) fn wake_doubts(&mut self, now: Now) {
        while let Some(Reverse((at, key))) = self.doubts.peek().copied() {
            if at > now.wall || self.stopped {
                return;
            }
            self.doubts.pop();
            let Some(chunk) = self.chunks.get_mut(&key) else { continue };
            let ghost = std::mem::take(&mut chunk.ghost);
            if let Some(outlet) = chunk.outlet.and_then(|outlet| self.outlets.get_mut(outlet)) {
                outlet.in_flight -= ghost;
                outlet.ghosts -= ghost;
                // However long nobody can be asked: once nothing can be found out any more it is over.
                let largest = chunk.doubt.iter().map(Vec::len).max().unwrap_or_default();
                let (rests_ms, until) = (outlet.rests_ms(now, largest), outlet.repeats_until(chunk.started_at));
                if rests_ms > 0 && now.wall < until {
                    self.doubts.push(Reverse(((now.wall + rests_ms).min(until), key)));
                    continue;
                }
            }
            chunk.resolves += u32::from(!std::mem::take(&mut chunk.put_back));
            let requests = std::mem::take(&mut chunk.doubt);
            self.queues[chunk.priority].doubtful -= requests.iter().map(Vec::len).sum::<usize>();
            self.resolve(now, key, requests);
        }
    }

    /// Finds out what became of requests as the provider's level allows.
    pub(super) fn resolve(&mut self, now: Now, key: ChunkKey, requests: Vec<Vec<u16>>) {
        let Some(chunk) = self.chunks.get(&key) else { return };
        let no = chunk.no;
        let outlet = chunk.outlet.and_then(|outlet| self.outlets.get(outlet));
        // However often it was looked into: an outage may last for a day.
        let hopeless = outlet.is_none_or(|outlet| now.wall >= outlet.repeats_until(chunk.started_at));
        let mut again = Vec::new();
        for slots in requests {
            let over = self.frames.get(&no).is_none_or(|open| slots.iter().all(|slot| open.is_over(*slot, now.wall)));
            if hopeless || over { self.give_up(now, key, slots) } else { again.push(slots) }
        }
        if !again.is_empty() {
            self.repeat(now, key, again);
        }
    }

    /// Nothing will tell. Where the provider has no way to say, auth and info are sent again; the rest is for a person.
    fn give_up(&mut self, now: Now, key: ChunkKey, slots: Vec<u16>) {
        let Some(chunk) = self.chunks.get(&key) else { return };
        let (no, tries, why) = (chunk.no, chunk.tries + 1, chunk.why.clone());
        let urgent = chunk.priority != Purpose::Ad.priority();
        let options = chunk.outlet.and_then(|outlet| self.outlets.get(outlet)).map(|outlet| &outlet.options);
        let may_again = options.is_some_and(|options| options.level == Level::None && tries < options.tries_max);
        let cancelled = self.campaign_of(no).is_some_and(|campaign| self.cancelled_campaigns.contains(&campaign));
        let resend = may_again && urgent && !cancelled;
        let open = self.frames.get(&no);
        let over = |slot: &u16| open.is_none_or(|open| open.is_over(*slot, now.wall));
        let (again, left): (Vec<u16>, Vec<u16>) = slots.iter().copied().partition(|slot| resend && !over(slot));
        left.into_iter().for_each(|slot| self.end(no, slot, State::Unknown, &why));
        self.retry(no, again, now.wall, key.attempt, tries);
        self.close(key, &slots);
    }

    /// Stores that `slots` are tried again; their keys stay held. What a report ended, what was cancelled and what will
    /// be too late by then ends now.
    pub(super) fn retry(&mut self, no: u32, mut slots: Vec<u16>, due_at: Millis, attempt: u16, tries: u16) {
        let cancelled = self.campaign_of(no).is_some_and(|campaign| self.cancelled_campaigns.contains(&campaign));
        let Some(open) = self.frames.get(&no) else { return };
        let over: Vec<u16> = slots.extract_if(.., |slot| cancelled || open.is_over(*slot, due_at)).collect();
        let (state, code) = if cancelled { (State::Cancelled, "") } else { (State::Expired, "expired") };
        over.into_iter().for_each(|slot| self.end(no, slot, state, code));
        if slots.is_empty() {
            return;
        }
        let retry = Retry { slots, due_at, attempt: attempt.saturating_add(1), tries };
        if let Some(open) = self.frames.get(&no) {
            self.next.retries.push((open.id, retry.clone()));
        }
        if planted!(KeyNotHeldInRetry) {
            retry.slots.iter().for_each(|slot| self.let_pass(no, *slot));
        }
        self.wait_for(no, retry);
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
            self.line_up(no);
        }
    }

    /// These slots of the chunk have ended, one way or another.
    pub(super) fn close(&mut self, key: ChunkKey, slots: &[u16]) {
        let Some(chunk) = self.chunks.get_mut(&key) else { return };
        if chunk.open.len() == slots.len() {
            self.drop_chunk(&key);
            self.next.ended.push(key);
            return;
        }
        chunk.open.retain(|slot| !slots.contains(slot));
        if !chunk.changed {
            chunk.changed = true;
            self.changed.push(key);
        }
    }

    pub(super) fn drop_chunk(&mut self, key: &ChunkKey) {
        if let Some(chunk) = self.chunks.remove(key)
            && let Some(open) = self.frames.get_mut(&chunk.no)
        {
            open.chunks -= 1;
        }
    }
}
