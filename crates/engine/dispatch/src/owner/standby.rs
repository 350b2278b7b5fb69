//! Lanes that stand by: their accounts are used by the lane that carries their route, under leases of their own.
//!
//! One that has messages of its own, after somebody changed the order of the route, is given back and carries those first.

use naru_core::failure::Failure;
use naru_job::lease::{self, Lease};
use tokio::sync::oneshot;

use super::shares::Share;
use super::{Owner, joined};
use crate::lane::Event;
use crate::rows;
use crate::runner::Order;
use crate::shard::Shard;

/// A lane that stands by for another, under a lease of its own: who has that lease uses its account.
pub(super) struct Standby {
    pub(super) shard: Shard,
    pub(super) lease: Option<Lease>,
    /// It is given up as soon as nothing of it is on its way.
    parting: bool,
}

impl Standby {
    /// One whose lease is still to be taken.
    pub(super) fn of(shard: Shard) -> Standby {
        Standby { shard, lease: None, parting: false }
    }
}

impl Owner {
    /// Whether it counts as work of an instance: what stands by goes where the lane is.
    pub(super) fn is_shared_out(&self, shard: &Shard) -> bool {
        self.parts.config.stands_by_for(&shard.lane).is_none()
    }

    pub(super) fn stands_by_here(&self, shard: &Shard) -> bool {
        let mut standbys = self.held.values().flat_map(|held| &held.standbys);
        standbys.any(|standby| standby.shard == *shard && standby.lease.is_some())
    }

    pub(super) async fn has_own_work(&self, shard: &Shard) -> bool {
        let of = shard.clone();
        let look = self.parts.ctx.store().read(|conn| Box::pin(async move { rows::has_own_work(conn, &of).await }));
        look.await.unwrap_or_else(|error| {
            tracing::warn!(lane.name = %shard, error = %error, "it could not be seen whether a lane has messages");
            // Neither taken nor given up: it is asked again soon.
            self.held.contains_key(shard)
        })
    }

    /// Lets lanes carried here use the accounts that stand by for them, as long as those have no messages of their own.
    pub(super) async fn stand_by(&mut self) {
        let places = self.held.iter().filter(|(_, held)| !held.leaving);
        let places: Vec<(Shard, usize)> =
            places.flat_map(|(shard, held)| (0..held.standbys.len()).map(|no| (shard.clone(), no))).collect();
        for (shard, no) in places {
            let Some(standby) = self.held.get(&shard).map(|held| held.standbys[no].shard.clone()) else { continue };
            let own_work = self.has_own_work(&standby).await;
            if !own_work && let Some(own) = self.held.get_mut(&standby) {
                own.leave_soon();
                continue;
            }
            let Some(held) = self.held.get_mut(&shard) else { continue };
            let (has_lease, parting) = (held.standbys[no].lease.is_some(), held.standbys[no].parting);
            let done = match (own_work, has_lease) {
                (false, false) => self.join(&shard, no, &standby).await,
                // What has begun to part parts, and joins again.
                (true, true) => self.part(&shard, no).await,
                (false, true) if parting => self.part(&shard, no).await,
                _ => Ok(()),
            };
            if let Err(failure) = done {
                tracing::warn!(lane.name = %standby, error = %failure, "a lane cannot stand by, trying again");
            }
        }
    }

    async fn join(&mut self, shard: &Shard, no: usize, standby: &Shard) -> Result<(), Failure> {
        let ctx = self.parts.ctx.clone();
        // What a person has stopped stands by for nobody.
        if self.pace_of(standby).await?.paused {
            return Ok(());
        }
        let taken = lease::take(ctx.store(), ctx.clock().as_ref(), ctx.instance(), &standby.lease()).await?;
        let Some(lease) = taken else { return Ok(()) };
        let pace = self.pace_of(standby).await;
        let Ok(pace) = pace else {
            self.give_back(standby, &lease).await;
            return pace.map(drop);
        };
        // Others had its share until now.
        let mut share = Share::default();
        let used = match self.used(standby, &mut share).await {
            Ok(used) => used,
            Err(failure) => {
                self.give_back(standby, &lease).await;
                return Err(failure);
            }
        };
        if let Some(held) = self.held.get_mut(shard) {
            held.shares[no + 1] = share;
        }
        self.tell_used(shard, no + 1, standby, used).await;
        let Some(held) = self.held.get(shard) else { return Ok(()) };
        let event = joined(&ctx, no + 1, &pace);
        self.leases.add(&held.lease, &lease);
        let (done, _) = oneshot::channel();
        held.running.order(Order::Event(event, done)).await;
        if let Some(held) = self.held.get_mut(shard) {
            (held.standbys[no].lease, held.standbys[no].parting) = (Some(lease), false);
        }
        Ok(())
    }

    /// The account's own lane has messages: they are first in it.
    async fn part(&mut self, shard: &Shard, no: usize) -> Result<(), Failure> {
        let Some(held) = self.held.get_mut(shard) else { return Ok(()) };
        let health = held.running.health();
        let standby = &mut held.standbys[no];
        if !standby.parting {
            standby.parting = true;
            let (done, _) = oneshot::channel();
            held.running.order(Order::Event(Event::Parted { outlet: no + 1 }, done)).await;
            return Ok(());
        }
        let status = health.outlets.get(no + 1).map(|outlet| outlet.status);
        if status.is_some_and(|status| !status.joined && status.idle)
            && let Some(lease) = standby.lease.take()
        {
            self.leases.take_off(&held.lease, &lease);
            self.give_back(shard, &lease).await;
        }
        Ok(())
    }
}
