//! The folder a mirror is in.

use std::ffi::OsStr;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::name::hex;

/// Readable, and never the same for two addresses.
pub fn folder_name(url: &str) -> String {
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    format!("{name}-{}.git", hex(&Sha256::digest(url)[..8]))
}

pub async fn exists(path: &Path) -> bool {
    tokio::fs::try_exists(path).await.unwrap_or(false)
}

pub async fn remove(folder: &Path) -> std::io::Result<()> {
    match tokio::fs::remove_dir_all(folder).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes lock files: one process at a time works here, and none of its calls is under way.
pub async fn sweep(folder: &Path) -> std::io::Result<()> {
    let mut folders = vec![folder.join("refs")];
    let mut locks = vec![folder.join("shallow.lock"), folder.join("packed-refs.lock"), folder.join("config.lock")];
    while let Some(folder) = folders.pop() {
        let mut entries = match tokio::fs::read_dir(&folder).await {
            Ok(entries) => entries,
            // Then it is broken, which the next call says.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        while let Some(entry) = entries.next_entry().await? {
            match entry.file_type().await?.is_dir() {
                true => folders.push(entry.path()),
                false if entry.path().extension() == Some(OsStr::new("lock")) => locks.push(entry.path()),
                false => {}
            }
        }
    }
    for lock in locks {
        match tokio::fs::remove_file(&lock).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
