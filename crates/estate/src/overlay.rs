//! The file beside a chart by which Argo CD changes an Application's source: `.argocd-source-<app>.yaml`.
//!
//! Argo CD reads it as a JSON merge patch over the source (RFC 7386), so a list in it replaces the source's whole list. The file
//! therefore holds the merged list: what the source says, what the file said, and what is wanted. What the source has gained
//! since is taken up with each write, as Argo CD Image Updater does in the same file; where both name something the file's
//! stays, since a person may have written it. It cannot carry the revision.

use naru_core::failure::Failure;
use serde_json::{Map, Value, json};

use crate::yaml;

/// The name of the file of an Application, `namespace` being where it lives outside of Argo CD's own.
pub fn file_name(application: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!(".argocd-source-{namespace}_{application}.yaml"),
        None => format!(".argocd-source-{application}.yaml"),
    }
}

/// The file's text with these Helm parameters set, or taken out of it where none is wanted; `source` is the Application's own
/// and `old` the file as it is. The same text where nothing changes, and none where nothing is left to say.
pub fn with_parameters(
    source: &Value,
    old: Option<&str>,
    wanted: &[(String, Option<String>)],
) -> Result<Option<String>, Failure> {
    let mut file = read(old)?;
    let there = list(&Value::Object(file.clone()), "/helm/parameters");
    let own = list(source, "/helm/parameters").unwrap_or_default();
    // The file's list stands for all of the source's; where it has none, the source's stands.
    let mut all = there.unwrap_or_else(|| own.clone());
    for (name, value) in wanted {
        let place = all.iter().position(|it| it["name"] == json!(name));
        // Without `forceString` Helm reads a commit of digits as a number.
        let parameter = value.as_ref().map(|value| json!({ "name": name, "value": value, "forceString": true }));
        let of_source = || own.iter().find(|it| it["name"] == json!(name)).cloned();
        put(&mut all, place, parameter.or_else(of_source));
    }
    take_up(&mut all, &own, |it| it["name"].as_str());
    set(&mut file, "helm", "parameters", all, &own);
    write(file, old)
}

/// As [`with_parameters`], for Kustomize: the image `name` as `wanted`, which is `name:tag`, `name@digest` or `other=name:tag`.
pub fn with_image(
    source: &Value,
    old: Option<&str>,
    name: &str,
    wanted: Option<&str>,
) -> Result<Option<String>, Failure> {
    let mut file = read(old)?;
    let own = list(source, "/kustomize/images").unwrap_or_default();
    let mut all = list(&Value::Object(file.clone()), "/kustomize/images").unwrap_or_else(|| own.clone());
    let is_it = |it: &Value| it.as_str().is_some_and(|image| image_name(image) == name);
    let place = all.iter().position(is_it);
    let of_source = || own.iter().find(|it| is_it(it)).cloned();
    put(&mut all, place, wanted.map(|wanted| json!(wanted)).or_else(of_source));
    take_up(&mut all, &own, |it| it.as_str().map(image_name));
    set(&mut file, "kustomize", "images", all, &own);
    write(file, old)
}

/// The Helm parameters that the file itself names.
pub fn parameters(file: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
    let all = list(&Value::Object(read(file)?), "/helm/parameters").unwrap_or_default();
    let pair = |it: &Value| Some((it["name"].as_str()?.to_owned(), it["value"].as_str()?.to_owned()));
    Ok(all.iter().filter_map(pair).collect())
}

/// The image of this name that the file itself names.
pub fn image(file: Option<&str>, name: &str) -> Result<Option<String>, Failure> {
    let all = list(&Value::Object(read(file)?), "/kustomize/images").unwrap_or_default();
    Ok(all.iter().filter_map(Value::as_str).find(|image| image_name(image) == name).map(str::to_owned))
}

fn list(of: &Value, pointer: &str) -> Option<Vec<Value>> {
    of.pointer(pointer).and_then(Value::as_array).cloned()
}

/// Puts an item where the old one is, behind all where there is none; or takes the old one out.
fn put(all: &mut Vec<Value>, place: Option<usize>, item: Option<Value>) {
    match (place, item) {
        (Some(place), Some(item)) => all[place] = item,
        (None, Some(item)) => all.push(item),
        (Some(place), None) => drop(all.remove(place)),
        (None, None) => {}
    }
}

/// Adds what the source names and the list does not: the list would hide it.
fn take_up(all: &mut Vec<Value>, own: &[Value], name: fn(&Value) -> Option<&str>) {
    let gained: Vec<Value> =
        own.iter().filter(|it| !all.iter().any(|other| name(other) == name(it))).cloned().collect();
    all.extend(gained);
}

/// The name of an image as Kustomize knows it: what stands before `=`, or before a tag or a digest.
pub fn image_name(image: &str) -> &str {
    if let Some((name, _)) = image.split_once('=') {
        return name;
    }
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        // A colon before a slash is a port.
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    }
}

/// What stands behind the name: a tag or a digest; empty where there is none.
pub fn image_version(image: &str) -> &str {
    let whole = image.split_once('=').map_or(image, |(_, new)| new);
    if let Some((_, digest)) = whole.split_once('@') {
        return digest;
    }
    match whole.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') => tag,
        _ => "",
    }
}

