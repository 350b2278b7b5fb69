//! What others do meanwhile is left to them: a pipeline that writes, a person who looks at a canary, a sync that runs already.

use naru_operation::operation::State;
use naru_testkit::argocd::fault::Fault;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::json;

use crate::shop::Shop;

/// Syncs that Argo CD took from naru.
fn syncs(shop: &Shop) -> usize {
    let all = shop.argocd.calls("POST /api/v1/applications/api-staging/sync");
    all.iter().filter(|call| call.status == 200).count()
}

#[test]
fn where_a_pipeline_writes_its_key_is_written_and_a_pin_is_told_not_to_hold() {
    let shop = Shop::new();
    shop.only_api("pipeline_writes = true\nvalues_file = 'api/values.yaml'", "");
    let values = |tag: &str| format!("image:\n  tag: {tag} # until somebody deploys\n");
    assert_eq!(shop.file("api/values.yaml"), values("main-first"));
    let tag = shop.push("feature/cart");
    let plan = shop.say("deploy", json!({ "words": ["api", "feature/cart"], "plan": true })).unwrap().data;
    let note = &plan["plan"]["notes"][0];
    assert_eq!((&note["code"], &note["args"]["by"]), (&json!("pin-not-held"), &json!("CI")));
    shop.deployed("api feature/cart");
    assert_eq!((shop.file("api/values.yaml"), shop.overlay("api")), (values(&tag), String::new()));
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"));

    // The branch that the app follows is built, and its pipeline writes.
    let tag = shop.push("main");
    shop.charts.commit("main", &[("api/values.yaml", Some(values(&tag).as_bytes()))], "By CI");
    let operation = shop.deployed("api");
    let verbs: Vec<&str> = operation.plan.steps.iter().map(|step| step.verb.as_str()).collect();
    assert_eq!((verbs, shop.commits().len()), (vec!["rollout"], 1), "it is written already");
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"));
}

#[test]
fn what_a_pipeline_writes_nobody_knows_where_is_not_written_over() {
    let shop = Shop::new();
    shop.only_api("pipeline_writes = true", "");
    shop.push("main");
    assert_eq!(shop.deploy("api").unwrap_err().code, "way-no-values-file");
    assert_eq!((shop.commits(), shop.overlay("api")), (vec![], String::new()));
    // Unless somebody says that this is the place.
    shop.only_api("pipeline_writes = true\nwrite = 'override'", "");
    shop.deployed("api");
    assert_eq!(shop.commits().len(), 1);
}

#[test]
fn a_canary_that_waits_for_a_person_is_waited_for() {
    let mut shop = Shop::new();
    let rollout = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: { name: api }\nspec:\n  replicas: 2\n  strategy:\n    \
                   canary:\n      steps:\n      - setWeight: 50\n      - pause: {}\n  template:\n    spec:\n      containers:\n      \
                   - name: api\n        image: \"registry.test/shop/api:{{ .Values.image.tag }}\"\n";
    shop.charts.commit("main", &[("api/templates/deployment.yaml", Some(rollout.as_bytes()))], "Rollout");
    shop.remake_api("argocd", &json!({}));
    let tag = shop.push("main");
    let id = shop.deploy("api").unwrap();
    shop.until_waiting(id, "rollout-suspended");
    assert_eq!(shop.images("api-staging", "Rollout", "api"), [format!("registry.test/shop/api:{tag}")]);
    // A restart neither gives up nor syncs again.
    shop.restart();
    shop.until_waiting(id, "rollout-suspended");
    shop.argocd.world(|world| {
        world.drift("api-staging", "Rollout", "api", &json!({ "status": { "pauseConditions": null } }));
    });
    shop.until(id, State::Done);
    assert_eq!((syncs(&shop), shop.commits().len()), (1, 1));
}

/// Somebody else syncs `api` now, and that goes on until it is let go.
fn sync_by_others(shop: &Shop) {
    shop.argocd.world(|world| {
        let operation = json!({ "initiatedBy": { "username": "other" }, "sync": { "prune": false } });
        world.operations_stand = true;
        world.change_app("api-staging", &json!({ "operation": operation, "status": { "operationState": null } }));
    });
}

/// It ends, with an error where one is given.
fn others_end(shop: &Shop, error: Option<&str>) {
    shop.argocd.world(|world| {
        world.fail_next_sync = error.map(str::to_owned);
        world.operations_stand = false;
    });
}

/// The last operation of `api` is naru's, and the image runs.
fn is_ours(shop: &Shop, tag: &str) {
    let state = shop.argocd.world(|world| world.app("api-staging")["status"]["operationState"].clone());
    let infos = state["operation"]["info"].as_array().unwrap();
    assert!(infos.iter().any(|info| info["name"] == "naru") && state["phase"] == "Succeeded", "{state}");
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"));
    assert_eq!((syncs(shop), shop.commits().len()), (1, 1));
}

#[test]
fn a_sync_of_somebody_else_is_awaited_however_it_ends() {
    for error in [None, Some("a hook of theirs failed")] {
        let shop = Shop::new();
        sync_by_others(&shop);
        let tag = shop.push("main");
        let id = shop.deploy("api").unwrap();
        shop.until_waiting(id, "rollout-other");
        assert_eq!(syncs(&shop), 0);
        others_end(&shop, error);
        shop.until(id, State::Done);
        is_ours(&shop, &tag);
    }
}

#[test]
fn a_sync_that_somebody_begins_at_the_same_moment_is_awaited_too() {
    let shop = Shop::new();
    // What Argo CD began by itself would be a third one.
    shop.argocd.world(|world| world.change_app("api-staging", &json!({ "spec": { "syncPolicy": null } })));
    let tag = shop.push("main");
    let pushes = shop.charts.hold_pushes();
    let id = shop.deploy("api").unwrap();
    shop.wait(eventually("a push", PATIENCE, async || (pushes.count() == 1).then_some(())));
    shop.argocd.fault_at("GET /api/v1/applications/api-staging", Fault::Hold);
    drop(pushes);
    let is_held = || shop.argocd.ledger().iter().any(|call| call.fault == Some(Fault::Hold));
    shop.wait(eventually("a look", PATIENCE, async || is_held().then_some(())));
    // naru is told that nothing runs.
    sync_by_others(&shop);
    shop.argocd.release();
    shop.until_waiting(id, "rollout-other");
    let asked = shop.argocd.calls("POST /api/v1/applications/api-staging/sync");
    assert_eq!(asked.iter().map(|call| call.status).collect::<Vec<_>>(), [400], "asked for once, and refused");
    others_end(&shop, None);
    shop.until(id, State::Done);
    is_ours(&shop, &tag);
}
