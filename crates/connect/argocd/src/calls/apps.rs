//! Applications: read, changed, synced, made and removed.

use jiff::Timestamp;
use naru_core::failure::Failure;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::part;
use crate::application::{AppRef, Application, Info, null_is_default};
use crate::client::{Call, Client};
use crate::project::WindowState;
use crate::refusal::About;
use crate::resource::{Patch, ResourceRef};

/// Which Applications, and what of each.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Those of these projects; of all without.
    pub projects: Vec<String>,
    /// Those with these labels: `team=web,env!=prod`.
    pub selector: Option<String>,
    /// Those of this namespace.
    pub app_namespace: Option<String>,
    /// Only these fields, from an Application's root: `metadata.name`, `status.health`. All without.
    pub fields: Vec<String>,
}

/// Whether Argo CD looks again before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// It answers what it knows.
    No,
    /// It asks Git and the cluster.
    Normal,
    /// It renders the manifests anew too.
    Hard,
}

/// How a sync is done. Without revisions it goes to what the spec tracks, which is all that auto-sync lets pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sync {
    /// Another revision than the spec's, of a single source.
    pub revision: Option<String>,
    /// What is stored with the operation: who wanted it, and the mark by which it is found again.
    pub infos: Vec<Info>,
    /// Whether what Git no longer has is removed.
    pub prune: bool,
    /// Only these objects; all without.
    pub resources: Vec<ResourceRef>,
    /// `RespectIgnoreDifferences=true`, …; the spec's own without.
    pub options: Vec<String>,
}

/// What becomes of an Application's objects when it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cascade {
    /// They go first, and it is there until they are gone.
    Foreground,
    /// They go after it.
    Background,
    /// They stay.
    Orphan,
}

/// Who wrote a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RevisionMetadata {
    /// `Name <address>`.
    pub author: String,
    /// When.
    pub date: Option<Timestamp>,
    /// Cut after 64 characters by the server.
    pub message: String,
    /// The tags on it.
    #[serde(deserialize_with = "null_is_default")]
    pub tags: Vec<String>,
}

#[derive(Deserialize)]
struct List {
    #[serde(default, deserialize_with = "null_is_default")]
    items: Vec<Application>,
}

#[derive(Deserialize)]
struct Manifests {
    #[serde(default, deserialize_with = "null_is_default")]
    manifests: Vec<String>,
}

impl ListQuery {
    /// Adds itself to a list (`items.`) or a stream (`result.application.`).
    pub(crate) fn on(&self, mut call: Call, fields_below: &str) -> Call {
        for project in &self.projects {
            call = call.query("projects", project);
        }
        if !self.fields.is_empty() {
            let fields: Vec<String> = self.fields.iter().map(|field| format!("{fields_below}{field}")).collect();
            call = call.query("fields", fields.join(","));
        }
        call.maybe("selector", self.selector.as_deref()).maybe("appNamespace", self.app_namespace.as_deref())
    }
}

impl Client {
    /// The Applications that the account sees.
    pub async fn list(&self, query: &ListQuery) -> Result<Vec<Application>, Failure> {
        let call = Call::get("/api/v1/applications".to_owned(), About::right("applications, get, */*"));
        let list: List = self.ask(query.on(call, "items.")).await?;
        Ok(list.items)
    }

    /// One Application.
    pub async fn app(&self, app: &AppRef, refresh: Refresh) -> Result<Application, Failure> {
        let refresh = match refresh {
            Refresh::No => None,
            Refresh::Normal => Some("normal"),
            Refresh::Hard => Some("hard"),
        };
        let call = Call::get(path(app, ""), About::app(app, "get"));
        self.ask(named(call, app).maybe("refresh", refresh)).await
    }

    /// Changes an Application and answers it as it is then. What owns it may undo that ([`crate::owner`]).
    pub async fn patch(&self, app: &AppRef, patch: &Patch) -> Result<Application, Failure> {
        let body = json!({ "patch": patch.text(), "patchType": patch.short_name() });
        self.ask(Call::write(Method::PATCH, path(app, ""), Some(with_name(body, app)), About::app(app, "update"))).await
    }

