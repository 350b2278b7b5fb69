//! Commits: several files of a branch changed at once, exactly once, or not at all.
//!
//! A commit is made beside the branch and pushed on the condition that the branch has not moved meanwhile (a lease).
//! Where it has, the files are read again and the caller says anew what they shall be: nobody's change is written over.
//! Whether a push that was never answered was taken is found out by a trailer that names the step it was made for.
//!
//! A change must keep: before anything is written, the branch as the server has it now is searched for that trailer.

use std::time::Duration;

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_wire::wait::before_next;

use super::Repository;
use crate::files::Files;
use crate::mirror::{Mirror, RECENT_COMMITS_MAX};
use crate::name::{Branch, CommitId, FilePath};
use crate::person::{Person, Trailer, message};
use crate::said::{MIRROR_BROKEN, Pushed, of_push};

/// Each time a push is refused somebody else's was taken, so this many others in a row were faster.
const ATTEMPTS_MAX: u32 = 16;
/// A server that loses so many answers is not asked on and on.
const UNANSWERED_MAX: usize = 3;
/// Those who collided must not do so again in step.
const PAUSE_MAX: Duration = Duration::from_millis(1_500);
const PAUSE_FIRST: Duration = Duration::from_millis(30);

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Order {
    /// The branch to change.
    pub branch: Branch,
    /// The branch it begins from where it does not exist.
    pub start: Option<Branch>,
    /// The files to be read for whoever says what they shall be; at most 1,000.
    pub paths: Vec<FilePath>,
    /// Subject and body of the message.
    pub message: String,
    /// What this commit is found by again: unique to the step it is made for.
    pub mark: Trailer,
    /// More trailers.
    pub trailers: Vec<Trailer>,
    /// Who wanted it.
    pub author: Person,
    /// Who made it.
    pub committer: Person,
    /// When, in whole seconds as Git has them.
    pub at: Millis,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The commit was made now.
    Made(CommitId),
    /// It had been made before.
    Found(CommitId),
    /// The files are as wanted already, at this commit; nothing was written.
    Unchanged(CommitId),
}

impl Committed {
    /// The commit in which the files are as wanted.
    pub fn commit(&self) -> &CommitId {
        let (Committed::Made(commit) | Committed::Found(commit) | Committed::Unchanged(commit)) = self;
        commit
    }
}

/// How one attempt ended.
enum Attempt {
    Done(Committed),
    /// Somebody was faster, or no answer came.
    Again(CommitId, Option<Failure>),
}

impl Repository {
    /// Changes files of a branch in one commit. `wanted` is told the files at `order.paths` and answers the files that
    /// shall be otherwise, none for one that shall not be there; it is asked again each time the branch has moved, and
    /// its failure ends all.
    pub async fn commit(
        &self,
        order: &Order,
        wanted: impl Fn(&Files) -> Result<Files, Failure> + Send + Sync,
    ) -> Result<Committed, Failure> {
        let trailers: Vec<&Trailer> = std::iter::once(&order.mark).chain(&order.trailers).collect();
        let text = message(&order.message, &trailers)?;
        let mut pushed = None;
        let mut unanswered = Vec::new();
        let mut was_broken = false;
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                // While naru stops it only goes faster.
                let _ =
                    tokio::time::timeout(before_next(attempt, PAUSE_FIRST, PAUSE_MAX), self.lifecycle.stopped()).await;
            }
            let mut mirror = self.mirror().await?;
            match try_once(&mut mirror, order, &text, &wanted).await {
                // Made anew with the next look at it.
                Err(failure) if failure.code == MIRROR_BROKEN && !was_broken => was_broken = true,
                Err(failure) => return Err(failure),
                // Ours, and only its answer was lost.
                Ok(Attempt::Done(Committed::Found(commit))) if pushed.as_ref() == Some(&commit) => {
                    return Ok(Committed::Made(commit));
                }
                Ok(Attempt::Done(committed)) => return Ok(committed),
                Ok(Attempt::Again(commit, failure)) => {
                    pushed = Some(commit);
                    unanswered.extend(failure);
                }
            }
            if unanswered.len() >= UNANSWERED_MAX {
                break;
            }
        }
        let conflict = || Failure::conflict("git-conflict").arg("branch", &order.branch).arg("attempts", ATTEMPTS_MAX);
        Err(unanswered.pop().unwrap_or_else(conflict))
    }
}

