//! Taking a file in: each line once, whoever is killed.
//!
//! An import row says how many lines are durable, and it advances in the very commit that stores the frames of those
//! lines. The same file with the same template and name has the same key: it goes on after the last durable line, or is
//! told that it was done before. While it runs it holds a lease, so that two of them do not run at once.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use naru_core::clock::{Clock, Millis};
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::metric::Series;
use naru_store::error::StoreError;
use naru_store::{Result, Store};
use sqlx::{AnyConnection, Row};
use tokio::sync::mpsc;

use crate::campaign::{self, CampaignState, NewCampaign};
use crate::find::Finder;
use crate::frame::{FrameBuilder, TemplateRef};
use crate::intake::Woken;
use crate::message::Purpose;
use crate::rows::{self, NewFrame};

/// An import that was not heard of for so long may be taken over.
const LEASE_MS: Millis = 15_000;
/// Frames on their way to the store: what a reader may be ahead of the disk.
const FRAMES_AHEAD: usize = 24;
/// Frames of one commit.
const FRAMES_PER_COMMIT: usize = 12;

/// What names an intake: the same file, template and name have the same key.
pub type ImportKey = [u8; 16];

/// What an import begins as.
pub enum Begun {
    /// It can be fed.
    Open(Import),
    /// It was done before.
    Finished(Done),
}

/// What an import came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Its campaign.
    pub campaign: Id,
    /// Messages accepted.
    pub accepted: u64,
    /// Rows refused.
    pub refused: u64,
}

/// A running import. Feed it rows in order, from one thread that may block.
pub struct Import {
    /// Its campaign.
    pub campaign: Id,
    /// Lines that are durable: rows up to here are checked again and not pushed.
    pub lines_done: u64,
    /// When it first began: what "expired" is measured by, so that a second run judges as the first did.
    pub started_at: Millis,
    lane: String,
    priority: usize,
    clock: Arc<dyn Clock>,
    finder: Finder,
    builder: FrameBuilder,
    prints: Vec<u8>,
    accepted: u64,
    frames: mpsc::Sender<Step>,
}

/// A frame with how far the file is when it is stored.
struct Step {
    frame: Option<NewFrame>,
    reached: Reached,
}

/// How far a file is.
#[derive(Clone, Copy)]
struct Reached {
    lines: u64,
    accepted: u64,
    refused: u64,
    complete: bool,
}

/// Ends an import: completes when all of it is durable.
pub struct Ending(tokio::task::JoinHandle<std::result::Result<Done, Failure>>);

impl Ending {
    /// Waits for the last commit.
    pub async fn wait(self) -> std::result::Result<Done, Failure> {
        self.0.await.map_err(Failure::bug)?
    }
}

/// Tells a lane, by name, that a campaign's frames may be claimed, wherever they stand in its order.
pub type Begins = Arc<dyn Fn(&str, Id) -> BoxFuture<'static, ()> + Send + Sync>;

/// What an import needs of the engine.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// Keys fingerprints.
    pub finder: Finder,
    /// Told about new frames.
    pub woken: Woken,
    /// Told about a campaign that may leave from now on.
    pub begun: Begins,
    /// Starts the task that stores.
    pub lifecycle: naru_core::lifecycle::Lifecycle,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Counts what is stored.
    pub taken: Series,
}

/// The version of its template that an import was begun with; it goes on with that one.
pub async fn version(store: &Store, key: ImportKey) -> Result<Option<u32>> {
    let version: Option<i64> = sqlx::query_scalar(
        "SELECT c.version FROM dispatch_import i JOIN dispatch_campaign c ON c.id = i.campaign WHERE i.key = $1",
    )
    .bind(key.to_vec())
    .fetch_optional(store.reader())
    .await?;
    Ok(version.map(|version| version as u32))
}

