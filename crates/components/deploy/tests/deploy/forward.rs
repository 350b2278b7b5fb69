//! A deploy writes to Git, syncs, and is done when the apps are healthy with the wanted images; what it did is taken back.

use naru_operation::operation::State;
use serde_json::json;

use crate::shop::Shop;

#[test]
fn an_app_is_deployed_by_one_commit_and_one_sync() {
    let shop = Shop::new();
    let tag = shop.push("feature/cart");
    let id = shop.deploy("api feature/cart").unwrap();
    let operation = shop.until(id, State::Done);
    assert_eq!(operation.brief.title, "api → staging (feature/cart)");
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"));
    assert_eq!(shop.image("web"), "registry.test/shop/web:main-first");
    let commits = shop.commits();
    assert_eq!(commits.len(), 1);
    assert_eq!(commits[0].author, "developer@shop.example <developer@shop.example>");
    assert!(commits[0].message.contains("Requested-by: developer@shop.example"), "{}", commits[0].message);
    assert!(shop.overlay("api").contains(&tag));
    // Argo CD's own history names whoever asked.
    let state = shop.argocd.world(|world| world.app("api-staging")["status"]["operationState"].clone());
    let told = state["operation"]["info"].as_array().unwrap();
    assert!(told.contains(&json!({ "name": "by", "value": "developer@shop.example" })), "{state}");

    let who = shop.say("who", json!({ "name": "staging" })).unwrap().data;
    assert_eq!(
        (who[0]["target"].as_str(), who[0]["actor"].as_str()),
        (Some("api@staging"), Some("developer@shop.example"))
    );
    assert_eq!(shop.say("who", json!({ "name": "web" })).unwrap().data, json!([]));

    // The same once more: there is nothing to do.
    let again = shop.deploy("api feature/cart").unwrap();
    assert_eq!(shop.until(again, State::Done).plan.steps, []);
    assert_eq!(shop.commits().len(), 1);
}

#[test]
fn what_is_needed_goes_first_and_all_of_it_is_taken_back() {
    let shop = Shop::new();
    let first = shop.push("main");
    let id = shop.deploy("web api").unwrap();
    shop.until(id, State::Done);
    let second = shop.push("feature/cart");
    let id = shop.deploy("web api feature/cart").unwrap();
    let operation = shop.until(id, State::Done);
    let told: Vec<String> = operation
        .plan
        .steps
        .iter()
        .map(|step| format!("{} {} {:?}", step.verb, step.subject.split(' ').next_back().unwrap(), step.needs))
        .collect();
    assert_eq!(
        told,
        [
            "commit api/.argocd-source-api-staging.yaml []",
            "rollout api@staging [0]",
            "commit web/.argocd-source-web-staging.yaml [1]",
            "rollout web@staging [2, 1]"
        ]
    );
    assert_eq!(shop.image("web"), format!("registry.test/shop/web:{second}"));

    let answer = shop.say("op undo", json!({ "operation": id })).unwrap();
    let back = answer.data["operation"]["id"].as_str().unwrap().parse().unwrap();
    let operation = shop.until(back, State::Done);
    let order: Vec<&str> = operation.plan.steps.iter().map(|step| step.verb.as_str()).collect();
    assert_eq!(order, ["commit", "rollout", "commit", "rollout"]);
    assert_eq!(operation.plan.steps[1].subject, "web@staging");
    for app in ["web", "api"] {
        assert_eq!(shop.image(app), format!("registry.test/shop/{app}:{first}"));
    }
    assert!(!shop.overlay("api").contains(&second));
}

#[test]
fn a_rollback_goes_to_a_release_of_before() {
    let shop = Shop::new();
    assert_eq!(shop.say("rollback", json!({ "app": "api" })).unwrap_err().code, "rollback-none");
    let mut tags = Vec::new();
    for _ in 0..3 {
        tags.push(shop.push("main"));
        let id = shop.deploy("api").unwrap();
        shop.until(id, State::Done);
    }
    let answer = shop.say("rollback", json!({ "app": "api", "words": ["2"] })).unwrap();
    let id = answer.data["operation"]["id"].as_str().unwrap().parse().unwrap();
    shop.until(id, State::Done);
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{}", tags[0]));
    // What was taken back is no release to go back to.
    let answer = shop.say("op undo", json!({ "operation": id })).unwrap();
    let back = answer.data["operation"]["id"].as_str().unwrap().parse().unwrap();
    shop.until(back, State::Done);
    let answer = shop.say("rollback", json!({ "app": "api" })).unwrap();
    let id = answer.data["operation"]["id"].as_str().unwrap().parse().unwrap();
    shop.until(id, State::Done);
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{}", tags[1]));
    assert_eq!(shop.say("rollback", json!({ "app": "api", "words": ["9"] })).unwrap_err().args["known"], "3");
}

