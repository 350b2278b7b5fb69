//! What a lane is told before anything else: what an earlier owner had under way, and which campaigns do not run.
//!
//! An owner may have been killed anywhere. Frames with retries or started chunks come first, whatever became of their
//! campaign, so that their customers are held and their requests count from the start; and a cancel that was cut off is
//! finished.

use std::sync::Arc;

use naru_core::failure::Failure;

use crate::campaign::{self, CampaignState};
use crate::lane::{Event, Lane, Now};
use crate::message::Purpose;
use crate::rows;
use crate::runner::{self, Parts};

/// Tells `lane`, which was just made, what the store knows of it.
pub async fn restore(parts: &Parts, lane: &mut Lane) -> Result<(), Failure> {
    let now = Now { mono: parts.clock.monotonic_us(), wall: parts.clock.now_ms() };
    under_way(parts, lane, now).await?;
    for (campaign, state) in campaign::kept_back(&parts.store, &parts.shard.lane).await? {
        if state == CampaignState::Paused {
            lane.apply(now, Event::PauseCampaign { campaign, paused: true });
            continue;
        }
        lane.apply(now, Event::CancelCampaign { campaign });
        parts.rest().cancel(campaign, lane.frames_in_memory()).await?;
    }
    Ok(())
}

async fn under_way(parts: &Parts, lane: &mut Lane, now: Now) -> Result<(), Failure> {
    let (store, shard, outlets) = (&parts.store, parts.shard.clone(), Arc::new(parts.outlet_names()));
    let mut found = Purpose::ALL.map(|_| Vec::new());
    let left_overs = store.read(|conn| Box::pin(async move { rows::left_overs(conn, &shard).await }));
    for (id, priority) in left_overs.await? {
        let outlets = outlets.clone();
        let read = store.read(move |conn| {
            Box::pin(async move { Ok((rows::frame(conn, id).await?, rows::left_of(conn, id, &outlets).await?)) })
        });
        let (Some((stored, ..)), left) = read.await? else { continue };
        let Some((mut loaded, _)) = runner::load(parts, &stored).await? else { continue };
        (loaded.retries, loaded.doubts) = left;
        if let Some(frames) = found.get_mut(priority) {
            frames.push(loaded);
        }
    }
    for (priority, frames) in found.into_iter().enumerate() {
        lane.apply(now, Event::Restored { priority, frames });
    }
    Ok(())
}
