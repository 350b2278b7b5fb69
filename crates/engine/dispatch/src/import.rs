//! Taking a file in: each line once, whoever is killed.
//!
//! An import row says how many lines are durable, and it advances in the very commit that stores the frames of those
//! lines. The same file with the same template and name has the same key: it goes on after the last durable line, or is
//! told that it was done before. While it runs it holds a lease, so that two of them do not run at once.

pub mod row;

mod saver;

use std::sync::Arc;

use naru_core::clock::{Clock, Millis};
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::metric::Series;
use naru_store::Store;
use tokio::sync::{Notify, mpsc};

use crate::campaign::NewCampaign;
use crate::find::Finder;
use crate::frame::{FrameBuilder, TemplateRef, key_of};
use crate::intake::Woken;
use crate::rows::NewFrame;
use crate::shard::{Shard, Shards};

use row::{LEASE_MS, Opened};
use saver::Saver;

/// How far a file is is stored so often at least, well before its lease ends.
const KEEP_UP_MS: Millis = LEASE_MS / 5;
/// Frames on their way to the store: what a reader may be ahead of the disk.
const FRAMES_AHEAD: usize = 24;

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
    priority: usize,
    clock: Arc<dyn Clock>,
    finder: Finder,
    packing: Vec<Packing>,
    accepted: u64,
    frames: mpsc::Sender<Step>,
    /// When it was last stored how far it is.
    cut_at: Millis,
}

/// One shard's frame as it fills.
struct Packing {
    shard: Shard,
    builder: FrameBuilder,
    prints: Vec<u8>,
}

/// Frames with how far the file is when they are stored.
struct Step {
    frames: Vec<NewFrame>,
    reached: Reached,
    /// What is to be kept of the whole file, with its last.
    summary: Option<String>,
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
pub struct Ending(tokio::task::JoinHandle<Result<Done, Failure>>);

impl Ending {
    /// Waits for the last commit.
    pub async fn wait(self) -> Result<Done, Failure> {
        self.0.await.map_err(Failure::bug)?
    }
}

/// What an import needs of the engine.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// Keys fingerprints.
    pub finder: Finder,
    /// Told about new frames.
    pub woken: Woken,
    /// Told when a campaign may leave from now on.
    pub begun: Arc<Notify>,
    /// How many shards each lane has.
    pub shards: Shards,
    /// Starts the task that stores.
    pub lifecycle: naru_core::lifecycle::Lifecycle,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Counts what is stored.
    pub taken: Series,
    /// This instance's name.
    pub instance: String,
}

/// Begins or goes on with the import `key` of `new`, whose version is that of [`row::version`] where there is one.
pub async fn begin(
    parts: &Parts,
    key: ImportKey,
    new: NewCampaign,
    template: TemplateRef,
) -> Result<(Begun, Option<Ending>), Failure> {
    let holder = Id::new(new.created_at);
    let opened = {
        let (new, instance) = (new.clone(), parts.instance.clone());
        parts.store.write(move |conn| {
            let (new, instance) = (new.clone(), instance.clone());
            Box::pin(async move { row::open(conn, key, &new, holder, &instance).await })
        })
    };
    let opened = opened.await?;
    let row = match opened {
        Opened::Busy => return Err(Failure::conflict("import-running").retry_after(LEASE_MS as u64 / 1_000)),
        Opened::Finished(done) => return Ok((Begun::Finished(done), None)),
        Opened::Cancelled(campaign) => return Err(row::cancelled(campaign)),
        Opened::Leaves(campaign) => return Err(Failure::conflict("import-leaves").arg("campaign", campaign)),
        Opened::Mine(row) => row,
    };
    let (frames, receiver) = mpsc::channel(FRAMES_AHEAD);
    let saver = Saver {
        store: parts.store.clone(),
        woken: parts.woken.clone(),
        begun: parts.begun.clone(),
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
    let packing = |shard| Packing { shard, builder: FrameBuilder::new(vec![template.clone()]), prints: Vec::new() };
    let import = Import {
        campaign: row.campaign,
        lines_done: row.lines,
        started_at: row.started_at,
        priority: row.purpose.priority(),
        clock: parts.clock.clone(),
        finder: parts.finder,
        packing: parts.shards.of_lane(&row.lane).map(packing).collect(),
        accepted: row.accepted,
        frames,
        cut_at: parts.clock.now_ms(),
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
    ) -> Result<(), Failure> {
        let count = self.packing.len();
        let no = if count == 1 { 0 } else { Shard::of_key(key_of(to, customer), count as u16).into() };
        if !self.packing[no].builder.push(0, to, customer, expires_at, None, values.clone()) {
            let (line, refused) = progress;
            self.cut(line - 1, refused, None)?;
            if !self.packing[no].builder.push(0, to, customer, expires_at, None, values) {
                return Err(Failure::bug("a message that was checked does not fit a frame"));
            }
        }
        self.packing[no].prints.extend_from_slice(&self.finder.print(to));
        self.accepted += 1;
        Ok(())
    }

    /// Stores how far the file is where nothing else has for a while: of rows that are refused no frame fills.
    pub fn keep_up(&mut self, lines: u64, refused: u64) -> Result<(), Failure> {
        match self.clock.now_ms() - self.cut_at {
            late if late >= KEEP_UP_MS => self.cut(lines, refused, None),
            _ => Ok(()),
        }
    }

    /// The file is at its end; `summary` is kept with it.
    pub fn finish(mut self, lines: u64, refused: u64, summary: String) -> Result<(), Failure> {
        self.cut(lines, refused, Some(summary))
    }

    /// All shards' frames at once: how far the file is must hold for each.
    fn cut(&mut self, lines: u64, refused: u64, summary: Option<String>) -> Result<(), Failure> {
        let now = self.clock.now_ms();
        self.cut_at = now;
        let filled = self.packing.iter_mut().filter(|packing| !packing.builder.is_empty());
        let frames = filled.map(|packing| NewFrame {
            id: Id::new(now),
            shard: packing.shard.clone(),
            priority: self.priority,
            campaign: Some(self.campaign),
            count: packing.builder.count(),
            body: packing.builder.finish(),
            prints: std::mem::take(&mut packing.prints),
            accepted_at: now,
        });
        let reached = Reached { lines, accepted: self.accepted, refused, complete: summary.is_some() };
        let step = Step { frames: frames.collect(), reached, summary };
        self.frames.blocking_send(step).map_err(|_| Failure::unavailable("import-interrupted"))
    }
}
