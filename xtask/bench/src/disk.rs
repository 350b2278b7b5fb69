//! What the disk below the databases can do.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crate::Result;

/// What a database's log appends at least.
const APPEND_BYTES: usize = 4096;
/// What is handed to the kernel at once when much is written.
const WRITE_BYTES: usize = 1 << 20;

/// Seconds that one append of 4 KiB with fdatasync takes, on average over `times`.
pub fn fdatasync_s(folder: &Path, times: u32) -> Result<f64> {
    let measure = || -> std::io::Result<f64> {
        let mut file = tempfile::tempfile_in(folder)?;
        let start = Instant::now();
        for _ in 0..times {
            file.write_all(&[7; APPEND_BYTES])?;
            file.sync_data()?;
        }
        Ok(start.elapsed().as_secs_f64() / f64::from(times))
    };
    measure().map_err(|e| format!("could not measure the disk: {e}"))
}

/// Seconds that it takes to write the bytes of `path` once more and to have them on the disk.
pub fn copy_s(path: &Path, folder: &Path) -> Result<f64> {
    let measure = || -> std::io::Result<f64> {
        let bytes = std::fs::read(path)?;
        let mut file: File = tempfile::tempfile_in(folder)?;
        let start = Instant::now();
        bytes.chunks(WRITE_BYTES).try_for_each(|chunk| file.write_all(chunk))?;
        file.sync_data()?;
        Ok(start.elapsed().as_secs_f64())
    };
    measure().map_err(|e| format!("could not measure the disk: {e}"))
}
