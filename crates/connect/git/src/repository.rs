//! Repositories as others use them: names resolved, files read, histories asked, commits made ([`commit`]).
//!
//! What the server's answer alone decides is asked of the server each time; what never changes (a commit and all that
//! hangs on it) is kept in a mirror. One call at a time works on a mirror, so nothing here waits for a lock of Git.

pub mod commit;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex};

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use tokio::sync::{Mutex, MutexGuard};

use crate::files::Files;
use crate::mirror::{LIST_BYTES_MAX, Mirror};
use crate::name::{Branch, CommitId, FilePath, ID_DIGITS, is_hex, is_ref_name, ref_wrong};
use crate::near::nearest;
use crate::program::Program;
use crate::remote::Remote;

/// Shorter abbreviations Git itself takes for a name.
const ABBREVIATION_DIGITS_MIN: usize = 4;
/// What a commit says of itself. Its author chose all that stands behind the time, a separator in a name included.
const LOG_FORMAT: &str = "--format=%H%x1f%ct%x1f%an%x1f%ae%x1f%s%x1f%B";

/// All repositories of a process: one value for each address.
pub struct Mirrors {
    folder: PathBuf,
    program: Arc<Program>,
    lifecycle: Lifecycle,
    open: StdMutex<HashMap<String, Arc<Repository>>>,
}

impl Mirrors {
    /// Mirrors below `folder`, which no other process uses and which may be removed while nobody does.
    pub fn new(folder: impl Into<PathBuf>, program: Program, lifecycle: Lifecycle) -> Mirrors {
        Mirrors { folder: folder.into(), program: Arc::new(program), lifecycle, open: StdMutex::default() }
    }

    /// The version of the program, which is refused where it is too old.
    pub async fn program_version(&self) -> Result<String, Failure> {
        self.program.check().await
    }

    /// The repository at an address. Whoever asked first decides what opens it, for as long as the process runs.
    pub fn repository(&self, remote: &Remote) -> Arc<Repository> {
        let mut open = self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let made = || Repository {
            mirror: Mutex::new(Mirror::new(&self.folder, self.program.clone(), remote.clone())),
            lifecycle: self.lifecycle.clone(),
        };
        open.entry(remote.url().as_str().to_owned()).or_insert_with(|| Arc::new(made())).clone()
    }
}

/// One repository. Its calls wait for each other.
pub struct Repository {
    mirror: Mutex<Mirror>,
    lifecycle: Lifecycle,
}

/// A branch or a tag with the commit it is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Without `refs/heads/` or `refs/tags/`.
    pub name: String,
    /// Of an annotated tag, the commit that it is for.
    pub commit: CommitId,
}

/// All branches and tags, each in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refs {
    /// The branches.
    pub branches: Vec<Named>,
    /// The tags.
    pub tags: Vec<Named>,
}

/// What a name was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// A branch, now at this commit.
    Branch(Named),
    /// A tag.
    Tag(Named),
    /// A commit, by its id or the beginning of one.
    Commit(CommitId),
}

impl Resolved {
    /// The commit.
    pub fn commit(&self) -> &CommitId {
        match self {
            Resolved::Branch(named) | Resolved::Tag(named) => &named.commit,
            Resolved::Commit(commit) => commit,
        }
    }
}

/// What a commit says of itself. Whoever wrote it chose names, addresses and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its id.
    pub commit: CommitId,
    /// What the author is called.
    pub author: String,
    /// The author's address.
    pub email: String,
    /// When it was committed.
    pub at: Millis,
    /// The first line of the message.
    pub subject: String,
    /// The message, its first line and its trailers included.
    pub message: String,
}

impl Repository {
    /// All branches and tags, as the server has them now.
    pub async fn refs(&self) -> Result<Refs, Failure> {
        let mut mirror = self.mirror().await?;
        refs(&mut mirror).await
    }

    /// The branch that is the repository's own, as the server has it now.
    pub async fn default_branch(&self) -> Result<Branch, Failure> {
        let mut mirror = self.mirror().await?;
        let output = mirror.run_remote(&["ls-remote", "--quiet", "--symref", "origin", "HEAD"], &[], &[]).await?;
        if !output.is_ok() {
            return Err(mirror.failed("ls-remote", &output));
        }
        // `ref: refs/heads/main\tHEAD`
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let found = text.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
        let unknown = || Failure::not_found("git-ref-unknown").arg("ref", "HEAD").arg("nearest", "-");
        Branch::new(found.ok_or_else(|| unknown().arg("url", mirror.remote().url()))?)
    }

