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
        let (outlet, chunk, slots, lookup) = match action.clone() {
            Action::Send { outlet, chunk, slots, .. } => (outlet, chunk, slots, false),
            Action::Lookup { outlet, chunk, slots, .. } => (outlet, chunk, slots, true),
            _ => return,
        };
        let mine = |r: &&Request| r.life == self.life && !r.answered;
        let others = |r: &&Request| r.life != self.life && !r.lookup && r.ends > self.now;
        let by_it = || self.vendor.requests.iter().filter(|r| r.outlet == outlet);
        let flying = (by_it().filter(mine).count(), by_it().filter(others).count());
        let kind = self.watch.starts(&self.plan, &self.disk, now, &action, self.life, flying);
        self.see(kind);
        if outlet > 0 {
            self.see("failed over");
        }
        let account = &self.plan.outlets[outlet];
        let key = request_key(account, &chunk, &slots);
        let on_its_way = |r: &&Request| r.key == key && !r.lookup && r.arrives.is_some_and(|at| at > self.now);
        let early = self.vendor.requests.iter().find(on_its_way);
        assert!(early.is_none(), "{key:?} is asked about or sent again while it may still arrive");
        let (r, timeout) = (&mut self.random, account.options.timeout_ms * 1_000);
        let gone = account.outage.contains(&self.now);
        let (arrives, ends, fate) = if lookup {
            (None, self.now + r.below(timeout), if gone { Fate::Unknown } else { Fate::Answered })
        } else if gone && account.refuses {
            (None, self.now + r.below(SECOND / 10), Fate::Unsent)
        } else if gone {
            (None, self.now + timeout, Fate::Unknown)
        } else {
            Vendor::fate(r, &self.plan.faults, self.now, timeout)
        };
        let request = self.vendor.requests.len();
        let life = self.life;
        let new =
            Request { outlet, key, chunk, slots, life, lookup, arrives, ends, fate, verdicts: None, answered: false };
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
        let (faults, level) = (&self.plan.faults, self.plan.outlets[one.outlet].options.level);
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
        let (outlet, gone) = (one.outlet, one.fate == Fate::Unknown);
        let level = self.plan.outlets[outlet].options.level;
        let roll = self.random.next();
        if lookup {
            let failed = self.now < self.plan.faults.until && self.random.chance(self.plan.faults.lookup_fails);
            let failed = failed || gone;
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
                self.watch.outlets[outlet].throttled_until = self.watch.outlets[outlet].throttled_until.max(until);
            }
            Answer::Unknown { .. } | Answer::Each(_) => {
                self.watch.doubt(slots.iter().map(|slot| (chunk.frame, *slot)), level);
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
