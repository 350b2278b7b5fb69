//! Level two-phase: messages go into a group of the vendor's under our key, and leave when the group is sent.
//!
//! Two calls a request: the first opens the group and fills it, the second sends it. Nothing reaches anybody before the
//! second, so whatever becomes of the first, nobody was sent anything. All the same it is called unknown where its answer
//! is missing, and the look-up after the deadline settles it as it settles everything: a group that was sent gives its
//! verdicts; one that was not is deleted, so that no late call can send it, and then its messages never arrived. Calling
//! it unsent at once would pause the whole account, a retry at once would use up tries while the vendor is down, and both
//! would leave open groups behind, which vendors bound.
//!
//! **The cap on requests.** The vendor counts calls, and the lane counts starts, of which each makes two calls, the second
//! as late as it likes: half the cap is therefore the lane's, for first calls, and the other half is kept here, for all
//! that follow. Two paces that are each kept in every second add up to one that is, whatever the time between the calls.
//! The second pace keeps the cap on messages too, so that it holds where the vendor counts what is brought and where it
//! counts what is sent. Counting two requests at each start would be simpler and wrong: when answers come late together,
//! the second calls do.

use std::borrow::Cow;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use naru_core::clock::{Clock, Micros};
use naru_core::failure::Failure;
use naru_dispatch::lane::pace::{Caps, Pace, SECOND_US};
use naru_dispatch::provider::{Answer, Request, Verdict};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{LOOKUP_MAX, Sandbox, Told, batch_body, results};
use crate::http::{NoReply, Reply};
use crate::keys::LaneKeys;

/// Longer names are no group's.
const NAME_BYTES_MAX: usize = 64;

/// The first of the two shares of the cap on requests: what starts.
pub fn starts_per_second_max(requests_per_second_max: u32) -> u32 {
    requests_per_second_max - requests_per_second_max / 2
}

/// When calls that follow a first one may leave: one after the other, in the order in which they ask.
pub struct Turns {
    pace: Mutex<Pace>,
    /// Caps that `pace` does not know yet: whoever waits for its turn has the lock.
    caps: std::sync::Mutex<Option<Caps>>,
    clock: Arc<dyn Clock>,
}

impl Turns {
    /// Keeps the second share of the lane's caps.
    pub fn new(keys: &LaneKeys<'_>, clock: Arc<dyn Clock>) -> Result<Turns, Failure> {
        let requests = keys.config.requests_per_second_max;
        if requests.is_some_and(|max| max < 2) {
            return Err(Failure::usage("provider-requests-too-few").arg("key", keys.name("requests_per_second_max")));
        }
        let mut pace = Pace::new(requests.map(|max| max / 2), keys.config.messages_per_second_max);
        // Another process may have had this account until just now, and the vendor's second knows of no restart.
        if requests.is_some() || keys.config.messages_per_second_max.is_some() {
            pace.block(clock.monotonic_us() + SECOND_US);
        }
        Ok(Turns { pace: Mutex::new(pace), caps: std::sync::Mutex::default(), clock })
    }

    /// Keeps the second share of these caps from now on.
    pub fn keep_within(&self, caps: &Caps) {
        *self.caps() = Some(*caps);
    }

    fn caps(&self) -> MutexGuard<'_, Option<Caps>> {
        self.caps.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits for a turn for a call that sends so many messages; dropped, it takes none.
    async fn take(&self, messages: usize) {
        let mut pace = self.pace.lock().await;
        loop {
            if let Some(caps) = self.caps().take() {
                pace.set(caps.requests.map(|max| max / 2), caps.messages);
            }
            let now: Micros = self.clock.monotonic_us();
            let at = pace.ready_at(messages);
            if at <= now {
                return pace.start(now, messages);
            }
            // Caps may become others meanwhile.
            sleep_until(Instant::now() + Duration::from_micros((at - now).min(SECOND_US))).await;
        }
    }
}

