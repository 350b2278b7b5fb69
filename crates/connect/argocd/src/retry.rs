//! How long is waited before something is tried again.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

/// A read is tried so often; with the waits between it is over within seconds.
pub const READ_TRIES: u32 = 4;
/// Whoever is told to come back later than this is told so instead of waiting.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);
/// A watch that finds nobody asks twice a minute.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The wait before try `attempt` (from 1): doubling, half of it by chance, so that many do not come back together.
pub fn wait(first_ms: u64, attempt: u32, chance: u64) -> Duration {
    let full = first_ms.max(1).saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(WAIT_MAX.as_millis() as u64);
    let half = full / 2;
    Duration::from_millis(half + chance % (full - half + 1))
}

/// Waits so long.
pub async fn pause(first_ms: u64, attempt: u32) {
    until(wait(first_ms, attempt, chance())).await;
}

/// Waits so long.
pub async fn until(time: Duration) {
    tokio::time::sleep_until(Instant::now() + time).await;
}

/// What an answer says of coming back, where it does so in seconds.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn chance() -> u64 {
    let mut bytes = [0; 8];
    // Without chance the waits are only less spread.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_a_bound_and_are_spread() {
        let range = |attempt| (wait(100, attempt, 0).as_millis(), wait(100, attempt, 50).as_millis());
        assert_eq!(range(1), (50, 100));
        assert_eq!(range(3), (200, 250));
        assert_eq!(wait(100, 40, u64::MAX).as_millis() / 15_000, 1, "bounded");
    }
}
