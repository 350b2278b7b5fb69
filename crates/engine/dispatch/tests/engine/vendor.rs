//! A message vendor with a ledger of its own, which lives outside the engine's process and outlives its kills.
//!
//! It does what a test's plan says with each request, and notes by itself what no vendor should ever see: a key with
//! another body, a customer twice in one request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use naru_core::clock::{Clock, Millis};
use naru_core::failure::Failure;
use naru_dispatch::config::LaneConfig;
use naru_dispatch::message::MessageId;
use naru_dispatch::provider::{Answer, Level, Outgoing, Provider, Providers, Request, Verdict};
use tokio::sync::watch;

use crate::clock::TestClock;

/// What the vendor does with a request.
#[derive(Clone)]
pub enum Deed {
    Take,
    /// One verdict a message.
    Judge(Vec<Verdict>),
    Throttle(Option<Duration>),
    Unsent,
    Refuse(&'static str),
    /// Takes all of it, and the answer is lost on the way.
    LoseAnswer,
    /// The request itself is lost, which looks the same from outside.
    LoseRequest,
}

/// A request that arrived and was not seen before under its key.
pub struct Arrival<'a> {
    /// How many came before.
    pub nth: usize,
    pub messages: &'a [Outgoing],
}

type Plan = Box<dyn FnMut(&Arrival) -> Deed + Send>;

/// One request, repeats included.
#[derive(Clone, Debug)]
pub struct Call {
    /// The lane whose account it came by.
    pub lane: String,
    pub key: String,
    pub ids: Vec<MessageId>,
    pub to: Vec<String>,
    pub at: Millis,
    /// Order of all starts and ends.
    pub started: u64,
    /// `None` where whoever asked was gone before the answer.
    pub ended: Option<u64>,
}

#[derive(Default)]
struct Ledger {
    calls: Vec<Call>,
    /// Answers wait from this many calls on.
    shut_at: Option<usize>,
    arrived: usize,
    ticks: u64,
    taken: HashMap<MessageId, u32>,
    texts: HashMap<MessageId, String>,
    /// What is remembered under a key: the messages as they were, and the answer.
    known: HashMap<String, (Vec<Seen>, Vec<Verdict>)>,
    lookups: usize,
    /// Accounts at which nobody is, and what becomes of requests there.
    gone: HashMap<String, Deed>,
    offences: Vec<String>,
}

type Seen = (MessageId, String, Option<String>, String);

/// The vendor, and the maker of its adapter.
pub struct Vendor {
    pub clock: Arc<TestClock>,
    ledger: Mutex<Ledger>,
    plan: Mutex<Plan>,
    gate: watch::Sender<bool>,
    batch_max: Mutex<usize>,
    level: Mutex<Level>,
}

impl Vendor {
    /// Takes everything, a thousand at a time, and remembers keys for a day.
    pub fn new(clock: Arc<TestClock>) -> Arc<Vendor> {
        Arc::new(Vendor {
            clock,
            ledger: Mutex::default(),
            plan: Mutex::new(Box::new(|_| Deed::Take)),
            gate: watch::Sender::new(true),
            batch_max: Mutex::new(1_000),
            level: Mutex::new(Level::Key { life: crate::clock::DAY }),
        })
    }

    /// From now on each new request is answered by `plan`.
    pub fn plan(&self, plan: impl FnMut(&Arrival) -> Deed + Send + 'static) {
        *self.plan.lock().unwrap() = Box::new(plan);
    }

    pub fn batch_max(&self, max: usize) {
        *self.batch_max.lock().unwrap() = max;
    }

    pub fn level(&self, level: Level) {
        *self.level.lock().unwrap() = level;
    }

    /// The level it has now.
    pub fn level_now(&self) -> Level {
        *self.level.lock().unwrap()
    }

    /// Requests are worked on as they come, and answers wait until [`Vendor::answer`].
    pub fn keep_waiting(&self) {
        self.gate.send_replace(false);
    }

    /// As [`Vendor::keep_waiting`], once so many more requests have come.
    pub fn keep_waiting_after(&self, calls: usize) {
        let mut ledger = self.ledger();
        ledger.shut_at = Some(ledger.calls.len() + calls);
    }

    /// Whether answers wait.
    pub fn keeps_waiting(&self) -> bool {
        !*self.gate.borrow()
    }

    /// Gives every answer that waits, and all that come.
    pub fn answer(&self) {
        self.gate.send_replace(true);
    }

    pub fn calls(&self) -> Vec<Call> {
        self.ledger().calls.clone()
    }

    /// Requests without an answer.
    pub fn waiting(&self) -> usize {
        self.ledger().calls.iter().filter(|call| call.ended.is_none()).count()
    }

    /// How often a message was taken: more than once is money and a customer's patience.
    pub fn taken(&self, id: MessageId) -> u32 {
        self.ledger().taken.get(&id).copied().unwrap_or_default()
    }

    pub fn taken_in_all(&self) -> u32 {
        self.ledger().taken.values().sum()
    }

    pub fn everything_taken(&self) -> HashMap<MessageId, u32> {
        self.ledger().taken.clone()
    }

    /// The text a message last came with.
    pub fn text(&self, id: MessageId) -> Option<String> {
        self.ledger().texts.get(&id).cloned()
    }

    /// From now on nobody answers at a lane's account: each request ends as `deed` says, also one that comes again.
    pub fn leave(&self, lane: &str, deed: Deed) {
        self.ledger().gone.insert(lane.to_owned(), deed);
    }

