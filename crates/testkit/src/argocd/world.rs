//! What there is, and how a test makes and turns it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::json::merge;
use super::policy::{Account, Line};
use super::repo::{Memory, OnDisk, Repo};
use super::watcher::Watcher;
use super::{TOKEN, window};

/// Argo CD's own namespace.
pub const HOME: &str = "argocd";
/// 2026-11-23 00:00 UTC, a Monday.
const START_MS: i64 = 1_795_392_000_000;
/// Whatever takes longer to settle never does.
const SETTLE_MAX: usize = 100;

/// Namespace and name.
pub(super) type Key = (String, String);

/// Group, kind, namespace and name.
pub(super) type LiveKey = (String, String, String, String);

/// Everything the stand-in knows.
pub struct World {
    /// The only clock.
    pub now_ms: i64,
    /// What `/api/version` says; decides what there is.
    pub version: String,
    /// How many looks an operation takes after it began.
    pub op_ticks: u32,
    /// Whether an operation that runs stands still, as one does whose hook takes its time.
    pub operations_stand: bool,
    /// Whether a sync to a revision wants the right `override`, as an installation of 3.2 or later may say.
    pub wants_override: bool,
    /// How many looks a changed workload takes to be ready.
    pub ready_ticks: u32,
    /// Whether reading an Application is a look of the controller too.
    pub reads_are_ticks: bool,
    /// Whether a look asks Git; otherwise a new commit is seen by a refresh alone.
    pub polls_git: bool,
    /// Workloads with one of these images never get ready.
    pub broken_images: BTreeSet<String>,
    /// The next operation fails with this message.
    pub fail_next_sync: Option<String>,
    /// So many events are dropped, as the server does with a slow reader.
    pub drop_events: u32,
    pub(super) apps: BTreeMap<Key, App>,
    pub(super) projects: BTreeMap<String, Value>,
    pub(super) sets: BTreeMap<String, Value>,
    pub(super) repos: BTreeMap<String, Repo>,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) deleted: Vec<Value>,
    pub(super) watchers: Vec<Watcher>,
    pub(super) writes: u64,
}

/// An Application and its part of the cluster.
pub(super) struct App {
    pub object: Value,
    /// As it was last told to watchers.
    pub told: Value,
    /// The spec that its owner puts back.
    pub template: Option<Value>,
    pub live: BTreeMap<LiveKey, Live>,
    /// Looks that its operation still takes.
    pub left: u32,
    /// What its sources track, as last asked.
    pub tracked: Vec<String>,
    /// It is gone with the next look.
    pub is_deleted: bool,
}

/// An object in the cluster.
pub(super) struct Live {
    pub object: Value,
    /// Looks until it is ready.
    pub ready_in: u32,
    /// The spec that this is about.
    pub spec: Value,
}

impl World {
    pub(super) fn new() -> World {
        let mut world = World {
            now_ms: START_MS,
            version: "v3.2.0+stand-in".to_owned(),
            op_ticks: 1,
            operations_stand: false,
            wants_override: false,
            ready_ticks: 1,
            reads_are_ticks: false,
            polls_git: true,
            broken_images: BTreeSet::new(),
            fail_next_sync: None,
            drop_events: 0,
            apps: BTreeMap::new(),
            projects: BTreeMap::new(),
            sets: BTreeMap::new(),
            repos: BTreeMap::new(),
            accounts: BTreeMap::new(),
            deleted: Vec::new(),
            watchers: Vec::new(),
            writes: 0,
        };
        world.add_project("default");
        world.add_token(TOKEN, "naru", &["*, *, *, allow"]);
        world
    }

    /// Turns the clock.
    pub fn advance_s(&mut self, seconds: i64) {
        self.now_ms += seconds * 1_000;
    }

    /// Ticks until nothing changes any more.
    pub fn settle(&mut self) {
        for _ in 0..SETTLE_MAX {
            let before: Vec<Value> = self.apps.values().map(|app| app.object.clone()).collect();
            self.tick();
            self.tell();
            if self.apps.values().map(|app| &app.object).eq(&before) {
                return;
            }
        }
        panic!("something changes for ever: {:#?}", self.apps.keys());
    }

