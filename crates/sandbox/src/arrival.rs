//! When requests and messages arrived: peaks in any sliding second, and the limits.
//!
//! A request is stamped when its head is read, in the order of the clock; how many messages it carries is known only
//! when its body has been read, and bodies overtake each other. So stamps wait in line until every earlier request is
//! counted, and the peaks are those of the stamps, exactly. The line is as long as the requests that arrive while the
//! slowest body is read, and that has a time limit of its own.

use std::collections::VecDeque;

use naru_core::clock::Micros;

/// The window that limits and peaks are counted in: any 1,000 ms, one end included.
const WINDOW_US: Micros = 1_000_000;

/// How much arrived within the last second; stamps must not run backwards.
#[derive(Default)]
struct Window {
    /// At most one slot a microsecond, so never more than [`WINDOW_US`] of them.
    slots: VecDeque<(Micros, u64)>,
    sum: u64,
    peak: u64,
}

impl Window {
    /// What the second before `at` holds.
    fn sum_at(&mut self, at: Micros) -> u64 {
        while let Some(&(stamp, amount)) = self.slots.front()
            && stamp + WINDOW_US <= at
        {
            self.sum -= amount;
            self.slots.pop_front();
        }
        self.sum
    }

    fn add(&mut self, at: Micros, amount: u64) {
        self.sum = self.sum_at(at) + amount;
        self.peak = self.peak.max(self.sum);
        match self.slots.back_mut() {
            Some((stamp, before)) if *stamp == at => *before += amount,
            _ => self.slots.push_back((at, amount)),
        }
    }
}

/// A limit on what any second may bring; `None` limits nothing.
#[derive(Default)]
struct Limit {
    max: Option<u32>,
    window: Window,
    last: Micros,
}

impl Limit {
    /// Takes `amount` at `at`, or refuses all of it.
    fn take(&mut self, at: Micros, amount: u64) -> bool {
        let Some(max) = self.max else { return true };
        // A request that was overtaken counts as if it had come with the one that overtook it.
        self.last = self.last.max(at);
        if self.window.sum_at(self.last) + amount > u64::from(max) {
            return false;
        }
        self.window.add(self.last, amount);
        true
    }
}

/// A request's place in the order of arrival.
#[derive(Clone, Copy)]
pub struct Arrived {
    /// Its number, from 0, never used again.
    number: u64,
    /// Its number since the ledger was last emptied, from 0.
    pub request: u64,
    /// When its head was read.
    pub at: Micros,
    /// Whether the requests of the last second leave room for it.
    pub within: bool,
}

/// All arrivals since the ledger was last emptied.
#[derive(Default)]
pub struct Arrivals {
    next: u64,
    first: u64,
    /// The requests from the earliest one that is not counted yet; their messages once known.
    line: VecDeque<(Micros, Option<u64>)>,
    requests: Window,
    messages: Window,
    requests_limit: Limit,
    messages_limit: Limit,
    throttled: u64,
}

impl Arrivals {
    /// Begins with these limits.
    pub fn new(requests_per_second: Option<u32>, messages_per_second: Option<u32>) -> Arrivals {
        let limit = |max| Limit { max, ..Limit::default() };
        Arrivals {
            requests_limit: limit(requests_per_second),
            messages_limit: limit(messages_per_second),
            ..Arrivals::default()
        }
    }

    /// Stamps a request; `at` never runs backwards. `free` says whether anything else forbids to take it.
    pub fn arrive(&mut self, at: Micros, free: bool) -> Arrived {
        let number = self.next;
        self.next += 1;
        self.requests.add(at, 1);
        self.line.push_back((at, None));
        Arrived { number, request: number - self.first, at, within: free && self.requests_limit.take(at, 1) }
    }

