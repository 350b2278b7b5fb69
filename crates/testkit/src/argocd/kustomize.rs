//! The simplest Kustomize there can be: the files that `kustomization.yaml` lists under `resources`, with the images that it
//! and the source name put in the place of those of the same name. As `kustomize edit set image` does, an image of the
//! source takes the place of one of the file.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::chart::{documents, yaml};
use super::repo::Files;

/// Where the containers of an object are.
const CONTAINERS: [&str; 3] =
    ["/spec/template/spec/containers", "/spec/jobTemplate/spec/template/spec/containers", "/spec/containers"];

/// Whether a folder, which ends in a slash or is empty, is Kustomize's.
pub fn is_kustomized(files: &Files, folder: &str) -> bool {
    files.contains_key(&file_of(folder))
}

fn file_of(folder: &str) -> String {
    format!("{folder}kustomization.yaml")
}

/// The objects of a folder, as `source` wants them.
pub fn render(source: &Value, files: &Files, folder: &str) -> Result<Vec<Value>, String> {
    let own = yaml(&files[&file_of(folder)])?;
    let mut images = BTreeMap::new();
    for image in own["images"].as_array().into_iter().flatten() {
        let text = |key: &str| image[key].as_str().unwrap_or_default();
        let name = if text("newName").is_empty() { text("name") } else { text("newName") };
        let version =
            if text("digest").is_empty() { format!(":{}", text("newTag")) } else { format!("@{}", text("digest")) };
        images.insert(text("name").to_owned(), format!("{name}{version}"));
    }
    for image in source["kustomize"]["images"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let (name, new) = image.split_once('=').unwrap_or((name_of(image), image));
        images.insert(name.to_owned(), new.to_owned());
    }
    let mut objects = Vec::new();
    for name in own["resources"].as_array().into_iter().flatten() {
        let path = format!("{folder}{}", name.as_str().unwrap_or_default());
        let text = files.get(&path).ok_or_else(|| format!("accumulating resources: {path} doesn't exist"))?;
        objects.extend(documents(text)?);
    }
    objects.iter_mut().for_each(|object| put_images(object, &images));
    Ok(objects)
}

fn put_images(object: &mut Value, images: &BTreeMap<String, String>) {
    for place in CONTAINERS {
        let containers = object.pointer_mut(place).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let new = container["image"].as_str().and_then(|image| images.get(name_of(image)));
            if let Some(new) = new.cloned() {
                container["image"] = json!(new);
            }
        }
    }
}

/// What stands before a tag or a digest; a colon before a slash is a port.
fn name_of(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name)
}
