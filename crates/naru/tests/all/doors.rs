//! The door to the network: who may come in, and what there is.

use serde_json::Value;

use crate::house::{House, http};

#[tokio::test]
async fn who_says_nothing_of_themselves_is_nobody() {
    let house = House::new();
    let serve = house.serve().await;
    let ask = async |token: Option<&str>, path: &str| {
        let request = http().post(format!("{}{path}", serve.url));
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap()["errors"][0]["code"].as_str().map(str::to_owned))
    };
    let code = |code: &str| Some(code.to_owned());
    assert_eq!(ask(None, "/v1/token/list").await, (401, code("sign-in-needed")));
    assert_eq!(ask(Some("naru_wrong"), "/v1/token/list").await, (401, code("token-refused")));
    let viewer = house.done(&["token", "add", "viewer", "--role", "view"]);
    assert_eq!(ask(Some(viewer.trim()), "/v1/token/list").await, (403, code("role-too-small")));
    let admin = house.done(&["token", "add", "root", "--role", "admin"]);
    assert_eq!(ask(Some(admin.trim()), "/v1/token/list").await, (200, None));
    assert_eq!(ask(Some(admin.trim()), "/v1/token/lisst").await, (404, code("page-missing")));
    serve.stop().await;
}

#[tokio::test]
async fn a_terminal_elsewhere_needs_a_token() {
    let house = House::new();
    let serve = house.serve().await;
    let elsewhere = House::empty();
    let (code, said) = elsewhere.refused(&["token", "list", "--url", &serve.url]);
    assert_eq!(code, 1);
    assert!(said.starts_with("error: Nobody is signed in\n"), "{said}");
    elsewhere.write("token", &house.done(&["token", "add", "remote", "--role", "admin"]));
    let listed = elsewhere.done(&["token", "list", "--url", &serve.url, "--token-file", "token"]);
    assert!(listed.contains("remote"), "{listed}");
    let gone = serve.url.clone();
    serve.stop().await;
    let (code, said) = elsewhere.refused(&["token", "list", "--url", &gone]);
    assert_eq!(code, 1);
    assert!(said.contains("cannot be reached"), "{said}");
}

#[tokio::test]
async fn every_word_is_described_and_answers_where_it_is_described() {
    let house = House::new();
    let serve = house.serve().await;
    let document: Value =
        http().get(format!("{}/v1/openapi.json", serve.url)).send().await.unwrap().json().await.unwrap();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    for path in &paths {
        let response = http().post(format!("{}{path}", serve.url)).send().await.unwrap();
        assert_eq!(response.status(), 401, "{path}");
    }
    // What help lists and is no command of the terminal alone is described, each verb of it.
    let mut words = Vec::new();
    for first in listed(&house.done(&["--help"])) {
        if ["init", "serve", "sandbox", "config", "demo"].contains(&first.as_str()) {
            continue;
        }
        let help = house.done(&[&first, "--help"]);
        let verbs = if help.contains("\nCommands:\n") { listed(&help) } else { Vec::new() };
        words.extend(verbs.iter().filter(|verb| *verb != "help").map(|verb| format!("/v1/{first}/{verb}")));
        if verbs.is_empty() {
            words.push(format!("/v1/{first}"));
        }
    }
    // Of these two the terminal runs the command itself.
    words.retain(|word| !["/v1/leader/run", "/v1/job/run"].contains(&word.as_str()));
    words.sort();
    assert_eq!(paths, words.iter().collect::<Vec<_>>());
    serve.stop().await;
}

/// The commands that a page of help lists.
fn listed(help: &str) -> Vec<String> {
    let before_options = help.split("\nOptions:\n").next().unwrap();
    let lines = before_options.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}
