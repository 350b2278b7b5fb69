//! All that a vendor remembers: its ledger, keys, groups and counts, changed together under one lock.
//!
//! Whatever can be done before (reading, hashing, asking the faults) or after (writing answers) is done outside.

use std::collections::HashSet;
use std::sync::Arc;

use naru_core::clock::Micros;

use crate::group::{Groups, Refused};
use crate::journal::{Journal, Line, kept};
use crate::key::{Answer, Keys, Miss};
use crate::ledger::{ENTRIES_MAX, Ledger, Stamp};
use crate::message::{Code, Draft, MESSAGES_MAX};

/// References remembered as told `busy` once; beyond them nobody is told so any more.
const BUSY_MAX: usize = 10_000_000;
/// Ids hold 32 bits of number, which groups that are never sent use up too; what one call adds still fits above it.
const SERIALS_MAX: u32 = u32::MAX - MESSAGES_MAX as u32;

/// Entries of the ledger that a call added.
#[derive(Clone, Copy)]
pub struct Taken {
    /// How often the book had been emptied before.
    pub generation: u32,
    /// The first entry.
    pub first: u32,
    /// How many entries.
    pub count: u32,
    /// When and by which request.
    pub stamp: Stamp,
}

/// What became of a call that sends.
pub enum Outcome {
    /// Entered now; each message's code and the number in its id.
    Taken(Taken, Vec<(Code, u32)>),
    /// Answered before: that many results, as first written.
    Replay(usize, Vec<u8>),
    /// There is no room for more.
    Full,
}

/// All that a vendor remembers.
pub struct Book {
    life: Micros,
    generation: u32,
    next_serial: u32,
    ledger: Ledger,
    keys: Keys,
    groups: Groups,
    judge: Judge,
    /// Where what happens is written down first.
    journal: Option<Arc<Journal>>,
}

impl Book {
    /// An empty book; keys and groups live for `life`, ids begin with `tag`.
    pub fn new(life: Micros, tag: u32) -> Book {
        Book {
            life,
            generation: 0,
            next_serial: 0,
            ledger: Ledger::new(tag),
            keys: Keys::new(life),
            groups: Groups::new(life),
            judge: Judge::default(),
            journal: None,
        }
    }

    /// Forgets everything; ids begin with `tag` from now on.
    pub fn empty(&mut self, tag: u32) {
        self.note(|| Line::Emptied);
        let (generation, journal) = (self.generation.wrapping_add(1), self.journal.take());
        *self = Book { generation, journal, ..Book::new(self.life, tag) };
    }

    /// Writes down what happens from now on.
    pub fn keep(&mut self, journal: Arc<Journal>) {
        self.journal = Some(journal);
    }

    /// How often the book was emptied.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Messages told to try again, and messages refused for good.
    pub fn turned_away(&self) -> (u64, u64) {
        (self.judge.told_busy, self.judge.refused)
    }

    /// Takes a call's messages. `key` is what its answer is remembered by; with `replay` a known key is answered again.
    pub fn accept(&mut self, drafts: &[Draft<'_>], stamp: Stamp, key: Option<&str>, replay: bool) -> Outcome {
        let known = key.and_then(|key| self.keys.find(key, stamp.at));
        if let Some(answer) = known
            && replay
        {
            return Outcome::Replay(answer.len(), answer.results(&self.ledger));
        }
        let known = known.is_some();
        if self.is_full(drafts.len()) || !self.note(|| Line::Sent(stamp, key.map(Into::into), replay, kept(drafts))) {
            return Outcome::Full;
        }
        let key = key.filter(|_| !known);
        let first = self.ledger.len();
        let mut answers = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let (code, serial) = self.judge.answer(draft, &self.ledger, &mut self.next_serial);
            if code == Code::Ok {
                self.ledger.push(draft, stamp, serial);
            }
            answers.push((code, serial));
        }
        let taken = self.taken(first, stamp);
        if let Some(key) = key {
            let codes = answers.iter().zip(drafts).map(|((code, _), draft)| (*code, draft.reference));
            self.keys.remember(key, stamp.at, answer(taken, codes));
        }
        Outcome::Taken(taken, answers)
    }

    /// A group's name on the wire: an id like a message's, behind a letter.
    pub fn group_name(&self, number: u32) -> String {
        format!("g{:08x}{number:08x}", self.ledger.tag())
    }

    /// The number of the group of that name.
    pub fn group_number(&self, name: &str) -> Result<u32, Refused> {
        let number = name.get(9..).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        number.filter(|number| self.group_name(*number) == name).ok_or(Refused::NotFound)
    }

    /// Opens a group, or finds the one that `key` opened; says whether it found it.
    pub fn open_group(&mut self, key: Option<&str>, now: Micros) -> Result<(u32, bool), Refused> {
        if let Some(number) = key.and_then(|key| self.groups.keyed(key, now)) {
            return Ok((number, true));
        }
        if !self.note(|| Line::Opened(now, key.map(Into::into))) {
            return Err(Refused::Full);
        }
        self.groups.open(key, now).map(|number| (number, false))
    }

