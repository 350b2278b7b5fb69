//! A lane: one provider account on one channel, as a pure machine.
//!
//! Events go in, actions come out: no clock, no randomness, no database, no waiting inside, so that `serve` and a
//! simulator run this same type. What it keeps is in memory and bounded; all of it can be rebuilt from the store: first
//! the frames of which an earlier owner left retries or started chunks, then the open ones in their order.
//!
//! Must never know: SQL, HTTP, what a message says. A change must keep this: nothing is sent before its mark was
//! saved, nor later than the mark is good for; a key is free again only after its outcome was saved; a frame is
//! forgotten only after its states were; no start breaks a cap, and none is made at the end of the lease.

mod breaker;
mod choose;
mod event;
mod frames;
pub mod keys;
mod machine;
mod outlet;
pub mod pace;
mod resolve;
mod save;
mod start;
mod status;
mod stop;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};

use naru_core::clock::{Micros, Millis};
use naru_core::id::Id;

pub use event::{Action, Event};
pub use save::{Day, Mark, Save, SideSave};
pub use status::{OutletStatus, Status};

use crate::history::Tally;
use crate::lane::keys::Keys;
use crate::lane::outlet::Outlet;
use crate::lane::pace::Pace;
use crate::provider::Level;
use crate::side::Side;

/// Single sends under one started mark at most: what a crash leaves in doubt.
pub const SINGLES_MAX: usize = 64;
/// Messages of one priority that may be held back by earlier ones of their key, or wait for a retry. Beyond it the lane
/// takes no new frames: a lane that holds this many is not being slow, something is wrong with its provider.
pub const HELD_MAX: usize = 100_000;
/// Frames of one priority in memory at most, about 10 kB each.
pub const FRAMES_MAX: usize = 4_096;
/// Frames claimed ahead of the one being worked on.
pub const CLAIM_AHEAD: usize = 16;

/// An owner starts nothing with less than this left of its lease.
pub const LEASE_LEFT_US: Micros = naru_job::lease::START_LEFT_US;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Never runs backwards: paces starts.
    pub mono: Micros,
    /// The wall clock: what is stored.
    pub wall: Millis,
}

/// What the lane is told about its provider and its caps.
#[derive(Clone, Debug)]
pub struct Options {
    /// Messages of one request; 1 for single sends.
    pub batch_max: usize,
    /// Caps per second.
    pub pace: Pace,
    /// Messages a second of its own: it comes to have them when it needs them, whoever has some of them now. `None` is no
    /// cap.
    pub home: Option<u32>,
    /// Requests without an answer at one time.
    pub in_flight_max: usize,
    /// Messages a day of Asia/Seoul.
    pub per_day_max: Option<u64>,
    /// Tries of one message.
    pub tries_max: u16,
    /// First retry waits up to this long.
    pub retry_base_ms: u64,
    /// No retry waits longer.
    pub retry_max_ms: u64,
    /// After this a request counts as unknown.
    pub timeout_ms: u64,
    /// How unknown outcomes are found out.
    pub level: Level,
}

/// Names a chunk for ever: no two chunks share it, so it is also the idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkKey {
    /// The frame.
    pub frame: Id,
    /// The first slot that was chosen.
    pub first: u16,
    /// Counts the starts of that slot, from 0.
    pub attempt: u16,
}

/// A frame as the lane gets it from the store.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its id.
    pub id: Id,
    /// Its place in the order of acceptance.
    pub seq: i64,
    /// Whose it is.
    pub campaign: Option<Id>,
    /// The key of each slot.
    pub keys: Vec<u64>,
    /// When each slot expires; empty where none does, `Millis::MAX` for one that does not.
    pub expires: Vec<Millis>,
    /// Its states.
    pub side: Side,
    /// Slots that wait for another try.
    pub retries: Vec<Retry>,
    /// Chunks that were started and not ended.
    pub doubts: Vec<Doubt>,
}

/// Slots that are tried again at a stored time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// In order; the first names the row.
    pub slots: Vec<u16>,
    /// Not before.
    pub due_at: Millis,
    /// The attempt that comes next.
    pub attempt: u16,
    /// Tries that count so far.
    pub tries: u16,
}

/// A chunk whose outcome nobody stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Its name.
    pub key: ChunkKey,
    /// The outlet it left by; `None` where that is no outlet of the lane any more.
    pub outlet: Option<usize>,
    /// Whether each slot was a request of its own; as the outlet does it now where nobody wrote it down.
    pub single: Option<bool>,
    /// The slots that are open.
    pub slots: Vec<u16>,
    /// Tries that count so far.
    pub tries: u16,
    /// When its mark was stored.
    pub started_at: Millis,
    /// It is certain then that no request of it is still on its way.
    pub deadline: Millis,
}

