//! What happens between calls: owners put specs back, operations run, drift is healed, workloads get ready.

use serde_json::{Value, json};

use super::chart::{Rendered, render, sources};
use super::health::{health, images, turn, worst};
use super::json::{forget, holds, merge};
use super::world::{App, Key, Live, LiveKey, World, time};

/// Argo CD keeps so many deployments unless it is told otherwise.
const HISTORY_MAX: usize = 10;

impl World {
    /// The controller looks once at every Application.
    pub fn tick(&mut self) {
        for key in self.apps.keys().cloned().collect::<Vec<_>>() {
            self.look(&key);
        }
    }

    /// Looks once at one Application.
    pub(super) fn look(&mut self, key: &Key) {
        let Some(mut app) = self.apps.remove(key) else { return };
        if app.is_deleted {
            self.apps.insert(key.clone(), app);
            self.remove(key);
            return;
        }
        if let Some(template) = &app.template {
            app.object["spec"] = template.clone();
        }
        for live in app.live.values_mut() {
            turn(live, self.ready_ticks, &self.broken_images);
        }
        scale_by_hpa(&mut app);
        if app.object["operation"].is_null() {
            self.compare(&mut app, self.polls_git);
            self.sync_by_itself(&mut app);
        } else {
            self.carry_on(&mut app);
            self.compare(&mut app, self.polls_git);
        }
        app.object["status"]["reconciledAt"] = json!(time(self.now_ms));
        self.apps.insert(key.clone(), app);
    }

    /// Compares without doing anything: what a refresh does.
    pub(super) fn refresh(&mut self, key: &Key) {
        if let Some(mut app) = self.apps.remove(key) {
            self.compare(&mut app, true);
            self.apps.insert(key.clone(), app);
        }
    }

    fn render(&self, app: &mut App, asks_git: bool) -> Result<Rendered, String> {
        let revisions = if asks_git { Vec::new() } else { app.tracked.clone() };
        let rendered = render(&app.object, &self.repos, &revisions)?;
        app.tracked = rendered.revisions.clone();
        Ok(rendered)
    }

    /// Writes what is found into the status.
    fn compare(&self, app: &mut App, asks_git: bool) {
        let rendered = match self.render(app, asks_git) {
            Ok(rendered) => rendered,
            Err(message) => {
                let status = json!({
                    "conditions": [{ "type": "ComparisonError", "message": message }], "sync": { "status": "Unknown" },
                });
                return merge(&mut app.object["status"], &status);
            }
        };
        let mut resources: Vec<Value> = Vec::new();
        for want in &rendered.objects {
            let key = key_of(want);
            let (is_synced, word) = match app.live.get(&key) {
                Some(live) => (is_same(&app.object, &live.object, want), health(live, &self.broken_images)),
                None => (false, Some("Missing")),
            };
            resources.push(resource(&key, want, is_synced, word));
        }
        for (key, live) in &app.live {
            if !rendered.objects.iter().any(|want| key_of(want) == *key) {
                let mut extra = resource(key, &live.object, false, health(live, &self.broken_images));
                extra["requiresPruning"] = json!(true);
                resources.push(extra);
            }
        }
        let is_synced = resources.iter().all(|resource| resource["status"] == "Synced");
        let worst = worst(resources.iter().filter_map(|resource| resource["health"]["status"].as_str()));
        let mut found: Vec<String> = app.live.values().flat_map(|live| images(&live.object)).collect();
        found.sort();
        found.dedup();
        let is_list = app.object["spec"]["sources"].is_array();
        let status = &mut app.object["status"];
        let word = if is_synced { "Synced" } else { "OutOfSync" };
        status["sync"] = revisions(json!({ "status": word }), &rendered.revisions);
        status["health"] = json!({ "status": worst });
        status["resources"] = json!(resources);
        status["summary"] = json!({ "images": found });
        status["conditions"] = Value::Null;
        match is_list {
            true => status["sourceTypes"] = json!(rendered.kinds),
            false => status["sourceType"] = json!(rendered.kinds[0]),
        }
    }

