//! What cannot be deployed is refused with the reason, before anything is written; what fails on the way says why.

use naru_operation::grant::Grant;
use naru_operation::operation::State;
use naru_testkit::argocd::fault::Fault;
use naru_web::role::{Actor, Role};
use serde_json::json;

use crate::shop::Shop;

#[test]
fn refused_before_anything_is_written() {
    let shop = Shop::new();
    let check = |words: &str, code: &str| assert_eq!(shop.deploy(words).unwrap_err().code, code, "{words}");
    shop.push("main");
    check("wbe", "app-unknown-near");
    check("web to moon", "deploy-env-unknown");
    check("web feature/none", "git-ref-unknown");
    let (commit, _) = shop.push_unbuilt("feature/broken");
    shop.gitlab.pipeline("shop/code", &commit, "feature/broken", "failed");
    check("web feature/broken", "pipeline-failed");
    let (commit, _) = shop.push_unbuilt("feature/absent");
    shop.gitlab.pipeline("shop/code", &commit, "feature/absent", "success");
    check("web feature/absent", "registry-tag-absent");
    let viewer = Actor::new("viewer", Role::View);
    let refused = shop.say_as(&viewer, "deploy", json!({ "words": ["web"] })).unwrap_err();
    assert_eq!(refused.code, "role-too-small");
    let other = Actor::new("other", Role::Operate);
    shop.say_as(&other, "lock", json!({ "scope": "staging", "words": ["for", "2h", "a", "test"] })).unwrap();
    check("web", "operation-locked");
    assert_eq!(shop.say("lock", json!({ "scope": "stagin" })).unwrap_err().code, "app-unknown");
    shop.say_as(&other, "unlock", json!({ "scope": "staging" })).unwrap();
    shop.argocd.world(|world| world.remove_token(naru_testkit::argocd::TOKEN));
    check("web", "argocd-token-refused");
    assert_eq!(shop.commits(), []);
}

#[test]
fn where_there_are_grants_they_decide() {
    let mut shop = Shop::new();
    shop.push("main");
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    shop.grants = vec![Grant { who: texts(&["S0API"]), may: texts(&["deploy", "lock"]), on: texts(&["api@staging"]) }];
    shop.restart();
    let developer = Actor { also: texts(&["U0ONE", "S0API"]), ..Actor::new("one (U0ONE)", Role::View) };
    let refused = shop.say_as(&developer, "deploy", json!({ "words": ["web", "api"] })).unwrap_err();
    let missing = [refused.args["may"].as_str(), refused.args["on"].as_str()];
    assert_eq!((refused.code.as_str(), missing), ("operation-grant-missing", ["deploy", "web@staging"]));
    // A role alone is not enough any more.
    assert_eq!(shop.deploy("api").unwrap_err().code, "operation-grant-missing");
    let answer = shop.say_as(&developer, "deploy", json!({ "words": ["api"] })).unwrap();
    shop.until(answer.data["operation"]["id"].as_str().unwrap().parse().unwrap(), State::Done);
    let lock = |scope: &str| shop.say_as(&developer, "lock", json!({ "scope": scope })).map_err(|failure| failure.code);
    assert_eq!(lock("staging").unwrap_err(), "operation-grant-missing");
    lock("api@staging").unwrap();
}

#[test]
fn a_plan_alone_changes_nothing() {
    let shop = Shop::new();
    let tag = shop.push("main");
    let answer = shop.say("deploy", json!({ "words": ["web"], "plan": true })).unwrap();
    assert_eq!(answer.data["plan"]["steps"][0]["before"], "web main-first");
    assert_eq!(answer.data["plan"]["steps"][0]["after"], format!("web {tag}"));
    assert_eq!(shop.say("queue", json!({})).unwrap().data["operations"], json!([]));
    assert_eq!(shop.commits(), []);
}

#[test]
fn the_first_failure_of_a_release_starts_no_further_app() {
    let shop = Shop::new();
    shop.push("main");
    // What Argo CD syncs by itself would fail instead.
    shop.argocd.world(|world| world.change_app("api-staging", &json!({ "spec": { "syncPolicy": null } })));
    shop.argocd.world(|world| world.fail_next_sync = Some("one or more objects failed to apply".to_owned()));
    let id = shop.deploy("web api").unwrap();
    let operation = shop.until(id, State::Failed);
    let why = operation.brief.why.unwrap();
    assert_eq!((why.code.as_str(), why.args["app"].as_str()), ("rollout-failed", "api-staging"));
    assert_eq!(shop.commits().len(), 1, "web was not written");
    assert_eq!(shop.overlay("web"), "");
}

#[test]
fn an_argo_cd_that_is_down_for_a_while_is_waited_for() {
    let shop = Shop::new();
    let tag = shop.push("main");
    for _ in 0..3 {
        shop.argocd.fault_at("POST /api/v1/applications/api-staging/sync", Fault::Status(503));
    }
    let id = shop.deploy("api").unwrap();
    shop.until(id, State::Done);
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"));
}

#[test]
fn a_protected_branch_is_told_as_such() {
    let shop = Shop::new();
    shop.push("main");
    shop.charts.protect("main");
    let id = shop.deploy("api").unwrap();
    let operation = shop.until(id, State::Failed);
    assert_eq!(operation.brief.why.unwrap().code, "git-branch-protected");
    assert_eq!(shop.commits(), []);
}

#[test]
fn a_window_that_lets_nobody_pass_refuses_before_anything_is_written() {
    let shop = Shop::new();
    shop.push("main");
    shop.argocd.world(|world| {
        let window = json!({ "kind": "deny", "schedule": "0 0 * * *", "duration": "25h", "applications": ["*"] });
        world.change_project("shop", &json!({ "spec": { "syncWindows": [window] } }));
    });
    let refused = shop.deploy("api").unwrap_err();
    assert_eq!((refused.code.as_str(), refused.args["windows"].as_str()), ("deploy-window", "deny 0 0 * * * 25h"));
    assert_eq!(shop.commits(), []);
}
