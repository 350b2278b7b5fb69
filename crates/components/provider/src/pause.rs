//! What an adapter answers where a provider refuses the account and not the messages.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use naru_dispatch::provider::Answer;

/// How long a lane waits before it asks a provider again that refused its account. A person has to mend a key or a
/// contract: asking more often tells nothing sooner, and some providers lock accounts that knock on.
const PAUSE: Duration = Duration::from_secs(60);

/// Whether the provider refuses the account of one lane.
///
/// A wrong key must not fail a campaign: nothing was taken, so every message can wait. The lane is told to pause, and
/// a person is told once.
pub struct AccountPause {
    lane: String,
    refused: AtomicBool,
}

impl AccountPause {
    /// The account of `lane`, not refused so far.
    pub fn new(lane: &str) -> AccountPause {
        AccountPause { lane: lane.to_owned(), refused: AtomicBool::new(false) }
    }

    /// The answer to a request that was refused because of the account; `why` is logged the first time.
    pub fn begin(&self, why: &str) -> Answer {
        if !self.refused.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                lane.name = self.lane,
                why,
                "the provider refuses the account, the lane pauses and asks again every {} s",
                PAUSE.as_secs()
            );
        }
        Answer::Throttled { after: Some(PAUSE) }
    }

    /// Notes that the account was accepted.
    pub fn end(&self) {
        // Read first: this runs once a request, and a write would move the cache line between cores each time.
        if self.refused.load(Ordering::Relaxed) && self.refused.swap(false, Ordering::Relaxed) {
            tracing::info!(lane.name = self.lane, "the provider accepts the account again");
        }
    }
}
