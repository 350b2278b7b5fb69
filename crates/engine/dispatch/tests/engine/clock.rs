//! Time that runs by itself and can be moved on: what would take hours in life takes none here.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use naru_core::clock::{Clock, Micros, Millis, SystemClock};

/// 2026-11-22 12:00 in Seoul: no test comes near a day's end unless it goes there.
pub const NOON: Millis = 1_795_316_400_000;
pub const DAY: Duration = Duration::from_secs(86_400);

/// Starts at noon; shared by all lives of one test's data, as the world's clock is.
pub struct TestClock {
    machine: Arc<dyn Clock>,
    born: Micros,
    ahead_us: AtomicU64,
    set_ms: AtomicI64,
}

impl TestClock {
    pub fn shared() -> Arc<TestClock> {
        let machine = SystemClock::shared();
        let born = machine.monotonic_us();
        Arc::new(TestClock { machine, born, ahead_us: AtomicU64::new(0), set_ms: AtomicI64::new(0) })
    }

    /// Moves both clocks on.
    pub fn skip(&self, time: Duration) {
        self.ahead_us.fetch_add(time.as_micros() as u64, Ordering::SeqCst);
    }

    /// Sets the wall clock alone: forward, or back where it is below zero.
    pub fn set(&self, by: Millis) {
        self.set_ms.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> Millis {
        NOON + self.set_ms.load(Ordering::SeqCst) + ((self.monotonic_us() - self.born) / 1_000) as Millis
    }

    fn monotonic_us(&self) -> Micros {
        self.machine.monotonic_us() + self.ahead_us.load(Ordering::SeqCst)
    }
}
