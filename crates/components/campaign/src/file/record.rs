//! One record of separated values, cut out of text that is already decoded.
//!
//! RFC 4180, as strict as sending to customers asks for: a quoted cell ends at its closing mark, and anything but a
//! delimiter or a line end behind that is a fault of this row. So a stray mark costs its own line and never merges the
//! lines behind it into one, which is also why this is not left to a general reader. Written by hand on `memchr`: the
//! record lies whole in a window, and most lines hold no mark and are cut in one pass.

use memchr::{memchr, memchr2};

use super::cells::Cells;

/// What the text begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// A record of that many bytes, its line end included.
    Record(usize),
    /// A record that goes on behind the end of the text.
    Partial,
    /// A quotation mark that is not closed, or closed in the middle of a cell.
    Quote,
}

/// Reads the record that `text` begins with into `cells`, which are empty. `ended` says that no text follows.
pub(super) fn scan(text: &str, delimiter: u8, ended: bool, cells: &mut Cells) -> Scan {
    let bytes = text.as_bytes();
    match memchr2(b'\n', b'"', bytes) {
        Some(at) if bytes[at] == b'"' => scan_quoted(text, delimiter, ended, cells),
        Some(at) => {
            cells.push_split(without_return(&text[..at]), delimiter);
            Scan::Record(at + 1)
        }
        None if ended => {
            cells.push_split(without_return(text), delimiter);
            Scan::Record(text.len())
        }
        None => Scan::Partial,
    }
}

fn scan_quoted(text: &str, delimiter: u8, ended: bool, cells: &mut Cells) -> Scan {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        if bytes.get(at) == Some(&b'"') {
            match quoted_cell(text, at + 1, ended, cells) {
                Ok(next) => at = next,
                Err(scan) => return scan,
            }
        } else {
            let Some(length) = memchr2(delimiter, b'\n', &bytes[at..]).or(ended.then(|| bytes.len() - at)) else {
                return Scan::Partial;
            };
            let cell = &text[at..at + length];
            let last = bytes.get(at + length) != Some(&delimiter);
            cells.push(if last { without_return(cell) } else { cell });
            at += length;
        }
        match bytes[at..] {
            [] if ended => return Scan::Record(at),
            [] => return Scan::Partial,
            [b'\n', ..] => return Scan::Record(at + 1),
            [b'\r', b'\n', ..] => return Scan::Record(at + 2),
            [b'\r'] => return if ended { Scan::Record(at + 1) } else { Scan::Partial },
            [byte, ..] if byte == delimiter => at += 1,
            _ => return Scan::Quote,
        }
    }
}

/// Reads a quoted cell from behind its opening mark; the place behind its closing one.
fn quoted_cell(text: &str, mut at: usize, ended: bool, cells: &mut Cells) -> Result<usize, Scan> {
    let bytes = text.as_bytes();
    cells.begin();
    loop {
        let length = memchr(b'"', &bytes[at..]).ok_or(if ended { Scan::Quote } else { Scan::Partial })?;
        cells.piece(&text[at..at + length]);
        at += length + 1;
        match bytes.get(at) {
            Some(b'"') => cells.piece("\""),
            None if !ended => return Err(Scan::Partial),
            _ => break,
        }
        at += 1;
    }
    cells.end();
    Ok(at)
}

fn without_return(line: &str) -> &str {
    line.strip_suffix('\r').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, ended: bool) -> (Scan, Vec<String>) {
        let mut cells = Cells::default();
        let scan = scan(text, b',', ended, &mut cells);
        (scan, (0..cells.len()).map(|index| cells.at(index).to_owned()).collect())
    }

    fn check(text: &str, scan: Scan, cells: &[&str]) {
        let (found, read) = read(text, true);
        assert_eq!(found, scan, "{text:?}");
        assert_eq!(read, cells, "{text:?}");
    }

    #[test]
    fn cells_are_cut_as_rfc_4180_says() {
        check("a,b\nc", Scan::Record(4), &["a", "b"]);
        check("a,b\r\nc", Scan::Record(5), &["a", "b"]);
        check("a,,", Scan::Record(3), &["a", "", ""]);
        check("\"a,\"\"b\"\"\r\nc\",\"d\"\r\ne", Scan::Record(18), &["a,\"b\"\r\nc", "d"]);
        check("\"a\",", Scan::Record(4), &["a", ""]);
        check("\"a\"\r", Scan::Record(4), &["a"]);
        check("\"\"", Scan::Record(2), &[""]);
        // A mark inside a bare cell is a character, as spreadsheets take it.
        check("5\" pipe,\"x\"\n", Scan::Record(12), &["5\" pipe", "x"]);
        check("a,5\"\r\nb", Scan::Record(6), &["a", "5\""]);
    }

    #[test]
    fn a_mark_that_is_not_closed_is_a_fault_of_its_row() {
        assert_eq!(read("\"a,b\nc,d\n", true).0, Scan::Quote);
        assert_eq!(read("\"a\"b,c\n", true).0, Scan::Quote);
        assert_eq!(read("\"a\rb\"\rc\n", true).0, Scan::Quote);
    }

    proptest! {
        #[test]
        fn a_record_is_whole_or_asks_for_more(
            table in proptest::collection::vec(proptest::collection::vec("[a가\",\r\n ]{0,6}", 2..4), 1..4),
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &table {
                writer.write_record(row).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let mut at = 0;
            for row in &table {
                let (scan, cells) = read(&text[at..], true);
                prop_assert_eq!(&cells, row);
                let Scan::Record(bytes) = scan else { panic!("{scan:?}") };
                // Cut anywhere, it is never taken for a shorter record nor for a broken one.
                for cut in (1..bytes).filter(|cut| text.is_char_boundary(at + cut)) {
                    prop_assert_eq!(read(&text[at..at + cut], false).0, Scan::Partial);
                }
                at += bytes;
            }
            prop_assert_eq!(at, text.len());
        }
    }
}
