//! The task that stores what a file's reader packs.

use std::collections::BTreeSet;
use std::sync::Arc;

use naru_core::clock::Clock;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::lifecycle::Activity;
use naru_core::metric::Series;
use naru_store::Store;
use tokio::sync::{Notify, mpsc};

use super::row::{LEASE_MS, ended};
use super::{Done, ImportKey, Reached, Step};
use crate::campaign::{self, CampaignState};
use crate::intake::Woken;
use crate::rows::{self, NewFrame};
use crate::shard::Shard;

/// Frames of one commit.
const FRAMES_PER_COMMIT: usize = 12;

/// Stores frames as they come, several a commit.
pub(super) struct Saver {
    pub(super) store: Store,
    pub(super) woken: Woken,
    pub(super) begun: Arc<Notify>,
    pub(super) priority: usize,
    /// Whether frames leave before all of them are here.
    pub(super) leaves: bool,
    pub(super) key: ImportKey,
    pub(super) holder: Id,
    pub(super) campaign: Id,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) accepted_before: u64,
    pub(super) taken: Series,
    pub(super) activity: Activity,
}

impl Saver {
    /// Stores until the file is at its end or its reader went away.
    pub(super) async fn work(self, mut steps: mpsc::Receiver<Step>) -> Result<Done, Failure> {
        let mut group = Vec::new();
        let mut why = Failure::unavailable("import-interrupted").arg("accepted", self.accepted_before);
        let mut counted = self.accepted_before;
        while steps.recv_many(&mut group, FRAMES_PER_COMMIT).await > 0 {
            let Some(Reached { accepted, refused, complete, .. }) = group.last().map(|step| step.reached) else {
                continue;
            };
            let shards: BTreeSet<Shard> =
                group.iter().flat_map(|step| &step.frames).map(|it| it.shard.clone()).collect();
            if let Err(full) = self.store.check_intake() {
                why = Failure::from(full);
                break;
            }
            let begins = self.store(&mut group).await?;
            self.taken.add((accepted - counted) as i64);
            counted = accepted;
            if self.leaves || complete {
                shards.iter().for_each(|shard| (self.woken)(shard, self.priority));
            }
            if begins {
                // The lane may have gone past these frames while nothing of them was to leave: its notice is stored.
                self.begun.notify_one();
            }
            if complete {
                tracing::info!(campaign.id = %self.campaign, accepted, refused, "a file is taken in");
                drop(self.activity);
                return Ok(Done { campaign: self.campaign, accepted, refused });
            }
        }
        // The reader went away without an end, or there is no room: what is stored stays, and the import can go on later.
        let (key, holder) = (self.key, self.holder);
        let freed = self.store.write(move |conn| {
            Box::pin(async move {
                sqlx::query("UPDATE dispatch_import SET expires_at = 0 WHERE key = $1 AND holder = $2")
                    .bind(key.to_vec())
                    .bind(holder.0.to_vec())
                    .execute(conn)
                    .await?;
                Ok(())
            })
        });
        freed.await?;
        Err(why)
    }

    /// Stores frames and how far the file is; answers whether its campaign begins to leave with that.
    async fn store(&self, group: &mut Vec<Step>) -> Result<bool, Failure> {
        let Some(last) = group.last_mut() else { return Ok(false) };
        let (reached, summary) = (last.reached, last.summary.take());
        let mut frames: Vec<NewFrame> = group.drain(..).flat_map(|step| step.frames).collect();
        // Every writer locks shards in one order, so that two of them never wait for each other.
        frames.sort_by(|a, b| a.shard.cmp(&b.shard));
        let frames = Arc::new(frames);
        match self.try_store(&frames, reached, &summary).await {
            // Once more: a commit whose answer was lost is found, or made again with the same ids.
            Err(_) => self.try_store(&frames, reached, &summary).await?,
            Ok(stored) => stored,
        }
    }

    async fn try_store(
        &self,
        frames: &Arc<Vec<NewFrame>>,
        reached: Reached,
        summary: &Option<String>,
    ) -> naru_store::Result<Result<bool, Failure>> {
        let (frames, summary) = (frames.clone(), summary.clone());
        let (key, holder, campaign, now) = (self.key, self.holder, self.campaign, self.clock.now_ms());
        let stored = self.store.write(move |conn| {
            let (frames, summary) = (frames.clone(), summary.clone());
            Box::pin(async move {
                let mine = sqlx::query(
                    "UPDATE dispatch_import SET lines = $1, accepted = $2, refused = $3, expires_at = $4, state = $5,
                         ended_at = $6, summary = COALESCE($7, summary)
                     WHERE key = $8 AND holder = $9 AND state = 'running'",
                )
                .bind(reached.lines as i64)
                .bind(reached.accepted as i64)
                .bind(reached.refused as i64)
                .bind(now + LEASE_MS)
                .bind(if reached.complete { "complete" } else { "running" })
                .bind(reached.complete.then_some(now))
                .bind(summary)
                .bind(key.to_vec())
                .bind(holder.0.to_vec())
                .execute(&mut *conn)
                .await?;
                if mine.rows_affected() == 0 {
                    return ended(conn, key, holder, campaign).await;
                }
                rows::insert_frames(conn, &frames).await?;
                if !reached.complete {
                    return Ok(Ok(false));
                }
                if campaign::waits(conn, campaign).await? {
                    return Ok(Ok(false));
                }
                let loading = [CampaignState::Loading, CampaignState::Held];
                let moved = campaign::shift(conn, campaign, &loading, CampaignState::Running, now).await?;
                Ok(Ok(moved.is_some_and(|moved| loading.contains(&moved.was))))
            })
        });
        stored.await
    }
}
