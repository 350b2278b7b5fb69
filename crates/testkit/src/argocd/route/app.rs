//! Calls about one Application.

use serde_json::{Value, json};

use super::object;
use super::{Answer, Refusal, Request, rbac_object};
use crate::argocd::World;
use crate::argocd::chart::{render, sources};
use crate::argocd::json::{merge, patch};
use crate::argocd::window::{is_about, is_open};
use crate::argocd::world::{HOME, Key, project_of, time};

pub fn answer(world: &mut World, request: &Request<'_>, name: &str, below: &[&str]) -> Answer {
    let asked = request.query("appNamespace").or_else(|| request.text("appNamespace"));
    // What a server does not know it leaves aside.
    let namespace = asked.filter(|_| world.is_since(2, 5)).unwrap_or(HOME);
    let key = (namespace.to_owned(), name.to_owned());
    match (request.entry.method.as_str(), below) {
        ("GET", []) => {
            find(world, request, &key, "get")?;
            if request.query("refresh").is_some() {
                world.refresh(&key);
            }
            if world.reads_are_ticks {
                world.look(&key);
            }
            shown(world, &key)
        }
        ("PATCH", []) => {
            find(world, request, &key, "update")?;
            change(world, request, &key)
        }
        ("DELETE", []) => {
            find(world, request, &key, "delete")?;
            let app = world.apps.get_mut(&key).expect("it was found");
            app.is_deleted = true;
            app.object["metadata"]["deletionTimestamp"] = json!(time(world.now_ms));
            Ok(json!({}))
        }
        ("POST", ["sync"]) => sync(world, request, &key),
        ("POST", ["rollback"]) => rollback(world, request, &key),
        ("DELETE", ["operation"]) => {
            find(world, request, &key, "sync")?;
            let app = world.apps.get_mut(&key).expect("it was found");
            if app.object["operation"].is_null() || app.object["status"]["operationState"].is_null() {
                return Err(Refusal::invalid("Unable to terminate operation. No operation is in progress"));
            }
            app.object["status"]["operationState"]["phase"] = json!("Terminating");
            Ok(json!({}))
        }
        ("GET", ["syncwindows"]) => {
            find(world, request, &key, "get")?;
            Ok(windows(world, &world.apps[&key].object))
        }
        ("GET", ["manifests"]) => {
            find(world, request, &key, "get")?;
            let wanted = vec![request.query("revision").unwrap_or_default().to_owned()];
            let rendered = render(&world.apps[&key].object, &world.repos, &wanted).map_err(Refusal::invalid)?;
            let manifests: Vec<String> = rendered.objects.iter().map(Value::to_string).collect();
            Ok(json!({ "manifests": manifests, "revision": rendered.revisions[0], "sourceType": "Helm" }))
        }
        ("GET", ["revisions", revision, "metadata"]) => {
            find(world, request, &key, "get")?;
            let url = sources(&world.apps[&key].object["spec"])[0]["repoURL"].as_str().unwrap_or_default().to_owned();
            let found = world.repos.get(&url).and_then(|repo| repo.metadata(revision));
            let (author, message, at) = found.ok_or_else(|| Refusal::not_found("revision not found"))?;
            Ok(json!({ "author": author, "message": message, "date": time(at) }))
        }
        (_, _) => object::answer(world, request, &key, below),
    }
}

/// What is missing is told only to whoever named the project and may act in it.
pub fn find(world: &World, request: &Request<'_>, key: &Key, action: &str) -> Result<(), Refusal> {
    let denied = || Refusal::forbidden("permission denied");
    let missing = || Refusal::not_found(format!("applications.argoproj.io \"{}\" not found", key.1));
    let named = request.project();
    if let Some(project) = named
        && !request.may(world, "applications", action, &rbac_object(project, key))
    {
        return Err(denied());
    }
    let unseen = || if named.is_some() { missing() } else { denied() };
    let app = world.apps.get(key).ok_or_else(unseen)?;
    let project = project_of(&app.object);
    if !request.may(world, "applications", action, &rbac_object(project, key)) {
        return Err(unseen());
    }
    if named.is_some_and(|named| named != project) { Err(missing()) } else { Ok(()) }
}

pub fn create(world: &mut World, request: &Request<'_>) -> Answer {
    let wanted = &request.entry.body;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = if wanted["metadata"]["namespace"].is_null() {
        HOME.to_owned()
    } else {
        text(&wanted["metadata"]["namespace"])
    };
    let key = (namespace, text(&wanted["metadata"]["name"]));
    let project = project_of(wanted);
    request.need(world, "applications", "create", &rbac_object(project, &key))?;
    if !world.projects.contains_key(project) {
        return Err(Refusal::invalid(format!("application references project {project} which does not exist")));
    }
    match world.apps.get_mut(&key) {
        Some(found) if found.object["spec"] == wanted["spec"] => {}
        Some(found) if request.query("upsert") == Some("true") => found.object["spec"] = wanted["spec"].clone(),
        Some(_) => {
            return Err(Refusal::invalid("existing application spec is different, use upsert flag to force update"));
        }
        None => world.add(json!({ "metadata": wanted["metadata"], "spec": wanted["spec"] })),
    }
    shown(world, &key)
}

