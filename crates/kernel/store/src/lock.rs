//! The lock file that makes one process the owner of an embedded database.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use crate::Result;
use crate::error::StoreError;

/// Held for as long as the process owns the data; the operating system frees it however the process ends.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes `naru.lock` in `data_dir`, or says which process has it.
    pub fn take(data_dir: &Path) -> Result<DataLock> {
        let folder = |source| StoreError::Folder { path: data_dir.to_owned(), source: Arc::new(source) };
        std::fs::create_dir_all(data_dir).map_err(folder)?;
        let path = data_dir.join("naru.lock");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(folder)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // The holder writes its number just after locking; an unreadable one is shown as unknown.
                let _ = file.read_to_string(&mut pid);
                let pid = if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() };
                return Err(StoreError::Locked { path, pid });
            }
            Err(TryLockError::Error(source)) => return Err(folder(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(folder)?;
        write!(file, "{}", std::process::id()).map_err(folder)?;
        Ok(DataLock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_refused_and_told_who_owns_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataLock::take(dir.path()).unwrap();
        let refused = DataLock::take(dir.path()).unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(first);
        DataLock::take(dir.path()).unwrap();
    }
}
