//! Intake, people, and machines that die.

use naru_core::clock::{Micros, Millis};
use naru_dispatch::lane::{Event, Lane};
use naru_dispatch::side::Side;

use super::receipts::Merge;
use super::{Happening, World};
use crate::disk::{Campaign, FrameRow, campaign_id};
use crate::plan::{Order, SECOND};

/// Nothing starts for so long after the last stored mark.
const QUIET_MS: Millis = 1_500;

impl World {
    /// Somebody hands messages in: they are on their way to the disk, and nobody is told "accepted" yet.
    pub(super) fn accept(&mut self, frame: usize) {
        let intake = self.intake;
        self.place += 1;
        let seq = self.place;
        if planted!(AckBeforeCommit) {
            self.watch.acknowledged.insert(self.plan.frames[frame].id);
            self.frames_left -= 1;
        }
        self.within(SECOND / 10, Happening::Stored { intake, frame, seq });
    }

    /// The commit: in it the frame gets its place, and after it the caller is told.
    pub(super) fn stored(&mut self, intake: u64, frame: usize, seq: i64) {
        if intake != self.intake {
            if !planted!(AckBeforeCommit) {
                // Whoever got no answer asks again.
                self.within(SECOND, Happening::Accepted { frame });
            }
            return;
        }
        let seq = if planted!(LateFrameSkipped) { seq } else { self.disk.order.len() as i64 + 1 };
        let wall = self.clock().wall;
        let plan = &self.plan.frames[frame];
        let expires = if plan.lives.iter().all(Option::is_none) {
            Vec::new()
        } else {
            plan.lives.iter().map(|life| life.map_or(Millis::MAX, |life| wall + life)).collect()
        };
        // A cancelled campaign takes no more.
        let campaign = plan.campaign.filter(|campaign| self.disk.campaigns[*campaign] != Campaign::Cancelled);
        let row = FrameRow {
            seq,
            priority: plan.priority,
            campaign,
            keys: plan.keys.clone(),
            expires,
            side: Side::new(plan.keys.len()).row(),
        };
        let (id, priority) = (plan.id, plan.priority);
        self.disk.insert(id, row);
        self.watch.accepted(&self.disk, id);
        if !planted!(AckBeforeCommit) {
            self.watch.acknowledged.insert(id);
            self.frames_left -= 1;
        }
        let life = self.life;
        self.within(SECOND / 100, Happening::Work { life, priority });
    }

    pub(super) fn ordered(&mut self, order: Order) {
        self.orders_left -= 1;
        match order {
            Order::Lane { paused } => self.disk.lane_paused = paused,
            Order::Campaign { campaign, .. } | Order::Cancel { campaign }
                if self.disk.campaigns[campaign] == Campaign::Cancelled =>
            {
                return;
            }
            Order::Campaign { campaign, paused } => {
                if paused {
                    self.watch.ever_kept_back.insert(campaign);
                }
                self.disk.campaigns[campaign] = if paused { Campaign::Paused } else { Campaign::Running };
            }
            Order::Cancel { campaign } => {
                self.watch.ever_kept_back.insert(campaign);
                self.disk.campaigns[campaign] = Campaign::Cancelled;
            }
            Order::Stop => {}
        }
        let life = self.life;
        // Orders reach the lane in the order in which they were given.
        self.at(self.now + SECOND / 100, Happening::Told { life, order });
    }

    pub(super) fn told(&mut self, life: u64, order: Order) {
        if life != self.life || self.lane.is_none() {
            return;
        }
        match order {
            Order::Lane { paused } => {
                self.watch.paused = paused;
                self.tell(Event::Pause(paused));
            }
            Order::Campaign { campaign, paused } => self.tell_campaign(campaign, paused),
            Order::Cancel { campaign } => self.tell_cancel(campaign),
            Order::Stop => {
                self.watch.stopped = true;
                self.tell(Event::Stop);
            }
        }
    }

    pub(super) fn tell_campaign(&mut self, campaign: usize, paused: bool) {
        if paused {
            self.watch.kept_back.insert(campaign);
        } else {
            self.watch.kept_back.remove(&campaign);
        }
        self.tell(Event::PauseCampaign { campaign: campaign_id(campaign), paused });
    }

    pub(super) fn tell_cancel(&mut self, campaign: usize) {
        self.watch.kept_back.insert(campaign);
        self.tell(Event::CancelCampaign { campaign: campaign_id(campaign) });
        let held = self.lane.as_ref().map(Lane::frames_in_memory).unwrap_or_default();
        let life = self.life;
        self.within(SECOND / 10, Happening::CancelRest { life, campaign, held });
    }

    pub(super) fn crash(&mut self) {
        self.crashes += 1;
        self.intake += 1;
        self.see("crash");
        // What was on its way to the disk is there or it is not.
        if let Some(save) = self.saving.take().filter(|_| self.random.chance(500)) {
            self.store(&save);
        }
        for index in 0..self.vendor.requests.len() {
            let unborn = self.vendor.requests[index].arrives.is_some_and(|at| at > self.now);
            if self.vendor.requests[index].life == self.life && unborn && self.random.chance(300) {
                self.vendor.requests[index].arrives = None;
            }
        }
        self.end_life();
    }