    /// Adds an account, or gives an account's token other rights: lines as `applications, sync, shop/*, allow`.
    pub fn add_token(&mut self, token: &str, account: &str, lines: &[&str]) {
        let lines = lines.iter().map(|line| Line::read(line)).collect();
        self.accounts.insert(token.to_owned(), Account { name: account.to_owned(), lines });
    }

    /// Takes a token away.
    pub fn remove_token(&mut self, token: &str) {
        self.accounts.remove(token);
    }

    /// Adds an empty project.
    pub fn add_project(&mut self, name: &str) {
        let version = self.next_version();
        let project = json!({
            "metadata": { "name": name, "namespace": HOME, "resourceVersion": version },
            "spec": { "sourceRepos": ["*"], "destinations": [{ "server": "*", "namespace": "*" }] },
        });
        self.projects.insert(name.to_owned(), project);
    }

    /// A project as it is.
    pub fn project(&self, name: &str) -> &Value {
        self.projects.get(name).expect("the project is there")
    }

    /// Changes a project by a merge patch, as somebody else would.
    pub fn change_project(&mut self, name: &str, patch: &Value) {
        let version = self.next_version();
        let project = self.projects.get_mut(name).expect("the project is there");
        merge(project, patch);
        project["metadata"]["resourceVersion"] = json!(version);
    }

    /// Adds an ApplicationSet.
    pub fn add_set(&mut self, name: &str, spec: Value) {
        let set = json!({ "metadata": { "name": name, "namespace": HOME }, "spec": spec });
        self.sets.insert(name.to_owned(), set);
    }

    /// A repository in memory, made when it is first asked for.
    pub fn repo(&mut self, url: &str) -> &mut Memory {
        let repo = self.repos.entry(url.to_owned()).or_insert_with(|| Repo::Memory(Memory::default()));
        let Repo::Memory(memory) = repo else { panic!("{url} is on the disk") };
        memory
    }

    /// Lets `url` be the bare repository at `path`.
    pub fn use_git(&mut self, url: &str, path: &Path) {
        self.repos.insert(url.to_owned(), Repo::Git(OnDisk::new(path)));
    }

    /// Adds an Application in Argo CD's own namespace. Its project is in its spec.
    pub fn add_app(&mut self, name: &str, spec: Value) {
        self.add(json!({ "metadata": { "name": name, "namespace": HOME }, "spec": spec }));
    }

    /// Adds an Application whole.
    pub fn add(&mut self, mut object: Value) {
        let metadata = &mut object["metadata"];
        if metadata["namespace"].is_null() {
            metadata["namespace"] = json!(HOME);
        }
        self.writes += 1;
        metadata["uid"] = json!(format!("uid-{}", self.writes));
        metadata["creationTimestamp"] = json!(time(self.now_ms));
        let text = |value: &Value| value.as_str().expect("an Application has a name").to_owned();
        let key = (text(&metadata["namespace"]), text(&metadata["name"]));
        let app = App {
            object,
            told: Value::Null,
            template: None,
            live: BTreeMap::new(),
            left: 0,
            tracked: Vec::new(),
            is_deleted: false,
        };
        self.apps.insert(key, app);
    }

    /// An Application is an ApplicationSet's from now on: its spec is put back to what it is now.
    pub fn own_by_set(&mut self, app: &str, set: &str) {
        let owner = json!([{ "apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": set }]);
        let app = self.named_mut(app);
        app.object["metadata"]["ownerReferences"] = owner;
        app.template = Some(app.object["spec"].clone());
    }

    /// An Application carries an annotation from now on.
    pub fn annotate(&mut self, app: &str, name: &str, value: &str) {
        merge(&mut self.named_mut(app).object["metadata"], &json!({ "annotations": { name: value } }));
    }

