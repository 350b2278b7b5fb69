//! An Application as Argo CD tells it: the fields that are used, and `spec` whole.
//!
//! `spec` stays JSON, since what is written goes out as a patch of it or as a copy of it, and a field that this crate
//! does not know must not be lost on the way.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::status::Status;

/// Which Application: its name is unique within its namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AppRef {
    /// `metadata.name`.
    pub name: String,
    /// `spec.project`; every call names it.
    pub project: String,
    /// `metadata.namespace`, where it is not Argo CD's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl AppRef {
    /// An Application in Argo CD's own namespace.
    pub fn new(project: impl Into<String>, name: impl Into<String>) -> AppRef {
        AppRef { name: name.into(), project: project.into(), namespace: None }
    }

    /// As policy lines name it: `project/name`, or `project/namespace/name`.
    pub fn rbac_object(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}/{namespace}/{}", self.project, self.name),
            None => format!("{}/{}", self.project, self.name),
        }
    }
}

/// An Application.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Application {
    /// Name, labels, owners.
    pub metadata: Metadata,
    /// As it is, whole.
    pub spec: Value,
    /// What is asked for or runs; absent once it is over.
    pub operation: Option<Operation>,
    /// What was found.
    #[serde(deserialize_with = "null_is_default")]
    pub status: Status,
}

/// What every object of Kubernetes has.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// Unique within the namespace.
    pub name: String,
    /// Where the object lives.
    pub namespace: String,
    /// Another one after the object was made anew.
    pub uid: String,
    /// Changes with every write.
    pub resource_version: String,
    /// Names for selectors.
    #[serde(deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// Notes.
    #[serde(deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
    /// Whoever made it.
    #[serde(deserialize_with = "null_is_default")]
    pub owner_references: Vec<OwnerReference>,
    /// What must be done before it is gone.
    #[serde(deserialize_with = "null_is_default")]
    pub finalizers: Vec<String>,
    /// Since when it is being deleted.
    pub deletion_timestamp: Option<Timestamp>,
}

/// An object that made another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OwnerReference {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `ApplicationSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Operation {
    /// What its asker wrote to it.
    #[serde(deserialize_with = "null_is_default")]
    pub info: Vec<Info>,
    /// Who asked.
    pub initiated_by: Initiator,
    /// The revision and options, whole.
    pub sync: Value,
}

/// A name and a value that travel with an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// `naru`.
    pub name: String,
    /// Any text.
    pub value: String,
}

impl Info {
    /// A pair.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Info {
        Info { name: name.into(), value: value.into() }
    }
}

/// Who asked for an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Initiator {
    /// The account of the token.
    pub username: String,
    /// Argo CD itself.
    pub automated: bool,
}

/// How an Application syncs by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoSync {
    /// What Git no longer has is removed.
    pub prune: bool,
    /// What was changed by hand is changed back.
    pub self_heal: bool,
}

impl Application {
    /// How calls name it; `home` is Argo CD's own namespace where it is known.
    pub fn reference(&self, home: Option<&str>) -> AppRef {
        let elsewhere = home.is_some_and(|home| home != self.metadata.namespace);
        AppRef {
            name: self.metadata.name.clone(),
            project: self.project().to_owned(),
            namespace: elsewhere.then(|| self.metadata.namespace.clone()),
        }
    }

    /// `spec.project`; an empty one is `default`.
    pub fn project(&self) -> &str {
        match self.spec["project"].as_str() {
            Some(project) if !project.is_empty() => project,
            _ => "default",
        }
    }

    /// `spec.sources`, else `spec.source`.
    pub fn sources(&self) -> Vec<&Value> {
        match self.spec["sources"].as_array() {
            Some(sources) if !sources.is_empty() => sources.iter().collect(),
            _ => self.spec.get("source").filter(|source| source.is_object()).into_iter().collect(),
        }
    }

    /// How it syncs by itself, if it does: `automated` is there and `enabled` is not false.
    pub fn auto_sync(&self) -> Option<AutoSync> {
        let automated = self.spec["syncPolicy"]["automated"].as_object()?;
        let is = |key: &str| automated.get(key).and_then(Value::as_bool);
        (is("enabled") != Some(false))
            .then(|| AutoSync { prune: is("prune") == Some(true), self_heal: is("selfHeal") == Some(true) })
    }

    /// What it was last compared with, one for each source.
    pub fn revisions(&self) -> Vec<&str> {
        revisions_of(&self.status.sync.revision, &self.status.sync.revisions)
    }
}

pub(crate) fn revisions_of<'a>(one: &'a str, many: &'a [String]) -> Vec<&'a str> {
    if many.is_empty() { vec![one] } else { many.iter().map(String::as_str).collect() }
}

/// Go writes an empty list or map as `null`.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::status::Health;

    fn app(value: Value) -> Application {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_go_writes_for_nothing_is_read() {
        let app = app(json!({
            "metadata": { "name": "web", "labels": null, "creationTimestamp": null },
            "spec": { "project": "", "source": { "repoURL": "r" } },
            "status": { "history": null, "summary": null, "health": {}, "operationState": null, "sync": { "revisions": null } },
        }));
        assert_eq!((app.project(), app.sources().len(), app.status.health.status), ("default", 1, Health::Unknown));
    }

    #[test]
    fn auto_sync_is_on_unless_it_says_no() {
        for (automated, expect) in [
            (json!(null), None),
            (json!({}), Some((false, false))),
            (json!({ "enabled": null, "selfHeal": true }), Some((false, true))),
            (json!({ "enabled": true, "prune": true }), Some((true, false))),
            (json!({ "enabled": false, "selfHeal": true }), None),
        ] {
            let app = app(json!({ "spec": { "syncPolicy": { "automated": automated } } }));
            assert_eq!(app.auto_sync().map(|auto| (auto.prune, auto.self_heal)), expect, "{automated}");
        }
    }

    #[test]
    fn words_of_a_later_server_are_unknown() {
        let app =
            app(json!({ "status": { "health": { "status": "Sleepy" }, "operationState": { "phase": "Pausing" } } }));
        assert_eq!(app.status.health.status, Health::Unknown);
        assert!(!app.status.operation_state.unwrap().phase.is_terminal());
    }
}
