//! The narrow row beside a frame: what became of each of its messages.
//!
//! One byte a slot, and a checksum of its own, so that storing an outcome never touches the body. Counts are counted
//! from the slots each time the row is written; they are columns so that an account is a sum, not a scan.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::Xxh3;

use crate::account::Account;

/// What became of one message. The number is what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// Not sent yet, or being sent.
    Pending = 0,
    /// May or may not have left; not resolved.
    Unknown = 1,
    /// The provider took it.
    Sent = 2,
    /// Refused for good, by us or by the provider, or reported as not delivered.
    Failed = 3,
    /// Too old to send, or given up by the provider in time.
    Expired = 4,
    /// Kept back by consent, suppression or the list of test recipients.
    Suppressed = 5,
    /// Cancelled by a person before it was sent.
    Cancelled = 6,
    /// Reported as delivered.
    Delivered = 7,
}

impl State {
    /// Every state, in stored order.
    pub const ALL: [State; 8] = [
        State::Pending,
        State::Unknown,
        State::Sent,
        State::Failed,
        State::Expired,
        State::Suppressed,
        State::Cancelled,
        State::Delivered,
    ];

    /// Its name in answers and the API.
    pub fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Unknown => "unknown",
            State::Sent => "sent",
            State::Failed => "failed",
            State::Expired => "expired",
            State::Suppressed => "suppressed",
            State::Cancelled => "cancelled",
            State::Delivered => "delivered",
        }
    }

    fn from_byte(byte: u8) -> Option<State> {
        State::ALL.get(usize::from(byte)).copied()
    }

    /// How far along a state is: a message only moves to a higher rank.
    fn rank(self) -> u8 {
        match self {
            State::Pending => 0,
            State::Unknown => 1,
            State::Sent => 2,
            State::Failed | State::Expired => 3,
            // Ends of their own: nothing was sent, so no report can follow.
            State::Suppressed | State::Cancelled => 4,
            State::Delivered => 5,
        }
    }
}

/// The states of one frame's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    states: Vec<u8>,
    /// Code of an end that is not plain, and the slots that have it.
    codes: BTreeMap<String, Vec<u16>>,
    account: Account,
}

/// As stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideRow {
    /// One byte a slot.
    pub states: Vec<u8>,
    /// `code:slot,slot;code:slot`.
    pub codes: String,
    /// Over both.
    pub checksum: i64,
}

impl Side {
    /// All pending.
    pub fn new(count: usize) -> Side {
        Side { states: vec![State::Pending as u8; count], codes: BTreeMap::new(), account: Account::pending(count) }
    }

    /// Reads a stored row; `None` where a byte of it is not what was written.
    pub fn read(row: &SideRow) -> Option<Side> {
        if checksum(&row.states, &row.codes) != row.checksum {
            return None;
        }
        let mut account = Account::default();
        for byte in &row.states {
            account.add(State::from_byte(*byte)?, 1);
        }
        account.accepted = row.states.len() as u64;
        Some(Side { states: row.states.clone(), codes: read_codes(&row.codes)?, account })
    }

    /// As it is stored.
    pub fn row(&self) -> SideRow {
        let codes = write_codes(&self.codes);
        SideRow { checksum: checksum(&self.states, &codes), states: self.states.clone(), codes }
    }

    /// The number of slots.
    pub fn count(&self) -> usize {
        self.states.len()
    }

    /// The state of a slot; a slot that is not there counts as unknown.
    pub fn state(&self, slot: u16) -> State {
        self.states.get(usize::from(slot)).and_then(|byte| State::from_byte(*byte)).unwrap_or(State::Unknown)
    }

    /// The code of a slot's end, where it has one.
    pub fn code(&self, slot: u16) -> Option<&str> {
        self.codes.iter().find(|(_, slots)| slots.contains(&slot)).map(|(code, _)| code.as_str())
    }

    /// Moves a slot forward; answers whether it moved. A step back, or one to where it is, changes nothing.
    pub fn advance(&mut self, slot: u16, to: State, code: &str) -> bool {
        let from = self.state(slot);
        let back = to.rank() <= from.rank() && !(planted!(ReceiptBackwards) && to != from && from != State::Pending);
        if back || usize::from(slot) >= self.states.len() {
            return false;
        }
        self.states[usize::from(slot)] = to as u8;
        self.account.take(from, 1);
        self.account.add(to, 1);
        if from != State::Pending {
            self.codes.retain(|_, slots| {
                slots.retain(|known| *known != slot);
                !slots.is_empty()
            });
        }
        if !code.is_empty() {
            self.codes.entry(clean(code)).or_default().push(slot);
        }
        true
    }

