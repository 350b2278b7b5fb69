//! Cancelling what no lane holds in memory: a few frames a commit, under the fence of the lane's owner.
//!
//! Where the lane does not run here, nothing of it is in memory. What its last owner started and did not end is in
//! doubt and may have been sent, so it is not called cancelled: the lane looks into it when it runs again. A lane that
//! is not configured any more will not, and leaves it unknown, for a person.

use std::collections::HashSet;
use std::sync::Arc;

use naru_core::clock::Clock;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::{Result, Store};
use sqlx::AnyConnection;

use crate::lane::SideSave;
use crate::rows;
use crate::shard::Shard;
use crate::side::{Side, State};

/// A lane's frames in the store.
pub struct Rest<'a> {
    /// The database.
    pub store: &'a Store,
    /// Where time comes from.
    pub clock: &'a dyn Clock,
    /// Whose they are.
    pub shard: &'a Shard,
    /// Its owner's fence.
    pub fence: i64,
}

impl Rest<'_> {
    /// Cancels the campaign's frames but those in `held`.
    pub async fn cancel(&self, campaign: Id, held: HashSet<Id>) -> std::result::Result<(), Failure> {
        let held = Arc::new(held);
        let mut after = 0i64;
        loop {
            let (held, shard, fence, now) = (held.clone(), self.shard.clone(), self.fence, self.clock.now_ms());
            let next = self.store.write(move |conn| {
                let (held, shard) = (held.clone(), shard.clone());
                Box::pin(async move {
                    if !rows::hold_fence(conn, &shard, fence).await? {
                        return Ok(Err(Failure::unavailable("lane-not-running").arg("lane", shard)));
                    }
                    Ok(Ok(rows::cancel_some(conn, &shard, campaign, after, &held, fence, now).await?))
                })
            });
            match next.await?? {
                Some(seq) => after = seq,
                None => return Ok(()),
            }
        }
    }

    /// Counts what is in doubt in `frames` as unknown.
    async fn give_up(&self, frames: HashSet<Id>) -> std::result::Result<(), Failure> {
        let (shard, fence, now) = (self.shard.clone(), self.fence, self.clock.now_ms());
        let frames = Arc::new(frames);
        let given_up = self.store.write(move |conn| {
            let (frames, shard) = (frames.clone(), shard.clone());
            Box::pin(async move {
                if !rows::hold_fence(conn, &shard, fence).await? {
                    return Ok(());
                }
                for frame in frames.iter() {
                    give_up(conn, *frame, fence, now).await?;
                }
                Ok(())
            })
        });
        Ok(given_up.await?)
    }
}

/// Cancels a campaign's frames of a shard that no lane carries and whose lease the caller holds.
pub async fn without_lane(rest: &Rest<'_>, is_configured: bool, campaign: Id) -> std::result::Result<(), Failure> {
    let doubts = in_doubt(rest.store, rest.shard, campaign).await?;
    if is_configured {
        return rest.cancel(campaign, doubts).await;
    }
    rest.give_up(doubts).await?;
    rest.cancel(campaign, HashSet::new()).await
}

/// The campaign's frames of a shard of which something was started and not ended.
async fn in_doubt(store: &Store, shard: &Shard, campaign: Id) -> Result<HashSet<Id>> {
    let frames: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT DISTINCT c.frame FROM dispatch_chunk c JOIN dispatch_side s ON s.frame = c.frame
         WHERE s.campaign = $1 AND s.lane = $2 AND s.shard = $3",
    )
    .bind(campaign.0.to_vec())
    .bind(shard.lane.to_string())
    .bind(shard.column())
    .fetch_all(store.reader())
    .await?;
    frames.into_iter().map(rows::id_column).collect()
}

async fn give_up(conn: &mut AnyConnection, frame: Id, fence: i64, now: i64) -> Result<()> {
    let Some((stored, ..)) = rows::frame(conn, frame).await? else { return Ok(()) };
    // A damaged row is found by the audit.
    let Some(mut side) = Side::read(&stored.side) else { return Ok(()) };
    let (_, doubts) = rows::left_of(conn, frame, &[]).await?;
    for slot in doubts.into_iter().flat_map(|doubt| doubt.slots) {
        side.advance(slot, State::Unknown, "lane-gone");
    }
    rows::update_sides(conn, &[SideSave::of(frame, &side)], fence, now).await?;
    sqlx::query("DELETE FROM dispatch_chunk WHERE frame = $1").bind(frame.0.to_vec()).execute(conn).await?;
    Ok(())
}
