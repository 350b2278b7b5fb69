//! A bare Git repository, as a server has it, and somebody else who writes to it.
//!
//! All of it is the real `git` program: what a test reads here is what any other clone would see.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

/// A repository that is removed with its value.
pub struct Origin {
    folder: TempDir,
    /// Commits are made a second apart, so that no two are the same.
    clock: AtomicU64,
}

/// A commit as the repository has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its id.
    pub id: String,
    /// Its author, `Name <address>`.
    pub author: String,
    /// The whole message.
    pub message: String,
}

/// Pushes that are held. Dropping it lets all of them go.
pub struct Held {
    /// Locked until it is closed.
    _gate: fs::File,
    held: PathBuf,
}

impl Held {
    /// How many have come.
    pub fn count(&self) -> usize {
        fs::read_dir(&self.held).expect("it is ours").count()
    }
}

/// As GitLab tells it.
pub const PROTECTED: &str = "GitLab: You are not allowed to push code to protected branches on this project.";
/// The list of protected branches, beside the repository's own files.
const PROTECTED_FILE: &str = "protected";
const FIRST_COMMIT_S: u64 = 1_700_000_000;

impl Origin {
    /// A repository with one commit on `main`, which holds a `README`. It gives away parts, as GitLab does.
    pub fn new() -> Origin {
        let origin = Origin { folder: crate::temp_dir(), clock: AtomicU64::new(FIRST_COMMIT_S) };
        fs::create_dir_all(origin.path()).expect("a fresh folder can be written to");
        origin.git(&["init", "--quiet", "--bare", "--template=", "--initial-branch=main"]);
        origin.config("uploadpack.allowFilter", "true");
        let refusal = format!(
            "while read old new ref; do\n\
             if grep -qxF \"${{ref#refs/heads/}}\" {PROTECTED_FILE} 2>/dev/null; then echo '{PROTECTED}' >&2; exit 1; fi\n\
             done"
        );
        origin.hook("pre-receive", &refusal);
        origin.commit("main", &[("README", Some(b"first\n"))], "First");
        origin
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("origin.git")
    }

    /// Its address on this machine.
    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Sets a key of its configuration.
    pub fn config(&self, key: &str, value: &str) {
        self.git(&["config", key, value]);
    }

