//! What a lane is told, and what it wants done.

use naru_core::clock::Micros;
use naru_core::id::Id;

use super::{ChunkKey, Loaded, Save};
use crate::consent::Permit;
use crate::lane::pace::Caps;
use crate::provider::{Answer, Verdict};
use crate::side::State;

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Nothing; time went on.
    Tick,
    /// The store may hold frames it did not hold before.
    Work {
        /// Of which priority.
        priority: usize,
    },
    /// The store gave frames of which an earlier owner left retries or chunks, whatever became of their campaign. Said
    /// before anything else, so that their keys are held and their requests count from the start.
    Restored {
        /// Of which priority.
        priority: usize,
        /// The frames.
        frames: Vec<Loaded>,
    },
    /// The store gave frames, in order of `seq`.
    Claimed {
        /// Of which priority.
        priority: usize,
        /// The frames.
        frames: Vec<Loaded>,
        /// Whether there are more behind the last.
        more: bool,
    },
    /// The claim failed; it is made again.
    ClaimFailed {
        /// Of which priority.
        priority: usize,
    },
    /// Consent was asked for a chunk.
    Asked {
        /// The chunk.
        chunk: ChunkKey,
        /// Those that may not leave now.
        denied: Vec<(u16, Permit)>,
    },
    /// The last save is committed.
    Saved,
    /// A request ended.
    Answered {
        /// The chunk.
        chunk: ChunkKey,
        /// The request's slots, in order.
        slots: Vec<u16>,
        /// How it ended.
        answer: Answer,
        /// A random number, for jitter.
        roll: u64,
    },
    /// The provider was asked about an earlier request.
    LookedUp {
        /// The chunk.
        chunk: ChunkKey,
        /// The request's slots, in order.
        slots: Vec<u16>,
        /// What it said: `None` where the request never arrived.
        found: Result<Option<Vec<Verdict>>, String>,
        /// A random number, for jitter.
        roll: u64,
    },
    /// The provider reported how messages of one frame ended.
    Reported {
        /// The frame, which the lane holds.
        frame: Id,
        /// Slot, state, code.
        ends: Vec<(u16, State, String)>,
    },
    /// The whole lane stops or goes on.
    Pause(bool),
    /// A campaign stops or goes on.
    PauseCampaign {
        /// Which.
        campaign: Id,
        /// Whether it stops.
        paused: bool,
    },
    /// A campaign ends: what has not left will not.
    CancelCampaign {
        /// Which.
        campaign: Id,
    },
    /// The lease lasts until then.
    Leased {
        /// On the monotonic clock.
        until: Micros,
    },
    /// An outlet that stands by may be used from now on.
    Joined {
        /// Which.
        outlet: usize,
        /// The day of its last start.
        day: i64,
        /// The messages started in it.
        day_used: u64,
        /// Nothing starts there before, on the monotonic clock.
        quiet_until: Micros,
    },
    /// An outlet that stands by may not be used any more.
    Parted {
        /// Which.
        outlet: usize,
    },
    /// Other caps of an outlet from now on. What was chosen under those before may still start.
    Capped {
        /// Which.
        outlet: usize,
        /// What may be on its way there; of requests, as many as the lane may start.
        caps: Caps,
    },
    /// No new starts; for shutdown, and for giving the lane up.
    Stop,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Give the next open frames after `after`.
    Claim {
        /// Of which priority.
        priority: usize,
        /// The last `seq` that was given.
        after: i64,
        /// How many.
        limit: usize,
    },
    /// Ask consent.
    Ask {
        /// By which outlet it is to leave.
        outlet: usize,
        /// The chunk.
        chunk: ChunkKey,
        /// Its slots.
        slots: Vec<u16>,
        /// Whose priority.
        priority: usize,
    },
    /// Store all of this in one commit.
    Save(Save),
    /// Send one request.
    Send {
        /// By which outlet.
        outlet: usize,
        /// Whether each slot of the chunk is a request of its own.
        single: bool,
        /// The chunk.
        chunk: ChunkKey,
        /// The request's slots.
        slots: Vec<u16>,
    },
    /// Ask the provider what became of a request.
    Lookup {
        /// Whom: the outlet it left by.
        outlet: usize,
        /// As it left.
        single: bool,
        /// The chunk.
        chunk: ChunkKey,
        /// The request's slots.
        slots: Vec<u16>,
    },
    /// The lane forgets a frame: nothing is left to send in it.
    Done {
        /// The frame.
        frame: Id,
    },
}
