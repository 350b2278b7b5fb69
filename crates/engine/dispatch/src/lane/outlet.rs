//! An outlet: one provider account that a lane sends by, with its caps and what is on its way there.
//!
//! A lane's first outlet is its own account; the others are the next ones of its route and stand by. All of order, keys
//! and states is the lane's: which outlet a message leaves by changes nothing of it.

use std::collections::VecDeque;

use naru_core::clock::{Micros, Millis, seoul_day};

use super::breaker::Breaker;
use super::pace::Caps;
use super::{ChunkKey, Now, Options, OutletStatus, SINGLES_MAX};
use crate::provider::Level;

/// Marks are made this much ahead of their start, so that a start never waits for a sound commit. With the tenth of a
/// second that one mark may span it is within the time that a mark is good for.
const AHEAD_US: Micros = 250_000;
/// Batches marked ahead at most: more than one commit's time needs where nothing but answers limits the pace.
const BATCHES_AHEAD_MAX: usize = 64;
/// Single sends marked ahead at most: a tenth of a second at 20,000 a second.
const SINGLES_AHEAD_MAX: usize = 2_048;

/// Looks into one doubt are made up to this far apart, or further where retries are.
const DOUBT_WAIT_MS: u64 = 60_000;
/// What is in doubt waits so long where one request is finding out whether anybody is there.
const LOOK_AGAIN_MS: Millis = 1_000;

pub(super) struct Outlet {
    pub(super) options: Options,
    /// Whether the lane may use it.
    pub(super) joined: bool,
    /// Requests on their way.
    pub(super) in_flight: usize,
    /// How many of them an earlier owner started.
    pub(super) ghosts: usize,
    /// Requests that are marked or being marked and not started, and the messages they carry.
    pub(super) unsent: Unsent,
    /// Messages that consent is being asked for.
    pub(super) asking: usize,
    /// Requests that may be marked ahead of their start.
    pub(super) ahead: usize,
    /// Marked chunks with requests to start, by priority.
    pub(super) start: [VecDeque<ChunkKey>; 3],
    pub(super) day: i64,
    pub(super) day_used: u64,
    pub(super) breaker: Breaker,
}

/// What is ahead of its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unsent {
    pub(super) requests: usize,
    pub(super) messages: usize,
}

impl Outlet {
    pub(super) fn new(options: Options) -> Outlet {
        Outlet {
            options,
            joined: false,
            in_flight: 0,
            ghosts: 0,
            unsent: Unsent::default(),
            asking: 0,
            ahead: 1,
            start: Default::default(),
            day: 0,
            day_used: 0,
            breaker: Breaker::default(),
        }
    }

    pub(super) fn status(&self) -> OutletStatus {
        let (requests, messages) = self.options.pace.caps();
        OutletStatus {
            joined: self.joined,
            caps: Caps { requests, messages, in_flight: self.options.in_flight_max as u32 },
            in_flight: self.in_flight,
            blocked_until: self.options.pace.blocked_until(),
            half_open: self.breaker.is_half_open(),
            open: self.breaker.is_open(),
            day_spent: self.options.per_day_max.is_some_and(|max| self.day_used >= max),
            wants: false,
            idle: self.in_flight == 0 && self.unsent.requests == 0 && self.asking == 0,
        }
    }

    /// For how long nothing in doubt, of so many messages in a request, is looked into; not at all where that is for the
    /// level to decide at once.
    pub(super) fn rests_ms(&self, now: Now, messages: usize) -> Millis {
        let left_us = self.options.pace.blocked_until().saturating_sub(now.mono);
        let tells = self.asks_about_doubts() && self.breaker.tells();
        let tries = self.breaker.is_half_open() && self.in_flight > self.ghosts && !tells;
        match self.options.level {
            Level::None => 0,
            _ if left_us > 0 => left_us.div_ceil(1_000) as Millis,
            _ if tries || !self.joined || !self.may_repeat(messages) => LOOK_AGAIN_MS,
            _ => 0,
        }
    }

    /// Whether messages may leave by it as they come.
    pub(super) fn is_well(&self) -> bool {
        self.joined && !self.breaker.is_open()
    }

    /// Single sends, no batches.
    pub(super) fn is_single(&self) -> bool {
        self.options.batch_max == 1
    }

    /// Whether the provider is asked about a doubt, and does not get it again.
    pub(super) fn asks_about_doubts(&self) -> bool {
        matches!(self.options.level, Level::Lookup { .. } | Level::TwoPhase { .. })
    }

    /// Whether a request of so many messages may be made again as it was: one that is larger than what the lane has of the
    /// cap waits until the lane has what is its own. What is larger than that was made when the cap was another one.
    pub(super) fn may_repeat(&self, messages: usize) -> bool {
        let (_, max) = self.options.pace.caps();
        let fits = max.zip(self.options.home).is_none_or(|(max, home)| messages <= max as usize || max >= home);
        self.asks_about_doubts() || fits
    }