/// Begins or goes on with the import `key` of `new`, whose version is that of [`version`] where there is one.
pub async fn begin(
    parts: &Parts,
    key: ImportKey,
    new: NewCampaign,
    template: TemplateRef,
) -> std::result::Result<(Begun, Option<Ending>), Failure> {
    let holder = Id::new(new.created_at);
    let opened = {
        let new = new.clone();
        parts.store.write(move |conn| {
            let new = new.clone();
            Box::pin(async move { open(conn, key, &new, holder).await })
        })
    };
    let opened = opened.await?;
    let row = match opened {
        Opened::Busy => return Err(Failure::conflict("import-running").retry_after(LEASE_MS as u64 / 1_000)),
        Opened::Finished(done) => return Ok((Begun::Finished(done), None)),
        Opened::Cancelled(campaign) => return Err(cancelled(campaign)),
        Opened::Mine(row) => row,
    };
    let (frames, receiver) = mpsc::channel(FRAMES_AHEAD);
    let saver = Saver {
        store: parts.store.clone(),
        woken: parts.woken.clone(),
        begun: parts.begun.clone(),
        lane: row.lane.clone(),
        priority: row.purpose.priority(),
        leaves: row.leaves,
        key,
        holder,
        campaign: row.campaign,
        clock: parts.clock.clone(),
        accepted_before: row.accepted,
        taken: parts.taken.clone(),
        activity: parts.lifecycle.activity("a file being taken in"),
    };
    let ending = Ending(parts.lifecycle.spawn("import", saver.work(receiver)));
    let import = Import {
        campaign: row.campaign,
        lines_done: row.lines,
        started_at: row.started_at,
        lane: row.lane,
        priority: row.purpose.priority(),
        clock: parts.clock.clone(),
        finder: parts.finder,
        builder: FrameBuilder::new(vec![template]),
        prints: Vec::new(),
        accepted: row.accepted,
        frames,
    };
    Ok((Begun::Open(import), Some(ending)))
}

impl Import {
    /// Takes a checked row; `line` and `refused` say how far the file is with it. Blocks while the disk is behind.
    pub fn push<'a>(
        &mut self,
        to: &str,
        customer: Option<&str>,
        expires_at: Option<Millis>,
        values: impl Iterator<Item = &'a str> + Clone,
        progress: (u64, u64),
    ) -> std::result::Result<(), Failure> {
        if !self.builder.push(0, to, customer, expires_at, None, values.clone()) {
            let (line, refused) = progress;
            self.cut(line - 1, refused, false)?;
            if !self.builder.push(0, to, customer, expires_at, None, values) {
                return Err(Failure::bug("a message that was checked does not fit a frame"));
            }
        }
        self.prints.extend_from_slice(&self.finder.print(to));
        self.accepted += 1;
        Ok(())
    }

    /// The file is at its end.
    pub fn finish(mut self, lines: u64, refused: u64) -> std::result::Result<(), Failure> {
        self.cut(lines, refused, true)
    }

    fn cut(&mut self, lines: u64, refused: u64, complete: bool) -> std::result::Result<(), Failure> {
        let now = self.clock.now_ms();
        let frame = (!self.builder.is_empty()).then(|| NewFrame {
            id: Id::new(now),
            lane: self.lane.clone(),
            priority: self.priority,
            campaign: Some(self.campaign),
            count: self.builder.count(),
            body: self.builder.finish(),
            prints: std::mem::take(&mut self.prints),
            accepted_at: now,
        });
        let step = Step { frame, reached: Reached { lines, accepted: self.accepted, refused, complete } };
        self.frames.blocking_send(step).map_err(|_| Failure::unavailable("import-interrupted"))
    }
}

enum Opened {
    Busy,
    Finished(Done),
    Cancelled(Id),
    Mine(ImportRow),
}

struct ImportRow {
    campaign: Id,
    lines: u64,
    accepted: u64,
    started_at: Millis,
    lane: String,
    purpose: Purpose,
    leaves: bool,
}

