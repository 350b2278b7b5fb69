//! Files of a commit: read, and written as a tree of their own without anything being checked out.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use naru_core::failure::{Failure, Kind};

use super::{LIST_BYTES_MAX, Mirror};
use crate::files::{FILES_BYTES_MAX, FILES_MAX, Files, check_sizes};
use crate::name::{CommitId, FilePath};
use crate::person::Person;

/// What stands at a path.
struct Entry {
    mode: String,
    id: String,
}

/// How Git writes that there is nothing.
const NOTHING: &str = "0000000000000000000000000000000000000000";
const MODE_FILE: &str = "100644";
const MODE_PROGRAM: &str = "100755";
const MODE_FOLDER: &str = "040000";
/// The longest of so many paths together fit into the arguments of a call.
const LISTED_MAX: usize = 200;
/// Not the one Git would take, which a cut-off call may have left locked.
const INDEX: &str = "naru-index";

impl Mirror {
    /// The files at `paths` in a commit that is here; contents that are not here are fetched, all in one go.
    pub async fn read(&mut self, commit: &CommitId, paths: &[FilePath]) -> Result<Files, Failure> {
        let entries = self.entries(commit, paths).await?;
        let ids: BTreeSet<&String> = entries.values().map(|entry| &entry.id).collect();
        let ids: Vec<String> = ids.into_iter().cloned().collect();
        let contents = if ids.is_empty() { BTreeMap::new() } else { self.contents(&ids).await? };
        let content = |path: &FilePath| entries.get(path).and_then(|entry| contents.get(&entry.id)).cloned();
        Ok(paths.iter().map(|path| (path.clone(), content(path))).collect())
    }

    /// Writes the tree of `base` with `changes`, and answers its id.
    pub async fn write_tree(&mut self, base: &CommitId, changes: &Files) -> Result<String, Failure> {
        check_sizes(changes.values().flatten().map(Vec::len))?;
        let paths: Vec<FilePath> = changes.keys().cloned().collect();
        let entries = self.entries(base, &paths).await?;
        self.check_folders(base, changes).await?;
        // A push wants to send what changed as a difference, and over HTTP cannot be told otherwise.
        let before: Vec<String> = entries.values().map(|entry| entry.id.clone()).collect();
        if !before.is_empty() {
            self.bring(&before).await?;
        }
        self.forget_written().await?;
        let mut lines = Vec::new();
        for (path, content) in changes {
            let mode = entries.get(path).map_or(MODE_FILE, |entry| entry.mode.as_str());
            let (mode, id) = match content {
                Some(content) => {
                    (mode, self.write(&["hash-object", "-w", "-t", "blob", "--stdin"], &[], content).await?)
                }
                None => ("0", NOTHING.to_owned()),
            };
            lines.extend_from_slice(format!("{mode} {id}\t{path}\0").as_bytes());
        }
        let index = self.scratch(INDEX);
        for name in [INDEX, concat!("naru-index", ".lock")] {
            // An error means that there is none.
            let _ = tokio::fs::remove_file(self.scratch(name)).await;
        }
        let environment = [("GIT_INDEX_FILE", index.into())];
        self.write(&["read-tree", base.as_str()], &environment, &[]).await?;
        self.write(&["update-index", "-z", "--add", "--index-info"], &environment, &lines).await?;
        // What is not here was not changed, so it is on the server.
        self.write(&["write-tree", "--missing-ok"], &environment, &[]).await
    }

    /// The tree of a commit.
    pub async fn tree_of(&mut self, commit: &CommitId) -> Result<String, Failure> {
        let tree = self.print(&["rev-parse", "--verify", &format!("{commit}^{{tree}}")], &[]).await?;
        Ok(String::from_utf8_lossy(&tree).trim().to_owned())
    }

    /// Writes a commit; the same arguments make the same commit.
    pub async fn commit_tree(
        &mut self,
        tree: &str,
        parent: &CommitId,
        message: &str,
        [author, committer]: [&Person; 2],
        at_s: i64,
    ) -> Result<CommitId, Failure> {
        let date = format!("@{at_s} +0000");
        let environment = [
            ("GIT_AUTHOR_NAME", author.name().into()),
            ("GIT_AUTHOR_EMAIL", author.email().into()),
            ("GIT_AUTHOR_DATE", date.as_str().into()),
            ("GIT_COMMITTER_NAME", committer.name().into()),
            ("GIT_COMMITTER_EMAIL", committer.email().into()),
            ("GIT_COMMITTER_DATE", date.as_str().into()),
        ];
        let args = ["commit-tree", tree, "-p", parent.as_str(), "-F", "-"];
        CommitId::new(self.write(&args, &environment, message.as_bytes()).await?)
    }

    /// Runs a call that writes objects, and answers the id it printed.
    async fn write(
        &mut self,
        args: &[&str],
        environment: &[(&str, OsString)],
        input: &[u8],
    ) -> Result<String, Failure> {
        let environment = [environment, &self.aside()].concat();
        let written = self.run_with(args, &environment, input, LIST_BYTES_MAX).await?;
        if written.is_ok() { Ok(written.text()) } else { Err(self.failed(args[0], &written)) }
    }