impl Sandbox {
    /// Opens and fills a group, then sends it, all within the request's time.
    pub(super) async fn send_group(&self, turns: &Turns, request: &Request) -> Answer {
        let deadline = Instant::now() + request.timeout;
        let messages = request.messages.len();
        let body = batch_body(&request.key, &request.messages);
        let opened = match self.client.call(Method::POST, self.client.target("/v1/groups"), body, request.timeout).await
        {
            Ok(reply) if reply.status.is_success() => Opened::read(&reply),
            Ok(reply) => return self.answer(&reply, |_| None),
            Err(NoReply::Unsent(code)) => return Answer::Unsent { code: code.to_owned() },
            Err(NoReply::Unknown(code)) => return Answer::Unknown { code: code.to_owned() },
        };
        let Some(group) = opened else { return Answer::Unknown { code: "reply-unreadable".to_owned() } };
        if timeout_at(deadline, turns.take(messages)).await.is_err() {
            return Answer::Unknown { code: "timeout".to_owned() };
        }
        let target = self.client.target(&format!("/v1/groups/{group}/send"));
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = match self.client.call(Method::POST, target, Bytes::new(), left).await {
            // Not the address is wrong, which was right a moment ago: the group is gone.
            Ok(reply) if reply.status == StatusCode::NOT_FOUND => Answer::Unknown { code: "group-gone".to_owned() },
            Ok(reply) => self.answer(&reply, |body| results(body, messages)),
            Err(NoReply::Unsent(code)) => Answer::Unsent { code: code.to_owned() },
            Err(NoReply::Unknown(code)) => Answer::Unknown { code: code.to_owned() },
        };
        if matches!(answer, Answer::Throttled { .. } | Answer::Unsent { .. } | Answer::Refused { .. }) {
            // Certainly not sent, and nobody will send this group again: the messages come back in another one. Where it
            // cannot be deleted it goes with its key.
            let _ = timeout_at(deadline, self.delete_group(turns, &group)).await;
        }
        answer
    }

    /// What became of the group that was opened with `key`; one that was not sent never will be from here on.
    pub(super) async fn settle_group(&self, turns: &Turns, key: &str) -> Result<Option<Vec<Verdict>>, String> {
        let reply = self.question("/v1/groups", key).await?;
        let group: Group<'_> = serde_json::from_slice(&reply.body).map_err(|_| "reply-unreadable".to_owned())?;
        match group {
            Group { found: false, .. } => Ok(None),
            Group { state: Some(Stage::Sent), results: Some(results), .. } => {
                Ok(Some(results.iter().map(Told::verdict).collect()))
            }
            Group { state: Some(Stage::Deleted), .. } => Ok(None),
            Group { state: Some(Stage::Open), group: Some(name), .. } if is_name(&name) => {
                self.delete_group(turns, &name).await.map(|()| None)
            }
            _ => Err("reply-unreadable".to_owned()),
        }
    }

    /// Deletes a group. One that was sent meanwhile is refused, and is read when it is asked about next.
    async fn delete_group(&self, turns: &Turns, group: &str) -> Result<(), String> {
        turns.take(0).await;
        let target = self.client.target(&format!("/v1/groups/{group}"));
        let reply = self.client.call(Method::DELETE, target, Bytes::new(), LOOKUP_MAX).await;
        match reply.map_err(|(NoReply::Unsent(code) | NoReply::Unknown(code))| code.to_owned())?.status {
            status if status.is_success() => Ok(()),
            status => Err(format!("http-{}", status.as_u16())),
        }
    }
}

#[derive(Deserialize)]
struct Opened<'a> {
    #[serde(borrow)]
    group: Cow<'a, str>,
}

impl Opened<'_> {
    fn read(reply: &Reply) -> Option<String> {
        let Opened { group } = serde_json::from_slice(&reply.body).ok()?;
        is_name(&group).then(|| group.into_owned())
    }
}

/// A name stands in an address: nothing that could lead elsewhere.
fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[derive(Deserialize)]
struct Group<'a> {
    found: bool,
    #[serde(borrow)]
    group: Option<Cow<'a, str>>,
    state: Option<Stage>,
    #[serde(borrow)]
    results: Option<Vec<Told<'a>>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    Open,
    Sent,
    Deleted,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand_clock::HandClock;

    #[test]
    fn the_shares_add_up_to_the_cap() {
        for max in 2..100 {
            assert_eq!(starts_per_second_max(max) + max / 2, max);
            assert!(max / 2 >= 1);
        }
    }

    #[tokio::test]
    async fn the_second_share_follows_the_caps() {
        let clock = Arc::new(HandClock::default());
        let pace = Mutex::new(Pace::new(Some(50), Some(1_000)));
        let turns = Turns { pace, caps: std::sync::Mutex::default(), clock };
        turns.keep_within(&Caps { requests: Some(7), messages: Some(300), in_flight: 1 });
        turns.take(10).await;
        assert_eq!(turns.pace.lock().await.caps(), (Some(3), Some(300)));
    }

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        for (text, expect) in [("g0011", true), ("", false), ("../faults", false), ("g%2f", false), ("g?x", false)] {
            assert_eq!(is_name(text), expect, "{text}");
        }
        assert!(!is_name(&"g".repeat(65)));
    }
}
