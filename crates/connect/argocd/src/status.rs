//! What Argo CD found out about an Application: what is compared, how it does, what was done to it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::application::{Initiator, Operation, null_is_default};

/// What the controller found.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// Whether what runs is what is wanted.
    #[serde(deserialize_with = "null_is_default")]
    pub sync: SyncStatus,
    /// Whether it works.
    #[serde(deserialize_with = "null_is_default")]
    pub health: HealthStatus,
    /// The running operation, else the last one.
    pub operation_state: Option<OperationState>,
    /// What was deployed, oldest first; Argo CD keeps ten unless told otherwise.
    #[serde(deserialize_with = "null_is_default")]
    pub history: Vec<Deployed>,
    /// Every managed object.
    #[serde(deserialize_with = "null_is_default")]
    pub resources: Vec<ManagedResource>,
    /// Errors and warnings.
    #[serde(deserialize_with = "null_is_default")]
    pub conditions: Vec<Condition>,
    /// The images that run.
    #[serde(deserialize_with = "null_is_default")]
    pub summary: Summary,
    /// `Helm`, `Kustomize`, `Directory` or `Plugin`.
    pub source_type: String,
    /// The same for each of several sources.
    #[serde(deserialize_with = "null_is_default")]
    pub source_types: Vec<String>,
    /// When the controller last looked.
    pub reconciled_at: Option<Timestamp>,
}

/// What was compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SyncStatus {
    /// `Synced`, `OutOfSync` or `Unknown`.
    pub status: String,
    /// The commit or chart version, of a single source.
    pub revision: String,
    /// Those of several sources.
    #[serde(deserialize_with = "null_is_default")]
    pub revisions: Vec<String>,
}

/// How an Application or an object does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HealthStatus {
    /// In one word.
    pub status: Health,
    /// And more.
    pub message: String,
}

/// How it does, in a word. A Deployment without replicas is `Healthy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// It works.
    Healthy,
    /// It is on its way.
    Progressing,
    /// It failed.
    Degraded,
    /// It waits for a person.
    Suspended,
    /// It is not there.
    Missing,
    /// Nobody knows, or a word of a later server.
    #[default]
    #[serde(other)]
    Unknown,
}

/// An operation and how far it is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OperationState {
    /// In one word.
    pub phase: Phase,
    /// And more.
    pub message: String,
    /// In whole seconds.
    pub started_at: Option<Timestamp>,
    /// In whole seconds.
    pub finished_at: Option<Timestamp>,
    /// What was asked for.
    #[serde(deserialize_with = "null_is_default")]
    pub operation: Operation,
    /// What came of it.
    #[serde(deserialize_with = "null_is_default")]
    pub sync_result: SyncResult,
    /// How often it was tried again.
    pub retry_count: u64,
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It runs.
    Running,
    /// It was told to end.
    Terminating,
    /// It did what was asked.
    Succeeded,
    /// It did not.
    Failed,
    /// It could not be tried.
    Error,
    /// A word of a later server.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Phase {
    /// Whether nothing more comes.
    pub fn is_terminal(self) -> bool {
        matches!(self, Phase::Succeeded | Phase::Failed | Phase::Error)
    }
}

/// What a sync did.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SyncResult {
    /// What was synced to.
    pub revision: String,
    /// Of several sources.
    #[serde(deserialize_with = "null_is_default")]
    pub revisions: Vec<String>,
    /// What became of each object.
    #[serde(deserialize_with = "null_is_default")]
    pub resources: Vec<SyncedResource>,
}

/// What a sync did with an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SyncedResource {
    /// The API group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// `Synced`, `SyncFailed`, `Pruned`, `PruneSkipped`.
    pub status: String,
    /// Why.
    pub message: String,
}

/// One deployment of the past.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Deployed {
    /// Counts up.
    pub id: i64,
    /// What was deployed.
    pub revision: String,
    /// Of several sources.
    #[serde(deserialize_with = "null_is_default")]
    pub revisions: Vec<String>,
    /// When it began.
    pub deploy_started_at: Option<Timestamp>,
    /// When it was done.
    pub deployed_at: Option<Timestamp>,
    /// By whom.
    #[serde(deserialize_with = "null_is_default")]
    pub initiated_by: Initiator,
    /// The source as it was, whole.
    pub source: Value,
    /// The sources as they were, whole.
    #[serde(deserialize_with = "null_is_default")]
    pub sources: Vec<Value>,
}

/// An object that an Application manages.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ManagedResource {
    /// The API group.
    pub group: String,
    /// Its version.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// `Synced` or `OutOfSync`.
    pub status: String,
    /// Whether it is there and no longer wanted: a sync that is told to prune removes it.
    #[serde(rename = "requiresPruning")]
    pub requires_pruning: bool,
    /// How it does.
    #[serde(deserialize_with = "null_is_default")]
    pub health: HealthStatus,
}

/// Something that is wrong with an Application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// `ComparisonError`, `SyncError`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// What.
    pub message: String,
}

/// What runs, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Every image of a live object.
    #[serde(deserialize_with = "null_is_default")]
    pub images: Vec<String>,
}
