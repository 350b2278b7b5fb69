//! The circuit breaker of an outlet: a provider that does not answer is left alone, then asked with one request at a time.
//!
//! Half open, after each rest: one request is on its way, and what becomes of it decides. Open, when it was not answered
//! either, when five in a row were not, or when the rest is a long one: an outlet that stands by carries meanwhile. What a
//! provider says of single messages and a request that it refuses are answers, and close it. That it knows of an earlier
//! request only says that it can be asked.

use naru_core::clock::Micros;

use super::Now;
use super::outlet::Outlet;

/// Requests in a row that nobody answered before an outlet rests: one may be lost on any day.
const UNANSWERED_MAX: u32 = 5;
/// After so many rests it is not only doubts that find out whether anybody is there.
const RESTS_MAX: u32 = 2;
/// No rest is longer than this, unless the provider names a time.
const REST_MAX_MS: u64 = 60_000;
/// A `Retry-After` of more than a day is a mistake of theirs or an attack on ours.
pub(super) const REST_NAMED_MAX_MS: u64 = 86_400_000;
/// A rest of this is too long to wait for where another outlet may carry.
const LONG_MS: u64 = 10_000;
/// Nor is a provider asked again at once that throttles and names no time to speak of.
const REST_MIN_MS: u64 = 100;

#[derive(Default)]
pub(super) struct Breaker {
    /// Requests in a row without an answer.
    unanswered: u32,
    /// Rests in a row.
    rests: u32,
    half_open: bool,
    open: bool,
    /// It can be asked about earlier requests, whatever becomes of new ones.
    tells: bool,
}

impl Breaker {
    /// Whether one request at a time is enough.
    pub(super) fn is_half_open(&self) -> bool {
        self.half_open
    }

    /// Whether nobody is known to be there.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether it opened a short while ago.
    pub(super) fn has_just_opened(&self) -> bool {
        self.rests <= RESTS_MAX
    }

    /// Whether the provider answers questions.
    pub(super) fn tells(&self) -> bool {
        self.tells
    }
}

impl Outlet {
    /// The provider answered: it is there.
    pub(super) fn answers(&mut self) {
        self.breaker = Breaker::default();
    }

    /// The provider has too much to do.
    pub(super) fn throttles(&mut self, now: Now, named_ms: Option<u64>, roll: u64) -> u64 {
        self.breaker.unanswered = 0;
        self.rest(now, named_ms, roll)
    }

    /// Nobody was there to take a request.
    pub(super) fn turns_away(&mut self, now: Now, roll: u64) -> u64 {
        self.breaker.unanswered += 1;
        self.breaker.open |= self.breaker.half_open || self.breaker.unanswered >= UNANSWERED_MAX;
        self.rest(now, None, roll)
    }

    /// A request was not answered: one more of them in a row, or the one that was to find out, and the outlet rests.
    pub(super) fn is_silent(&mut self, now: Now, roll: u64) {
        if self.breaker.half_open || self.breaker.unanswered + 1 >= UNANSWERED_MAX {
            self.breaker.open = true;
            self.rest(now, None, roll);
        }
        self.breaker.unanswered += 1;
    }

    /// The provider answered a question about an earlier request, or did not; what it does with new ones is another matter.
    pub(super) fn told(&mut self, tells: bool) {
        self.breaker.tells = tells;
    }

    /// The whole account rests for as long as the provider named, else ever longer; answers for how long.
    fn rest(&mut self, now: Now, named_ms: Option<u64>, roll: u64) -> u64 {
        // Requests that were on their way together and fail together are one reason to rest.
        if self.options.pace.blocked_until() <= now.mono {
            self.breaker.rests = (self.breaker.rests + 1).min(16);
        }
        (self.breaker.half_open, self.breaker.tells) = (true, false);
        self.ahead = 1;
        let limit = (self.options.retry_base_ms << self.breaker.rests).min(REST_MAX_MS);
        // Half fixed, half random: instances that rest together do not come back together.
        let wait_ms = named_ms.unwrap_or(limit / 2 + roll % (limit / 2 + 1)).clamp(REST_MIN_MS, REST_NAMED_MAX_MS);
        self.options.pace.block(now.mono + wait_ms as Micros * 1_000);
        self.breaker.open |= wait_ms >= LONG_MS;
        wait_ms
    }
}
