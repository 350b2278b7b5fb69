//! The simplest chart there can be: `templates/*.yaml` in which `{{ .Values.image.tag }}` is replaced.
//!
//! What is documented of a source holds: values come from `values.yaml`, then `valueFiles` (`$ref/…` from another
//! source), `values`, `valuesObject` and `parameters`; a file `.argocd-source.yaml` or `.argocd-source-APP.yaml` beside the
//! chart is a JSON merge patch over the source. A folder without `templates` is Kustomize's where it has a
//! `kustomization.yaml`, and plain manifests else.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

use super::json::{merge, put};
use super::kustomize;
use super::repo::{Files, Repo};

/// What the sources of an Application render to.
pub struct Rendered {
    /// The commit of each source, or the version of a registry's chart.
    pub revisions: Vec<String>,
    /// What each source was found to be: `Helm`, `Kustomize`, `Directory`; empty where it is only referred to.
    pub kinds: Vec<&'static str>,
    /// Every object, with its namespace.
    pub objects: Vec<Value>,
}

/// Renders `app` at `revisions`, one for each source; an empty one is what the source tracks.
pub fn render(app: &Value, repos: &BTreeMap<String, Repo>, revisions: &[String]) -> Result<Rendered, String> {
    let sources = sources(&app["spec"]);
    let mut read = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let url = source["repoURL"].as_str().unwrap_or_default();
        let repo = repos.get(url).ok_or_else(|| format!("repository not accessible: {url}"))?;
        let wanted = revisions.get(at).filter(|wanted| !wanted.is_empty());
        let wanted = wanted.map_or_else(|| source["targetRevision"].as_str().unwrap_or_default(), String::as_str);
        let id = repo.resolve(wanted)?;
        let files = repo.files(&id)?;
        read.push((if source["chart"].is_string() { wanted.to_owned() } else { id }, files));
    }
    let (mut objects, mut kinds) = (Vec::new(), Vec::new());
    for (at, source) in sources.iter().enumerate() {
        let is_only_referred_to = source["path"].is_null() && source["chart"].is_null();
        if is_only_referred_to {
            kinds.push("");
            continue;
        }
        let (kind, rendered) = of_source(app, source, at, &sources, &read)?;
        kinds.push(kind);
        objects.extend(rendered);
    }
    let namespace = &app["spec"]["destination"]["namespace"];
    for object in &mut objects {
        if object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = namespace.clone();
        }
    }
    Ok(Rendered { revisions: read.into_iter().map(|(id, _)| id).collect(), kinds, objects })
}

/// `spec.sources`, else `spec.source`.
pub fn sources(spec: &Value) -> Vec<Value> {
    match spec["sources"].as_array() {
        Some(sources) if !sources.is_empty() => sources.clone(),
        _ => vec![spec["source"].clone()],
    }
}

fn of_source(
    app: &Value,
    source: &Value,
    at: usize,
    sources: &[Value],
    read: &[(String, Files)],
) -> Result<(&'static str, Vec<Value>), String> {
    let files = &read[at].1;
    let folder = source["path"].as_str().or(source["chart"].as_str()).unwrap_or_default();
    let folder = if matches!(folder, "." | "") { String::new() } else { format!("{}/", folder.trim_end_matches('/')) };
    let mut source = source.clone();
    for name in [".argocd-source.yaml".to_owned(), override_name(app)] {
        if let Some(text) = files.get(&format!("{folder}{name}")) {
            merge(&mut source, &yaml(text)?);
        }
    }
    let templates = format!("{folder}templates/");
    let chart: Vec<&String> = files.keys().filter(|path| path.starts_with(&templates)).collect();
    if chart.is_empty() && kustomize::is_kustomized(files, &folder) {
        return Ok(("Kustomize", kustomize::render(&source, files, &folder)?));
    }
    if chart.is_empty() {
        let own = files.iter().filter(|(path, _)| is_manifest(path, &folder));
        return Ok(("Directory", own.map(|(_, text)| documents(text)).collect::<Result<Vec<_>, _>>()?.concat()));
    }
    let referred = |name: &str| -> Result<String, String> {
        let found = match name.strip_prefix('$').and_then(|name| name.split_once('/')) {
            Some((reference, path)) => {
                let at = sources.iter().position(|source| source["ref"] == reference);
                at.and_then(|at| read[at].1.get(path))
            }
            None => files.get(&format!("{folder}{name}")),
        };
        found.cloned().ok_or_else(|| format!("open {name}: no such file or directory"))
    };
    let values = values(&source["helm"], files.get(&format!("{folder}values.yaml")), referred)?;
    let mut objects = Vec::new();
    for path in chart {
        objects.extend(documents(&replaced(&files[path], &values, app)?)?);
    }
    Ok(("Helm", objects))
}

