//! Idempotency keys and what they were first answered.
//!
//! A key is kept as a 128-bit hash and its answer as a range of the ledger, so that a vendor can remember ten minutes
//! of single sends at full speed.

use std::collections::VecDeque;

use naru_core::clock::Micros;
use xxhash_rust::xxh3::xxh3_128;

use crate::index::Index;
use crate::ledger::{Ledger, write_answer};
use crate::message::Code;

/// Keys remembered at most, some seven gigabytes of them; a full vendor answers 503.
const KEYS_MAX: usize = 100_000_000;

/// What a call was answered: entries of the ledger in a row, and the messages that were not accepted between them.
pub struct Answer {
    /// The first entry.
    pub first: u32,
    /// How many entries.
    pub accepted: u32,
    /// Messages that were not accepted, by their place in the call.
    pub misses: Box<[Miss]>,
}

/// A message that was answered without being accepted.
pub struct Miss {
    /// Its place in the call.
    pub place: u32,
    /// Why.
    pub code: Code,
    /// Its reference.
    pub reference: Box<str>,
}

impl Answer {
    /// How many messages the call had.
    pub fn len(&self) -> usize {
        self.accepted as usize + self.misses.len()
    }

    /// The results as first answered, with commas between them.
    pub fn results(&self, ledger: &Ledger) -> Vec<u8> {
        let mut out = Vec::new();
        let mut misses = self.misses.iter().peekable();
        let mut entries = self.first..self.first + self.accepted;
        for place in 0..self.len() {
            if place > 0 {
                out.push(b',');
            }
            match misses.next_if(|miss| miss.place as usize == place) {
                Some(miss) => write_answer(&miss.reference, miss.code, 0, 0, &mut out),
                None => entries.by_ref().take(1).for_each(|n| ledger.write_result(n, &mut out)),
            }
        }
        out
    }
}

struct Row {
    key: [u64; 2],
    at: Micros,
    answer: Answer,
}

/// All keys of the last `life`.
pub struct Keys {
    life: Micros,
    /// Oldest first.
    rows: VecDeque<Row>,
    /// The number of the oldest row; row numbers wrap around.
    base: u32,
    index: Index,
}

impl Keys {
    /// Begins to remember keys for `life`.
    pub fn new(life: Micros) -> Keys {
        Keys { life, rows: VecDeque::new(), base: 0, index: Index::default() }
    }

    /// Whether no more can be remembered.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= KEYS_MAX
    }

    /// What `key` was first answered, if that is not too long ago.
    pub fn find(&mut self, key: &str, now: Micros) -> Option<&Answer> {
        self.expire(now);
        let key = hash(key);
        let row = self.index.find(key[0], |row| self.row(row).is_some_and(|row| row.key == key))?;
        self.row(row).map(|row| &row.answer)
    }

    /// Remembers the answer of a key that is not known.
    pub fn remember(&mut self, key: &str, now: Micros, answer: Answer) {
        let key = hash(key);
        self.index.insert(key[0], self.base.wrapping_add(self.rows.len() as u32));
        self.rows.push_back(Row { key, at: now, answer });
    }

    fn row(&self, number: u32) -> Option<&Row> {
        self.rows.get(number.wrapping_sub(self.base) as usize)
    }

    fn expire(&mut self, now: Micros) {
        while let Some(oldest) = self.rows.pop_front_if(|row| row.at + self.life <= now) {
            self.index.remove(oldest.key[0], self.base);
            self.base = self.base.wrapping_add(1);
        }
    }
}

fn hash(key: &str) -> [u64; 2] {
    let hash = xxh3_128(key.as_bytes());
    [hash as u64, (hash >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(first: u32) -> Answer {
        Answer { first, accepted: 1, misses: Box::default() }
    }

    #[test]
    fn a_key_is_known_for_its_life_and_no_longer() {
        let mut keys = Keys::new(100);
        keys.base = u32::MAX;
        keys.remember("a", 0, answer(1));
        keys.remember("b", 50, answer(2));
        let mut found = |key, now| keys.find(key, now).map(|answer| answer.first);
        assert_eq!((found("a", 99), found("b", 99), found("c", 99)), (Some(1), Some(2), None));
        assert_eq!((found("a", 100), found("b", 149)), (None, Some(2)));
        assert_eq!(found("b", 150), None);
        keys.remember("a", 200, answer(3));
        assert_eq!(keys.find("a", 200).map(|answer| answer.first), Some(3));
    }
}
