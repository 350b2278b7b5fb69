//! One part of a lane's customers: the unit of order, lease and fence.
//!
//! A lane has one shard unless it is too much for one machine. Each has frames, a place in order and a lease of its own,
//! and its part of the lane's caps; a customer's messages are all in one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::config::{DispatchConfig, LaneConfig};
use crate::message::Channel;

/// Names a shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard {
    /// The lane.
    pub lane: Arc<str>,
    /// Counts from 0.
    pub no: u16,
}

impl Shard {
    /// Shard `no` of `lane`.
    pub fn new(lane: &str, no: u16) -> Shard {
        Shard { lane: lane.into(), no }
    }

    /// The shard of those `count` of a lane that carries customers with this key.
    pub fn of_key(key: u64, count: u16) -> u16 {
        // The upper half: the lower one places the key in tables of a lane.
        ((key >> 32) % u64::from(count.max(1))) as u16
    }

    /// What its lease is called.
    pub fn lease(&self) -> String {
        format!("lane/{}/{}", self.lane, self.no)
    }

    /// Its number as a column.
    pub fn column(&self) -> i64 {
        i64::from(self.no)
    }
}

/// The lane's name, with the number behind it where it is not the first.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.no {
            0 => f.write_str(&self.lane),
            no => write!(f, "{}/{no}", self.lane),
        }
    }
}

/// How many shards each lane has, and where its messages are. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Shards(Arc<BTreeMap<String, Parts>>);

#[derive(Clone, Debug)]
struct Parts {
    count: u16,
    /// The first lane of its route: the lane itself, or the one that it stands by for.
    first: String,
    channel: Channel,
    /// Whether there is no other lane of its channel.
    alone: bool,
}

impl Shards {
    /// As configured.
    pub fn of(config: &DispatchConfig) -> Shards {
        let parts = |(name, lane): (&String, &LaneConfig)| {
            let first = config.stands_by_for(name).unwrap_or(name).to_owned();
            let of_channel = config.lane.values().filter(|other| other.channel == lane.channel);
            let alone = of_channel.count() == 1;
            let parts = Parts { count: lane.shards, channel: lane.channel, alone, first };
            (name.clone(), parts)
        };
        Shards(Arc::new(config.lane.iter().map(parts).collect()))
    }

    /// How many a lane has.
    pub fn count(&self, lane: &str) -> u16 {
        self.0.get(lane).map_or(1, |parts| parts.count)
    }

    /// Whether all that leaves by a lane's account is in its one shard. A lane that is not configured any more may have
    /// been split.
    pub fn is_whole(&self, lane: &str) -> bool {
        self.0.get(lane).is_some_and(|parts| parts.count == 1 && parts.alone)
    }

    /// Whether messages of `lane` may have left by the account of `other`: that is for routes to say, and they change.
    pub fn may_meet(&self, lane: &str, other: &str) -> bool {
        let channel = |lane| self.0.get(lane).map(|parts| parts.channel);
        lane == other || channel(lane).is_some_and(|one| channel(other) == Some(one))
    }

    /// The first lane of a lane's route: whose messages leave by it.
    pub fn first<'a>(&'a self, lane: &'a str) -> &'a str {
        self.0.get(lane).map_or(lane, |parts| &parts.first)
    }

    /// Those of a lane.
    pub fn of_lane(&self, lane: &str) -> impl Iterator<Item = Shard> + use<> {
        let (lane, count) = (Arc::<str>::from(lane), self.count(lane));
        (0..count).map(move |no| Shard { lane: lane.clone(), no })
    }

    /// Every lane with its number of shards.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u16)> {
        self.0.iter().map(|(lane, parts)| (lane.as_str(), parts.count))
    }

    /// Those of every lane.
    pub fn all(&self) -> impl Iterator<Item = Shard> {
        self.0.keys().flat_map(|lane| self.of_lane(lane))
    }
}

/// Part `no` of `count` of a cap: the parts differ by one at most and add up to the cap.
pub fn part(cap: u64, no: u16, count: u16) -> u64 {
    let count = u64::from(count.max(1));
    cap / count + u64::from(u64::from(no) < cap % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_cap_add_up() {
        for (cap, count) in [(300, 1), (300, 7), (5, 3), (2, 2)] {
            let parts: Vec<u64> = (0..count).map(|no| part(cap, no, count)).collect();
            assert_eq!(parts.iter().sum::<u64>(), cap, "{parts:?}");
            assert!(parts.iter().max().unwrap() - parts.iter().min().unwrap() <= 1, "{parts:?}");
        }
    }

    #[test]
    fn keys_are_spread_over_all_shards() {
        let mut counts = [0u32; 4];
        for n in 0..4_000u32 {
            let key = xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes());
            counts[usize::from(Shard::of_key(key, 4))] += 1;
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }
}