/// The machine.
pub struct Lane {
    /// Its own first, then those that stand by.
    outlets: Vec<Outlet>,
    queues: [Queue; 3],
    frames: HashMap<u32, Open>,
    by_id: HashMap<Id, u32>,
    next_no: u32,
    chunks: HashMap<ChunkKey, Chunk>,
    /// Due time, frame, first slot.
    retries: BinaryHeap<Reverse<(Millis, u32, u16)>>,
    /// Due time, chunk.
    doubts: BinaryHeap<Reverse<(Millis, ChunkKey)>>,
    /// Frames whose states changed since they were last put into a save.
    dirty: Vec<u32>,
    /// Chunks of which some slots ended since the last save.
    changed: Vec<ChunkKey>,
    /// What the next save holds besides states.
    next: Save,
    /// Slots whose outcome the next save makes final.
    ending: Vec<(u32, u16)>,
    /// Frames that were forgotten, to be told.
    done: Vec<Id>,
    saving: Option<Saving>,
    /// When the first of what the next save holds came about.
    changed_at: Option<Micros>,
    /// Somebody waits for what the next save holds.
    urgent: bool,
    /// How long the last commit took.
    commit_us: Micros,
    /// Messages that came to a state and were not told of yet.
    tally: Tally,
    paused: bool,
    stopped: bool,
    /// When the lease ends.
    leased_until: Micros,
    paused_campaigns: HashSet<Id>,
    cancelled_campaigns: HashSet<Id>,
}

/// Frames of one priority.
#[derive(Default)]
struct Queue {
    keys: Keys,
    /// Frames in order that have slots nobody looked at.
    scan: VecDeque<u32>,
    /// Frames with ready groups.
    ready: VecDeque<u32>,
    after: i64,
    claiming: bool,
    dry: bool,
    /// Something came in while a claim was under way.
    work: bool,
    /// The claim that is under way began at a place that no longer holds: what it gives is not taken.
    again: bool,
    /// Frames that were forgotten while a claim was under way, which may have read them before.
    gone: HashSet<Id>,
    /// Frames that have or had their turn in `scan`.
    placed: usize,
    retrying: usize,
    doubtful: usize,
}

/// A frame in memory.
struct Open {
    id: Id,
    priority: usize,
    campaign: Option<Id>,
    keys: Vec<u64>,
    expires: Vec<Millis>,
    side: Side,
    /// The first slot nobody looked at.
    cursor: usize,
    /// Slots that were under way when the frame was loaded; empty where none was.
    under_way: Vec<bool>,
    ready: VecDeque<Group>,
    retries: BTreeMap<u16, Retry>,
    chunks: usize,
    /// Slots whose end is not committed.
    ending: usize,
    /// Its states changed since they were last put into a save.
    dirty: bool,
    /// Its states are being committed.
    saving: bool,
    /// It stands in the lane's `ready`.
    in_ready: bool,
    /// It has or had its turn in the lane's `scan`.
    placed: bool,
}

/// Slots whose turn has come.
struct Group {
    slots: Vec<u16>,
    attempt: u16,
    tries: u16,
    /// The retry row they came from.
    row: Option<u16>,
}

/// Slots that started together.
struct Chunk {
    no: u32,
    priority: usize,
    /// The outlet it leaves by; `None` where nobody can tell any more what became of it.
    outlet: Option<usize>,
    /// Each slot is a request of its own.
    single: bool,
    /// Not ended yet.
    open: Vec<u16>,
    tries: u16,
    /// The retry row its slots came from, removed with the mark.
    row: Option<u16>,
    /// Requests to start: all slots for a batch, one each for single sends.
    unsent: VecDeque<Vec<u16>>,
    /// Requests in doubt that are to be made again, or asked about.
    repeats: VecDeque<Vec<u16>>,
    started_at: Millis,
    deadline: Millis,
    /// Until when a request may start under the mark there is.
    start_by: Micros,
    /// The day it was counted in.
    day: i64,
    /// Requests whose outcome is unknown.
    doubt: Vec<Vec<u16>>,
    /// How often doubts were looked into.
    resolves: u32,
    /// They were to be looked into, and it came to nothing.
    put_back: bool,
    /// Why the outcome is unknown.
    why: String,
    /// In doubt since before this lane began: counts as in flight until its deadline.
    ghost: usize,
    /// Whether some slots ended since the last save.
    changed: bool,
}

/// What is being committed.
struct Saving {
    marks: Vec<ChunkKey>,
    ended: Vec<(u32, u16)>,
    frames: Vec<u32>,
    /// When it was given out.
    at: Micros,
    /// The last moment at which what it marks may start.
    start_by_max: Micros,
}
