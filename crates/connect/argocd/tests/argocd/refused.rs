//! What Argo CD says no to, and what the account may.

use naru_argocd::application::AppRef;
use naru_argocd::calls::apps::{ListQuery, Refresh, Sync};
use naru_argocd::resource::Patch;
use naru_testkit::argocd::TOKEN;
use serde_json::json;

use crate::house::{client, code, deployment, house, web};

#[tokio::test]
async fn the_missing_right_is_named() {
    let house = house();
    house.argocd.world(|world| world.add_token("reader", "reader", &["applications, get, shop/*, allow"]));
    let reader = house.client("reader");
    let right = |failure: naru_core::failure::Failure| {
        assert_eq!(failure.code, "argocd-forbidden");
        failure.args["right"].clone()
    };
    let sync = reader.sync(&web(), &Sync::default()).await;
    assert_eq!(right(sync.unwrap_err()), "applications, sync, shop/web");
    let patch = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
    let patched = reader.patch_resource(&web(), &deployment(), &patch).await;
    assert_eq!(right(patched.unwrap_err()), "applications, update/apps/Deployment/shop/web, shop/web");
    let project = reader.project("shop").await;
    assert_eq!(right(project.unwrap_err()), "projects, get, shop");
    assert!(reader.can_i("applications", "get", "shop/web").await.unwrap());
    assert!(!reader.can_i("applications", "sync", "shop/web").await.unwrap());
}

#[tokio::test]
async fn what_is_missing_is_told_with_a_project_and_hidden_without() {
    let house = house();
    let gone = AppRef::new("shop", "gone");
    assert_eq!(code(house.client.app(&gone, Refresh::No).await), "argocd-app-unknown");
    assert_eq!(house.argocd.ledger().last().unwrap().status, 404);
    let bare = AppRef::new("", "gone");
    assert_eq!(code(house.client.app(&bare, Refresh::No).await), "argocd-app-unknown");
    assert_eq!(house.argocd.ledger().last().unwrap().status, 403);
    let elsewhere = AppRef::new("default", "web");
    assert_eq!(code(house.client.app(&elsewhere, Refresh::No).await), "argocd-app-unknown");
    assert_eq!(code(house.client.project("gone").await), "argocd-project-unknown");
}

#[tokio::test]
async fn a_token_that_is_gone_is_told() {
    let house = house();
    assert_eq!(house.client.user().await.unwrap().username, "naru");
    house.argocd.world(|world| world.remove_token(TOKEN));
    assert!(!house.client.user().await.unwrap().logged_in);
    assert_eq!(code(house.client.list(&ListQuery::default()).await), "argocd-token-refused");
}

#[tokio::test]
async fn an_old_server_is_refused() {
    let house = house();
    assert_eq!(house.client.version().await.unwrap().to_string(), "3.2.0");
    house.argocd.world(|world| world.version = "v2.0.5+1234567".to_owned());
    assert_eq!(code(house.client.version().await), "argocd-too-old");
}

#[tokio::test]
async fn a_test_in_a_patch_that_finds_something_else_is_a_conflict() {
    let house = house();
    let patch = Patch::Json(json!([
        { "op": "test", "path": "/spec/source/targetRevision", "value": "not-main" },
        { "op": "replace", "path": "/spec/source/targetRevision", "value": "x" },
    ]));
    assert_eq!(code(house.client.patch(&web(), &patch).await), "argocd-conflict");
    assert_eq!(house.app().await.sources()[0]["targetRevision"], "main");
}

#[tokio::test]
async fn every_write_says_what_it_sends_and_every_call_names_its_project() {
    let house = house();
    house.sync("op-1").await;
    house.client.terminate(&web()).await.unwrap();
    house.client.tree(&web()).await.unwrap();
    house.client.sync_windows(&web()).await.unwrap();
    for entry in house.argocd.calls("/applications/web") {
        let project = entry.parameter("project").or(entry.body["project"].as_str());
        assert_eq!(project, Some("shop"), "{}", entry.place());
        let expect = (entry.method != "GET").then_some("application/json");
        assert_eq!(entry.content_type.as_deref(), expect, "{}", entry.place());
    }
}

#[tokio::test]
async fn a_list_has_what_was_asked_for() {
    let house = house();
    house.argocd.world(|world| {
        world.add(
            json!({ "metadata": { "name": "blog", "labels": { "team": "web" } }, "spec": { "project": "default" } }),
        );
    });
    let names = async |query: ListQuery| -> Vec<String> {
        let list = house.client.list(&query).await.unwrap();
        list.into_iter().map(|app| app.metadata.name).collect()
    };
    assert_eq!(names(ListQuery::default()).await, ["blog", "web"]);
    assert_eq!(names(ListQuery { projects: vec!["shop".to_owned()], ..ListQuery::default() }).await, ["web"]);
    assert_eq!(names(ListQuery { selector: Some("team=web".to_owned()), ..ListQuery::default() }).await, ["blog"]);
    assert_eq!(names(ListQuery { projects: vec!["none".to_owned()], ..ListQuery::default() }).await, [""; 0]);
    let fields = vec!["metadata.name".to_owned(), "status.health".to_owned()];
    let list = house.client.list(&ListQuery { fields, ..ListQuery::default() }).await.unwrap();
    assert!(list.iter().all(|app| app.spec.is_null() && !app.metadata.name.is_empty()));
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let folder = naru_testkit::temp_dir();
    let open = |url: &str, token: &str| client(url, token, folder.path(), |_| {}).map(|_| ()).unwrap_err();
    for url in ["argocd.example.com", "ftp://argocd", "https://argocd/?x=1", "https://kim:geheim@argocd"] {
        let failure = open(url, "token");
        assert_eq!(failure.code, "argocd-url-wrong", "{url}");
        assert!(!failure.to_string().contains("geheim"));
    }
    assert_eq!(open("https://argocd", "to\nken").code, "argocd-token-wrong");
    std::fs::write(folder.path().join("ca.pem"), "no certificate").unwrap();
    let with_ca = client("https://argocd", "t", folder.path(), |config| config.ca_file = Some("ca.pem".into()));
    assert_eq!(code(with_ca.map(|_| ())), "certificates-wrong");
}
