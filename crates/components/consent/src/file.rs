//! A file of consents: CSV with the columns `address`, `channel`, `night`, `given_at` and `evidence`, in any order.
//!
//! Encodings are told apart by content, since no file says its own: valid UTF-8 throughout is UTF-8, with or without a
//! byte order mark; everything else is CP949, which is what Korean Excel writes. A bad row is refused by itself, with
//! its line and a code, and the others go on: a consent that was not understood is a consent that was not given.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use csv::ByteRecord;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::masked::{mask, mask_within};
use naru_dispatch::address::normalise;
use naru_dispatch::message::Channel;

use crate::ledger::given::Given;
use crate::ledger::{ADDRESS_BYTES_MAX, TEXT_BYTES_MAX};

/// Rows that are read together: some 30 MB. They are stored in the order of their addresses, and the more there are,
/// the more of them fall on one page of the index: in the order of the file each row would write a page of its own.
const CHUNK_ROWS: usize = 200_000;
/// A row longer than this is a quote that was never closed, which would read the rest of the file into one cell.
const ROW_BYTES_MAX: usize = 64 * 1024;
const READ_BYTES: usize = 64 * 1024;
/// What is told of a first line that is not what it should be.
const NAMES_SHOWN_MAX: usize = 20;
const NAME_CHARS_SHOWN_MAX: usize = 30;

/// An opened file.
pub struct ConsentFile {
    reader: csv::Reader<Bounded<Source>>,
    record: ByteRecord,
    columns: Columns,
    encoding: Encoding,
    bytes: u64,
    failed: Option<Failure>,
    /// No consent is younger than the moment of its reading.
    now: Millis,
}

/// A line break is put after the file's end, so that each row has one: see [`ConsentFile::first_line`].
type Source = io::Chain<File, &'static [u8]>;

/// Rows that were read together.
#[derive(Default)]
pub struct Chunk {
    /// The good ones, by address.
    pub given: Vec<Given>,
    /// The others.
    pub refused: Vec<Refusal>,
}

/// A row that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// Why: the key of its sentence.
    pub code: &'static str,
}

impl ConsentFile {
    /// Finds out the encoding and the columns.
    pub fn open(path: &Path, now: Millis) -> Result<ConsentFile, Failure> {
        let encoding = Encoding::of(path)?;
        let file = File::open(path).map_err(|e| unreadable(&e))?;
        let bytes = file.metadata().map_err(|e| unreadable(&e))?.len();
        let source = Bounded { source: file.chain(&b"\n"[..]), left: ROW_BYTES_MAX + READ_BYTES };
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .buffer_capacity(READ_BYTES)
            // A carriage return before it stays in the last cell, where it is trimmed away.
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(source);
        let header = reader.byte_headers().map_err(|e| row_error(e, 1))?;
        let columns = Columns::of(header, encoding)?;
        Ok(ConsentFile { reader, record: ByteRecord::new(), columns, encoding, bytes, failed: None, now })
    }

    /// How many rows the file has, guessed from the bytes that the first `read` of them took.
    pub fn rows_about(&self, read: u64) -> u64 {
        let bytes_done = self.reader.position().byte().clamp(1, self.bytes.max(1));
        (u128::from(read) * u128::from(self.bytes.max(1)) / u128::from(bytes_done)) as u64
    }

    /// The next rows; `None` at the end. What ends the reading early is told after the rows before it.
    pub fn chunk(&mut self) -> Result<Option<Chunk>, Failure> {
        let mut chunk = Chunk::default();
        while self.failed.is_none() && chunk.given.len() + chunk.refused.len() < CHUNK_ROWS {
            let line = self.reader.position().line();
            self.reader.get_mut().left = ROW_BYTES_MAX + READ_BYTES;
            match self.reader.read_byte_record(&mut self.record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(e) => {
                    self.failed = Some(row_error(e, line));
                    break;
                }
            }
            if self.record.as_slice().trim_ascii().is_empty() && self.record.len() == 1 {
                continue;
            }
            match self.columns.read(&self.record, self.encoding, self.now) {
                Ok(given) => chunk.given.push(given),
                Err(code) => chunk.refused.push(Refusal { line: self.first_line(), code }),
            }
        }
        if chunk.given.len() + chunk.refused.len() == 0 {
            return self.failed.take().map_or(Ok(None), Err);
        }
        chunk.given.sort_unstable_by(|one, other| one.address.cmp(&other.address));
        Ok(Some(chunk))
    }

    /// The line on which the last row begins. Counted back from its end, since the reader's own position before a row
    /// is also before the empty lines that it passes over.
    fn first_line(&self) -> u64 {
        let inside = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        self.reader.position().line() - 1 - inside
    }
}

/// Where the columns stand.
struct Columns {
    count: usize,
    address: usize,
    channel: usize,
    night: usize,
    given_at: usize,
    evidence: usize,
}

impl Columns {
    fn of(header: &ByteRecord, encoding: Encoding) -> Result<Columns, Failure> {
        let names: Vec<String> = header
            .iter()
            .map(|cell| encoding.text(cell).map(|name| name.trim().to_lowercase()).unwrap_or_default())
            .collect();
        let place = |name: &str| match names.iter().filter(|found| *found == name).count() {
            0 => Err(missing(name, &names)),
            1 => Ok(names.iter().position(|found| found == name).unwrap_or_default()),
            _ => Err(Failure::refused("consent-column-twice").arg("column", name)),
        };
        Ok(Columns {
            count: names.len(),
            address: place("address")?,
            channel: place("channel")?,
            night: place("night")?,
            given_at: place("given_at")?,
            evidence: place("evidence")?,
        })
    }

