//! `[dispatch]` of the configuration.

use std::collections::BTreeMap;

use naru_core::config::SecretSource;
use serde::{Deserialize, Serialize};

use crate::message::Channel;

/// `[dispatch]`: lanes, routes and how long messages are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DispatchConfig {
    /// Days a message is kept after its last word.
    pub keep_days: u32,
    /// Turns the list of test recipients off for every lane: messages reach real people.
    pub production: bool,
    /// Addresses that lanes other than the sandbox may send to while `production` is off.
    pub allow_list: Vec<String>,
    /// One provider account on one channel each.
    pub lane: BTreeMap<String, LaneConfig>,
    /// For each channel the lanes to use, first healthy first.
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
    /// Requests started in any second at most.
    #[serde(default)]
    pub requests_per_second_max: Option<u32>,
    /// Messages started in any second at most.
    #[serde(default)]
    pub messages_per_second_max: Option<u32>,
    /// Requests without an answer at one time.
    #[serde(default = "in_flight_default")]
    pub in_flight_max: u32,
    /// Messages a day of Asia/Seoul.
    #[serde(default)]
    pub messages_per_day_max: Option<u64>,
    /// Messages of one request at most; the provider's own bound where absent.
    #[serde(default)]
    pub batch_max: Option<u32>,
    /// After this a request's outcome counts as unknown.
    #[serde(default = "timeout_default")]
    pub timeout_ms: u64,
    /// Tries of one message, the first included.
    #[serde(default = "attempts_default")]
    pub attempts_max: u32,
    /// The first retry waits up to this long, each further one up to twice as long.
    #[serde(default = "retry_base_default")]
    pub retry_base_ms: u64,
    /// No retry waits longer than this.
    #[serde(default = "retry_max_default")]
    pub retry_max_ms: u64,
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
