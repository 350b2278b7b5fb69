//! How long things take.

use std::time::Duration;

/// The defaults follow what Slack documents and what is known from the field; tests shorten them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// From one ping to the next.
    pub ping_every: Duration,
    /// A socket that brings nothing for so long, not even the answer to a ping, is half open: its other end is gone.
    pub silence_max: Duration,
    /// An answer that takes longer goes its own way, and the request is acknowledged without it. Slack waits 3 s, people
    /// less.
    pub acknowledge_within: Duration,
    /// A socket that is to end lets what it has brought be answered for so long.
    pub answer_within: Duration,
    /// How long a socket is read on after another has taken its place: what was said meanwhile may have gone there.
    pub linger: Duration,
    /// The first back-off. Each is drawn between nothing and its length, and the next is twice as long.
    pub retry_first: Duration,
    /// The longest back-off.
    pub retry_max: Duration,
    /// A socket that lasted so long was a good one: the back-off begins anew.
    pub steady: Duration,
    /// From one update of a card to the next. Slack lets `chat.update` through some 50 times a minute for all together.
    pub update_every: Duration,
}

impl Default for Periods {
    fn default() -> Periods {
        Periods {
            ping_every: Duration::from_secs(30),
            silence_max: Duration::from_secs(75),
            acknowledge_within: Duration::from_millis(400),
            answer_within: Duration::from_millis(2_500),
            linger: Duration::from_secs(10),
            retry_first: Duration::from_millis(500),
            retry_max: Duration::from_secs(60),
            steady: Duration::from_secs(60),
            update_every: Duration::from_secs(2),
        }
    }
}

/// How often something was tried in vain, and how long to wait before the next try.
pub(crate) struct Backoff {
    periods: Periods,
    tries: u32,
}

/// Doubling more often than this changes nothing: 500 ms are days by then.
const DOUBLINGS_MAX: u32 = 20;

impl Backoff {
    pub(crate) fn new(periods: Periods) -> Backoff {
        Backoff { periods, tries: 0 }
    }

    /// Begins anew.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }

    /// Counts a try in vain; full jitter, so that many do not come back in one moment.
    pub(crate) fn next(&mut self) -> Duration {
        let ceiling = self.periods.retry_first.saturating_mul(1 << self.tries.min(DOUBLINGS_MAX));
        self.tries = self.tries.saturating_add(1);
        ceiling.min(self.periods.retry_max).mul_f64(share())
    }
}

/// Anything from 0 to 1.
fn share() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness the longest wait is the safe one.
    getrandom::fill(&mut bytes).map_or(1.0, |()| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_off_grows_up_to_its_bound_and_begins_anew() {
        let periods = Periods::default();
        let mut backoff = Backoff::new(periods);
        let drawn: Vec<Duration> = (0..1_000).map(|_| backoff.next()).collect();
        for (tries, wait) in drawn.iter().enumerate() {
            let ceiling = periods.retry_first * 2_u32.pow(tries.min(10) as u32);
            assert!(*wait <= ceiling.min(periods.retry_max), "{tries}: {wait:?}");
        }
        assert!(drawn[10..].iter().any(|wait| *wait > periods.retry_max / 2), "it grows");
        assert!(drawn[10..].iter().any(|wait| *wait < periods.retry_max / 2), "it is drawn");
        backoff.reset();
        assert!(backoff.next() <= periods.retry_first);
    }
}
