//! How long a killed instance's lanes stood still, read from what the instances say of themselves.

use std::collections::HashMap;

use naru_core::clock::Millis;
use serde_json::Value;

use crate::faults::{Fault, Target};

/// A lane was started by an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// When.
    pub at: Millis,
    /// By whom.
    pub serve: usize,
    /// Which part of it.
    pub lane: String,
}

/// The starts that an instance's log tells of.
pub fn starts(serve: usize, log: &str) -> Vec<Started> {
    let lines = log.lines().filter(|line| line.contains("lane started"));
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let start = |line: Value| {
        let at: jiff::Timestamp = line["at"].as_str()?.parse().ok()?;
        Some(Started { at: at.as_millisecond(), serve, lane: line["lane.name"].as_str()?.to_owned() })
    };
    lines.filter_map(start).collect()
}

/// For each kill and each lane that the killed instance carried: how long until anybody carried it again.
pub fn times(faults: &[Fault], starts: &[Started]) -> Vec<Millis> {
    let mut starts = starts.to_vec();
    starts.sort_by_key(|start| start.at);
    let mut times = Vec::new();
    for fault in faults {
        let Target::Serve(no) = fault.target else { continue };
        let mut owner: HashMap<&str, usize> = HashMap::new();
        for start in starts.iter().take_while(|start| start.at <= fault.at) {
            owner.insert(&start.lane, start.serve);
        }
        for lane in owner.iter().filter(|(_, serve)| **serve == no).map(|(lane, _)| *lane) {
            let next = starts.iter().find(|start| start.at > fault.at && start.lane == lane);
            times.extend(next.map(|next| next.at - fault.at));
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_kill_is_followed_to_whoever_carries_its_lanes_next() {
        let line = |at: &str, lane: &str| {
            format!("{{\"at\":\"{at}\",\"message\":\"lane started\",\"lane.name\":\"{lane}\"}}\n")
        };
        let mut all = starts(0, &(line("1970-01-01T00:00:01.000Z", "a") + &line("1970-01-01T00:00:01.000Z", "b")));
        all.extend(starts(1, &("not json lane started\n".to_owned() + &line("1970-01-01T00:00:09.500Z", "a"))));
        let fault = |target, at| Fault { target, at, kills: 1, doubts: HashSet::new() };
        assert_eq!(times(&[fault(Target::Serve(0), 2_000)], &all), [7_500], "b is carried by nobody again");
        assert!(times(&[fault(Target::Serve(1), 2_000), fault(Target::Sandbox(0), 2_000)], &all).is_empty());
    }
}
