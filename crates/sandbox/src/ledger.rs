//! The sandbox's own account: every message it accepted, in the order it accepted them.
//!
//! A test joins it with the sender's account, so references and addresses come back exactly. Forty bytes an entry and
//! nine to twenty in the index keep a day of thirteen million messages well under a gigabyte.

use std::collections::HashSet;
use std::io::Write;

use naru_core::clock::Micros;
use naru_core::id::write_hex;
use serde::{Deserialize, Serialize};

use crate::index::Index;
use crate::message::{Code, Draft};
use crate::name::{Name, To, write_json};
use crate::pages::{Pages, Texts};

/// Entries a ledger holds at most, some six gigabytes of them; a full vendor answers 503.
pub const ENTRIES_MAX: usize = 100_000_000;

/// When and by which request a message was accepted.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Stamp {
    /// When the request's head was read, counted from the start of the sandbox.
    pub at: Micros,
    /// The request's number since the ledger was last emptied.
    pub request: u32,
}

struct Entry {
    name: Name,
    /// 48 bits of microseconds last nine years.
    at: [u8; 6],
    to: To,
    request: u32,
    serial: u32,
}

const _: () = assert!(size_of::<Entry>() == 40, "an entry is meant to stay small: there are millions");

/// All accepted messages.
pub struct Ledger {
    /// The first half of every id given out; another one each time the ledger is emptied.
    tag: u32,
    entries: Pages<Entry>,
    texts: Texts,
    index: Index,
    doubled: HashSet<u32>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(tag: u32) -> Ledger {
        Ledger {
            tag,
            entries: Pages::default(),
            texts: Texts::default(),
            index: Index::default(),
            doubled: HashSet::new(),
        }
    }

    /// The number of entries, which is the number of the next one; at most [`ENTRIES_MAX`].
    pub fn len(&self) -> u32 {
        self.entries.len() as u32
    }

    /// References accepted more than once.
    pub fn doubled(&self) -> usize {
        self.doubled.len()
    }

    /// The first half of every id given out.
    pub fn tag(&self) -> u32 {
        self.tag
    }

    /// Enters an accepted message.
    pub fn push(&mut self, draft: &Draft<'_>, stamp: Stamp, serial: u32) {
        match self.find(draft) {
            Some(first) => {
                self.doubled.insert(first);
            }
            None => self.index.insert(draft.hash, self.len()),
        }
        let name = draft.name.unwrap_or_else(|| Name::keep(draft.reference, &mut self.texts));
        let to = draft.digits.unwrap_or_else(|| To::keep(draft.to, &mut self.texts));
        let at = stamp.at.to_le_bytes();
        let at = [at[0], at[1], at[2], at[3], at[4], at[5]];
        self.entries.push(Entry { name, at, to, request: stamp.request, serial });
    }

    /// The first entry with the draft's reference.
    pub fn find(&self, draft: &Draft<'_>) -> Option<u32> {
        self.index.find(draft.hash, |n| {
            let Some(entry) = self.entries.at(n as usize) else { return false };
            match draft.name {
                Some(name) => entry.name == name,
                None => entry.name.text(&self.texts) == Some(draft.reference),
            }
        })
    }

    /// Writes what the sender of entry `n` was answered.
    pub fn write_result(&self, n: u32, out: &mut Vec<u8>) {
        let Some(entry) = self.entries.at(n as usize) else { return };
        out.extend_from_slice(b"{\"ref\":");
        entry.name.write(&self.texts, out);
        out.extend_from_slice(b",\"id\":\"");
        write_id(self.tag, entry.serial, out);
        out.extend_from_slice(b"\",\"code\":\"ok\"}");
    }