async fn try_once(
    mirror: &mut Mirror,
    order: &Order,
    text: &str,
    wanted: &(impl Fn(&Files) -> Result<Files, Failure> + Send + Sync),
) -> Result<Attempt, Failure> {
    let head = mirror.fetch_branch(&order.branch).await?;
    let base = match (&head, &order.start) {
        (Some(head), _) => Some(head.clone()),
        (None, Some(start)) => mirror.fetch_branch(start).await?,
        (None, None) => None,
    };
    let Some(base) = base else {
        let branch = order.start.as_ref().unwrap_or(&order.branch);
        return Err(Failure::not_found("git-branch-unknown").arg("branch", branch).arg("url", mirror.remote().url()));
    };
    if let Some(commit) = marked(mirror, &base, &order.mark).await? {
        return Ok(Attempt::Done(Committed::Found(commit)));
    }
    let files = mirror.read(&base, &order.paths).await?;
    let tree = mirror.write_tree(&base, &wanted(&files)?).await?;
    if tree == mirror.tree_of(&base).await? {
        return Ok(Attempt::Done(Committed::Unchanged(base)));
    }
    let at_s = order.at.div_euclid(1_000);
    let commit = mirror.commit_tree(&tree, &base, text, [&order.author, &order.committer], at_s).await?;
    match push(mirror, &commit, &order.branch, head.as_ref()).await? {
        Pushed::Taken => Ok(Attempt::Done(Committed::Made(commit))),
        Pushed::Moved => Ok(Attempt::Again(commit, None)),
        Pushed::Unclear(failure) => Ok(Attempt::Again(commit, Some(failure))),
        Pushed::Refused(failure) => Err(failure),
    }
}

/// The recent commit with that trailer.
async fn marked(mirror: &mut Mirror, head: &CommitId, mark: &Trailer) -> Result<Option<CommitId>, Failure> {
    let count = format!("--max-count={RECENT_COMMITS_MAX}");
    let format = format!("--format=%x1e%H%x1f%(trailers:key={},valueonly,unfold,separator=%x1f)", mark.key());
    let printed = mirror.print(&["log", "--no-show-signature", &count, &format, head.as_str()], &[]).await?;
    let text = String::from_utf8_lossy(&printed);
    let found = text.split('\u{1e}').find_map(|record| {
        let mut parts = record.split('\u{1f}');
        let commit = parts.next()?;
        parts.any(|value| value.trim() == mark.value()).then_some(commit)
    });
    found.map(CommitId::new).transpose()
}

/// Moves the branch from `old` (none: there must be none) to `commit`, or leaves it as it is.
async fn push(
    mirror: &mut Mirror,
    commit: &CommitId,
    branch: &Branch,
    old: Option<&CommitId>,
) -> Result<Pushed, Failure> {
    let full = branch.full();
    let lease = format!("--force-with-lease={full}:{}", old.map_or("", CommitId::as_str));
    let what = format!("{commit}:{full}");
    let options = ["--porcelain", "--no-verify", "--recurse-submodules=no", &lease];
    let args = [&["push"], &options[..], &["origin", &what]].concat();
    match mirror.run_remote_with(&args, &mirror.aside(), &[], &[]).await {
        Ok(output) => {
            let stdout = String::from_utf8_lossy(&output.stdout);
            let pushed = of_push(output.code, &stdout, &output.stderr, branch.as_str(), mirror.remote());
            if let Pushed::Refused(failure) = &pushed {
                mirror.note_broken(failure);
            }
            Ok(pushed)
        }
        // Ended by us in the middle.
        Err(failure) if failure.code == "git-timed-out" => Ok(Pushed::Unclear(failure)),
        Err(failure) => Err(failure),
    }
}
