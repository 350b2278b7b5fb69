//! A commit to a branch that people guard: it goes to a branch of its own, and a person merges it.
//!
//! A change must keep: what was merged is never asked for again. The request is found by the branch that the step alone has;
//! and where that branch is gone with it, the mark of the commit is found in the branch that it was merged into.

use std::time::Duration;

use naru_core::failure::Failure;
use naru_git::gitlab::Gitlab;
use naru_git::gitlab::merge::{MergeRequest, MergeState, NewMergeRequest};
use naru_git::name::{Branch, CommitId};
use naru_git::repository::commit::Committed;
use naru_operation::kind::{Outcome, Work};
use serde_json::json;

use crate::estate::Estate;
use crate::step::{Commit, commit_of, order, wanted};

/// A person takes minutes.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Whether a push to the branch would be refused, as far as the server tells.
pub async fn is_guarded(estate: &Estate, url: &str, branch: &str) -> Result<bool, Failure> {
    let (Some(gitlab), Some(project)) = (estate.gitlab()?, estate.gitlab_project(url)) else { return Ok(false) };
    Ok(gitlab.branch(&project, branch).await?.is_some_and(|found| found.protected && !found.can_push))
}

/// Asks for a merge, and waits until a person has done it.
pub async fn merge(estate: &Estate, work: &Work) -> Result<Outcome, Failure> {
    let commit = commit_of(work)?;
    let none = || Failure::refused("merge-no-gitlab").arg("url", &commit.url);
    let (gitlab, project) = (estate.gitlab()?.ok_or_else(none)?, estate.gitlab_project(&commit.url).ok_or_else(none)?);
    if let (Some(left), true) = (work.step.args["note"]["number"].as_u64(), work.note.is_null()) {
        withdraw(gitlab, &project, left).await?;
    }
    let request = match work.note["number"].as_u64() {
        Some(number) => gitlab.merge_request(&project, number).await?,
        None => match open(estate, work, &commit, (gitlab, &project)).await? {
            Opened::Request(request) => request,
            Opened::There(commit) => return Ok(Outcome::Done { note: json!({ "commit": commit.as_str() }) }),
        },
    };
    let told = |failure: Failure| failure.arg("number", request.number).arg("url", &request.web_url);
    match &request.state {
        MergeState::Merged(commit) => Ok(Outcome::Done { note: json!({ "commit": commit.as_str() }) }),
        MergeState::Closed => Err(told(Failure::refused("merge-closed"))),
        MergeState::Opened => Ok(Outcome::NotYet {
            why: told(Failure::unavailable("merge-waits")),
            note: json!({ "number": request.number }),
            again: LOOK_EVERY,
        }),
    }
}

/// Closes the request of a step that is taken back before anybody has merged it: whoever did so later would deploy what
/// nobody wants any more.
async fn withdraw(gitlab: &Gitlab, project: &str, number: u64) -> Result<(), Failure> {
    match gitlab.merge_request(project, number).await?.state {
        MergeState::Opened => gitlab.close_merge_request(project, number).await.map(drop),
        MergeState::Merged(_) | MergeState::Closed => Ok(()),
    }
}

enum Opened {
    Request(MergeRequest),
    /// The branch has it already.
    There(CommitId),
}

async fn open(
    estate: &Estate,
    work: &Work,
    commit: &Commit,
    (gitlab, project): (&Gitlab, &str),
) -> Result<Opened, Failure> {
    let repository = estate.repository(&commit.url)?;
    let target = Branch::new(&commit.branch)?;
    let source = Branch::new(format!("naru/{}-{}", work.operation, work.number))?;
    let order = order(estate, work, commit, source.clone(), Some(target.clone()))?;
    let committed = repository.commit(&order, |files| wanted(&commit.edits, files)).await?;
    if let Committed::Unchanged(base) = &committed {
        return Ok(Opened::There(base.clone()));
    }
    let head = estate.head(&repository, &target).await?;
    if repository.is_ancestor(committed.commit(), &head).await? {
        return Ok(Opened::There(committed.commit().clone()));
    }
    let (title, description) = commit.message.split_once("\n\n").unwrap_or((&commit.message, ""));
    let asked = match work.approved_by.is_empty() {
        true => format!("Requested by: {}", work.actor),
        false => format!("Requested by: {}, approved by: {}", work.actor, work.approved_by),
    };
    let description = format!("{description}\n\n{asked}\nOperation: {}\n", work.operation);
    let new = NewMergeRequest { source, target, title: title.to_owned(), description };
    Ok(Opened::Request(gitlab.open_merge_request(project, &new).await?))
}
