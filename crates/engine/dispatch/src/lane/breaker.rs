//! The circuit breaker: a provider that does not answer is left alone, then asked with one request at a time.
//!
//! Open: the account rests ([`super::pace::Pace::block`]), each time longer. Half open: one request is on its way, and
//! what becomes of it decides. What a provider says of single messages, and a request that it refuses, are answers.

use naru_core::clock::Micros;

use super::{Lane, Now};

/// Requests in a row that nobody answered before the lane rests: one may be lost on any day.
const UNANSWERED_MAX: u32 = 5;
/// No rest is longer than this, unless the provider names a time.
pub(super) const REST_MAX_MS: u64 = 60_000;

#[derive(Default)]
pub(super) struct Breaker {
    /// Requests in a row without an answer.
    unanswered: u32,
    /// Rests in a row.
    rests: u32,
    half_open: bool,
}

impl Lane {
    /// The provider answered: it is there.
    pub(super) fn provider_answers(&mut self) {
        self.breaker = Breaker::default();
    }

    /// A request was not answered: one more of them in a row, or the probe, and the lane rests.
    pub(super) fn provider_is_silent(&mut self, now: Now, roll: u64) {
        self.breaker.unanswered += 1;
        if self.breaker.unanswered >= UNANSWERED_MAX || self.breaker.half_open {
            self.rest(now, None, roll);
        }
    }

    /// The whole account rests for as long as the provider named, else ever longer; answers for how long.
    pub(super) fn rest(&mut self, now: Now, named_ms: Option<u64>, roll: u64) -> u64 {
        // Requests that were on their way together and fail together are one reason to rest.
        if self.options.pace.blocked_until() <= now.mono {
            self.breaker.rests = (self.breaker.rests + 1).min(16);
        }
        self.breaker.half_open = true;
        let limit = (self.options.retry_base_ms << self.breaker.rests).min(REST_MAX_MS);
        // Half fixed, half random: instances that rest together do not come back together.
        let wait_ms = named_ms.unwrap_or(limit / 2 + roll % (limit / 2 + 1));
        let wait_ms = wait_ms.clamp(super::resolve::RETRY_AFTER_MIN_MS, super::resolve::RETRY_AFTER_MAX_MS);
        self.options.pace.block(now.mono + wait_ms as Micros * 1_000);
        wait_ms
    }

    /// How many requests may be on their way now.
    pub(super) fn in_flight_max(&self) -> usize {
        // What an earlier owner started says nothing about the provider as it is now.
        if self.breaker.half_open {
            (self.ghosts + 1).min(self.options.in_flight_max)
        } else {
            self.options.in_flight_max
        }
    }

    pub(super) fn is_half_open(&self) -> bool {
        self.breaker.half_open
    }
}
