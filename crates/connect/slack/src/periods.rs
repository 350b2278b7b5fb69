//! How long things take.

use std::time::Duration;

use naru_wire::wait::before_next;

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

impl Backoff {
    pub(crate) fn new(periods: Periods) -> Backoff {
        Backoff { periods, tries: 0 }
    }

    /// Begins anew.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }

    /// Counts a try in vain.
    pub(crate) fn next(&mut self) -> Duration {
        self.tries = self.tries.saturating_add(1);
        before_next(self.tries, self.periods.retry_first, self.periods.retry_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_off_grows_up_to_its_bound_and_begins_anew() {
        let periods = Periods::default();
        let mut backoff = Backoff::new(periods);
        let drawn: Vec<Duration> = (0..20).map(|_| backoff.next()).collect();
        assert!(drawn[0] <= periods.retry_first && drawn[19] >= periods.retry_max / 2, "{drawn:?}");
        assert!(drawn.iter().all(|wait| *wait <= periods.retry_max), "{drawn:?}");
        backoff.reset();
        assert!(backoff.next() <= periods.retry_first);
    }
}