    /// Auto-sync, where it is on, no window forbids it, and there is something that was not tried yet.
    fn sync_by_itself(&self, app: &mut App) {
        let automated = &app.object["spec"]["syncPolicy"]["automated"];
        let is_on = automated.is_object() && automated["enabled"] != false;
        let status = &app.object["status"];
        if !is_on || status["sync"]["status"] != "OutOfSync" || !self.may_sync(&app.object, false) {
            return;
        }
        let tried = &status["operationState"]["syncResult"];
        let is_tried = tried["sources"] == json!(sources(&app.object["spec"]))
            && of_revisions(tried) == of_revisions(&status["sync"])
            && !is_selective(&status["operationState"]["operation"]);
        let heals = automated["selfHeal"] == true && status["operationState"]["phase"] == "Succeeded";
        if is_tried && !heals {
            return;
        }
        let sync = revisions(json!({ "prune": automated["prune"] == true }), &app.tracked);
        app.object["operation"] = json!({ "initiatedBy": { "automated": true }, "sync": sync });
    }

    /// Begins, goes on with, or ends an operation.
    fn carry_on(&mut self, app: &mut App) {
        let operation = app.object["operation"].clone();
        let state = &mut app.object["status"]["operationState"];
        match state["phase"].as_str() {
            Some("Running") if self.operations_stand => {}
            Some("Running") if app.left > 1 => app.left -= 1,
            Some("Running") => self.end(app, &operation),
            Some("Terminating") => {
                merge(state, &json!({ "phase": "Failed", "message": "operation terminated" }));
                state["finishedAt"] = json!(time(self.now_ms));
                remove_operation(app);
            }
            _ => {
                *state = json!({
                    "phase": "Running", "startedAt": time(self.now_ms), "operation": operation,
                    "message": "waiting for completion",
                });
                app.left = self.op_ticks;
            }
        }
    }

    fn end(&mut self, app: &mut App, operation: &Value) {
        let wanted: Vec<String> = of_revisions(&operation["sync"]);
        let mut object = app.object.clone();
        if operation["sync"]["source"].is_object() {
            // A rollback brings back the parameters too.
            object["spec"]["source"] = operation["sync"]["source"].clone();
        }
        let done = match (self.fail_next_sync.take(), render(&object, &self.repos, &wanted)) {
            (Some(message), _) | (None, Err(message)) => Err(message),
            (None, Ok(rendered)) => Ok(self.apply(app, operation, rendered)),
        };
        let now = time(self.now_ms);
        let tried = json!({ "sources": sources(&app.object["spec"]) });
        let state = &mut app.object["status"]["operationState"];
        state["finishedAt"] = json!(now);
        match done {
            Ok(result) => {
                merge(state, &json!({ "phase": "Succeeded", "message": "successfully synced (all tasks run)" }));
                state["syncResult"] = result.clone();
                if !is_selective(operation) {
                    remember(app, operation, &result, &now);
                }
            }
            Err(message) => {
                merge(state, &json!({ "phase": "Failed", "message": message }));
                state["syncResult"] = revisions(tried, &wanted);
            }
        }
        remove_operation(app);
    }

    fn apply(&self, app: &mut App, operation: &Value, rendered: Rendered) -> Value {
        let only = operation["sync"]["resources"].as_array().filter(|only| !only.is_empty()).cloned();
        let is_chosen = |key: &LiveKey| {
            only.as_ref()
                .is_none_or(|only| only.iter().any(|it| it["kind"] == key.1.as_str() && it["name"] == key.3.as_str()))
        };
        let mut told = Vec::new();
        for want in rendered.objects.iter().filter(|want| is_chosen(&key_of(want))) {
            let key = key_of(want);
            let mut want = want.clone();
            if respects_ignored(&app.object, operation) {
                ignored(&app.object, &want).iter().for_each(|pointer| forget(&mut want, pointer));
            }
            told.push(json!({
                "group": key.0, "kind": key.1, "namespace": key.2, "name": key.3, "status": "Synced", "message": "configured",
            }));
            let new = || Live { object: json!({}), ready_in: 0, spec: Value::Null };
            let live = app.live.entry(key).or_insert_with(new);
            merge(&mut live.object, &want);
            turn(live, self.ready_ticks, &self.broken_images);
        }
        if operation["sync"]["prune"] == true {
            app.live.retain(|key, _| !is_chosen(key) || rendered.objects.iter().any(|want| key_of(want) == *key));
        }
        let result = json!({ "resources": told, "sources": sources(&app.object["spec"]) });
        revisions(result, &rendered.revisions)
    }
}