    /// Writes a shell script as a hook; it runs in the repository's folder.
    pub fn hook(&self, name: &str, script: &str) {
        let path = self.path().join("hooks").join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a fresh folder can be written to");
        // Under another name first: a file that is being written cannot be run.
        let fresh = path.with_extension("new");
        fs::write(&fresh, format!("#!/bin/sh\n{script}\n")).expect("a fresh folder can be written to");
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).expect("it is ours");
        fs::rename(&fresh, &path).expect("it is ours");
    }

    /// Holds every push from now on, after it was taken and before its branch is moved, until the answer is dropped.
    pub fn hold_pushes(&self) -> Held {
        let (gate, held) = (self.path().join("gate"), self.path().join("held"));
        fs::create_dir_all(&held).expect("a fresh folder can be written to");
        let gate = fs::File::create(gate).expect("a fresh folder can be written to");
        gate.lock().expect("nobody else has it");
        self.hook("update", ": > held/$$\nexec flock gate true");
        Held { _gate: gate, held }
    }

    /// Refuses every push to a branch from now on.
    pub fn protect(&self, branch: &str) {
        let path = self.path().join(PROTECTED_FILE);
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, format!("{before}{branch}\n")).expect("a fresh folder can be written to");
    }

    /// Whether every push to a branch is refused.
    pub fn is_protected(&self, branch: &str) -> bool {
        let list = fs::read_to_string(self.path().join(PROTECTED_FILE)).unwrap_or_default();
        list.lines().any(|line| line == branch)
    }

    /// Commits as somebody else: contents by path, none to remove one. The branch is begun where there is none.
    pub fn commit(&self, branch: &str, files: &[(&str, Option<&[u8]>)], message: &str) -> String {
        let at = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut stream = format!("commit refs/heads/{branch}\ncommitter Other <other@example.com> {at} +0000\n");
        stream += &format!("data {}\n{message}\n", message.len());
        if self.head(branch).is_some() {
            stream += &format!("from refs/heads/{branch}^0\n");
        }
        let mut stream = stream.into_bytes();
        for (path, content) in files {
            match content {
                Some(content) => {
                    stream.extend(format!("M 100644 inline {path}\ndata {}\n", content.len()).bytes());
                    stream.extend_from_slice(content);
                    stream.push(b'\n');
                }
                None => stream.extend(format!("D {path}\n").bytes()),
            }
        }
        self.git_with(&["fast-import", "--quiet"], &stream);
        self.head(branch).expect("it was just written")
    }

    /// Commits so many times as somebody else, a number into one file, and answers where the branch is then.
    pub fn commits(&self, branch: &str, count: usize, path: &str) -> String {
        let mut stream = String::new();
        for n in 0..count {
            let at = self.clock.fetch_add(1, Ordering::Relaxed);
            let content = n.to_string();
            stream += &format!("commit refs/heads/{branch}\ncommitter Other <other@example.com> {at} +0000\n");
            stream += "data 4\nMore\n";
            if n == 0 && self.head(branch).is_some() {
                stream += &format!("from refs/heads/{branch}^0\n");
            }
            stream += &format!("M 100644 inline {path}\ndata {}\n{content}\n", content.len());
        }
        self.git_with(&["fast-import", "--quiet"], stream.as_bytes());
        self.head(branch).expect("it was just written")
    }

    /// Puts a branch at a commit.
    pub fn branch(&self, name: &str, at: &str) {
        self.git(&["update-ref", &format!("refs/heads/{name}"), at]);
    }

    /// Puts a tag at a commit, with a message of its own.
    pub fn tag(&self, name: &str, at: &str) {
        self.git(&["tag", "--annotate", "--message=tagged", name, at]);
    }

    /// The commit a branch is at.
    pub fn head(&self, branch: &str) -> Option<String> {
        let output = self.run(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")], &[]);
        output.status.success().then(|| text(&output))
    }

    /// A file's content in a commit or at a branch.
    pub fn file(&self, at: &str, path: &str) -> Option<Vec<u8>> {
        let output = self.run(&["cat-file", "blob", &format!("{at}:{path}")], &[]);
        output.status.success().then_some(output.stdout)
    }

    /// The commits of a branch, newest first.
    pub fn log(&self, branch: &str) -> Vec<Written> {
        let printed = self.git(&["log", "--format=%H%x1f%an <%ae>%x1f%B%x1e", branch]);
        let records = printed.split('\u{1e}').filter_map(|record| {
            let mut parts = record.trim_start().split('\u{1f}').map(str::to_owned);
            Some(Written { id: parts.next()?, author: parts.next()?, message: parts.next()? })
        });
        records.collect()
    }

    /// Merges one branch into another, as a server does that asks no hook; answers the merge commit.
    pub fn merge(&self, source: &str, target: &str) -> String {
        let (source, head) = (format!("refs/heads/{source}"), self.head(target).expect("the target is there"));
        let tree = self.git(&["merge-tree", "--write-tree", &head, &source]);
        let message = format!("Merge into {target}");
        let commit = self.git(&["commit-tree", &tree, "-p", &head, "-p", &source, "-m", &message]);
        self.branch(target, &commit);
        commit
    }

    /// Runs `git` in the repository and answers what it printed; panics where it fails.
    pub fn git(&self, args: &[&str]) -> String {
        self.git_with(args, &[])
    }

    fn git_with(&self, args: &[&str], input: &[u8]) -> String {
        let output = self.run(args, input);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        text(&output)
    }

    fn run(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = command(&self.path())
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Git is installed: apt-get install git");
        let mut stdin = child.stdin.take().expect("it is piped");
        // What it says of it tells more than a broken pipe.
        let _ = stdin.write_all(input);
        drop(stdin);
        child.wait_with_output().expect("a child can be waited for")
    }
}

impl Default for Origin {
    fn default() -> Origin {
        Origin::new()
    }
}

/// `git` for a repository, without anything of whoever runs the tests.
pub(crate) fn command(repository: &Path) -> Command {
    let mut command = Command::new("git");
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("GIT_DIR", repository);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("HOME", "/nonexistent");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Other").env(format!("GIT_{who}_EMAIL"), "other@example.com");
    }
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_read() {
        let origin = Origin::new();
        let first = origin.head("main").unwrap();
        let second = origin.commit("main", &[("a/-b c", Some(b"\0\xff")), ("README", None)], "Second\n\nWhy: x");
        assert_eq!(origin.file("main", "a/-b c").unwrap(), b"\0\xff");
        assert_eq!(
            (origin.file("main", "README"), origin.file(&first, "README").unwrap()),
            (None, b"first\n".to_vec())
        );
        let log = origin.log("main");
        let ids: Vec<&str> = log.iter().map(|written| written.id.as_str()).collect();
        assert_eq!(ids, [&second, &first]);
        assert_eq!(log[0].message.trim_end(), "Second\n\nWhy: x");
    }

    #[test]
    fn a_merge_has_both() {
        let origin = Origin::new();
        origin.branch("change", &origin.head("main").unwrap());
        origin.commit("change", &[("x", Some(b"1"))], "X");
        origin.commit("main", &[("y", Some(b"2"))], "Y");
        let merged = origin.merge("change", "main");
        assert_eq!(origin.head("main").unwrap(), merged);
        assert!(origin.file("main", "x").is_some() && origin.file("main", "y").is_some());
    }
}