    /// Finds the commit of a branch, a tag, or a commit's id from four digits on; `refs/heads/NAME` and `refs/tags/NAME`
    /// say which of the two. A name that is both, at two commits, is refused.
    pub async fn resolve(&self, name: &str) -> Result<Resolved, Failure> {
        if !is_ref_name(name) {
            return Err(ref_wrong(name));
        }
        let mut mirror = self.mirror().await?;
        if name.len() == ID_DIGITS && is_hex(name) {
            let commit = CommitId::new(name)?;
            mirror.fetch_commit(&commit).await?;
            return Ok(Resolved::Commit(commit));
        }
        let refs = refs(&mut mirror).await?;
        if let Some(found) = refs.find(name)? {
            return Ok(found);
        }
        let is_abbreviation = (ABBREVIATION_DIGITS_MIN..ID_DIGITS).contains(&name.len()) && is_hex(name);
        if is_abbreviation && let Some(commit) = abbreviated(&mut mirror, name).await? {
            return Ok(Resolved::Commit(commit));
        }
        Err(refs.unknown(name).arg("url", mirror.remote().url()))
    }

    /// The contents of the files at `paths` in a commit; none where there is no such file.
    pub async fn read(&self, commit: &CommitId, paths: &[FilePath]) -> Result<Files, Failure> {
        let mut mirror = self.mirror().await?;
        mirror.fetch_commit(commit).await?;
        mirror.read(commit, paths).await
    }

    /// The content of one file that must be there.
    pub async fn read_one(&self, commit: &CommitId, path: &FilePath) -> Result<Vec<u8>, Failure> {
        let mut files = self.read(commit, std::slice::from_ref(path)).await?;
        let missing = || Failure::not_found("git-file-missing").arg("path", path).arg("commit", commit);
        files.remove(path).flatten().ok_or_else(missing)
    }

    /// What a commit says of itself.
    pub async fn log(&self, commit: &CommitId) -> Result<Logged, Failure> {
        let mut mirror = self.mirror().await?;
        mirror.fetch_commit(commit).await?;
        let args = ["log", "-1", "--no-show-signature", LOG_FORMAT, commit.as_str()];
        logged(&String::from_utf8_lossy(&mirror.print(&args, &[]).await?))
    }

    /// Whether `commit` is `ancestor` or descends from it.
    pub async fn is_ancestor(&self, ancestor: &CommitId, commit: &CommitId) -> Result<bool, Failure> {
        let mut mirror = self.mirror().await?;
        mirror.fetch_commit(commit).await?;
        mirror.fetch_commit(ancestor).await?;
        // A way that is found is one. That there is none is known only where the history is whole.
        if is_ancestor(&mut mirror, ancestor, commit).await? {
            return Ok(true);
        }
        if !mirror.is_cut().await {
            return Ok(false);
        }
        mirror.deepen(&[ancestor, commit]).await?;
        is_ancestor(&mut mirror, ancestor, commit).await
    }

    /// Commits that `head` has and `than` has not, the newest first, at most `max`.
    pub async fn newer(&self, than: &CommitId, head: &CommitId, max: usize) -> Result<Vec<Logged>, Failure> {
        let mut mirror = self.mirror().await?;
        mirror.fetch_commit(head).await?;
        mirror.fetch_commit(than).await?;
        // Where the history is cut, what they have in common may lie behind the cut.
        mirror.deepen(&[than, head]).await?;
        let (count, range) = (format!("--max-count={max}"), format!("{than}..{head}"));
        let args = ["log", "-z", "--no-show-signature", &count, LOG_FORMAT, &range];
        let printed = String::from_utf8_lossy(&mirror.print(&args, &[]).await?).into_owned();
        printed.split('\0').filter(|record| !record.is_empty()).map(logged).collect()
    }

    /// The mirror, ready and for the caller alone.
    async fn mirror(&self) -> Result<MutexGuard<'_, Mirror>, Failure> {
        let mut mirror = self.mirror.lock().await;
        mirror.open().await?;
        mirror.tidy().await;
        Ok(mirror)
    }
}