/// Outside Argo CD's own namespace the file is named after both.
fn override_name(app: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (name, namespace) = (text(&app["metadata"]["name"]), text(&app["metadata"]["namespace"]));
    match namespace.as_str() {
        super::world::HOME => format!(".argocd-source-{name}.yaml"),
        namespace => format!(".argocd-source-{namespace}_{name}.yaml"),
    }
}

fn is_manifest(path: &str, folder: &str) -> bool {
    let below = path.strip_prefix(folder);
    below.is_some_and(|name| name.ends_with(".yaml") && !name.contains('/') && !name.starts_with('.'))
}

fn values(
    helm: &Value,
    own: Option<&String>,
    referred: impl Fn(&str) -> Result<String, String>,
) -> Result<Value, String> {
    let mut values = own.map_or(Ok(json!({})), |text| yaml(text))?;
    for file in helm["valueFiles"].as_array().into_iter().flatten() {
        merge(&mut values, &yaml(&referred(file.as_str().unwrap_or_default())?)?);
    }
    if let Some(text) = helm["values"].as_str() {
        merge(&mut values, &yaml(text)?);
    }
    if helm["valuesObject"].is_object() {
        merge(&mut values, &helm["valuesObject"]);
    }
    for parameter in helm["parameters"].as_array().into_iter().flatten() {
        let text = parameter["value"].as_str().unwrap_or_default();
        let value = match parameter["forceString"] == true {
            true => json!(text),
            false => yaml(text)?,
        };
        put(&mut values, parameter["name"].as_str().unwrap_or_default(), value);
    }
    Ok(values)
}

fn replaced(text: &str, values: &Value, app: &Value) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, behind) = after.split_once("}}").ok_or("unclosed action")?;
        let name = name.trim();
        let found = match name {
            ".Release.Name" => app["metadata"]["name"].clone(),
            name => {
                let path = name.strip_prefix(".Values.").ok_or_else(|| format!("function {name:?} not defined"))?;
                values.pointer(&format!("/{}", path.replace('.', "/"))).cloned().unwrap_or_default()
            }
        };
        out.push_str(before);
        out.push_str(&found.as_str().map_or_else(|| found.to_string(), str::to_owned));
        rest = behind;
    }
    Ok(out + rest)
}

/// All documents of a text.
pub fn documents(text: &str) -> Result<Vec<Value>, String> {
    let all = Yaml::load_from_str(text).map_err(|e| e.to_string())?;
    let objects: Result<Vec<Value>, String> = all.iter().map(json_of).collect();
    Ok(objects?.into_iter().filter(Value::is_object).collect())
}

/// The first document of a text.
pub fn yaml(text: &str) -> Result<Value, String> {
    let all = Yaml::load_from_str(text).map_err(|e| e.to_string())?;
    all.first().map_or(Ok(Value::Null), json_of)
}

fn json_of(yaml: &Yaml<'_>) -> Result<Value, String> {
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(f64::from(*value)),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(list) => list.iter().map(json_of).collect::<Result<Vec<Value>, String>>()?.into(),
        Yaml::Mapping(map) => {
            let mut out = Map::new();
            for (key, value) in map {
                let key = json_of(key)?;
                out.insert(key.as_str().map_or_else(|| key.to_string(), str::to_owned), json_of(value)?);
            }
            Value::Object(out)
        }
        other => return Err(format!("not understood: {other:?}")),
    })
}
