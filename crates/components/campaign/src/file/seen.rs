//! Which addresses a campaign has had: 64-bit keyed fingerprints, about 12 bytes each.
//!
//! Two addresses of thirteen million share a fingerprint once in 200,000 campaigns; the key is the process's own, so
//! nobody can prepare a file that collides. The set is in shards because a table doubles when it is full: one of 64
//! holds its old and its new half together, not all of them at once.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

const SHARDS: usize = 64;

pub(super) struct Seen {
    key: u64,
    shards: Vec<HashSet<u64, BuildHasherDefault<Fingerprint>>>,
}

impl Seen {
    pub(super) fn new(key: u64) -> Seen {
        Seen { key, shards: vec![HashSet::default(); SHARDS] }
    }

    /// Remembers `address`; `false` where it was there before.
    pub(super) fn insert(&mut self, address: &str) -> bool {
        let fingerprint = xxh3_64_with_seed(address.as_bytes(), self.key);
        // Bits in the middle: tables choose a place by the lowest and compare by the highest.
        self.shards[(fingerprint >> 40) as usize % SHARDS].insert(fingerprint)
    }
}

/// A fingerprint is already as random as a hash can make it.
#[derive(Clone, Copy, Default)]
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Never called for `u64`, and sound for whatever else.
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_new_once() {
        let mut seen = Seen::new(7);
        let address = |n: u32| format!("010{n:08}");
        assert!((0..50_000).all(|n| seen.insert(&address(n))));
        assert!((0..50_000).all(|n| !seen.insert(&address(n))));
    }

    #[test]
    fn thirteen_million_addresses_stay_under_170_mb() {
        // One shard with its share. A table of the standard library is full at seven eighths, and has a byte beside
        // each place of eight.
        let mut shard = HashSet::<u64, BuildHasherDefault<Fingerprint>>::default();
        let share = 13_000_000 / SHARDS;
        shard.extend((0..share as u64).map(|n| xxh3_64_with_seed(&n.to_le_bytes(), 7)));
        let places = shard.capacity() * 8 / 7;
        assert!(places * 9 * SHARDS < 170_000_000, "{}", places * 9 * SHARDS);
    }
}