impl Refs {
    fn find(&self, name: &str) -> Result<Option<Resolved>, Failure> {
        let of = |list: &[Named], name: &str| list.iter().find(|named| named.name == name).cloned();
        if let Some(name) = name.strip_prefix("refs/heads/") {
            return Ok(of(&self.branches, name).map(Resolved::Branch));
        }
        if let Some(name) = name.strip_prefix("refs/tags/") {
            return Ok(of(&self.tags, name).map(Resolved::Tag));
        }
        match (of(&self.branches, name), of(&self.tags, name)) {
            (Some(branch), Some(tag)) if branch.commit != tag.commit => Err(Failure::refused("git-ref-ambiguous")
                .arg("ref", name)
                .arg("branch", format!("refs/heads/{name}"))
                .arg("tag", format!("refs/tags/{name}"))),
            (Some(branch), _) => Ok(Some(Resolved::Branch(branch))),
            (None, tag) => Ok(tag.map(Resolved::Tag)),
        }
    }

    fn unknown(&self, name: &str) -> Failure {
        let names = self.branches.iter().chain(&self.tags).map(|named| named.name.as_str());
        let bare = name.strip_prefix("refs/heads/").or(name.strip_prefix("refs/tags/")).unwrap_or(name);
        let nearest = nearest(bare, names);
        let nearest = if nearest.is_empty() { "-".to_owned() } else { nearest.join(", ") };
        Failure::not_found("git-ref-unknown").arg("ref", name).arg("nearest", nearest)
    }
}

/// A commit in what [`LOG_FORMAT`] prints.
fn logged(text: &str) -> Result<Logged, Failure> {
    let parts: Vec<&str> = text.splitn(6, '\u{1f}').collect();
    let [commit, at_s, author, email, subject, message] = parts[..] else {
        return Err(Failure::unavailable("git-failed").arg("command", "log"));
    };
    Ok(Logged {
        commit: CommitId::new(commit.trim())?,
        author: author.to_owned(),
        email: email.to_owned(),
        at: at_s.parse::<Millis>().unwrap_or(0).saturating_mul(1_000),
        subject: subject.to_owned(),
        message: message.trim_end().to_owned(),
    })
}

/// `ls-remote` prints `COMMIT\tREF`, and after an annotated tag `COMMIT\tREF^{}` with the commit that it is for.
async fn refs(mirror: &mut Mirror) -> Result<Refs, Failure> {
    let output = mirror.run_remote(&["ls-remote", "--quiet", "--heads", "--tags", "origin"], &[], &[]).await?;
    if !output.is_ok() {
        return Err(mirror.failed("ls-remote", &output));
    }
    let mut refs = Refs::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((commit, name)) = line.split_once('\t') else { continue };
        let commit = CommitId::new(commit)?;
        if let Some(name) = name.strip_prefix("refs/heads/") {
            refs.branches.push(Named { name: name.to_owned(), commit });
        } else if let Some(name) = name.strip_prefix("refs/tags/") {
            match (name.strip_suffix("^{}"), refs.tags.last_mut()) {
                (Some(name), Some(tag)) if tag.name == name => tag.commit = commit,
                _ => refs.tags.push(Named { name: name.to_owned(), commit }),
            }
        }
    }
    Ok(refs)
}

/// The one commit whose id begins so.
async fn abbreviated(mirror: &mut Mirror, start: &str) -> Result<Option<CommitId>, Failure> {
    mirror.fetch_all().await?;
    let ids = mirror.print(&["rev-parse", &format!("--disambiguate={start}")], &[]).await?;
    let kinds = mirror.print(&["cat-file", "--batch-check"], &ids).await?;
    let kinds = String::from_utf8_lossy(&kinds);
    let mut commits = kinds.lines().filter_map(|line| line.split_once(" commit ").map(|(id, _)| id));
    match (commits.next(), commits.next()) {
        (None, _) => Ok(None),
        (Some(commit), None) => CommitId::new(commit).map(Some),
        (Some(one), Some(other)) => Err(Failure::refused("git-commit-ambiguous")
            .arg("ref", start)
            .arg("commits", [&[one, other], &commits.collect::<Vec<_>>()[..]].concat().join(", "))),
    }
}

async fn is_ancestor(mirror: &mut Mirror, ancestor: &CommitId, commit: &CommitId) -> Result<bool, Failure> {
    let args = ["merge-base", "--is-ancestor", ancestor.as_str(), commit.as_str()];
    let output = mirror.run(&args, &[], LIST_BYTES_MAX).await?;
    match output.code {
        0 => Ok(true),
        1 => Ok(false),
        _ => Err(mirror.failed("merge-base", &output)),
    }
}