async fn open(conn: &mut AnyConnection, key: ImportKey, new: &NewCampaign, holder: Id) -> Result<Opened> {
    let now = new.created_at;
    let row = sqlx::query(
        "SELECT i.campaign, i.state, i.expires_at, i.lines, i.accepted, i.refused, i.started_at, c.version,
             c.lane, c.purpose, c.state
         FROM dispatch_import i JOIN dispatch_campaign c ON c.id = i.campaign WHERE i.key = $1",
    )
    .bind(key.to_vec())
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else {
        campaign::insert(conn, new).await?;
        sqlx::query(
            "INSERT INTO dispatch_import (key, campaign, state, holder, expires_at, lines, accepted, refused, started_at)
             VALUES ($1, $2, 'running', $3, $4, 0, 0, 0, $5)",
        )
        .bind(key.to_vec())
        .bind(new.id.0.to_vec())
        .bind(holder.0.to_vec())
        .bind(now + LEASE_MS)
        .bind(now)
        .execute(&mut *conn)
        .await?;
        return Ok(Opened::Mine(ImportRow {
            campaign: new.id,
            lines: 0,
            accepted: 0,
            started_at: now,
            lane: new.lane.clone(),
            purpose: new.purpose,
            leaves: new.stream,
        }));
    };
    let number = |index: usize| -> Result<u64> { Ok(row.try_get::<i64, _>(index)? as u64) };
    let campaign = rows::id_column(row.try_get(0)?)?;
    match row.try_get::<String, _>(1)?.as_str() {
        "complete" => return Ok(Opened::Finished(Done { campaign, accepted: number(4)?, refused: number(5)? })),
        "cancelled" => return Ok(Opened::Cancelled(campaign)),
        _ => {}
    }
    // Rows of two versions of its template would stand under one. Whoever has another one looked before this began.
    if row.try_get::<i64, _>(2)? > now || number(7)? != u64::from(new.version) {
        return Ok(Opened::Busy);
    }
    sqlx::query("UPDATE dispatch_import SET holder = $1, expires_at = $2 WHERE key = $3")
        .bind(holder.0.to_vec())
        .bind(now + LEASE_MS)
        .bind(key.to_vec())
        .execute(&mut *conn)
        .await?;
    // As the first run began it: a route or a flag that has changed since would tear the campaign in two.
    let purpose: String = row.try_get(9)?;
    let damaged = || StoreError::Damaged { what: format!("the purpose of campaign {campaign}") };
    Ok(Opened::Mine(ImportRow {
        campaign,
        lines: number(3)?,
        accepted: number(4)?,
        started_at: row.try_get(6)?,
        lane: row.try_get(8)?,
        purpose: purpose.parse().map_err(|()| damaged())?,
        leaves: row.try_get::<String, _>(10)? != CampaignState::Loading.name(),
    }))
}

/// Frees the leases of imports that a dead process left; only where one process owns the store.
pub async fn free_all(conn: &mut AnyConnection) -> Result<()> {
    sqlx::query("UPDATE dispatch_import SET expires_at = 0 WHERE state = 'running'").execute(conn).await?;
    Ok(())
}

/// Ends the import of a campaign that is cancelled: whoever feeds it is told at its next commit.
pub async fn cancel(conn: &mut AnyConnection, campaign: Id) -> Result<()> {
    sqlx::query("UPDATE dispatch_import SET state = 'cancelled' WHERE campaign = $1 AND state = 'running'")
        .bind(campaign.0.to_vec())
        .execute(conn)
        .await?;
    Ok(())
}

fn cancelled(campaign: Id) -> Failure {
    Failure::conflict("import-cancelled").arg("campaign", campaign)
}

/// Stores frames as they come, several a commit.
struct Saver {
    store: Store,
    woken: Woken,
    begun: Begins,
    lane: String,
    priority: usize,
    /// Whether frames leave before all of them are here.
    leaves: bool,
    key: ImportKey,
    holder: Id,
    campaign: Id,
    clock: Arc<dyn Clock>,
    accepted_before: u64,
    taken: Series,
    activity: naru_core::lifecycle::Activity,
}

