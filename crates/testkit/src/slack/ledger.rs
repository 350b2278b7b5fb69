//! What the stand-in tells of what it saw.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

/// A call of the Web API that was taken.
#[derive(Clone, Debug)]
pub struct Call {
    /// Such as `chat.update`; `response_url` for a post to one.
    pub method: String,
    /// Of a post to a `response_url`, the key of what it answers.
    pub answers: String,
    /// What it said, by field; blocks and views as JSON.
    pub fields: BTreeMap<String, Value>,
}

/// A message in a channel.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The channel's id.
    pub channel: String,
    /// The message's name in it.
    pub ts: String,
    /// How it looked, oldest first: text and blocks.
    pub looks: Vec<(String, Value)>,
}

/// An acknowledgement.
#[derive(Clone, Debug)]
pub struct Ack {
    /// The key of what was acknowledged.
    pub key: String,
    /// The envelope it came in; empty over HTTP.
    pub envelope: String,
    /// How long after its last delivery.
    pub after: Duration,
    /// What the person is shown, or null.
    pub payload: Value,
    /// Over HTTP the status, else 0.
    pub status: u16,
}
