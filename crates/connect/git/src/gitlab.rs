//! GitLab (REST, version 4): what its Git server does not tell.
//!
//! Commits and their pipelines ([`pipeline`]), branches and who may push to them, merge requests ([`merge`]). Only what is asked for is
//! read of an answer, so that an older or newer GitLab does as well. Sources: docs.gitlab.com, API resources *Projects*,
//! *Commits*, *Branches*, *Pipelines*, *Merge requests*; statuses as in *REST API: Status codes*.

pub mod merge;
pub mod pipeline;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use naru_core::clock::Clock;
use naru_core::config::SecretSource;
use naru_core::failure::{Failure, Kind};
use naru_core::lifecycle::Lifecycle;
use naru_core::masked::Secret;
use reqwest::{RequestBuilder, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::http::{Http, NoReply, Reply};
use crate::name::{CommitId, is_ref_name, ref_wrong};
use crate::near::nearest;
use crate::url::{address, check_secret};

/// A GitLab server: `[gitlab]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitlabConfig {
    /// Its address, as people open it: `https://gitlab.example.com`.
    pub url: String,
    /// An access token with the scope `api`; `read_api` where no merge requests are opened.
    pub token: SecretSource,
    /// Certificate authorities in PEM, besides the public ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Seconds that one call may take.
    #[serde(default = "timeout_s_default")]
    pub timeout_s: u64,
}

fn timeout_s_default() -> u64 {
    20
}

/// A GitLab server, as the holder of a token sees it.
pub struct Gitlab {
    http: Http,
    base: Url,
    token: Secret,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Project {
    /// Its number, which stays when it is renamed.
    pub id: u64,
    /// Its page.
    pub web_url: String,
    /// The branch that merge requests go to; none in an empty repository.
    pub default_branch: Option<String>,
}

/// A commit that a name was resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: CommitId,
    /// The first line of its message.
    pub title: String,
    /// What its author is called.
    pub author: String,
    /// Its page.
    pub web_url: String,
}

/// A branch, and what the holder of the token may do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchState {
    /// The commit it is at.
    pub commit: CommitId,
    /// Whether it is protected, by its name or a pattern.
    pub protected: bool,
    /// Whether a push with this token would be taken.
    pub can_push: bool,
}

/// What of a foreign answer is shown.
const SAID_CHARS_MAX: usize = 300;
/// Names that a mistyped one is compared with, of branches and of tags: one page.
const COMPARED_NAMES: &str = "100";

impl Gitlab {
    /// The configured server; relative paths count from `base`.
    pub fn new(
        config: &GitlabConfig,
        base: &Path,
        clock: Arc<dyn Clock>,
        lifecycle: Lifecycle,
    ) -> Result<Gitlab, Failure> {
        let address = address(&config.url, "gitlab-url-wrong")?;
        check_secret(address.scheme(), address.host_str().unwrap_or_default(), address.as_str())?;
        let token = config.token.read(base, "gitlab.token")?;
        let ca_file = config.ca_file.as_ref().map(|path| base.join(path));
        let ca_file = ca_file.as_deref().map(|path| (path, "gitlab.ca_file"));
        let http = Http::new(ca_file, Duration::from_secs(config.timeout_s.max(1)), clock, lifecycle)?;
        Ok(Gitlab { http, base: address, token })
    }

    /// A project by its path (`shop/web`) or its number.
    pub async fn project(&self, project: &str) -> Result<Project, Failure> {
        self.read(project, "", &[]).await?.ok_or_else(|| self.project_unknown(project))
    }

    /// The commit of a branch, a tag, or a commit's id or the beginning of one.
    pub async fn resolve(&self, project: &str, name: &str) -> Result<Commit, Failure> {
        if !is_ref_name(name) {
            return Err(ref_wrong(name));
        }
        let found: Option<WireCommit> =
            self.read(project, &format!("/repository/commits/{}", encoded(name)), &[]).await?;
        let Some(found) = found else { return Err(self.ref_unknown(project, name).await) };
        Ok(Commit {
            id: self.commit_id(&found.id)?,
            title: found.title,
            author: found.author_name,
            web_url: found.web_url,
        })
    }

    /// A branch; none where there is none of that name.
    pub async fn branch(&self, project: &str, name: &str) -> Result<Option<BranchState>, Failure> {
        if !is_ref_name(name) {
            return Err(ref_wrong(name));
        }
        let path = format!("/repository/branches/{}", encoded(name));
        let Some(found) = self.read::<WireBranch>(project, &path, &[]).await? else { return Ok(None) };
        let commit = self.commit_id(&found.commit.id)?;
        Ok(Some(BranchState { commit, protected: found.protected, can_push: found.can_push }))
    }

    /// Whether a branch is protected.
    pub async fn is_protected(&self, project: &str, branch: &str) -> Result<bool, Failure> {
        match self.branch(project, branch).await? {
            Some(found) => Ok(found.protected),
            None => Err(self.ref_unknown(project, branch).await),
        }
    }

