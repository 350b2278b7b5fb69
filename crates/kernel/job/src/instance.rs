//! The name of one instance: a process that owns a `data_dir`.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use naru_core::clock::Millis;
use naru_core::id::Id;

/// The file in `data_dir` that keeps what tells this instance from others on a machine of the same name.
const FILE: &str = "instance";
/// Letters of it: enough to tell a handful apart.
const LETTERS: usize = 8;

/// Names an instance. Whoever holds the lock of the `data_dir` is the only process of that name, so what it held before a
/// restart is its own at once and need not run out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance(Arc<str>);

impl Instance {
    /// The instance of a `data_dir`, whose lock the caller holds: the machine's name and a few letters that are made once.
    pub fn of(data_dir: &Path, now: Millis) -> io::Result<Instance> {
        let path = data_dir.join(FILE);
        let own = match fs::read_to_string(&path) {
            Ok(own) if is_own(own.trim()) => own.trim().to_owned(),
            Ok(_) => make(&path, now)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => make(&path, now)?,
            Err(e) => return Err(e),
        };
        // With the machine's name, so that a folder copied to another machine is not taken for this one.
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Instance::named(&format!("{machine}-{own}")))
    }

    /// An instance called `name`.
    pub fn named(name: &str) -> Instance {
        Instance(name.into())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_own(text: &str) -> bool {
    text.len() == LETTERS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn make(path: &Path, now: Millis) -> io::Result<String> {
    let id = Id::new(now).to_string();
    // The end of an id is random, its beginning is the time.
    let own = id[id.len() - LETTERS..].to_owned();
    let mut file = fs::File::create(path)?;
    writeln!(file, "{own}")?;
    file.sync_all()?;
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_instance_and_two_folders_have_two() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = Instance::of(one.path(), 1_795_361_400_000).unwrap();
        assert_eq!(Instance::of(one.path(), 1_795_361_400_001).unwrap(), first);
        assert_ne!(Instance::of(two.path(), 1_795_361_400_000).unwrap(), first);
    }

    #[test]
    fn a_file_that_was_cut_off_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "3f").unwrap();
        let made = Instance::of(folder.path(), 1_795_361_400_000).unwrap();
        assert_eq!(Instance::of(folder.path(), 1_795_361_400_000).unwrap(), made);
    }
}