    /// Writes entry `n` as a line; `start_us` is the moment that stamps count from.
    pub fn write_line(&self, n: u32, start_us: u64, out: &mut Vec<u8>) {
        let Some(entry) = self.entries.at(n as usize) else { return };
        let at_us = start_us + entry.at_us();
        let _ = write!(out, "{{\"n\":{n},\"at_us\":{at_us},\"request\":{},\"ref\":", entry.request);
        entry.name.write(&self.texts, out);
        out.extend_from_slice(b",\"to\":");
        entry.to.write(&self.texts, out);
        out.extend_from_slice(b",\"id\":\"");
        write_id(self.tag, entry.serial, out);
        out.extend_from_slice(b"\"}\n");
    }

    /// Writes the receipt of entry `n`; `at_ms` makes its moment from the entry's stamp.
    pub fn write_receipt(&self, n: u32, (status, code): (&str, &str), at_ms: impl Fn(Stamp) -> i64, out: &mut Vec<u8>) {
        let Some(entry) = self.entries.at(n as usize) else { return };
        out.extend_from_slice(b"{\"ref\":");
        entry.name.write(&self.texts, out);
        out.extend_from_slice(b",\"id\":\"");
        write_id(self.tag, entry.serial, out);
        let at_ms = at_ms(Stamp { at: entry.at_us(), request: entry.request });
        let _ = write!(out, "\",\"status\":\"{status}\",\"code\":\"{code}\",\"at_ms\":{at_ms}}}");
    }
}

impl Entry {
    fn at_us(&self) -> Micros {
        let [a, b, c, d, e, f] = self.at;
        Micros::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }
}

/// Writes what the sender of a message is answered.
pub fn write_answer(reference: &str, code: Code, tag: u32, serial: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"ref\":");
    write_json(reference, out);
    if code == Code::Ok {
        out.extend_from_slice(b",\"id\":\"");
        write_id(tag, serial, out);
        out.push(b'"');
    }
    out.extend_from_slice(b",\"code\":\"");
    out.extend_from_slice(code.word().as_bytes());
    out.extend_from_slice(b"\"}");
}

/// A vendor's id of a message or a group: the ledger's tag and a serial number, in hex.
pub fn write_id(tag: u32, serial: u32, out: &mut Vec<u8>) {
    let number = (u64::from(tag) << 32) | u64::from(serial);
    let mut hex = [0; 16];
    out.extend_from_slice(write_hex(&number.to_be_bytes(), &mut hex).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(ledger: &Ledger) -> String {
        let mut out = Vec::new();
        (0..ledger.len()).for_each(|n| ledger.write_line(n, 1_000_000, &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn entries_come_back_as_they_were_accepted() {
        let mut ledger = Ledger::new(0xab);
        let id = "0192f0c8a1b27cde8f00112233445566";
        ledger.push(&Draft::accepted(&format!("{id}-7"), "01012345678"), Stamp { at: 5, request: 0 }, 0);
        ledger.push(&Draft::accepted("order \"7\"", "kim@example.com"), Stamp { at: 1 << 47, request: 9 }, 3);
        assert_eq!(
            lines(&ledger),
            "{\"n\":0,\"at_us\":1000005,\"request\":0,\"ref\":\"0192f0c8a1b27cde8f00112233445566-7\",\
             \"to\":\"01012345678\",\"id\":\"000000ab00000000\"}\n\
             {\"n\":1,\"at_us\":140737489355328,\"request\":9,\"ref\":\"order \\\"7\\\"\",\
             \"to\":\"kim@example.com\",\"id\":\"000000ab00000003\"}\n"
        );
    }

    #[test]
    fn a_reference_accepted_twice_or_more_is_doubled_once() {
        let mut ledger = Ledger::new(0);
        let stamp = Stamp { at: 0, request: 0 };
        for (serial, reference) in ["a", "b", "a", "a", "b", "c"].iter().enumerate() {
            ledger.push(&Draft::accepted(reference, "0"), stamp, serial as u32);
        }
        assert_eq!((ledger.len(), ledger.doubled()), (6, 2));
        assert_eq!(ledger.find(&Draft::accepted("b", "")), Some(1));
        assert_eq!(ledger.find(&Draft::accepted("d", "")), None);
    }
}
