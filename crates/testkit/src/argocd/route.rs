//! The calls, answered as documented.

mod app;
mod object;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::World;
use super::fault::Entry;
use super::json::{fits, pick};
use super::world::{Key, project_of};

/// A call with whoever makes it.
pub struct Request<'a> {
    pub entry: &'a Entry,
    pub token: Option<&'a str>,
}

/// Anything but a yes: HTTP's status, gRPC's code, and a sentence.
pub struct Refusal {
    pub http: StatusCode,
    pub code: u16,
    pub message: String,
}

type Answer = Result<Value, Refusal>;

impl Refusal {
    fn new(http: StatusCode, code: u16, message: impl Into<String>) -> Refusal {
        Refusal { http, code, message: message.into() }
    }

    fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, 3, message)
    }

    fn not_found(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, 5, message)
    }

    fn forbidden(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, 7, message)
    }

    fn precondition(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, 9, message)
    }
}

impl Request<'_> {
    fn query(&self, name: &str) -> Option<&str> {
        self.entry.parameter(name).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.entry.body[name].as_str().filter(|value| !value.is_empty())
    }

    /// Writes name their project in the body, reads in the query.
    fn project(&self) -> Option<&str> {
        self.query("project").or_else(|| self.text("project"))
    }

    fn may(&self, world: &World, resource: &str, action: &str, object: &str) -> bool {
        let account = self.token.and_then(|token| world.accounts.get(token));
        account.is_some_and(|account| account.may(resource, action, object))
    }

    /// Refuses as where Argo CD may say what is missing.
    fn need(&self, world: &World, resource: &str, action: &str, object: &str) -> Result<(), Refusal> {
        if self.may(world, resource, action, object) {
            return Ok(());
        }
        let account = &self.entry.account;
        Err(Refusal::forbidden(format!("permission denied: {resource}, {action}, {object}, sub: {account}, iat: 2026")))
    }
}

/// Answers a call.
pub fn answer(world: &mut World, request: &Request<'_>) -> Answer {
    let path = request.entry.path.clone();
    if path == "/api/version" {
        return Ok(json!({ "Version": world.version }));
    }
    if path == "/api/v1/session/userinfo" {
        let name = &request.entry.account;
        return Ok(match name.is_empty() {
            true => json!({}),
            false => json!({ "loggedIn": true, "username": name, "iss": "argocd" }),
        });
    }
    if request.entry.account.is_empty() {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, 16, "no session information"));
    }
    let method = request.entry.method.as_str();
    if method != "GET" && request.entry.content_type.as_deref() != Some("application/json") {
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, 3, "invalid content type"));
    }
    let parts: Vec<&str> = path.strip_prefix("/api/v1/").unwrap_or_default().split('/').collect();
    match (method, parts.as_slice()) {
        ("GET", ["account", "can-i", resource, action, object @ ..]) => {
            let may = request.may(world, resource, action, &object.join("/"));
            Ok(json!({ "value": if may { "yes" } else { "no" } }))
        }
        ("GET", ["projects", name]) => {
            request.need(world, "projects", "get", name)?;
            project(world, name)
        }
        ("PUT", ["projects", name]) => put_project(world, request, name),
        ("GET", ["applicationsets"]) => Ok(json!({ "metadata": {}, "items": list_of(world.sets.values()) })),
        ("GET", ["applicationsets", name]) => {
            world.sets.get(*name).cloned().ok_or_else(|| Refusal::not_found(format!("applicationset {name} not found")))
        }
        ("GET", ["applications"]) => list(world, request),
        ("POST", ["applications"]) => app::create(world, request),
        (_, ["applications", name, below @ ..]) => app::answer(world, request, name, below),
        _ => Err(Refusal::not_found("Not Found")),
    }
}

fn project(world: &World, name: &str) -> Answer {
    let found = world.projects.get(name).cloned();
    found.ok_or_else(|| Refusal::not_found(format!("appprojects.argoproj.io \"{name}\" not found")))
}

fn put_project(world: &mut World, request: &Request<'_>, name: &str) -> Answer {
    request.need(world, "projects", "update", name)?;
    let found = project(world, name)?;
    let mut wanted = request.entry.body["project"].clone();
    if wanted["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"] {
        let message = format!(
            "Operation cannot be fulfilled on appprojects.argoproj.io \"{name}\": the object has been modified; please apply \
             your changes to the latest version and try again"
        );
        return Err(Refusal::new(StatusCode::CONFLICT, 10, message));
    }
    wanted["metadata"]["resourceVersion"] = json!(world.next_version());
    world.projects.insert(name.to_owned(), wanted.clone());
    Ok(wanted)
}

/// Whoever may not see an Application is not told of it.
fn list(world: &mut World, request: &Request<'_>) -> Answer {
    world.tell();
    let of = |name: &str| -> Vec<&str> {
        let own = request.entry.query.iter().filter(|(key, _)| key == name);
        own.map(|(_, value)| value.as_str()).collect()
    };
    let (projects, fields) = (of("projects"), request.query("fields"));
    let is_seen = |(key, app): &(&Key, &super::world::App)| {
        let object = &app.object;
        let project = project_of(object);
        (projects.is_empty() || projects.contains(&project))
            && request.query("appNamespace").is_none_or(|namespace| namespace == key.0)
            && request.query("selector").is_none_or(|selector| is_selected(selector, &object["metadata"]["labels"]))
            && request.may(world, "applications", "get", &rbac_object(project, key))
    };
    let items = list_of(world.apps.iter().filter(is_seen).map(|(_, app)| &app.object));
    let list = json!({ "metadata": { "resourceVersion": "1" }, "items": items });
    Ok(fields.map_or(list.clone(), |fields| pick(&list, &fields.split(',').collect::<Vec<_>>())))
}

/// An empty list is written as Go writes it.
fn list_of<'a>(items: impl Iterator<Item = &'a Value>) -> Value {
    let items: Vec<&Value> = items.collect();
    if items.is_empty() { Value::Null } else { json!(items) }
}

fn is_selected(selector: &str, labels: &Value) -> bool {
    selector.split(',').all(|part| match (part.split_once("!="), part.split_once('=')) {
        (Some((name, value)), _) => labels[name] != value,
        (None, Some((name, value))) => fits(value.trim_start_matches('='), labels[name].as_str().unwrap_or_default()),
        (None, None) => !labels[part].is_null(),
    })
}

fn rbac_object(project: &str, (namespace, name): &Key) -> String {
    match namespace.as_str() {
        super::world::HOME => format!("{project}/{name}"),
        namespace => format!("{project}/{namespace}/{name}"),
    }
}
