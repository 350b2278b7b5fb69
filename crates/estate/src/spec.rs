//! Changes of an Application's source as plans hold them, where nobody else writes its spec: what is to be otherwise, as a
//! merge patch of the source as it is by then.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::overlay;

/// What is to be otherwise in a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpecEdit {
    /// Helm parameters by name; none takes one away.
    Parameters(Vec<(String, Option<String>)>),
    /// An image of Kustomize; none takes it away.
    Image {
        /// Its name.
        name: String,
        /// With its tag.
        wanted: Option<String>,
    },
    /// The branch, tag or commit that is followed.
    Revision(String),
}

impl SpecEdit {
    /// The merge patch of the source; none where it is as wanted.
    pub fn patch(&self, source: &Value) -> Option<Value> {
        let (old, new, patch): (Value, Value, fn(Value) -> Value) = match self {
            SpecEdit::Parameters(parameters) => {
                let old = list(source, "/helm/parameters");
                let mut new = old.clone();
                for (name, value) in parameters {
                    new.retain(|it| it["name"] != **name);
                    new.extend(
                        value.as_ref().map(|value| json!({ "name": name, "value": value, "forceString": true })),
                    );
                }
                // What stands there already stands there however it was written.
                let is_written = parameters.iter().all(|(name, value)| parameter(source, name) == *value);
                let new = if is_written { old.clone() } else { new };
                (old.into(), new.into(), |new| json!({ "helm": { "parameters": new } }))
            }
            SpecEdit::Image { name, wanted } => {
                let old = list(source, "/kustomize/images");
                let mut new = old.clone();
                let is_it = |it: &Value| it.as_str().is_some_and(|image| overlay::image_name(image) == name);
                let place = new.iter().position(is_it).unwrap_or(new.len());
                new.retain(|it| !is_it(it));
                new.splice(place.min(new.len())..place.min(new.len()), wanted.as_ref().map(|wanted| json!(wanted)));
                (old.into(), new.into(), |new| json!({ "kustomize": { "images": new } }))
            }
            SpecEdit::Revision(revision) => {
                (source["targetRevision"].clone(), json!(revision), |new| json!({ "targetRevision": new }))
            }
        };
        (old != new).then(|| patch(new))
    }

    /// Has a parameter be so as well; an image and a revision have none.
    pub fn put(&mut self, key: &str, value: &str) {
        if let SpecEdit::Parameters(parameters) = self {
            parameters.retain(|(name, _)| name != key);
            parameters.push((key.to_owned(), Some(value.to_owned())));
        }
    }

    /// What is there now of what it changes, for people.
    pub fn current(&self, source: &Value, image_key: &str) -> String {
        match self {
            SpecEdit::Parameters(_) => parameter(source, image_key).unwrap_or_default(),
            SpecEdit::Image { name, .. } => {
                image(source, name).map(|image| overlay::image_version(&image).to_owned()).unwrap_or_default()
            }
            SpecEdit::Revision(_) => source["targetRevision"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// What takes it back where the source is so now.
    pub fn back(&self, source: &Value) -> SpecEdit {
        match self {
            SpecEdit::Parameters(parameters) => {
                let was = |(name, _): &(String, _)| (name.clone(), parameter(source, name));
                SpecEdit::Parameters(parameters.iter().map(was).collect())
            }
            SpecEdit::Image { name, .. } => SpecEdit::Image { name: name.clone(), wanted: image(source, name) },
            SpecEdit::Revision(_) => SpecEdit::Revision(self.current(source, "")),
        }
    }
}

fn list(source: &Value, pointer: &str) -> Vec<Value> {
    source.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn parameter(source: &Value, name: &str) -> Option<String> {
    let all = list(source, "/helm/parameters");
    all.iter().find(|it| it["name"] == *name).and_then(|it| it["value"].as_str().map(str::to_owned))
}

fn image(source: &Value, name: &str) -> Option<String> {
    let all = list(source, "/kustomize/images");
    all.iter().filter_map(Value::as_str).find(|image| overlay::image_name(image) == name).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(edit: &SpecEdit, source: &Value, patch: Value, back: &SpecEdit) {
        assert_eq!(edit.patch(source).unwrap_or(Value::Null), patch);
        assert_eq!(edit.back(source), *back);
    }

    #[test]
    fn what_others_wrote_stays_and_each_change_is_taken_back() {
        let tag = |value: Option<&str>| SpecEdit::Parameters(vec![("image.tag".to_owned(), value.map(str::to_owned))]);
        let source = json!({ "helm": { "parameters": [{ "name": "replicas", "value": "2" }, { "name": "image.tag", "value": "a" }] } });
        let written =
            json!([{ "name": "replicas", "value": "2" }, { "name": "image.tag", "value": "b", "forceString": true }]);
        check(&tag(Some("b")), &source, json!({ "helm": { "parameters": written } }), &tag(Some("a")));
        check(&tag(Some("a")), &source, Value::Null, &tag(Some("a")));
        check(&tag(None), &json!({}), Value::Null, &tag(None));

        let image =
            |wanted: Option<&str>| SpecEdit::Image { name: "shop/web".to_owned(), wanted: wanted.map(str::to_owned) };
        let source = json!({ "kustomize": { "images": ["shop/web:a", "shop/other:1"] } });
        let patch = json!({ "kustomize": { "images": ["shop/web:b", "shop/other:1"] } });
        check(&image(Some("shop/web:b")), &source, patch, &image(Some("shop/web:a")));
        check(
            &image(Some("shop/web:b")),
            &json!({}),
            json!({ "kustomize": { "images": ["shop/web:b"] } }),
            &image(None),
        );
        check(
            &image(None),
            &source,
            json!({ "kustomize": { "images": ["shop/other:1"] } }),
            &image(Some("shop/web:a")),
        );

        let revision = |name: &str| SpecEdit::Revision(name.to_owned());
        let source = json!({ "targetRevision": "main" });
        check(&revision("cart"), &source, json!({ "targetRevision": "cart" }), &revision("main"));
        check(&revision("main"), &source, Value::Null, &revision("main"));
    }
}
