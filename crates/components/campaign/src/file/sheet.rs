//! A workbook's first sheet, unpacked into a table that is read like any other file.
//!
//! Unpacked into a nameless file and not handed over row by row, because a workbook that turns out broken at its last
//! row is refused before its first one is taken, and a million rows need no memory. The first column of that table is
//! the row's number in the sheet. What a zip can swell to is known before anything is unpacked: the sizes in its
//! directory are bounded here, and the unpacker stops where an entry grows past the size it declares.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek};
use std::path::Path;

use calamine::{DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use naru_core::failure::Failure;
use zip::ZipArchive;

use super::number::NumberFormat;
use super::unreadable;

/// Between the cells of the unpacked table.
pub(super) const DELIMITER: u8 = b',';

/// The sheet itself is read as it streams by; a full one, 1,048,576 rows of ten columns, has about half of this.
const SHEET_BYTES_MAX: u64 = 1 << 30;
/// Everything else is held in memory; a million names in shared strings are about a tenth of this.
const PART_BYTES_MAX: u64 = 256 << 20;
/// Entries of the zip: real workbooks have a few dozen.
const PARTS_MAX: usize = 10_000;
/// What Excel itself allows.
const ROWS_MAX: u32 = 1_048_576;
/// Far more than anyone maps, far fewer than the 16,384 that would make each short row a long one.
const COLUMNS_MAX: u32 = 1_024;

/// Refuses a zip that is no workbook, or that would unpack to more than we take.
pub(super) fn check_workbook(path: &Path, file: File) -> Result<(), Failure> {
    let refused = |code| Failure::refused(code).arg("path", path.display());
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|e| refused("workbook-unreadable").cause(&e))?;
    if zip.len() > PARTS_MAX {
        return Err(too_large(path, "parts", zip.len() as u64, PARTS_MAX as u64));
    }
    let mut is_workbook = false;
    let mut parts_bytes = 0u64;
    for index in 0..zip.len() {
        let (name, bytes) = {
            let part = zip.by_index_raw(index).map_err(|e| refused("workbook-unreadable").cause(&e))?;
            let name = part.name().map_err(|e| refused("workbook-unreadable").cause(&e))?;
            (name.to_ascii_lowercase(), part.size())
        };
        is_workbook |= name == "xl/workbook.xml";
        let max = if name.starts_with("xl/worksheets/") {
            SHEET_BYTES_MAX
        } else {
            parts_bytes = parts_bytes.saturating_add(bytes);
            PART_BYTES_MAX
        };
        if bytes.max(parts_bytes) > max {
            return Err(too_large(path, "bytes", bytes.max(parts_bytes), max));
        }
        if name.ends_with("sharedstrings.xml") {
            check_strings(path, &mut zip, index)?;
        }
    }
    if is_workbook { Ok(()) } else { Err(refused("file-not-workbook")) }
}

/// Unpacks the first sheet of the workbook at `path`.
pub(super) fn spool(path: &Path, spool_dir: &Path) -> Result<File, Failure> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    check_workbook(path, file.try_clone().map_err(|error| unreadable(path, &error))?)?;
    let broken = |error: XlsxError| broken(path, &error);
    let mut book = Xlsx::new(BufReader::new(file)).map_err(broken)?;
    let sheets = book.sheets_metadata();
    let is_shown =
        |sheet: &&calamine::Sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible;
    let name = sheets.iter().find(is_shown).map(|sheet| sheet.name.clone());
    let name = name.ok_or_else(|| Failure::refused("file-empty").arg("path", path.display()))?;

    let no_room = |error: io::Error| {
        Failure::unavailable("workbook-no-room")
            .arg("path", path.display())
            .arg("dir", spool_dir.display())
            .cause(&error)
    };
    let spool = tempfile::tempfile_in(spool_dir).map_err(no_room)?;
    let mut table = Table::new(&spool);
    let is_1904 = book.has_1904_epoch();
    let mut cells = book.worksheet_cells_reader(&name).map_err(broken)?;
    let formats: Vec<NumberFormat> = cells.styles().iter().map(number_format).collect();
    while let Some((cell, style)) = cells.next_cell_with_style_id().map_err(broken)? {
        let (row, column) = cell.get_position();
        let text = shown(cell.get_value(), formats.get(style), is_1904);
        // A cell that is only coloured is nobody's, wherever it stands.
        if text.is_empty() {
            continue;
        }
        if row >= ROWS_MAX {
            return Err(too_large(path, "rows", u64::from(row) + 1, u64::from(ROWS_MAX)));
        }
        if column >= COLUMNS_MAX {
            return Err(too_large(path, "columns", u64::from(column) + 1, u64::from(COLUMNS_MAX)));
        }
        table.put(row, column as usize, text).map_err(no_room)?;
    }
    table.end().map_err(no_room)?;
    let mut spool = spool;
    spool.rewind().map_err(no_room)?;
    Ok(spool)
}

