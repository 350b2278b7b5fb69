//! The rows of a file, one after another.

use std::fs::File;
use std::path::{Path, PathBuf};

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::masked::mask_within;

use super::detect::{Detected, Encoding, Format};
use super::moment::parse_moment;
use super::plan::Plan;
use super::record::{Scan, scan};
use super::refusal::Refusal;
use super::row::{Layout, Row};
use super::window::Window;
use super::{ROW_BYTES_MAX, object, sheet, unreadable};

/// How much of a line that cannot be read goes into `rejected.csv`: enough to find it by.
const SHOWN_BYTES_MAX: usize = 1_000;

/// Reads rows in the order of the file.
pub struct Reader {
    path: PathBuf,
    window: Window,
    size_bytes: u64,
    form: Form,
    columns: Vec<String>,
    layout: Layout,
    /// Where the next record begins.
    line: u64,
    /// Whether some rows hold bytes that mean nothing.
    broken: bool,
    expires: Expires,
}

enum Form {
    Table {
        delimiter: u8,
    },
    /// As a table whose first column is the row's number in the sheet.
    Sheet,
    Objects(Plan),
}

impl Reader {
    /// Opens what [`super::detect::detect`] found at `path`. A workbook is unpacked into a nameless file in
    /// `spool_dir` first. Fails where a column is missing, and where there is no row.
    pub fn open(path: &Path, detected: &Detected, plan: &Plan, spool_dir: &Path) -> Result<Reader, Failure> {
        let (file, form, encoding) = match detected.format {
            Format::Csv { encoding, delimiter } => (open(path)?, Form::Table { delimiter }, encoding),
            Format::Ndjson => (open(path)?, Form::Objects(plan.clone()), Encoding::Utf8),
            Format::Xlsx => (sheet::spool(path, spool_dir)?, Form::Sheet, Encoding::Utf8),
        };
        let size_bytes = file.metadata().map_err(|error| unreadable(path, &error))?.len();
        let mut reader = Reader {
            path: path.to_owned(),
            window: Window::new(file, encoding.decoder()),
            size_bytes,
            form,
            columns: vec![object::COLUMN.to_owned()],
            layout: object::layout(plan.variables().len()),
            line: 1,
            broken: detected.broken,
            expires: Expires::default(),
        };
        if !matches!(reader.form, Form::Objects(_)) {
            reader.read_header(plan)?;
        }
        if reader.at_end()? {
            return Err(Failure::refused("file-empty").arg("path", path.display()));
        }
        Ok(reader)
    }

    /// The columns as the file names them.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// A row to read into.
    pub fn row(&self) -> Row {
        Row::new(self.layout.clone())
    }

    /// Bytes read so far, and all of them.
    pub fn progress(&self) -> (u64, u64) {
        (self.window.read_bytes(), self.size_bytes)
    }

    /// Reads the next row: `None` at the end, a refusal where this row is not one. What could be read of a refused row
    /// is in `row` all the same. Fails where the file itself cannot be read on.
    pub fn next(&mut self, row: &mut Row) -> Result<Option<Result<(), Refusal>>, Failure> {
        let outcome = match self.form {
            Form::Objects(_) => self.next_object(row),
            Form::Table { .. } | Form::Sheet => self.next_record(row),
        };
        let outcome = outcome.map_err(|error| unreadable(&self.path, &error))?;
        Ok(outcome.map(|outcome| outcome.and_then(|()| self.finish(row))))
    }

    fn read_header(&mut self, plan: &Plan) -> Result<(), Failure> {
        let mut row = Row::new(self.layout.clone());
        row.layout.original = 0..usize::MAX;
        // Any count of cells is right for the first record.
        self.columns.clear();
        match self.next_record(&mut row).map_err(|error| unreadable(&self.path, &error))? {
            None => return Err(Failure::refused("file-empty").arg("path", self.path.display())),
            Some(Err(refusal)) => return Err(refusal.failure()),
            Some(Ok(())) => {}
        }
        let first = usize::from(matches!(self.form, Form::Sheet));
        self.columns = row.original().skip(first).map(|name| name.trim().to_owned()).collect();
        self.layout = plan.layout(&self.columns)?.behind(first);
        Ok(())
    }

    /// Whether only empty rows are left.
    fn at_end(&mut self) -> Result<bool, Failure> {
        let delimiter = char::from(self.delimiter());
        loop {
            let text = self.window.text();
            let is_blank = |c: char| c.is_ascii_whitespace() || c == delimiter;
            if !text.chars().all(is_blank) || text.len() > ROW_BYTES_MAX {
                return Ok(false);
            }
            if self.window.ended() {
                return Ok(true);
            }
            // A line that is only begun must not be cut in two.
            let whole = text.rfind('\n').map_or(0, |at| at + 1);
            self.line += lines(&text[..whole]);
            self.window.pass(whole);
            self.window.fill().map_err(|error| unreadable(&self.path, &error))?;
        }
    }