impl Saver {
    async fn work(self, mut steps: mpsc::Receiver<Step>) -> std::result::Result<Done, Failure> {
        let mut group = Vec::new();
        let mut counted = self.accepted_before;
        while steps.recv_many(&mut group, FRAMES_PER_COMMIT).await > 0 {
            let Some(Reached { accepted, refused, complete, .. }) = group.last().map(|step| step.reached) else {
                continue;
            };
            let begins = self.store(&mut group).await?;
            self.taken.add((accepted - counted) as i64);
            counted = accepted;
            if self.leaves || complete {
                (self.woken)(&self.lane, self.priority);
            }
            if begins {
                // The lane may have gone past these frames while nothing of them was to leave.
                (self.begun)(&self.lane, self.campaign).await;
            }
            if complete {
                tracing::info!(campaign.id = %self.campaign, accepted, refused, "a file is taken in");
                drop(self.activity);
                return Ok(Done { campaign: self.campaign, accepted, refused });
            }
        }
        // The reader went away without an end: what is stored stays, and the import can go on later.
        let key = self.key;
        let freed = self.store.write(move |conn| {
            Box::pin(async move {
                sqlx::query("UPDATE dispatch_import SET expires_at = 0 WHERE key = $1")
                    .bind(key.to_vec())
                    .execute(conn)
                    .await?;
                Ok(())
            })
        });
        freed.await?;
        Err(Failure::unavailable("import-interrupted").arg("accepted", self.accepted_before))
    }

    /// Stores frames and how far the file is; answers whether its campaign begins to leave with that.
    async fn store(&self, group: &mut Vec<Step>) -> std::result::Result<bool, Failure> {
        let Some(reached) = group.last().map(|step| step.reached) else { return Ok(false) };
        let frames: Arc<Vec<NewFrame>> = Arc::new(group.drain(..).filter_map(|step| step.frame).collect());
        match self.try_store(&frames, reached).await {
            // Once more: a commit whose answer was lost is found, or made again with the same ids.
            Err(_) => self.try_store(&frames, reached).await?,
            Ok(stored) => stored,
        }
    }

    async fn try_store(
        &self,
        frames: &Arc<Vec<NewFrame>>,
        reached: Reached,
    ) -> Result<std::result::Result<bool, Failure>> {
        let frames = frames.clone();
        let (key, holder, campaign, now) = (self.key, self.holder, self.campaign, self.clock.now_ms());
        let stored = self.store.write(move |conn| {
            let frames = frames.clone();
            Box::pin(async move {
                let mine = sqlx::query(
                    "UPDATE dispatch_import SET lines = $1, accepted = $2, refused = $3, expires_at = $4, state = $5,
                         ended_at = $6 WHERE key = $7 AND holder = $8 AND state = 'running'",
                )
                .bind(reached.lines as i64)
                .bind(reached.accepted as i64)
                .bind(reached.refused as i64)
                .bind(now + LEASE_MS)
                .bind(if reached.complete { "complete" } else { "running" })
                .bind(reached.complete.then_some(now))
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
                let loading = [CampaignState::Loading];
                let moved = campaign::shift(conn, campaign, &loading, CampaignState::Running, now).await?;
                Ok(Ok(moved.is_some_and(|(_, was)| was == CampaignState::Loading)))
            })
        });
        stored.await
    }
}

/// Why an import may store no more; where it is complete by our own commit, whether its campaign has begun to leave.
async fn ended(
    conn: &mut AnyConnection,
    key: ImportKey,
    holder: Id,
    campaign: Id,
) -> Result<std::result::Result<bool, Failure>> {
    let row = sqlx::query(
        "SELECT i.state, i.holder, c.state FROM dispatch_import i JOIN dispatch_campaign c ON c.id = i.campaign
         WHERE i.key = $1",
    );
    let row = row.bind(key.to_vec()).fetch_one(conn).await?;
    let is_mine = row.try_get::<Vec<u8>, _>(1)? == holder.0;
    Ok(match row.try_get::<String, _>(0)?.as_str() {
        "cancelled" => Err(cancelled(campaign)),
        "complete" if is_mine => Ok(row.try_get::<String, _>(2)? == CampaignState::Running.name()),
        // Another run took it over: what this one still holds is that one's to store.
        _ => Err(Failure::conflict("import-taken-over")),
    })
}