    /// An Application is another one's from now on: its spec is put back to what it is now. Tracked as the version does it:
    /// by label before 3.0.
    pub fn own_by_app(&mut self, app: &str, parent: &str) {
        let id = format!("{parent}:argoproj.io/Application:{HOME}/{app}");
        let mark = match self.is_since(3, 0) {
            true => json!({ "annotations": { "argocd.argoproj.io/tracking-id": id } }),
            false => json!({ "labels": { "app.kubernetes.io/instance": parent } }),
        };
        let app = self.named_mut(app);
        merge(&mut app.object["metadata"], &mark);
        app.template = Some(app.object["spec"].clone());
    }

    /// Changes what an owner puts back, by a merge patch: somebody changed it in Git.
    pub fn change_template(&mut self, app: &str, patch: &Value) {
        merge(self.named_mut(app).template.as_mut().expect("somebody owns it"), patch);
    }

    /// An Application as it is.
    pub fn app(&self, name: &str) -> &Value {
        let mut all = self.apps.iter();
        &all.find(|((_, found), _)| found == name).expect("the Application is there").1.object
    }

    /// Whether there is an Application of that name.
    pub fn has_app(&self, name: &str) -> bool {
        self.apps.keys().any(|(_, found)| found == name)
    }

    /// Changes an Application by a merge patch behind the API's back.
    pub fn change_app(&mut self, name: &str, patch: &Value) {
        merge(&mut self.named_mut(name).object, patch);
    }

    /// An object in the cluster, if it is there.
    pub fn live(&self, app: &str, kind: &str, name: &str) -> Option<&Value> {
        let app = self.apps.iter().find(|((_, found), _)| found == app).expect("the Application is there").1;
        let mut live = app.live.iter();
        live.find(|((_, of, _, called), _)| of == kind && called == name).map(|(_, live)| &live.object)
    }

    /// Changes an object in the cluster by a merge patch, as a person with kubectl would.
    pub fn drift(&mut self, app: &str, kind: &str, name: &str, patch: &Value) {
        let mut live = self.named_mut(app).live.iter_mut();
        let found = live.find(|((_, of, _, called), _)| of == kind && called == name);
        merge(&mut found.expect("the object is there").1.object, patch);
    }

    /// Removes an Application without a trace of it in the API's ledger.
    pub fn remove_app(&mut self, name: &str) {
        let key = self.apps.keys().find(|(_, found)| found == name).expect("the Application is there").clone();
        self.remove(&key);
    }

    pub(super) fn remove(&mut self, key: &Key) {
        if let Some(app) = self.apps.remove(key) {
            self.deleted.push(app.object);
        }
    }

    /// Whether it says that it is this version or a later one.
    pub(super) fn is_since(&self, major: u32, minor: u32) -> bool {
        let mut numbers = self.version.trim_start_matches('v').split('.').map(|part| part.parse().unwrap_or_default());
        (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default()) >= (major, minor)
    }

    pub(super) fn next_version(&mut self) -> String {
        self.writes += 1;
        self.writes.to_string()
    }

    pub(super) fn windows(&self, app: &Value) -> Vec<Value> {
        let project = self.projects.get(project_of(app));
        let windows = project.and_then(|project| project["spec"]["syncWindows"].as_array());
        windows.into_iter().flatten().cloned().collect()
    }

    pub(super) fn may_sync(&self, app: &Value, is_manual: bool) -> bool {
        window::lets_pass(&self.windows(app), app, self.now_ms, is_manual)
    }

    fn named_mut(&mut self, name: &str) -> &mut App {
        self.apps.iter_mut().find(|((_, found), _)| found == name).expect("the Application is there").1
    }
}

/// `spec.project`; an empty one is `default`.
pub(super) fn project_of(app: &Value) -> &str {
    app["spec"]["project"].as_str().filter(|project| !project.is_empty()).unwrap_or("default")
}

/// As Kubernetes writes a moment: in whole seconds.
pub(super) fn time(at_ms: i64) -> String {
    let at = Timestamp::from_second(at_ms.div_euclid(1_000)).expect("the clock is within what is known");
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
