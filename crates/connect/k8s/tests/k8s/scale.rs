//! How many.

use naru_k8s::object::Patch;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::json;

use crate::server::{CONFIG_MAP, DAEMON_SET, DEPLOYMENT, REPLICA_SET, STATEFUL_SET, Server, code};

on_each!(
    every_kind_with_a_number_is_scaled_to_nothing_and_back,
    a_number_that_was_read_before_is_a_conflict,
    what_has_no_number_says_so,
    a_changed_number_is_a_new_generation,
);

async fn every_kind_with_a_number_is_scaled_to_nothing_and_back(server: &Server) {
    let namespace = server.namespace().await;
    for kind in [&DEPLOYMENT, &STATEFUL_SET, &REPLICA_SET] {
        let web = server.workload(kind, &namespace, "web").await;
        let scale = server.client.scale(&web).await.unwrap();
        assert_eq!((scale.replicas, scale.selector.as_str()), (2, "app=web"), "{kind}");
        assert_eq!(server.client.set_scale(&web, 0, None).await.unwrap().replicas, 0, "{kind}");
        assert_eq!(server.client.scale(&web).await.unwrap().replicas, 0, "{kind}");
        assert_eq!(server.client.get(&web).await.unwrap()["spec"]["replicas"], 0, "{kind}");
        assert_eq!(server.client.set_scale(&web, 3, None).await.unwrap().replicas, 3, "{kind}");
    }
    let none = DEPLOYMENT.named(&namespace, "none");
    assert_eq!(code(server.client.scale(&none).await), "k8s-not-found");
    assert_eq!(code(server.client.set_scale(&none, 0, None).await), "k8s-not-found");
}

async fn a_number_that_was_read_before_is_a_conflict(server: &Server) {
    let namespace = server.namespace().await;
    let web = server.workload(&DEPLOYMENT, &namespace, "web").await;
    let before = server.client.scale(&web).await.unwrap();
    server.client.set_scale(&web, 5, None).await.unwrap();
    let stale = server.client.set_scale(&web, 0, Some(&before.resource_version)).await;
    assert_eq!(code(stale), "k8s-conflict");
    // A controller may write its status at any moment.
    let look = async || {
        let now = server.client.scale(&web).await.unwrap();
        server.client.set_scale(&web, 0, Some(&now.resource_version)).await.ok()
    };
    assert_eq!(eventually("a moment without another change", PATIENCE, look).await.replicas, 0);
}

async fn what_has_no_number_says_so(server: &Server) {
    let namespace = server.namespace().await;
    let agent = server.workload(&DAEMON_SET, &namespace, "agent").await;
    assert_eq!(code(server.client.scale(&agent).await), "k8s-no-scale");
    let map = CONFIG_MAP.named(&namespace, "any");
    assert_eq!(code(server.client.set_scale(&map, 0, None).await), "k8s-no-scale");
}

async fn a_changed_number_is_a_new_generation(server: &Server) {
    let namespace = server.namespace().await;
    let web = server.workload(&DEPLOYMENT, &namespace, "web").await;
    let generation = async || server.client.get(&web).await.unwrap()["metadata"]["generation"].as_i64().unwrap();
    let first = generation().await;
    server.client.patch(&web, &Patch::Merge(json!({ "metadata": { "labels": { "x": "y" } } }))).await.unwrap();
    assert_eq!(generation().await, first, "a label is none");
    server.client.set_scale(&web, 1, None).await.unwrap();
    assert_eq!(generation().await, first + 1);
    server.client.set_scale(&web, 1, None).await.unwrap();
    assert_eq!(generation().await, first + 1, "the same number is none");
}
