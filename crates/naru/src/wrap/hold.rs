//! A lease that this process holds by way of the `serve` beside it.

use std::time::Duration;

use naru_component::word::Progress;
use naru_core::clock::SystemClock;
use naru_core::failure::{Failure, Kind};
use naru_core::id::Id;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::STOP_LEFT;
use crate::client::Client;

/// How soon a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_millis(250);
/// For a lease to be given back: after that it ends by itself.
const RELEASE_MAX: Duration = Duration::from_secs(5);

/// What is asked for, and by whom.
pub struct Hold<'a> {
    client: &'a Client<'a>,
    name: String,
    holder: String,
    last: Duration,
    every_s: u64,
}

/// What came of asking.
pub enum Taken {
    /// It is ours, under this fence and at least until then.
    Held(i64, Instant),
    /// Another one has it.
    By(String),
    /// The job ran not long ago, and may again in so many seconds.
    Early(u64),
    /// The instance drains.
    Draining,
}

impl<'a> Hold<'a> {
    /// The lease `name`, which lasts for `last` without being renewed.
    pub fn new(client: &'a Client<'a>, name: String, last: Duration, every_s: u64) -> Hold<'a> {
        let holder = Id::new(SystemClock::shared().now_ms()).to_string();
        Hold { client, name, holder, last, every_s }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks for it.
    pub async fn take(&self) -> Result<Taken, Failure> {
        let args = json!({
            "name": self.name, "holder": self.holder, "for_s": self.last.as_secs(), "every_s": self.every_s,
        });
        let before = Instant::now();
        let answer = self.say("lease take", args, self.last - STOP_LEFT).await?;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        match answer["state"].as_str().unwrap_or_default() {
            "lent" => Ok(Taken::Held(answer["fence"].as_i64().unwrap_or_default(), before + self.last)),
            "held" => Ok(Taken::By(text("holder"))),
            "early" => Ok(Taken::Early(answer["left_ms"].as_u64().unwrap_or_default().div_ceil(1_000))),
            "draining" => Ok(Taken::Draining),
            state => Err(Failure::bug(format!("a lease is {state:?}"))),
        }
    }

    /// Renews it and tells until when it is ours; never ends. When it is lost, that is now.
    pub async fn keep(&self, fence: i64, until: &watch::Sender<Instant>) {
        let mut next = Instant::now() + self.last / 3;
        loop {
            tokio::time::sleep_until(next).await;
            let before = Instant::now();
            let left = (*until.borrow() - STOP_LEFT).saturating_duration_since(before);
            let args = json!({ "name": self.name, "fence": fence, "for_s": self.last.as_secs() });
            match self.say("lease renew", args, left).await {
                Ok(answer) if answer["renewed"] == true => {
                    until.send_replace(before + self.last);
                    next = before + self.last / 3;
                }
                Ok(_) => {
                    until.send_replace(before);
                    return std::future::pending().await;
                }
                // Nobody answered; we go by what was told last.
                Err(_) => next = Instant::now() + AGAIN,
            }
        }
    }

    /// Gives it back with what became of the job; it would end by itself.
    pub async fn release(&self, fence: i64, outcome: &str) {
        let args = json!({ "name": self.name, "fence": fence, "outcome": outcome });
        let _ = self.say("lease release", args, RELEASE_MAX).await;
    }

    async fn say(&self, word: &str, args: Value, limit: Duration) -> Result<Value, Failure> {
        let word = self.client.word(word)?;
        let progress = Progress::default();
        let said = self.client.say_served(word, args, &progress);
        match tokio::time::timeout(limit, said).await {
            Ok(answer) => Ok(answer?.data),
            Err(_) => Err(Failure::unavailable("serve-silent")),
        }
    }
}

/// Whether asking again may come to something: who is not allowed to ask, or asks for what cannot be, is told so.
pub fn may_pass(failure: &Failure) -> bool {
    matches!(failure.kind, Kind::Unavailable | Kind::TooMany | Kind::Bug)
}
