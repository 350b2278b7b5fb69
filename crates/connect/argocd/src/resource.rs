//! The objects of an Application.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::application::null_is_default;
use crate::status::HealthStatus;

/// Which object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceRef {
    /// `apps`; empty for the core group.
    pub group: String,
    /// `v1`.
    pub version: String,
    /// `Deployment`.
    pub kind: String,
    /// Empty for what belongs to the cluster.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ResourceRef {
    /// The action of the policy line for it, since 3.0: `update/apps/Deployment/shop/web`.
    pub(crate) fn action(&self, verb: &str) -> String {
        format!("{verb}/{}/{}/{}/{}", self.group, self.kind, self.namespace, self.name)
    }
}

/// Everything that an Application manages and what grew out of that, down to the pods.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Tree {
    /// In no order.
    #[serde(deserialize_with = "null_is_default")]
    pub nodes: Vec<Node>,
}

/// A live object.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Node {
    /// Which.
    #[serde(flatten)]
    pub resource: ResourceRef,
    /// Another one after the object was made anew.
    pub uid: String,
    /// What it grew out of; none for what is managed itself.
    #[serde(deserialize_with = "null_is_default")]
    pub parent_refs: Vec<ResourceRef>,
    /// The images of its pods.
    #[serde(deserialize_with = "null_is_default")]
    pub images: Vec<String>,
    /// How it does; objects without a health have none.
    pub health: Option<HealthStatus>,
    /// What the console shows beside it: `Status Reason` of a pod, `Containers` 1/1.
    #[serde(deserialize_with = "null_is_default")]
    pub info: Vec<Note>,
    /// Since when it is there.
    pub created_at: Option<Timestamp>,
}

/// A name and a value beside a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Note {
    /// What.
    pub name: String,
    /// How much.
    pub value: String,
}

/// A change of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Patch {
    /// RFC 7396: what is named is replaced, `null` removes, lists are replaced whole.
    Merge(Value),
    /// RFC 6902: steps, of which a `test` that finds something else refuses all (`argocd-conflict`).
    Json(Value),
}

impl Patch {
    pub(crate) fn text(&self) -> String {
        let (Patch::Merge(value) | Patch::Json(value)) = self;
        value.to_string()
    }

    /// As calls about Applications name it.
    pub(crate) fn short_name(&self) -> &'static str {
        match self {
            Patch::Merge(_) => "merge",
            Patch::Json(_) => "json",
        }
    }

    /// As calls about objects name it.
    pub(crate) fn media_type(&self) -> &'static str {
        match self {
            Patch::Merge(_) => "application/merge-patch+json",
            Patch::Json(_) => "application/json-patch+json",
        }
    }
}
