//! Merge requests: opened once, and looked at until somebody has merged or closed them.

use http::{Method, StatusCode};
use naru_core::failure::Failure;
use serde::{Deserialize, Serialize};

use super::Gitlab;
use crate::name::{Branch, CommitId};

/// Merge requests between two branches that are looked at: those of forks stand among them.
const REQUESTS_LOOKED_AT: &str = "100";

/// What is to be merged.
#[derive(Clone, Debug)]
pub struct NewMergeRequest {
    /// The branch that holds the change; by it the request is found again, so it is used for this one alone.
    pub source: Branch,
    /// The branch that shall have it.
    pub target: Branch,
    /// The headline.
    pub title: String,
    /// The text below, in Markdown.
    pub description: String,
}

/// A merge request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeRequest {
    /// Its number within the project, the one in `!5`.
    pub number: u64,
    /// Its page.
    pub web_url: String,
    /// How it stands.
    pub state: MergeState,
}

/// How a merge request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeState {
    /// It waits for a person, or is being merged.
    Opened,
    /// The target has it since this commit.
    Merged(CommitId),
    /// Somebody does not want it.
    Closed,
}

impl Gitlab {
    /// Opens a merge request, or finds the one that was opened from that source branch before, in whatever state.
    pub async fn open_merge_request(&self, project: &str, new: &NewMergeRequest) -> Result<MergeRequest, Failure> {
        if let Some(found) = self.merge_request_of(project, new).await? {
            return Ok(found);
        }
        let url = self.url(project, "/merge_requests", &[])?;
        let body = Create {
            source_branch: new.source.as_str(),
            target_branch: new.target.as_str(),
            title: &new.title,
            description: &new.description,
            remove_source_branch: true,
        };
        let sent = self.http.send(self.request(Method::POST, url).json(&body)).await;
        let failure = match sent {
            Ok(reply) if reply.status == StatusCode::CREATED => {
                let made = self.answer(project, reply)?;
                return self.read_merge_request(made.ok_or_else(|| self.project_unknown(project))?);
            }
            Ok(reply) if reply.status == StatusCode::CONFLICT || reply.status.is_server_error() => {
                self.answer::<Wire>(project, reply).err()
            }
            Ok(reply) => {
                let refused = self.answer::<Wire>(project, reply).err();
                return Err(refused.unwrap_or_else(|| self.project_unknown(project)));
            }
            Err(none) => Some(self.unreachable(none)),
        };
        // Somebody was faster, or it was opened and the answer was lost.
        match self.merge_request_of(project, new).await? {
            Some(found) => Ok(found),
            None => Err(failure.unwrap_or_else(|| self.project_unknown(project))),
        }
    }

    /// A merge request as it stands now.
    pub async fn merge_request(&self, project: &str, number: u64) -> Result<MergeRequest, Failure> {
        let found: Option<Wire> = self.read(project, &format!("/merge_requests/{number}"), &[]).await?;
        let unknown =
            || Failure::not_found("gitlab-merge-request-unknown").arg("number", number).arg("project", project);
        self.read_merge_request(found.ok_or_else(unknown)?)
    }

    /// Closes a merge request that nobody wants any more, and answers how it stands then: somebody may have merged it.
    pub async fn close_merge_request(&self, project: &str, number: u64) -> Result<MergeRequest, Failure> {
        let url = self.url(project, &format!("/merge_requests/{number}"), &[])?;
        let sent = self.http.send(self.request(Method::PUT, url).json(&Event { state_event: "close" })).await;
        // Whatever came of it is read: it may have been closed and the answer lost.
        let failed = match sent {
            Ok(reply) => self.answer::<Wire>(project, reply).err(),
            Err(none) => Some(self.unreachable(none)),
        };
        let found = self.merge_request(project, number).await?;
        match (&found.state, failed) {
            (MergeState::Opened, Some(failure)) => Err(failure),
            _ => Ok(found),
        }
    }

    /// The newest one between the two branches, of the project itself: a fork may have a branch of the same name.
    async fn merge_request_of(&self, project: &str, new: &NewMergeRequest) -> Result<Option<MergeRequest>, Failure> {
        let query = [
            ("source_branch", new.source.as_str()),
            ("target_branch", new.target.as_str()),
            ("state", "all"),
            ("order_by", "created_at"),
            ("sort", "desc"),
            ("per_page", REQUESTS_LOOKED_AT),
        ];
        let found: Option<Vec<Wire>> = self.read(project, "/merge_requests", &query).await?;
        let is_own = |wire: &Wire| wire.source_project_id == wire.target_project_id;
        found.unwrap_or_default().into_iter().find(is_own).map(|wire| self.read_merge_request(wire)).transpose()
    }

    fn read_merge_request(&self, wire: Wire) -> Result<MergeRequest, Failure> {
        // Without a merge commit the target was moved ahead to the source's last one.
        let merged = wire.merge_commit_sha.or(wire.squash_commit_sha).or(wire.sha);
        let state = match (wire.state.as_str(), merged) {
            ("merged", Some(commit)) => MergeState::Merged(self.commit_id(&commit)?),
            ("merged", None) => return Err(Failure::unavailable("gitlab-answer-unreadable").arg("url", &self.base)),
            ("closed", _) => MergeState::Closed,
            // `locked` while it is being merged.
            _ => MergeState::Opened,
        };
        Ok(MergeRequest { number: wire.iid, web_url: wire.web_url, state })
    }
}

#[derive(Serialize)]
struct Create<'a> {
    source_branch: &'a str,
    target_branch: &'a str,
    title: &'a str,
    description: &'a str,
    remove_source_branch: bool,
}

#[derive(Serialize)]
struct Event {
    state_event: &'static str,
}

#[derive(Deserialize)]
struct Wire {
    iid: u64,
    web_url: String,
    state: String,
    source_project_id: Option<u64>,
    target_project_id: Option<u64>,
    sha: Option<String>,
    merge_commit_sha: Option<String>,
    squash_commit_sha: Option<String>,
}
