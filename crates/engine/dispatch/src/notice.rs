//! Notices: a campaign's state has changed, and whoever owns its lane, on whatever machine, is to look.
//!
//! A notice is stored in the commit that changes the state and removed once the owner has acted on the state as it is
//! then, so that it matters neither how often a person changed their mind nor in which order notices are read. An owner
//! that begins later reads the states themselves. So whoever waits is done when the notice is gone, or when the lease it
//! was for has ended or passed on.

use std::time::Duration;

use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_job::lease;
use naru_store::error::StoreError;
use naru_store::{Result, Store};
use sqlx::{AnyConnection, Row};

use crate::campaign::CampaignState;
use crate::rows;
use crate::shard::Shard;

/// Notices of one shard read at once.
const PAGE: i64 = 100;
/// How often whoever waits looks; doubled up to [`LOOK_MAX`].
const LOOK: Duration = Duration::from_millis(5);
const LOOK_MAX: Duration = Duration::from_millis(200);
/// Longer than any lease lasts: an owner that renews and does not act has a database that does not answer.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A notice as its owner reads it.
pub struct Notice {
    /// Its row.
    pub id: Id,
    /// The campaign.
    pub campaign: Id,
    /// Where that stands now; `None` where it is gone.
    pub state: Option<CampaignState>,
}

/// Who is to take notice, and the fence of its lease when the state changed; `None` where nobody ever owned it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The notice.
    pub id: Id,
    /// The shard.
    pub shard: Shard,
    /// The fence.
    pub fence: Option<i64>,
}

/// How waiting for one shard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// Its owner has acted.
    Acted,
    /// Nobody owns it, or somebody who began after the change.
    Free,
}

/// Stores a notice for every shard of the campaign's lane, in the commit that changes its state.
pub async fn give(conn: &mut AnyConnection, id: Id, lane: &str, campaign: Id) -> Result<Vec<Awaited>> {
    sqlx::query(
        "INSERT INTO dispatch_notice (id, lane, shard, campaign)
         SELECT $1, lane, shard, $2 FROM dispatch_shard WHERE lane = $3 ON CONFLICT DO NOTHING",
    )
    .bind(id.0.to_vec())
    .bind(campaign.0.to_vec())
    .bind(lane)
    .execute(&mut *conn)
    .await?;
    let shards: Vec<i64> = sqlx::query_scalar("SELECT shard FROM dispatch_shard WHERE lane = $1 ORDER BY shard")
        .bind(lane)
        .fetch_all(&mut *conn)
        .await?;
    let mut awaited = Vec::with_capacity(shards.len());
    for no in shards {
        let shard = Shard::new(lane, no as u16);
        // Locks the lease until the commit: who takes it after that begins with the state as it is then.
        let fence = sqlx::query_scalar("UPDATE job_lease SET fence = fence WHERE name = $1 RETURNING fence")
            .bind(shard.lease())
            .fetch_optional(&mut *conn)
            .await?;
        awaited.push(Awaited { id, shard, fence });
    }
    Ok(awaited)
}

/// The oldest notices for a shard.
pub async fn read(store: &Store, shard: &Shard) -> Result<Vec<Notice>> {
    let rows = sqlx::query(
        "SELECT n.id, n.campaign, c.state FROM dispatch_notice n LEFT JOIN dispatch_campaign c ON c.id = n.campaign
         WHERE n.lane = $1 AND n.shard = $2 ORDER BY n.id LIMIT $3",
    )
    .bind(shard.lane.to_string())
    .bind(shard.column())
    .bind(PAGE)
    .fetch_all(store.reader())
    .await?;
    let notice = |row: &sqlx::any::AnyRow| {
        let state = row.try_get::<Option<String>, _>(2)?;
        Ok(Notice {
            id: rows::id_column(row.try_get(0)?)?,
            campaign: rows::id_column(row.try_get(1)?)?,
            state: state.map(|name| CampaignState::from_name(&name)).transpose()?,
        })
    };
    rows.iter().map(notice).collect()
}

/// Removes a notice that was acted on.
pub async fn take(store: &Store, shard: &Shard, id: Id) -> Result<()> {
    let shard = shard.clone();
    store
        .write(move |conn| {
            let shard = shard.clone();
            Box::pin(async move {
                sqlx::query("DELETE FROM dispatch_notice WHERE lane = $1 AND shard = $2 AND id = $3")
                    .bind(shard.lane.to_string())
                    .bind(shard.column())
                    .bind(id.0.to_vec())
                    .execute(conn)
                    .await?;
                Ok(())
            })
        })
        .await
}

/// Waits until the owner of a shard has acted, or has none of it any more.
pub async fn wait(
    store: &Store,
    awaited: &Awaited,
    is_ours: impl Fn(&Shard) -> bool,
) -> std::result::Result<Noticed, Failure> {
    let end = tokio::time::Instant::now() + WAIT_MAX;
    let mut pause = LOOK;
    loop {
        let there = sqlx::query("SELECT 1 FROM dispatch_notice WHERE lane = $1 AND shard = $2 AND id = $3")
            .bind(awaited.shard.lane.to_string())
            .bind(awaited.shard.column())
            .bind(awaited.id.0.to_vec())
            .fetch_optional(store.reader())
            .await
            .map_err(StoreError::from)?;
        if there.is_none() {
            return Ok(Noticed::Acted);
        }
        let is_owned = match store.engine() {
            // One process: whoever is not in it is nowhere.
            naru_store::Engine::Sqlite => is_ours(&awaited.shard),
            naru_store::Engine::Postgres => {
                let standing = lease::standing(store, &awaited.shard.lease()).await?;
                standing.is_some_and(|lease| Some(lease.fence) == awaited.fence && lease.left_ms > 0)
            }
        };
        if !is_owned {
            return Ok(Noticed::Free);
        }
        if tokio::time::Instant::now() >= end {
            return Err(Failure::unavailable("lane-silent").arg("lane", &awaited.shard).retry_after(5));
        }
        tokio::time::sleep_until(tokio::time::Instant::now() + pause).await;
        pause = (pause * 2).min(LOOK_MAX);
    }
}