fn shown(world: &mut World, key: &Key) -> Answer {
    world.tell();
    match world.apps.get(key) {
        Some(app) => Ok(app.object.clone()),
        None => Err(Refusal::not_found(format!("applications.argoproj.io \"{}\" not found", key.1))),
    }
}

fn change(world: &mut World, request: &Request<'_>, key: &Key) -> Answer {
    let steps: Value = serde_json::from_str(request.text("patch").unwrap_or_default())
        .map_err(|e| Refusal::invalid(format!("error decoding patch: {e}")))?;
    let app = world.apps.get_mut(key).expect("it was found");
    let mut changed = app.object.clone();
    match request.text("patchType") {
        Some("merge") => merge(&mut changed, &steps),
        None | Some("json") => {
            patch(&mut changed, &steps).map_err(|e| Refusal::invalid(format!("error applying patch: {e}")))?
        }
        Some(other) => return Err(Refusal::invalid(format!("Patch type '{other}' is not supported"))),
    }
    // The API writes these and nothing else of an Application.
    app.object["spec"] = changed["spec"].clone();
    for part in ["labels", "annotations", "finalizers"] {
        app.object["metadata"][part] = changed["metadata"][part].clone();
    }
    shown(world, key)
}

fn sync(world: &mut World, request: &Request<'_>, key: &Key) -> Answer {
    find(world, request, key, "get")?;
    let object = world.apps[key].object.clone();
    if !world.may_sync(&object, true) {
        return Err(Refusal::forbidden("cannot sync: blocked by sync window"));
    }
    request.need(world, "applications", "sync", &rbac_object(project_of(&object), key))?;
    let tracked = object["spec"]["source"]["targetRevision"].as_str().unwrap_or("HEAD").to_owned();
    let wanted = request.text("revision").unwrap_or_default().to_owned();
    if is_automated(&object) && !wanted.is_empty() && wanted != tracked {
        let message = format!("Cannot sync to {wanted}: auto-sync currently set to {tracked}");
        return Err(Refusal::precondition(message));
    }
    if !wanted.is_empty() && world.wants_override {
        request.need(world, "applications", "override", &rbac_object(project_of(&object), key))?;
    }
    let rendered = render(&object, &world.repos, &[wanted]);
    let revisions =
        rendered.map_err(|e| Refusal::precondition(format!("error resolving repo revision: {e}")))?.revisions;
    let body = &request.entry.body;
    let mut operation = json!({
        "initiatedBy": { "username": request.entry.account },
        "sync": {
            "prune": body["prune"] == true, "resources": body["resources"], "syncOptions": body["syncOptions"]["items"],
        },
        "info": body["infos"],
    });
    match revisions.as_slice() {
        [one] => operation["sync"]["revision"] = json!(one),
        many => operation["sync"]["revisions"] = json!(many),
    }
    begin(world, key, without_null(operation))
}

fn rollback(world: &mut World, request: &Request<'_>, key: &Key) -> Answer {
    find(world, request, key, "sync")?;
    let object = world.apps[key].object.clone();
    if is_automated(&object) {
        return Err(Refusal::precondition("rollback cannot be initiated when auto-sync is enabled"));
    }
    let history = object["status"]["history"].as_array().cloned().unwrap_or_default();
    let id = &request.entry.body["id"];
    let found = history.iter().find(|deployed| deployed["id"] == *id);
    let found = found.ok_or_else(|| Refusal::invalid(format!("application does not have deployment with id {id}")))?;
    let prune = request.entry.body["prune"] == true;
    let sync = json!({ "revision": found["revision"], "source": found["source"], "prune": prune });
    begin(world, key, json!({ "initiatedBy": { "username": request.entry.account }, "sync": sync }))
}

/// One operation at a time; the state of the one before is gone.
fn begin(world: &mut World, key: &Key, operation: Value) -> Answer {
    let app = world.apps.get_mut(key).expect("it was found");
    if app.is_deleted {
        return Err(Refusal::precondition("application is deleting"));
    }
    if !app.object["operation"].is_null() {
        return Err(Refusal::precondition("another operation is already in progress"));
    }
    app.object["operation"] = operation;
    if let Some(status) = app.object["status"].as_object_mut() {
        status.remove("operationState");
    }
    shown(world, key)
}

fn is_automated(object: &Value) -> bool {
    let automated = &object["spec"]["syncPolicy"]["automated"];
    automated.is_object() && automated["enabled"] != false
}

fn windows(world: &World, object: &Value) -> Value {
    let shown = |window: &Value| {
        json!({
            "kind": window["kind"], "schedule": window["schedule"], "duration": window["duration"],
            "manualSync": window["manualSync"] == true,
        })
    };
    let all = world.windows(object);
    let own: Vec<&Value> = all.iter().filter(|window| is_about(window, object)).collect();
    let open = own.iter().filter(|window| is_open(window, world.now_ms));
    json!({
        "activeWindows": open.map(|window| shown(window)).collect::<Vec<_>>(),
        "assignedWindows": own.iter().map(|window| shown(window)).collect::<Vec<_>>(),
        "canSync": world.may_sync(object, true),
    })
}

fn without_null(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_null(value)))
            .collect(),
        other => other,
    }
}
