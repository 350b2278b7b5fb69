//! Whose hand an Application's spec is in. What an owner holds is undone when it is patched here: it is changed in Git.

use crate::application::Application;

/// Written by 3.x on whatever an Application manages: `APP:GROUP/KIND:NAMESPACE/NAME`.
const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
/// Written by 2.x on whatever an Application manages, unless the installation names another label.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";

/// Who writes an Application's spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A controller commits what is deployed: patching is of no use, only the dry source counts.
    Hydrator,
    /// An ApplicationSet of this name.
    ApplicationSet(String),
    /// Another Application of this name.
    Application(String),
    /// Nobody: a patch stays.
    Nobody,
}

/// Finds the owner. `label` is the installation's tracking label, [`INSTANCE_LABEL`] unless it was changed.
///
/// The label alone may have been copied by a chart, so it counts only where it does not name the Application itself.
pub fn owner(app: &Application, label: &str) -> Owner {
    if app.spec.get("sourceHydrator").is_some_and(|hydrator| !hydrator.is_null()) {
        return Owner::Hydrator;
    }
    let set = app.metadata.owner_references.iter().find(|it| it.kind == "ApplicationSet");
    if let Some(set) = set {
        return Owner::ApplicationSet(set.name.clone());
    }
    let by_annotation = app.metadata.annotations.get(TRACKING_ID).and_then(|id| tracked_by(id, &app.metadata.name));
    let by_label = || app.metadata.labels.get(label).map(String::as_str);
    match by_annotation.or_else(by_label) {
        Some(parent) if !parent.is_empty() && parent != app.metadata.name => Owner::Application(parent.to_owned()),
        _ => Owner::Nobody,
    }
}

/// The manager that a tracking id names, where it is one of this Application: a copied annotation names another object.
fn tracked_by<'a>(id: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = id.splitn(3, ':');
    let (manager, kind, object) = (parts.next()?, parts.next()?, parts.next()?);
    let is_this = kind == "argoproj.io/Application" && object.rsplit('/').next() == Some(name);
    // Outside Argo CD's own namespace the manager is written `NAMESPACE_NAME`, and a name has no underscore.
    is_this.then(|| manager.rsplit('_').next().unwrap_or(manager))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(metadata: Value, spec: Value, expect: Owner) {
        let mut app: Application = serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap();
        app.metadata.name = "web".to_owned();
        assert_eq!(owner(&app, INSTANCE_LABEL), expect, "{metadata} {spec}");
    }

    #[test]
    fn whoever_writes_the_spec_is_found() {
        let id = |id: &str| json!({ "annotations": { "argocd.argoproj.io/tracking-id": id } });
        let label = |name: &str| json!({ "labels": { "app.kubernetes.io/instance": name } });
        let set = json!({ "ownerReferences": [{ "kind": "ApplicationSet", "name": "shops" }] });
        let root = || Owner::Application("root".to_owned());
        check(json!({}), json!({}), Owner::Nobody);
        check(set.clone(), json!({}), Owner::ApplicationSet("shops".to_owned()));
        check(json!({ "ownerReferences": [{ "kind": "ConfigMap", "name": "x" }] }), json!({}), Owner::Nobody);
        check(id("root:argoproj.io/Application:argocd/web"), json!({}), root());
        check(id("team-a_root:argoproj.io/Application:team-a/web"), json!({}), root());
        check(label("root"), json!({}), root());
        check(set, json!({ "sourceHydrator": { "drySource": {} } }), Owner::Hydrator);
        check(json!({}), json!({ "sourceHydrator": null }), Owner::Nobody);
    }

    #[test]
    fn a_mark_that_was_copied_names_no_owner() {
        let id = |id: &str| json!({ "annotations": { "argocd.argoproj.io/tracking-id": id } });
        check(id("root:argoproj.io/Application:argocd/other"), json!({}), Owner::Nobody);
        check(id("root:apps/Deployment:argocd/web"), json!({}), Owner::Nobody);
        check(id("root"), json!({}), Owner::Nobody);
        check(json!({ "labels": { "app.kubernetes.io/instance": "web" } }), json!({}), Owner::Nobody);
    }
}
