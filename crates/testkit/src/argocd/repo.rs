//! Git repositories: in memory, or a real bare one that is read through the `git` program.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Files by their path.
pub type Files = BTreeMap<String, String>;

/// A repository, or a registry of charts whose versions are its branches.
pub enum Repo {
    /// In memory.
    Memory(Memory),
    /// A bare one on the disk.
    Git(OnDisk),
}

/// A bare repository, and what was read of it: a commit never changes.
pub struct OnDisk {
    path: PathBuf,
    read: Mutex<BTreeMap<String, Files>>,
}

impl OnDisk {
    /// The one in a folder.
    pub fn new(path: &Path) -> OnDisk {
        OnDisk { path: path.to_owned(), read: Mutex::default() }
    }

    fn files(&self, id: &str) -> Result<Files, String> {
        let mut read = self.read.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(files) = read.get(id) {
            return Ok(files.clone());
        }
        let names = git(&self.path, &["ls-tree", "-r", "--name-only", "-z", id])?;
        let names: Vec<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
        let texts = self.contents(id, &names)?;
        let files: Files = names.into_iter().map(str::to_owned).zip(texts).collect();
        read.insert(id.to_owned(), files.clone());
        Ok(files)
    }

    /// Of all files in one call.
    fn contents(&self, id: &str, names: &[&str]) -> Result<Vec<String>, String> {
        let told = |e: std::io::Error| e.to_string();
        let mut command = Command::new("git");
        command.arg("--git-dir").arg(&self.path).args(["cat-file", "--batch"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(told)?;
        let asked: String = names.iter().map(|name| format!("{id}:{name}\n")).collect();
        let mut stdin = child.stdin.take().expect("it is piped");
        // Beside the reading: each could wait for the other.
        let asking = std::thread::spawn(move || stdin.write_all(asked.as_bytes()));
        let output = child.wait_with_output().map_err(told)?;
        asking.join().expect("it does not panic").map_err(told)?;
        let (mut rest, mut texts) = (output.stdout.as_slice(), Vec::new());
        for name in names {
            // `ID blob SIZE\n`, the content, `\n`
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| format!("{name} is missing"))?;
            let head = String::from_utf8_lossy(&rest[..end]).into_owned();
            let bytes: usize = head.rsplit(' ').next().and_then(|size| size.parse().ok()).ok_or(head)?;
            let text = rest.get(end + 1..end + 1 + bytes).ok_or_else(|| format!("{name} is cut"))?;
            texts.push(String::from_utf8(text.to_vec()).map_err(|e| e.to_string())?);
            rest = &rest[end + 2 + bytes..];
        }
        Ok(texts)
    }
}

/// Commits and what names them.
#[derive(Default)]
pub struct Memory {
    commits: BTreeMap<String, Commit>,
    /// Branches, tags, versions.
    refs: BTreeMap<String, String>,
}

struct Commit {
    files: Files,
    author: String,
    message: String,
    at_ms: i64,
}

impl Memory {
    /// Adds a commit on `branch`: `None` removes a file. Answers its id.
    pub fn commit(&mut self, branch: &str, author: &str, message: &str, files: &[(&str, Option<&str>)]) -> String {
        let parent = self.refs.get(branch).and_then(|id| self.commits.get(id));
        let mut all = parent.map(|parent| parent.files.clone()).unwrap_or_default();
        for (path, text) in files {
            match text {
                Some(text) => all.insert((*path).to_owned(), (*text).to_owned()),
                None => all.remove(*path),
            };
        }
        let id = format!("{:040x}", 0xc0_ffee_0000 + self.commits.len() as u64);
        let (author, message) = (author.to_owned(), message.to_owned());
        self.commits.insert(id.clone(), Commit { files: all, author, message, at_ms: 0 });
        self.refs.insert(branch.to_owned(), id.clone());
        id
    }

    /// Lets a tag or another branch name a commit.
    pub fn name(&mut self, name: &str, id: &str) {
        self.refs.insert(name.to_owned(), id.to_owned());
    }
}

impl Repo {
    /// The commit that `revision` names; `HEAD` and an empty one are the branch `main`.
    pub fn resolve(&self, revision: &str) -> Result<String, String> {
        let unknown = || format!("unable to resolve '{revision}' to a commit SHA");
        match self {
            Repo::Memory(memory) => {
                let name = if matches!(revision, "" | "HEAD") { "main" } else { revision };
                let found = memory.refs.get(name).cloned();
                found.or_else(|| memory.commits.contains_key(name).then(|| name.to_owned())).ok_or_else(unknown)
            }
            Repo::Git(OnDisk { path, .. }) => {
                let name = if revision.is_empty() { "HEAD" } else { revision };
                let found = git(path, &["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")]);
                found.map(|id| id.trim().to_owned()).map_err(|_| unknown())
            }
        }
    }

    /// Everything in a commit.
    pub fn files(&self, id: &str) -> Result<Files, String> {
        match self {
            Repo::Memory(memory) => {
                memory.commits.get(id).map(|commit| commit.files.clone()).ok_or_else(|| format!("no commit {id}"))
            }
            Repo::Git(disk) => disk.files(id),
        }
    }

    /// Author, message, and when in milliseconds.
    pub fn metadata(&self, id: &str) -> Option<(String, String, i64)> {
        match self {
            Repo::Memory(memory) => {
                let Commit { author, message, at_ms, .. } = memory.commits.get(id)?;
                Some((author.clone(), message.clone(), *at_ms))
            }
            Repo::Git(OnDisk { path, .. }) => {
                let told = git(path, &["show", "-s", "--format=%an <%ae>%n%ct%n%B", id]).ok()?;
                let mut lines = told.splitn(3, '\n');
                let (author, at, message) = (lines.next()?, lines.next()?, lines.next()?);
                Some((author.to_owned(), message.trim_end().to_owned(), at.parse::<i64>().ok()? * 1_000))
            }
        }
    }
}

fn git(path: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new("git").arg("--git-dir").arg(path).args(args).output().map_err(|e| e.to_string())?;
    match output.status.success() {
        true => String::from_utf8(output.stdout).map_err(|e| e.to_string()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
