//! Room on the disk of an embedded store: intake ends before the last of it is used, so that whatever was acknowledged can
//! still be carried and accounted for. On a server's disk nobody can look from here: what it says when it is full is told
//! as such.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Result;
use crate::error::StoreError;

/// How long a look at the disk holds.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const MB: u64 = 1 << 20;

/// Looks at the disk of one folder.
pub(crate) struct Room {
    folder: PathBuf,
    kept_mb: u64,
    born: Instant,
    /// When it was looked last, in milliseconds since it was born, plus one.
    looked: AtomicU64,
    free_mb: AtomicU64,
    short: AtomicBool,
}

impl Room {
    pub(crate) fn new(folder: PathBuf, kept_mb: u64) -> Room {
        Room {
            folder,
            kept_mb,
            born: Instant::now(),
            looked: AtomicU64::new(0),
            free_mb: AtomicU64::new(u64::MAX),
            short: AtomicBool::new(false),
        }
    }

    /// Refuses where less is free than is kept.
    pub(crate) fn check(&self) -> Result<()> {
        let now = self.born.elapsed().as_millis() as u64 + 1;
        let last = self.looked.load(Ordering::Relaxed);
        if last == 0 || now.saturating_sub(last) >= LOOK_EVERY.as_millis() as u64 {
            self.looked.store(now, Ordering::Relaxed);
            self.look();
        }
        if self.short.load(Ordering::Relaxed) {
            return Err(StoreError::NearlyFull {
                free_mb: self.free_mb.load(Ordering::Relaxed),
                kept_mb: self.kept_mb,
            });
        }
        Ok(())
    }

    /// Whether less was free than is kept when it was looked last.
    pub(crate) fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    fn look(&self) {
        let free_mb = match rustix::fs::statvfs(&self.folder) {
            Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize) / MB,
            Err(error) => {
                // A disk that cannot be looked at says nothing of its room; a commit will.
                return tracing::warn!(error = %error, "the room on the disk could not be seen");
            }
        };
        self.free_mb.store(free_mb, Ordering::Relaxed);
        let short = free_mb < self.kept_mb;
        match (self.short.swap(short, Ordering::Relaxed), short) {
            (false, true) => {
                tracing::error!(free_mb, kept_mb = self.kept_mb, "the disk is nearly full: no messages are taken in");
            }
            (true, false) => tracing::info!(free_mb, "there is room on the disk: messages are taken in again"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_free_is_refused() {
        let folder = std::env::temp_dir();
        Room::new(folder.clone(), 0).check().unwrap();
        let refused = Room::new(folder, u64::MAX / MB).check().unwrap_err();
        assert!(matches!(refused, StoreError::NearlyFull { .. }), "{refused}");
    }
}
