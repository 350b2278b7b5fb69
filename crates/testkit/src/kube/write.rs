//! Writes: made, replaced, patched, scaled; and what a server keeps of an object whatever is written.

use serde_json::{Value, json};

use super::apply::Managers;
use super::fault::Entry;
use super::kind::Kind;
use super::path::ResourcePlace;
use super::refusal::Refusal;
use super::world::{Key, Stored, World, key};
use super::{delete, patch, validate};

type Answer = Result<(u16, Value), Refusal>;

/// A write of one object.
pub struct Write<'a> {
    pub kind: &'a Kind,
    pub place: &'a ResourcePlace,
    pub entry: &'a Entry,
    /// Whose fields it makes.
    pub manager: &'a str,
}

/// The object as it is answered.
pub fn presented(world: &World, kind: &Kind, stored: &Stored) -> Value {
    let mut object = stored.object.clone();
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.kind);
    let told = stored.managers.told(&kind.api_version(), &world.now());
    if told.as_array().is_some_and(|entries| !entries.is_empty()) {
        object["metadata"]["managedFields"] = told;
    }
    object
}

impl Write<'_> {
    fn key(&self) -> Key {
        key(&self.kind.resource(), &self.place.namespace, &self.place.name)
    }

    fn stored(&self, world: &World) -> Result<Stored, Refusal> {
        let found = world.objects.get(&self.key()).cloned();
        found.ok_or_else(|| Refusal::not_found(self.kind, &self.place.name))
    }

    /// `POST`.
    pub fn create(&self, world: &mut World) -> Answer {
        let (kind, namespace) = (self.kind, self.place.namespace.as_str());
        let mut object = self.entry.body.clone();
        validate::place(kind, namespace, None, &object)?;
        if object["metadata"]["name"].as_str().is_none_or(str::is_empty)
            && let Some(start) = object["metadata"]["generateName"].as_str()
        {
            object["metadata"]["name"] = json!(format!("{start}{}", &world.uid()[31..]));
        }
        self.make(world, object, Managers::default())
    }

    fn make(&self, world: &mut World, mut object: Value, managers: Managers) -> Answer {
        let (kind, namespace) = (self.kind, self.place.namespace.clone());
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let stated = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if !stated.is_empty() {
            return Err(Refusal::bad("resourceVersion should not be set on objects to be created"));
        }
        if kind.namespaced {
            match world.object("namespaces", "", &namespace) {
                None => return Err(Refusal::no_namespace(&namespace)),
                Some(found) if found["metadata"]["deletionTimestamp"].is_string() => {
                    return Err(Refusal::terminating(kind, &name, &namespace));
                }
                Some(_) => object["metadata"]["namespace"] = json!(namespace),
            }
        }
        if let Some(fields) = object.as_object_mut().filter(|_| kind.status) {
            fields.remove("status");
        }
        let stated = object.clone();
        validate::defaults(kind, world.minor, &mut object);
        validate::fields(kind, &object)?;
        let place = key(&kind.resource(), &namespace, &name);
        if world.objects.contains_key(&place) {
            return Err(Refusal::exists(kind, &name));
        }
        object["metadata"]["uid"] = json!(world.uid());
        object["metadata"]["creationTimestamp"] = json!(world.now());
        if has_generation(kind) {
            object["metadata"]["generation"] = json!(1);
        }
        let mut managers = managers;
        if managers.told("", "").as_array().is_some_and(Vec::is_empty) {
            managers.updated(self.manager, &Value::Null, &stated);
        }
        world.put(place.clone(), Stored { object, managers });
        Ok((201, presented(world, kind, &world.objects[&place])))
    }

    /// `PUT`.
    pub fn replace(&self, world: &mut World) -> Answer {
        let live = self.stored(world)?;
        if self.place.subresource == "scale" {
            return self.rescale(world, &live, self.entry.body.clone());
        }
        let wanted = self.entry.body.clone();
        validate::place(self.kind, &self.place.namespace, Some(&self.place.name), &wanted)?;
        if self.kind.custom && wanted["metadata"]["resourceVersion"].as_str().is_none_or(str::is_empty) {
            let why = "Invalid value: 0x0: must be specified for an update";
            return Err(Refusal::invalid(self.kind, &self.place.name, "metadata.resourceVersion", why));
        }
        self.update(world, &live, wanted)
    }

    /// `PATCH`.
    pub fn patch(&self, world: &mut World) -> Answer {
        let media_type = self.entry.content_type.as_deref().unwrap_or_default();
        if media_type == "application/apply-patch+yaml" {
            return self.apply(world);
        }
        let live = self.stored(world)?;
        let is_scale = self.place.subresource == "scale";
        let mut wanted = if is_scale { scale(&live.object) } else { presented(world, self.kind, &live) };
        let given = &self.entry.body;
        match media_type {
            "application/merge-patch+json" if given.is_object() => patch::merge(&mut wanted, given),
            "application/json-patch+json" if given.is_array() => {
                patch::json(&mut wanted, given).map_err(|_| Refusal::unfit())?;
            }
            "application/strategic-merge-patch+json" if given.is_object() && !self.kind.custom => {
                patch::strategic(&mut wanted, given);
            }
            "application/merge-patch+json"
            | "application/json-patch+json"
            | "application/strategic-merge-patch+json"
                if !self.kind.custom =>
            {
                return Err(Refusal::bad("error decoding patch: it is of another shape"));
            }
            _ => {
                let accepted =
                    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
                return Err(Refusal::wrong_type(accepted));
            }
        }
        if is_scale { self.rescale(world, &live, wanted) } else { self.update(world, &live, wanted) }
    }

    fn apply(&self, world: &mut World) -> Answer {
        let mut wanted = self.entry.body.clone();
        validate::place(self.kind, &self.place.namespace, Some(&self.place.name), &wanted)?;
        if self.entry.parameter("fieldManager").is_none_or(str::is_empty) {
            return Err(Refusal::no_manager());
        }
        if !wanted["metadata"]["managedFields"].is_null() {
            return Err(Refusal::bad("metadata.managedFields must be nil"));
        }
        let by_force = self.entry.parameter("force") == Some("true");
        let Ok(live) = self.stored(world) else {
            let mut managers = Managers::default();
            // Nobody else states anything of what is not there.
            drop(managers.apply(self.manager, &Value::Null, &wanted, by_force));
            return self.make(world, wanted, managers);
        };
        check_version(self.kind, &live.object, &wanted)?;
        wanted["metadata"].as_object_mut().map(|metadata| metadata.remove("resourceVersion"));
        let mut managers = live.managers.clone();
        let after = managers.apply(self.manager, &live.object, &wanted, by_force);
        let after = after.map_err(|fields| Refusal::owned(&self.kind.api_version(), &fields))?;
        self.commit(world, &live, after, managers)
    }

    fn update(&self, world: &mut World, live: &Stored, wanted: Value) -> Answer {
        check_version(self.kind, &live.object, &wanted)?;
        let after = match self.place.subresource.as_str() {
            "status" => {
                let mut after = live.object.clone();
                after["status"] = wanted["status"].clone();
                after
            }
            _ => wanted,
        };
        self.commit(world, live, after, live.managers.clone())
    }

    /// Keeps what no write changes, counts the generation, and stores it if anything is different.
    fn commit(&self, world: &mut World, live: &Stored, mut after: Value, managers: Managers) -> Answer {
        let before = &live.object;
        let is_status = self.place.subresource == "status";
        if after["metadata"]["name"] != before["metadata"]["name"] {
            let why = "Invalid value: field is immutable";
            return Err(Refusal::invalid(self.kind, &self.place.name, "metadata.name", why));
        }
        if !is_status && self.kind.status {
            after["status"] = before["status"].clone();
        }
        for field in KEPT {
            after["metadata"][*field] = before["metadata"][*field].clone();
        }
        if self.place.subresource != "finalize" && self.kind.kind == "Namespace" {
            after["spec"] = before["spec"].clone();
        }
        after["apiVersion"] = before["apiVersion"].clone();
        after["kind"] = before["kind"].clone();
        tidy(&mut after);
        if !is_status {
            validate::defaults(self.kind, world.minor, &mut after);
            validate::fields(self.kind, &after)?;
        }
        let mut managers = managers;
        if self.entry.content_type.as_deref() != Some("application/apply-patch+yaml") {
            managers.updated(self.manager, before, &after);
        }
        let place = self.key();
        if after == *before {
            // What was stated may have got an owner; the object is no other one.
            let stored = Stored { object: after, managers };
            world.objects.insert(place.clone(), stored);
            return Ok((200, presented(world, self.kind, &world.objects[&place])));
        }
        if has_generation(self.kind) && is_other_spec(before, &after) {
            let generation = before["metadata"]["generation"].as_i64().unwrap_or(1);
            after["metadata"]["generation"] = json!(generation + 1);
        }
        let stored = Stored { object: after, managers };
        world.put(place.clone(), stored.clone());
        let answer = presented(world, self.kind, &world.objects[&place]);
        delete::settle(world);
        Ok((200, answer))
    }

    fn rescale(&self, world: &mut World, live: &Stored, wanted: Value) -> Answer {
        check_version(self.kind, &live.object, &wanted)?;
        validate::replicas(self.kind, &self.place.name, &wanted["spec"]["replicas"])?;
        let mut after = live.object.clone();
        // Nought is left out of a Scale, and so what is left out is nought.
        after["spec"]["replicas"] = json!(wanted["spec"]["replicas"].as_i64().unwrap_or_default());
        self.commit(world, live, after, live.managers.clone())?;
        Ok((200, scale(&world.objects[&self.key()].object)))
    }
}

