//! Changes of files as plans hold them: what is to be otherwise, and not the file, which may be another by then.

use naru_core::failure::Failure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{overlay, yaml};

/// A change of one file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileEdit {
    /// From the root of the repository.
    pub path: String,
    /// What is to be otherwise.
    pub edit: Edit,
    /// A digest that is known once an image is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// The digest of an image that is still being built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// The value that holds it.
    pub key: String,
    /// With its tag.
    pub image: String,
}

/// What is to be otherwise in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Edit {
    /// Helm parameters in the file of overrides; none takes one away.
    Parameters {
        /// The Application's source, whose list the file's replaces.
        source: Value,
        /// By name.
        parameters: Vec<(String, Option<String>)>,
    },
    /// An image in the file of overrides, for Kustomize; none takes it away.
    Image {
        /// The Application's source.
        source: Value,
        /// Its name.
        name: String,
        /// With tag or digest.
        wanted: Option<String>,
    },
    /// Values of a file, each under a key such as `image.tag`.
    Values(Vec<(String, String)>),
}

impl Edit {
    /// The file as it is to be; none where there is to be no file. The same where nothing changes.
    pub fn apply(&self, path: &str, old: Option<&str>) -> Result<Option<String>, Failure> {
        let told = |failure: Failure| failure.arg("path", path);
        match self {
            Edit::Parameters { source, parameters } => overlay::with_parameters(source, old, parameters).map_err(told),
            Edit::Image { source, name, wanted } => {
                overlay::with_image(source, old, name, wanted.as_deref()).map_err(told)
            }
            Edit::Values(values) => {
                let missing = || Failure::refused("values-file-missing").arg("path", path);
                let mut text = old.ok_or_else(missing)?.to_owned();
                for (key, wanted) in values {
                    text = yaml::set(&text, &key.split('.').collect::<Vec<_>>(), wanted).map_err(told)?;
                }
                Ok(Some(text))
            }
        }
    }

    /// Has a value be so as well.
    pub fn put(&mut self, key: &str, value: &str) {
        match self {
            Edit::Parameters { parameters, .. } => {
                parameters.retain(|(name, _)| name != key);
                parameters.push((key.to_owned(), Some(value.to_owned())));
            }
            Edit::Values(values) => {
                values.retain(|(name, _)| name != key);
                values.push((key.to_owned(), value.to_owned()));
            }
            // It has a tag or a digest, and was given the tag.
            Edit::Image { .. } => {}
        }
    }

    /// What takes it back where the file is `old` now.
    pub fn back(&self, old: Option<&str>) -> Result<Edit, Failure> {
        Ok(match self {
            Edit::Parameters { source, parameters } => {
                let file = overlay::parameters(old)?;
                let was = |name: &String| file.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
                let parameters = parameters.iter().map(|(name, _)| (name.clone(), was(name))).collect();
                Edit::Parameters { source: source.clone(), parameters }
            }
            Edit::Image { source, name, .. } => {
                let wanted = overlay::image(old, name)?;
                Edit::Image { source: source.clone(), name: name.clone(), wanted }
            }
            Edit::Values(values) => {
                let file = yaml::read(old.unwrap_or_default())?;
                let was = |key: &str| value_at(&file, key).unwrap_or_default();
                Edit::Values(values.iter().map(|(key, _)| (key.clone(), was(key))).collect())
            }
        })
    }

    /// What stands under `key` now, with the file and what it lies over.
    pub fn current(&self, old: Option<&str>, key: &str) -> Result<Option<String>, Failure> {
        Ok(match self {
            Edit::Parameters { source, .. } => {
                let merged = overlay::merged(source, old)?;
                let list = merged.pointer("/helm/parameters").and_then(Value::as_array).cloned().unwrap_or_default();
                let found = list.iter().find(|it| it["name"] == *key);
                found.and_then(|it| it["value"].as_str().map(str::to_owned))
            }
            Edit::Image { source, name, .. } => {
                let merged = overlay::merged(source, old)?;
                let list = merged.pointer("/kustomize/images").and_then(Value::as_array).cloned().unwrap_or_default();
                let found = list.iter().filter_map(Value::as_str).find(|image| overlay::image_name(image) == name);
                found.map(|image| overlay::image_version(image).to_owned())
            }
            Edit::Values(_) => value_at(&yaml::read(old.unwrap_or_default())?, key),
        })
    }
}

/// A single value under `image.tag`, as a text.
fn value_at(file: &Value, key: &str) -> Option<String> {
    let mut place = file;
    for step in key.split('.') {
        place = match place {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
            other => other.get(step)?,
        };
    }
    match place {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(edit: &Edit, old: Option<&str>) {
        let there = edit.apply("file", old).unwrap();
        let back = edit.back(old).unwrap().apply("file", there.as_deref()).unwrap();
        let read = |text: Option<&str>| yaml::read(text.unwrap_or_default()).unwrap();
        assert_eq!(read(back.as_deref()), read(old), "{edit:?}");
        assert_eq!(back.is_some(), old.is_some(), "{edit:?} leaves a file behind");
        assert_eq!(edit.apply("file", there.as_deref()).unwrap(), there, "twice is once");
    }

    #[test]
    fn every_edit_is_taken_back() {
        let source = json!({ "helm": { "parameters": [{ "name": "replicas", "value": "3" }] } });
        let parameters = vec![("image.tag".to_owned(), Some("v2".to_owned()))];
        let parameters = Edit::Parameters { source: source.clone(), parameters };
        check(&parameters, None);
        let file =
            "helm: {parameters: [{name: image.tag, value: v1, forceString: true}, {name: replicas, value: '2'}]}\n";
        check(&parameters, Some(file));
        let (name, wanted) = ("shop/web".to_owned(), Some("shop/web:v2".to_owned()));
        let image = Edit::Image { source, name, wanted };
        check(&image, None);
        check(&image, Some("kustomize: {images: ['shop/web:v1']}\n"));
        let values = Edit::Values(vec![("image.tag".to_owned(), "v2".to_owned())]);
        check(&values, Some("image:\n  tag: v1 # by CI\n"));
        assert_eq!(values.apply("values.yaml", None).unwrap_err().code, "values-file-missing");
        assert_eq!(values.current(Some("image: {tag: 7}"), "image.tag").unwrap().as_deref(), Some("7"));
    }
}
