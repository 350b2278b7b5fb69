//! `[dispatch]` of the configuration.

use std::collections::{BTreeMap, HashSet};

use naru_core::config::SecretSource;
use naru_core::failure::Failure;
use naru_core::masked::mask;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

use crate::address::normalise;
use crate::lane::pace::Caps;
use crate::message::Channel;
use crate::shard::part;
use crate::template::is_id;

/// A lane in more parts than this would be more machines than it has work for.
const SHARDS_MAX: u16 = 64;

/// `[dispatch]`: lanes, routes and how long messages are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DispatchConfig {
    /// Days a message is kept after its last word.
    #[serde(deserialize_with = "not_zero")]
    pub keep_days: u32,
    /// Turns the list of test recipients off for every lane: messages reach real people.
    pub production: bool,
    /// Addresses that lanes other than the sandbox may send to while `production` is off.
    pub allow_list: Vec<String>,
    /// One provider account on one channel each.
    pub lane: BTreeMap<String, LaneConfig>,
    /// For each channel its lanes; the first one carries, the others stand by for it.
    pub route: BTreeMap<Channel, Vec<String>>,
}

impl Default for DispatchConfig {
    fn default() -> DispatchConfig {
        DispatchConfig {
            keep_days: 30,
            production: false,
            allow_list: Vec::new(),
            lane: BTreeMap::new(),
            route: BTreeMap::new(),
        }
    }
}

impl DispatchConfig {
    /// Refuses names of lanes that could not stand in an address or a metric, and test recipients that are none.
    pub fn check(&self) -> Result<(), Failure> {
        match self.lane.keys().find(|name| !is_id(name)) {
            Some(name) => return Err(Failure::usage("lane-name").arg("lane", name)),
            None => self.allowed().map(drop)?,
        }
        self.lane.iter().try_for_each(|(name, lane)| lane.check(name))?;
        self.route.iter().try_for_each(|(channel, lanes)| self.check_route(*channel, lanes))
    }

