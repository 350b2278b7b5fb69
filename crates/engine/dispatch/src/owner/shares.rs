//! Shares of caps, moved between the shards of a lane: what [`crate::share`] plans, carried out in the store.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use naru_core::clock::{Micros, Millis};
use naru_core::failure::Failure;
use naru_job::lease::{self, Lease};
use naru_store::error::StoreError;
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::oneshot;

use super::Owner;
use crate::lane::pace::{Caps, SECOND_US};
use crate::runner::Order;
use crate::shard::Shard;
use crate::share::{self, Slice};

/// A slice that was handed over is used so long after that: by then nothing counts any more that was started under it.
const REST_MS: Millis = (SECOND_US / 1_000) as Millis;
/// Who had more to send than its caps let through counts as busy for so long.
const BUSY_MS: Millis = 3_000;
/// How often that is written down.
const TELL_BUSY_US: Micros = 1_000_000;

/// What an outlet of a lane has of its account's caps, and was told that it may use.
#[derive(Default)]
pub(super) struct Share {
    /// The slices that are its own, and since when each may be used. Counted on this machine's monotonic clock from when it
    /// was first seen, so that a clock that is set changes nothing.
    slices: Option<HashMap<u16, Micros>>,
    used: Option<Vec<u16>>,
    /// Answers once nothing needs more than that.
    within: Option<oneshot::Receiver<()>>,
    /// When it was last written down that there is much to send.
    busy_at: Micros,
}

impl Share {
    /// Looks at what is there; answers what may be used now.
    fn take_stock(&mut self, now: Micros, of: &Shard, slices: &[Slice]) -> Vec<u16> {
        let mine = slices.iter().filter(|slice| slice.shard == of.no);
        let before = self.slices.take();
        let usable_at = |slice: &Slice| match &before {
            Some(before) => before.get(&slice.no).copied().unwrap_or(now + SECOND_US),
            // At the first look nobody else knows whether it rests.
            None if slice.usable => 0,
            None => now + SECOND_US,
        };
        let mine: Vec<(&Slice, Micros)> = mine.map(|slice| (slice, usable_at(slice))).collect();
        self.slices = Some(mine.iter().map(|(slice, at)| (slice.no, *at)).collect());
        mine.iter().filter(|(slice, at)| slice.goes_to.is_none() && *at <= now).map(|(slice, _)| slice.no).collect()
    }

    /// Whether all that is or will be on its way is within what may be used.
    fn is_within(&mut self) -> bool {
        let told = self.used.is_some();
        let answered = self.within.as_mut().is_none_or(|within| within.try_recv().is_ok());
        if answered {
            self.within = None;
        }
        told && answered
    }
}

impl Owner {
    /// The slices of a lane, in order; none where it is whole, and none where another instance has split it otherwise: what
    /// they hold means something else there, and this one stands still until it is replaced.
    async fn slices(&self, lane: &str) -> Result<Vec<Slice>, Failure> {
        let store = self.parts.ctx.store();
        let text = format!(
            "SELECT slice, shard, goes_to, CASE WHEN usable_at <= {} THEN 1 ELSE 0 END
             FROM dispatch_slice WHERE lane = $1 ORDER BY slice",
            store.engine().now()
        );
        let rows = sqlx::query(AssertSqlSafe(text)).bind(lane.to_owned()).fetch_all(store.reader()).await;
        let read = |row: &sqlx::any::AnyRow| -> Result<Slice, sqlx::Error> {
            Ok(Slice {
                no: row.try_get::<i64, _>(0)? as u16,
                shard: row.try_get::<i64, _>(1)? as u16,
                goes_to: row.try_get::<Option<i64>, _>(2)?.map(|shard| shard as u16),
                usable: row.try_get::<i64, _>(3)? == 1,
            })
        };
        let rows = rows.map_err(StoreError::from)?;
        let slices: Vec<Slice> = rows.iter().map(read).collect::<Result<_, _>>().map_err(StoreError::from)?;
        let known = usize::from(self.parts.shards.count(lane)) * usize::from(share::EACH);
        Ok(if slices.len() == known { slices } else { Vec::new() })
    }

    /// What of its lane a shard may use as it begins.
    pub(super) async fn used(&self, shard: &Shard, share: &mut Share) -> Result<Vec<u16>, Failure> {
        if self.is_whole(&shard.lane) {
            return Ok(Vec::new());
        }
        let slices = self.slices(&shard.lane).await?;
        *share = Share::default();
        Ok(share.take_stock(self.parts.ctx.clock().monotonic_us(), shard, &slices))
    }

    fn is_whole(&self, lane: &str) -> bool {
        self.parts.shards.count(lane) == 1
    }

