//! A clock for tests that stands where it is put.

use std::sync::atomic::{AtomicU64, Ordering};

use naru_core::clock::{Clock, Micros, Millis};

/// Microseconds since the epoch and on the monotonic side alike.
#[derive(Default)]
pub struct HandClock {
    /// Where it stands.
    pub us: AtomicU64,
}

impl Clock for HandClock {
    fn now_ms(&self) -> Millis {
        (self.monotonic_us() / 1_000) as Millis
    }

    fn monotonic_us(&self) -> Micros {
        self.us.load(Ordering::Relaxed)
    }
}
