//! Which names there are: as programs see them, those on the disk, and what lies between.

use std::collections::BTreeMap;

use crate::random::Random;

/// A file, whatever it is called; never the same number twice.
pub type FileId = u64;

/// The names of the one folder.
#[derive(Default)]
pub struct Folder {
    seen: BTreeMap<String, FileId>,
    synced: BTreeMap<String, FileId>,
    since: Vec<(String, Option<FileId>)>,
}

impl Folder {
    pub fn find(&self, name: &str) -> Option<FileId> {
        self.seen.get(name).copied()
    }

    /// Gives a name to a file, or takes the name away.
    pub fn set(&mut self, name: &str, file: Option<FileId>) {
        enter(&mut self.seen, name, file);
        self.since.push((name.to_owned(), file));
    }

    pub fn sync(&mut self) {
        for (name, file) in self.since.drain(..) {
            enter(&mut self.synced, &name, file);
        }
    }

    /// The names that are left when the power goes: a file system keeps a folder's changes in order.
    pub fn survive(self, random: &mut Random) -> BTreeMap<String, FileId> {
        let Folder { mut synced, since, .. } = self;
        let kept = random.below(since.len() as u64 + 1) as usize;
        for (name, file) in since.into_iter().take(kept) {
            enter(&mut synced, &name, file);
        }
        synced
    }

    /// Names that all are on the disk.
    pub fn of(synced: BTreeMap<String, FileId>) -> Folder {
        Folder { seen: synced.clone(), synced, since: Vec::new() }
    }
}

fn enter(names: &mut BTreeMap<String, FileId>, name: &str, file: Option<FileId>) {
    match file {
        Some(file) => drop(names.insert(name.to_owned(), file)),
        None => drop(names.remove(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_in_the_order_of_their_making() {
        let mut seen = BTreeMap::new();
        for seed in 0..100 {
            let mut folder = Folder::default();
            folder.set("first", Some(1));
            folder.sync();
            folder.set("second", Some(2));
            folder.set("first", None);
            let left = folder.survive(&mut Random::new(seed));
            *seen.entry(left.into_keys().collect::<Vec<_>>().join(" ")).or_insert(0) += 1;
        }
        assert_eq!(seen.keys().collect::<Vec<_>>(), ["first", "first second", "second"]);
    }
}
