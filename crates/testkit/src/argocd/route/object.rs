//! Calls about the live objects of an Application.

use serde_json::{Value, json};

use super::app::find;
use super::{Answer, Refusal, Request};
use crate::argocd::World;
use crate::argocd::health::{has_replicas, health, images};
use crate::argocd::json::{merge, patch};
use crate::argocd::world::{Key, Live, LiveKey, time};

pub fn answer(world: &mut World, request: &Request<'_>, key: &Key, below: &[&str]) -> Answer {
    match (request.entry.method.as_str(), below) {
        ("GET", ["resource-tree"]) => {
            find(world, request, key, "get")?;
            Ok(tree(world, key))
        }
        ("GET", ["resource"]) => {
            find(world, request, key, "get")?;
            let live = live(world, key, &chosen(|name| request.query(name)))?;
            Ok(json!({ "manifest": live.object.to_string() }))
        }
        ("POST", ["resource"]) => {
            let of = chosen(|name| request.query(name));
            let action = format!("update/{}/{}/{}/{}", of.0, of.1, of.2, of.3);
            find(world, request, key, if world.is_since(3, 0) { &action } else { "update" })?;
            change(world, request, key, &of)
        }
        ("POST", ["resource", "actions", "v2"]) if world.is_since(3, 1) => {
            let of = chosen(|name| request.text(name));
            let action = request.text("action").unwrap_or_default().to_owned();
            act(world, request, key, &of, &action)
        }
        ("POST", ["resource", "actions"]) => {
            let of = chosen(|name| request.query(name));
            let action = request.entry.body.as_str().unwrap_or_default().to_owned();
            act(world, request, key, &of, &action)
        }
        _ => Err(Refusal::not_found("Not Found")),
    }
}

fn chosen<'a>(read: impl Fn(&str) -> Option<&'a str>) -> LiveKey {
    let text = |name: &str| read(name).unwrap_or_default().to_owned();
    (text("group"), text("kind"), text("namespace"), text("resourceName"))
}

fn live<'a>(world: &'a mut World, key: &Key, of: &LiveKey) -> Result<&'a mut Live, Refusal> {
    let app = world.apps.get_mut(key).expect("it was found");
    app.live.get_mut(of).ok_or_else(|| {
        Refusal::invalid(format!("{} {} {} not found as part of application {}", of.1, of.0, of.3, key.1))
    })
}

fn change(world: &mut World, request: &Request<'_>, key: &Key, of: &LiveKey) -> Answer {
    let text = request.entry.body.as_str().ok_or_else(|| Refusal::invalid("the body is a text"))?;
    let steps: Value = serde_json::from_str(text).map_err(|e| Refusal::invalid(e.to_string()))?;
    let kind = request.query("patchType").unwrap_or_default().to_owned();
    let live = live(world, key, of)?;
    let mut changed = live.object.clone();
    match kind.as_str() {
        "application/merge-patch+json" => merge(&mut changed, &steps),
        "application/json-patch+json" => patch(&mut changed, &steps).map_err(Refusal::invalid)?,
        other => return Err(Refusal::invalid(format!("unsupported patch type {other:?}"))),
    }
    live.object = changed;
    Ok(json!({ "manifest": live.object.to_string() }))
}

fn act(world: &mut World, request: &Request<'_>, key: &Key, of: &LiveKey, action: &str) -> Answer {
    find(world, request, key, &format!("action/{}/{}/{action}", of.0, of.1))?;
    let now = time(world.now_ms);
    let parameters = request.entry.body["resourceActionParameters"].as_array().cloned().unwrap_or_default();
    let replicas = parameters.iter().find(|parameter| parameter["name"] == "replicas");
    let object = &mut live(world, key, of)?.object;
    match (of.1.as_str(), action) {
        (kind, "restart") if has_replicas(kind) => {
            let stamp = json!({ "metadata": { "annotations": { "kubectl.kubernetes.io/restartedAt": now } } });
            merge(&mut object["spec"]["template"], &stamp);
        }
        ("Deployment" | "StatefulSet", "scale") => {
            let wanted = replicas.and_then(|parameter| parameter["value"].as_str()?.parse::<i64>().ok());
            object["spec"]["replicas"] = json!(wanted.ok_or_else(|| Refusal::invalid("replicas is required"))?);
        }
        ("Deployment" | "Rollout", "pause") => object["spec"]["paused"] = json!(true),
        ("Deployment" | "Rollout", "resume") => {
            merge(object, &json!({ "spec": { "paused": null }, "status": { "pauseConditions": null } }));
        }
        ("CronJob", "suspend") => object["spec"]["suspend"] = json!(true),
        ("CronJob", "resume") => object["spec"]["suspend"] = json!(false),
        _ => return Err(Refusal::invalid(format!("built-in script {action} does not exist for {}", of.1))),
    }
    Ok(json!({}))
}

/// Every object, and a pod for each replica.
fn tree(world: &World, key: &Key) -> Value {
    let mut nodes = Vec::new();
    for (of, live) in &world.apps[key].live {
        let version = live.object["apiVersion"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let own = json!({ "group": of.0, "kind": of.1, "namespace": of.2, "name": of.3 });
        let mut node = own.clone();
        node["version"] = json!(version);
        node["uid"] = json!(format!("uid-{}-{}", of.1, of.3));
        if let Some(word) = health(live, &world.broken_images) {
            node["health"] = json!({ "status": word });
        }
        nodes.push(node);
        if !has_replicas(&of.1) {
            continue;
        }
        let ready = live.object["status"]["readyReplicas"].as_i64().unwrap_or_default();
        for at in 0..live.object["spec"]["replicas"].as_i64().unwrap_or_default() {
            nodes.push(json!({
                "version": "v1", "kind": "Pod", "namespace": of.2, "name": format!("{}-{at}", of.3),
                "uid": format!("uid-Pod-{}-{at}", of.3), "parentRefs": [own], "images": images(&live.object),
                "health": { "status": if at < ready { "Healthy" } else { "Progressing" } },
            }));
        }
    }
    json!({ "nodes": nodes })
}
