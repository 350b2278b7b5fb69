//! Pipelines: what was made of a commit, and how far it is.

use naru_core::failure::Failure;
use serde::{Deserialize, Serialize};

use super::Gitlab;
use crate::name::CommitId;

/// Pipelines of one commit that are looked at.
const PIPELINES_LOOKED_AT: &str = "50";

/// What ran, runs or waits for a commit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pipeline {
    /// Its number.
    pub id: u64,
    /// How it stands.
    pub status: PipelineStatus,
    /// The branch or tag that it was made for; `refs/merge-requests/…` where it was made for a merge request.
    #[serde(rename = "ref")]
    pub name: String,
    /// Its page.
    pub web_url: String,
}

/// How a pipeline stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PipelineStatus {
    /// All of it is done.
    Success,
    /// A job failed.
    Failed,
    /// Somebody ended it.
    #[serde(alias = "canceling")]
    Canceled,
    /// There was nothing to do.
    Skipped,
    /// It waits for a person.
    Manual,
    /// On its way, in whatever words this version of GitLab has for it.
    #[serde(other)]
    Running,
}

impl Gitlab {
    /// The latest pipeline of a commit, of a branch or tag alone where one is named; none where none was made.
    pub async fn pipeline(
        &self,
        project: &str,
        commit: &CommitId,
        name: Option<&str>,
    ) -> Result<Option<Pipeline>, Failure> {
        let mut query = vec![("sha", commit.as_str()), ("order_by", "id"), ("sort", "desc"), ("per_page", "1")];
        query.extend(name.map(|name| ("ref", name)));
        let found: Option<Vec<Pipeline>> = self.read(project, "/pipelines", &query).await?;
        Ok(found.unwrap_or_default().into_iter().next())
    }

    /// The branches and tags that pipelines of a commit were made for, the latest first and each once.
    pub async fn made_for(&self, project: &str, commit: &CommitId) -> Result<Vec<String>, Failure> {
        let query = [("sha", commit.as_str()), ("order_by", "id"), ("sort", "desc"), ("per_page", PIPELINES_LOOKED_AT)];
        let found: Option<Vec<Pipeline>> = self.read(project, "/pipelines", &query).await?;
        let mut names: Vec<String> = Vec::new();
        for Pipeline { name, .. } in found.unwrap_or_default() {
            if !name.starts_with("refs/") && !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }
}
