//! Where time comes from. Nothing else in the house reads a clock, so tests and the simulator can hold it still.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC, as stored.
pub type Millis = i64;

/// Microseconds on a clock that never runs backwards; only differences mean anything.
pub type Micros = u64;

/// A source of time.
pub trait Clock: Send + Sync {
    /// The wall clock, in milliseconds since the epoch.
    fn now_ms(&self) -> Millis;
    /// A monotonic clock, in microseconds since some start.
    fn monotonic_us(&self) -> Micros;
}

/// The machine's own clocks.
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Returns a clock whose monotonic side starts at one hour, so that "an hour ago" can be expressed.
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(SystemClock { start: Instant::now() })
    }
}

const MONOTONIC_START_US: Micros = 3_600_000_000;

impl Clock for SystemClock {
    // The one place that reads the machine's clock.
    #[allow(clippy::disallowed_methods)]
    fn now_ms(&self) -> Millis {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
    }

    fn monotonic_us(&self) -> Micros {
        MONOTONIC_START_US + self.start.elapsed().as_micros() as Micros
    }
}

/// Formats `at` in Korean time, as people read it: `2026-11-22 14:03:07`.
pub fn seoul(at: Millis) -> String {
    seoul_zoned(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The calendar day of `at` in Asia/Seoul as `YYYYMMDD`: what a cap "per day" counts in.
pub fn seoul_day(at: Millis) -> i64 {
    let day = seoul_zoned(at).date();
    i64::from(day.year()) * 10_000 + i64::from(day.month()) * 100 + i64::from(day.day())
}

/// Minutes since midnight of `at` in Asia/Seoul.
pub fn seoul_minute(at: Millis) -> u32 {
    let time = seoul_zoned(at).time();
    time.hour() as u32 * 60 + time.minute() as u32
}

/// The first moment after `at` at which the clock in Asia/Seoul shows `minute` (minutes since midnight).
pub fn next_seoul_minute(at: Millis, minute: u32) -> Millis {
    let local = at + SEOUL_OFFSET_MS;
    let midnight = local - local.rem_euclid(DAY_MS);
    let today = midnight + Millis::from(minute) * 60_000;
    let next = if today > local { today } else { today + DAY_MS };
    next - SEOUL_OFFSET_MS
}

const DAY_MS: Millis = 86_400_000;
/// Korea keeps one offset all year and has since 1988.
const SEOUL_OFFSET_MS: Millis = 9 * 3_600_000;

fn seoul_zoned(at: Millis) -> jiff::civil::DateTime {
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    jiff::tz::Offset::constant(9).to_datetime(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_minutes_are_those_of_seoul() {
        // 2026-11-22 15:30 UTC is 00:30 of the 23rd in Seoul.
        let at = 1_795_361_400_000;
        assert_eq!(seoul(at), "2026-11-23 00:30:00");
        assert_eq!(seoul_day(at), 20_261_123);
        assert_eq!(seoul_minute(at), 30);
        assert_eq!(seoul(next_seoul_minute(at, 8 * 60)), "2026-11-23 08:00:00");
        assert_eq!(seoul(next_seoul_minute(at, 30)), "2026-11-24 00:30:00");
    }
}
