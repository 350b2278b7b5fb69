//! What a body must be: the defaults that a server puts in, and what it refuses. Of each kind only what tests rely on.

use serde_json::{Value, json};

use super::kind::Kind;
use super::refusal::Refusal;

/// Refuses a body that is not of the kind and place that the path says.
pub fn place(kind: &Kind, namespace: &str, name: Option<&str>, object: &Value) -> Result<(), Refusal> {
    if !object.is_object() {
        return Err(Refusal::bad("the object provided is unrecognized"));
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (found, stated) = (text(&object["apiVersion"]), text(&object["kind"]));
    if found != kind.api_version() || stated != kind.kind {
        let message = format!("{stated} in version \"{found}\" cannot be handled as a {}", kind.kind);
        return Err(Refusal::bad(message));
    }
    let (found, stated) = (text(&object["metadata"]["name"]), text(&object["metadata"]["namespace"]));
    if let Some(name) = name.filter(|name| *name != found) {
        let message = format!("the name of the object ({found}) does not match the name on the URL ({name})");
        return Err(Refusal::bad(message));
    }
    if !stated.is_empty() && stated != namespace {
        return Err(Refusal::bad(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

/// Puts in what the server would.
pub fn defaults(kind: &Kind, minor: u32, object: &mut Value) {
    let mut default = |path: &[&str], value: Value| {
        let place = path.iter().fold(&mut *object, |place, part| &mut place[*part]);
        if place.is_null() {
            *place = value;
        }
    };
    match kind.kind {
        "Deployment" | "StatefulSet" | "ReplicaSet" => default(&["spec", "replicas"], json!(1)),
        "CronJob" => {
            default(&["spec", "suspend"], json!(false));
            default(&["spec", "concurrencyPolicy"], json!("Allow"));
        }
        "Namespace" => {
            default(&["spec", "finalizers"], json!(["kubernetes"]));
            default(&["status", "phase"], json!("Active"));
            if minor >= 21 {
                let name = object["metadata"]["name"].clone();
                object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            }
        }
        _ => {}
    }
}

/// Refuses what the kind's fields do not allow.
pub fn fields(kind: &Kind, object: &Value) -> Result<(), Refusal> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let invalid = |field: &str, why: &str| Err(Refusal::invalid(kind, name, field, why));
    if name.is_empty() {
        return invalid("metadata.name", "Required value: name or generateName is required");
    }
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let most = if kind.kind == "CronJob" { 52 } else { 253 };
    if !name.chars().all(is_allowed) || name.starts_with(['-', '.']) || name.ends_with(['-', '.']) || name.len() > most
    {
        let why = format!(
            "Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters"
        );
        return invalid("metadata.name", &why);
    }
    for part in ["labels", "annotations"] {
        let values = object["metadata"][part].as_object();
        if values.is_some_and(|values| values.values().any(|value| !value.is_string())) {
            return Err(Refusal::bad(format!(
                "{} in version \"{}\" cannot be handled: {part}: ReadString",
                kind.kind, kind.version
            )));
        }
    }
    let spec = &object["spec"];
    match kind.kind {
        "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet" => {
            if kind.scale {
                replicas(kind, name, &spec["replicas"])?;
            }
            let (selector, labels) = (&spec["selector"]["matchLabels"], &spec["template"]["metadata"]["labels"]);
            let Some(selector) = selector.as_object().filter(|selector| !selector.is_empty()) else {
                return invalid("spec.selector", "Required value");
            };
            if selector.iter().any(|(key, value)| labels[key] != *value) {
                return invalid("spec.template.metadata.labels", "`selector` does not match template `labels`");
            }
            containers(kind, name, "spec.template.spec.containers", &spec["template"]["spec"]["containers"])
        }
        "Rollout" => replicas(kind, name, &spec["replicas"]),
        "Pod" => containers(kind, name, "spec.containers", &spec["containers"]),
        "CronJob" if spec["schedule"].as_str().is_none_or(str::is_empty) => invalid("spec.schedule", "Required value"),
        "CronJob" if !spec["suspend"].is_boolean() => Err(Refusal::bad("spec.suspend: expected a boolean")),
        "HorizontalPodAutoscaler" if spec["minReplicas"] == 0 => {
            invalid("spec.minReplicas", "Invalid value: 0: must be greater than or equal to 1")
        }
        _ => Ok(()),
    }
}

/// How many are wanted, of an object or its scale.
pub fn replicas(kind: &Kind, name: &str, value: &Value) -> Result<(), Refusal> {
    match value.as_i64() {
        Some(replicas) if replicas < 0 => {
            let why = format!("Invalid value: {replicas}: must be greater than or equal to 0");
            Err(Refusal::invalid(kind, name, "spec.replicas", &why))
        }
        None if !value.is_null() => Err(Refusal::bad(format!("{} cannot be handled: replicas: readUint", kind.kind))),
        _ => Ok(()),
    }
}

fn containers(kind: &Kind, name: &str, field: &str, value: &Value) -> Result<(), Refusal> {
    let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() {
        return Err(Refusal::invalid(kind, name, field, "Required value"));
    }
    match all.iter().position(|container| container["image"].as_str().is_none_or(str::is_empty)) {
        Some(at) => Err(Refusal::invalid(kind, name, &format!("{field}[{at}].image"), "Required value")),
        None => Ok(()),
    }
}
