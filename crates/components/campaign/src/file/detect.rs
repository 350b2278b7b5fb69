//! What a file is, told by its content and never by its name.
//!
//! Text without a mark is UTF-8 where the whole file is, else CP949 (Windows-949, as Korean Excel writes CSV) where the
//! whole file is: guessing from the beginning would send the first broken name to a customer. Text that is mostly UTF-8
//! and broken in places is refused and not read as CP949, which would take much of it without complaint. With the mark
//! of UTF-8, and in NDJSON, the encoding is settled, and broken bytes cost their own row.

use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;

use naru_core::failure::Failure;
use sha2::{Digest, Sha256};

use super::{read_chunk, sheet, unreadable};

/// Read at once while looking through the file; the header line is looked for in the first of it.
const CHUNK_BYTES: usize = 256 * 1024;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// How rows stand in it.
    pub format: Format,
    /// Its size.
    pub size_bytes: u64,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// Whether some rows hold bytes that mean nothing in the encoding.
    pub(super) broken: bool,
}

/// How rows stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Separated values.
    Csv {
        /// How text is written.
        encoding: Encoding,
        /// Comma, tab or semicolon.
        delimiter: u8,
    },
    /// A JSON object a line.
    Ndjson,
    /// An Excel workbook.
    Xlsx,
}

/// How text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// With or without its mark.
    Utf8,
    /// Windows-949: EUC-KR and the syllables it lacks.
    Cp949,
}

impl Encoding {
    pub(super) fn decoder(self) -> &'static encoding_rs::Encoding {
        match self {
            Encoding::Utf8 => encoding_rs::UTF_8,
            // What the web calls EUC-KR is Windows-949.
            Encoding::Cp949 => encoding_rs::EUC_KR,
        }
    }
}

/// Looks through the file at `path`.
pub fn detect(path: &Path) -> Result<Detected, Failure> {
    let refused = |code| Failure::refused(code).arg("path", path.display());
    let read = |error: io::Error| unreadable(path, &error);
    let mut file = File::open(path).map_err(read)?;
    let survey = survey(&mut file).map_err(read)?;
    let head = survey.head.as_slice();
    let detected = |format, broken| Detected { format, size_bytes: survey.size_bytes, sha256: survey.sha256, broken };

    match head {
        [] => return Err(refused("file-empty")),
        [b'P', b'K', 3, 4, ..] => {
            sheet::check_workbook(path, file)?;
            return Ok(detected(Format::Xlsx, false));
        }
        // A compound file: Excel before 2007, and workbooks with a password.
        [0xD0, 0xCF, 0x11, 0xE0, ..] => return Err(refused("file-xls")),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => return Err(refused("file-utf16")),
        _ if survey.nul => return Err(refused("file-binary")),
        _ => {}
    }
    let marked = head.starts_with(UTF_8_MARK);
    let text = head.strip_prefix(UTF_8_MARK).unwrap_or(head);
    match text.trim_ascii_start() {
        [b'{', ..] => return Ok(detected(Format::Ndjson, survey.fault.is_some())),
        [b'[', rest @ ..] if rest.trim_ascii_start().starts_with(b"{") => return Err(refused("file-json")),
        _ => {}
    }
    if memchr::memchr(b'\n', text).is_none() && text.trim_ascii().contains(&b'\r') {
        return Err(refused("file-old-mac"));
    }
    let encoding = match &survey.fault {
        None => Encoding::Utf8,
        Some(_) if marked => Encoding::Utf8,
        Some(fault) if fault.mostly_utf8 => return Err(refused("file-encoding").arg("line", fault.line)),
        Some(_) => match cp949_fault(&mut file).map_err(read)? {
            None => Encoding::Cp949,
            Some(line) => return Err(refused("file-encoding").arg("line", line)),
        },
    };
    let broken = encoding == Encoding::Utf8 && survey.fault.is_some();
    Ok(detected(Format::Csv { encoding, delimiter: delimiter(text) }, broken))
}

