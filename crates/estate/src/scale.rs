//! A step that gives a workload another number of replicas, where Argo CD manages it, and sees that it stays so.

use std::time::Duration;

use naru_argocd::application::AppRef;
use naru_argocd::client::Client;
use naru_argocd::resource::{Patch, ResourceRef};
use naru_argocd::status::Health;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_operation::kind::{Outcome, Work};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::estate::Estate;
use crate::step::args;

/// Kinds that have replicas.
const KINDS: [&str; 2] = ["Deployment", "StatefulSet"];
/// How often one is looked at that is on its way.
const LOOK: Duration = Duration::from_secs(1);

/// A workload with so many replicas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// The Application that manages it.
    pub app: AppRef,
    /// The workload.
    pub workload: ResourceRef,
    /// How many.
    pub replicas: u32,
    /// How long it is watched for somebody who sets it back: twice what Argo CD takes to heal itself.
    pub settle_s: u64,
}

/// A workload as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Which.
    pub workload: ResourceRef,
    /// How many replicas it is to have.
    pub replicas: u32,
}

/// The workloads of an Application that have replicas, by kind and name.
pub async fn workloads(estate: &Estate, app: &AppRef) -> Result<Vec<Workload>, Failure> {
    let argocd = estate.argocd()?;
    let mut found = Vec::new();
    for node in argocd.tree(app).await?.nodes {
        let is_workload = node.resource.group == "apps" && KINDS.contains(&node.resource.kind.as_str());
        if is_workload && node.parent_refs.is_empty() {
            let replicas = replicas(argocd, app, &node.resource).await?;
            found.push(Workload { workload: node.resource, replicas });
        }
    }
    found.sort_by(|a, b| (&a.workload.kind, &a.workload.name).cmp(&(&b.workload.kind, &b.workload.name)));
    Ok(found)
}

/// Scales one. What sets it back within the time that it is watched is told by name and not fought.
pub async fn scale(estate: &Estate, work: &Work) -> Result<Outcome, Failure> {
    let scale: Scale = args(work)?;
    let Scale { app, workload, replicas: wanted, settle_s } = &scale;
    let argocd = estate.argocd()?;
    let now = replicas(argocd, app, workload).await?;
    let told = |failure: Failure| failure.arg("workload", &workload.name).arg("replicas", *wanted);
    let at = estate.clock().now_ms();
    let not_yet = |code: &str, since: Option<Millis>| {
        let why = told(Failure::unavailable(code));
        Ok(Outcome::NotYet { why, note: json!({ "since": since }), again: LOOK })
    };
    let since = work.note["since"].as_i64();
    if now != *wanted {
        if since.is_some() {
            return Err(told(Failure::conflict("scale-set-back")).arg("app", &app.name).arg("now", now));
        }
        argocd.patch_resource(app, workload, &Patch::Merge(json!({ "spec": { "replicas": wanted } }))).await?;
        return not_yet("scale-progressing", Some(at));
    }
    let Some(since) = since else { return not_yet("scale-settling", Some(at)) };
    let tree = argocd.tree(app).await?;
    let node =
        tree.nodes.iter().find(|node| node.resource.name == workload.name && node.resource.kind == workload.kind);
    if node.and_then(|node| node.health.as_ref()).is_some_and(|health| health.status != Health::Healthy) {
        return not_yet("scale-progressing", Some(since));
    }
    if at - since < i64::try_from(settle_s.saturating_mul(1_000)).unwrap_or(i64::MAX) {
        return not_yet("scale-settling", Some(since));
    }
    Ok(Outcome::Done { note: json!({ "replicas": now }) })
}

/// How many replicas a workload is to have; one where it does not say, as Kubernetes takes it.
async fn replicas(argocd: &Client, app: &AppRef, workload: &ResourceRef) -> Result<u32, Failure> {
    let live = argocd.resource(app, workload).await?;
    Ok(live["spec"]["replicas"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(1))
}
