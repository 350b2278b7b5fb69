//! Namespaces: those that stay until they are empty.

use naru_k8s::calls::objects::{Delete, Deleted};
use naru_k8s::object::Patch;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::{Value, json};

use crate::server::{CONFIG_MAP, DEPLOYMENT, NAMESPACE, Server, code, text};

on_each!(one_goes_with_all_that_is_in_it, one_stays_while_a_finalized_object_is_in_it, one_that_is_missing_is_named);

async fn one_goes_with_all_that_is_in_it(server: &Server) {
    let name = server.namespace().await;
    let web = server.workload(&DEPLOYMENT, &name, "web").await;
    let namespace = NAMESPACE.of_cluster(&name);
    let uid = text(&server.client.get(&namespace).await.unwrap(), "/metadata/uid").to_owned();
    let wrong = Delete { uid: Some("00000000-0000-4000-8000-000000000000".to_owned()), ..Delete::default() };
    assert_eq!(code(server.client.delete(&namespace, &wrong).await), "k8s-conflict");
    server.client.delete(&namespace, &Delete { uid: Some(uid), ..Delete::default() }).await.unwrap();
    server.gone(&namespace).await;
    assert_eq!(server.client.find(&web).await.unwrap(), None);
}

async fn one_stays_while_a_finalized_object_is_in_it(server: &Server) {
    let name = server.namespace().await;
    let held = server.config_map(&name, "held", json!({})).await;
    let finalizers = |value: Value| Patch::Merge(json!({ "metadata": { "finalizers": value } }));
    server.client.patch(&held, &finalizers(json!(["naru.test/hold"]))).await.unwrap();
    let namespace = NAMESPACE.of_cluster(&name);
    let deleted = server.client.delete(&namespace, &Delete::default()).await.unwrap();
    assert!(matches!(deleted, Deleted::Going(_)));
    let look = async || {
        let found = server.client.get(&namespace).await.unwrap();
        let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let says = |kind: &str| conditions.iter().any(|it| it["type"] == kind && it["status"] == "True");
        let is_held = text(&found, "/status/phase") == "Terminating" && says("NamespaceFinalizersRemaining");
        (is_held && says("NamespaceContentRemaining")).then_some(())
    };
    eventually("the namespace to say what it waits for", PATIENCE, look).await;
    let late = server.client.create(&CONFIG_MAP, &name, &json!({ "metadata": { "name": "late" } })).await;
    let failure = late.unwrap_err();
    assert_eq!(failure.code, "k8s-refused");
    assert!(failure.causes[0].contains("being terminated"), "{failure}");
    server.client.patch(&held, &finalizers(json!(null))).await.unwrap();
    server.gone(&namespace).await;
}

async fn one_that_is_missing_is_named(server: &Server) {
    let object = json!({ "metadata": { "name": "any" } });
    let failure = server.client.create(&CONFIG_MAP, "no-such-place", &object).await.unwrap_err();
    let args = (failure.args["kind"].as_str(), failure.args["name"].as_str());
    assert_eq!((failure.code.as_str(), args), ("k8s-not-found", ("Namespace", "no-such-place")));
}
