//! Files that come along with a request: opened where they are, or spooled when their bytes come over the network.

use std::path::{Path, PathBuf};

use axum::body::Bytes;
use futures_util::{Stream, TryStreamExt};
use naru_core::failure::{Failure, Kind};
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

/// The largest file that is taken over the network: a day of 13 million rows of some 150 bytes.
pub const SPOOL_BYTES_MAX: u64 = 2 << 30;
/// Pieces come in some kilobytes each; the disk is asked less often.
const BUFFER_BYTES: usize = 256 << 10;

/// A file that came along. What was spooled is removed when the value is dropped.
pub struct Upload {
    /// Where it is to be read.
    pub path: PathBuf,
    _spooled: Option<TempPath>,
}

/// A file of the same machine, which this process may read or not.
pub async fn nearby(path: &str) -> Result<Upload, Failure> {
    match File::open(path).await {
        Ok(_) => Ok(Upload { path: path.into(), _spooled: None }),
        Err(e) => Err(Failure::refused("upload-unreadable").arg("path", path).cause(&e)),
    }
}

/// Writes what comes into the spool folder of `data_dir`.
pub async fn spool<E: std::error::Error + 'static>(
    data_dir: &Path,
    pieces: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Upload, Failure> {
    spool_within(data_dir, SPOOL_BYTES_MAX, pieces).await
}

async fn spool_within<E: std::error::Error + 'static>(
    data_dir: &Path,
    bytes_max: u64,
    pieces: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Upload, Failure> {
    let unwritten = |e: std::io::Error| Failure::unavailable("upload-unwritten").cause(&e);
    let folder = spool_folder(data_dir);
    tokio::fs::create_dir_all(&folder).await.map_err(unwritten)?;
    let (file, path) = tempfile::NamedTempFile::new_in(&folder).map_err(unwritten)?.into_parts();
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, File::from_std(file));
    let mut pieces = std::pin::pin!(pieces);
    let mut bytes = 0;
    while let Some(piece) = pieces.try_next().await.map_err(|e| Failure::refused("upload-broken").cause(&e))? {
        bytes += piece.len() as u64;
        if bytes > bytes_max {
            return Err(Failure::new(Kind::TooLarge, "upload-too-large").arg("gib", SPOOL_BYTES_MAX >> 30));
        }
        file.write_all(&piece).await.map_err(unwritten)?;
    }
    file.flush().await.map_err(unwritten)?;
    Ok(Upload { path: path.to_path_buf(), _spooled: Some(path) })
}

/// Removes what a crash left in the spool folder. The caller owns the data.
pub fn empty_spool(data_dir: &Path) {
    match std::fs::remove_dir_all(spool_folder(data_dir)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "files left in the spool folder could not be removed");
        }
        _ => {}
    }
}

fn spool_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("spool")
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn whole(text: &'static str) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
        stream::iter([Ok(Bytes::from(text))])
    }

    #[tokio::test]
    async fn a_spooled_file_goes_with_its_value() {
        let dir = tempfile::tempdir().unwrap();
        let upload = spool(dir.path(), whole("to\n01000000000\n")).await.unwrap();
        assert_eq!(std::fs::read_to_string(&upload.path).unwrap(), "to\n01000000000\n");
        let path = upload.path.clone();
        drop(upload);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_over_the_bound_is_refused_and_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert!(spool_within(dir.path(), 4, whole("1234")).await.is_ok());
        let refused = spool_within(dir.path(), 3, whole("1234")).await.err().unwrap();
        assert_eq!((refused.code.as_str(), refused.kind), ("upload-too-large", Kind::TooLarge));
        assert_eq!(std::fs::read_dir(spool_folder(dir.path())).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_a_crash_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        std::mem::forget(spool(dir.path(), whole("x")).await.unwrap());
        assert_eq!(std::fs::read_dir(spool_folder(dir.path())).unwrap().count(), 1);
        empty_spool(dir.path());
        assert!(!spool_folder(dir.path()).exists());
        empty_spool(dir.path());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let pieces = [Ok(Bytes::from("to\n")), Err(std::io::Error::other("reset"))];
        assert_eq!(spool(dir.path(), stream::iter(pieces)).await.err().unwrap().code, "upload-broken");
        assert_eq!(std::fs::read_dir(spool_folder(dir.path())).unwrap().count(), 0);
    }
}
