//! The stand-in's answers against Argo CD's own description of its API (3.6): which fields an answer has, and of which type.

use naru_argocd::calls::apps::ListQuery;
use naru_argocd::project::Window;
use serde_json::{Value, json};

use crate::house::{deployment, house, web};

/// Of the calls that naru makes, the names and types of all that is answered; no word of what they mean.
const DESCRIBED: &str = include_str!("described.json");

/// Names `swagger.json` of Argo CD's sources, by which other versions can be looked at.
const PLACE: &str = "NARU_TEST_ARGOCD_SWAGGER";

#[tokio::test]
async fn the_stand_in_answers_as_the_api_is_described() {
    let elsewhere = std::env::var_os(PLACE).map(|path| std::fs::read_to_string(path).unwrap());
    let swagger: Value = serde_json::from_str(elsewhere.as_deref().unwrap_or(DESCRIBED)).unwrap();
    let house = house();
    house.argocd.world(|world| world.own_by_set("web", "shops"));
    house.sync("op-1").await;
    let mut project = house.client.project("shop").await.unwrap();
    project.add_window(&Window {
        kind: "deny".to_owned(),
        schedule: "0 0 * * *".to_owned(),
        duration: "1h".to_owned(),
        ..Window::default()
    });
    house.client.put_project(&project).await.unwrap();
    house.client.list(&ListQuery::default()).await.unwrap();
    let app = house.app().await;
    let revision = app.revisions()[0].to_owned();
    house.client.resource(&web(), &deployment()).await.unwrap();
    // An error means that it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (path, described) in [
        ("/api/version", "/api/version"),
        ("/api/v1/session/userinfo", "/api/v1/session/userinfo"),
        ("/api/v1/account/can-i/applications/get/shop/web", "/api/v1/account/can-i/{resource}/{action}/{subresource}"),
        ("/api/v1/applications", "/api/v1/applications"),
        ("/api/v1/applications/web?project=shop", "/api/v1/applications/{name}"),
        ("/api/v1/applications/web/resource-tree?project=shop", "/api/v1/applications/{applicationName}/resource-tree"),
        ("/api/v1/applications/web/syncwindows?project=shop", "/api/v1/applications/{name}/syncwindows"),
        ("/api/v1/applications/web/manifests?project=shop", "/api/v1/applications/{name}/manifests"),
        (
            "/api/v1/applications/web/resource?project=shop&group=apps&version=v1&kind=Deployment&namespace=shop&resourceName=web",
            "/api/v1/applications/{name}/resource",
        ),
        (
            &format!("/api/v1/applications/web/revisions/{revision}/metadata?project=shop"),
            "/api/v1/applications/{name}/revisions/{revision}/metadata",
        ),
        ("/api/v1/projects/shop", "/api/v1/projects/{name}"),
    ] {
        let request = http.get(format!("{}{path}", house.argocd.url()));
        let request = request.header("authorization", format!("Bearer {}", naru_testkit::argocd::TOKEN));
        let answer: Value = serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap();
        let schema = &swagger["paths"][described]["get"]["responses"]["200"]["schema"];
        assert!(schema.is_object(), "{described} is described");
        let mut wrong = Vec::new();
        check(&swagger, schema, &answer, path, &mut wrong);
        assert_eq!(wrong, [""; 0]);
    }
    let paths = house.argocd.ledger();
    assert!(paths.iter().all(|entry| entry.status == 200), "{paths:?}");
}

/// The description leaves out what Go writes inline: a node of the tree begins with the names of its object.
const INLINE: [&str; 6] = ["group", "version", "kind", "namespace", "name", "uid"];

/// Notes what an answer has that is not described, or described otherwise.
fn check(swagger: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let definition = name.rsplit('/').next().unwrap();
        return check(swagger, &swagger["definitions"][definition], value, at, wrong);
    }
    match (schema["type"].as_str(), value) {
        // Go writes nothing as null.
        (_, Value::Null) => {}
        (Some("object") | None, Value::Object(map)) => {
            for (key, value) in map {
                let at = format!("{at}/{key}");
                if at.rsplit_once("/nodes/").is_some_and(|(_, name)| INLINE.contains(&name)) {
                    continue;
                }
                match (&schema["properties"][key], &schema["additionalProperties"]) {
                    (Value::Null, Value::Null) if schema["properties"].is_object() => wrong.push(at),
                    (Value::Null, below) | (below, _) => check(swagger, below, value, &at, wrong),
                }
            }
        }
        (Some("array"), Value::Array(list)) => {
            list.iter().for_each(|value| check(swagger, &schema["items"], value, at, wrong));
        }
        (Some("string"), Value::String(_)) | (Some("boolean"), Value::Bool(_)) => {}
        (Some("integer" | "number"), Value::Number(_)) | (None, _) => {}
        (Some(kind), value) => wrong.push(format!("{at} is no {kind}: {value}")),
    }
}

#[test]
fn what_is_not_described_is_found() {
    let swagger = json!({ "definitions": { "A": { "type": "object", "properties": { "a": { "type": "string" } } } } });
    let mut wrong = Vec::new();
    check(&swagger, &json!({ "$ref": "#/definitions/A" }), &json!({ "a": 1, "b": 2 }), "", &mut wrong);
    assert_eq!(wrong, ["/a is no string: 1", "/b"]);
}
