//! Slows down whoever guesses passwords, by name and by peer, in memory of a fixed size.
//!
//! Counts live in two tables of slots that names and peers are hashed into with a key of the process. Two names in one
//! slot share a count: that errs to the strict side, and nothing has to be thrown out when many names are tried, which
//! is how a table with eviction would be made to forget.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::Mutex;

use naru_core::clock::Micros;
use naru_core::failure::{Failure, Kind};

/// Slots of each table: 64 KiB together, and a shop's people seldom meet in one.
const SLOTS: usize = 2_048;
/// Tries of one name that do not wait: people mistype.
const FREE_BY_NAME: u32 = 5;
/// Tries from one peer that do not wait: an office shares an address.
const FREE_BY_PEER: u32 = 30;
/// Longest wait: a guesser gets four tries an hour, and a person locked out by one still uses a sign-in link.
const WAIT_S_MAX: u64 = 15 * 60;
/// Quiet after which tries are forgotten; longer than any wait, so that waiting one out does not start anew.
const FORGOTTEN_AFTER_S: u64 = 60 * 60;

const SECOND_US: Micros = 1_000_000;

/// Counts of tries.
pub(crate) struct Throttle {
    keys: RandomState,
    tables: Mutex<Tables>,
}

struct Tables {
    names: Vec<Slot>,
    peers: Vec<Slot>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    tries: u32,
    last_at: Micros,
}

impl Default for Throttle {
    fn default() -> Throttle {
        let tables = Tables { names: vec![Slot::default(); SLOTS], peers: vec![Slot::default(); SLOTS] };
        Throttle { keys: RandomState::new(), tables: Mutex::new(tables) }
    }
}

impl Throttle {
    /// Counts a try before it is made, so that tries made at once count too; refuses where it has to wait.
    pub(crate) fn begin(&self, now: Micros, name: &str, peer: Option<IpAddr>) -> Result<(), Failure> {
        let mut tables = self.tables();
        let (by_name, by_peer) = (self.slot(name), peer.map(|peer| self.slot(network(peer))));
        let wait_name = tables.names[by_name].wait_s(now, FREE_BY_NAME);
        let wait_peer = by_peer.map_or(0, |slot| tables.peers[slot].wait_s(now, FREE_BY_PEER));
        let wait_s = wait_name.max(wait_peer);
        if wait_s > 0 {
            return Err(Failure::new(Kind::TooMany, "sign-in-throttled").arg("seconds", wait_s).retry_after(wait_s));
        }
        tables.names[by_name].count(now);
        if let Some(slot) = by_peer {
            tables.peers[slot].count(now);
        }
        Ok(())
    }

    /// Takes back a try that was right.
    pub(crate) fn succeeded(&self, name: &str, peer: Option<IpAddr>) {
        let mut tables = self.tables();
        tables.names[self.slot(name)] = Slot::default();
        if let Some(peer) = peer {
            let tries = &mut tables.peers[self.slot(network(peer))].tries;
            *tries = tries.saturating_sub(1);
        }
    }

    fn slot(&self, of: impl Hash) -> usize {
        self.keys.hash_one(of) as usize % SLOTS
    }

    fn tables(&self) -> std::sync::MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Slot {
    /// Seconds until the next try may be made: doubling with each beyond the free ones.
    fn wait_s(&self, now: Micros, free: u32) -> u64 {
        let passed_us = now.saturating_sub(self.last_at);
        if self.tries < free || passed_us >= FORGOTTEN_AFTER_S * SECOND_US {
            return 0;
        }
        let wait_s = 1u64.checked_shl(self.tries - free).unwrap_or(WAIT_S_MAX).min(WAIT_S_MAX);
        (wait_s * SECOND_US).saturating_sub(passed_us).div_ceil(SECOND_US)
    }

    fn count(&mut self, now: Micros) {
        if now.saturating_sub(self.last_at) >= FORGOTTEN_AFTER_S * SECOND_US {
            self.tries = 0;
        }
        *self = Slot { tries: self.tries.saturating_add(1).min(FREE_BY_PEER + 32), last_at: now };
    }
}

/// What one household or office has: an IPv4 address, or an IPv6 network of 64 bits, of which it has every address.
fn network(peer: IpAddr) -> [u8; 8] {
    match peer.to_canonical() {
        IpAddr::V4(peer) => u64::from(peer.to_bits()).to_be_bytes(),
        IpAddr::V6(peer) => ((peer.to_bits() >> 64) as u64).to_be_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Micros = 3_600 * SECOND_US;

    fn tries_until_refused(throttle: &Throttle, now: Micros, name: impl Fn(u32) -> String, peer: &str) -> u32 {
        let peer = Some(peer.parse().unwrap());
        (0..).find(|n| throttle.begin(now, &name(*n), peer).is_err()).unwrap()
    }

    fn waits(throttle: &Throttle, now: Micros) -> u64 {
        throttle.begin(now, "kim", None).map_or_else(|failure| failure.retry_after_s.unwrap(), |()| 0)
    }

    #[test]
    fn a_name_waits_twice_as_long_after_each_further_try() {
        let throttle = Throttle::default();
        assert_eq!(tries_until_refused(&throttle, START, |_| "kim".to_owned(), "192.0.2.1"), FREE_BY_NAME);
        let mut now = START;
        for expect in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            assert_eq!(waits(&throttle, now), expect);
            assert_eq!(waits(&throttle, now + (expect - 1) * SECOND_US), 1, "a second before");
            now += expect * SECOND_US;
            assert_eq!(waits(&throttle, now), 0, "when it is over");
        }
        now += FORGOTTEN_AFTER_S * SECOND_US;
        assert_eq!(waits(&throttle, now), 0);
        assert_eq!(waits(&throttle, now), 0, "forgotten after an hour of quiet");
    }

    #[test]
    fn a_peer_that_tries_many_names_waits() {
        let throttle = Throttle::default();
        let tries = tries_until_refused(&throttle, START, |n| format!("name-{n}"), "2001:db8::1");
        assert!(tries <= FREE_BY_PEER, "{tries}");
        assert!(throttle.begin(START, "other", Some("2001:db8::2".parse().unwrap())).is_err(), "the same network");
        assert!(throttle.begin(START, "other", Some("2001:db8:0:1::1".parse().unwrap())).is_ok(), "another one");
    }

    #[test]
    fn a_right_try_is_taken_back() {
        let throttle = Throttle::default();
        let peer = Some("192.0.2.1".parse().unwrap());
        for _ in 0..FREE_BY_PEER * 3 {
            throttle.begin(START, "kim", peer).unwrap();
            throttle.succeeded("kim", peer);
        }
    }
}
