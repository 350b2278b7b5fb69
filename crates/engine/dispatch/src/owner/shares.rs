//! Shares of caps, moved between the shards of a lane: what [`crate::share`] plans, carried out in the store.

use std::collections::{BTreeMap, BTreeSet};
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

/// What an outlet of a lane was told that it may use.
#[derive(Default)]
pub(super) struct Share {
    used: Option<Vec<u16>>,
    /// Answers once nothing needs more than that.
    within: Option<oneshot::Receiver<()>>,
    /// When it was last written down that there is much to send.
    busy_at: Micros,
}

impl Share {
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
    /// The slices of a lane, in order; none where it is whole.
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
        Ok(rows.iter().map(read).collect::<Result<_, _>>().map_err(StoreError::from)?)
    }

    /// What of its lane a shard may use.
    pub(super) async fn used(&self, shard: &Shard) -> Result<Vec<u16>, Failure> {
        Ok(if self.is_whole(&shard.lane) { Vec::new() } else { used(&self.slices(&shard.lane).await?, shard) })
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
        for (carrier, outlet, of, lease) in places {
            let Some(slices) = slices.get(&of.lane) else { continue };
            let mut done = self.use_share(&carrier, outlet, &of, &lease, slices).await;
            if done.is_ok() && of.no == 0 {
                done = self.share_out(&of.lane, &lease, slices).await;
            }
            if let Err(failure) = done {
                tracing::warn!(lane.name = %of, error = %failure, "shares of caps could not be moved, trying again");
            }
        }
    }

    async fn use_share(
        &mut self,
        carrier: &Shard,
        outlet: usize,
        of: &Shard,
        lease: &Lease,
        slices: &[Slice],
    ) -> Result<(), Failure> {
        self.tell_used(carrier, outlet, of, used(slices, of)).await;
        let now = self.parts.ctx.clock().monotonic_us();
        let Some(held) = self.held.get_mut(carrier) else { return Ok(()) };
        let is_waiting = held.running.health().status.waiting;
        let share = &mut held.shares[outlet];
        let leaving: Vec<(u16, u16)> = slices
            .iter()
            .filter(|slice| slice.shard == of.no)
            .filter_map(|slice| Some((slice.no, slice.goes_to?)))
            .collect();
        if !leaving.is_empty() && share.is_within() {
            self.hand_over(of, lease, leaving).await?;
        }
        let Some(share) = self.held.get_mut(carrier).map(|held| &mut held.shares[outlet]) else { return Ok(()) };
        if is_waiting && now >= share.busy_at + TELL_BUSY_US {
            share.busy_at = now;
            self.tell_busy(of).await?;
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
                    return Ok(());
                }
                for (slice, to) in slices {
                    sqlx::query(AssertSqlSafe(text.clone()))
                        .bind(of.lane.to_string())
                        .bind(i64::from(slice))
                        .bind(of.column())
                        .bind(i64::from(to))
                        .execute(&mut *conn)
                        .await?;
                }
                Ok(())
            })
        });
        handed.await?;
        // Whoever has them now may be carried here too.
        self.parts.tug.notify_one();
        Ok(())
    }

    async fn tell_busy(&self, of: &Shard) -> Result<(), Failure> {
        let store = self.parts.ctx.store();
        let text =
            format!("UPDATE dispatch_pace SET busy_at = {} WHERE lane = $1 AND shard = $2", store.engine().now());
        let of = of.clone();
        let told = store.write(move |conn| {
            let (of, text) = (of.clone(), text.clone());
            Box::pin(async move {
                let query = sqlx::query(AssertSqlSafe(text)).bind(of.lane.to_string()).bind(of.column());
                query.execute(conn).await?;
                Ok(())
            })
        });
        Ok(told.await?)
    }

    /// Says where slices are to go; by the owner of shard 0 alone.
    async fn share_out(&self, lane: &str, lease: &Lease, slices: &[Slice]) -> Result<(), Failure> {
        let Some(config) = self.parts.config.lane.get(lane) else { return Ok(()) };
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
                    return Ok(());
                }
                for (slice, from, to) in moves {
                    let text = "UPDATE dispatch_slice SET goes_to = $1 WHERE lane = $2 AND slice = $3 AND shard = $4";
                    sqlx::query(text)
                        .bind(to.map(i64::from))
                        .bind(lane.clone())
                        .bind(i64::from(slice))
                        .bind(i64::from(from))
                        .execute(&mut *conn)
                        .await?;
                }
                Ok(())
            })
        });
        said.await?;
        self.parts.tug.notify_one();
        Ok(())
    }

    /// Which shards of a lane have more to send than their caps let through.
    async fn busy(&self, lane: &str) -> Result<Vec<bool>, Failure> {
        let store = self.parts.ctx.store();
        let text = format!(
            "SELECT shard FROM dispatch_pace WHERE lane = $1 AND busy_at > {} - {BUSY_MS}",
            store.engine().now()
        );
        let query = sqlx::query_scalar(AssertSqlSafe(text)).bind(lane.to_owned());
        let shards: Vec<i64> = query.fetch_all(store.reader()).await.map_err(StoreError::from)?;
        let count = self.parts.shards.count(lane);
        Ok((0..count).map(|shard| shards.contains(&i64::from(shard))).collect())
    }
}

fn used(slices: &[Slice], shard: &Shard) -> Vec<u16> {
    slices.iter().filter(|slice| slice.is_used_by(shard.no)).map(|slice| slice.no).collect()
}
