//! The lease: renewed in time, or late, or not at all; and the owner that lost it and goes on.

use naru_core::clock::Micros;
use naru_dispatch::lane::{Action, Event};

use super::{Happening, World};
use crate::plan::SECOND;

/// How long a lease lasts, and how often it is renewed.
const LEASE: Micros = 6 * SECOND;
const RENEW_EVERY: Micros = 2 * SECOND;

impl World {
    /// A new owner has just taken it.
    pub(super) fn lease_begins(&mut self) {
        self.lease_ends = self.now + LEASE;
        let (life, until) = (self.life, self.clock().mono + LEASE);
        self.watch.leased_until = until;
        self.tell(Event::Leased { until });
        self.at(self.now + RENEW_EVERY, Happening::Renew { life });
        self.at(self.now + LEASE, Happening::Lapses { life });
    }

    /// The owner asks; its own clock counts from here.
    pub(super) fn renew(&mut self, life: u64) {
        if life != self.life || self.lane.is_none() {
            return;
        }
        let asked = self.clock().mono;
        if self.now < self.plan.faults.until && self.random.chance(self.plan.faults.renew_fails) {
            self.see("renewal failed");
            return self.at(self.now + SECOND / 2, Happening::Renew { life });
        }
        let slow = self.random.chance(self.plan.faults.slow_commit);
        self.within(if slow { 5 * SECOND } else { SECOND / 25 }, Happening::Renewed { life, asked });
    }

    /// The renewal is stored, unless another has taken the lease by then.
    pub(super) fn renewed(&mut self, life: u64, asked: Micros) {
        if life != self.life || self.lane.is_none() {
            return;
        }
        self.lease_ends = self.now + LEASE;
        let until = asked + LEASE;
        self.watch.leased_until = until;
        self.tell(Event::Leased { until });
        self.at(self.now + RENEW_EVERY, Happening::Renew { life });
        self.at(self.lease_ends, Happening::Lapses { life });
    }

    /// Another instance looks: where the lease has ended it takes the lane, and the old owner does not know.
    pub(super) fn lapses(&mut self, life: u64) {
        if life != self.life || self.lane.is_none() || self.now < self.lease_ends {
            return;
        }
        self.see("taken over");
        // What was on its way to the disk is there, or the fence keeps it out.
        if let Some(save) = self.saving.take().filter(|_| self.random.chance(500)) {
            self.store(&save);
        }
        self.stale = self.lane.take().map(|lane| (life, lane));
        self.restart();
        for _ in 0..4 {
            self.within(4 * SECOND, Happening::Stale);
        }
    }

    /// The old owner goes on: it starts nothing, and the first thing it writes tells it that it has lost the lane.
    pub(super) fn stale_acts(&mut self) {
        let now = self.clock();
        let Some((life, mut lane)) = self.stale.take() else { return };
        for action in lane.pump(now) {
            match action {
                Action::Send { .. } | Action::Lookup { .. } => {
                    panic!("{action:?} of life {life} starts without a lease")
                }
                Action::Save(save) if planted!(WriteWithoutFence) => {
                    self.disk.store(&save, now.wall);
                    lane.apply(now, Event::Saved);
                }
                Action::Save(_) => return self.see("kept out by the fence"),
                _ => {}
            }
        }
        self.stale = Some((life, lane));
    }

    /// An answer to what an owner sent before it lost the lane.
    pub(super) fn tell_stale(&mut self, life: u64, event: Event) {
        let now = self.clock();
        if let Some((_, lane)) = self.stale.as_mut().filter(|(stale, _)| *stale == life) {
            lane.apply(now, event);
            self.stale_acts();
        }
    }
}
