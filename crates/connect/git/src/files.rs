//! Files as they are read and written: contents by path, few and small.

use std::collections::BTreeMap;

use naru_core::failure::{Failure, Kind};

use crate::name::FilePath;

/// Contents by path; none where there is no such file, or shall be none.
pub type Files = BTreeMap<FilePath, Option<Vec<u8>>>;

/// One file: what programs write for programs is smaller.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// All files of one call together.
pub const FILES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The paths of one call, which are arguments of a program.
pub const FILES_MAX: usize = 1_000;

/// Refuses what is larger than the bounds.
pub(crate) fn check_sizes(sizes: impl Iterator<Item = usize> + Clone) -> Result<(), Failure> {
    let is_small = sizes.clone().all(|bytes| bytes <= FILE_BYTES_MAX) && sizes.sum::<usize>() <= FILES_BYTES_MAX;
    let too_large = || Failure::new(Kind::TooLarge, "git-file-too-large").arg("bytes", FILE_BYTES_MAX);
    if is_small { Ok(()) } else { Err(too_large().arg("all_bytes", FILES_BYTES_MAX)) }
}