const KEPT: &[&str] = &[
    "uid",
    "namespace",
    "creationTimestamp",
    "generation",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

fn has_generation(kind: &Kind) -> bool {
    !matches!(kind.kind, "Namespace" | "ConfigMap" | "Secret" | "Service" | "Pod")
}

fn is_other_spec(before: &Value, after: &Value) -> bool {
    let own = |object: &Value| {
        let mut object = object.clone();
        object.as_object_mut().map(|fields| (fields.remove("metadata"), fields.remove("status")));
        object
    };
    own(before) != own(after)
}

/// Fields that are looked at spring up as `null`.
fn tidy(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        metadata.retain(|_, value| !value.is_null());
    }
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
}

fn check_version(kind: &Kind, live: &Value, wanted: &Value) -> Result<(), Refusal> {
    let stated = wanted["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if stated.is_empty() || live["metadata"]["resourceVersion"] == stated {
        return Ok(());
    }
    Err(Refusal::modified(kind, live["metadata"]["name"].as_str().unwrap_or_default()))
}

/// `autoscaling/v1` Scale of an object.
pub fn scale(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let labels = object["spec"]["selector"]["matchLabels"].as_object();
    let selector =
        labels.into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {},
        "status": {
            "replicas": object["status"]["replicas"].as_i64().unwrap_or_default(),
            "selector": selector.collect::<Vec<_>>().join(","),
        },
    });
    // As the server writes it: nought is left out.
    if let Some(replicas) = object["spec"]["replicas"].as_i64().filter(|replicas| *replicas != 0) {
        scale["spec"]["replicas"] = json!(replicas);
    }
    scale
}