const UTF_8_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What one pass over the bytes finds.
struct Survey {
    size_bytes: u64,
    sha256: [u8; 32],
    head: Vec<u8>,
    nul: bool,
    fault: Option<Fault>,
}

/// Where the file stops being UTF-8.
struct Fault {
    line: u64,
    /// Whether what surrounds it is UTF-8 all the same.
    mostly_utf8: bool,
}

fn survey(file: &mut File) -> io::Result<Survey> {
    let mut hash = Sha256::new();
    let mut survey = Survey { size_bytes: 0, sha256: [0; 32], head: Vec::new(), nul: false, fault: None };
    let mut chunk = vec![0; CHUNK_BYTES];
    // Bytes of a character that the chunk before ended in.
    let mut carried = 0;
    let mut line = 1;
    loop {
        let read = read_chunk(file, &mut chunk[carried..])?;
        let fresh = &chunk[carried..carried + read];
        survey.size_bytes += read as u64;
        hash.update(fresh);
        survey.nul |= memchr::memchr(0, fresh).is_some();
        if survey.head.is_empty() {
            survey.head.extend_from_slice(fresh);
        }
        if survey.fault.is_none() {
            let text = &chunk[..carried + read];
            let valid = encoding_rs::Encoding::utf8_valid_up_to(text);
            line += newlines(&text[..valid]);
            // A character has at most four bytes, so three may wait for the next chunk.
            if valid == text.len() || (read > 0 && text.len() - valid < 4 && is_begun(&text[valid..])) {
                carried = text.len() - valid;
                chunk.copy_within(valid..valid + carried, 0);
            } else {
                survey.fault = Some(Fault { line, mostly_utf8: is_mostly_utf8(text) });
                carried = 0;
            }
        }
        if read == 0 {
            survey.sha256 = hash.finalize().into();
            return Ok(survey);
        }
    }
}

/// Whether `bytes` begin a character that goes on behind them.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}

/// Korean in CP949 is hardly ever a syllable in UTF-8 by accident, so where syllables are more than faults it is UTF-8.
fn is_mostly_utf8(chunk: &[u8]) -> bool {
    let (mut syllables, mut faults) = (0, 0);
    for part in chunk.utf8_chunks() {
        syllables += part.valid().chars().filter(|c| ('가'..='힣').contains(c)).count();
        faults += usize::from(!part.invalid().is_empty());
    }
    syllables > faults
}

/// The first line that is not CP949 either.
fn cp949_fault(file: &mut File) -> io::Result<Option<u64>> {
    file.rewind()?;
    let mut decoder = encoding_rs::EUC_KR.new_decoder_without_bom_handling();
    let mut chunk = vec![0; CHUNK_BYTES];
    let room = decoder.max_utf8_buffer_length_without_replacement(CHUNK_BYTES);
    let mut text = vec![0; room.expect("a chunk is far below the address space")];
    let mut line = 1;
    loop {
        let read = read_chunk(file, &mut chunk)?;
        let (result, taken, _) = decoder.decode_to_utf8_without_replacement(&chunk[..read], &mut text, read == 0);
        line += newlines(&chunk[..taken]);
        if let encoding_rs::DecoderResult::Malformed(..) = result {
            return Ok(Some(line));
        }
        if read == 0 {
            return Ok(None);
        }
    }
}

/// The delimiter that the header line has most of, outside quotation marks.
fn delimiter(text: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b'\t', 0), (b';', 0)];
    let mut quoted = false;
    for &byte in text.trim_ascii_start() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            _ if quoted => {}
            _ => counts.iter_mut().filter(|(delimiter, _)| *delimiter == byte).for_each(|(_, count)| *count += 1),
        }
    }
    // The first of the most: a comma where there is none.
    let most = counts.iter().rev().max_by_key(|(_, count)| *count);
    most.map_or(b',', |(delimiter, _)| *delimiter)
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
