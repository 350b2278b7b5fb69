//! Where what people ask is answered, whichever way it came in.
//!
//! Slack waits three seconds, repeats what was not acknowledged, and sometimes what was. So each request is handed on
//! once, on a task of its own that nobody's hanging up can end, and every delivery of it waits for the same answer. An
//! answer that is not there in time is none: the delivery is acknowledged without it, and what the handler says later
//! is posted to the request's `response_url`. So is what it says to a click, with which nothing can be acknowledged.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use naru_core::failure::{Failure, Kind};
use naru_core::lifecycle::Lifecycle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::answer::Answer;
use crate::payload::{Body, Request};
use crate::periods::Periods;
use crate::web::Web;

/// Requests whose handler is running. A team of forty is far from it; a handler that never ends is not.
const SEATS: usize = 256;
/// Requests that are remembered. Slack repeats for some six minutes, and forty people say less in that time.
const REMEMBERED_MAX: usize = 1_024;

type Handler = Box<dyn Fn(Request) -> BoxFuture<'static, Answer> + Send + Sync>;

/// Hands each request on once and answers all its deliveries.
pub struct Desk {
    web: Arc<Web>,
    periods: Periods,
    lifecycle: Lifecycle,
    handler: Handler,
    seats: Arc<Semaphore>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    oldest: VecDeque<String>,
    by_key: HashMap<String, Outcome>,
}

type Outcome = Arc<watch::Sender<Said>>;

#[derive(Clone)]
enum Said {
    Nothing,
    InTime(Answer),
    /// The request was acknowledged without an answer.
    Late,
}

impl Desk {
    /// A desk that hands requests to `handler`. Shutdown waits for those it has begun with.
    pub fn new<F>(
        web: Arc<Web>,
        periods: Periods,
        lifecycle: &Lifecycle,
        handler: impl Fn(Request) -> F + Send + Sync + 'static,
    ) -> Arc<Desk>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Arc::new(Desk {
            web,
            periods,
            lifecycle: lifecycle.clone(),
            handler: Box::new(move |request| handler(request).boxed()),
            seats: Arc::new(Semaphore::new(SEATS)),
            memory: Mutex::default(),
        })
    }

    /// What to acknowledge a delivery of `request` with, in time for Slack. A failure means that it was not taken and
    /// is not to be acknowledged, so that Slack says so to whoever asked.
    pub async fn answer(self: &Arc<Self>, request: Request) -> Result<Answer, Failure> {
        let outcome = self.outcome(request)?;
        let mut said = outcome.subscribe();
        let in_time = said.wait_for(|said| !matches!(said, Said::Nothing));
        if tokio::time::timeout(self.periods.acknowledge_within, in_time).await.is_err() {
            outcome.send_if_modified(|said| {
                let is_late = matches!(said, Said::Nothing);
                if is_late {
                    *said = Said::Late;
                }
                is_late
            });
        }
        let said = outcome.borrow().clone();
        Ok(if let Said::InTime(answer) = said { answer } else { Answer::bare() })
    }

    /// What was or will be said to `request`, which is handed on where it is new.
    fn outcome(self: &Arc<Self>, request: Request) -> Result<Outcome, Failure> {
        let mut memory = self.memory();
        if let Some(outcome) = memory.by_key.get(&request.key) {
            tracing::debug!(request.key, "request repeated");
            return Ok(outcome.clone());
        }
        let seat = self.seats.clone().try_acquire_owned();
        let seat = seat.map_err(|_| Failure::new(Kind::TooMany, "slack-busy").arg("seats", SEATS))?;
        let outcome = memory.remember(&request.key);
        drop(memory);
        self.hand_on(request, outcome.clone(), seat);
        Ok(outcome)
    }

    fn hand_on(self: &Arc<Self>, request: Request, outcome: Outcome, seat: OwnedSemaphorePermit) {
        let (desk, activity) = (self.clone(), self.lifecycle.activity("slack request"));
        self.lifecycle.spawn("slack request", async move {
            let (key, response_url) = (request.key.clone(), request.response_url.clone());
            let (is_command, is_form) =
                (matches!(request.body, Body::Command(_)), matches!(request.body, Body::Form(_)));
            let answer = (desk.handler)(request).await;
            // A click is acknowledged with nothing, by either way in: Slack would show nothing of it.
            let goes_along = answer.payload().is_none() || if answer.is_message() { is_command } else { is_form };
            let in_time = outcome.send_if_modified(|said| {
                let in_time = matches!(said, Said::Nothing);
                if in_time {
                    *said = Said::InTime(if goes_along { answer.clone() } else { Answer::bare() });
                }
                in_time
            });
            if !(in_time && goes_along) {
                desk.say_by_itself(&key, response_url, &answer).await;
            }
            drop((activity, seat));
        });
    }

    async fn say_by_itself(&self, key: &str, response_url: Option<String>, answer: &Answer) {
        let posted = match response_url {
            _ if answer.payload().is_none() => Ok(()),
            Some(url) if answer.is_message() => self.web.respond(&url, answer).await,
            _ => Err(Failure::refused("slack-answer-late")),
        };
        if let Err(failure) = posted {
            tracing::warn!(request.key = key, error = &failure as &dyn std::error::Error, "answer not shown");
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Memory {
    fn remember(&mut self, key: &str) -> Outcome {
        if self.oldest.len() >= REMEMBERED_MAX
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.by_key.remove(&oldest);
        }
        let outcome = Arc::new(watch::Sender::new(Said::Nothing));
        self.oldest.push_back(key.to_owned());
        self.by_key.insert(key.to_owned(), outcome.clone());
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest() {
        let mut memory = Memory::default();
        for n in 0..=REMEMBERED_MAX {
            memory.remember(&n.to_string());
        }
        assert_eq!((memory.by_key.len(), memory.oldest.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
        assert!(!memory.by_key.contains_key("0") && memory.by_key.contains_key("1"));
    }
}
