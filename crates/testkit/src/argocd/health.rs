//! How an object does, as Argo CD's own checks say it, and what its controller writes into its status.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::world::Live;

/// From best to worst.
const WORDS: [&str; 6] = ["Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown"];

/// Whether it has pods by number.
pub fn has_replicas(kind: &str) -> bool {
    matches!(kind, "Deployment" | "StatefulSet" | "ReplicaSet" | "Rollout")
}

/// The images of its pods.
pub fn images(object: &Value) -> Vec<String> {
    let pods = ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/spec"];
    let containers = pods.iter().find_map(|at| object.pointer(at)?["containers"].as_array());
    containers.into_iter().flatten().filter_map(|container| Some(container["image"].as_str()?.to_owned())).collect()
}

/// Lets an object's own controller look once.
pub fn turn(live: &mut Live, ready_ticks: u32, broken: &BTreeSet<String>) {
    let kind = live.object["kind"].as_str().unwrap_or_default().to_owned();
    if !has_replicas(&kind) {
        return;
    }
    if live.object["spec"]["replicas"].is_null() {
        live.object["spec"]["replicas"] = json!(1);
    }
    let mut pauses = live.object["status"]["pauseConditions"].clone();
    // The first one of all stops nowhere.
    let is_another = !live.spec.is_null() && live.spec["template"] != live.object["spec"]["template"];
    if kind == "Rollout" && is_another && stops(&live.object["spec"]) {
        pauses = json!([{ "reason": "CanaryPauseStep" }]);
    }
    let templates = |spec: &Value| (spec["replicas"].clone(), spec["template"].clone());
    if templates(&live.spec) != templates(&live.object["spec"]) {
        live.ready_in = ready_ticks;
        live.spec = live.object["spec"].clone();
    } else {
        live.ready_in = live.ready_in.saturating_sub(1);
    }
    let replicas = live.object["spec"]["replicas"].as_i64().unwrap_or_default();
    let is_broken = images(&live.object).iter().any(|image| broken.contains(image));
    let ready = if live.ready_in > 0 || is_broken { 0 } else { replicas };
    live.object["status"] = json!({
        "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": ready, "availableReplicas": ready,
    });
    if !pauses.is_null() {
        live.object["status"]["pauseConditions"] = pauses;
    }
}

/// Whether a Rollout waits on its way until a person lets it go on: a step that pauses for no time that is said.
fn stops(spec: &Value) -> bool {
    let steps = spec["strategy"]["canary"]["steps"].as_array();
    steps.into_iter().flatten().any(|step| step["pause"].is_object() && step["pause"]["duration"].is_null())
}

/// In a word, for what has a health.
pub fn health(live: &Live, broken: &BTreeSet<String>) -> Option<&'static str> {
    let object = &live.object;
    match object["kind"].as_str().unwrap_or_default() {
        kind if has_replicas(kind) => Some(match object {
            _ if object["spec"]["paused"] == true || object["status"]["pauseConditions"].is_array() => "Suspended",
            _ if live.ready_in > 0 => "Progressing",
            // Nothing is asked of what has no replicas.
            _ if object["spec"]["replicas"] == 0 => "Healthy",
            _ if images(object).iter().any(|image| broken.contains(image)) => "Degraded",
            _ => "Healthy",
        }),
        "Job" if object["status"]["active"].as_i64().unwrap_or_default() > 0 => Some("Progressing"),
        "Job" => Some("Healthy"),
        "CronJob" | "HorizontalPodAutoscaler" | "Ingress" | "Service" => Some("Healthy"),
        _ => None,
    }
}

/// The worst of some words.
pub fn worst<'a>(words: impl Iterator<Item = &'a str>) -> &'static str {
    let rank = |word: &str| WORDS.iter().position(|known| *known == word).unwrap_or(WORDS.len() - 1);
    WORDS[words.map(rank).max().unwrap_or_default()]
}
