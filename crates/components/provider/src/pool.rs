//! Connections that wait for their next request.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use naru_core::clock::{Clock, Micros};

/// Open connections that nobody uses. The one parked last is taken first, so that those not needed grow old and go.
pub struct Pool<T> {
    parked: Mutex<Vec<(Micros, T)>>,
    clock: Arc<dyn Clock>,
    idle_us_max: Micros,
    connections_max: usize,
}

impl<T> Pool<T> {
    /// A pool that keeps `connections_max` connections at most, none longer than `idle_max`.
    pub fn new(clock: Arc<dyn Clock>, idle_max: Duration, connections_max: usize) -> Pool<T> {
        Pool { parked: Mutex::default(), clock, idle_us_max: idle_max.as_micros() as Micros, connections_max }
    }

    /// The connection parked last, unless even that one has grown old.
    pub fn take(&self) -> Option<T> {
        let mut parked = self.parked();
        self.drop_old(&mut parked);
        parked.pop().map(|(_, connection)| connection)
    }

    /// Keeps a connection for the next request, or drops it where there are enough.
    pub fn park(&self, connection: T) {
        let mut parked = self.parked();
        self.drop_old(&mut parked);
        if parked.len() < self.connections_max {
            parked.push((self.clock.monotonic_us(), connection));
        }
    }

    fn drop_old(&self, parked: &mut Vec<(Micros, T)>) {
        let oldest_kept = self.clock.monotonic_us().saturating_sub(self.idle_us_max);
        // Parked under the lock, so the list is in the order of time.
        let old = parked.partition_point(|(since, _)| *since < oldest_kept);
        parked.drain(..old);
    }

    fn parked(&self) -> MutexGuard<'_, Vec<(Micros, T)>> {
        self.parked.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::hand_clock::HandClock;

    #[test]
    fn the_freshest_is_taken_and_the_old_are_dropped() {
        let clock = Arc::new(HandClock::default());
        let pool = Pool::new(clock.clone(), Duration::from_micros(10), 2);
        pool.park("first");
        clock.us.store(8, Ordering::Relaxed);
        pool.park("second");
        pool.park("one too many");
        assert_eq!(pool.take(), Some("second"));
        pool.park("second");
        clock.us.store(11, Ordering::Relaxed);
        pool.park("third");
        assert_eq!((pool.take(), pool.take(), pool.take()), (Some("third"), Some("second"), None));
        pool.park("fourth");
        clock.us.store(22, Ordering::Relaxed);
        assert_eq!(pool.take(), None);
    }
}