    /// Until when a request that began at `started_at` may be made again or asked about. The same request under the same
    /// key cannot be taken twice, and its answer is the first one, while the provider remembers the key; and only while
    /// it remembers does its not knowing a request say that the request never arrived.
    pub(super) fn repeats_until(&self, started_at: Millis) -> Millis {
        match self.options.level {
            Level::TwoPhase { life } | Level::Key { life } | Level::Lookup { life } => {
                started_at + life.as_millis() as Millis - self.options.timeout_ms as Millis
            }
            Level::None => Millis::MIN,
        }
    }

    /// Whether another request may start, which `asks` about an earlier one or not.
    pub(super) fn may_start(&self, asks: bool) -> bool {
        let own = self.in_flight - self.ghosts;
        // What an earlier owner started says nothing about the provider as it is now.
        if self.breaker.is_half_open() && !(asks && self.breaker.tells()) {
            return own == 0;
        }
        // What it marked ahead is among them and most of it never left: all of it together would keep a lane that moved
        // standing still until the last deadline.
        let max = self.options.in_flight_max;
        own + self.ghosts.min(max / 2) < max
    }

    /// When what is chosen next would start soon enough, if what is marked already starts from `from` on.
    pub(super) fn choice_opens_at(&self, from: Micros) -> Micros {
        self.options.pace.ready_after(from, self.unsent.requests, self.unsent.messages).saturating_sub(AHEAD_US)
    }

    /// More is marked ahead with every start and half as much once a mark came to nothing: as much as can start in
    /// time, however long answers and commits take.
    pub(super) fn more_ahead(&mut self) {
        let batches_max = self.options.in_flight_max.min(BATCHES_AHEAD_MAX);
        let max = if self.is_single() { SINGLES_AHEAD_MAX } else { batches_max };
        self.ahead = (self.ahead + 1).min(max);
    }

    pub(super) fn less_ahead(&mut self) {
        self.ahead = (self.ahead / 2).max(1);
    }

    pub(super) fn has_room(&self) -> bool {
        if self.breaker.is_open() {
            return self.unsent.requests == 0 && self.in_flight == self.ghosts;
        }
        let more = if self.is_single() { self.size_max() } else { 1 };
        self.unsent.requests + more <= self.ahead
    }

    /// How many messages a mark covers; what finds out whether the provider is there again is one message.
    pub(super) fn size_max(&self) -> usize {
        if self.breaker.is_open() {
            return 1;
        }
        if !self.is_single() {
            // However much others lend, it fits what is the lane's own, so that it can always be made again.
            let home = self.options.home.map_or(usize::MAX, |home| (home as usize / 2).max(1));
            return self.options.batch_max.min(self.options.pace.batch_max()).min(home);
        }
        SINGLES_MAX.min(self.options.pace.singles_max()).min(self.ahead.div_ceil(2))
    }

    /// What is being asked about is not counted in the day yet.
    pub(super) fn day_left(&self, now: Now) -> usize {
        let Some(max) = self.options.per_day_max else { return usize::MAX };
        let used = if seoul_day(now.wall) <= self.day { self.day_used } else { 0 };
        usize::try_from(max.saturating_sub(used)).unwrap_or(usize::MAX).saturating_sub(self.asking)
    }

    /// A clock that runs back over midnight does not open the day before again.
    pub(super) fn count_day(&mut self, now: Now, messages: usize) {
        let today = seoul_day(now.wall);
        if today > self.day {
            (self.day, self.day_used) = (today, 0);
        }
        self.day_used += messages as u64;
    }

    pub(super) fn count_unsent(&mut self, messages: usize) {
        self.unsent.requests += self.requests_of(messages);
        self.unsent.messages += messages;
    }

    pub(super) fn uncount_unsent(&mut self, messages: usize) {
        self.unsent = Unsent {
            requests: self.unsent.requests - self.requests_of(messages),
            messages: self.unsent.messages - messages,
        };
    }

    fn requests_of(&self, messages: usize) -> usize {
        if self.is_single() { messages } else { messages.min(1) }
    }

    /// Full jitter: anything up to the back-off of this try.
    pub(super) fn jitter(&self, tries: u16, roll: u64) -> u64 {
        self.back_off(u32::from(tries), self.options.retry_max_ms, roll)
    }

    /// As [`Outlet::jitter`] for another look into a doubt. Nothing bounds their number but the provider's memory, so they
    /// become rare however soon a message may be tried again.
    pub(super) fn doubt_jitter(&self, looks: u32, roll: u64) -> u64 {
        self.back_off(looks, self.options.retry_max_ms.max(DOUBT_WAIT_MS), roll)
    }

    fn back_off(&self, tries: u32, most_ms: u64, roll: u64) -> u64 {
        let limit = (self.options.retry_base_ms << tries.saturating_sub(1).min(20)).min(most_ms);
        roll % (limit + 1)
    }
}
