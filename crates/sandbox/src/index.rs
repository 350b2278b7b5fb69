//! Finds a row by hash: nine bytes a row at full load, and growing stops nobody for long.
//!
//! Only 32 bits of the hash and the row's number are kept; whether a row is the one looked for, the row itself says.

use hashbrown::HashTable;

/// Tables that grow by themselves: one that held all would move millions of rows at once, under a lock.
const SHARDS: usize = 64;

/// Row numbers by hash.
pub struct Index {
    shards: [HashTable<(u32, u32)>; SHARDS],
}

impl Default for Index {
    fn default() -> Index {
        Index { shards: std::array::from_fn(|_| HashTable::new()) }
    }
}

impl Index {
    /// The row under `hash` for which `is_it` holds.
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let kept = hash as u32;
        self.shards[shard(hash)].find(spread(kept), |&(h, row)| h == kept && is_it(row)).map(|&(_, row)| row)
    }

    /// Adds a row that is not there yet.
    pub fn insert(&mut self, hash: u64, row: u32) {
        let kept = hash as u32;
        self.shards[shard(hash)].insert_unique(spread(kept), (kept, row), |&(h, _)| spread(h));
    }

    /// Removes a row.
    pub fn remove(&mut self, hash: u64, row: u32) {
        let kept = hash as u32;
        if let Ok(found) = self.shards[shard(hash)].find_entry(spread(kept), |&entry| entry == (kept, row)) {
            found.remove();
        }
    }
}

fn shard(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}

/// The table wants 64 bits, its tag from the top ones: an odd factor carries the 32 kept bits there.
fn spread(kept: u32) -> u64 {
    u64::from(kept).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_hash_are_told_apart_and_removed_alone() {
        let mut index = Index::default();
        for row in 0..100 {
            index.insert(7, row);
        }
        assert_eq!(index.find(7, |row| row == 42), Some(42));
        index.remove(7, 42);
        assert_eq!(index.find(7, |row| row == 42), None);
        assert_eq!(index.find(7, |row| row == 43), Some(43));
        assert_eq!(index.find(8, |_| true), None);
    }
}
