//! Names of things: time-ordered 128-bit ids, and the trace id that follows one message through every log.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Millis;

/// A UUIDv7 (RFC 9562): unique without asking anybody, and ordered by the moment it was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Id(pub [u8; 16]);

impl Id {
    /// Makes a new id at `now`.
    pub fn new(now: Millis) -> Id {
        let (seconds, nanos) = (now.div_euclid(1_000) as u64, now.rem_euclid(1_000) as u32 * 1_000_000);
        let stamp = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos);
        Id(*uuid::Uuid::new_v7(stamp).as_bytes())
    }

    /// Reads an id from exactly 16 stored bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Id> {
        bytes.try_into().ok().map(Id)
    }

    /// The moment the id was made.
    pub fn made_at(&self) -> Millis {
        self.0[..6].iter().fold(0, |all, byte| (all << 8) | Millis::from(*byte))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hex = [0u8; 32];
        f.write_str(write_hex(&self.0, &mut hex))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Id {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Id, BadId> {
        uuid::Uuid::try_parse(text).map(|id| Id(*id.as_bytes())).map_err(|_| BadId)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut hex = [0u8; 32];
        serializer.serialize_str(write_hex(&self.0, &mut hex))
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected 32 hexadecimal digits")]
pub struct BadId;

/// Follows one unit of work through every log line: 32 hex digits, the first 8 the epoch second it began.
pub fn trace_id(now: Millis) -> String {
    let mut bytes = random();
    bytes[..4].copy_from_slice(&((now / 1_000) as u32).to_be_bytes());
    let mut hex = [0u8; 32];
    write_hex(&bytes, &mut hex).to_owned()
}

/// Random bytes, fetched many at a time: every request takes some, and each fetch is a call into the system.
fn random() -> [u8; 16] {
    const FETCHED: usize = 64;
    thread_local! {
        static LEFT: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
    }
    LEFT.with_borrow_mut(|left| {
        left.pop().unwrap_or_else(|| {
            left.resize(FETCHED, [0; 16]);
            // A random source that fails leaves zeros: a trace id is for reading, not for safety.
            let _ = getrandom::fill(left.as_flattened_mut());
            left.pop().unwrap_or_default()
        })
    })
}

/// Writes `bytes` as lower-case hex into `out`, which must be twice as long, and returns it as text.
pub fn write_hex<'a>(bytes: &[u8], out: &'a mut [u8]) -> &'a str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    std::str::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_and_reads_back_and_keeps_its_moment() {
        let id = Id::new(1_795_361_400_123);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.made_at(), 1_795_361_400_123);
        assert_eq!("nonsense".parse::<Id>(), Err(BadId));
    }

    #[test]
    fn a_trace_id_begins_with_its_second() {
        let trace = trace_id(1_795_361_400_123);
        assert_eq!(trace.len(), 32);
        assert_eq!(&trace[..8], format!("{:08x}", 1_795_361_400));
    }

    #[test]
    fn no_two_trace_ids_of_a_second_are_the_same() {
        let traces: std::collections::HashSet<String> = (0..1_000).map(|_| trace_id(1_795_361_400_123)).collect();
        assert_eq!(traces.len(), 1_000);
    }
}
