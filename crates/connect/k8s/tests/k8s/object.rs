//! One object: made, read, changed in each way, deleted.

use naru_k8s::calls::objects::{Delete, Deleted};
use naru_k8s::object::{Patch, Propagation};
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::json;

use crate::server::{CONFIG_MAP, CRON_JOB, DEPLOYMENT, Server, code, cron_job, text, workload};

on_each!(
    it_is_made_once_and_deleted_once,
    a_merge_patch_replaces_and_removes,
    a_stale_change_is_a_conflict,
    a_test_in_a_json_patch_that_finds_something_else_is_a_conflict,
    an_apply_makes_keeps_and_removes_what_it_states,
    a_field_of_somebody_else_is_applied_by_force_only,
    only_the_object_of_that_uid_is_deleted,
    one_with_a_finalizer_goes_when_that_does,
    what_it_owns_goes_or_stays_as_asked,
    a_wrong_object_is_refused_with_its_field,
    a_name_that_would_be_another_path_is_not_sent,
    a_cron_job_is_suspended,
);

async fn it_is_made_once_and_deleted_once(server: &Server) {
    let (client, namespace) = (&server.client, server.namespace().await);
    let object = json!({ "metadata": { "name": "one" }, "data": { "a": "1" } });
    let made = client.create(&CONFIG_MAP, &namespace, &object).await.unwrap();
    assert!(!text(&made, "/metadata/uid").is_empty() && !text(&made, "/metadata/resourceVersion").is_empty());
    assert_eq!((text(&made, "/apiVersion"), text(&made, "/kind")), ("v1", "ConfigMap"));
    assert_eq!(code(client.create(&CONFIG_MAP, &namespace, &object).await), "k8s-exists");
    let one = CONFIG_MAP.named(&namespace, "one");
    assert_eq!(client.get(&one).await.unwrap(), made);
    assert_eq!(client.delete(&one, &Delete::default()).await.unwrap(), Deleted::Gone);
    assert_eq!(client.find(&one).await.unwrap(), None);
    let failure = client.delete(&one, &Delete::default()).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.args["name"].as_str()), ("k8s-not-found", "one"));
}

async fn a_merge_patch_replaces_and_removes(server: &Server) {
    let namespace = server.namespace().await;
    let one = server.config_map(&namespace, "one", json!({ "x": "y" })).await;
    let patch = Patch::Merge(json!({ "data": { "a": null, "b": "2" }, "metadata": { "labels": { "x": "z" } } }));
    let patched = server.client.patch(&one, &patch).await.unwrap();
    assert_eq!((&patched["data"], text(&patched, "/metadata/labels/x")), (&json!({ "b": "2" }), "z"));
    let again = server.client.patch(&one, &patch).await.unwrap();
    let version = "/metadata/resourceVersion";
    assert_eq!(text(&again, version), text(&patched, version), "what changes nothing is no change");
    let none = CONFIG_MAP.named(&namespace, "none");
    assert_eq!(code(server.client.patch(&none, &patch).await), "k8s-not-found");
}

async fn a_stale_change_is_a_conflict(server: &Server) {
    let namespace = server.namespace().await;
    let one = server.config_map(&namespace, "one", json!({})).await;
    let read = server.client.get(&one).await.unwrap();
    let with = |version: &str, value: &str| {
        Patch::Merge(json!({ "metadata": { "resourceVersion": version }, "data": { "a": value } }))
    };
    let version = text(&read, "/metadata/resourceVersion");
    server.client.patch(&one, &with(version, "2")).await.unwrap();
    let failure = server.client.patch(&one, &with(version, "3")).await.unwrap_err();
    assert_eq!(failure.code, "k8s-conflict");
    assert!(failure.args["what"].ends_with(&format!("{namespace}/one")), "{failure}");
    assert_eq!(text(&server.client.get(&one).await.unwrap(), "/data/a"), "2");
}

async fn a_test_in_a_json_patch_that_finds_something_else_is_a_conflict(server: &Server) {
    let namespace = server.namespace().await;
    let one = server.config_map(&namespace, "one", json!({})).await;
    let patch = |expected: &str| {
        Patch::Json(json!([
            { "op": "test", "path": "/data/a", "value": expected },
            { "op": "replace", "path": "/data/a", "value": "2" },
            { "op": "add", "path": "/data/b", "value": "3" },
        ]))
    };
    let patched = server.client.patch(&one, &patch("1")).await.unwrap();
    assert_eq!(patched["data"], json!({ "a": "2", "b": "3" }));
    assert_eq!(code(server.client.patch(&one, &patch("1")).await), "k8s-conflict");
}

async fn an_apply_makes_keeps_and_removes_what_it_states(server: &Server) {
    let namespace = server.namespace().await;
    let one = CONFIG_MAP.named(&namespace, "one");
    let apply = async |data: serde_json::Value| {
        let object = json!({ "metadata": { "name": "one", "namespace": namespace }, "data": data });
        server.client.patch(&one, &Patch::Apply(object)).await.unwrap()
    };
    let made = apply(json!({ "a": "1", "b": "2" })).await;
    assert_eq!(made["data"], json!({ "a": "1", "b": "2" }));
    let managers = made["metadata"]["managedFields"].as_array().unwrap();
    assert!(managers.iter().any(|it| it["manager"] == "naru" && it["operation"] == "Apply"), "{managers:?}");
    let other = Patch::Merge(json!({ "data": { "c": "3" } }));
    server.client.patch(&one, &other).await.unwrap();
    assert_eq!(apply(json!({ "a": "1" })).await["data"], json!({ "a": "1", "c": "3" }));
}

