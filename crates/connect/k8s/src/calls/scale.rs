//! How many, for every kind that can be asked so.

use naru_core::failure::Failure;
use serde::Deserialize;
use serde_json::json;

use super::objects::patched;
use crate::call::Call;
use crate::client::Client;
use crate::discovery::Served;
use crate::object::{ObjectRef, Patch};

/// `autoscaling/v1` Scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    /// How many are wanted.
    pub replicas: u32,
    /// How many there are.
    pub live: u32,
    /// The labels of its pods: `app=web`.
    pub selector: String,
    /// The object's, to change it only if nobody else has.
    pub resource_version: String,
}

#[derive(Deserialize)]
struct Answer {
    metadata: Metadata,
    #[serde(default)]
    spec: Replicas,
    #[serde(default)]
    status: Replicas,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    resource_version: String,
}

/// Nought is left out.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Replicas {
    replicas: u32,
    selector: String,
}

impl Client {
    /// How many there are and are wanted (`k8s-no-scale` where the kind has no number).
    pub async fn scale(&self, object: &ObjectRef) -> Result<Scale, Failure> {
        let answer = self.on(&object.kind, |served| {
            scales(served, object)?;
            Ok(Call::get(format!("{}/scale", served.path(object)?), served.about("get", object, "scale")))
        });
        answer.await.map(read)
    }

    /// Asks for `replicas`. With the `resource_version` of a scale that was read, only if nobody changed the object
    /// since (`k8s-conflict`).
    pub async fn set_scale(
        &self,
        object: &ObjectRef,
        replicas: u32,
        resource_version: Option<&str>,
    ) -> Result<Scale, Failure> {
        let mut wanted = json!({ "spec": { "replicas": replicas } });
        if let Some(version) = resource_version {
            wanted["metadata"] = json!({ "resourceVersion": version });
        }
        let patch = Patch::Merge(wanted);
        let answer = self.on(&object.kind, |served| {
            scales(served, object)?;
            patched(served, object, "scale", &patch)
        });
        answer.await.map(read)
    }
}

fn scales(served: &Served, object: &ObjectRef) -> Result<(), Failure> {
    if served.has_scale() {
        return Ok(());
    }
    Err(Failure::refused("k8s-no-scale").arg("kind", &object.kind))
}

fn read(answer: Answer) -> Scale {
    Scale {
        replicas: answer.spec.replicas,
        live: answer.status.replicas,
        selector: answer.status.selector,
        resource_version: answer.metadata.resource_version,
    }
}
