//! The live objects of an Application, read and changed through Argo CD with its own credentials.

use naru_core::failure::Failure;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::apps::{named, path, with_name};
use crate::application::AppRef;
use crate::client::{Call, Client};
use crate::refusal::About;
use crate::resource::{Patch, ResourceRef, Tree};
use crate::version::Version;

/// A value that an action takes: `replicas`, for `scale`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

#[derive(Deserialize)]
struct Live {
    #[serde(default)]
    manifest: String,
}

impl Client {
    /// Everything an Application manages and what grew out of that.
    pub async fn tree(&self, app: &AppRef) -> Result<Tree, Failure> {
        self.ask(named(Call::get(path(app, "/resource-tree"), About::app(app, "get")), app)).await
    }

    /// An object as it is in the cluster.
    pub async fn resource(&self, app: &AppRef, resource: &ResourceRef) -> Result<Value, Failure> {
        let call = Call::get(path(app, "/resource"), About::resource(app, resource, "get"));
        self.live(chosen(named(call, app), resource)).await
    }

    /// Changes an object in the cluster and answers it as it is then. With selfHeal, what Git states comes back.
    pub async fn patch_resource(&self, app: &AppRef, resource: &ResourceRef, patch: &Patch) -> Result<Value, Failure> {
        let about = About::resource(app, resource, &resource.action("update"));
        // The body is a text that holds the patch.
        let call = Call::write(Method::POST, path(app, "/resource"), Some(json!(patch.text())), about);
        self.live(chosen(named(call, app), resource).query("patchType", patch.media_type())).await
    }

    /// Does an action that Argo CD knows for the kind (`restart`, `scale`, `pause`). Parameters need 3.1.
    pub async fn run_action(
        &self,
        app: &AppRef,
        resource: &ResourceRef,
        action: &str,
        parameters: &[Parameter],
        version: Version,
    ) -> Result<(), Failure> {
        let about = About::resource(app, resource, &format!("action/{}/{}/{action}", resource.group, resource.kind));
        if version.has_actions_v2() {
            let ResourceRef { group, version, kind, namespace, name } = resource;
            let body = json!({
                "group": group, "version": version, "kind": kind, "namespace": namespace, "resourceName": name,
                "action": action, "resourceActionParameters": parameters,
            });
            let body = with_name(body, app);
            return self.tell(Call::write(Method::POST, path(app, "/resource/actions/v2"), Some(body), about)).await;
        }
        if !parameters.is_empty() {
            return Err(Failure::refused("argocd-too-old").arg("found", version).arg("needed", Version::new(3, 1)));
        }
        let call = Call::write(Method::POST, path(app, "/resource/actions"), Some(json!(action)), about);
        self.tell(chosen(named(call, app), resource)).await
    }

    async fn live(&self, call: Call) -> Result<Value, Failure> {
        let live: Live = self.ask(call).await?;
        serde_json::from_str(&live.manifest).map_err(|e| self.bad_answer(&e.to_string()))
    }
}

fn chosen(call: Call, resource: &ResourceRef) -> Call {
    let ResourceRef { group, version, kind, namespace, name } = resource;
    call.query("group", group)
        .query("version", version)
        .query("kind", kind)
        .query("namespace", namespace)
        .query("resourceName", name)
}
