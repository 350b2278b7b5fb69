//! How often a method may be called: <https://docs.slack.dev/apis/web-api/rate-limits>.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Limits {
    pub are_kept: bool,
    /// So many calls of a method are answered 429 with this `Retry-After`.
    pub throttled: HashMap<String, (u32, u64)>,
    taken: HashMap<String, VecDeque<Instant>>,
    /// What was told to stay away, until then.
    until: HashMap<String, Instant>,
}

/// What became of a call.
pub enum Verdict {
    Taken,
    /// Refused, with `Retry-After`; whether it came while it was told to stay away.
    Throttled {
        retry_after_s: u64,
        is_early: bool,
    },
}

impl Limits {
    pub fn judge(&mut self, method: &str, channel: &str) -> Verdict {
        let now = Instant::now();
        let is_post = method == "chat.postMessage";
        let key = if is_post { format!("{method} {channel}") } else { method.to_owned() };
        let is_early = self.until.get(&key).is_some_and(|until| *until > now);
        let wait = self.ordered(method).or_else(|| self.counted(&key, now, is_post, method));
        match wait {
            None if !is_early => Verdict::Taken,
            wait => {
                let wait = wait.unwrap_or(Duration::from_secs(1));
                // Whole seconds, as the header has them.
                let retry_after_s = wait.as_millis().div_ceil(1_000) as u64;
                self.until.insert(key, now + Duration::from_secs(retry_after_s));
                Verdict::Throttled { retry_after_s, is_early }
            }
        }
    }

    fn ordered(&mut self, method: &str) -> Option<Duration> {
        let (times, retry_after_s) = self.throttled.get_mut(method)?;
        *times = times.checked_sub(1)?;
        Some(Duration::from_secs(*retry_after_s))
    }

    fn counted(&mut self, key: &str, now: Instant, is_post: bool, method: &str) -> Option<Duration> {
        let (most, window) = match is_post {
            true => (1, Duration::from_secs(1)),
            false => (per_minute(method), Duration::from_secs(60)),
        };
        let taken = self.taken.entry(key.to_owned()).or_default();
        taken.retain(|at| now < *at + window);
        if self.are_kept && taken.len() >= most {
            return Some(taken[0] + window - now);
        }
        taken.push_back(now);
        None
    }
}

/// The tier of each method.
fn per_minute(method: &str) -> usize {
    match method {
        "apps.connections.open" => 1,
        "usergroups.list" | "usergroups.users.list" => 20,
        "chat.update" | "conversations.info" => 50,
        _ => 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(limits: &mut Limits, method: &str, channel: &str) -> Option<u64> {
        match limits.judge(method, channel) {
            Verdict::Taken => None,
            Verdict::Throttled { retry_after_s, .. } => Some(retry_after_s),
        }
    }

    #[test]
    fn posts_are_limited_by_channel_and_the_rest_by_method() {
        let mut limits = Limits { are_kept: true, ..Limits::default() };
        assert_eq!(wait(&mut limits, "chat.postMessage", "C1"), None);
        assert_eq!(wait(&mut limits, "chat.postMessage", "C2"), None);
        assert_eq!(wait(&mut limits, "chat.postMessage", "C1"), Some(1));
        for _ in 0..50 {
            assert_eq!(wait(&mut limits, "chat.update", "C1"), None);
        }
        assert!(wait(&mut limits, "chat.update", "C2").is_some());
    }

    #[test]
    fn who_comes_back_early_is_told_again() {
        let mut limits = Limits::default();
        limits.throttled.insert("chat.update".to_owned(), (1, 600));
        assert!(matches!(limits.judge("chat.update", ""), Verdict::Throttled { retry_after_s: 600, is_early: false }));
        assert!(matches!(limits.judge("chat.update", ""), Verdict::Throttled { is_early: true, .. }));
    }
}