    fn read(&self, record: &ByteRecord, encoding: Encoding, now: Millis) -> Result<Given, &'static str> {
        if record.len() != self.count {
            return Err("consent-row-columns");
        }
        let cell = |place: usize| {
            // PostgreSQL keeps no zero byte in a text.
            let text = encoding.text(&record[place]).filter(|text| !text.contains('\0'));
            text.ok_or("consent-row-encoding")
        };
        let channel: Channel =
            cell(self.channel)?.trim().to_lowercase().parse().map_err(|()| "consent-channel-unknown")?;
        let address = normalise(channel, &cell(self.address)?)
            .filter(|address| address.reveal().len() <= ADDRESS_BYTES_MAX)
            .ok_or("consent-address-bad")?;
        let night = night(&cell(self.night)?).ok_or("consent-night-bad")?;
        let at = moment(cell(self.given_at)?.trim()).ok_or("consent-given-bad")?;
        if at > now {
            return Err("consent-given-future");
        }
        let evidence = cell(self.evidence)?.trim().to_owned();
        match evidence.len() {
            0 => Err("consent-evidence-missing"),
            1..=TEXT_BYTES_MAX => Ok(Given { address, channel, at, night, evidence }),
            _ => Err("consent-evidence-long"),
        }
    }
}

/// A first line with an address in it is a customer's, whose name is not told either.
fn missing(column: &str, names: &[String]) -> Failure {
    match names.iter().find(|name| mask_within(name) != **name) {
        Some(name) => Failure::refused("consent-header-missing").arg("address", mask(name)),
        None => Failure::refused("consent-column-missing").arg("column", column).arg("found", shown(names)),
    }
}

/// The first names.
fn shown(names: &[String]) -> String {
    let one = |name: &String| name.chars().take(NAME_CHARS_SHOWN_MAX).collect::<String>();
    names.iter().take(NAMES_SHOWN_MAX).map(one).collect::<Vec<_>>().join(", ")
}

/// An empty cell says nothing about the night, so nothing is allowed there.
fn night(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "y" | "yes" | "true" => Some(true),
        "" | "0" | "n" | "no" | "false" => Some(false),
        _ => None,
    }
}

/// RFC 3339 with its offset, or a date, or date and time on a Korean clock. Nothing from before 1970.
fn moment(text: &str) -> Option<Millis> {
    let at = match text.parse::<jiff::Timestamp>() {
        Ok(at) => at,
        // A civil time would read past the name of another zone.
        Err(_) if text.contains(['[', '+']) => return None,
        Err(_) => jiff::tz::Offset::constant(9).to_timestamp(text.parse::<jiff::civil::DateTime>().ok()?).ok()?,
    };
    Some(at.as_millisecond()).filter(|at| *at >= 0)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Cp949,
}

impl Encoding {
    /// Reads the whole file, which costs a tenth of what parsing it costs.
    fn of(path: &Path) -> Result<Encoding, Failure> {
        let mut file = File::open(path).map_err(|e| unreadable(&e))?;
        let mut buffer = vec![0; READ_BYTES];
        // Bytes at the front that the last reading cut out of the middle of a character.
        let mut kept = 0;
        let (mut first, mut utf8) = (true, true);
        while utf8 {
            let read = file.read(&mut buffer[kept..]).map_err(|e| unreadable(&e))?;
            let text = &buffer[..kept + read];
            if first && OTHER_FORMATS.iter().any(|mark| text.starts_with(mark)) {
                return Err(Failure::refused("consent-file-not-csv"));
            }
            first = false;
            if read == 0 {
                utf8 = kept == 0;
                break;
            }
            let (sound, cut) = match std::str::from_utf8(text) {
                Ok(_) => (text.len(), true),
                Err(e) => (e.valid_up_to(), e.error_len().is_none()),
            };
            utf8 = cut;
            let end = text.len();
            buffer.copy_within(sound..end, 0);
            kept = end - sound;
        }
        Ok(if utf8 { Encoding::Utf8 } else { Encoding::Cp949 })
    }

    fn text(self, cell: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Encoding::Utf8 => std::str::from_utf8(cell).ok().map(Cow::Borrowed),
            // The standard's name for what Korean Windows calls CP949.
            Encoding::Cp949 => encoding_rs::EUC_KR.decode_without_bom_handling_and_without_replacement(cell),
        }
    }
}

/// A workbook (zip or OLE) and UTF-16, by their first bytes.
const OTHER_FORMATS: [&[u8]; 4] = [b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\xff\xfe", b"\xfe\xff"];

/// Fails rather than give one row more than its bound.
struct Bounded<R> {
    source: R,
    left: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let most = buffer.len().min(self.left);
        let read = self.source.read(&mut buffer[..most])?;
        self.left -= read;
        Ok(read)
    }
}

fn row_error(error: csv::Error, line: u64) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(e) if e.kind() == io::ErrorKind::FileTooLarge => {
            Failure::refused("consent-row-long").arg("line", line).arg("bytes", ROW_BYTES_MAX)
        }
        csv::ErrorKind::Io(e) => unreadable(&e),
        kind => Failure::bug(format!("csv: {kind:?}")),
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::refused("consent-file-unreadable").cause(error)
}
