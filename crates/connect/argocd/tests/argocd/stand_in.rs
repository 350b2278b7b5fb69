//! What the stand-in does that no call of the client shows by itself.

use naru_argocd::application::AppRef;
use naru_argocd::calls::apps::{Refresh, Sync};
use naru_argocd::status::Health;
use naru_testkit::argocd::TOKEN;
use serde_json::{Value, json};

use crate::house::{House, REPO, code, house, spec, web};

const VALUES_REPO: &str = "https://git.example.com/values.git";
const REGISTRY: &str = "https://charts.example.com";

/// Replicas of the Deployment `web`.
fn replicas(house: &House) -> Value {
    house.argocd.world(|world| world.live("web", "Deployment", "web").unwrap()["spec"]["replicas"].clone())
}

async fn synced(house: &House) {
    house.client.sync(&web(), &Sync { prune: true, ..Sync::default() }).await.unwrap();
    house.argocd.settle();
}

fn commit(house: &House, path: &str, text: Option<&str>) {
    house.argocd.world(|world| drop(world.repo(REPO).commit("main", "Kim", "a change", &[(path, text)])));
}

#[tokio::test]
async fn a_rollback_is_refused_under_auto_sync_and_goes_back_without() {
    let house = house();
    synced(&house).await;
    // The client has no such call: it would be refused wherever it matters.
    let rollback = async || {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/api/v1/applications/web/rollback", house.argocd.url());
        let request = http.post(url).header("authorization", format!("Bearer {TOKEN}"));
        let request = request.header("content-type", "application/json").body(r#"{"id":0,"project":"shop"}"#);
        request.send().await.unwrap().status().as_u16()
    };
    house.argocd.world(|world| world.change_app("web", &json!({ "spec": spec(json!({ "automated": {} })) })));
    assert_eq!(rollback().await, 400);
    house.argocd.world(|world| world.change_app("web", &json!({ "spec": { "syncPolicy": null } })));
    commit(&house, "web/values.yaml", Some("image:\n  tag: two\nreplicas: 7\n"));
    synced(&house).await;
    assert_eq!(replicas(&house), 7);
    assert_eq!(rollback().await, 200);
    house.argocd.settle();
    assert_eq!(replicas(&house), 2);
    assert_eq!(house.app().await.status.sync.status, "OutOfSync", "what is tracked is still the newer one");
}

#[tokio::test]
async fn auto_sync_tries_a_commit_once() {
    let house = house();
    house.argocd.world(|world| {
        world.change_app("web", &json!({ "spec": spec(json!({ "automated": {} })) }));
        world.fail_next_sync = Some("no".to_owned());
    });
    house.argocd.settle();
    assert_eq!(house.app().await.status.sync.status, "OutOfSync", "it failed and is not tried again");
    commit(&house, "web/values.yaml", Some("image:\n  tag: two\nreplicas: 3\n"));
    house.argocd.settle();
    let app = house.app().await;
    assert_eq!((app.status.sync.status.as_str(), app.status.history.len()), ("Synced", 1));
    assert!(app.status.history[0].initiated_by.automated);
    assert_eq!(replicas(&house), 3);
}

#[tokio::test]
async fn values_come_from_another_source_and_a_registry_has_the_chart() {
    let house = house();
    let chart = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: {{ .Values.n }}\n";
    let sources = json!([
        { "repoURL": REGISTRY, "chart": "web", "targetRevision": "1.2.0", "helm": { "valueFiles": ["$values/shop.yaml"] } },
        { "repoURL": VALUES_REPO, "targetRevision": "main", "ref": "values" },
    ]);
    house.argocd.world(|world| {
        world.repo(REGISTRY).commit("1.2.0", "Kim", "1.2.0", &[("web/templates/web.yaml", Some(chart))]);
        world.repo(VALUES_REPO).commit("main", "Kim", "values", &[("shop.yaml", Some("n: 4\n"))]);
        world.change_app("web", &json!({ "spec": { "source": null, "sources": sources } }));
    });
    synced(&house).await;
    assert_eq!(replicas(&house), 4);
    assert_eq!(house.app().await.revisions().len(), 2);
}

#[tokio::test]
async fn an_application_outside_the_home_is_named_with_its_namespace() {
    let house = house();
    let pin = "helm:\n  parameters:\n  - name: image.tag\n    value: three\n";
    commit(&house, "web/.argocd-source-team-a_api.yaml", Some(pin));
    house.argocd.world(|world| {
        world.add(json!({ "metadata": { "name": "api", "namespace": "team-a" }, "spec": spec(json!({})) }));
    });
    let bare = AppRef::new("shop", "api");
    assert_eq!(code(house.client.app(&bare, Refresh::No).await), "argocd-app-unknown");
    let api = AppRef { namespace: Some("team-a".to_owned()), ..bare };
    house.client.sync(&api, &Sync::default()).await.unwrap();
    house.argocd.settle();
    let app = house.client.app(&api, Refresh::No).await.unwrap();
    assert_eq!(app.status.summary.images, ["shop/web:three"]);
    assert_eq!(app.reference(Some("argocd")), api);
}

#[tokio::test]
async fn an_hpa_keeps_its_bounds_and_leaves_zero_alone() {
    let house = house();
    let hpa = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: web\nspec:\n  minReplicas: 5\n  \
               maxReplicas: 9\n  scaleTargetRef:\n    kind: Deployment\n    name: web\n";
    commit(&house, "web/templates/hpa.yaml", Some(hpa));
    synced(&house).await;
    assert_eq!(replicas(&house), 5);
    house.argocd.world(|world| world.drift("web", "Deployment", "web", &json!({ "spec": { "replicas": 0 } })));
    house.argocd.settle();
    assert_eq!(replicas(&house), 0);
}

#[tokio::test]
async fn what_is_ignored_is_no_difference_and_is_kept_where_that_is_asked_for() {
    let house = house();
    synced(&house).await;
    let ignore = json!([{ "group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"] }]);
    house.argocd.world(|world| {
        world.change_app("web", &json!({ "spec": { "ignoreDifferences": ignore } }));
        world.drift("web", "Deployment", "web", &json!({ "spec": { "replicas": 0 } }));
    });
    house.argocd.settle();
    assert_eq!(house.app().await.status.sync.status, "Synced");
    let options = vec!["RespectIgnoreDifferences=true".to_owned()];
    house.client.sync(&web(), &Sync { options, ..Sync::default() }).await.unwrap();
    house.argocd.settle();
    assert_eq!(replicas(&house), 0);
    synced(&house).await;
    assert_eq!(replicas(&house), 2, "a sync without the option writes what Git states");
}

