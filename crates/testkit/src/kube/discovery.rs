//! What is served, as documents. The gathered form of newer servers is left out; clients fall back to these.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kind::Kind;
use super::path::Place;
use super::refusal::Refusal;
use super::world::World;

const READ_WRITE: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const CHANGE: &[&str] = &["get", "patch", "update"];

/// `/version`.
pub fn version(world: &World) -> Value {
    let git = format!("v1.{}.2-stand-in", world.minor);
    json!({
        "major": "1", "minor": format!("{}+", world.minor), "gitVersion": git, "gitCommit": "0", "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go1.19", "compiler": "gc", "platform": "linux/amd64",
    })
}

/// Groups, versions, resources.
pub fn answer(world: &World, place: &Place) -> Result<Value, Refusal> {
    match place {
        Place::Root { is_core: true } => Ok(json!({ "kind": "APIVersions", "versions": ["v1"] })),
        Place::Root { is_core: false } => {
            let groups: Vec<Value> = groups(world).iter().map(|(name, versions)| group(name, versions)).collect();
            Ok(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
        }
        Place::Group(name) => {
            let found = groups(world).get(name.as_str()).map(|versions| group(name, versions));
            found.ok_or_else(Refusal::no_resource)
        }
        Place::Version(group, version) => resources(world, group, version).ok_or_else(Refusal::no_resource),
        Place::Resource(_) => Err(Refusal::no_resource()),
    }
}

/// Whether there is anything below this group and version.
pub fn is_served(world: &World, group: &str, version: &str) -> bool {
    (group, version) == ACCESS || world.kinds.iter().any(|kind| kind.group == group && kind.version == version)
}

/// Its one resource is no kind that is stored.
const ACCESS: (&str, &str) = ("authorization.k8s.io", "v1");

fn groups(world: &World) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::from([(ACCESS.0, vec![ACCESS.1])]);
    for kind in world.kinds.iter().filter(|kind| !kind.group.is_empty()) {
        let versions = groups.entry(kind.group).or_default();
        if !versions.contains(&kind.version) {
            versions.push(kind.version);
        }
    }
    groups
}

fn group(name: &str, versions: &[&str]) -> Value {
    let told = |version: &&str| json!({ "groupVersion": format!("{name}/{version}"), "version": version });
    let all: Vec<Value> = versions.iter().map(told).collect();
    json!({ "kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": all, "preferredVersion": all[0] })
}

fn resources(world: &World, group: &str, version: &str) -> Option<Value> {
    let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let list = |resources: Vec<Value>| json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources });
    if (group, version) == ACCESS {
        let review = json!({
            "name": "selfsubjectaccessreviews", "singularName": "", "namespaced": false,
            "kind": "SelfSubjectAccessReview", "verbs": ["create"],
        });
        return Some(list(vec![review]));
    }
    let kinds = world.kinds.iter().filter(|kind| kind.group == group && kind.version == version);
    let resources: Vec<Value> = kinds.flat_map(resource).collect();
    (!resources.is_empty()).then(|| list(resources))
}

fn resource(kind: &Kind) -> Vec<Value> {
    let mut own = json!({
        "name": kind.plural, "singularName": kind.kind.to_lowercase(), "namespaced": kind.namespaced,
        "kind": kind.kind, "verbs": READ_WRITE,
    });
    if !kind.short.is_empty() {
        own["shortNames"] = json!([kind.short]);
    }
    let below = |name: &str, kind_name: &str| {
        json!({
            "name": format!("{}/{name}", kind.plural), "singularName": "", "namespaced": kind.namespaced,
            "kind": kind_name, "verbs": CHANGE,
        })
    };
    let scale = kind.scale.then(|| {
        let mut scale = below("scale", "Scale");
        scale["group"] = json!("autoscaling");
        scale["version"] = json!("v1");
        scale
    });
    let status = kind.status.then(|| below("status", kind.kind));
    [own].into_iter().chain(scale).chain(status).collect()
}