    /// Reads what a path below a project answers; none where it is not there, but the project is.
    async fn read<T: DeserializeOwned>(
        &self,
        project: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, Failure> {
        let url = self.url(project, path, query)?;
        let reply = self.http.ask(|| self.request(Method::GET, url.clone())).await;
        self.answer(project, reply.map_err(|none| self.unreachable(none))?)
    }

    /// What an answer means.
    fn answer<T: DeserializeOwned>(&self, project: &str, reply: Reply) -> Result<Option<T>, Failure> {
        let said = said(&reply.body);
        let failure = |kind: Kind, code: &str| {
            let failure = Failure::new(kind, code).arg("url", &self.base).arg("project", project);
            let failure = failure.arg("status", reply.status.as_u16());
            if said.is_empty() { failure } else { failure.cause_text(self.masked(&said)) }
        };
        match reply.status {
            status if status.is_success() => match serde_json::from_slice(&reply.body) {
                Ok(found) => Ok(Some(found)),
                Err(error) => Err(failure(Kind::Unavailable, "gitlab-answer-unreadable").cause_text(error.to_string())),
            },
            StatusCode::UNAUTHORIZED => Err(failure(Kind::Refused, "gitlab-token-refused")),
            StatusCode::FORBIDDEN => Err(failure(Kind::Refused, "gitlab-forbidden")),
            StatusCode::NOT_FOUND if said.contains("Project Not Found") => Err(self.project_unknown(project)),
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::TOO_MANY_REQUESTS => {
                let failure = failure(Kind::Unavailable, "gitlab-throttled");
                Err(reply.retry_after_s.map_or(failure.clone(), |seconds| failure.retry_after(seconds)))
            }
            status if status.is_server_error() => Err(failure(Kind::Unavailable, "gitlab-unavailable")),
            _ => Err(failure(Kind::Refused, "gitlab-refused")),
        }
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.client().request(method, url).header("private-token", self.token.reveal())
    }

    fn url(&self, project: &str, path: &str, query: &[(&str, &str)]) -> Result<Url, Failure> {
        let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.starts_with('-');
        let is_plain = |c: char| c.is_alphanumeric() || "-_./".contains(c);
        if !project.chars().all(is_plain) || !project.split('/').all(is_part) {
            return Err(self.project_unknown(project));
        }
        let text = format!("{}api/v4/projects/{}{path}", self.base, encoded(project));
        let mut url = Url::parse(&text).map_err(Failure::bug)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    fn commit_id(&self, id: &str) -> Result<CommitId, Failure> {
        let unreadable = |_| Failure::unavailable("gitlab-answer-unreadable").arg("url", &self.base);
        CommitId::new(id).map_err(unreadable)
    }

    fn unreachable(&self, none: NoReply) -> Failure {
        none.explain(Failure::unavailable("gitlab-unreachable").arg("url", &self.base))
    }

    fn project_unknown(&self, project: &str) -> Failure {
        Failure::not_found("gitlab-project-unknown").arg("project", project).arg("url", &self.base)
    }

    async fn ref_unknown(&self, project: &str, name: &str) -> Failure {
        let mut names: Vec<String> = Vec::new();
        for (path, order) in [("branches", ("sort", "updated_desc")), ("tags", ("order_by", "updated"))] {
            let query = [order, ("per_page", COMPARED_NAMES)];
            // The answer is that there is no such name, whether or not others can be told.
            let found = self.read::<Vec<WireName>>(project, &format!("/repository/{path}"), &query).await;
            names.extend(found.ok().flatten().unwrap_or_default().into_iter().map(|found| found.name));
        }
        let nearest = nearest(name, names.iter().map(String::as_str)).join(", ");
        let nearest = if nearest.is_empty() { "-" } else { &nearest };
        let failure = Failure::not_found("gitlab-ref-unknown").arg("ref", name).arg("project", project);
        failure.arg("nearest", nearest)
    }

    fn masked(&self, text: &str) -> String {
        text.replace(self.token.reveal(), "***")
    }
}

/// A part of a path, with the slashes in it.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// What GitLab says beside a status: `{"message": …}` or `{"error": …}`, a text, a list or an object.
fn said(body: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let told = ["message", "error_description", "error"].iter().map(|key| &json[key]).find(|told| !told.is_null());
    let text = match told {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    text.chars().filter(|c| !c.is_control()).take(SAID_CHARS_MAX).collect()
}

#[derive(Deserialize)]
struct WireCommit {
    id: String,
    title: String,
    author_name: String,
    #[serde(default)]
    web_url: String,
}

#[derive(Deserialize)]
struct WireBranch {
    commit: WireId,
    protected: bool,
    #[serde(default)]
    can_push: bool,
}

#[derive(Deserialize)]
struct WireId {
    id: String,
}

#[derive(Deserialize)]
struct WireName {
    name: String,
}