#[tokio::test]
async fn a_paused_rollout_waits_for_a_person_and_what_git_dropped_is_pruned() {
    let house = house();
    let rollout = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata:\n  name: canary\nspec:\n  replicas: 1\n  paused: true\n";
    commit(&house, "web/templates/canary.yaml", Some(rollout));
    synced(&house).await;
    assert_eq!(house.app().await.status.health.status, Health::Suspended);
    commit(&house, "web/templates/canary.yaml", None);
    synced(&house).await;
    assert!(house.argocd.world(|world| world.live("web", "Rollout", "canary").is_none()));
    assert_eq!(house.app().await.status.health.status, Health::Healthy);
}

#[tokio::test]
async fn what_cannot_be_rendered_is_a_condition() {
    let house = house();
    commit(&house, "web/templates/odd.yaml", Some("{{ include \"x\" }}"));
    let app = house.client.app(&web(), Refresh::Hard).await.unwrap();
    assert_eq!(
        (app.status.sync.status.as_str(), app.status.conditions[0].kind.as_str()),
        ("Unknown", "ComparisonError")
    );
}

#[tokio::test]
async fn reads_can_be_what_turns_the_controller() {
    let house = house();
    house.argocd.world(|world| (world.reads_are_ticks, world.op_ticks) = (true, 3));
    house.client.sync(&web(), &Sync::default()).await.unwrap();
    let mut reads = 0;
    while house.app().await.operation.is_some() {
        reads += 1;
    }
    assert_eq!(reads, 3);
}
