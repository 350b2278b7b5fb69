//! The provider's caps, held exactly: a pure clockwork that says when the next start may be.
//!
//! A start waits until the last second's worth of starts is 1,005 ms old, so no second as the provider counts it holds
//! more than the cap even when its clock and ours drift by half a percent. Starts are spaced evenly; only lateness of a
//! timer is made up for, never idleness, so there is no burst.

use std::collections::VecDeque;

use naru_core::clock::Micros;

/// What a cap's second is to us.
pub const SECOND_US: Micros = 1_005_000;
/// Lateness that is made up for. More than this was idleness.
const LATE_MAX_US: Micros = 50_000;

/// When there is nothing of a cap: not before it is another one.
const NEVER: Micros = Micros::MAX;

/// One cap per second over something countable: requests, or messages.
#[derive(Clone, Debug)]
pub struct Window {
    max: u64,
    starts: VecDeque<(Micros, u64)>,
    sum: u64,
    /// When the next start is due by even spacing.
    next: Micros,
}

impl Window {
    /// A cap of `max` in any second, which is at least 1: the configuration refuses 0.
    pub fn new(max: u32) -> Window {
        Window { max: u64::from(max), starts: VecDeque::new(), sum: 0, next: 0 }
    }

    /// Another cap from now on. What started under the one before counts on: after a second all of any second's is within
    /// the new one.
    fn set_max(&mut self, max: u32) {
        self.max = u64::from(max);
    }

    /// The cap.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The earliest moment at which `n` more may start. `n` above the cap waits for an empty window.
    pub fn ready_at(&self, n: u64) -> Micros {
        if self.max == 0 {
            return NEVER;
        }
        let max = self.max + u64::from(planted!(CapPlusOne));
        let room = max.saturating_sub(n.min(max));
        let mut left = self.sum;
        let mut at = self.next;
        for (start, count) in &self.starts {
            if left <= room {
                break;
            }
            left -= count;
            at = at.max(start + SECOND_US);
        }
        at
    }

    /// How long `n` take when they are spaced evenly.
    fn span(&self, n: u64) -> Micros {
        (n * SECOND_US).div_ceil(self.max.max(1) + u64::from(planted!(CapPlusOne)))
    }

    /// Counts a start of `n` at `now`.
    pub fn start(&mut self, now: Micros, n: u64) {
        while let Some((start, count)) = self.starts.front() {
            if start + SECOND_US > now {
                break;
            }
            self.sum -= count;
            self.starts.pop_front();
        }
        self.starts.push_back((now, n));
        self.sum += n;
        let due = if now.saturating_sub(self.next) <= LATE_MAX_US { self.next } else { now };
        self.next = due + self.span(n);
    }
}

/// What may be on its way to a provider: caps as configured, or a part of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Requests started in any second; `None` is no cap.
    pub requests: Option<u32>,
    /// Messages started in any second; `None` is no cap.
    pub messages: Option<u32>,
    /// Requests without an answer at one time.
    pub in_flight: u32,
}

impl Caps {
    /// Two parts as one.
    pub fn join(self, other: Caps) -> Caps {
        let sum = |one: Option<u32>, two: Option<u32>| one.zip(two).map(|(one, two)| one + two);
        Caps {
            requests: sum(self.requests, other.requests),
            messages: sum(self.messages, other.messages),
            in_flight: self.in_flight + other.in_flight,
        }
    }
}

/// All caps of one lane that count by the second, and the moment before which nothing starts.
#[derive(Clone, Debug)]
pub struct Pace {
    requests: Option<Window>,
    messages: Option<Window>,
    blocked_until: Micros,
}

impl Pace {
    /// Caps as configured; `None` is no cap.
    pub fn new(requests: Option<u32>, messages: Option<u32>) -> Pace {
        Pace { requests: requests.map(Window::new), messages: messages.map(Window::new), blocked_until: 0 }
    }

    /// Other caps from now on. Which there are does not change.
    pub fn set(&mut self, requests: Option<u32>, messages: Option<u32>) {
        let set = |window: &mut Option<Window>, max: Option<u32>| {
            window.as_mut().zip(max).into_iter().for_each(|(window, max)| window.set_max(max));
        };
        set(&mut self.requests, requests);
        set(&mut self.messages, messages);
    }

    /// The caps as they are.
    pub fn caps(&self) -> (Option<u32>, Option<u32>) {
        let max = |window: &Option<Window>| window.as_ref().map(|window| window.max as u32);
        (max(&self.requests), max(&self.messages))
    }

    /// Nothing starts before `until`.
    pub fn block(&mut self, until: Micros) {
        self.blocked_until = self.blocked_until.max(until);
    }

    /// The moment before which nothing starts.
    pub fn blocked_until(&self) -> Micros {
        self.blocked_until
    }

    /// The earliest moment for one request of `messages`; a request that carries none asks about an earlier one.
    pub fn ready_at(&self, messages: usize) -> Micros {
        let requests = self.requests.as_ref().map_or(0, |window| window.ready_at(1));
        let window = self.messages.as_ref().filter(|_| messages > 0);
        let messages = window.map_or(0, |window| window.ready_at(messages as u64));
        self.blocked_until.max(requests).max(messages)
    }

    /// About when one more can start after `others` that carry `their_messages`, the first of them not before `from`.
    pub fn ready_after(&self, from: Micros, others: usize, their_messages: usize) -> Micros {
        let from = from.max(self.blocked_until);
        let after = |window: &Window, n: usize| window.ready_at(1).max(from).saturating_add(window.span(n as u64));
        let requests = self.requests.as_ref().map_or(from, |window| after(window, others));
        requests.max(self.messages.as_ref().map_or(from, |window| after(window, their_messages)))
    }

