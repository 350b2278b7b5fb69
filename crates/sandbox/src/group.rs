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
    stage: Stage,
}

/// How far a group is.
enum Stage {
    /// It takes messages and can be sent or deleted.
    Open,
    /// It was sent, and answered this.
    Sent(Answer),
    /// It was deleted. Its key stays known, so that no late call of the same client opens another one.
    Deleted,
}

/// Why a group refuses a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is none of that number.
    NotFound,
    /// It was sent.
    Sent,
    /// It was deleted.
    Deleted,
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
        self.sent().map_or(self.rows.len(), Answer::len)
    }

    /// What sending it was answered.
    pub fn sent(&self) -> Option<&Answer> {
        match &self.stage {
            Stage::Sent(answer) => Some(answer),
            Stage::Open | Stage::Deleted => None,
        }
    }

    /// Whether it was deleted.
    pub fn is_deleted(&self) -> bool {
        matches!(self.stage, Stage::Deleted)
    }

    /// As it is told of.
    pub fn state(&self) -> &'static str {
        match self.stage {
            Stage::Open => "open",
            Stage::Sent(_) => "sent",
            Stage::Deleted => "deleted",
        }
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
        self.groups.insert(number, Group { at: now, key, rows: Vec::new(), seen: HashMap::new(), stage: Stage::Open });
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
        match group.stage {
            Stage::Sent(_) => Err(Refused::Sent),
            Stage::Deleted => Err(Refused::Deleted),
            Stage::Open if group.rows.len() + more > GROUP_MESSAGES_MAX => Err(Refused::TooLarge),
            Stage::Open => Ok(group),
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
            group.stage = Stage::Sent(answer);
            self.open -= 1;
        }
    }

    /// Deletes a group that was not sent; answers whether it was there until now.
    pub fn delete(&mut self, number: u32, now: Micros) -> Result<bool, Refused> {
        self.expire(now);
        let group = self.groups.get_mut(&number).ok_or(Refused::NotFound)?;
        match group.stage {
            Stage::Sent(_) => Err(Refused::Sent),
            Stage::Deleted => Ok(false),
            Stage::Open => {
                (group.stage, group.rows, group.seen) = (Stage::Deleted, Vec::new(), HashMap::new());
                self.open -= 1;
                Ok(true)
            }
        }
    }

    fn expire(&mut self, now: Micros) {
        while let Some(oldest) = self.groups.first_entry()
            && oldest.get().at + self.life <= now
        {
            let group = oldest.remove();
            self.open -= usize::from(matches!(group.stage, Stage::Open));
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
    fn a_deleted_group_makes_room_and_keeps_its_key() {
        let mut groups = Groups::new(100);
        let number = groups.open(Some("k"), 0).unwrap();
        assert_eq!((groups.delete(number, 0), groups.delete(number, 0)), (Ok(true), Ok(false)));
        assert_eq!((groups.open, groups.keyed("k", 99)), (0, Some(number)));
        assert_eq!(groups.fillable(number, &[], 0).err(), Some(Refused::Deleted));
        assert_eq!(groups.delete(number, 100), Err(Refused::NotFound));
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