    /// Whether any lane is split, so that what others need is looked for often.
    pub(super) fn has_shares(&self) -> bool {
        self.parts.shards.counts().any(|(_, count)| count > 1)
    }

    /// Takes up what came, hands over what others are to have, says who has much to send, and decides who is to have what.
    pub(super) async fn move_shares(&mut self) {
        if !self.has_shares() {
            return;
        }
        let places = self.held.iter().flat_map(|(shard, held)| {
            let own = [(shard.clone(), 0, shard.clone(), held.lease.clone())];
            let standbys = held.standbys.iter().enumerate();
            let joined = standbys.filter_map(|(no, it)| Some((no + 1, it.shard.clone(), it.lease.clone()?)));
            own.into_iter().chain(joined.map(|(no, of, lease)| (shard.clone(), no, of, lease)))
        });
        let places: Vec<(Shard, usize, Shard, Lease)> =
            places.filter(|(_, _, of, _)| !self.is_whole(&of.lane)).collect();
        let lanes: BTreeSet<Arc<str>> = places.iter().map(|(_, _, of, _)| of.lane.clone()).collect();
        let mut slices: BTreeMap<Arc<str>, Vec<Slice>> = BTreeMap::new();
        for lane in lanes {
            match self.slices(&lane).await {
                Ok(of_lane) => drop(slices.insert(lane, of_lane)),
                Err(failure) => {
                    tracing::warn!(lane.name = &*lane, error = %failure, "shares of caps could not be read")
                }
            }
        }
        let mut busy = Vec::new();
        for (carrier, outlet, of, lease) in places {
            let Some(slices) = slices.get(&of.lane) else { continue };
            if self.is_busy(&carrier, outlet) {
                busy.push(of.clone());
            }
            let mut done = self.use_share(&carrier, outlet, &of, &lease, slices).await;
            if done.is_ok() && of.no == 0 {
                done = self.share_out(&of.lane, &lease, slices).await;
            }
            if let Err(failure) = done {
                tracing::warn!(lane.name = %of, error = %failure, "shares of caps could not be moved, trying again");
            }
        }
        if !busy.is_empty()
            && let Err(failure) = self.tell_busy(busy).await
        {
            tracing::warn!(error = %failure, "it could not be said who has much to send, trying again");
        }
    }

    /// Whether it is time to say that an outlet has more to send than its caps let through: one that messages leave by, or
    /// one of which a request in doubt is larger than what it has of them.
    fn is_busy(&mut self, carrier: &Shard, no: usize) -> bool {
        let now = self.parts.ctx.clock().monotonic_us();
        let Some(held) = self.held.get_mut(carrier) else { return false };
        let health = held.running.health();
        let leaves_by = health.outlets.iter().position(|outlet| outlet.status.joined && !outlet.status.open);
        let share = &mut held.shares[no];
        let wants = health.outlets.get(no).is_some_and(|outlet| outlet.status.joined && outlet.status.wants);
        let waits = health.status.waiting && leaves_by == Some(no);
        let is_due = (wants || waits) && now >= share.busy_at + TELL_BUSY_US;
        if is_due {
            share.busy_at = now;
        }
        is_due
    }

    async fn use_share(
        &mut self,
        carrier: &Shard,
        outlet: usize,
        of: &Shard,
        lease: &Lease,
        slices: &[Slice],
    ) -> Result<(), Failure> {
        let now = self.parts.ctx.clock().monotonic_us();
        let Some(held) = self.held.get_mut(carrier) else { return Ok(()) };
        let used = held.shares[outlet].take_stock(now, of, slices);
        self.tell_used(carrier, outlet, of, used).await;
        let Some(held) = self.held.get_mut(carrier) else { return Ok(()) };
        let mine = slices.iter().filter(|slice| slice.shard == of.no);
        let leaving: Vec<(u16, u16)> = mine.filter_map(|slice| Some((slice.no, slice.goes_to?))).collect();
        if !leaving.is_empty() && held.shares[outlet].is_within() {
            self.hand_over(of, lease, leaving).await?;
        }
        Ok(())
    }

    /// Tells a lane what of an account's caps it may use from now on.
    pub(super) async fn tell_used(&mut self, carrier: &Shard, outlet: usize, of: &Shard, used: Vec<u16>) {
        let Some(config) = self.parts.config.lane.get(&*of.lane).filter(|lane| lane.shards > 1) else { return };
        let Some(held) = self.held.get_mut(carrier) else { return };
        if held.shares[outlet].used.as_ref() == Some(&used) {
            return;
        }
        let caps: Caps = share::caps(config, &used);
        let (done, within) = oneshot::channel();
        held.shares[outlet].used = Some(used);
        held.shares[outlet].within = Some(within);
        held.running.order(Order::Cap(outlet, caps, done)).await;
        tracing::debug!(lane.name = %of, ?caps, "a shard's share of the caps is another one");
    }

