//! Who holds what of one file: SQLite's five levels, and the memory that its connections share.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use naru_testvfs::{Lock, Refusal, Region, Result, SLOTS, SlotLock};

/// An open file; never the same number twice.
pub type HandleId = u64;

/// The locks and the shared memory of one file.
#[derive(Default)]
pub struct Locks {
    levels: BTreeMap<HandleId, Lock>,
    slots: [Slot; SLOTS],
    regions: Vec<Arc<Region>>,
    /// Who has a part in the regions.
    users: BTreeSet<HandleId>,
}

#[derive(Default)]
struct Slot {
    readers: BTreeSet<HandleId>,
    writer: Option<HandleId>,
}

impl Locks {
    pub fn lock(&mut self, handle: HandleId, lock: Lock) -> Result<()> {
        let others = self.levels.iter().filter(|(id, _)| **id != handle).map(|(_, level)| *level);
        let highest = others.max().unwrap_or(Lock::None);
        let own = self.levels.get(&handle).copied().unwrap_or(Lock::None);
        if own >= lock {
            return Ok(());
        }
        let is_free = match lock {
            Lock::None | Lock::Shared => highest < Lock::Pending,
            Lock::Reserved => highest < Lock::Reserved,
            Lock::Pending | Lock::Exclusive => highest == Lock::None,
        };
        if !is_free {
            if lock == Lock::Exclusive && highest == Lock::Shared {
                // Whoever waits for readers to go keeps others from coming.
                self.levels.insert(handle, Lock::Pending);
            }
            return Err(Refusal::Busy);
        }
        self.levels.insert(handle, lock);
        Ok(())
    }

    pub fn unlock(&mut self, handle: HandleId, lock: Lock) {
        match lock {
            Lock::None => drop(self.levels.remove(&handle)),
            _ => drop(self.levels.insert(handle, lock)),
        }
    }

    pub fn is_reserved(&self) -> bool {
        self.levels.values().any(|level| *level >= Lock::Reserved)
    }

    pub fn region(&mut self, handle: HandleId, index: usize, bytes: usize, extend: bool) -> Option<Arc<Region>> {
        self.users.insert(handle);
        if extend {
            while self.regions.len() <= index {
                self.regions.push(Arc::new(Region::new(bytes)));
            }
        }
        self.regions.get(index).cloned()
    }

    pub fn lock_slots(&mut self, handle: HandleId, slots: Range<usize>, lock: SlotLock) -> Result<()> {
        let is_free = |slot: &Slot| {
            let is_read = slot.readers.iter().any(|id| *id != handle);
            slot.writer.is_none_or(|id| id == handle) && (lock == SlotLock::Shared || !is_read)
        };
        let slots = &mut self.slots[slots];
        if !slots.iter().all(is_free) {
            return Err(Refusal::Busy);
        }
        for slot in slots {
            match lock {
                SlotLock::Shared => drop(slot.readers.insert(handle)),
                SlotLock::Exclusive => slot.writer = Some(handle),
            }
        }
        Ok(())
    }

    pub fn unlock_slots(&mut self, handle: HandleId, slots: Range<usize>) {
        for slot in &mut self.slots[slots] {
            slot.readers.remove(&handle);
            slot.writer.take_if(|id| *id == handle);
        }
    }

    /// The last to leave takes the memory with it.
    pub fn leave_regions(&mut self, handle: HandleId) {
        self.unlock_slots(handle, 0..SLOTS);
        self.users.remove(&handle);
        if self.users.is_empty() {
            self.regions.clear();
        }
    }

    pub fn close(&mut self, handle: HandleId) {
        self.leave_regions(handle);
        self.unlock(handle, Lock::None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writes_while_nobody_reads() {
        let mut locks = Locks::default();
        locks.lock(1, Lock::Shared).unwrap();
        locks.lock(2, Lock::Shared).unwrap();
        locks.lock(1, Lock::Reserved).unwrap();
        assert_eq!(locks.lock(2, Lock::Reserved), Err(Refusal::Busy));
        assert_eq!(locks.lock(1, Lock::Exclusive), Err(Refusal::Busy));
        assert_eq!(locks.lock(3, Lock::Shared), Err(Refusal::Busy), "one waits for readers to go");
        locks.unlock(2, Lock::None);
        locks.lock(1, Lock::Exclusive).unwrap();
        locks.unlock(1, Lock::Shared);
        locks.lock(3, Lock::Shared).unwrap();
    }

    #[test]
    fn slots_are_locked_all_or_none() {
        let mut locks = Locks::default();
        locks.lock_slots(1, 3..4, SlotLock::Shared).unwrap();
        locks.lock_slots(2, 3..4, SlotLock::Shared).unwrap();
        assert_eq!(locks.lock_slots(2, 1..4, SlotLock::Exclusive), Err(Refusal::Busy));
        locks.lock_slots(1, 1..3, SlotLock::Exclusive).unwrap();
        locks.close(1);
        locks.lock_slots(2, 1..3, SlotLock::Exclusive).unwrap();
    }

    #[test]
    fn shared_memory_goes_with_the_last_who_has_a_part_in_it() {
        let mut locks = Locks::default();
        assert!(locks.region(1, 0, 32, false).is_none());
        let first = locks.region(1, 0, 32, true).unwrap();
        assert!(Arc::ptr_eq(&first, &locks.region(2, 0, 32, false).unwrap()));
        locks.close(1);
        assert!(locks.region(2, 0, 32, false).is_some());
        locks.close(2);
        assert!(locks.region(3, 0, 32, false).is_none());
    }
}
