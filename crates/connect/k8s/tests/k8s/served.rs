//! What is served in which version.

use naru_k8s::object::{GroupKind, Patch};
use serde_json::json;

use crate::server::{CRON_JOB, DEPLOYMENT, SCALER, Server, code, cron_job, text};

static SCALED_OBJECT: GroupKind = GroupKind::known("keda.sh", "ScaledObject");
static ROLLOUT: GroupKind = GroupKind::known("argoproj.io", "Rollout");

on_each!(kinds_are_found_in_the_version_of_the_server, what_is_not_served_says_so);

async fn kinds_are_found_in_the_version_of_the_server(server: &Server) {
    let version = server.client.version().await.unwrap();
    let cron_job = server.client.served(&CRON_JOB).await.unwrap();
    assert_eq!(cron_job.version, if version.is_at_least(1, 21) { "v1" } else { "v1beta1" });
    let scaler = server.client.served(&SCALER).await.unwrap();
    assert_eq!(scaler.version, if version.is_at_least(1, 23) { "v2" } else { "v1" });
    assert_eq!(server.client.served(&SCALER.at("v1")).await.unwrap().version, "v1");
    let deployment = server.client.served(&DEPLOYMENT).await.unwrap();
    assert_eq!(
        (deployment.plural.as_str(), deployment.namespaced, deployment.has_scale()),
        ("deployments", true, true)
    );
    assert!(!server.client.served(&GroupKind::known("", "Namespace")).await.unwrap().namespaced);
}

async fn what_is_not_served_says_so(server: &Server) {
    for kind in [
        GroupKind::known("no.such.group", "Thing"),
        GroupKind::known("apps", "Thing"),
        GroupKind::known("", "Thing"),
        DEPLOYMENT.at("v9"),
        GroupKind::new("a/b?c", "Thing"),
    ] {
        assert_eq!(code(server.client.served(&kind).await), "k8s-kind-unknown", "{kind}");
        assert!(!server.client.serves(&kind).await.unwrap());
    }
}

#[tokio::test]
async fn every_version_of_kubernetes_serves_its_own() {
    for (version, cron_job, scaler) in [
        ("1.20", "v1beta1", "v1"),
        ("1.21", "v1", "v1"),
        ("1.23", "v1", "v2"),
        ("1.27", "v1", "v2"),
        ("1.33", "v1", "v2"),
    ] {
        let server = Server::stand_in(version);
        assert_eq!(format!("1.{}", server.client.version().await.unwrap().minor), version);
        assert_eq!(server.client.served(&CRON_JOB).await.unwrap().version, cron_job, "{version}");
        assert_eq!(server.client.served(&SCALER).await.unwrap().version, scaler, "{version}");
        assert!(server.client.served(&ROLLOUT).await.unwrap().has_scale());
        assert!(server.client.serves(&SCALED_OBJECT).await.unwrap());
    }
}

#[tokio::test]
async fn a_cluster_without_keda_says_so() {
    let server = Server::stand_in("1.27");
    server.kube().world(|world| world.remove_group("keda.sh"));
    assert!(!server.client.serves(&SCALED_OBJECT).await.unwrap());
}

#[tokio::test]
async fn a_kind_is_asked_for_once() {
    let server = Server::stand_in("1.27");
    let nightly = CRON_JOB.named("default", "nightly");
    for _ in 0..3 {
        assert_eq!(server.client.find(&nightly).await.unwrap(), None);
    }
    assert_eq!(server.kube().calls("GET /apis/batch").len(), 2 + 3);
}

#[tokio::test]
async fn after_an_upgrade_a_kind_is_found_by_its_new_version() {
    let server = Server::stand_in("1.20");
    server.client.create(&CRON_JOB, "default", &cron_job("nightly")).await.unwrap();
    assert_eq!(server.client.served(&CRON_JOB).await.unwrap().version, "v1beta1");
    server.kube().world(|world| world.upgrade("1.25"));
    let nightly = CRON_JOB.named("default", "nightly");
    assert_eq!(text(&server.client.get(&nightly).await.unwrap(), "/apiVersion"), "batch/v1");
    // A write, too: where the server does not know the resource nothing was done.
    let server = Server::stand_in("1.20");
    server.client.create(&CRON_JOB, "default", &cron_job("nightly")).await.unwrap();
    server.kube().world(|world| world.upgrade("1.27"));
    let patched = server.client.patch(&nightly, &Patch::Merge(json!({ "spec": { "suspend": true } }))).await.unwrap();
    assert_eq!((text(&patched, "/apiVersion"), &patched["spec"]["suspend"]), ("batch/v1", &json!(true)));
    server.kube().world(|world| world.remove_group("batch"));
    assert_eq!(code(server.client.get(&nightly).await), "k8s-kind-unknown");
}

#[tokio::test]
async fn a_custom_kind_is_read_patched_and_scaled() {
    let server = Server::stand_in("1.27");
    let rollout = json!({ "metadata": { "name": "web" }, "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web" } } } });
    server.client.create(&ROLLOUT, "default", &rollout).await.unwrap();
    let web = ROLLOUT.named("default", "web");
    assert_eq!(server.client.set_scale(&web, 0, None).await.unwrap().replicas, 0);
    let scaled = json!({ "metadata": { "name": "web" }, "spec": { "scaleTargetRef": { "name": "web" } } });
    server.client.create(&SCALED_OBJECT, "default", &scaled).await.unwrap();
    let pause = json!({ "metadata": { "annotations": { "autoscaling.keda.sh/paused-replicas": "0" } } });
    let web = SCALED_OBJECT.named("default", "web");
    let paused = server.client.patch(&web, &Patch::Merge(pause)).await.unwrap();
    assert_eq!(text(&paused, "/metadata/annotations/autoscaling.keda.sh~1paused-replicas"), "0");
}
