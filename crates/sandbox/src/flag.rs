//! The values that flags of their own kind take.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How well a vendor helps a client that did not hear the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Not at all: what is sent again is accepted again.
    None,
    /// It answers what became of a key or a reference.
    Lookup,
    /// A repeated key gets the first answer again and sends nothing.
    #[default]
    Key,
    /// As `key`; and messages can be put into a group first and sent, or deleted, by a second call.
    TwoPhase,
}

/// A span of milliseconds; written `MIN..MAX`, or one number for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DelayRange {
    /// The shortest delay.
    pub min_ms: u32,
    /// The longest delay.
    pub max_ms: u32,
}

impl DelayRange {
    /// The delay that a number drawn evenly from all of `u64` stands for.
    pub(crate) fn pick(&self, drawn: u64) -> u64 {
        let span = u64::from(self.max_ms.saturating_sub(self.min_ms)) + 1;
        u64::from(self.min_ms) + drawn % span
    }
}

impl FromStr for DelayRange {
    type Err = String;

    fn from_str(text: &str) -> Result<DelayRange, String> {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        let read = |ms: &str| ms.trim().parse().map_err(|_| format!("{ms:?} is not a number of milliseconds"));
        let (min_ms, max_ms) = (read(min)?, read(max)?);
        if min_ms > max_ms {
            return Err(format!("{min_ms} is more than {max_ms}: expected MIN..MAX"));
        }
        Ok(DelayRange { min_ms, max_ms })
    }
}

impl TryFrom<String> for DelayRange {
    type Error = String;

    fn try_from(text: String) -> Result<DelayRange, String> {
        text.parse()
    }
}

impl From<DelayRange> for String {
    fn from(range: DelayRange) -> String {
        range.to_string()
    }
}

impl fmt::Display for DelayRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.min_ms, self.max_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_read_and_stay_in_their_range() {
        let range: DelayRange = "100..102".parse().unwrap();
        assert_eq!((0..4).map(|drawn| range.pick(drawn)).collect::<Vec<_>>(), [100, 101, 102, 100]);
        assert_eq!("7".parse(), Ok(DelayRange { min_ms: 7, max_ms: 7 }));
        assert_eq!(range.to_string(), "100..102");
        assert!("5..1".parse::<DelayRange>().unwrap_err().contains("5 is more than 1"));
        assert!("soon".parse::<DelayRange>().is_err());
    }
}