#[test]
fn an_image_is_waited_for_while_its_pipeline_runs() {
    let shop = Shop::new();
    let (commit, tag) = shop.push_unbuilt("feature/cart");
    shop.gitlab.pipeline("shop/code", &commit, "feature/cart", "running");
    let id = shop.deploy("api feature/cart").unwrap();
    shop.until_waiting(id, "pipeline-running");
    assert_eq!(shop.commits(), [], "nothing is written before the image is there");
    shop.gitlab.pipeline("shop/code", &commit, "feature/cart", "failed");
    let operation = shop.until(id, State::Failed);
    assert_eq!(operation.brief.why.unwrap().code, "pipeline-failed");
    assert_eq!(shop.commits(), []);
    drop(tag);
}

#[test]
fn what_an_owner_holds_is_deployed_by_git() {
    let shop = Shop::new();
    shop.argocd.world(|world| {
        world.add_set("shops", json!({}));
        world.own_by_set("api-staging", "shops");
    });
    let tag = shop.push("feature/cart");
    let id = shop.deploy("api feature/cart").unwrap();
    shop.until(id, State::Done);
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"));
}

#[test]
fn a_window_that_lets_people_pass_lets_a_deploy_pass() {
    let shop = Shop::new();
    shop.argocd.world(|world| {
        let window = json!({
            "kind": "deny", "schedule": "0 0 * * *", "duration": "24h", "applications": ["*"], "manualSync": true,
        });
        world.change_project("shop", &json!({ "spec": { "syncWindows": [window] } }));
    });
    let tag = shop.push("feature/cart");
    let id = shop.deploy("api feature/cart").unwrap();
    shop.until(id, State::Done);
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"));
}

#[test]
fn what_runs_in_a_batch_app_ends_first() {
    let shop = Shop::new();
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: { name: nightly }\nspec: {}\n";
    shop.charts.commit("main", &[("api/templates/job.yaml", Some(job.as_bytes()))], "Job");
    shop.argocd.settle();
    shop.change_catalogue(|catalogue| catalogue.replace("deadline_s = 60", "deadline_s = 60\nbatch = true"));
    shop.push("main");
    let id = shop.deploy("api").unwrap();
    shop.until(id, State::Done);
    shop.argocd.world(|world| world.drift("api-staging", "Job", "nightly", &json!({ "status": { "active": 1 } })));
    let tag = shop.push("main");
    let id = shop.deploy("api").unwrap();
    shop.until_waiting(id, "drain-runs");
    assert!(!shop.overlay("api").contains(&tag), "{}", shop.overlay("api"));
    shop.argocd.world(|world| world.drift("api-staging", "Job", "nightly", &json!({ "status": { "active": 0 } })));
    shop.until(id, State::Done);
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"));
}

#[test]
fn the_digest_of_an_image_that_was_being_built_is_written_with_its_tag() {
    let shop = Shop::new();
    shop.change_catalogue(|catalogue| {
        catalogue.replace("deadline_s = 60", "deadline_s = 60\ndigest_key = 'image.digest'")
    });
    let (commit, tag) = shop.push_unbuilt("feature/cart");
    shop.gitlab.pipeline("shop/code", &commit, "feature/cart", "running");
    let id = shop.deploy("api feature/cart").unwrap();
    shop.until_waiting(id, "pipeline-running");
    let digest = shop.gitlab.push_image("shop/api", &tag);
    shop.until(id, State::Done);
    let overlay = shop.overlay("api");
    assert!(overlay.contains(&tag) && overlay.contains(&digest), "{overlay}");
}

#[test]
fn what_failed_on_its_way_is_gone_back_from_to_what_ran_before() {
    let shop = Shop::new();
    let first = shop.push("main");
    let id = shop.deploy("api").unwrap();
    shop.until(id, State::Done);
    // What Argo CD syncs by itself would fail instead.
    shop.argocd.world(|world| world.change_app("api-staging", &json!({ "spec": { "syncPolicy": null } })));
    shop.push("main");
    shop.argocd.world(|world| world.fail_next_sync = Some("one or more objects failed to apply".to_owned()));
    let id = shop.deploy("api").unwrap();
    shop.until(id, State::Failed);
    let who = shop.say("who", json!({ "name": "api" })).unwrap();
    assert!(first.ends_with(&who.data[0]["commit"].as_str().unwrap()[..8]), "{:?}", who.data);
    let answer = shop.say("rollback", json!({ "app": "api" })).unwrap();
    shop.until(answer.data["operation"]["id"].as_str().unwrap().parse().unwrap(), State::Done);
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{first}"));
    assert!(shop.overlay("api").contains(&first), "{}", shop.overlay("api"));
}
