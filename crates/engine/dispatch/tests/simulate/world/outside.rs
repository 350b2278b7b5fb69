//! Requests on their way, and what comes back.

use naru_core::clock::{Micros, Millis};
use naru_core::id::Id;
use naru_dispatch::lane::{Action, ChunkKey, Event};
use naru_dispatch::provider::{Answer, Verdict};
use naru_dispatch::side::State;

use super::{Happening, World};
use crate::plan::SECOND;
use crate::vendor::{Fate, Request, Vendor};
use crate::watch::request_key;

impl World {
    pub(super) fn start(&mut self, action: Action) {
        let now = self.clock();
        let outstanding = |r: &&Request| if r.life == self.life { !r.answered } else { !r.lookup && r.ends > self.now };
        let flying = self.vendor.requests.iter().filter(outstanding).count();
        let kind = self.watch.starts(&self.plan, &self.disk, now, &action, self.life, flying);
        self.see(kind);
        let (chunk, slots, lookup) = match action {
            Action::Send { chunk, slots } => (chunk, slots, false),
            Action::Lookup { chunk, slots } => (chunk, slots, true),
            _ => return,
        };
        let key = request_key(&self.plan, &chunk, &slots);
        let on_its_way = |r: &&Request| r.key == key && !r.lookup && r.arrives.is_some_and(|at| at > self.now);
        let early = self.vendor.requests.iter().find(on_its_way);
        assert!(early.is_none(), "{key:?} is asked about or sent again while it may still arrive");
        let (r, timeout) = (&mut self.random, self.plan.options.timeout_ms * 1_000);
        let (arrives, ends, fate) = if lookup {
            (None, self.now + r.below(timeout), Fate::Answered)
        } else {
            Vendor::fate(r, &self.plan.faults, self.now, timeout)
        };
        let request = self.vendor.requests.len();
        let life = self.life;
        let new = Request { key, chunk, slots, life, lookup, arrives, ends, fate, verdicts: None, answered: false };
        self.vendor.requests.push(new);
        if let Some(at) = arrives {
            self.at(at, Happening::Arrives { request });
        }
        self.at(ends, Happening::Ends { request });
    }

    pub(super) fn arrives(&mut self, request: usize) {
        let one = &self.vendor.requests[request];
        // What had not left the machine when it died may not have left at all.
        if one.arrives.is_none() {
            return;
        }
        let frame = one.key.0;
        let (faults, level) = (&self.plan.faults, self.plan.options.level);
        let taken = self.vendor.arrive(&mut self.random, faults, level, self.now, request);
        for slot in taken {
            self.report_later(frame, slot);
        }
    }

    /// Receipts: none, one or several, at once or late, in any order.
    pub(super) fn report_later(&mut self, frame: Id, slot: u16) {
        if !self.random.chance(self.plan.faults.receipts) {
            return;
        }
        for _ in 0..self.random.pick(&[1, 1, 1, 1, 2, 3]) {
            let r = &mut self.random;
            let (state, code) = r.pick(&[
                (State::Delivered, ""),
                (State::Delivered, ""),
                (State::Delivered, ""),
                (State::Failed, "switched-off"),
                (State::Expired, "given-up"),
            ]);
            if state != State::Delivered {
                self.watch.told_lost.insert((frame, slot));
            }
            // Now and then with one for a slot that is not there.
            let slot = if r.chance(20) { u16::MAX } else { slot };
            let at = self.now + r.pick(&[1, 10_000, SECOND, 20 * SECOND]);
            self.reports_left += 1;
            self.at(at, Happening::Report { end: (frame, (slot, state, code.to_owned())) });
        }
    }

    pub(super) fn ends(&mut self, request: usize) {
        let one = &mut self.vendor.requests[request];
        if one.life != self.life || self.lane.is_none() {
            if !one.lookup && self.stale.as_ref().is_some_and(|(stale, _)| *stale == one.life) {
                let (life, chunk, slots) = (one.life, one.chunk, one.slots.clone());
                let (answer, roll) = (self.vendor.answer(request), self.random.next());
                self.tell_stale(life, Event::Answered { chunk, slots, answer, roll });
            }
            return;
        }
        one.answered = true;
        let (chunk, slots, lookup, key) = (one.chunk, one.slots.clone(), one.lookup, one.key);
        let roll = self.random.next();
        if lookup {
            let level = self.plan.options.level;
            let failed = self.now < self.plan.faults.until && self.random.chance(self.plan.faults.lookup_fails);
            let found =
                if failed { Err("lookup-failed".to_owned()) } else { Ok(self.vendor.lookup(&key, level, self.now)) };
            self.watch_verdicts(&chunk, &slots, found.as_ref().ok().and_then(Option::as_deref));
            return self.tell(Event::LookedUp { chunk, slots, found, roll });
        }
        let answer = self.vendor.answer(request);
        match &answer {
            Answer::Each(verdicts) if verdicts.len() == slots.len() => {
                self.watch_verdicts(&chunk, &slots, Some(verdicts));
            }
            Answer::Throttled { after: Some(after) } => {
                let until = self.clock().mono + after.as_micros() as Micros;
                self.watch.throttled_until = self.watch.throttled_until.max(until);
            }
            Answer::Unknown { .. } | Answer::Each(_) => {
                self.watch.doubted.extend(slots.iter().map(|slot| (chunk.frame, *slot)));
            }
            _ => {}
        }
        self.tell(Event::Answered { chunk, slots, answer, roll });
    }

    /// A message that is to be tried again later is not tried before.
    pub(super) fn watch_verdicts(&mut self, chunk: &ChunkKey, slots: &[u16], verdicts: Option<&[Verdict]>) {
        let wall = self.clock().wall;
        for (slot, verdict) in slots.iter().zip(verdicts.unwrap_or_default()) {
            if let Verdict::Retry { after: Some(after), .. } = verdict {
                self.watch.retry_not_before((chunk.frame, *slot), wall + after.as_millis() as Millis);
            }
        }
    }
}
