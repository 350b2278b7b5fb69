//! One object: read, made, changed, deleted.

use http::Method;
use naru_core::failure::Failure;
use serde_json::{Value, json};

use crate::call::Call;
use crate::client::Client;
use crate::discovery::Served;
use crate::object::{FIELD_MANAGER, GroupKind, ObjectRef, Patch, Propagation};
use crate::refusal::About;

/// How an object is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delete {
    /// Only the one that has this uid (`k8s-conflict`), not another that was made by its name since.
    pub uid: Option<String>,
    /// What becomes of what it owns.
    pub propagation: Propagation,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Deleted {
    /// It is not there any more.
    Gone,
    /// It goes once its finalizers have, as here, with a `deletionTimestamp`.
    Going(Value),
}

impl Client {
    /// An object as it is.
    pub async fn get(&self, object: &ObjectRef) -> Result<Value, Failure> {
        self.on(&object.kind, |served| Ok(Call::get(served.path(object)?, served.about("get", object, "")))).await
    }

    /// As [`Client::get`], where nothing is an answer.
    pub async fn find(&self, object: &ObjectRef) -> Result<Option<Value>, Failure> {
        match self.get(object).await {
            Ok(found) => Ok(Some(found)),
            Err(failure) if failure.code == "k8s-not-found" => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Makes an object (`k8s-exists`) and answers it as it is then. Its `apiVersion` and `kind` are put in.
    pub async fn create(&self, kind: &GroupKind, namespace: &str, object: &Value) -> Result<Value, Failure> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let made = kind.named(namespace, name);
        made.check()?;
        self.on(kind, |served| {
            served.stands(kind, namespace, name)?;
            let about = served.about("create", &made, "");
            let call = Call::write(Method::POST, served.list_path(namespace), typed(object, served), about);
            Ok(call.query("fieldManager", FIELD_MANAGER))
        })
        .await
    }

    /// Changes an object and answers it as it is then.
    pub async fn patch(&self, object: &ObjectRef, patch: &Patch) -> Result<Value, Failure> {
        self.on(&object.kind, |served| patched(served, object, "", patch)).await
    }

    /// Changes a subresource (`status`) and answers the object.
    pub async fn patch_at(
        &self,
        object: &ObjectRef,
        subresource: &'static str,
        patch: &Patch,
    ) -> Result<Value, Failure> {
        self.on(&object.kind, |served| patched(served, object, subresource, patch)).await
    }

    /// Deletes an object (`k8s-not-found`).
    pub async fn delete(&self, object: &ObjectRef, how: &Delete) -> Result<Deleted, Failure> {
        let mut options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": how.propagation.name(),
        });
        if let Some(uid) = &how.uid {
            options["preconditions"] = json!({ "uid": uid });
        }
        let answer: Value = self
            .on(&object.kind, |served| {
                let about = served.about("delete", object, "");
                Ok(Call::write(Method::DELETE, served.path(object)?, options.clone(), about))
            })
            .await?;
        // Either a Status or the object; a pod that ends has a kind of its own too.
        Ok(if answer["metadata"]["deletionTimestamp"].is_string() { Deleted::Going(answer) } else { Deleted::Gone })
    }
}

pub(super) fn patched(served: &Served, object: &ObjectRef, subresource: &str, patch: &Patch) -> Result<Call, Failure> {
    let path = match subresource {
        "" => served.path(object)?,
        subresource => format!("{}/{subresource}", served.path(object)?),
    };
    let body = if patch.is_apply() { typed(patch.value(), served) } else { patch.value().clone() };
    let by_steps = matches!(patch, Patch::Json(_));
    let about = About { by_steps, ..served.about("patch", object, subresource) };
    let call = Call { media_type: patch.media_type(), ..Call::write(Method::PATCH, path, body, about) };
    let call = call.query("fieldManager", FIELD_MANAGER);
    Ok(if matches!(patch, Patch::ApplyByForce(_)) { call.query("force", "true") } else { call })
}

/// The object with the type that the server serves.
pub(super) fn typed(object: &Value, served: &Served) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".to_owned(), served.api_version().into());
        fields.insert("kind".to_owned(), served.kind.clone().into());
    }
    object
}