    /// Asks for a sync; whether it went well is seen later ([`crate::judge`]).
    pub async fn sync(&self, app: &AppRef, sync: &Sync) -> Result<Application, Failure> {
        let mut body = Map::new();
        if let Some(revision) = &sync.revision {
            body.insert("revision".to_owned(), json!(revision));
        }
        body.insert("prune".to_owned(), json!(sync.prune));
        if !sync.infos.is_empty() {
            body.insert("infos".to_owned(), json!(sync.infos));
        }
        if !sync.resources.is_empty() {
            body.insert("resources".to_owned(), sync.resources.iter().map(selected).collect());
        }
        if !sync.options.is_empty() {
            body.insert("syncOptions".to_owned(), json!({ "items": sync.options }));
        }
        let body = with_name(Value::Object(body), app);
        self.ask(Call::write(Method::POST, path(app, "/sync"), Some(body), About::app(app, "sync"))).await
    }

    /// Tells the running operation to end; answers whether there was one.
    pub async fn terminate(&self, app: &AppRef) -> Result<bool, Failure> {
        let call = Call::write(Method::DELETE, path(app, "/operation"), None, About::app(app, "sync"));
        match self.tell(named(call, app)).await {
            Ok(()) => Ok(true),
            Err(refused) if refused.causes.iter().any(|cause| cause.contains("No operation is in progress")) => {
                Ok(false)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Makes an Application out of `metadata` and `spec`. One that is there and differs is refused
    /// (`argocd-app-exists`); one that is there alike is answered.
    pub async fn create(&self, application: &Value) -> Result<Application, Failure> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = AppRef::new(text(&application["spec"]["project"]), text(&application["metadata"]["name"]));
        let about = About::app(&name, "create");
        self.ask(Call::write(Method::POST, "/api/v1/applications".to_owned(), Some(application.clone()), about)).await
    }

    /// Asks for an Application to be deleted; it is gone once it is no longer found.
    pub async fn delete(&self, app: &AppRef, cascade: Cascade) -> Result<(), Failure> {
        let call = Call::write(Method::DELETE, path(app, ""), None, About::app(app, "delete"));
        let call = named(call, app).query("cascade", (cascade != Cascade::Orphan).to_string());
        let policy = match cascade {
            Cascade::Foreground => Some("foreground"),
            Cascade::Background => Some("background"),
            Cascade::Orphan => None,
        };
        self.tell(call.maybe("propagationPolicy", policy)).await
    }

    /// What the windows of its project say of an Application now.
    pub async fn sync_windows(&self, app: &AppRef) -> Result<WindowState, Failure> {
        self.ask(named(Call::get(path(app, "/syncwindows"), About::app(app, "get")), app)).await
    }

    /// What a revision renders to; what the spec tracks without one.
    pub async fn manifests(&self, app: &AppRef, revision: Option<&str>) -> Result<Vec<Value>, Failure> {
        let call = named(Call::get(path(app, "/manifests"), About::app(app, "get")), app);
        let told: Manifests = self.ask(call.maybe("revision", revision)).await?;
        let read = |text: &String| serde_json::from_str(text).map_err(|e| self.bad_answer(&e.to_string()));
        told.manifests.iter().map(read).collect()
    }

    /// Who wrote a commit of an Application's source, and why.
    pub async fn revision_metadata(&self, app: &AppRef, revision: &str) -> Result<RevisionMetadata, Failure> {
        let path = path(app, &format!("/revisions/{}/metadata", part(revision)));
        self.ask(named(Call::get(path, About::app(app, "get")), app)).await
    }
}

/// The path of an Application and what is below it.
pub(crate) fn path(app: &AppRef, below: &str) -> String {
    format!("/api/v1/applications/{}{below}", part(&app.name))
}

/// Names project and namespace in the query.
pub(crate) fn named(call: Call, app: &AppRef) -> Call {
    let project = (!app.project.is_empty()).then_some(app.project.as_str());
    call.maybe("project", project).maybe("appNamespace", app.namespace.as_deref())
}

/// Names Application, project and namespace in the body.
pub(crate) fn with_name(mut body: Value, app: &AppRef) -> Value {
    body["name"] = json!(app.name);
    if !app.project.is_empty() {
        body["project"] = json!(app.project);
    }
    if let Some(namespace) = &app.namespace {
        body["appNamespace"] = json!(namespace);
    }
    body
}

/// A sync's selection knows no version.
fn selected(resource: &ResourceRef) -> Value {
    let ResourceRef { group, version: _, kind, namespace, name } = resource;
    json!({ "group": group, "kind": kind, "namespace": namespace, "name": name })
}
