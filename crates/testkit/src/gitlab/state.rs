//! What the stand-in remembers besides the repositories.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

use super::{Call, Fault};
use crate::origin::Origin;

pub(super) struct State {
    pub url: String,
    /// By path, `group/project`.
    pub projects: BTreeMap<String, Project>,
    pub pipelines_made: u64,
    /// Manifests by name and tag, and by name and digest.
    pub images: BTreeMap<(String, String), String>,
    /// Tokens of the registry that were given out, with the scope they open.
    pub registry_tokens: BTreeSet<(String, String)>,
    pub hides_digests: bool,
    pub faults: Vec<Planned>,
    /// Calls that were kept.
    pub held: usize,
    pub released: watch::Sender<u64>,
    /// Where everything has gone.
    pub moved_to: Option<String>,
    pub ledger: Vec<Call>,
}

/// A fault to come.
pub(super) struct Planned {
    /// Empty for any.
    pub method: String,
    /// A part of the path.
    pub path: String,
    pub fault: Fault,
    /// How often still.
    pub times: u32,
}

pub(super) struct Project {
    pub id: u64,
    pub origin: Arc<Origin>,
    pub pipelines: Vec<Pipeline>,
    pub merge_requests: Vec<MergeRequest>,
}

#[derive(Clone)]
pub(super) struct Pipeline {
    pub id: u64,
    pub sha: String,
    pub name: String,
    pub status: String,
}

#[derive(Clone, Serialize)]
pub(super) struct MergeRequest {
    pub iid: u64,
    pub web_url: String,
    pub state: &'static str,
    pub source_branch: String,
    pub target_branch: String,
    pub title: String,
    pub source_project_id: u64,
    pub target_project_id: u64,
    pub sha: Option<String>,
    pub merge_commit_sha: Option<String>,
    pub squash_commit_sha: Option<String>,
}

impl State {
    pub fn new(url: String) -> State {
        State {
            url,
            projects: BTreeMap::new(),
            pipelines_made: 0,
            images: BTreeMap::new(),
            registry_tokens: BTreeSet::new(),
            hides_digests: false,
            faults: Vec::new(),
            held: 0,
            released: watch::Sender::new(0),
            moved_to: None,
            ledger: Vec::new(),
        }
    }

    /// By path or number.
    pub fn project(&self, name: &str) -> Option<(&String, &Project)> {
        self.projects.iter().find(|(path, project)| *path == name || project.id.to_string() == name)
    }

    pub fn project_mut(&mut self, path: &str) -> &mut Project {
        self.projects.get_mut(path).expect("the test made this project")
    }

    /// Keeps a call until what is answered changes.
    pub fn hold(&mut self) -> watch::Receiver<u64> {
        self.held += 1;
        self.released.subscribe()
    }

    /// The fault that this call gets, which counts as used.
    pub fn fault_of(&mut self, method: &str, path: &str) -> Option<Fault> {
        let is_meant = |it: &&mut Planned| {
            it.times > 0 && (it.method.is_empty() || it.method == method) && path.contains(&it.path)
        };
        let found = self.faults.iter_mut().find(is_meant)?;
        found.times -= 1;
        Some(found.fault)
    }
}
