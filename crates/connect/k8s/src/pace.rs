//! No more calls in a second than allowed, and a bound to how long one waits for its turn.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Gives turns, evenly spaced, after a first handful at once.
pub struct Pace {
    gap: Duration,
    next: Mutex<Option<Instant>>,
}

/// Someone who asks for little does not wait at all.
const AT_ONCE: u32 = 10;

impl Pace {
    pub fn new(calls_per_s: u32) -> Pace {
        Pace { gap: Duration::from_secs(1) / calls_per_s.max(1), next: Mutex::new(None) }
    }

    /// When the next call may be made; nothing if that is more than `limit` away, and then no turn is taken.
    pub fn turn(&self, now: Instant, limit: Duration) -> Option<Instant> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        // What was not used is kept, but no more than a handful.
        let earliest = now.checked_sub((self.gap * AT_ONCE).min(Duration::from_secs(1))).unwrap_or(now);
        let due = next.map_or(earliest, |next| next.max(earliest));
        if due > now + limit {
            return None;
        }
        *next = Some(due + self.gap);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handful_goes_at_once_and_the_rest_in_turn_up_to_a_bound() {
        let (pace, now) = (Pace::new(100), Instant::now() + Duration::from_secs(60));
        let turns: Vec<_> = (0..200).map_while(|_| pace.turn(now, Duration::from_millis(100))).collect();
        assert_eq!(turns.iter().filter(|turn| **turn <= now).count(), 11);
        assert_eq!(turns.len(), 21, "the rest is refused");
        assert!(turns.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_millis(10)));
        let later = now + Duration::from_secs(60);
        let turns = (0..200).map_while(|_| pace.turn(later, Duration::ZERO)).count();
        assert_eq!(turns, 11, "what was not used is not saved up");
    }
}
