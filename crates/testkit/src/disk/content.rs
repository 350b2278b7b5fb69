//! What is in one file: the bytes as programs see them, those that are on the disk, and what lies between.

use crate::random::Random;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// The bytes of one file.
#[derive(Default)]
pub struct Content {
    seen: Vec<u8>,
    synced: Vec<u8>,
    /// In the order in which it was done.
    since: Vec<Change>,
}

enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Size(usize),
}

impl Content {
    pub fn size(&self) -> usize {
        self.seen.len()
    }

    /// Reads what is there, and returns how much that is.
    pub fn read(&self, at: usize, bytes: &mut [u8]) -> usize {
        let there = self.seen.get(at..).unwrap_or_default();
        let count = there.len().min(bytes.len());
        bytes[..count].copy_from_slice(&there[..count]);
        count
    }

    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        put(&mut self.seen, at, bytes, |hole| hole.fill(0));
        self.since.push(Change::Write { at, bytes: bytes.to_vec() });
    }

    pub fn set_size(&mut self, size: usize) {
        self.seen.resize(size, 0);
        self.since.push(Change::Size(size));
    }

    pub fn sync(&mut self) {
        for change in self.since.drain(..) {
            change.make(&mut self.synced, |hole| hole.fill(0));
        }
    }

    /// What is left of it when the power goes.
    pub fn survive(self, random: &mut Random) -> Content {
        let Content { seen, mut synced, since } = self;
        let sectors: Vec<Change> = since.into_iter().flat_map(Change::sectors).collect();
        // What a file has grown by and nobody wrote is of zeros, or of what was on that place of the disk before.
        let garbage = random.chance(500).then(|| random.next());
        let fill = |hole: &mut [u8]| match garbage {
            None => hole.fill(0),
            Some(seed) => {
                let mut old = Random::new(seed);
                hole.iter_mut().for_each(|byte| *byte = old.next() as u8);
            }
        };
        let fate = random.below(4);
        let first = random.below(sectors.len() as u64 + 1) as usize;
        let per_mille = random.between(1, 999);
        for (n, sector) in sectors.iter().enumerate() {
            let is_kept = match fate {
                0 => false,
                1 => true,
                2 => n < first,
                _ => random.chance(per_mille),
            };
            if is_kept {
                sector.make(&mut synced, fill);
            }
        }
        if random.chance(250) && seen.len() > synced.len() {
            let from = synced.len();
            synced.resize(seen.len(), 0);
            fill(&mut synced[from..]);
        }
        Content { seen: synced.clone(), synced, since: Vec::new() }
    }
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>, fill: impl FnOnce(&mut [u8])) {
        match self {
            Change::Write { at, bytes: new } => put(bytes, *at, new, fill),
            Change::Size(size) => bytes.resize(*size, 0),
        }
    }

    /// A write in pieces of which each is on one sector.
    fn sectors(self) -> Vec<Change> {
        let Change::Write { mut at, bytes } = self else { return vec![self] };
        let mut rest = bytes.as_slice();
        let mut sectors = Vec::new();
        while !rest.is_empty() {
            let (sector, after) = rest.split_at((SECTOR_BYTES - at % SECTOR_BYTES).min(rest.len()));
            sectors.push(Change::Write { at, bytes: sector.to_vec() });
            at += sector.len();
            rest = after;
        }
        sectors
    }
}

/// Writes `new` into `bytes`, which grow as far as they have to; `fill` is told of a hole between.
fn put(bytes: &mut Vec<u8>, at: usize, new: &[u8], fill: impl FnOnce(&mut [u8])) {
    let end = bytes.len();
    if end < at + new.len() {
        bytes.resize(at + new.len(), 0);
        if end < at {
            fill(&mut bytes[end..at]);
        }
    }
    bytes[at..at + new.len()].copy_from_slice(new);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: u64 = 300;

    /// What may be left over of `make`.
    fn survivors(make: impl Fn(&mut Content)) -> Vec<Vec<u8>> {
        let survive = |seed| {
            let mut content = Content::default();
            make(&mut content);
            content.survive(&mut Random::new(seed)).seen
        };
        (0..SEEDS).map(survive).collect()
    }

    #[test]
    fn what_was_synced_is_kept() {
        let left = survivors(|content| {
            content.write(0, &[1; 2_000]);
            content.sync();
            content.write(1_800, &[2; 1_000]);
        });
        assert!(left.iter().all(|bytes| bytes[..1_800] == [1; 1_800]), "a cut takes nothing that was synced");
        assert!(left.iter().all(|bytes| bytes[1_800..2_000].iter().all(|byte| [1, 2].contains(byte))));
    }

    #[test]
    fn what_was_not_synced_is_kept_whole_in_part_or_not_at_all() {
        let left = survivors(|content| {
            content.write(0, &[1; 4_096]);
            content.sync();
            content.write(0, &[2; 4_096]);
        });
        let news = |bytes: &Vec<u8>| bytes.iter().filter(|byte| **byte == 2).count();
        let counts: Vec<usize> = left.iter().map(news).collect();
        assert!(counts.contains(&0) && counts.contains(&4_096));
        assert!(counts.iter().any(|count| (1..4_096).contains(count)), "none was torn");
        assert!(counts.iter().all(|count| count % SECTOR_BYTES == 0), "a sector was torn");
        let is_out_of_order = |bytes: &&Vec<u8>| bytes[0] == 1 && bytes[4_095] == 2;
        assert!(left.iter().any(|bytes| is_out_of_order(&bytes)), "all came in order");
    }

    #[test]
    fn a_file_may_have_grown_without_its_bytes() {
        let left = survivors(|content| content.write(0, &[1; 1_024]));
        assert!(left.iter().any(Vec::is_empty));
        assert!(left.iter().any(|bytes| bytes.len() == 1_024 && bytes.iter().all(|byte| *byte == 0)));
        let is_garbage = |bytes: &&Vec<u8>| bytes.len() == 1_024 && bytes.iter().any(|byte| *byte > 1);
        assert!(left.iter().any(|bytes| is_garbage(&bytes)));
    }

    #[test]
    fn a_file_that_was_cut_off_may_have_its_end_again() {
        let left = survivors(|content| {
            content.write(0, &[1; 1_024]);
            content.sync();
            content.set_size(10);
        });
        assert!(left.iter().any(|bytes| bytes.len() == 10) && left.iter().any(|bytes| bytes.len() == 1_024));
    }

    #[test]
    fn programs_see_what_they_wrote() {
        let mut content = Content::default();
        content.write(3, &[7; 2]);
        let mut bytes = [9; 8];
        assert_eq!((content.size(), content.read(1, &mut bytes)), (5, 4));
        assert_eq!(bytes, [0, 0, 7, 7, 9, 9, 9, 9]);
        assert_eq!(content.read(6, &mut bytes), 0);
    }
}