    /// The counts, counted from the slots.
    pub fn account(&self) -> Account {
        self.account
    }

    /// Whether anything is still to be sent.
    pub fn has_pending(&self) -> bool {
        self.account.pending > 0
    }

    /// How many slots each code ended.
    pub fn codes(&self) -> impl Iterator<Item = (&str, &[u16])> {
        self.codes.iter().map(|(code, slots)| (code.as_str(), slots.as_slice()))
    }
}

fn checksum(states: &[u8], codes: &str) -> i64 {
    let mut hash = Xxh3::new();
    hash.update(states);
    hash.update(codes.as_bytes());
    hash.digest() as i64
}

/// A provider's code is outside text: only what the stored form and a metric's label can hold.
fn clean(code: &str) -> String {
    code.chars()
        .take(64)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .collect()
}

fn write_codes(codes: &BTreeMap<String, Vec<u16>>) -> String {
    let mut text = String::new();
    for (code, slots) in codes {
        if !text.is_empty() {
            text.push(';');
        }
        text.push_str(code);
        text.push(':');
        for (index, slot) in slots.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&slot.to_string());
        }
    }
    text
}

fn read_codes(text: &str) -> Option<BTreeMap<String, Vec<u16>>> {
    let mut codes = BTreeMap::new();
    for part in text.split(';').filter(|part| !part.is_empty()) {
        let (code, slots) = part.split_once(':')?;
        let slots = slots.split(',').map(|slot| slot.parse().ok()).collect::<Option<Vec<u16>>>()?;
        codes.insert(code.to_owned(), slots);
    }
    Some(codes)
}

/// The codes of a stored row and how many slots have each, without reading which.
pub fn count_codes(text: &str) -> impl Iterator<Item = (&str, u64)> {
    let parts = text.split(';').filter_map(|part| part.split_once(':'));
    parts.map(|(code, slots)| (code, 1 + slots.bytes().filter(|byte| *byte == b',').count() as u64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_state() -> impl Strategy<Value = State> {
        (0u8..8).prop_map(|byte| State::from_byte(byte).unwrap())
    }

    proptest! {
        #[test]
        fn the_account_is_what_the_slots_say_and_survives_storage(
            count in 1usize..50,
            moves in proptest::collection::vec((0u16..60, any_state(), "[a-z;:,]{0,5}"), 0..200),
        ) {
            let mut side = Side::new(count);
            for (slot, state, code) in &moves {
                let before = side.state(*slot);
                let moved = side.advance(*slot, *state, code);
                prop_assert!(!moved || side.state(*slot).rank() > before.rank());
            }
            for state in State::ALL {
                let slots = (0..count).filter(|slot| side.state(*slot as u16) == state).count();
                prop_assert_eq!(side.account().of(state), slots as u64);
            }
            prop_assert!(side.account().balances());
            let row = side.row();
            let counted: Vec<(&str, u64)> = count_codes(&row.codes).collect();
            let known = side.codes.iter().map(|(code, slots)| (code.as_str(), slots.len() as u64));
            prop_assert_eq!(counted, known.collect::<Vec<_>>());
            prop_assert_eq!(Side::read(&side.row()), Some(side));
        }

        #[test]
        fn a_flipped_bit_is_found(count in 1usize..50, at in any::<proptest::sample::Index>(), bit in 0u8..8) {
            let mut side = Side::new(count);
            side.advance(0, State::Failed, "unknown-number");
            let mut row = side.row();
            row.states[at.index(count)] ^= 1 << bit;
            prop_assert_eq!(Side::read(&row), None);
        }
    }

    #[test]
    fn a_report_never_moves_a_message_back() {
        let mut side = Side::new(1);
        assert!(side.advance(0, State::Delivered, ""));
        for late in [State::Sent, State::Failed, State::Expired, State::Unknown, State::Pending, State::Suppressed] {
            assert!(!side.advance(0, late, "late"), "{late:?}");
        }
        assert_eq!(side.code(0), None);
    }
}
