//! Server-side apply: who states which field. A list is one field here, which is coarser than the real server.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::patch;

/// The fields that each manager states, by path (`.spec.replicas`), with how it did.
#[derive(Clone, Debug, Default)]
pub struct Managers {
    by_name: BTreeMap<(String, Way), BTreeSet<String>>,
}

/// `Apply` states what it wants, `Update` is anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Apply,
    Update,
}

impl Managers {
    /// Notes what a change of `manager` made different.
    pub fn updated(&mut self, manager: &str, before: &Value, after: &Value) {
        let (old, new) = (leaves(before), leaves(after));
        let changed: BTreeSet<String> =
            new.iter().filter(|(path, value)| old.get(*path) != Some(value)).map(|(path, _)| path.clone()).collect();
        let gone: BTreeSet<&String> = old.keys().filter(|path| !new.contains_key(*path)).collect();
        for ((name, way), paths) in &mut self.by_name {
            let is_own = name == manager && *way == Way::Update;
            paths.retain(|path| !gone.contains(path) && (is_own || !changed.contains(path)));
        }
        if !changed.is_empty() {
            self.by_name.entry((manager.to_owned(), Way::Update)).or_default().extend(changed);
        }
        self.by_name.retain(|_, paths| !paths.is_empty());
    }

    /// What `wanted` makes of `live`, or which fields others state otherwise.
    pub fn apply(
        &mut self,
        manager: &str,
        live: &Value,
        wanted: &Value,
        by_force: bool,
    ) -> Result<Value, Vec<(String, String)>> {
        let (found, stated) = (leaves(live), leaves(wanted));
        let own = (manager.to_owned(), Way::Apply);
        let differs = |path: &String| found.get(path) != stated.get(path);
        let mut conflicts = Vec::new();
        for (other, paths) in self.by_name.iter().filter(|(other, _)| **other != own) {
            let theirs = paths.iter().filter(|path| stated.contains_key(*path) && differs(path));
            conflicts.extend(theirs.map(|path| (other.0.clone(), path.clone())));
        }
        if !conflicts.is_empty() && !by_force {
            return Err(conflicts);
        }
        let before = self.by_name.remove(&own).unwrap_or_default();
        let mut after = live.clone();
        patch::merge(&mut after, wanted);
        for path in before.iter().filter(|path| !stated.contains_key(*path)) {
            if !self.by_name.values().any(|paths| paths.contains(path)) {
                remove(&mut after, path);
            }
        }
        for paths in self.by_name.values_mut() {
            paths.retain(|path| !(stated.contains_key(path) && differs(path)));
        }
        self.by_name.insert(own, stated.into_keys().collect());
        self.by_name.retain(|_, paths| !paths.is_empty());
        Ok(after)
    }

    /// `metadata.managedFields`.
    pub fn told(&self, api_version: &str, time: &str) -> Value {
        let entry = |((name, way), paths): (&(String, Way), &BTreeSet<String>)| {
            let operation = if *way == Way::Apply { "Apply" } else { "Update" };
            json!({
                "manager": name, "operation": operation, "apiVersion": api_version, "time": time,
                "fieldsType": "FieldsV1", "fieldsV1": fields(paths),
            })
        };
        self.by_name.iter().map(entry).collect()
    }
}

/// What the server itself states of an object is nobody's.
const SERVERS_OWN: &[&str] = &[
    ".apiVersion",
    ".kind",
    ".metadata.name",
    ".metadata.namespace",
    ".metadata.uid",
    ".metadata.resourceVersion",
    ".metadata.generation",
    ".metadata.creationTimestamp",
    ".metadata.managedFields",
    ".metadata.deletionTimestamp",
    ".metadata.deletionGracePeriodSeconds",
];

/// Parts of a path are divided by this where a key itself has dots.
const SEPARATOR: char = '.';

fn leaves(object: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    walk(object, &mut String::new(), &mut found);
    found.retain(|path, _| !SERVERS_OWN.contains(&path.as_str()));
    found
}

fn walk(value: &Value, path: &mut String, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let length = path.len();
                path.push(SEPARATOR);
                path.push_str(&key.replace(SEPARATOR, "\u{1}"));
                walk(value, path, found);
                path.truncate(length);
            }
        }
        value => drop(found.insert(path.clone(), value.clone())),
    }
}

fn parts(path: &str) -> impl Iterator<Item = String> + '_ {
    path.split(SEPARATOR).skip(1).map(|part| part.replace('\u{1}', "."))
}

fn remove(object: &mut Value, path: &str) {
    let parts: Vec<String> = parts(path).collect();
    let (Some(last), parents) = (parts.last(), &parts[..parts.len().saturating_sub(1)]) else { return };
    let parent = parents.iter().try_fold(object, |value, part| value.get_mut(part));
    if let Some(fields) = parent.and_then(Value::as_object_mut) {
        fields.remove(last);
    }
}

fn fields(paths: &BTreeSet<String>) -> Value {
    let mut root = Value::Object(Map::new());
    for path in paths {
        let mut place = &mut root;
        for part in parts(path) {
            let fields = place.as_object_mut().expect("every level is an object");
            place = fields.entry(format!("f:{part}")).or_insert_with(|| Value::Object(Map::new()));
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_another_states_is_a_conflict_and_taken_by_force() {
        let mut managers = Managers::default();
        let live =
            managers.apply("naru", &json!({}), &json!({ "spec": { "replicas": 2, "paused": true } }), false).unwrap();
        let mut scaled = live.clone();
        scaled["spec"]["replicas"] = json!(5);
        managers.updated("kubectl", &live, &scaled);
        let wanted = json!({ "spec": { "replicas": 1 } });
        let conflicts = managers.apply("naru", &scaled, &wanted, false).unwrap_err();
        assert_eq!(conflicts, [("kubectl".to_owned(), ".spec.replicas".to_owned())]);
        let forced = managers.apply("naru", &scaled, &wanted, true).unwrap();
        assert_eq!(forced, json!({ "spec": { "replicas": 1 } }), "and what is stated no more is gone");
        assert_eq!(managers.told("v1", "now").as_array().map(Vec::len), Some(1));
    }
}