    /// The files among `paths`; what is neither a file nor absent is refused.
    async fn entries(&mut self, commit: &CommitId, paths: &[FilePath]) -> Result<BTreeMap<FilePath, Entry>, Failure> {
        if paths.len() > FILES_MAX {
            return Err(Failure::new(Kind::TooLarge, "git-files-too-many").arg("max", FILES_MAX));
        }
        let paths: Vec<&str> = paths.iter().map(FilePath::as_str).collect();
        let mut entries = BTreeMap::new();
        for (path, entry) in self.list(commit, &paths).await? {
            if entry.mode != MODE_FILE && entry.mode != MODE_PROGRAM {
                return Err(not_a_file(&path));
            }
            entries.insert(FilePath::new(path)?, entry);
        }
        Ok(entries)
    }

    /// Refuses to write below what is a file, or stays or becomes one: Git would remove it without a word.
    async fn check_folders(&mut self, base: &CommitId, changes: &Files) -> Result<(), Failure> {
        let written = changes.iter().filter(|(_, content)| content.is_some()).map(|(path, _)| path.as_str());
        let folders: BTreeSet<&str> = written.flat_map(folders_of).collect();
        let change =
            |path: &str| changes.iter().find(|(changed, _)| changed.as_str() == path).map(|(_, content)| content);
        if let Some(path) = folders.iter().find(|path| change(path).is_some_and(Option::is_some)) {
            return Err(not_a_file(path));
        }
        let folders: Vec<&str> = folders.into_iter().collect();
        let listed = self.list(base, &folders).await?;
        match listed.iter().find(|(path, entry)| entry.mode != MODE_FOLDER && change(path).is_none()) {
            Some((path, _)) => Err(not_a_file(path)),
            None => Ok(()),
        }
    }

    /// What stands at `paths`, whatever it is.
    async fn list(&mut self, commit: &CommitId, paths: &[&str]) -> Result<Vec<(String, Entry)>, Failure> {
        let mut found = Vec::new();
        for paths in paths.chunks(LISTED_MAX) {
            // Of a path and one below it, it tells what is in the first, and the first itself only when asked to.
            let args = [&["ls-tree", "-z", "-t", commit.as_str(), "--"], paths].concat();
            let listed = self.print(&args, &[]).await?;
            // `100644 blob ID\tPATH`
            for line in listed.split(|byte| *byte == 0) {
                let line = String::from_utf8_lossy(line);
                let Some((head, path)) = line.split_once('\t') else { continue };
                if !paths.contains(&path) {
                    continue;
                }
                let mut words = head.split(' ').map(str::to_owned);
                if let (Some(mode), Some(id)) = (words.next(), words.nth(1)) {
                    found.push((path.to_owned(), Entry { mode, id }));
                }
            }
        }
        Ok(found)
    }

    async fn contents(&mut self, ids: &[String]) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
        let sizes = self.bring(ids).await?;
        check_sizes(sizes.iter().map(|(_, bytes)| *bytes))?;
        let input = ids.join("\n") + "\n";
        let output = self.run(&["cat-file", "--batch"], input.as_bytes(), FILES_BYTES_MAX + LIST_BYTES_MAX).await?;
        if !output.is_ok() {
            return Err(self.failed("cat-file", &output));
        }
        let mut contents = BTreeMap::new();
        let mut rest = output.stdout.as_slice();
        for (id, bytes) in sizes {
            // `ID blob SIZE\n`, the content, `\n`
            let start = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            let content = rest.get(start..start + bytes);
            let content = content.ok_or_else(|| Failure::unavailable("git-failed").arg("command", "cat-file"))?;
            contents.insert(id, content.to_vec());
            rest = rest.get(start + bytes + 1..).unwrap_or_default();
        }
        Ok(contents)
    }

    /// Fetches those that are not here, and answers the sizes of all.
    async fn bring(&mut self, ids: &[String]) -> Result<Vec<(String, usize)>, Failure> {
        let (sizes, missing) = self.sizes(ids).await?;
        if missing.is_empty() {
            return Ok(sizes);
        }
        self.fetch_objects(&missing).await?;
        Ok(self.sizes(ids).await?.0)
    }

    /// The sizes of those that are here, in the order of `ids`, and those that are not.
    async fn sizes(&mut self, ids: &[String]) -> Result<(Vec<(String, usize)>, Vec<String>), Failure> {
        let input = ids.join("\n") + "\n";
        let listed = self.print(&["cat-file", "--batch-check"], input.as_bytes()).await?;
        let (mut sizes, mut missing) = (Vec::new(), Vec::new());
        for line in String::from_utf8_lossy(&listed).lines() {
            let mut words = line.split(' ');
            let id = words.next().unwrap_or_default().to_owned();
            match words.nth(1).and_then(|size| size.parse().ok()) {
                Some(size) => sizes.push((id, size)),
                None => missing.push(id),
            }
        }
        Ok((sizes, missing))
    }
}

/// The folders above a path.
fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

fn not_a_file(path: &str) -> Failure {
    Failure::refused("git-not-a-file").arg("path", path)
}
