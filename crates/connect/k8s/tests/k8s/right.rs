//! Who may what.

use naru_k8s::calls::access::Right;
use naru_k8s::calls::list::ListQuery;
use naru_k8s::object::Patch;
use naru_testkit::kube::TOKEN;
use naru_testkit::kube::rule::Rule;
use serde_json::json;

use crate::server::{DEPLOYMENT, NAMESPACE, Server, code};

on_each!(what_is_forbidden_names_the_missing_rule, an_account_can_ask_what_it_may);

async fn what_is_forbidden_names_the_missing_rule(server: &Server) {
    let namespace = server.namespace().await;
    let web = server.workload(&DEPLOYMENT, &namespace, "web").await;
    let failure = server.nobody.set_scale(&web, 0, None).await.unwrap_err();
    assert_eq!(failure.code, "k8s-forbidden");
    let expected = "apiGroups: [apps], resources: [deployments/scale], verbs: [patch]";
    assert_eq!((failure.args["rule"].as_str(), failure.args["namespace"].as_str()), (expected, namespace.as_str()));
    let failure = server.nobody.list(&NAMESPACE, &ListQuery::default()).await.unwrap_err();
    assert_eq!(failure.args["rule"], "apiGroups: [\"\"], resources: [namespaces], verbs: [list]");
    assert_eq!(failure.args["role"], "ClusterRole");
}

async fn an_account_can_ask_what_it_may(server: &Server) {
    let scale = Right::new("patch", "apps", "deployments").on("scale").in_namespace("default");
    assert!(server.client.can_i(&scale).await.unwrap());
    assert!(!server.nobody.can_i(&scale).await.unwrap());
}

#[tokio::test]
async fn a_right_is_of_one_verb_one_resource_and_one_namespace() {
    let server = Server::stand_in("1.27");
    let rule = Rule::new(&["get", "patch"], "apps", &["deployments", "deployments/scale"]).in_namespace("default");
    server.kube().world(|world| world.add_user("nobodys-token", "night", vec![rule]));
    let web = server.workload(&DEPLOYMENT, "default", "web").await;
    server.nobody.get(&web).await.unwrap();
    server.nobody.set_scale(&web, 0, None).await.unwrap();
    assert_eq!(code(server.nobody.list(&DEPLOYMENT, &ListQuery::of("default")).await), "k8s-forbidden");
    assert_eq!(code(server.nobody.get(&DEPLOYMENT.named("kube-system", "web")).await), "k8s-forbidden");
    let status = Patch::Merge(json!({ "status": { "replicas": 1 } }));
    assert_eq!(code(server.nobody.patch_at(&web, "status", &status).await), "k8s-forbidden");
    let right = Right::new("patch", "apps", "deployments");
    assert!(server.nobody.can_i(&right.clone().in_namespace("default")).await.unwrap());
    assert!(!server.nobody.can_i(&right).await.unwrap(), "in all of them");
    assert!(!server.nobody.can_i(&right.on("status").in_namespace("default")).await.unwrap());
}

#[tokio::test]
async fn a_token_that_is_taken_no_more_is_told_and_read_again() {
    let server = Server::stand_in("1.27");
    server.client.version().await.unwrap();
    server.kube().world(|world| world.remove_token(TOKEN));
    assert_eq!(code(server.client.get(&NAMESPACE.of_cluster("default")).await), "k8s-token-refused");
    server.kube().world(|world| world.add_user(TOKEN, "naru", vec![Rule::all()]));
    server.client.get(&NAMESPACE.of_cluster("default")).await.unwrap();
}