async fn a_field_of_somebody_else_is_applied_by_force_only(server: &Server) {
    let namespace = server.namespace().await;
    let one = CONFIG_MAP.named(&namespace, "one");
    let object = json!({ "metadata": { "name": "one" }, "data": { "a": "1" } });
    server.client.patch(&one, &Patch::Apply(object.clone())).await.unwrap();
    // By the same name, but no apply: another manager.
    server.client.patch(&one, &Patch::Merge(json!({ "data": { "a": "2" } }))).await.unwrap();
    let failure = server.client.patch(&one, &Patch::Apply(object.clone())).await.unwrap_err();
    assert_eq!(failure.code, "k8s-conflict");
    assert!(failure.causes.iter().any(|cause| cause.contains(".data.a")), "{failure}");
    let forced = server.client.patch(&one, &Patch::ApplyByForce(object)).await.unwrap();
    assert_eq!(text(&forced, "/data/a"), "1");
}

async fn only_the_object_of_that_uid_is_deleted(server: &Server) {
    let namespace = server.namespace().await;
    let one = server.config_map(&namespace, "one", json!({})).await;
    let uid = text(&server.client.get(&one).await.unwrap(), "/metadata/uid").to_owned();
    let by = |uid: &str| Delete { uid: Some(uid.to_owned()), ..Delete::default() };
    let other = "00000000-0000-4000-8000-000000000000";
    assert_eq!(code(server.client.delete(&one, &by(other)).await), "k8s-conflict");
    assert_eq!(server.client.delete(&one, &by(&uid)).await.unwrap(), Deleted::Gone);
}

async fn one_with_a_finalizer_goes_when_that_does(server: &Server) {
    let namespace = server.namespace().await;
    let one = server.config_map(&namespace, "one", json!({})).await;
    let finalizers = |value: serde_json::Value| Patch::Merge(json!({ "metadata": { "finalizers": value } }));
    server.client.patch(&one, &finalizers(json!(["naru.test/hold"]))).await.unwrap();
    let deleted = server.client.delete(&one, &Delete::default()).await.unwrap();
    assert!(matches!(deleted, Deleted::Going(object) if object["metadata"]["deletionTimestamp"].is_string()));
    server.client.patch(&one, &finalizers(json!(null))).await.unwrap();
    assert_eq!(server.client.find(&one).await.unwrap(), None);
}

async fn what_it_owns_goes_or_stays_as_asked(server: &Server) {
    let namespace = server.namespace().await;
    for (propagation, stays) in [(Propagation::Background, false), (Propagation::Orphan, true)] {
        let owner = server.config_map(&namespace, "owner", json!({})).await;
        let owned = server.config_map(&namespace, "owned", json!({})).await;
        let uid = text(&server.client.get(&owner).await.unwrap(), "/metadata/uid").to_owned();
        let reference = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid }]);
        let patch = Patch::Merge(json!({ "metadata": { "ownerReferences": reference } }));
        server.client.patch(&owned, &patch).await.unwrap();
        server.client.delete(&owner, &Delete { propagation, uid: None }).await.unwrap();
        server.gone(&owner).await;
        if !stays {
            server.gone(&owned).await;
            continue;
        }
        let look = async || {
            let found = server.client.get(&owned).await.unwrap();
            found["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty).then_some(())
        };
        eventually("the owner to be forgotten", PATIENCE, look).await;
    }
}

async fn a_wrong_object_is_refused_with_its_field(server: &Server) {
    let (client, namespace) = (&server.client, server.namespace().await);
    let mut wrong = workload(&DEPLOYMENT, "web");
    wrong["spec"]["selector"]["matchLabels"] = json!({ "app": "other" });
    let failure = client.create(&DEPLOYMENT, &namespace, &wrong).await.unwrap_err();
    assert_eq!(failure.code, "k8s-refused");
    assert!(failure.causes[0].contains("spec.template.metadata.labels"), "{failure}");
    let web = server.workload(&DEPLOYMENT, &namespace, "web").await;
    let negative = Patch::Merge(json!({ "spec": { "replicas": -1 } }));
    let failure = client.patch(&web, &negative).await.unwrap_err();
    assert!(failure.code == "k8s-refused" && failure.causes[0].contains("spec.replicas"), "{failure}");
    let capital = json!({ "metadata": { "name": "Web" } });
    assert_eq!(code(client.create(&CONFIG_MAP, &namespace, &capital).await), "k8s-refused");
}

async fn a_name_that_would_be_another_path_is_not_sent(server: &Server) {
    for (namespace, name) in
        [("shop", "../x"), ("shop", "a/b"), ("shop", ""), ("", "web"), ("a/b", "web"), ("shop", "%2e")]
    {
        let object = CONFIG_MAP.named(namespace, name);
        assert_eq!(code(server.client.get(&object).await), "k8s-name-wrong", "{namespace}/{name}");
    }
    assert_eq!(code(server.client.get(&crate::server::NAMESPACE.named("shop", "shop")).await), "k8s-name-wrong");
}

async fn a_cron_job_is_suspended(server: &Server) {
    let namespace = server.namespace().await;
    server.client.create(&CRON_JOB, &namespace, &cron_job("nightly")).await.unwrap();
    let nightly = CRON_JOB.named(&namespace, "nightly");
    let suspended = server.client.patch(&nightly, &Patch::Merge(json!({ "spec": { "suspend": true } }))).await.unwrap();
    assert_eq!(suspended["spec"]["suspend"], true);
    assert_eq!(text(&suspended, "/apiVersion"), server.client.served(&CRON_JOB).await.unwrap().api_version());
}
