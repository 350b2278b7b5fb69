//! A call, answered: who it is, whether they may, and what they asked for.

use serde_json::{Value, json};

use super::discovery;
use super::fault::Entry;
use super::kind::Kind;
use super::path::{self, Place, ResourcePlace};
use super::refusal::Refusal;
use super::rule::Wanted;
use super::world::{World, key};
use super::write::{Write, presented, scale};
use super::{delete, list};

/// What is answered.
pub enum Told {
    /// A status and a body.
    Answer(u16, Value),
    /// The plain page of a path that is none.
    NoSuchPath,
    /// A watch, from the state that it is asked from.
    Watch(Box<Kind>, ResourcePlace),
}

/// Answers `entry` for whoever has `token`.
pub fn answer(world: &mut World, entry: &Entry, token: Option<&str>) -> Result<Told, Refusal> {
    if matches!(entry.path.as_str(), "/healthz" | "/livez" | "/readyz") {
        return Ok(Told::Answer(200, json!("ok")));
    }
    if entry.path == "/version" && token.is_none() {
        return Ok(Told::Answer(200, discovery::version(world)));
    }
    // Nobody's token is that of the anonymous user, if there is one.
    let Some(token) = Some(token.unwrap_or_default()).filter(|token| world.users.contains_key(*token)) else {
        return Err(Refusal::unauthorized());
    };
    if entry.path == "/version" {
        return Ok(Told::Answer(200, discovery::version(world)));
    }
    let Some(place) = path::read(&entry.path) else { return Ok(Told::NoSuchPath) };
    let Place::Resource(place) = place else {
        return match discovery::answer(world, &place) {
            Ok(document) => Ok(Told::Answer(200, document)),
            Err(_) => Ok(Told::NoSuchPath),
        };
    };
    if place.plural == "selfsubjectaccessreviews" && entry.method == "POST" {
        return Ok(Told::Answer(201, review(world, token, &entry.body)));
    }
    let verb = verb(entry, &place);
    let known = world.kinds.iter().find(|kind| place.is_of(kind)).cloned();
    may(world, token, &place, verb, known.as_ref())?;
    let Some(kind) = known else {
        return match discovery::is_served(world, &place.group, &place.version) {
            true => Err(Refusal::no_resource()),
            false => Ok(Told::NoSuchPath),
        };
    };
    if kind.namespaced == place.namespace.is_empty() && !place.name.is_empty() {
        return Err(Refusal::no_resource());
    }
    match place.subresource.as_str() {
        "" => {}
        "scale" if kind.scale => {}
        "status" if kind.status => {}
        "finalize" if kind.kind == "Namespace" => {}
        _ => return Err(Refusal::no_resource()),
    }
    if verb == "watch" {
        return Ok(Told::Watch(Box::new(kind), place));
    }
    let (status, body) = resource(world, &kind, &place, entry, verb)?;
    Ok(Told::Answer(status, body))
}

fn resource(
    world: &mut World,
    kind: &Kind,
    place: &ResourcePlace,
    entry: &Entry,
    verb: &str,
) -> Result<(u16, Value), Refusal> {
    let manager = entry.parameter("fieldManager").unwrap_or("unknown");
    let write = Write { kind, place, entry, manager };
    match verb {
        "list" => Ok((200, list::answer(world, kind, place, entry)?)),
        "get" => {
            let at = key(&kind.resource(), &place.namespace, &place.name);
            let found = world.objects.get(&at).ok_or_else(|| Refusal::not_found(kind, &place.name))?;
            let is_scale = place.subresource == "scale";
            Ok((200, if is_scale { scale(&found.object) } else { presented(world, kind, found) }))
        }
        "create" if place.name.is_empty() && kind.namespaced != place.namespace.is_empty() => write.create(world),
        "update" if !place.name.is_empty() => write.replace(world),
        "patch" if !place.name.is_empty() => write.patch(world),
        "delete" if place.subresource.is_empty() => delete::answer(world, kind, place, entry),
        _ => Err(Refusal::not_allowed()),
    }
}

/// As RBAC names what is done.
fn verb(entry: &Entry, place: &ResourcePlace) -> &'static str {
    let is_watch = matches!(entry.parameter("watch"), Some("true" | "1"));
    match entry.method.as_str() {
        "GET" if place.name.is_empty() && is_watch => "watch",
        "GET" if place.name.is_empty() => "list",
        "GET" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" if place.name.is_empty() => "deletecollection",
        "DELETE" => "delete",
        _ => "none",
    }
}

fn may(world: &World, token: &str, place: &ResourcePlace, verb: &str, kind: Option<&Kind>) -> Result<(), Refusal> {
    let resource = place.resource();
    // A namespace stands in itself: so rights in it reach it.
    let namespace = if place.plural == "namespaces" { &place.name } else { &place.namespace };
    let wanted = Wanted { verb, group: &place.group, resource: &resource, namespace };
    let user = &world.users[token];
    match (user.rules.iter().any(|rule| rule.allows(&wanted)), kind) {
        (true, _) => Ok(()),
        (false, Some(kind)) => Err(Refusal::forbidden(kind, &place.name, &wanted.told(&user.name))),
        (false, None) => Err(Refusal::no_resource()),
    }
}

/// `SelfSubjectAccessReview`.
fn review(world: &World, token: &str, body: &Value) -> Value {
    let asked = &body["spec"]["resourceAttributes"];
    let text = |name: &str| asked[name].as_str().unwrap_or_default();
    let resource = match text("subresource") {
        "" => text("resource").to_owned(),
        subresource => format!("{}/{subresource}", text("resource")),
    };
    let wanted = Wanted { verb: text("verb"), group: text("group"), resource: &resource, namespace: text("namespace") };
    let allowed = world.users[token].rules.iter().any(|rule| rule.allows(&wanted));
    let mut answer = body.clone();
    answer["status"] = json!({ "allowed": allowed });
    answer
}
