//! How long to wait before something is tried again.

use std::time::Duration;

use http::header::{HeaderMap, RETRY_AFTER};
use naru_core::clock::Millis;
use tokio::time::{Instant, sleep_until};

/// A question is asked so often; with the waits between it is over within seconds.
pub const TRIES: u32 = 4;
/// Who is asked to wait longer than this says so to whoever asked.
pub const ASKED_MAX: Duration = Duration::from_secs(10);
/// Whoever finds nobody for long asks twice a minute.
pub const LONGEST: Duration = Duration::from_secs(30);
/// Whoever is told to come back later than a day is told so by a mistake.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(86_400);
/// Doubling more often than this changes nothing.
const DOUBLINGS_MAX: u32 = 20;

/// The wait behind the try `attempt` (from 1): doubling from `first` up to `longest`, half of it by chance, so that many
/// do not come back together.
pub fn before_next(attempt: u32, first: Duration, longest: Duration) -> Duration {
    let doubled = first.saturating_mul(1 << attempt.saturating_sub(1).min(DOUBLINGS_MAX));
    doubled.min(longest).mul_f64(0.5 + chance() / 2.0)
}

/// Waits so long. Whoever has a process to end listens to that instead.
pub async fn pass(time: Duration) {
    sleep_until(Instant::now() + time).await;
}

/// How long `Retry-After` (RFC 9110, 10.2.3) asks to wait: seconds, or until a date.
pub fn retry_after(headers: &HeaderMap, now: Millis) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_millisecond();
            Duration::from_millis(u64::try_from(until - now).unwrap_or(0))
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// Anything from 0 to 1.
fn chance() -> f64 {
    // Without chance the waits are the longest, and only less spread.
    getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn waits_double_to_a_bound_and_are_spread() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(30));
        for (attempt, ceiling_ms) in [(1, 100), (2, 200), (3, 400), (10, 30_000), (u32::MAX, 30_000)] {
            let ceiling = Duration::from_millis(ceiling_ms);
            let drawn: Vec<_> = (0..100).map(|_| before_next(attempt, first, longest)).collect();
            assert!(drawn.iter().all(|wait| *wait >= ceiling / 2 && *wait <= ceiling), "{attempt}: {drawn:?}");
            assert!(drawn.iter().any(|wait| *wait != drawn[0]), "{attempt}: {drawn:?}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_more_than_a_day() {
        // 1994-11-06 08:49:07 UTC.
        let now = 784_111_747_000;
        for (value, expect) in [
            ("0", Some(0)),
            (" 17 ", Some(17)),
            ("86401", Some(86_400)),
            ("99999999999999999999", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Mon, 06 Nov 2034 08:49:37 GMT", Some(86_400)),
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(value).unwrap())]);
            assert_eq!(retry_after(&headers, now), expect.map(Duration::from_secs), "{value}");
        }
    }
}
