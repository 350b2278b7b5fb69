//! Waiting for a state, with an end.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::Result;

/// How often a state is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks until there is something; after `limit` says what was waited for.
pub async fn until<T, F>(what: &str, limit: Duration, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() >= end {
            return Err(format!("waited {} s for {what}", limit.as_secs()));
        }
        pause(LOOK_EVERY).await;
    }
}

/// Lets time pass: a moment drawn by chance, or one between two looks.
pub async fn pause(time: Duration) {
    tokio::time::sleep_until(tokio::time::Instant::now() + time).await;
}
