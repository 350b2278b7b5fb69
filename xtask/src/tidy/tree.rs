//! The files of the checkout.

use std::fs;
use std::path::Path;

/// A file with its path from the workspace's folder, in slashes. What is not text has an empty text.
pub struct File {
    pub path: String,
    pub text: String,
}

impl File {
    /// Whether the file is product code in Rust, of which unit tests may still be a part.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether all of the file is test, bench or fuzz code, by where it stands.
    pub fn is_test(&self) -> bool {
        let mut folders = self.path.split('/').rev();
        let name = folders.next().unwrap_or_default();
        name == "tests.rs" || folders.any(|folder| ["tests", "benches", "fuzz"].contains(&folder))
    }
}

/// Reads every file but those of git, cargo and npm, and what naru writes when run here.
pub fn read(root: &Path) -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    walk(root, "", &mut files).map_err(|e| format!("could not read the checkout: {e}"))?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

const SKIPPED: [&str; 5] = [".git", "target", "node_modules", "naru-data", "rejected.csv"];

/// What is larger is data that someone left here, not text that someone wrote.
const TEXT_BYTES_MAX: u64 = 4 << 20;

fn walk(folder: &Path, prefix: &str, files: &mut Vec<File>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() {
            let is_data = entry.metadata()?.len() > TEXT_BYTES_MAX;
            let bytes = if is_data { Vec::new() } else { fs::read(entry.path())? };
            files.push(File { path, text: String::from_utf8(bytes).unwrap_or_default() });
        }
    }
    Ok(())
}

/// Builds a file for the tests of rules.
#[cfg(test)]
pub fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_known_by_where_they_stand() {
        let check = |path: &str, expect: bool| assert_eq!(file(path, "").is_test(), expect, "{path}");
        check("crates/naru/tests/restart.rs", true);
        check("crates/engine/dispatch/src/lane/tests.rs", true);
        check("crates/engine/dispatch/fuzz/fuzz_targets/frame.rs", true);
        check("crates/engine/dispatch/src/lane.rs", false);
        check("xtask/src/test.rs", false);
    }
}
