//! Groups: messages put together first and sent by a second call, every step of which can be asked about.

use std::collections::{BTreeMap, HashMap};

use naru_core::clock::Micros;

use crate::key::Answer;
use crate::message::{Code, Draft};

/// Messages a group may hold: ten calls' worth.
const GROUP_MESSAGES_MAX: usize = 10_000;
/// Groups that may be open at once: with the bound above, a gigabyte or so at the very worst.
const GROUPS_OPEN_MAX: usize = 1_000;
/// Groups remembered at once, sent ones included: ten minutes at a thousand a second.
const GROUPS_MAX: usize = 600_000;

/// A message in a group.
pub struct Row {
    /// Its reference.
    pub reference: Box<str>,
    /// Its address.
    pub to: Box<str>,
    /// What it was answered.
    pub code: Code,
    /// The number in its id.
    pub serial: u32,
}

/// A group.
pub struct Group {
    at: Micros,
    key: Option<Box<str>>,
    rows: Vec<Row>,
    /// Rows by the hash of their reference.
    seen: HashMap<u64, u32>,
    sent: Option<Answer>,
}

/// Why a group refuses a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is none of that number.
    NotFound,
    /// It was sent.
    Sent,
    /// It would hold too many messages.
    TooLarge,
    /// Too many groups are open.
    TooMany,
    /// There is no room for more messages anywhere.
    Full,
}

impl Group {
    /// The row that holds the draft's reference, so that putting it again changes nothing.
    pub fn find(&self, draft: &Draft<'_>) -> Option<&Row> {
        let row = &self.rows[*self.seen.get(&draft.hash)? as usize];
        (*row.reference == *draft.reference).then_some(row)
    }

    /// Adds a message.
    pub fn add(&mut self, draft: &Draft<'_>, code: Code, serial: u32) {
        self.seen.entry(draft.hash).or_insert(self.rows.len() as u32);
        self.rows.push(Row { reference: draft.reference.into(), to: draft.to.into(), code, serial });
    }

    /// How many messages it holds or was sent with.
    pub fn len(&self) -> usize {
        self.sent.as_ref().map_or(self.rows.len(), Answer::len)
    }

    /// What sending it was answered.
    pub fn sent(&self) -> Option<&Answer> {
        self.sent.as_ref()
    }
}

/// All groups of the last `life`.
pub struct Groups {
    life: Micros,
    next: u32,
    open: usize,
    groups: BTreeMap<u32, Group>,
    by_key: HashMap<Box<str>, u32>,
}

impl Groups {
    /// Begins to remember groups for `life`.
    pub fn new(life: Micros) -> Groups {
        Groups { life, next: 0, open: 0, groups: BTreeMap::new(), by_key: HashMap::new() }
    }

    /// The group of that key, if one was opened.
    pub fn keyed(&mut self, key: &str, now: Micros) -> Option<u32> {
        self.expire(now);
        self.by_key.get(key).copied()
    }

    /// Opens a group.
    pub fn open(&mut self, key: Option<&str>, now: Micros) -> Result<u32, Refused> {
        self.expire(now);
        if self.open >= GROUPS_OPEN_MAX || self.groups.len() >= GROUPS_MAX {
            return Err(Refused::TooMany);
        }
        let (number, key) = (self.next, key.map(Box::<str>::from));
        self.next += 1;
        self.open += 1;
        if let Some(key) = &key {
            self.by_key.insert(key.clone(), number);
        }
        self.groups.insert(number, Group { at: now, key, rows: Vec::new(), seen: HashMap::new(), sent: None });
        Ok(number)
    }

    /// The group of that number.
    pub fn find(&mut self, number: u32, now: Micros) -> Result<&Group, Refused> {
        self.expire(now);
        self.groups.get(&number).ok_or(Refused::NotFound)
    }

    /// The group of that number, if these messages may be put into it.
    pub fn fillable(&mut self, number: u32, drafts: &[Draft<'_>], now: Micros) -> Result<&mut Group, Refused> {
        self.expire(now);
        let group = self.groups.get_mut(&number).ok_or(Refused::NotFound)?;
        let more = drafts.iter().filter(|draft| group.find(draft).is_none()).count();
        match group.sent {
            Some(_) => Err(Refused::Sent),
            None if group.rows.len() + more > GROUP_MESSAGES_MAX => Err(Refused::TooLarge),
            None => Ok(group),
        }
    }

    /// Takes the messages out of an open group; [`Groups::close`] follows.
    pub fn take(&mut self, number: u32) -> Vec<Row> {
        let Some(group) = self.groups.get_mut(&number) else { return Vec::new() };
        group.seen = HashMap::new();
        std::mem::take(&mut group.rows)
    }

    /// Remembers what sending the group was answered.
    pub fn close(&mut self, number: u32, answer: Answer) {
        if let Some(group) = self.groups.get_mut(&number) {
            group.sent = Some(answer);
            self.open -= 1;
        }
    }

    fn expire(&mut self, now: Micros) {
        while let Some(oldest) = self.groups.first_entry()
            && oldest.get().at + self.life <= now
        {
            let group = oldest.remove();
            self.open -= usize::from(group.sent.is_none());
            if let Some(key) = group.key {
                self.by_key.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_group_that_nobody_sends_goes_with_its_key() {
        let mut groups = Groups::new(100);
        let number = groups.open(Some("k"), 0).unwrap();
        assert_eq!(groups.keyed("k", 99), Some(number));
        assert_eq!(groups.keyed("k", 100), None);
        assert_eq!(groups.find(number, 100).err(), Some(Refused::NotFound));
        assert_eq!((groups.open, groups.by_key.len()), (0, 0));
    }

    #[test]
    fn groups_and_their_messages_are_bounded() {
        let mut groups = Groups::new(100);
        for _ in 0..GROUPS_OPEN_MAX {
            groups.open(None, 0).unwrap();
        }
        assert_eq!(groups.open(None, 0), Err(Refused::TooMany));
        groups.close(0, Answer { first: 0, accepted: 0, misses: Box::default() });
        assert_eq!(groups.open(None, 0), Ok(GROUPS_OPEN_MAX as u32));
        assert_eq!(groups.fillable(0, &[], 0).err(), Some(Refused::Sent));

        let references: Vec<String> = (0..=GROUP_MESSAGES_MAX).map(|n| n.to_string()).collect();
        let drafts: Vec<Draft> = references.iter().map(|reference| Draft::accepted(reference, "0")).collect();
        let (last, fitting) = drafts.split_last().unwrap();
        assert_eq!(groups.fillable(1, &drafts, 0).err(), Some(Refused::TooLarge));
        let group = groups.fillable(1, fitting, 0).unwrap();
        fitting.iter().for_each(|draft| group.add(draft, Code::Ok, 0));
        assert!(groups.fillable(1, fitting, 0).is_ok(), "what it holds already takes no more room");
        assert_eq!(groups.fillable(1, std::slice::from_ref(last), 0).err(), Some(Refused::TooLarge));
    }
}
