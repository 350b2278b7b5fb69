//! Customers' files: told apart by content, read row by row, checked, and refused one row at a time.
//!
//! ```text
//! detect ── what the file is, its hash
//! Plan ──── which column fills what       ┐
//! Reader ── rows in the order of the file ├─ Row ── Checker ── the address, or a Refusal ── Rejected
//! ```
//! Nothing here stores or sends. A row is read into one reused buffer and checked in place, since a campaign's file has
//! a million of them; whatever is wrong with a row is a [`refusal::Refusal`] of that row, whatever is wrong with the
//! file as a whole is a `Failure` before its first row.
//!
//! Must never know: the database, HTTP, what becomes of a row. A change must keep this: the same bytes give the same
//! rows and the same refusals on every machine, since an intake that was killed is continued by reading them again.

pub mod checker;
pub mod detect;
pub mod generate;
pub mod plan;
pub mod reader;
pub mod refusal;
pub mod rejected;
pub mod row;

mod cells;
pub(crate) mod moment;
mod number;
mod object;
mod record;
mod seen;
mod sheet;
mod window;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use naru_core::failure::Failure;
use naru_dispatch::frame::MESSAGE_BYTES_MAX;

/// Bytes of one record as UTF-8, at most: twice what a packed message may hold, for columns that no template uses. Also
/// what a quotation mark that is never closed can swallow.
pub const ROW_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::refused("file-unreadable").arg("path", path.display()).cause(error)
}

/// Fills `chunk` as far as the file goes.
fn read_chunk(file: &mut File, chunk: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < chunk.len() {
        match file.read(&mut chunk[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