fn read(old: Option<&str>) -> Result<Map<String, Value>, Failure> {
    match yaml::read(old.unwrap_or_default())? {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map),
        _ => Err(Failure::refused("overlay-unreadable")),
    }
}

/// Sets a list, or takes it out where it says no more than the source.
fn set(file: &mut Map<String, Value>, part: &str, key: &str, all: Vec<Value>, own: &[Value]) {
    if all == own {
        let left = file.get_mut(part).and_then(Value::as_object_mut).map(|map| {
            map.remove(key);
            map.len()
        });
        if left == Some(0) {
            file.remove(part);
        }
        return;
    }
    let place = file.entry(part).or_insert_with(|| json!({}));
    if !place.is_object() {
        *place = json!({});
    }
    place[key] = Value::Array(all);
}

/// YAML in its simplest form: JSON is a part of it. What says the same as the old text is the old text.
fn write(file: Map<String, Value>, old: Option<&str>) -> Result<Option<String>, Failure> {
    if file.is_empty() {
        return Ok(None);
    }
    let file = Value::Object(file);
    if let Some(old) = old
        && yaml::read(old)? == file
    {
        return Ok(Some(old.to_owned()));
    }
    let mut text = serde_json::to_string_pretty(&file).map_err(Failure::bug)?;
    text.push('\n');
    Ok(Some(text))
}

/// The source as Argo CD reads it with the file beside it.
pub fn merged(source: &Value, file: Option<&str>) -> Result<Value, Failure> {
    let mut source = source.clone();
    merge(&mut source, &Value::Object(read(file)?));
    Ok(source)
}

/// RFC 7386.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().map(|map| map.remove(key));
        } else {
            merge(&mut target[key.as_str()], value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Value {
        json!({
            "repoURL": "https://git.example.com/charts", "path": "web",
            "helm": { "parameters": [{ "name": "replicas", "value": "3" }, { "name": "image.tag", "value": "main" }] },
        })
    }

    fn wanted(tag: &str) -> Vec<(String, Option<String>)> {
        vec![("image.tag".to_owned(), Some(tag.to_owned()))]
    }

    #[test]
    fn the_merged_list_keeps_what_the_source_says() {
        let text = with_parameters(&source(), None, &wanted("feature-1")).unwrap().unwrap();
        let merged = merged(&source(), Some(&text)).unwrap();
        let list = &merged["helm"]["parameters"];
        assert_eq!(list[0], json!({ "name": "replicas", "value": "3" }));
        assert_eq!(list[1], json!({ "name": "image.tag", "value": "feature-1", "forceString": true }));
        assert_eq!(list.as_array().unwrap().len(), 2);
        assert_eq!(merged["path"], "web");
        assert_eq!(with_parameters(&source(), Some(&text), &wanted("feature-1")).unwrap(), Some(text), "twice is once");
    }

    #[test]
    fn what_somebody_else_wrote_into_the_file_stays() {
        let old =
            "# by the image updater\nhelm:\n  parameters:\n  - name: zone\n    value: kr\nkustomize: {namePrefix: a}\n";
        let text = with_parameters(&source(), Some(old), &wanted("feature-1")).unwrap().unwrap();
        let read = yaml::read(&text).unwrap();
        assert_eq!(read["helm"]["parameters"][0]["name"], "zone");
        assert_eq!(read["helm"]["parameters"][1]["value"], "feature-1");
        assert_eq!(
            read["helm"]["parameters"][2],
            json!({ "name": "replicas", "value": "3" }),
            "what the source has gained"
        );
        assert_eq!(read["kustomize"]["namePrefix"], "a");
        assert_eq!(with_parameters(&source(), Some("[1]"), &[]).unwrap_err().code, "overlay-unreadable");
    }

    #[test]
    fn an_image_of_kustomize_is_found_by_its_name() {
        let check = |image: &str, expect: &str| assert_eq!(image_name(image), expect);
        check("shop/web:1", "shop/web");
        check("host:5000/shop/web", "host:5000/shop/web");
        check("host:5000/shop/web:1@sha256:ab", "host:5000/shop/web");
        check("web=host:5000/shop/web:1", "web");
        let source = json!({ "kustomize": { "images": ["shop/api:1", "shop/web:1"] } });
        let text = with_image(&source, None, "shop/web", Some("shop/web:2")).unwrap().unwrap();
        let merged = merged(&source, Some(&text)).unwrap();
        assert_eq!(merged["kustomize"]["images"], json!(["shop/api:1", "shop/web:2"]));
        let gained = json!({ "kustomize": { "images": ["shop/web:1", "shop/proxy:1", "shop/api:3"] } });
        let text = with_image(&gained, Some(&text), "shop/web", Some("shop/web:4")).unwrap().unwrap();
        assert_eq!(
            yaml::read(&text).unwrap()["kustomize"]["images"],
            json!(["shop/api:1", "shop/web:4", "shop/proxy:1"])
        );
    }

    #[test]
    fn a_file_is_named_after_its_application() {
        assert_eq!(file_name("web-staging", None), ".argocd-source-web-staging.yaml");
        assert_eq!(file_name("web-staging", Some("team-a")), ".argocd-source-team-a_web-staging.yaml");
    }
}