    /// Gives slices to those who are to have them; only under the lease, and only what is still to go there.
    async fn hand_over(&self, of: &Shard, lease: &Lease, slices: Vec<(u16, u16)>) -> Result<(), Failure> {
        let store = self.parts.ctx.store();
        let text = format!(
            "UPDATE dispatch_slice SET shard = goes_to, goes_to = NULL, usable_at = {} + {REST_MS}
             WHERE lane = $1 AND slice = $2 AND shard = $3 AND goes_to = $4",
            store.engine().now()
        );
        let (of, lease) = (of.clone(), lease.clone());
        let handed = store.write(move |conn| {
            let (of, lease, slices, text) = (of.clone(), lease.clone(), slices.clone(), text.clone());
            Box::pin(async move {
                if !lease::hold(conn, &lease.name, lease.fence).await? {
                    return Ok(0);
                }
                let mut moved = 0;
                for (slice, to) in slices {
                    let done = sqlx::query(AssertSqlSafe(text.clone()))
                        .bind(of.lane.to_string())
                        .bind(i64::from(slice))
                        .bind(of.column())
                        .bind(i64::from(to))
                        .execute(&mut *conn)
                        .await?;
                    moved += done.rows_affected();
                }
                Ok(moved)
            })
        });
        if handed.await? > 0 {
            // Whoever has them now may be carried here too.
            self.parts.tug.notify_one();
        }
        Ok(())
    }

    /// In one commit: those who decide look at when it was said.
    async fn tell_busy(&self, busy: Vec<Shard>) -> Result<(), Failure> {
        let store = self.parts.ctx.store();
        let text =
            format!("UPDATE dispatch_pace SET busy_at = {} WHERE lane = $1 AND shard = $2", store.engine().now());
        let told = store.write(move |conn| {
            let (busy, text) = (busy.clone(), text.clone());
            Box::pin(async move {
                for of in busy {
                    let query = sqlx::query(AssertSqlSafe(text.clone())).bind(of.lane.to_string()).bind(of.column());
                    query.execute(&mut *conn).await?;
                }
                Ok(())
            })
        });
        Ok(told.await?)
    }

    /// Says where slices are to go; by the owner of shard 0 alone.
    async fn share_out(&self, lane: &str, lease: &Lease, slices: &[Slice]) -> Result<(), Failure> {
        let Some(config) = self.parts.config.lane.get(lane).filter(|_| !slices.is_empty()) else { return Ok(()) };
        let busy = self.busy(lane).await?;
        let wanted = share::plan(config, slices, &busy);
        let moves: Vec<(u16, u16, Option<u16>)> = slices
            .iter()
            .zip(wanted)
            .filter(|(slice, to)| slice.goes_to.unwrap_or(slice.shard) != *to)
            .map(|(slice, to)| (slice.no, slice.shard, (slice.shard != to).then_some(to)))
            .collect();
        if moves.is_empty() {
            return Ok(());
        }
        let (lane, lease) = (lane.to_owned(), lease.clone());
        let said = self.parts.ctx.store().write(move |conn| {
            let (lane, lease, moves) = (lane.clone(), lease.clone(), moves.clone());
            Box::pin(async move {
                if !lease::hold(conn, &lease.name, lease.fence).await? {
                    return Ok(0);
                }
                let mut said = 0;
                for (slice, from, to) in moves {
                    let text = "UPDATE dispatch_slice SET goes_to = $1 WHERE lane = $2 AND slice = $3 AND shard = $4";
                    let done = sqlx::query(text)
                        .bind(to.map(i64::from))
                        .bind(lane.clone())
                        .bind(i64::from(slice))
                        .bind(i64::from(from))
                        .execute(&mut *conn)
                        .await?;
                    said += done.rows_affected();
                }
                Ok(said)
            })
        });
        if said.await? > 0 {
            self.parts.tug.notify_one();
        }
        Ok(())
    }

    /// Which shards of a lane have more to send than their caps let through.
    async fn busy(&self, lane: &str) -> Result<Vec<bool>, Failure> {
        let store = self.parts.ctx.store();
        let text = format!(
            "SELECT shard FROM dispatch_pace WHERE lane = $1 AND busy_at BETWEEN {now} - {BUSY_MS} AND {now}",
            now = store.engine().now()
        );
        let query = sqlx::query_scalar(AssertSqlSafe(text)).bind(lane.to_owned());
        let shards: Vec<i64> = query.fetch_all(store.reader()).await.map_err(StoreError::from)?;
        let count = self.parts.shards.count(lane);
        Ok((0..count).map(|shard| shards.contains(&i64::from(shard))).collect())
    }
}
