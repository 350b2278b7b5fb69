//! What the runner does with a lane's actions.

use naru_core::clock::Millis;
use naru_dispatch::consent::Permit;
use naru_dispatch::lane::{Action, ChunkKey, Event, Save};
use naru_dispatch::provider::Answer;

use super::{Happening, STEPS_MAX, World};
use crate::plan::SECOND;

impl World {
    pub(super) fn tell(&mut self, event: Event) {
        self.see(match &event {
            Event::Answered { answer: Answer::Each(_), .. } => "answered one by one",
            Event::Answered { answer: Answer::Throttled { .. }, .. } => "throttled",
            Event::Answered { answer: Answer::Unsent { .. }, .. } => "not sent",
            Event::Answered { answer: Answer::Unknown { .. }, .. } => "no answer",
            Event::Answered { answer: Answer::Refused { .. }, .. } => "refused as a whole",
            Event::LookedUp { found: Ok(Some(_)), .. } => "found",
            Event::LookedUp { found: Ok(None), .. } => "never arrived",
            Event::LookedUp { found: Err(_), .. } => "not told",
            Event::ClaimFailed { .. } => "claim failed",
            Event::PauseCampaign { .. } => "campaign paused",
            Event::CancelCampaign { .. } => "campaign cancelled",
            Event::Pause(_) => "lane paused",
            Event::Stop => "stopped",
            _ => "other",
        });
        let now = self.clock();
        if let Some(lane) = &mut self.lane {
            lane.apply(now, event);
        }
    }

    pub(super) fn tell_life(&mut self, life: u64, event: Event) {
        if life == self.life {
            self.tell(event);
        }
    }

    pub(super) fn carry_out(&mut self) {
        let now = self.clock();
        let mut pumps = 0;
        while let Some(lane) = &mut self.lane {
            pumps += 1;
            assert!(pumps < STEPS_MAX, "there is always more to do");
            let actions = lane.pump(now);
            if actions.is_empty() {
                break;
            }
            actions.into_iter().for_each(|action| self.act(action));
        }
        let Some(lane) = &self.lane else { return };
        for outlet in (0..self.plan.outlets.len()).filter(|outlet| lane.is_within_caps(*outlet)) {
            let requests = self.vendor.requests.iter().filter(|request| request.outlet == outlet && !request.answered);
            let flying = requests.filter(|request| request.life == self.life).count();
            self.watch.outlets[outlet].is_within(now, flying);
        }
        if self.watch.stopped && lane.is_quiet() && !self.merge.storing {
            self.watch.stopped_well(&self.plan, &self.disk, self.life);
            return self.end_life();
        }
        let flying = self.vendor.requests.iter().filter(|r| r.life == self.life && !r.answered).count();
        let counted = lane.status().in_flight;
        assert!(counted >= flying && (self.life > 1 || counted == flying), "{flying} are in flight");
        let wake = lane.wake_at(now);
        assert!(wake.is_none_or(|at| at > now.mono), "wants to be woken now, after all was done");
        let tick = if lane.outlets().iter().any(|outlet| outlet.day_spent) { 60 * SECOND } else { SECOND };
        let wait = wake.map_or(tick, |at| (at - now.mono).min(tick));
        self.queue.remove(&self.timer);
        let at = self.now + wait + self.random.below(self.plan.faults.timer_late_max);
        self.at(at, Happening::Wake);
        self.timer = (at, self.count);
    }

    pub(super) fn act(&mut self, action: Action) {
        let life = self.life;
        match action {
            Action::Claim { priority, after, limit } => {
                if self.merge.storing {
                    self.waiting_claims.push(Action::Claim { priority, after, limit });
                } else {
                    self.claims += 1;
                    self.within(SECOND / 50, Happening::Read { life, priority, after, limit });
                }
            }
            Action::Ask { chunk, slots, .. } => self.ask(chunk, &slots),
            Action::Save(save) => self.save(save),
            Action::Send { .. } | Action::Lookup { .. } => self.start(action),
            Action::Done { frame } => {
                assert!(!self.disk.is_open(&frame), "{frame} is forgotten before its states are stored");
            }
        }
    }

    pub(super) fn ask(&mut self, chunk: ChunkKey, slots: &[u16]) {
        let faults = self.plan.faults.clone();
        let wall = self.clock().wall;
        let mut denied = Vec::new();
        for slot in slots {
            let until = self.nights.get(&(chunk.frame, *slot)).copied().filter(|until| *until > wall);
            let night = self.now < faults.until && self.random.chance(faults.held);
            let until = until.or_else(|| night.then(|| wall + self.random.between(1, 5_000) as Millis));
            if let Some(until) = until {
                self.nights.insert((chunk.frame, *slot), until);
                denied.push((*slot, Permit::Hold(until)));
            } else if self.random.chance(faults.suppressed) {
                denied.push((*slot, Permit::Suppress("opted-out")));
            }
        }
        if !denied.is_empty() {
            self.see("consent says no");
        }
        self.watch.asked(&self.disk, self.clock(), chunk, slots, &denied);
        if self.random.chance(faults.asked_late) {
            let life = self.life;
            return self.within(faults.asked_max, Happening::Asked { life, chunk, denied });
        }
        self.tell(Event::Asked { chunk, denied });
    }

    pub(super) fn save(&mut self, save: Save) {
        assert!(self.saving.is_none(), "two saves at a time");
        self.saves.0 += 1;
        self.watch.saving(self.clock(), &save);
        self.saving = Some(save);
        let slow = self.random.chance(self.plan.faults.slow_commit);
        let life = self.life;
        self.within(if slow { 4 * SECOND } else { SECOND / 25 }, Happening::Commit { life });
    }

    pub(super) fn commit(&mut self, life: u64) {
        if life != self.life {
            return;
        }
        let Some(save) = self.saving.take() else { return };
        self.store(&save);
        self.within(SECOND / 200, Happening::Saved { life, save });
    }

    pub(super) fn store(&mut self, save: &Save) {
        self.watch.committing(&self.disk, save, self.life);
        let wall = self.clock().wall;
        self.disk.store(save, wall);
        self.watch.committed(&self.disk, save);
    }

    pub(super) fn read(&mut self, life: u64, priority: usize, after: i64, limit: usize) {
        if life != self.life {
            return;
        }
        if self.now < self.plan.faults.until && self.random.chance(self.plan.faults.claim_fails) {
            return self.within(SECOND / 2, Happening::ClaimFailed { life, priority });
        }
        let (frames, more) = self.disk.claim(priority, after, limit);
        self.within(self.plan.faults.claim_max, Happening::Claimed { life, priority, frames, more });
    }
}