    /// Puts messages into an open group; those it holds already are answered as before.
    pub fn put(&mut self, number: u32, drafts: &[Draft<'_>], stamp: Stamp) -> Result<Vec<(Code, u32)>, Refused> {
        if self.is_full(drafts.len()) || !self.note(|| Line::Put(number, stamp, kept(drafts))) {
            return Err(Refused::Full);
        }
        let group = self.groups.fillable(number, drafts, stamp.at)?;
        let mut answers = Vec::with_capacity(drafts.len());
        for draft in drafts {
            if let Some(row) = group.find(draft) {
                answers.push((row.code, row.serial));
                continue;
            }
            let (code, serial) = self.judge.answer(draft, &self.ledger, &mut self.next_serial);
            group.add(draft, code, serial);
            answers.push((code, serial));
        }
        Ok(answers)
    }

    /// The group that was opened with that key.
    pub fn keyed_group(&mut self, key: &str, now: Micros) -> Option<u32> {
        self.groups.keyed(key, now)
    }

    /// How far the group is, how many messages it holds, and what sending it was answered.
    pub fn group(&mut self, number: u32, now: Micros) -> Result<(&'static str, usize, Option<Vec<u8>>), Refused> {
        let group = self.groups.find(number, now)?;
        Ok((group.state(), group.len(), group.sent().map(|answer| answer.results(&self.ledger))))
    }

    /// Deletes a group that was not sent; answers whether it was there until now.
    pub fn delete_group(&mut self, number: u32, now: Micros) -> Result<bool, Refused> {
        if !self.note(|| Line::Deleted(number, now)) {
            return Err(Refused::Full);
        }
        self.groups.delete(number, now)
    }

    /// Sends a group, or answers again what sending it was answered; only then are entries missing.
    pub fn send_group(&mut self, number: u32, stamp: Stamp) -> Result<(Option<Taken>, Vec<u8>), Refused> {
        let group = self.groups.find(number, stamp.at)?;
        if let Some(answer) = group.sent() {
            return Ok((None, answer.results(&self.ledger)));
        }
        if group.is_deleted() {
            return Err(Refused::Deleted);
        }
        let messages = group.len();
        if self.is_full(messages) || !self.note(|| Line::GroupSent(number, stamp)) {
            return Err(Refused::Full);
        }
        let rows = self.groups.take(number);
        let first = self.ledger.len();
        for row in rows.iter().filter(|row| row.code == Code::Ok) {
            self.ledger.push(&Draft::accepted(&row.reference, &row.to), stamp, row.serial);
        }
        let taken = self.taken(first, stamp);
        let answer = answer(taken, rows.iter().map(|row| (row.code, &*row.reference)));
        let results = answer.results(&self.ledger);
        self.groups.close(number, answer);
        Ok((Some(taken), results))
    }

    /// What the call with that key, or the sent group opened with it, was first answered.
    pub fn results_of_key(&mut self, key: &str, now: Micros) -> Option<Vec<u8>> {
        if let Some(answer) = self.keys.find(key, now) {
            return Some(answer.results(&self.ledger));
        }
        let number = self.groups.keyed(key, now)?;
        let answer = self.groups.find(number, now).ok()?.sent()?;
        Some(answer.results(&self.ledger))
    }

    /// What the first accepted message with that reference was answered.
    pub fn result_of_reference(&self, reference: &str) -> Option<Vec<u8>> {
        let entry = self.ledger.find(&Draft::accepted(reference, ""))?;
        let mut result = Vec::new();
        self.ledger.write_result(entry, &mut result);
        Some(result)
    }

    /// Writes a line where one is wanted; answers whether the book may change.
    fn note<'a>(&self, line: impl FnOnce() -> Line<'a>) -> bool {
        self.journal.as_ref().is_none_or(|journal| journal.write(&line()))
    }

    fn is_full(&self, more: usize) -> bool {
        self.ledger.len() as usize + more > ENTRIES_MAX || self.next_serial > SERIALS_MAX || self.keys.is_full()
    }

    fn taken(&self, first: u32, stamp: Stamp) -> Taken {
        Taken { generation: self.generation, first, count: self.ledger.len() - first, stamp }
    }
}

/// Tells each message its code, and counts those turned away.
#[derive(Default)]
struct Judge {
    busy: HashSet<u64>,
    told_busy: u64,
    refused: u64,
}

impl Judge {
    /// The message's code and the number in its id, which only an accepted one uses up.
    fn answer(&mut self, draft: &Draft<'_>, ledger: &Ledger, next_serial: &mut u32) -> (Code, u32) {
        let serial = *next_serial;
        match draft.code {
            Code::Busy if self.is_first_try(draft, ledger) => self.told_busy += 1,
            Code::UnknownNumber => self.refused += 1,
            Code::Busy | Code::Ok => {
                *next_serial += 1;
                return (Code::Ok, serial);
            }
        }
        (draft.code, serial)
    }

    fn is_first_try(&mut self, draft: &Draft<'_>, ledger: &Ledger) -> bool {
        self.busy.len() < BUSY_MAX && self.busy.insert(draft.hash) && ledger.find(draft).is_none()
    }
}

fn answer<'a>(taken: Taken, codes: impl Iterator<Item = (Code, &'a str)>) -> Answer {
    let misses = codes.zip(0..).filter(|((code, _), _)| *code != Code::Ok);
    let misses = misses.map(|((code, reference), place)| Miss { place, code, reference: reference.into() });
    Answer { first: taken.first, accepted: taken.count, misses: misses.collect() }
}