    /// Says how many messages a request brought; answers whether it may be taken.
    pub fn count(&mut self, arrived: Arrived, messages: u64) -> bool {
        let earliest = self.next - self.line.len() as u64;
        // A request from before the ledger was emptied stands in no line.
        if let Some(place) = arrived.number.checked_sub(earliest)
            && let Some(slot) = self.line.get_mut(place as usize)
        {
            slot.1 = Some(messages);
        }
        while let Some(&(at, Some(amount))) = self.line.front() {
            self.messages.add(at, amount);
            self.line.pop_front();
        }
        arrived.within && self.messages_limit.take(arrived.at, messages)
    }

    /// Counts a request that was answered 429.
    pub fn throttled(&mut self) {
        self.throttled += 1;
    }

    /// Forgets everything but the limits' last second and the numbers given out.
    pub fn empty(&mut self) {
        let limits = (std::mem::take(&mut self.requests_limit), std::mem::take(&mut self.messages_limit));
        let (requests_limit, messages_limit) = limits;
        *self = Arrivals { next: self.next, first: self.next, requests_limit, messages_limit, ..Arrivals::default() };
    }

    /// Requests, requests throttled, most requests in a second, most messages in a second.
    pub fn totals(&self) -> [u64; 4] {
        [self.next - self.first, self.throttled, self.requests.peak, self.messages.peak]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_what_came_within_any_1000_ms() {
        let mut window = Window::default();
        for (at, amount) in [(0, 10), (999_999, 5), (1_000_000, 1), (1_999_998, 2), (1_999_999, 4), (5_000_000, 3)] {
            window.add(at, amount);
        }
        // (0, 999999) make 15; at 1,000,000 the first is out; 5 + 1 + 2 stay below.
        assert_eq!(window.peak, 15);
        assert_eq!(window.slots.len(), 1);
    }

    #[test]
    fn peaks_equal_those_counted_over_every_window() {
        let mut arrivals = Arrivals::new(None, None);
        let mut at = 0;
        let mut all = Vec::new();
        for n in 0u64..2_000 {
            at += n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 51;
            all.push((arrivals.arrive(at, true), n % 7));
        }
        // Bodies overtake each other: every group of five is read to its end in reverse.
        for group in all.chunks(5) {
            for (arrived, messages) in group.iter().rev() {
                arrivals.count(*arrived, *messages);
            }
        }
        let most = |amount: fn(&(Arrived, u64)) -> u64| {
            let ends = all.iter().map(|(end, _)| end.at);
            ends.map(|end| {
                let inside = |seen: &&(Arrived, u64)| seen.0.at <= end && seen.0.at + WINDOW_US > end;
                all.iter().filter(inside).map(amount).sum::<u64>()
            })
            .max()
            .unwrap()
        };
        assert_eq!(arrivals.totals(), [2_000, 0, most(|_| 1), most(|(_, messages)| *messages)]);
        assert!(arrivals.line.is_empty());
    }

    #[test]
    fn a_limit_refuses_what_its_second_cannot_hold_and_counts_only_what_it_took() {
        let mut arrivals = Arrivals::new(Some(2), Some(100));
        let within: Vec<bool> =
            [0, 1, 2, 999_999, 1_000_000, 1_000_001].map(|at| arrivals.arrive(at, true).within).to_vec();
        assert_eq!(within, [true, true, false, false, true, true]);
        let late = arrivals.arrive(9_000_000, true);
        assert!(arrivals.count(late, 60));
        let more = arrivals.arrive(9_000_001, true);
        assert!(!arrivals.count(more, 41));
        assert!(!arrivals.arrive(9_000_002, false).within, "what else forbids it, forbids it");
    }

    #[test]
    fn a_request_from_before_the_emptying_changes_no_count_after_it() {
        let mut arrivals = Arrivals::new(None, None);
        let before = arrivals.arrive(1, true);
        arrivals.empty();
        let after = arrivals.arrive(2, true);
        arrivals.count(before, 1_000);
        arrivals.count(after, 3);
        assert_eq!(arrivals.totals(), [1, 0, 1, 3]);
        assert_eq!((after.number, after.request), (1, 0));
    }
}
