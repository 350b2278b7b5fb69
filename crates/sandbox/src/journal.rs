//! The ledger on disk: every call that changed something, written before it is done and synced before it is answered.
//!
//! Whoever kills programs to see whether one loses messages needs a vendor that loses none when it is killed itself. So
//! what is written is not the book but the calls that made it: read again in their order they make the same book, with
//! its keys, groups, ids and peaks. Without `--ledger-file` nothing is written and a stopped sandbox forgets.
//!
//! Must never know: HTTP. A change must keep: the order of the lines is the order in which the book changed.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Mutex;

use naru_core::clock::{Micros, Millis};
use serde::{Deserialize, Serialize};

use crate::arrival::{Arrivals, Arrived};
use crate::book::{Book, Outcome, Taken};
use crate::ledger::Stamp;
use crate::message::{Code, Draft};
use crate::vendor::{lock, tag};

/// What is written down.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line<'a> {
    /// The moment that all others are counted from.
    Started(Millis),
    /// A request's head was read.
    Arrived(Micros),
    /// Messages came, alone or in a batch.
    Sent(Stamp, Option<Cow<'a, str>>, bool, Vec<Kept<'a>>),
    /// A group was asked for.
    Opened(Micros, Option<Cow<'a, str>>),
    /// Messages came for a group.
    Put(u32, Stamp, Vec<Kept<'a>>),
    /// A group was sent.
    GroupSent(u32, Stamp),
    /// A group was deleted.
    Deleted(u32, Micros),
    /// Receipts of that life of the ledger were taken.
    Reported(u32, Cow<'a, [u32]>),
    /// All of it was forgotten.
    Emptied,
}

/// A message: its reference, its address and what the faults had in mind.
#[derive(Serialize, Deserialize)]
pub struct Kept<'a>(Cow<'a, str>, Cow<'a, str>, Code);

/// Writes messages down.
pub fn kept<'a>(drafts: &[Draft<'a>]) -> Vec<Kept<'a>> {
    drafts.iter().map(|draft| Kept(draft.reference.into(), draft.to.into(), draft.code)).collect()
}

/// The file.
pub struct Journal {
    file: Mutex<File>,
    /// The same file, so that a sync holds up no line.
    synced: File,
}

/// What an earlier life left.
pub struct Past {
    /// When the first life started.
    pub start_ms: Millis,
    lines: Vec<Line<'static>>,
}

impl Journal {
    /// Opens the file, or makes it. Half a line at its end was never answered and is cut off.
    pub fn open(path: &Path, now: Millis) -> io::Result<(Journal, Past)> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        let lines = text[..whole].lines().map(serde_json::from_str).collect::<Result<Vec<Line<'static>>, _>>()?;
        let journal = Journal { synced: file.try_clone()?, file: Mutex::new(file) };
        let start_ms = match lines.first() {
            Some(Line::Started(at)) => *at,
            Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "the first line names no start")),
            None => {
                journal.write(&Line::Started(now));
                journal.sync()?;
                now
            }
        };
        Ok((journal, Past { start_ms, lines }))
    }

    /// Appends a line; answers whether it could.
    pub fn write(&self, line: &Line<'_>) -> bool {
        let write = || -> io::Result<()> {
            let mut text = serde_json::to_vec(line)?;
            text.push(b'\n');
            lock(&self.file).write_all(&text)
        };
        write().inspect_err(|error| tracing::error!(error = %error, "the ledger file cannot be written")).is_ok()
    }

    /// Returns once all that was written is on the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.synced.sync_data()
    }
}

impl Past {
    /// Does everything again; returns the entries that are still owed a receipt, and the last moment known.
    pub fn relive(self, book: &mut Book, arrivals: &mut Arrivals) -> (BTreeSet<u32>, Micros) {
        let mut owed = BTreeSet::new();
        let mut waiting: HashMap<u32, Arrived> = HashMap::new();
        let mut last = 0;
        for line in self.lines {
            let mut come = |stamp: Stamp, count: usize, arrivals: &mut Arrivals| {
                if let Some(arrived) = waiting.remove(&stamp.request) {
                    arrivals.count(arrived, count as u64);
                }
            };
            let mut owe = |taken: Taken| owed.extend(taken.first..taken.first + taken.count);
            match line {
                Line::Started(_) => {}
                Line::Arrived(at) => {
                    last = at;
                    let arrived = arrivals.arrive(at, true);
                    waiting.insert(arrived.request as u32, arrived);
                }
                Line::Sent(stamp, key, replay, messages) => {
                    come(stamp, messages.len(), arrivals);
                    if let Outcome::Taken(taken, _) = book.accept(&drafts(&messages), stamp, key.as_deref(), replay) {
                        owe(taken);
                    }
                }
                Line::Opened(at, key) => drop(book.open_group(key.as_deref(), at)),
                Line::Put(group, stamp, messages) => {
                    come(stamp, messages.len(), arrivals);
                    drop(book.put(group, &drafts(&messages), stamp));
                }
                Line::GroupSent(group, stamp) => {
                    if let Ok((Some(taken), _)) = book.send_group(group, stamp) {
                        owe(taken);
                    }
                }
                Line::Deleted(group, at) => drop(book.delete_group(group, at)),
                Line::Reported(generation, entries) if generation == book.generation() => {
                    for entry in entries.iter() {
                        owed.remove(entry);
                    }
                }
                Line::Reported(..) => {}
                Line::Emptied => {
                    owed.clear();
                    waiting.clear();
                    book.empty(tag(self.start_ms, book.generation().wrapping_add(1)));
                    arrivals.empty();
                }
            }
        }
        for arrived in waiting.into_values() {
            arrivals.count(arrived, 0);
        }
        (owed, last)
    }
}

fn drafts<'a>(messages: &'a [Kept<'_>]) -> Vec<Draft<'a>> {
    let draft = |kept: &'a Kept<'_>| Draft { code: kept.2, ..Draft::accepted(&kept.0, &kept.1) };
    messages.iter().map(draft).collect()
}