    pub(super) fn end_life(&mut self) {
        self.lane = None;
        self.life += 1;
        self.saving = None;
        let wait = self.random.pick(&[SECOND / 100, SECOND / 2, 3 * SECOND]);
        self.at(self.now + wait, Happening::Restart);
    }

    /// A new owner: what is stored and nothing else.
    pub(super) fn restart(&mut self) {
        self.life += 1;
        let now = self.clock();
        let mut lane = Lane::new(self.plan.outlets.iter().map(|outlet| outlet.options.clone()).collect());
        lane.apply(now, Event::Capped { outlet: 0, caps: self.plan.outlets[0].part(self.quarters) });
        for priority in 0..3 {
            let frames = self.disk.left_overs(priority);
            let doubts = frames.iter().any(|frame| !frame.doubts.is_empty());
            let retries = frames.iter().any(|frame| !frame.retries.is_empty());
            *self.seen.entry("restored doubts").or_default() += u64::from(doubts);
            *self.seen.entry("restored retries").or_default() += u64::from(retries);
            lane.apply(now, Event::Restored { priority, frames });
        }
        self.lane = Some(lane);
        self.watch.restarted(&self.plan, &self.disk);
        self.join(0);
        self.lease_begins();
        if self.plan.outlets.len() > 1 {
            let life = self.life;
            self.within(3 * SECOND, Happening::Joins { life });
        }
        (self.claims, self.saves) = (0, (0, 0));
        self.waiting_claims.clear();
        self.merge = Merge { waiting: self.disk.receipts.keys().copied().collect(), ..Merge::default() };
        if self.disk.lane_paused {
            self.watch.paused = true;
            self.tell(Event::Pause(true));
        }
        for campaign in 0..self.plan.campaigns {
            match self.disk.campaigns[campaign] {
                Campaign::Running => {}
                Campaign::Paused => self.tell_campaign(campaign, true),
                Campaign::Cancelled => self.tell_cancel(campaign),
            }
        }
        self.die_some_time();
    }

    fn join(&mut self, outlet: usize) {
        let (now, pace) = (self.clock(), self.disk.pace[outlet]);
        let quiet_ms = (pace.marked_at + QUIET_MS - now.wall).clamp(0, QUIET_MS);
        let quiet_until = now.mono + quiet_ms as Micros * 1_000;
        (self.watch.outlets[outlet].joined, self.watch.outlets[outlet].quiet_until) = (true, quiet_until);
        self.tell(Event::Joined { outlet, day: pace.day, day_used: pace.day_used, quiet_until });
    }

    /// Another shard has taken a part of the caps, or given one back.
    pub(super) fn shared(&mut self, quarters: u32) {
        self.see("shared");
        self.quarters = quarters;
        let caps = self.plan.outlets[0].part(quarters);
        self.watch.outlets[0].capped(caps);
        self.tell(Event::Capped { outlet: 0, caps });
    }

    /// Others have had the account that stands by, and have given of it to whom they would. A while later they need none.
    fn shared_before(&mut self) {
        let Some(quarters) = self.plan.left.pop() else { return };
        let caps = self.plan.outlets[1].part(quarters);
        self.watch.outlets[1].joins_with(caps);
        self.tell(Event::Capped { outlet: 1, caps });
        let life = self.life;
        self.within(30 * SECOND, Happening::SharedBack { life });
    }

    /// All of the account that stands by is the lane's.
    pub(super) fn shared_back(&mut self, life: u64) {
        if life == self.life && self.lane.is_some() && self.watch.outlets[1].joined {
            let caps = self.plan.outlets[1].part(4);
            self.watch.outlets[1].capped(caps);
            self.tell(Event::Capped { outlet: 1, caps });
        }
    }

    /// The account that stands by is free, or is so later.
    pub(super) fn joins(&mut self, life: u64) {
        if life != self.life || self.lane.is_none() {
            return;
        }
        let lent = self.plan.outlets[1].lent.clone();
        if lent.contains(&self.now) {
            return self.at(lent.end, Happening::Joins { life });
        }
        self.shared_before();
        self.join(1);
        if self.now < lent.start {
            self.at(lent.start, Happening::Parts { life });
        }
    }

    pub(super) fn parts(&mut self, life: u64) {
        if life != self.life || self.lane.is_none() {
            return;
        }
        self.see("parted");
        self.watch.outlets[1].joined = false;
        self.tell(Event::Parted { outlet: 1 });
        let back = self.plan.outlets[1].lent.end;
        self.at(back, Happening::Joins { life });
    }

    pub(super) fn die_some_time(&mut self) {
        if self.crashes < self.plan.faults.crashes_max && self.now < self.plan.faults.until {
            let life = self.life;
            self.within(15 * SECOND, Happening::Crash { life });
        }
    }
}
