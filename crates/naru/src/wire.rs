//! What goes between the terminal and a running `serve` line by line, one JSON value a line (NDJSON).

use naru_component::answer::Answer;
use naru_core::failure::Failure;
use serde::{Deserialize, Serialize};

/// The media type that asks for lines instead of one JSON body.
pub const LINES: &str = "application/x-ndjson";

/// How often a server that has nothing new to tell says that it is still there.
pub const HEARTBEAT_S: u64 = 5;

/// One line of an answer: any number of the first, then one of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// `{"progress":[done,total]}`; the total is 0 while it is not known.
    Progress(u64, u64),
    /// `{"answer":{…}}`.
    Answer(Answer),
    /// `{"failure":{…}}`, to be told in the language of whoever reads it.
    Failure(Failure),
}

impl Line {
    /// The line with its end.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("strings, numbers and lists of them serialize");
        bytes.push(b'\n');
        bytes
    }
}

impl From<Result<Answer, Failure>> for Line {
    fn from(outcome: Result<Answer, Failure>) -> Line {
        outcome.map_or_else(Line::Failure, Line::Answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_as_documented() {
        let check = |line: Line, expect: &str| {
            let bytes = line.to_bytes();
            assert_eq!(String::from_utf8_lossy(&bytes), format!("{expect}\n"));
            assert_eq!(serde_json::from_slice::<Line>(&bytes).unwrap(), line);
        };
        check(Line::Progress(3, 10), r#"{"progress":[3,10]}"#);
        check(Line::Answer(Answer::default()), r#"{"answer":{"data":null,"view":[]}}"#);
        check(
            Line::Failure(Failure::not_found("lane-unknown").arg("lane", "a")),
            r#"{"failure":{"kind":"not-found","code":"lane-unknown","args":{"lane":"a"},"causes":[]}}"#,
        );
    }
}
