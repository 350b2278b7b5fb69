//! How a lane and its outlets are, for words, pages and metrics.

use naru_core::clock::Micros;

use super::pace::Caps;

/// How the lane is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Requests without an answer.
    pub in_flight: usize,
    /// Requests that are marked, or being marked, and not started.
    pub unsent: usize,
    /// Keys of which a message is under way.
    pub busy: usize,
    /// Messages behind an earlier one of their key, waiting for a retry, or in doubt.
    pub held: usize,
    /// Frames in memory.
    pub frames: usize,
    /// Whether too much is held for new frames to be taken.
    pub stalled: bool,
    /// Whether there are messages that could leave now but for the caps.
    pub waiting: bool,
    /// Whether a person paused it.
    pub paused: bool,
    /// When the lease ends.
    pub leased_until: Micros,
}

impl Status {
    /// Two shards of one lane as one.
    pub fn join(self, other: Status) -> Status {
        Status {
            in_flight: self.in_flight + other.in_flight,
            unsent: self.unsent + other.unsent,
            busy: self.busy + other.busy,
            held: self.held + other.held,
            frames: self.frames + other.frames,
            stalled: self.stalled || other.stalled,
            waiting: self.waiting || other.waiting,
            paused: self.paused || other.paused,
            leased_until: self.leased_until.min(other.leased_until),
        }
    }
}

/// How one of its outlets is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutletStatus {
    /// Whether the lane may use it.
    pub joined: bool,
    /// What may be on its way.
    pub caps: Caps,
    /// Requests without an answer.
    pub in_flight: usize,
    /// Nothing starts there before this moment.
    pub blocked_until: Micros,
    /// Whether the provider is asked with one request at a time.
    pub half_open: bool,
    /// Whether nobody is known to be there: outlets that stand by carry.
    pub open: bool,
    /// Whether the day's messages are used up.
    pub day_spent: bool,
    /// Whether a request in doubt waits for more of the caps.
    pub wants: bool,
    /// Whether nothing of it is on its way, neither to the provider nor to the store.
    pub idle: bool,
}

impl OutletStatus {
    /// Two shards' as one.
    pub fn join(self, other: OutletStatus) -> OutletStatus {
        OutletStatus {
            joined: self.joined || other.joined,
            caps: self.caps.join(other.caps),
            in_flight: self.in_flight + other.in_flight,
            blocked_until: self.blocked_until.max(other.blocked_until),
            half_open: self.half_open || other.half_open,
            open: self.open || other.open,
            day_spent: self.day_spent || other.day_spent,
            wants: self.wants || other.wants,
            idle: self.idle && other.idle,
        }
    }
}