    /// Somebody is there again.
    pub fn come_back(&self, lane: &str) {
        self.ledger().gone.remove(lane);
    }

    /// Messages that came by a lane's account, repeats included.
    pub fn came_by(&self, lane: &str) -> Vec<MessageId> {
        self.ledger().calls.iter().filter(|call| call.lane == lane).flat_map(|call| call.ids.clone()).collect()
    }

    /// From now on it knows nothing of the requests that came.
    pub fn forget(&self) {
        self.ledger().known.clear();
    }

    pub fn lookups(&self) -> usize {
        self.ledger().lookups
    }

    pub fn offences(&self) -> Vec<String> {
        self.ledger().offences.clone()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Notes the request and decides on it: the moment at which it counts.
    fn arrive(&self, lane: &str, request: &Request) -> (usize, Answer) {
        let is_at_key = matches!(*self.level.lock().unwrap(), Level::Key { .. });
        let mut ledger = self.ledger();
        ledger.ticks += 1;
        if ledger.calls.iter().any(|call| call.key == request.key && call.lane != lane) {
            ledger.offences.push(format!("{} came again by another account", request.key));
        }
        let call = Call {
            lane: lane.to_owned(),
            key: request.key.clone(),
            ids: request.messages.iter().map(|message| message.id).collect(),
            to: request.messages.iter().map(|message| message.to.reveal().to_owned()).collect(),
            at: self.clock.now_ms(),
            started: ledger.ticks,
            ended: None,
        };
        let index = ledger.calls.len();
        ledger.calls.push(call);
        if ledger.shut_at.take_if(|at| *at <= index + 1).is_some() {
            self.keep_waiting();
        }
        let body: Vec<Seen> = request.messages.iter().map(seen).collect();
        for (id, _, _, text) in &body {
            ledger.texts.insert(*id, text.clone());
        }
        let gone = ledger.gone.get(lane).cloned();
        if let Some((first, answer)) = ledger.known.get(&request.key).filter(|_| is_at_key).cloned() {
            if first != body {
                ledger.offences.push(format!("{} came again with another body", request.key));
            }
            let silent = Answer::Unknown { code: "timed-out".to_owned() };
            return (index, if gone.is_some() { silent } else { Answer::Each(answer) });
        }
        if let Some(deed) = gone {
            ledger.arrived += 1;
            return (index, ledger.carry_out(deed, &request.key, body));
        }
        let arrival = Arrival { nth: ledger.arrived, messages: &request.messages };
        let deed = (self.plan.lock().unwrap())(&arrival);
        ledger.arrived += 1;
        (index, ledger.carry_out(deed, &request.key, body))
    }

    fn end(&self, index: usize) {
        let mut ledger = self.ledger();
        ledger.ticks += 1;
        ledger.calls[index].ended = Some(ledger.ticks);
    }
}

impl Ledger {
    fn carry_out(&mut self, deed: Deed, key: &str, body: Vec<Seen>) -> Answer {
        let verdicts = match &deed {
            Deed::Judge(verdicts) => verdicts.clone(),
            Deed::Take | Deed::LoseAnswer => vec![Verdict::Taken; body.len()],
            Deed::Refuse(code) => vec![Verdict::Refused((*code).to_owned()); body.len()],
            Deed::Throttle(after) => return Answer::Throttled { after: *after },
            Deed::Unsent => return Answer::Unsent { code: "connection-refused".to_owned() },
            Deed::LoseRequest => return Answer::Unknown { code: "timed-out".to_owned() },
        };
        for ((id, ..), verdict) in body.iter().zip(&verdicts) {
            if *verdict == Verdict::Taken {
                *self.taken.entry(*id).or_default() += 1;
            }
        }
        self.known.insert(key.to_owned(), (body, verdicts.clone()));
        match deed {
            Deed::LoseAnswer => Answer::Unknown { code: "timed-out".to_owned() },
            Deed::Refuse(code) => Answer::Refused { code: code.to_owned() },
            _ => Answer::Each(verdicts),
        }
    }
}

fn seen(message: &Outgoing) -> Seen {
    (message.id, message.to.reveal().to_owned(), message.subject.clone(), message.text.clone())
}

/// The vendor as one lane sees it.
struct Adapter(Arc<Vendor>, String);

impl Provider for Adapter {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn version(&self) -> u32 {
        1
    }

    fn batch_max(&self) -> usize {
        *self.0.batch_max.lock().unwrap()
    }

    fn level(&self) -> Level {
        *self.0.level.lock().unwrap()
    }

    fn receipts(&self) -> bool {
        true
    }

    fn send(&self, request: Request) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let (index, answer) = self.0.arrive(&self.1, &request);
            let _ = self.0.gate.subscribe().wait_for(|is_open| *is_open).await;
            self.0.end(index);
            answer
        })
    }

    fn lookup<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<Verdict>>, String>> {
        Box::pin(async move {
            let mut ledger = self.0.ledger();
            ledger.lookups += 1;
            if ledger.gone.contains_key(&self.1) {
                return Err("timed-out".to_owned());
            }
            Ok(ledger.known.get(key).map(|(_, verdicts)| verdicts.clone()))
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

/// Makes the vendor's adapter for any lane.
pub struct Adapters(pub Arc<Vendor>);

impl Providers for Adapters {
    fn names(&self) -> Vec<&'static str> {
        vec!["sandbox"]
    }

    fn provider(&self, lane: &str, _: &LaneConfig) -> Result<Arc<dyn Provider>, Failure> {
        Ok(Arc::new(Adapter(self.0.clone(), lane.to_owned())))
    }
}
