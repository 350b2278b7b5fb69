//! Fingerprints of the newest frames in memory: a look through millions of messages is one pass over a few megabytes.
//!
//! Read when the first look is taken, and before each further one what came since: a frame gets its place in its lane's
//! order under a lock that is held until the commit, so whoever has read up to a place has missed nothing before it.

use std::collections::HashMap;

use memchr::memmem;
use naru_core::id::Id;
use naru_store::{Result, Store};
use sqlx::Row;

use crate::find::PRINT_BYTES;
use crate::rows::id_column;

/// Bytes of one of the two parts: together they hold the last 8 to 16 million messages.
const PART_BYTES_MAX: usize = 24 << 20;
/// Frames read at once.
const PAGE: usize = 1_000;

/// What is in memory.
#[derive(Default)]
pub struct Prints {
    /// Every frame with a greater id is here.
    floor: Id,
    /// Up to which place each shard was read; nothing was read at all while it is empty.
    read: HashMap<(String, i64), i64>,
    /// When the newer one is full the older one goes.
    older: Part,
    newer: Part,
}

#[derive(Default)]
struct Part {
    /// Each frame, and where its fingerprints end.
    frames: Vec<(Id, usize)>,
    bytes: Vec<u8>,
}

impl Prints {
    /// Reads what is new.
    pub async fn refresh(&mut self, store: &Store) -> Result<()> {
        // Asked first: whatever has its place by now is seen by the reads below.
        let shards: Vec<(String, i64, i64)> =
            sqlx::query_as("SELECT lane, shard, seq FROM dispatch_shard").fetch_all(store.reader()).await?;
        let shards = shards.into_iter().map(|(lane, no, last)| ((lane, no), last));
        if self.read.is_empty() {
            self.load(store).await?;
            self.read = shards.collect();
            return Ok(());
        }
        for (shard, last) in shards {
            let mut after = self.read.get(&shard).copied().unwrap_or_default();
            while after < last {
                after = self.read_shard(store, &shard, after).await?.unwrap_or(last);
                self.read.insert(shard.clone(), after);
            }
        }
        Ok(())
    }

    /// Frames that may hold the fingerprint, newest first, and the id down to which that is true: 0 where it is of all
    /// frames.
    pub fn look(&self, print: [u8; PRINT_BYTES]) -> (Vec<Id>, Id) {
        let parts = [&self.older, &self.newer].into_iter();
        let mut ids: Vec<Id> = parts.flat_map(|part| part.look(print)).filter(|id| *id > self.floor).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        (ids, self.floor)
    }

    /// Reads the newest frames until a part is full.
    async fn load(&mut self, store: &Store) -> Result<()> {
        let mut before = vec![0xFF; Id::default().0.len() + 1];
        loop {
            let text = "SELECT frame, prints FROM dispatch_find WHERE frame < $1 ORDER BY frame DESC LIMIT $2";
            let page = sqlx::query(text).bind(before.clone()).bind(PAGE as i64).fetch_all(store.reader()).await?;
            for row in &page {
                before = row.try_get(0)?;
                self.newer.push(id_column(before.clone())?, &row.try_get::<Vec<u8>, _>(1)?);
            }
            if page.len() < PAGE {
                return Ok(());
            }
            if self.newer.bytes.len() >= PART_BYTES_MAX {
                // The last one is looked at twice, which changes nothing.
                self.floor = id_column(before)?;
                return Ok(());
            }
        }
    }

    /// Reads a page of a shard; answers up to which place, or nothing where that is all there is.
    async fn read_shard(&mut self, store: &Store, shard: &(String, i64), after: i64) -> Result<Option<i64>> {
        let text = "SELECT s.frame, f.prints, s.seq FROM dispatch_side s JOIN dispatch_find f ON f.frame = s.frame
             WHERE s.lane = $1 AND s.shard = $2 AND s.seq > $3 ORDER BY s.seq LIMIT $4";
        let query = sqlx::query(text).bind(shard.0.as_str()).bind(shard.1).bind(after).bind(PAGE as i64);
        let page = query.fetch_all(store.reader()).await?;
        let mut last = after;
        for row in &page {
            self.push(id_column(row.try_get(0)?)?, &row.try_get::<Vec<u8>, _>(1)?);
            last = row.try_get(2)?;
        }
        Ok((page.len() == PAGE).then_some(last))
    }

    fn push(&mut self, id: Id, prints: &[u8]) {
        if self.newer.bytes.len() + prints.len() > PART_BYTES_MAX {
            let gone = std::mem::replace(&mut self.older, std::mem::take(&mut self.newer));
            self.floor = gone.frames.iter().map(|(id, _)| *id).fold(self.floor, Id::max);
        }
        self.newer.push(id, prints);
    }
}

impl Part {
    fn push(&mut self, id: Id, prints: &[u8]) {
        self.bytes.extend_from_slice(prints);
        self.frames.push((id, self.bytes.len()));
    }

    fn look(&self, print: [u8; PRINT_BYTES]) -> Vec<Id> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = memmem::find(&self.bytes[from..], &print).map(|at| from + at) {
            // Else it is the end of one and the beginning of the next, and may overlap with one.
            let whole = at % PRINT_BYTES == 0;
            if whole {
                found.push(self.frames[self.frames.partition_point(|(_, end)| *end <= at)].0);
            }
            from = at + if whole { PRINT_BYTES } else { 1 };
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> Id {
        Id((n as u128).to_be_bytes())
    }

    #[test]
    fn what_is_in_memory_is_bounded_and_says_from_where_on_it_is_whole() {
        let mut prints = Prints::default();
        let frame = vec![0; PART_BYTES_MAX / 4];
        for n in 1..=12 {
            let mut frame = frame.clone();
            let last = frame.len() - PRINT_BYTES;
            frame[last..].copy_from_slice(&[7, n as u8, 7]);
            prints.push(id(n), &frame);
        }
        assert!(prints.older.bytes.len() + prints.newer.bytes.len() <= 2 * PART_BYTES_MAX);
        let (found, floor) = prints.look([7, 12, 7]);
        assert_eq!((found, floor), (vec![id(12)], id(4)));
        assert_eq!(prints.look([7, 5, 7]).0, [id(5)]);
        assert_eq!(prints.look([7, 4, 7]).0, []);
        let all: Vec<Id> = (5..=12).rev().map(id).collect();
        assert_eq!(prints.look([0; 3]).0, all);
    }

    #[test]
    fn two_halves_of_two_fingerprints_are_none() {
        let mut prints = Prints::default();
        prints.push(id(1), &[1, 2, 3, 4, 5, 6]);
        assert_eq!(prints.look([2, 3, 4]).0, []);
        assert_eq!(prints.look([4, 5, 6]).0, [id(1)]);
        // Half of another stands before it.
        prints.push(id(2), &[0, 9, 8, 9, 8, 9]);
        assert_eq!(prints.look([9, 8, 9]).0, [id(2)]);
    }
}