    /// Counts one request of `messages` that starts at `now`.
    pub fn start(&mut self, now: Micros, messages: usize) {
        if let Some(window) = &mut self.requests {
            window.start(now, 1);
        }
        if let Some(window) = self.messages.as_mut().filter(|_| messages > 0) {
            window.start(now, messages as u64);
        }
    }

    /// The most messages of one request: a fiftieth of a second's, since what is free in a window and less than a
    /// request is lost. More where requests are capped too, as many as make that cap not the one that binds; never more
    /// than half a second's.
    pub fn batch_max(&self) -> usize {
        let Some(messages) = &self.messages else { return usize::MAX };
        let needed = self.requests.as_ref().map_or(0, |requests| (2 * messages.max()).div_ceil(requests.max().max(1)));
        (messages.max() / 50).max(needed).min(messages.max() / 2).max(1) as usize
    }

    /// The most single sends under one started mark: a tenth of a second of every cap, so that all of them start within
    /// the time that a mark is good for.
    pub fn singles_max(&self) -> usize {
        let tenth = |window: &Option<Window>| window.as_ref().map_or(u64::MAX, |w| (w.max() / 10).max(1));
        tenth(&self.requests).min(tenth(&self.messages)).min(usize::MAX as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Starts whenever the window allows, each time `late` microseconds after it allowed it.
    fn run(max: u32, sizes: &[u64], lates: &[Micros]) -> Vec<(Micros, u64)> {
        let mut window = Window::new(max);
        let mut now = 3_600_000_000;
        let mut starts = Vec::new();
        for (n, late) in sizes.iter().zip(lates) {
            now = now.max(window.ready_at(*n)) + late;
            window.start(now, *n);
            starts.push((now, *n));
        }
        starts
    }

    proptest! {
        #[test]
        fn no_second_holds_more_than_the_cap(
            // A cap of 0 is refused with the configuration.
            max in 1u32..400,
            steps in proptest::collection::vec((1u64..200, prop_oneof![Just(0u64), 0..3_000u64, 0..2_000_000u64]), 1..400),
        ) {
            let sizes: Vec<u64> = steps.iter().map(|(n, _)| (*n).min(u64::from(max))).collect();
            let lates: Vec<Micros> = steps.iter().map(|(_, late)| *late).collect();
            let starts = run(max, &sizes, &lates);
            for (index, (from, _)) in starts.iter().enumerate() {
                let inside: u64 =
                    starts[index..].iter().take_while(|(at, _)| *at < from + SECOND_US).map(|(_, n)| n).sum();
                prop_assert!(inside <= u64::from(max), "{inside} from {from}");
            }
        }
    }

    proptest! {
        /// The part of one shard grows a second after that of another has become smaller.
        #[test]
        fn a_cap_whose_parts_move_is_held(
            steps in proptest::collection::vec((0usize..2, 0u64..40_000, prop::option::weighted(0.05, 1u32..20)), 1..600),
        ) {
            const CAP: u32 = 20;
            let mut parts = [Window::new(CAP / 2), Window::new(CAP / 2)];
            let mut now = 3_600_000_000;
            // Which is to grow, to what, and when.
            let mut moving: Option<(usize, u32, Micros)> = None;
            let mut starts: Vec<Micros> = Vec::new();
            for (part, passed, narrow) in steps {
                now += passed;
                if let Some((which, max, _)) = moving.filter(|(.., at)| *at <= now) {
                    parts[which].set_max(max);
                    moving = None;
                }
                if let Some(max) = narrow.filter(|max| moving.is_none() && u64::from(*max) < parts[part].max()) {
                    parts[part].set_max(max);
                    moving = Some((1 - part, CAP - max, now + SECOND_US));
                }
                if parts[part].ready_at(1) <= now {
                    parts[part].start(now, 1);
                    starts.push(now);
                }
            }
            for (index, from) in starts.iter().enumerate() {
                let inside = starts[index..].iter().take_while(|at| **at < from + SECOND_US).count();
                prop_assert!(inside <= CAP as usize, "{inside} from {from}");
            }
        }
    }

    #[test]
    fn a_share_of_nothing_starts_nothing_and_grows_again() {
        let mut pace = Pace::new(Some(10), Some(100));
        pace.set(Some(0), Some(0));
        assert_eq!((pace.ready_at(1), pace.ready_after(5, 3, 30), pace.batch_max()), (NEVER, NEVER, 1));
        pace.set(Some(10), Some(100));
        assert_eq!(pace.ready_at(1), 0);
    }

    #[test]
    fn late_timers_do_not_lower_the_rate() {
        // Every start comes up to 2 ms late: a minute must still hold 99 % of the cap.
        let lates: Vec<Micros> = (0..20_000u64).map(|i| i * 7_919 % 2_000).collect();
        let starts = run(300, &vec![1; 20_000], &lates);
        let first = starts[0].0;
        let minute = starts.iter().filter(|(at, _)| *at < first + 60_000_000).count();
        assert!((17_820..=18_000).contains(&minute), "{minute}");
    }

    #[test]
    fn idleness_is_not_made_up_for() {
        let mut window = Window::new(100);
        window.start(3_600_000_000, 1);
        let later = 3_700_000_000;
        window.start(later, 1);
        assert_eq!(window.ready_at(1), later + 10_050);
    }
}
