//! What the tests share: somebody who works with a repository through a mirror of their own.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use naru_core::masked::Secret;
use naru_git::files::Files;
use naru_git::name::{Branch, CommitId, FilePath};
use naru_git::person::{Person, Trailer};
use naru_git::program::{Program, ProgramConfig};
use naru_git::remote::{Access, Remote};
use naru_git::repository::commit::{Committed, Order};
use naru_git::repository::{Mirrors, Repository};
use naru_git::url::RemoteUrl;

pub struct Worker {
    pub folder: tempfile::TempDir,
    pub mirrors: Mirrors,
    pub repository: Arc<Repository>,
}

impl Worker {
    pub fn new(url: &str) -> Worker {
        Worker::with(url, Access::default(), program())
    }

    pub fn with_token(url: &str, token: &str) -> Worker {
        Worker::with(url, access(token), program())
    }

    pub fn with(url: &str, access: Access, program: Program) -> Worker {
        let folder = naru_testkit::temp_dir();
        let mirrors = Mirrors::new(folder.path(), program, Lifecycle::default());
        let remote = Remote::new(RemoteUrl::new(url).unwrap(), access).unwrap();
        let repository = mirrors.repository(&remote);
        Worker { folder, mirrors, repository }
    }

    /// Makes `path` hold `content` on `main`, marked with `mark`.
    pub async fn write(&self, mark: &str, path: &str, content: &str) -> Result<Committed, Failure> {
        let wanted = Files::from([(file(path), Some(content.as_bytes().to_vec()))]);
        self.repository.commit(&order("main", mark), |_| Ok(wanted.clone())).await
    }

    /// The mirror's folder, once there is one.
    pub fn mirror(&self) -> PathBuf {
        let mut entries = fs::read_dir(self.folder.path()).unwrap();
        entries.next().expect("there is a mirror").unwrap().path()
    }
}

pub fn access(token: &str) -> Access {
    Access { user: "oauth2".to_owned(), token: Some(Secret::new(token)), ..Access::default() }
}

pub fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap()
}

pub fn program() -> Program {
    Program::new(&ProgramConfig::default(), search_path())
}

/// An order without paths, by 김민서, at a fixed time.
pub fn order(branch: &str, mark: &str) -> Order {
    Order {
        branch: Branch::new(branch).unwrap(),
        start: None,
        paths: Vec::new(),
        message: format!("Change {mark}"),
        mark: Trailer::new("Naru-Operation", mark).unwrap(),
        trailers: Vec::new(),
        author: Person::new("김민서", "kim@example.com").unwrap(),
        committer: Person::new("naru", "naru@example.com").unwrap(),
        at: 1_795_361_400_000,
    }
}

pub fn file(path: &str) -> FilePath {
    FilePath::new(path).unwrap()
}

pub fn id(text: &str) -> CommitId {
    CommitId::new(text).unwrap()
}

/// The code of what must fail.
pub fn code<T: std::fmt::Debug>(outcome: Result<T, Failure>) -> String {
    outcome.unwrap_err().code
}

/// A shell script that can be run.
pub fn script(path: &Path, text: &str) {
    let fresh = path.with_extension("new");
    fs::write(&fresh, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&fresh, path).unwrap();
}

/// A pipe that nobody writes into: who opens it to read waits.
pub fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}
