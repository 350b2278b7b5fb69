//! Deletes: finalizers, owned objects, and namespaces that stay until they are empty.

use serde_json::{Value, json};

use super::fault::Entry;
use super::kind::Kind;
use super::path::ResourcePlace;
use super::refusal::Refusal;
use super::world::{Key, Stored, World, key};
use super::write::presented;

/// `DELETE` of one object.
pub fn answer(world: &mut World, kind: &Kind, place: &ResourcePlace, entry: &Entry) -> Result<(u16, Value), Refusal> {
    let at = key(&kind.resource(), &place.namespace, &place.name);
    let Some(found) = world.objects.get(&at).map(|stored| stored.object.clone()) else {
        return Err(Refusal::not_found(kind, &place.name));
    };
    let (options, metadata) = (&entry.body, &found["metadata"]);
    for (field, name) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        let wanted = &options["preconditions"][field];
        if wanted.is_string() && *wanted != metadata[field] {
            let (wanted, found) = (text(wanted), text(&metadata[field]));
            let why =
                format!("the {name} in the precondition ({wanted}) does not match the {name} in record ({found})");
            return Err(Refusal::conflict(kind, &place.name, &why));
        }
    }
    let policy = entry.parameter("propagationPolicy").or(options["propagationPolicy"].as_str()).unwrap_or("Background");
    dependents(world, text(&metadata["uid"]), policy);
    doom(world, &at);
    let answer = match world.objects.get(&at) {
        Some(stored) => presented(world, kind, stored),
        None => gone(kind, &found),
    };
    settle(world);
    Ok((200, answer))
}

fn gone(kind: &Kind, object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": { "name": metadata["name"], "group": kind.group, "kind": kind.plural, "uid": metadata["uid"] },
    })
}

/// Removes it, or marks it where something must happen first.
fn doom(world: &mut World, at: &Key) {
    let Some(stored) = world.objects.get(at).cloned() else { return };
    let is_namespace = at.0 == "namespaces";
    if !is_namespace && !has_finalizers(&stored.object) {
        world.remove(at);
        return;
    }
    if stored.object["metadata"]["deletionTimestamp"].is_string() {
        return;
    }
    let mut object = stored.object;
    object["metadata"]["deletionTimestamp"] = json!(world.now());
    if is_namespace {
        object["status"]["phase"] = json!("Terminating");
    } else {
        object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    }
    world.put(at.clone(), Stored { object, managers: stored.managers });
}

/// What names it as its owner goes too, or loses the owner.
fn dependents(world: &mut World, uid: &str, policy: &str) {
    let is_owned = |stored: &Stored| owners(&stored.object).iter().any(|owner| owner["uid"] == uid);
    let owned: Vec<Key> = world.objects.iter().filter(|(_, it)| is_owned(it)).map(|(key, _)| key.clone()).collect();
    for at in owned {
        if policy != "Orphan" {
            let below = text(&world.objects[&at].object["metadata"]["uid"]).to_owned();
            dependents(world, &below, policy);
            doom(world, &at);
            continue;
        }
        let mut stored = world.objects[&at].clone();
        let left: Vec<Value> = owners(&stored.object).into_iter().filter(|owner| owner["uid"] != uid).collect();
        stored.object["metadata"]["ownerReferences"] = json!(left);
        world.put(at, stored);
    }
}

/// What the controllers do after any write: what has lost its last finalizer goes, and so does a namespace that is
/// empty. One that is not says why.
pub fn settle(world: &mut World) {
    loop {
        let ended = world.objects.iter().find(|(key, stored)| {
            let is_doomed = stored.object["metadata"]["deletionTimestamp"].is_string();
            is_doomed && !has_finalizers(&stored.object) && (key.0 != "namespaces" || is_empty(world, &key.2))
        });
        if let Some(at) = ended.map(|(key, _)| key.clone()) {
            world.remove(&at);
            continue;
        }
        let next = world.objects.iter().find(|(key, stored)| {
            let namespace = world.object("namespaces", "", &key.1);
            let is_doomed = namespace.is_some_and(|it| it["metadata"]["deletionTimestamp"].is_string());
            is_doomed && !stored.object["metadata"]["deletionTimestamp"].is_string()
        });
        match next.map(|(key, _)| key.clone()) {
            Some(at) => doom(world, &at),
            None => return tell(world),
        }
    }
}

fn tell(world: &mut World) {
    let waiting = world.objects.iter().filter(|(key, stored)| {
        key.0 == "namespaces"
            && stored.object["metadata"]["deletionTimestamp"].is_string()
            && stored.object["status"]["conditions"].is_null()
    });
    let waiting: Vec<Key> = waiting.map(|(key, _)| key.clone()).collect();
    for at in waiting {
        let mut stored = world.objects[&at].clone();
        let condition = |kind: &str, reason: &str, message: &str| json!({ "type": kind, "status": "True", "reason": reason, "message": message });
        stored.object["status"]["conditions"] = json!([
            condition("NamespaceContentRemaining", "SomeResourcesRemain", "Some resources are remaining"),
            condition(
                "NamespaceFinalizersRemaining",
                "SomeFinalizersRemain",
                "Some content in the namespace has finalizers remaining"
            ),
        ]);
        world.put(at, stored);
    }
}

fn is_empty(world: &World, namespace: &str) -> bool {
    !world.objects.keys().any(|key| key.1 == namespace)
}

fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
}

fn owners(object: &Value) -> Vec<Value> {
    object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
