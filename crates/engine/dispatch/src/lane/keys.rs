//! Who waits for whom: order per customer within one lane and priority.
//!
//! A key is busy from the moment one of its messages is chosen until that message's outcome is stored. Later messages
//! of the key queue behind it in the order in which they were accepted.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// A message's place: the lane's number of its frame, and its slot.
pub type Place = (u32, u16);

/// The keys that are busy, and who waits.
#[derive(Default)]
pub struct Keys {
    busy: HashMap<u64, Waiting, BuildHasherDefault<AsIs>>,
    waiting: usize,
}

/// Almost always empty: a null pointer then.
type Waiting = Option<Box<VecDeque<Place>>>;

impl Keys {
    /// Takes the key for `place`, or queues the place behind whoever has it.
    pub fn take(&mut self, key: u64, place: Place) -> bool {
        match self.busy.entry(key) {
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(None);
                true
            }
            std::collections::hash_map::Entry::Occupied(busy) => {
                busy.into_mut().get_or_insert_default().push_back(place);
                self.waiting += 1;
                false
            }
        }
    }

    /// Takes the key for a message that is already under way (a retry, a chunk in doubt, after a restart). Later ones
    /// queue behind it; several such of one key cannot be.
    pub fn hold(&mut self, key: u64) {
        self.busy.entry(key).or_default();
    }

    /// Frees the key, or passes it to the next who waits.
    pub fn release(&mut self, key: u64) -> Option<Place> {
        let waiting = self.busy.get_mut(&key)?;
        let next = waiting.as_mut().and_then(|queue| queue.pop_front());
        match next {
            Some(_) => self.waiting -= 1,
            None => {
                self.busy.remove(&key);
            }
        }
        next
    }

    /// Whether a later message waits for the key.
    pub fn is_waited_for(&self, key: u64) -> bool {
        matches!(self.busy.get(&key), Some(Some(waiting)) if !waiting.is_empty())
    }

    /// How many messages wait for an earlier one.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many keys are busy.
    pub fn busy(&self) -> usize {
        self.busy.len()
    }
}

/// Keys are hashes already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_wait_come_in_the_order_they_came() {
        let mut keys = Keys::default();
        assert!(keys.take(7, (1, 0)));
        assert!(!keys.take(7, (1, 5)));
        assert!(!keys.take(7, (2, 0)));
        assert!(keys.take(8, (1, 1)));
        assert_eq!((keys.waiting(), keys.busy()), (2, 2));
        assert_eq!(keys.release(7), Some((1, 5)));
        assert_eq!(keys.release(7), Some((2, 0)));
        assert_eq!(keys.release(7), None);
        assert_eq!((keys.waiting(), keys.busy()), (0, 1));
        assert!(keys.take(7, (3, 0)));
    }
}
