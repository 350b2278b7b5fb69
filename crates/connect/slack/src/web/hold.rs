//! Which calls Slack wants to be left alone with, and until when.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::time::Instant;

/// Slack says it with each 429; where it does not, a tier's minute is in parts of a few seconds.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(5);
/// Limits are counted by the minute: a longer pause is a mistake of theirs.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

type Key = (&'static str, String);

#[derive(Default)]
pub(super) struct Holds(Mutex<HashMap<Key, Instant>>);

impl Holds {
    /// Until when `key` is held, if it is.
    pub fn until(&self, key: &Key) -> Option<Instant> {
        self.held().get(key).copied().filter(|until| *until > Instant::now())
    }

    /// Holds `key` until then at least. What has passed is forgotten, so that there are never more than were refused
    /// within the longest pause.
    pub fn hold(&self, key: Key, until: Instant) {
        let mut held = self.held();
        held.retain(|_, until| *until > Instant::now());
        let now = held.entry(key).or_insert(until);
        *now = until.max(*now);
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Key, Instant>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// How long to wait by the header, in whole seconds (<https://docs.slack.dev/apis/web-api/rate-limits>).
pub(super) fn retry_after(header: Option<&HeaderValue>) -> Duration {
    let seconds = header.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(RETRY_AFTER_DEFAULT, Duration::from_secs).min(RETRY_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_pause_is_not_shortened_and_a_past_one_is_forgotten() {
        let (holds, now) = (Holds::default(), Instant::now());
        let key = |channel: &str| ("chat.postMessage", channel.to_owned());
        let (hour, minute) = (now + Duration::from_secs(3_600), now + Duration::from_secs(60));
        holds.hold(key("C1"), hour);
        holds.hold(key("C1"), minute);
        holds.hold(key("C2"), now);
        assert_eq!(holds.until(&key("C1")), Some(hour));
        assert_eq!(holds.until(&key("C2")), None);
        holds.hold(key("C3"), minute);
        assert_eq!(holds.held().len(), 2);
    }

    #[test]
    fn a_pause_is_whole_seconds_within_bounds() {
        let seconds = |value: &'static str| retry_after(Some(&HeaderValue::from_static(value))).as_secs();
        assert_eq!([seconds("30"), seconds("0"), seconds("86400"), seconds("soon")], [30, 0, 600, 5]);
        assert_eq!(retry_after(None), RETRY_AFTER_DEFAULT);
    }
}