    fn delimiter(&self) -> u8 {
        if let Form::Table { delimiter } = self.form { delimiter } else { sheet::DELIMITER }
    }

    fn next_record(&mut self, row: &mut Row) -> std::io::Result<Option<Result<(), Refusal>>> {
        let delimiter = self.delimiter();
        loop {
            row.cells.clear();
            let text = self.window.text();
            if text.is_empty() && self.window.ended() {
                return Ok(None);
            }
            match scan(text, delimiter, self.window.ended(), &mut row.cells) {
                Scan::Record(bytes) if bytes <= ROW_BYTES_MAX => {
                    row.line = self.line;
                    self.line += lines(&text[..bytes]);
                    self.window.pass(bytes);
                    if row.cells.is_blank() {
                        continue;
                    }
                    return Ok(Some(self.check_record(row)));
                }
                Scan::Partial if text.len() <= ROW_BYTES_MAX => self.window.fill()?,
                Scan::Record(_) | Scan::Partial | Scan::Quote => return self.refuse_line(row).map(Some),
            }
        }
    }

    fn check_record(&self, row: &mut Row) -> Result<(), Refusal> {
        if matches!(self.form, Form::Sheet) {
            // Our own number, written by `sheet::spool`; the header's cell is empty.
            row.line = row.cells.at(0).parse().unwrap_or(row.line);
        }
        if self.broken && row.cells.text().contains(char::REPLACEMENT_CHARACTER) {
            return Err(Refusal::new(row.line, "row-encoding"));
        }
        let found = row.cells.len() - row.layout.original.start;
        if !self.columns.is_empty() && found != self.columns.len() {
            let refusal = Refusal::new(row.line, "row-columns");
            return Err(refusal.arg("found", found).arg("expected", self.columns.len()));
        }
        Ok(())
    }

    fn next_object(&mut self, row: &mut Row) -> std::io::Result<Option<Result<(), Refusal>>> {
        loop {
            let text = self.window.text();
            let whole = memchr::memchr(b'\n', text.as_bytes());
            let (line, bytes) = match whole {
                Some(at) => (&text[..at], at + 1),
                None if self.window.ended() => (text, text.len()),
                None if text.len() <= ROW_BYTES_MAX => {
                    self.window.fill()?;
                    continue;
                }
                None => return self.refuse_line(row).map(Some),
            };
            if bytes == 0 {
                return Ok(None);
            }
            if bytes > ROW_BYTES_MAX {
                return self.refuse_line(row).map(Some);
            }
            row.line = self.line;
            let line = line.trim_ascii();
            let outcome = self.read_object(line, row);
            let blank = line.is_empty();
            self.line += 1;
            self.window.pass(bytes);
            if !blank {
                return Ok(Some(outcome));
            }
        }
    }

    fn read_object(&self, line: &str, row: &mut Row) -> Result<(), Refusal> {
        let Form::Objects(plan) = &self.form else { return Ok(()) };
        let outcome = object::read(line, plan, &mut row.cells);
        if self.broken && line.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Refusal::new(row.line, "row-encoding"));
        }
        outcome.map_err(|why| Refusal::new(row.line, "row-not-json").arg("why", why))
    }

    /// Refuses the line that the window begins with and passes over it alone, so that reading finds its feet again.
    fn refuse_line(&mut self, row: &mut Row) -> std::io::Result<Result<(), Refusal>> {
        let text = self.window.text();
        let line = memchr::memchr(b'\n', text.as_bytes()).map_or(text, |at| &text[..at]);
        let code = if line.len() < ROW_BYTES_MAX { "row-quote" } else { "row-too-long" };
        row.line = self.line;
        row.cells.clear();
        row.cells.push(&line[..line.floor_char_boundary(SHOWN_BYTES_MAX)]);
        self.line += 1;
        self.window.skip_line()?;
        Ok(Err(Refusal::new(row.line, code).arg("max", ROW_BYTES_MAX)))
    }

    fn finish(&mut self, row: &mut Row) -> Result<(), Refusal> {
        row.expires_at = None;
        let Some(index) = row.layout.expires_at else { return Ok(()) };
        let text = row.cells.at(index).trim_ascii();
        if text.is_empty() {
            return Ok(());
        }
        row.expires_at = self.expires.read(text);
        match row.expires_at {
            Some(_) => Ok(()),
            None => Err(Refusal::new(row.line, "expires-bad").arg("value", mask_within(text))),
        }
    }
}

/// The last expiry read: in most files it is the same in every row.
#[derive(Default)]
struct Expires {
    text: String,
    at: Option<Millis>,
}

impl Expires {
    fn read(&mut self, text: &str) -> Option<Millis> {
        if self.text != text {
            self.at = parse_moment(text);
            text.clone_into(&mut self.text);
        }
        self.at
    }
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| unreadable(path, &error))
}

fn lines(text: &str) -> u64 {
    memchr::memchr_iter(b'\n', text.as_bytes()).count() as u64
}
