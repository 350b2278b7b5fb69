//! Where a change of an app is written: found from what its Application says, and from who owns it.

use naru_argocd::application::{AppRef, Application};
use naru_argocd::owner::{Owner, owner};
use naru_core::failure::Failure;
use serde_json::Value;

use crate::catalogue::{App, Place, Write};
use crate::edit::Edit;
use crate::estate::beside;
use crate::overlay;

/// Where a change goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// A file of a repository.
    File {
        /// The repository's address.
        url: String,
        /// The branch; none where the Application follows the repository's own.
        branch: Option<String>,
        /// From the root of the repository.
        path: String,
        /// How the file is changed, with no value yet.
        edit: Edit,
    },
    /// The Application's spec, which nobody else writes: parameters or revision of the source at this place.
    Spec {
        /// Which of several sources; none where there is one alone.
        source: Option<usize>,
    },
}

/// How an Application is called in a call.
pub fn reference(place: &Place) -> AppRef {
    AppRef { name: place.application.clone(), project: place.project.clone(), namespace: place.namespace.clone() }
}

/// Finds where a change of the app's image is written. Refuses, with the reason, what cannot be changed.
pub fn way(name: &str, app: &App, place: &Place, live: &Application, label: &str) -> Result<Way, Failure> {
    let refused = |code: &str| Failure::new(naru_core::failure::Kind::Refused, code).arg("app", name);
    // Before 2.5 Argo CD knows no namespaces, and answers with the Application of that name in its own.
    let namespace = live.metadata.namespace.as_str();
    if place.namespace.as_ref().is_some_and(|wanted| wanted != namespace) {
        return Err(Failure::not_found("app-gone").arg("app", name).arg("application", &place.application));
    }
    let owner = owner(live, label);
    if owner == Owner::Hydrator {
        return Err(Failure::refused("way-hydrated").arg("app", name));
    }
    let sources = live.sources();
    let is_in_git =
        |source: &&Value| source["path"].is_string() && source["chart"].as_str().unwrap_or_default().is_empty();
    let values_file = place.values_file.as_ref().or(app.values_file.as_ref());
    // What somebody else writes already is written there, never above it.
    let write = match app.write.or_else(|| updater(live)) {
        Some(write) => write,
        None if values_file.is_some() => Write::Values,
        // Whatever lay beside the chart would hide what the pipeline writes from then on.
        None if app.pipeline_writes => return Err(refused("way-no-values-file")),
        None if sources.len() == 1 && sources.first().is_some_and(is_in_git) => Write::Override,
        None if owner == Owner::Nobody => Write::Spec,
        None => return Err(Failure::refused("way-unknown").arg("app", name)),
    };
    match write {
        Write::Override => {
            let Some(source) = sources.iter().find(|source| is_in_git(source)) else {
                return Err(refused("way-no-path"));
            };
            let file = overlay::file_name(&place.application, place.namespace.as_deref());
            let path = beside(text(source, "path"), &file);
            Ok(Way::File {
                url: text(source, "repoURL").to_owned(),
                branch: branch(name, source)?,
                path,
                edit: edit(name, app, live, source)?,
            })
        }
        Write::Values => {
            let Some(path) = values_file else { return Err(refused("way-no-values-file")) };
            // A chart of a registry takes its values from a source that is only referred to.
            let of_values = |source: &&&Value| source["ref"].is_string();
            let source = sources.iter().find(of_values).or_else(|| sources.iter().find(|source| is_in_git(source)));
            let Some(source) = source else { return Err(refused("way-no-path")) };
            let path = path.trim_start_matches('/').to_owned();
            let edit = Edit::Values(Vec::new());
            let (url, branch) = match &app.values_repository {
                Some(url) => (url.clone(), app.values_branch.clone()),
                None => (text(source, "repoURL").to_owned(), branch(name, source)?),
            };
            Ok(Way::File { url, branch, path, edit })
        }
        Write::Revision if owner != Owner::Nobody => {
            let (Some(path), Some(url)) = (values_file, &app.values_repository) else {
                return Err(refused("way-revision-file"));
            };
            let path = path.trim_start_matches('/').to_owned();
            Ok(Way::File { url: url.clone(), branch: app.values_branch.clone(), path, edit: Edit::Values(Vec::new()) })
        }
        Write::Spec if owner != Owner::Nobody => {
            let by = match owner {
                Owner::ApplicationSet(name) | Owner::Application(name) => name,
                Owner::Hydrator | Owner::Nobody => String::new(),
            };
            Err(Failure::refused("way-owned").arg("app", name).arg("owner", by))
        }
        Write::Spec => {
            let rendered = |source: &&Value| source["path"].is_string() || source["chart"].is_string();
            let Some(at) = sources.iter().position(rendered) else {
                return Err(refused("way-no-path"));
            };
            check_kind(name, app, live, sources[at])?;
            Ok(Way::Spec { source: is_list(live).then_some(at) })
        }
        Write::Revision => match followed(live) {
            Some(followed) => Ok(Way::Spec { source: is_list(live).then_some(followed.place) }),
            None => Err(refused("way-no-path")),
        },
    }
}

