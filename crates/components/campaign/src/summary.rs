//! What is kept of a file that was taken in: how large its messages are, and the first rows that were refused.
//!
//! The engine keeps it with the import and reads nothing in it. No address stands in it but masked ones.

use naru_core::failure::Failure;
use naru_dispatch::template::Measure;
use serde::{Deserialize, Serialize};

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Bytes of the file.
    pub size_bytes: u64,
    /// How long its messages are.
    pub lengths: Lengths,
    /// The first rows that were refused.
    pub refusals: Vec<Failure>,
    /// Why it was not read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Failure>,
}

/// How long messages are, as their channel counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lengths {
    /// All of them together.
    pub sum: u64,
    /// The longest.
    pub longest: u64,
    /// How many are SMS that go out as LMS.
    pub lms: u64,
}

impl Lengths {
    /// One more message.
    pub fn add(&mut self, measure: &Measure) {
        let length = measure.length as u64;
        self.sum += length;
        self.longest = self.longest.max(length);
        self.lms += u64::from(measure.is_lms);
    }
}

impl Summary {
    /// Of a file that was not read to its end.
    pub fn stopped(failure: &Failure) -> Summary {
        Summary { stopped: Some(failure.clone()), ..Summary::default() }
    }

    /// As stored.
    pub fn to_text(&self) -> String {
        // A map with keys of text cannot fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From what is stored; nothing where nothing was said, or by a version that said it otherwise.
    pub fn of(text: &str) -> Option<Summary> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_as_it_was() {
        let mut summary = Summary {
            size_bytes: 9,
            refusals: vec![Failure::refused("row-columns").arg("line", 3)],
            ..Summary::default()
        };
        summary.lengths.add(&Measure { length: 100, max: 2_000, unit: "bytes", is_lms: true });
        summary.lengths.add(&Measure { length: 80, max: 2_000, unit: "bytes", is_lms: false });
        assert_eq!((summary.lengths.sum, summary.lengths.longest, summary.lengths.lms), (180, 100, 1));
        assert_eq!(Summary::of(&summary.to_text()), Some(summary));
        assert_eq!(Summary::of(""), None);
    }
}
