//! Live objects, through Argo CD.

use naru_argocd::calls::resources::Parameter;
use naru_argocd::resource::{Patch, ResourceRef};
use naru_argocd::status::Health;
use serde_json::json;

use crate::house::{House, code, deployment, house, web};

async fn synced() -> House {
    let house = house();
    house.sync("op-1").await;
    house.argocd.settle();
    house
}

#[tokio::test]
async fn the_tree_shows_every_object_and_its_pods() {
    let house = synced().await;
    let tree = house.client.tree(&web()).await.unwrap();
    let kinds: Vec<&str> = tree.nodes.iter().map(|node| node.resource.kind.as_str()).collect();
    assert_eq!(kinds, ["Deployment", "Pod", "Pod", "CronJob"]);
    assert_eq!(tree.nodes[1].parent_refs[0].name, "web");
    assert_eq!(tree.nodes[1].images, ["shop/web:one"]);
    assert_eq!(tree.nodes[0].health.as_ref().unwrap().status, Health::Healthy);
}

#[tokio::test]
async fn an_object_is_patched_through_argo_cd_and_asleep_is_healthy() {
    let house = synced().await;
    let patch =
        Patch::Merge(json!({ "metadata": { "annotations": { "naru/replicas": "2" } }, "spec": { "replicas": 0 } }));
    let answered = house.client.patch_resource(&web(), &deployment(), &patch).await.unwrap();
    assert_eq!(answered["spec"]["replicas"], 0);
    house.argocd.settle();
    let live = house.client.resource(&web(), &deployment()).await.unwrap();
    assert_eq!(live["metadata"]["annotations"]["naru/replicas"], "2");
    let app = house.app().await;
    assert_eq!((app.status.health.status, app.status.sync.status.as_str()), (Health::Healthy, "OutOfSync"));
    let test = json!([
        { "op": "test", "path": "/spec/replicas", "value": 2 }, { "op": "replace", "path": "/spec/replicas", "value": 1 },
    ]);
    let tested = house.client.patch_resource(&web(), &deployment(), &Patch::Json(test)).await;
    assert_eq!(code(tested), "argocd-conflict");
}

#[tokio::test]
async fn an_object_of_nobody_is_unknown() {
    let house = synced().await;
    let other = ResourceRef { name: "api".to_owned(), ..deployment() };
    let failure = house.client.resource(&web(), &other).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.args["name"].as_str()), ("argocd-resource-unknown", "api"));
}

#[tokio::test]
async fn actions_go_by_what_the_server_knows() {
    let house = synced().await;
    let scale = [Parameter { name: "replicas".to_owned(), value: "5".to_owned() }];
    let version = house.client.version().await.unwrap();
    house.client.run_action(&web(), &deployment(), "scale", &scale, version).await.unwrap();
    assert_eq!(house.client.resource(&web(), &deployment()).await.unwrap()["spec"]["replicas"], 5);
    house.argocd.world(|world| world.version = "v2.13.1+1234567".to_owned());
    let version = house.client.version().await.unwrap();
    assert_eq!(code(house.client.run_action(&web(), &deployment(), "scale", &scale, version).await), "argocd-too-old");
    house.client.run_action(&web(), &deployment(), "restart", &[], version).await.unwrap();
    let paths: Vec<String> = house.argocd.calls("/resource/actions").into_iter().map(|entry| entry.path).collect();
    let path = "/api/v1/applications/web/resource/actions";
    assert_eq!(paths, [format!("{path}/v2"), path.to_owned()]);
}

#[tokio::test]
async fn an_image_that_does_not_start_is_degraded() {
    let house = synced().await;
    house.argocd.world(|world| world.broken_images.insert("shop/web:one".to_owned()));
    house.argocd.settle();
    assert_eq!(house.app().await.status.health.status, Health::Degraded);
}