/// What an Application follows in Git.
pub struct Followed<'a> {
    /// Which of its sources.
    pub place: usize,
    /// The repository.
    pub url: &'a str,
    /// A branch, a tag or a commit; empty is the repository's own branch.
    pub revision: &'a str,
}

/// The first source of an Application that is a path of a repository.
pub fn followed(live: &Application) -> Option<Followed<'_>> {
    let sources = live.sources().into_iter().enumerate();
    let mut of_git = sources.filter(|(_, source)| source["path"].is_string() && source["chart"].is_null());
    of_git.next().map(|(place, source)| Followed {
        place,
        url: text(source, "repoURL"),
        revision: text(source, "targetRevision"),
    })
}

/// What else writes the value that the app runs by, where something does: a pin there is written over.
pub fn written_by(app: &App, live: &Application) -> Option<&'static str> {
    match updater(live) {
        Some(_) => Some("Argo CD Image Updater"),
        None => app.pipeline_writes.then_some("CI"),
    }
}

/// Where Argo CD Image Updater writes, if it looks after the Application: into its spec unless it is told otherwise.
fn updater(live: &Application) -> Option<Write> {
    let annotation = |name: &str| live.metadata.annotations.get(&format!("argocd-image-updater.argoproj.io/{name}"));
    annotation("image-list")?;
    let method = annotation("write-back-method").map_or("argocd", String::as_str);
    Some(match method.starts_with("git") {
        // A file of the repository instead of the one beside the chart.
        true if annotation("write-back-target").is_some() => Write::Values,
        true => Write::Override,
        false => Write::Spec,
    })
}

/// Whether an Application has its sources in a list, be it of one.
fn is_list(live: &Application) -> bool {
    live.spec["sources"].as_array().is_some_and(|sources| !sources.is_empty())
}

/// Whether a source is rendered by Kustomize: it says so, or Argo CD has found it out.
pub fn is_kustomized(live: &Application, source: &Value) -> bool {
    source["kustomize"].is_object() || kind(live, source) == "Kustomize" && !source["helm"].is_object()
}

/// What Argo CD found that a source is: `Helm`, `Kustomize`, `Directory`, `Plugin`; empty where it has not looked yet.
fn kind<'a>(live: &'a Application, source: &Value) -> &'a str {
    let place = live.sources().iter().position(|own| *own == source);
    let of_list = place.and_then(|place| live.status.source_types.get(place)).map(String::as_str);
    of_list.filter(|_| is_list(live)).unwrap_or(&live.status.source_type)
}

/// Refuses a source that has no place for an image: what is written there would break it.
fn check_kind(name: &str, app: &App, live: &Application, source: &Value) -> Result<(), Failure> {
    let is_plain = matches!(kind(live, source), "Directory" | "Plugin") && !source["helm"].is_object();
    if is_plain || source["directory"].is_object() || source["plugin"].is_object() {
        return Err(Failure::refused("way-plain").arg("app", name));
    }
    match is_kustomized(live, source) && app.image.is_none() {
        true => Err(Failure::refused("way-no-image").arg("app", name)),
        false => Ok(()),
    }
}

