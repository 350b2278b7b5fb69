//! The state: objects, the history of their changes, who may what.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::apply::Managers;
use super::kind::{self, Kind};
use super::rule::Rule;
use super::selector::Selector;

/// Everything there is. Objects are changed by calls, or by a test as the server would.
pub struct World {
    /// Of `1.minor`.
    pub minor: u32,
    pub(super) kinds: Vec<Kind>,
    pub(super) objects: BTreeMap<Key, Stored>,
    /// Of the last change.
    pub(super) version: u64,
    pub(super) history: Vec<Change>,
    /// States before this one cannot be watched from.
    pub(super) forgotten: u64,
    pub(super) users: BTreeMap<String, User>,
    pub(super) rests: BTreeMap<String, Rest>,
    pub(super) watchers: usize,
    made: u64,
}

/// Where an object stands: `deployments.apps`, its namespace, its name.
pub(super) type Key = (String, String, String);

#[derive(Clone)]
pub(super) struct Stored {
    pub object: Value,
    pub managers: Managers,
}

/// A step of the history.
pub(super) struct Change {
    pub version: u64,
    pub key: Key,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

pub(super) struct User {
    pub name: String,
    pub rules: Vec<Rule>,
}

/// What is left of a list that was asked for by page.
pub(super) struct Rest {
    pub version: u64,
    pub items: Vec<Value>,
    pub selector: Selector,
}

/// 2026-01-01T00:00:00Z; each change is a second later than the one before.
const START_S: i64 = 1_767_225_600;

impl World {
    pub(super) fn new(version: &str) -> World {
        let minor = minor(version);
        let mut world = World {
            minor,
            kinds: kind::all(minor),
            objects: BTreeMap::new(),
            version: 100,
            history: Vec::new(),
            forgotten: 0,
            users: BTreeMap::new(),
            rests: BTreeMap::new(),
            watchers: 0,
            made: 0,
        };
        world.add_user(super::TOKEN, "naru", vec![Rule::all()]);
        world.add_namespace("default");
        world.add_namespace("kube-system");
        world
    }

    /// Lets whoever has `token` (empty: whoever has none) do what `rules` say.
    pub fn add_user(&mut self, token: &str, name: &str, rules: Vec<Rule>) {
        self.users.insert(token.to_owned(), User { name: name.to_owned(), rules });
    }

    /// The token is taken no more.
    pub fn remove_token(&mut self, token: &str) {
        self.users.remove(token);
    }

    /// From now on it is a server of another version; what is stored stays.
    pub fn upgrade(&mut self, version: &str) {
        self.minor = minor(version);
        self.kinds = kind::all(self.minor);
    }

    /// As where KEDA or Argo is not installed: nothing of `group` is served.
    pub fn remove_group(&mut self, group: &str) {
        self.kinds.retain(|kind| kind.group != group);
    }

    /// Older states than this one are forgotten, and so are the rests of lists.
    pub fn forget(&mut self) {
        self.history.clear();
        self.forgotten = self.version;
        self.expire_lists();
    }

    /// Rests of lists are forgotten.
    pub fn expire_lists(&mut self) {
        self.rests.clear();
    }

    /// An object as it is stored, in whatever version it was written.
    pub fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.objects.get(&key(resource, namespace, name)).map(|stored| &stored.object)
    }

    /// Adds an object as it is, as another client would have, and answers its uid.
    pub fn add(&mut self, resource: &str, object: Value) -> String {
        let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        let place = key(resource, &text("namespace"), &text("name"));
        let uid = self.uid();
        let mut object = object;
        object["metadata"]["uid"] = json!(uid);
        object["metadata"]["creationTimestamp"] = json!(self.now());
        object["metadata"]["generation"] = json!(1);
        self.put(place, Stored { object, managers: Managers::default() });
        uid
    }

    pub(super) fn add_namespace(&mut self, name: &str) {
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name },
            "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active" },
        });
        self.add("namespaces", object);
    }

    /// Stores it as the next state.
    pub(super) fn put(&mut self, key: Key, mut stored: Stored) -> Value {
        self.version += 1;
        stored.object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let after = stored.object.clone();
        let before = self.objects.insert(key.clone(), stored).map(|stored| stored.object);
        self.history.push(Change { version: self.version, key, before, after: Some(after.clone()) });
        after
    }

    /// Removes it as the next state; what is told of it has that state's version.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Value> {
        let mut object = self.objects.remove(key)?.object;
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let before = Some(object.clone());
        self.history.push(Change { version: self.version, key: key.clone(), before, after: None });
        Some(object)
    }

    pub(super) fn uid(&mut self) -> String {
        self.made += 1;
        format!("6f1c0000-0000-4000-8000-{:012x}", self.made)
    }

    pub(super) fn now(&self) -> String {
        let seconds = START_S + i64::try_from(self.version).expect("a test makes few changes");
        jiff::Timestamp::from_second(seconds).expect("a time of this century").to_string()
    }
}

pub(super) fn key(resource: &str, namespace: &str, name: &str) -> Key {
    (resource.to_owned(), namespace.to_owned(), name.to_owned())
}

fn minor(version: &str) -> u32 {
    let minor = version.strip_prefix("1.").and_then(|minor| minor.parse().ok());
    minor.filter(|minor| (20..=33).contains(minor)).expect("a version from 1.20 to 1.33")
}
