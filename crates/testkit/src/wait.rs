//! Waiting for a state. Tests poll what they wait for and never sleep for a guess at how long it takes.

use std::time::{Duration, Instant};

/// How long a test waits for what takes milliseconds on a quiet machine. Long, since a busy one is not a failure.
pub const PATIENCE: Duration = Duration::from_secs(90);

const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Calls `look` until it returns something, and returns that; panics with `what` when `limit` has passed.
pub async fn eventually<T>(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} for {what}");
        // The one sleep of the tests: between two looks at a state.
        #[allow(clippy::disallowed_methods)]
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn returns_what_it_waited_for() {
        let mut looks = 0;
        let found = eventually("the third look", PATIENCE, async || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found.await, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "waited 0ns for a day that never comes")]
    async fn says_what_it_waited_for() {
        eventually("a day that never comes", Duration::ZERO, async || None::<()>).await;
    }
}
