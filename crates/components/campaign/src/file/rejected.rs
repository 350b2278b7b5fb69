//! `rejected.csv`: the rows that were refused, with the reason, as a file that can be mended and sent again.
//!
//! Line, code, detail and hint stand before the original columns, which keep their names: an intake passes over columns
//! it does not know. UTF-8 with its mark and CRLF, so that Excel opens it by a double click. For the same reason a cell
//! that Excel would run as a formula (`=`, `+`, `-`, `@`, tab or return first) gets an apostrophe before it, unless it
//! is a plain number or a phone number, which must come back as they were.

use std::io::Write;
use std::sync::Arc;

use naru_core::failure::Failure;
use naru_core::text::{Lang, Texts};

use super::refusal::Refusal;
use super::row::Row;

/// The columns before the original ones.
pub const COLUMNS: [&str; 4] = ["line", "code", "detail", "hint"];

/// Writes refused rows.
pub struct Rejected<W: Write> {
    out: csv::Writer<W>,
    texts: Arc<Texts>,
    lang: Lang,
    count: u64,
    /// Original columns that are left out: a file that is itself a `rejected.csv` has ours already.
    skipped: usize,
}

impl<W: Write> Rejected<W> {
    /// Begins a file whose original has `columns`; sentences are in `lang`.
    pub fn new(mut out: W, columns: &[String], texts: Arc<Texts>, lang: Lang) -> Result<Rejected<W>, Failure> {
        out.write_all(b"\xEF\xBB\xBF").map_err(|error| unwritable(&error))?;
        let out = csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(out);
        let ours = columns.len() > COLUMNS.len() && columns.iter().zip(COLUMNS).all(|(column, name)| column == name);
        let skipped = if ours { COLUMNS.len() } else { 0 };
        let mut rejected = Rejected { out, texts, lang, count: 0, skipped };
        let originals = columns.iter().skip(skipped).map(String::as_str);
        rejected.record(COLUMNS.into_iter().chain(originals)).map_err(|error| unwritable(&error))?;
        Ok(rejected)
    }

    /// Adds a row.
    pub fn write(&mut self, refusal: &Refusal, row: &Row) -> Result<(), Failure> {
        let failure = refusal.failure();
        let line = refusal.line.to_string();
        let detail = self.texts.detail(self.lang, &failure);
        let hint = self.texts.hint(self.lang, &failure).unwrap_or_default();
        let cells = [line.as_str(), refusal.code, &detail, &hint];
        self.count += 1;
        self.record(cells.into_iter().chain(row.original().skip(self.skipped))).map_err(|error| unwritable(&error))
    }

    /// How many rows it has.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Writes what is still held back and gives the writer again.
    pub fn finish(self) -> Result<W, Failure> {
        self.out.into_inner().map_err(|error| unwritable(error.error()))
    }

    fn record<'a>(&mut self, cells: impl Iterator<Item = &'a str>) -> std::io::Result<()> {
        for cell in cells {
            if runs_as_formula(cell) {
                self.out.write_field(format!("'{cell}"))?;
            } else {
                self.out.write_field(cell)?;
            }
        }
        self.out.write_record(None::<&[u8]>)?;
        Ok(())
    }
}

/// Whether a spreadsheet would run `cell` instead of showing it.
fn runs_as_formula(cell: &str) -> bool {
    let Some(first) = cell.chars().next() else { return false };
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | ',' | '(' | ')'));
    match first {
        '=' | '@' | '\t' | '\r' => true,
        '+' | '-' => !plain(&cell[1..]),
        _ => false,
    }
}

fn unwritable(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::unavailable("rejected-unwritable").cause(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_formulas_are_defused() {
        for cell in ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+A1", "\t=1", "-"] {
            assert_eq!(runs_as_formula(cell), cell != "-", "{cell}");
        }
        for cell in ["", "+82 10-1234-5678", "-3,900.5", "010-1234-5678", "가=나", "a@b.kr"] {
            assert!(!runs_as_formula(cell), "{cell}");
        }
    }
}
