//! The provider: takes, refuses, forgets to answer. Keeps a ledger of what it took.

use std::collections::HashMap;
use std::time::Duration;

use naru_core::clock::Micros;
use naru_core::id::Id;
use naru_dispatch::lane::ChunkKey;
use naru_dispatch::provider::{Answer, Level, Verdict};

use crate::plan::{Faults, SECOND};
use naru_testkit::random::Random;

/// What names a request to a provider: the chunk, and for single sends the slot.
pub type RequestKey = (Id, u16, u16);

pub struct Request {
    pub outlet: usize,
    pub key: RequestKey,
    pub chunk: ChunkKey,
    pub slots: Vec<u16>,
    pub life: u64,
    pub lookup: bool,
    /// When its bytes are there, if they ever are.
    pub arrives: Option<Micros>,
    /// When its sender has an answer, or knows that none comes.
    pub ends: Micros,
    pub fate: Fate,
    pub verdicts: Option<Vec<Verdict>>,
    pub answered: bool,
}

/// What becomes of a request, decided when it leaves.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    Answered,
    Throttled(Option<Duration>),
    Unsent,
    /// Its sender never learns what became of it.
    Unknown,
    Refused,
    WrongLength,
}

/// What a provider remembers of a key: the messages and what it said.
pub struct Known {
    pub outlet: usize,
    pub slots: Vec<u16>,
    pub verdicts: Vec<Verdict>,
    pub at: Micros,
}

#[derive(Default)]
pub struct Vendor {
    pub requests: Vec<Request>,
    pub known: HashMap<RequestKey, Known>,
    /// When it took each message.
    pub taken: HashMap<(Id, u16), Vec<Micros>>,
}

impl Vendor {
    /// Decides when a request arrives, when it ends and how.
    pub fn fate(r: &mut Random, faults: &Faults, now: Micros, timeout: Micros) -> (Option<Micros>, Micros, Fate) {
        let on = |rate: u64| if now < faults.until { rate } else { 0 };
        let there = now + r.between(100, faults.latency_max);
        let back = there + r.between(100, faults.latency_max);
        let end = now + timeout;
        if r.chance(on(faults.throttled)) {
            let after = r.chance(500).then(|| Duration::from_millis(r.below(8_000)));
            return (None, back.min(end), Fate::Throttled(after));
        }
        if r.chance(on(faults.unsent)) {
            return (None, now + r.below(SECOND / 10), Fate::Unsent);
        }
        if r.chance(on(faults.lost)) {
            return (None, now + r.between(1, timeout), Fate::Unknown);
        }
        if r.chance(on(faults.taken_and_lost)) {
            let there = now + r.below(timeout);
            // The sender may have lost the connection long before the bytes were taken from it.
            let ends = if r.chance(500) { end } else { now + r.between(1, timeout) };
            return (Some(there), ends, Fate::Unknown);
        }
        if back >= end {
            return ((there < end).then_some(there), end, Fate::Unknown);
        }
        if r.chance(on(faults.refused_whole)) {
            return (None, back, Fate::Refused);
        }
        let fate = if r.chance(on(faults.wrong_length)) { Fate::WrongLength } else { Fate::Answered };
        (Some(there), back, fate)
    }

    /// Takes a request's messages, or says again what it said to this key. Answers what it newly took.
    pub fn arrive(&mut self, r: &mut Random, faults: &Faults, level: Level, now: Micros, request: usize) -> Vec<u16> {
        let (key, slots) = (self.requests[request].key, self.requests[request].slots.clone());
        let outlet = self.requests[request].outlet;
        assert!(self.known.get(&key).is_none_or(|known| known.outlet == outlet), "key {key:?} goes to another account");
        if let (Level::Key { life }, Some(known)) = (level, self.known.get(&key))
            && now < known.at + life.as_micros() as Micros
        {
            assert_eq!(known.slots, slots, "key {key:?} was used again for other messages");
            self.requests[request].verdicts = Some(known.verdicts.clone());
            return Vec::new();
        }
        let on = |rate: u64| if now < faults.until { rate } else { 0 };
        let verdicts: Vec<Verdict> = slots
            .iter()
            .map(|_| {
                if r.chance(on(faults.refused)) {
                    Verdict::Refused("no-such-subscriber".to_owned())
                } else if r.chance(on(faults.busy)) {
                    let after = r.chance(300).then(|| Duration::from_millis(r.below(5_000)));
                    Verdict::Retry { code: "busy".to_owned(), after }
                } else {
                    Verdict::Taken
                }
            })
            .collect();
        let taken: Vec<u16> = slots
            .iter()
            .zip(&verdicts)
            .filter(|(_, verdict)| **verdict == Verdict::Taken)
            .map(|(slot, _)| *slot)
            .collect();
        for slot in &taken {
            self.taken.entry((key.0, *slot)).or_default().push(now);
        }
        self.known.insert(key, Known { outlet, slots, verdicts: verdicts.clone(), at: now });
        self.requests[request].verdicts = Some(verdicts);
        taken
    }

    /// What a request's sender is told.
    pub fn answer(&self, request: usize) -> Answer {
        let request = &self.requests[request];
        match &request.fate {
            Fate::Answered => Answer::Each(request.verdicts.clone().expect("it arrived before it is answered")),
            Fate::Throttled(after) => Answer::Throttled { after: *after },
            Fate::Unsent => Answer::Unsent { code: "connection-refused".to_owned() },
            Fate::Unknown => Answer::Unknown { code: "timed-out".to_owned() },
            Fate::Refused => Answer::Refused { code: "bad-request".to_owned() },
            Fate::WrongLength => Answer::Each(Vec::new()),
        }
    }

    /// What it said to this key, while it remembers.
    pub fn lookup(&self, key: &RequestKey, level: Level, now: Micros) -> Option<Vec<Verdict>> {
        let known = self.known.get(key)?;
        let forgotten = matches!(level, Level::Lookup { life } if now >= known.at + life.as_micros() as Micros);
        (!forgotten).then(|| known.verdicts.clone())
    }
}
