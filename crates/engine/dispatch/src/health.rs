//! How a running lane is, and what the log is told when that changes: a provider that takes nothing must not be silent.

use crate::lane::{Event, FRAMES_MAX, HELD_MAX, OutletStatus, Status};
use crate::provider::Answer;

/// A running lane as words and pages tell of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Its numbers.
    pub status: Status,
    /// Its own account, then those that stand by.
    pub outlets: Vec<OutletHealth>,
}

/// One account of a running lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutletHealth {
    /// Its numbers.
    pub status: OutletStatus,
    /// Why its provider takes nothing, in kebab-case, from the first request that was not taken to the next that is.
    pub block: Option<String>,
}

impl OutletHealth {
    /// Two shards of one lane as one.
    pub fn join(self, other: OutletHealth) -> OutletHealth {
        OutletHealth { status: self.status.join(other.status), block: self.block.or(other.block) }
    }
}

/// What a provider said to a request.
pub enum Said {
    /// Something about its messages.
    Answer,
    /// That it takes none now, or there was nobody to take them.
    No(String),
    /// Nothing, or nothing that is understood.
    Nothing(String),
}

impl Said {
    /// What an event tells of the provider.
    pub fn by(event: &Event) -> Option<Said> {
        match event {
            Event::Answered { answer: Answer::Each(_) | Answer::Refused { .. }, .. } => Some(Said::Answer),
            Event::Answered { answer: Answer::Throttled { .. }, .. } => Some(Said::No("throttled".to_owned())),
            Event::Answered { answer: Answer::Unsent { code }, .. } => Some(Said::No(code.clone())),
            Event::Answered { answer: Answer::Unknown { code }, .. } => Some(Said::Nothing(code.clone())),
            Event::LookedUp { found: Ok(_), .. } => Some(Said::Answer),
            Event::LookedUp { found: Err(code), .. } => Some(Said::Nothing(code.clone())),
            _ => None,
        }
    }
}

/// Follows one lane.
pub struct Watch {
    lane: String,
    stalled: bool,
    outlets: Vec<OutletWatch>,
}

/// Follows one of its accounts.
struct OutletWatch {
    /// The lane that it is configured as.
    name: String,
    block: Option<String>,
    open: bool,
    day_spent: bool,
}

impl Watch {
    /// Follows `lane` and its accounts, of which all is well so far.
    pub fn new(lane: &str, outlets: &[String]) -> Watch {
        let outlet = |name: &String| OutletWatch { name: name.clone(), block: None, open: false, day_spent: false };
        Watch { lane: lane.to_owned(), stalled: false, outlets: outlets.iter().map(outlet).collect() }
    }

    /// Notes what a provider said. While the lane rests, answers to what left before say nothing; what is not answered
    /// says something once the lane asks with one request at a time.
    pub fn hear(&mut self, outlet: usize, said: Said, rests: bool, half_open: bool) {
        let Some(watch) = self.outlets.get_mut(outlet) else { return };
        let lane = &watch.name;
        match (said, &watch.block) {
            (Said::No(code), None) => {
                tracing::warn!(lane.name = lane, code, "the provider takes nothing, the lane asks again and again");
                watch.block = Some(code);
            }
            (Said::Nothing(code), None) if half_open => {
                tracing::warn!(lane.name = lane, code, "the provider does not answer, the lane asks again and again");
                watch.block = Some(code);
            }
            (Said::Answer, Some(code)) if !rests => {
                tracing::info!(lane.name = lane, code, "the provider takes messages again");
                watch.block = None;
            }
            _ => {}
        }
    }

    /// Notes how the lane is.
    pub fn look(&mut self, status: Status, outlets: &[OutletStatus]) -> Health {
        let lane = &self.lane;
        if status.stalled && !self.stalled {
            tracing::warn!(
                lane.name = lane,
                held = status.held,
                "too many messages are held back, no new ones are taken"
            );
            self.stalled = true;
        } else if self.stalled && status.held < HELD_MAX / 2 && status.frames < FRAMES_MAX / 2 {
            // Half, so that a lane at the edge does not say it with every message.
            tracing::info!(lane.name = lane, held = status.held, "new messages are taken again");
            self.stalled = false;
        }
        let stands_in = outlets.iter().position(|outlet| outlet.joined && !outlet.open);
        let stands_in = stands_in.and_then(|no| self.outlets.get(no)).map(|watch| watch.name.clone());
        let looked = self.outlets.iter_mut().zip(outlets);
        let outlets = looked.map(|(watch, status)| watch.look(lane, *status, stands_in.as_deref())).collect();
        Health { status, outlets }
    }
}

impl OutletWatch {
    fn look(&mut self, lane: &str, status: OutletStatus, stands_in: Option<&str>) -> OutletHealth {
        let name = &self.name;
        if status.day_spent != self.day_spent {
            self.day_spent = status.day_spent;
            match self.day_spent {
                true => tracing::warn!(lane.name = name, "the day's messages are used up, the rest waits for tomorrow"),
                false => tracing::info!(lane.name = name, "a new day has begun, messages leave again"),
            }
        }
        if status.open != self.open {
            self.open = status.open;
            match (self.open, stands_in) {
                (true, Some(by)) => {
                    tracing::warn!(lane.name = name, lane.by = by, "messages leave by the next lane of the route")
                }
                (true, None) => {}
                (false, _) if name == lane => {
                    tracing::info!(lane.name = name, "messages leave by the lane itself again")
                }
                (false, _) => {}
            }
        }
        OutletHealth { status, block: self.block.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_lasts_from_the_first_refusal_to_the_first_yes_after_the_rest() {
        let mut watch = Watch::new("sms", &["sms".to_owned()]);
        let mut check = |said: Said, rests: bool, half_open: bool, expect: Option<&str>| {
            watch.hear(0, said, rests, half_open);
            let health = watch.look(Status::default(), &[OutletStatus::default()]);
            assert_eq!(health.outlets[0].block.as_deref(), expect);
        };
        let refused = || Said::No("connection-refused".to_owned());
        let silent = || Said::Nothing("timed-out".to_owned());
        check(Said::Answer, false, false, None);
        check(refused(), false, true, Some("connection-refused"));
        check(Said::No("throttled".to_owned()), true, true, Some("connection-refused"));
        // It left before: it says nothing of the provider as it is now.
        check(Said::Answer, true, false, Some("connection-refused"));
        check(silent(), false, true, Some("connection-refused"));
        check(Said::Answer, false, false, None);
        // One that is not answered is bad luck, a lane that asks with one at a time is not.
        check(silent(), false, false, None);
        check(silent(), false, true, Some("timed-out"));
        check(Said::Answer, false, false, None);
    }

    #[test]
    fn a_lane_at_the_edge_of_its_bound_is_stalled_once() {
        let mut watch = Watch::new("sms", &[]);
        for (held, stalled, expect) in [
            (HELD_MAX, true, true),
            (HELD_MAX - 1, false, true),
            (HELD_MAX, true, true),
            (HELD_MAX / 2 - 1, false, false),
        ] {
            watch.look(Status { held, stalled, ..Status::default() }, &[]);
            assert_eq!(watch.stalled, expect, "{held}");
        }
    }
}