/// How the file beside the chart is changed: by what the source is rendered with.
fn edit(name: &str, app: &App, live: &Application, source: &Value) -> Result<Edit, Failure> {
    check_kind(name, app, live, source)?;
    let own = source.clone();
    Ok(match &app.image {
        Some(image) if is_kustomized(live, source) => Edit::Image { source: own, name: image.clone(), wanted: None },
        _ => Edit::Parameters { source: own, parameters: Vec::new() },
    })
}

fn text<'a>(source: &'a Value, key: &str) -> &'a str {
    source[key].as_str().unwrap_or_default()
}

/// The branch that a source follows. A commit or a tag never moves, so nothing that is written would be seen.
fn branch(name: &str, source: &Value) -> Result<Option<String>, Failure> {
    match text(source, "targetRevision") {
        "" | "HEAD" => Ok(None),
        revision if revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Err(Failure::refused("way-fixed").arg("app", name).arg("revision", revision))
        }
        revision => Ok(Some(revision.trim_start_matches("refs/heads/").to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(app: App, metadata: Value, spec: Value, expect: Result<&str, &str>) {
        let live: Application = serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap();
        let place = Place { application: "web-staging".to_owned(), project: "shop".to_owned(), ..Place::default() };
        let found = way("web", &app, &place, &live, "app.kubernetes.io/instance").map(|way| match way {
            Way::File { branch, path, edit, .. } => {
                let how = match edit {
                    Edit::Parameters { .. } => "helm",
                    Edit::Image { .. } => "kustomize",
                    Edit::Values(_) => "values",
                };
                format!("{how} {path} {}", branch.unwrap_or_else(|| "-".to_owned()))
            }
            Way::Spec { source } => format!("spec {source:?}"),
        });
        let found = found.map_err(|failure| failure.code);
        assert_eq!(found.as_deref().map_err(String::as_str), expect, "{spec}");
    }

    fn git(more: Value) -> Value {
        let mut source =
            json!({ "repoURL": "https://git.example.com/charts", "path": "web", "targetRevision": "main" });
        source.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "project": "shop", "source": source })
    }

    #[test]
    fn what_argo_cd_found_a_source_to_be_counts() {
        let check = |kind: &str, expect: Result<bool, &str>| {
            let source =
                json!({ "repoURL": "https://git.example.com/charts", "path": "web", "targetRevision": "main" });
            let live = json!({ "spec": { "source": source }, "status": { "sourceType": kind } });
            let live: Application = serde_json::from_value(live).unwrap();
            let place = Place { application: "web".to_owned(), ..Place::default() };
            let app = App { image: Some("shop/web".to_owned()), ..App::default() };
            let found = way("web", &app, &place, &live, "app.kubernetes.io/instance");
            let found = found.map(|way| matches!(way, Way::File { edit: Edit::Image { .. }, .. }));
            assert_eq!(found.map_err(|failure| failure.code), expect.map_err(str::to_owned), "{kind}");
        };
        check("Kustomize", Ok(true));
        check("Helm", Ok(false));
        check("", Ok(false));
        check("Directory", Err("way-plain"));
        check("Plugin", Err("way-plain"));
    }

    #[test]
    fn an_application_of_another_namespace_is_another_one() {
        let place = Place { namespace: Some("team-a".to_owned()), ..Place::default() };
        let check = |namespace: &str, expect: Result<(), &str>| {
            let live = json!({ "metadata": { "name": "web", "namespace": namespace }, "spec": git(json!({})) });
            let live: Application = serde_json::from_value(live).unwrap();
            let found = way("web", &App::default(), &place, &live, "app.kubernetes.io/instance");
            assert_eq!(found.map(drop).map_err(|failure| failure.code), expect.map_err(str::to_owned), "{namespace}");
        };
        check("team-a", Ok(()));
        check("argocd", Err("app-gone"));
    }

    #[test]
    fn the_way_follows_source_and_owner() {
        let set =
            || json!({ "name": "web-staging", "ownerReferences": [{ "kind": "ApplicationSet", "name": "shops" }] });
        let alone = || json!({ "name": "web-staging" });
        let app = App::default;
        let image = || App { image: Some("shop/web".to_owned()), ..App::default() };
        let values = || App { values_file: Some("envs/staging.yaml".to_owned()), ..App::default() };
        let chart = || json!({ "source": { "repoURL": "https://charts.example.com", "chart": "web", "targetRevision": "1.0.0" } });
        let with_values = || {
            json!({ "sources": [
            { "repoURL": "https://charts.example.com", "chart": "web", "targetRevision": "1.0.0" },
            { "repoURL": "https://git.example.com/values", "ref": "values", "targetRevision": "HEAD" },
        ] })
        };
        check(app(), alone(), git(json!({})), Ok("helm web/.argocd-source-web-staging.yaml main"));
        check(app(), set(), git(json!({ "targetRevision": "" })), Ok("helm web/.argocd-source-web-staging.yaml -"));
        check(
            image(),
            set(),
            git(json!({ "kustomize": {}, "path": "." })),
            Ok("kustomize .argocd-source-web-staging.yaml main"),
        );
        check(values(), set(), git(json!({})), Ok("values envs/staging.yaml main"));
        check(values(), set(), with_values(), Ok("values envs/staging.yaml -"));
        check(app(), alone(), chart(), Ok("spec None"));
        check(app(), alone(), with_values(), Ok("spec Some(0)"));
        check(app(), set(), chart(), Err("way-unknown"));
        check(App { write: Some(Write::Spec), ..app() }, set(), chart(), Err("way-owned"));
        check(App { write: Some(Write::Override), ..app() }, alone(), chart(), Err("way-no-path"));
        check(App { write: Some(Write::Values), ..app() }, alone(), git(json!({})), Err("way-no-values-file"));
        check(app(), alone(), git(json!({ "targetRevision": "a".repeat(40) })), Err("way-fixed"));
        check(app(), alone(), json!({ "sourceHydrator": {} }), Err("way-hydrated"));
        let one = json!({ "sources": [{ "repoURL": "https://charts.example.com", "chart": "web" }] });
        check(app(), alone(), one, Ok("spec Some(0)"));
        let ref_first = json!({ "sources": [
            { "repoURL": "https://git.example.com/values", "ref": "values" },
            { "repoURL": "https://charts.example.com", "chart": "web" },
        ] });
        check(app(), alone(), ref_first, Ok("spec Some(1)"));
        check(app(), set(), git(json!({ "directory": { "recurse": true } })), Err("way-plain"));
        check(app(), set(), git(json!({ "kustomize": {} })), Err("way-no-image"));
        let revision = || App { write: Some(Write::Revision), ..app() };
        let repository = Some("https://git.example.com/apps".to_owned());
        let in_file = App { values_repository: repository, values_file: Some("web.yaml".to_owned()), ..revision() };
        let piped = |app: App| App { pipeline_writes: true, ..app };
        check(piped(values()), alone(), git(json!({})), Ok("values envs/staging.yaml main"));
        check(piped(app()), alone(), git(json!({})), Err("way-no-values-file"));
        let said = App { write: Some(Write::Override), ..piped(app()) };
        check(said, alone(), git(json!({})), Ok("helm web/.argocd-source-web-staging.yaml main"));
        check(revision(), alone(), git(json!({})), Ok("spec None"));
        check(revision(), alone(), chart(), Err("way-no-path"));
        check(revision(), set(), git(json!({})), Err("way-revision-file"));
        check(in_file, set(), git(json!({})), Ok("values web.yaml -"));
        let updated = |more: &[(&str, &str)]| {
            let all = [&[("image-list", "shop/web")], more].concat();
            let key = |name: &str| format!("argocd-image-updater.argoproj.io/{name}");
            let annotations: serde_json::Map<_, _> =
                all.iter().map(|(name, value)| (key(name), json!(value))).collect();
            json!({ "name": "web-staging", "annotations": annotations })
        };
        let into_git = ("write-back-method", "git:secret:argocd/git");
        let into_file = ("write-back-target", "helmvalues:values.yaml");
        check(app(), updated(&[]), git(json!({})), Ok("spec None"));
        check(app(), updated(&[into_git]), git(json!({})), Ok("helm web/.argocd-source-web-staging.yaml main"));
        check(values(), updated(&[into_git, into_file]), git(json!({})), Ok("values envs/staging.yaml main"));
        check(app(), updated(&[into_git, into_file]), git(json!({})), Err("way-no-values-file"));
    }
}