    /// Refuses a route that leads nowhere, and one whose lanes are split in another way: a customer's part would be
    /// another one there.
    fn check_route(&self, channel: Channel, lanes: &[String]) -> Result<(), Failure> {
        for (index, name) in lanes.iter().enumerate() {
            let refused = |code| Err(Failure::usage(code).arg("lane", name).arg("channel", channel));
            match self.lane.get(name) {
                None => return refused("route-unknown"),
                Some(lane) if lane.channel != channel => return refused("route-channel"),
                Some(_) if lanes[..index].contains(name) => return refused("route-twice"),
                Some(lane) if self.lane.get(&lanes[0]).is_some_and(|first| first.shards != lane.shards) => {
                    return refused("route-shards");
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// The lanes that stand by for `lane`, in order.
    pub fn stand_by_for(&self, lane: &str) -> &[String] {
        let mut routes = self.route.values().filter_map(|lanes| lanes.split_first());
        routes.find(|(first, _)| *first == lane).map_or(&[], |(_, others)| others)
    }

    /// The lane that `lane` stands by for.
    pub fn stands_by_for(&self, lane: &str) -> Option<&str> {
        let mut routes = self.route.values().filter_map(|lanes| lanes.split_first());
        routes.find(|(_, others)| others.iter().any(|other| other == lane)).map(|(first, _)| first.as_str())
    }

    /// The test recipients, in every form that a lane may know them by.
    pub fn allowed(&self) -> Result<HashSet<String>, Failure> {
        let mut allowed = HashSet::new();
        for text in &self.allow_list {
            // Anything can be a push token.
            let channels = Channel::ALL.into_iter().filter(|channel| *channel != Channel::Push);
            let forms: Vec<_> = channels.filter_map(|channel| normalise(channel, text)).collect();
            if forms.is_empty() {
                return Err(Failure::usage("allow-list-address").arg("address", mask(text)));
            }
            allowed.extend(forms.into_iter().map(|address| address.reveal().to_owned()));
        }
        Ok(allowed)
    }
}

/// `[dispatch.lane.NAME]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaneConfig {
    /// The adapter.
    pub provider: String,
    /// The medium.
    pub channel: Channel,
    /// Where the provider is reached.
    #[serde(default)]
    pub url: Option<String>,
    /// The account's secret: API key, or SMTP password.
    #[serde(default)]
    pub secret: Option<SecretSource>,
    /// The account's name, where the provider asks for one (SMTP user).
    #[serde(default)]
    pub user: Option<String>,
    /// The sender number or address.
    #[serde(default)]
    pub from: Option<String>,
    /// Proves that a receipt comes from the provider.
    #[serde(default)]
    pub receipt_secret: Option<SecretSource>,
    /// Into how many parts its customers are split, each of which another instance can carry; changed on an empty lane
    /// only.
    #[serde(default = "shards_default", deserialize_with = "not_zero")]
    pub shards: u16,
    /// Requests started in any second at most.
    #[serde(default, deserialize_with = "some_not_zero")]
    pub requests_per_second_max: Option<u32>,
    /// Messages started in any second at most.
    #[serde(default, deserialize_with = "some_not_zero")]
    pub messages_per_second_max: Option<u32>,
    /// Requests without an answer at one time.
    #[serde(default = "in_flight_default", deserialize_with = "not_zero")]
    pub in_flight_max: u32,
    /// Messages a day of Asia/Seoul.
    #[serde(default)]
    pub messages_per_day_max: Option<u64>,
    /// Won that a message costs, for estimates.
    #[serde(default, deserialize_with = "price")]
    pub price_krw: Option<f64>,
    /// Won that an SMS costs that leaves as LMS; as others where absent.
    #[serde(default, deserialize_with = "price")]
    pub price_lms_krw: Option<f64>,
    /// Messages of one request at most; the provider's own bound where absent.
    #[serde(default, deserialize_with = "some_not_zero")]
    pub batch_max: Option<u32>,
    /// After this a request's outcome counts as unknown.
    #[serde(default = "timeout_default", deserialize_with = "not_zero")]
    pub timeout_ms: u64,
    /// Tries of one message, the first included.
    #[serde(default = "attempts_default", deserialize_with = "not_zero")]
    pub attempts_max: u32,
    /// The first retry waits up to this long, each further one up to twice as long.
    #[serde(default = "retry_base_default", deserialize_with = "not_zero")]
    pub retry_base_ms: u64,
    /// No retry waits longer than this.
    #[serde(default = "retry_max_default", deserialize_with = "not_zero")]
    pub retry_max_ms: u64,
}

impl LaneConfig {
    /// What is shard `no`'s of it while it may use these caps. What bounds connections nobody uses stays whole.
    pub(crate) fn part(&self, no: u16, caps: Caps) -> LaneConfig {
        LaneConfig {
            requests_per_second_max: caps.requests,
            messages_per_second_max: caps.messages,
            messages_per_day_max: self.messages_per_day_max.map(|max| part(max, no, self.shards)),
            ..self.clone()
        }
    }

    /// Refuses shards of which one would have no part of a cap, and so would never send.
    fn check(&self, name: &str) -> Result<(), Failure> {
        if self.shards > SHARDS_MAX {
            let failure = Failure::usage("lane-shards-many").arg("lane", name).arg("shards", self.shards);
            return Err(failure.arg("max", SHARDS_MAX));
        }
        let caps = [
            ("requests_per_second_max", self.requests_per_second_max.map(u64::from)),
            ("messages_per_second_max", self.messages_per_second_max.map(u64::from)),
            ("in_flight_max", Some(u64::from(self.in_flight_max))),
            ("messages_per_day_max", self.messages_per_day_max),
        ];
        let short = caps.into_iter().find(|(_, cap)| cap.is_some_and(|cap| cap < u64::from(self.shards)));
        match short {
            Some((key, _)) if self.shards > 1 => {
                Err(Failure::usage("lane-shards").arg("lane", name).arg("shards", self.shards).arg("key", key))
            }
            _ => Ok(()),
        }
    }
}

fn shards_default() -> u16 {
    1
}

fn in_flight_default() -> u32 {
    32
}

fn timeout_default() -> u64 {
    30_000
}

fn attempts_default() -> u32 {
    8
}

fn retry_base_default() -> u64 {
    1_000
}

fn retry_max_default() -> u64 {
    300_000
}

/// A bound of nothing would be a lane that never sends, or a message that is let go at once.
fn not_zero<'de, D: Deserializer<'de>, N: Deserialize<'de> + Default + PartialEq>(from: D) -> Result<N, D::Error> {
    let number = N::deserialize(from)?;
    if number == N::default() { Err(D::Error::custom("0 is too small, the least is 1")) } else { Ok(number) }
}

fn price<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let price = f64::deserialize(from)?;
    let sound = (0.0..=PRICE_KRW_MAX).contains(&price);
    if sound {
        Ok(Some(price))
    } else {
        Err(D::Error::custom(format!("{price} is no price, 0 to {PRICE_KRW_MAX} won")))
    }
}

/// More than this for one message is a slip.
const PRICE_KRW_MAX: f64 = 100_000.0;

fn some_not_zero<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    not_zero(from).map(Some)
}