/// Rows as they are written to the unpacked table.
struct Table<'a> {
    out: csv::Writer<BufWriter<&'a File>>,
    row: u32,
    cells: Vec<String>,
    /// Columns of the header, which later rows are filled up to: a sheet does not store empty cells.
    width: usize,
}

impl<'a> Table<'a> {
    fn new(file: &'a File) -> Table<'a> {
        let out = csv::WriterBuilder::new().delimiter(DELIMITER).flexible(true).from_writer(BufWriter::new(file));
        Table { out, row: 0, cells: Vec::new(), width: 0 }
    }

    fn put(&mut self, row: u32, column: usize, text: String) -> io::Result<()> {
        if row != self.row {
            self.write()?;
            self.row = row;
        }
        if self.cells.len() <= column {
            self.cells.resize(column + 1, String::new());
        }
        self.cells[column] = text;
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        if self.cells.iter().all(|cell| cell.trim().is_empty()) {
            self.cells.clear();
            return Ok(());
        }
        if self.width == 0 {
            self.width = self.cells.len();
        }
        let missing = self.width.saturating_sub(self.cells.len());
        self.out.write_field((self.row + 1).to_string())?;
        for cell in self.cells.iter().map(String::as_str).chain(std::iter::repeat_n("", missing)) {
            self.out.write_field(cell)?;
        }
        self.out.write_record(None::<&[u8]>)?;
        self.cells.clear();
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        self.write()?;
        self.out.flush()
    }
}

fn number_format(style: &calamine::Style) -> NumberFormat {
    style.number_format.as_ref().map_or_else(NumberFormat::default, |format| NumberFormat::new(&format.format_code))
}

fn shown(value: &DataRef<'_>, format: Option<&NumberFormat>, is_1904: bool) -> String {
    let number =
        |number: f64| format.map_or_else(|| NumberFormat::default().show(number), |format| format.show(number));
    match value {
        DataRef::Int(value) => number(*value as f64),
        DataRef::Float(value) => number(*value),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(truth) => if *truth { "TRUE" } else { "FALSE" }.to_owned(),
        DataRef::DateTime(at) => moment(*at, is_1904),
        // `#N/A` is nothing to send: the row is refused for its missing value.
        DataRef::Error(_) | DataRef::Empty => String::new(),
    }
}

/// A day as `2026-12-24`, with its time where it has one; a time alone, or a duration, as `18:00:00`.
fn moment(at: ExcelDateTime, is_1904: bool) -> String {
    let days = at.as_f64();
    if at.is_duration() || (0.0..1.0).contains(&days) {
        let seconds = (days * 86_400.0).round() as i64;
        let sign = if seconds < 0 { "-" } else { "" };
        let seconds = seconds.unsigned_abs();
        return format!("{sign}{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    }
    // Half a second more, so that a time stored as a fraction of a day is not a second short.
    let near = ExcelDateTime::new(days + 0.5 / 86_400.0, calamine::ExcelDateTimeType::DateTime, is_1904);
    let (year, month, day, hour, minute, second, _) = near.to_ymd_hms_milli();
    match (hour, minute, second) {
        (0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
    }
}

/// The reader makes room for as many shared strings as the part says it has; a part that lies is refused.
fn check_strings<R: Read + Seek>(path: &Path, zip: &mut ZipArchive<R>, index: usize) -> Result<(), Failure> {
    let refused = || Failure::refused("workbook-unreadable").arg("path", path.display());
    let part = zip.by_index(index).map_err(|error| refused().cause(&error))?;
    let bytes = part.size();
    let mut head = Vec::new();
    part.take(HEAD_BYTES).read_to_end(&mut head).map_err(|error| refused().cause(&error))?;
    let count = memchr::memmem::find(&head, UNIQUE_COUNT).map(|at| &head[at + UNIQUE_COUNT.len()..]);
    let digits = count.map_or(0, |rest| rest.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count());
    let count = count.and_then(|rest| std::str::from_utf8(&rest[1..1 + digits]).ok()?.parse::<u64>().ok());
    if digits > 0 && count.is_none_or(|count| count > bytes / STRING_BYTES_MIN) {
        return Err(refused());
    }
    Ok(())
}

/// `<sst …>` stands at the very beginning.
const HEAD_BYTES: u64 = 4_096;
const UNIQUE_COUNT: &[u8] = b"uniqueCount=";
/// `<si/>`
const STRING_BYTES_MIN: u64 = 5;

fn too_large(path: &Path, unit: &str, found: u64, max: u64) -> Failure {
    let failure = Failure::refused("workbook-too-large").arg("path", path.display());
    failure.arg("unit", unit).arg("found", found).arg("max", max)
}

fn broken(path: &Path, error: &XlsxError) -> Failure {
    Failure::refused("workbook-unreadable").arg("path", path.display()).cause(error)
}