/// Group, kind, namespace and name.
pub(super) fn key_of(object: &Value) -> LiveKey {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let group = text(&object["apiVersion"]).split_once('/').map_or(String::new(), |(group, _)| group.to_owned());
    let metadata = &object["metadata"];
    (group, text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"]))
}

/// Whether an operation is about some objects only: it is no deployment.
fn is_selective(operation: &Value) -> bool {
    operation["sync"]["resources"].as_array().is_some_and(|only| !only.is_empty())
}

fn remove_operation(app: &mut App) {
    app.object.as_object_mut().expect("an Application is an object").remove("operation");
}

fn remember(app: &mut App, operation: &Value, result: &Value, now: &str) {
    let history = app.object["status"]["history"].as_array().cloned().unwrap_or_default();
    let id = history.last().map_or(0, |last| last["id"].as_i64().unwrap_or_default() + 1);
    let mut deployed = json!({
        "id": id, "deployStartedAt": app.object["status"]["operationState"]["startedAt"], "deployedAt": now,
        "initiatedBy": operation["initiatedBy"],
    });
    match app.object["spec"]["sources"].is_array() {
        true => deployed["sources"] = app.object["spec"]["sources"].clone(),
        false => deployed["source"] = app.object["spec"]["source"].clone(),
    }
    let all: Vec<Value> = history.into_iter().chain([revisions(deployed, &of_revisions(result))]).collect();
    app.object["status"]["history"] = json!(all[all.len().saturating_sub(HISTORY_MAX)..]);
}

/// Adds `revision`, or `revisions` of several sources.
fn revisions(mut value: Value, found: &[String]) -> Value {
    match found {
        [one] => value["revision"] = json!(one),
        many => value["revisions"] = json!(many),
    }
    value
}

fn of_revisions(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match value["revisions"].as_array() {
        Some(many) => many.iter().map(text).collect(),
        None => vec![text(&value["revision"])],
    }
}

fn resource(key: &LiveKey, object: &Value, is_synced: bool, health: Option<&str>) -> Value {
    let version = object["apiVersion"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
    let mut resource = json!({
        "version": version, "kind": key.1, "namespace": key.2, "name": key.3,
        "status": if is_synced { "Synced" } else { "OutOfSync" },
    });
    if !key.0.is_empty() {
        resource["group"] = json!(key.0);
    }
    if let Some(health) = health {
        resource["health"] = json!({ "status": health });
    }
    resource
}

fn is_same(app: &Value, have: &Value, want: &Value) -> bool {
    let (mut have, mut want) = (have.clone(), want.clone());
    for pointer in ignored(app, &want) {
        forget(&mut have, &pointer);
        forget(&mut want, &pointer);
    }
    holds(&have, &want)
}

/// The pointers that `spec.ignoreDifferences` names for an object; without its group an entry is about none.
fn ignored(app: &Value, object: &Value) -> Vec<String> {
    let key = key_of(object);
    let entries = app["spec"]["ignoreDifferences"].as_array().into_iter().flatten();
    let own = entries.filter(|entry| {
        entry["group"].as_str().unwrap_or_default() == key.0
            && entry["kind"] == key.1.as_str()
            && entry["name"].as_str().is_none_or(|name| name.is_empty() || name == key.3)
    });
    let pointers = own.flat_map(|entry| entry["jsonPointers"].as_array().cloned().unwrap_or_default());
    pointers.filter_map(|pointer| pointer.as_str().map(str::to_owned)).collect()
}

fn respects_ignored(app: &Value, operation: &Value) -> bool {
    let lists = [&app["spec"]["syncPolicy"]["syncOptions"], &operation["sync"]["syncOptions"]];
    lists.iter().any(|list| list.as_array().is_some_and(|list| list.contains(&json!("RespectIgnoreDifferences=true"))))
}

/// An HPA keeps its target within its bounds, and leaves one without replicas alone.
fn scale_by_hpa(app: &mut App) {
    let of_kind = app.live.values().filter(|live| live.object["kind"] == "HorizontalPodAutoscaler");
    let bounds: Vec<Value> = of_kind.map(|live| live.object["spec"].clone()).collect();
    for spec in bounds {
        let target = &spec["scaleTargetRef"];
        let mut all = app.live.iter_mut();
        let found = all.find(|(key, _)| target["kind"] == key.1.as_str() && target["name"] == key.3.as_str());
        let Some((_, live)) = found else { continue };
        let replicas = live.object["spec"]["replicas"].as_i64().unwrap_or(1);
        let (min, max) = (spec["minReplicas"].as_i64().unwrap_or(1), spec["maxReplicas"].as_i64().unwrap_or(i64::MAX));
        if replicas > 0 {
            live.object["spec"]["replicas"] = json!(replicas.clamp(min, max));
        }
    }
}
