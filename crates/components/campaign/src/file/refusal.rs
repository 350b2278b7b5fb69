//! What is told about a row that is not taken.

use naru_core::failure::Failure;

/// Letters of a value found, as it is told: enough to recognise it, whatever stood in the file.
const VALUE_CHARS_MAX: usize = 120;

/// Why one row is refused. The others go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where the record begins in the file, from 1; in a workbook the sheet's row.
    pub line: u64,
    /// Stable and kebab-case; the key of its texts.
    pub code: &'static str,
    /// The values found, by the names the texts use; addresses are masked.
    pub args: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(line: u64, code: &'static str) -> Refusal {
        Refusal { line, code, args: Vec::new() }
    }

    pub(super) fn arg(mut self, name: &'static str, value: impl ToString) -> Refusal {
        let mut value = value.to_string();
        if let Some((at, _)) = value.char_indices().nth(VALUE_CHARS_MAX) {
            value.truncate(at);
            value.push('…');
        }
        self.args.push((name, value));
        self
    }

    /// The same as a failure, for terminal, page and API.
    pub fn failure(&self) -> Failure {
        let failure = Failure::refused(self.code).arg("line", self.line);
        self.args.iter().fold(failure, |failure, (name, value)| failure.arg(name, value))
    }
}
