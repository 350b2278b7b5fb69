//! A branch, a Git tag or a commit is deployed by the image that was built from it, and a rollback goes back to that image.

use naru_core::id::Id;
use naru_operation::operation::State;
use serde_json::{Value, json};

use crate::shop::Shop;

fn rollback(shop: &Shop, n: &str) -> Id {
    let answer = shop.say("rollback", json!({ "app": "api", "words": [n] })).unwrap();
    answer.data["operation"]["id"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_commit_is_deployed_by_the_image_of_a_branch_that_it_was_built_for() {
    let shop = Shop::new();
    // Its pipelines tell for which.
    let tag = shop.push("feature/cart");
    let commit = shop.code.head("feature/cart").unwrap();
    shop.push("feature/cart");
    shop.until(shop.deploy(&format!("api {commit}")).unwrap(), State::Done);
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"));
    // Of several it is the one whose image is there.
    shop.gitlab.pipeline("shop/code", &commit, "nightly", "success");
    shop.until(shop.deploy(&format!("web {}", &commit[..10])).unwrap(), State::Done);
    assert_eq!(shop.image("web"), format!("registry.test/shop/web:{tag}"));
    // Without a pipeline it is the branch that the app follows, where that has it.
    let (commit, tag) = shop.push_unbuilt("main");
    shop.build_images(&tag);
    shop.push("main");
    shop.until(shop.deploy(&format!("api {commit}")).unwrap(), State::Done);
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"));
    let (commit, _) = shop.push_unbuilt("nobody");
    assert_eq!(shop.deploy(&format!("api {commit}")).unwrap_err().code, "tag-needs-branch");
}

#[test]
fn a_git_tag_is_deployed_by_its_own_name_or_by_that_of_its_branch() {
    let shop = Shop::new();
    let tag = shop.push("main");
    let commit = shop.code.head("main").unwrap();
    shop.code.tag("v1.2.0", &commit);
    shop.push("main");
    shop.until(shop.deploy("api v1.2.0").unwrap(), State::Done);
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"));
    shop.gitlab.push_image("shop/api", "release-v1.2.0");
    shop.change_catalogue(|text| text.replace("deadline_s = 60", "deadline_s = 60\ntag = 'release-{tag}'"));
    let operation = shop.until(shop.deploy("api v1.2.0").unwrap(), State::Done);
    assert_eq!(operation.brief.title, "api → staging (v1.2.0)");
    assert_eq!(shop.image("api"), "registry.test/shop/api:release-v1.2.0");
    assert_eq!(shop.deploy("api main").unwrap_err().code, "tag-needs-branch");
}

#[test]
fn a_rollback_goes_back_to_the_tag_of_then_though_the_pattern_is_another() {
    let shop = Shop::new();
    let tag = shop.push("main");
    shop.until(shop.deploy("api").unwrap(), State::Done);
    shop.change_catalogue(|text| text.replace("deadline_s = 60", "deadline_s = 60\ntag = '{sha8}'"));
    let (commit, _) = shop.push_unbuilt("main");
    shop.gitlab.push_image("shop/api", &commit[..8]);
    shop.until(shop.deploy("api").unwrap(), State::Done);
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{}", &commit[..8]));
    shop.until(rollback(&shop, "1"), State::Done);
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"));
}

#[test]
fn a_rollback_goes_back_to_the_digest_of_then_though_the_tag_has_moved() {
    let shop = Shop::new();
    shop.change_catalogue(|text| text.replace("deadline_s = 60", "deadline_s = 60\ndigest_key = 'image.digest'"));
    // One that was there, and one that was being built when it was asked for.
    let tag = shop.push("main");
    let there = shop.gitlab.push_image("shop/api", &tag);
    shop.until(shop.deploy("api").unwrap(), State::Done);
    let (commit, other) = shop.push_unbuilt("main");
    shop.gitlab.pipeline("shop/code", &commit, "main", "running");
    let id = shop.deploy("api").unwrap();
    shop.until_waiting(id, "pipeline-running");
    let built = shop.gitlab.push_image("shop/api", &other);
    shop.until(id, State::Done);
    for (tag, digest) in [(tag, there), (other, built)] {
        let moved = shop.gitlab.move_tag("shop/api", &tag);
        shop.until(rollback(&shop, "1"), State::Done);
        let overlay = shop.overlay("api");
        assert!(overlay.contains(&tag) && overlay.contains(&digest) && !overlay.contains(&moved), "{overlay}");
    }
}

#[test]
fn a_tag_that_has_moved_is_told_where_only_the_tag_can_be_written() {
    let shop = Shop::new();
    let tag = shop.push("main");
    shop.until(shop.deploy("api").unwrap(), State::Done);
    shop.push("main");
    shop.until(shop.deploy("api").unwrap(), State::Done);
    let notes = || {
        let plan = shop.say("rollback", json!({ "app": "api", "plan": true })).unwrap();
        plan.data["plan"]["notes"].as_array().cloned().unwrap_or_default()
    };
    assert_eq!(notes(), Vec::<Value>::new());
    shop.gitlab.move_tag("shop/api", &tag);
    let notes = notes();
    assert_eq!((&notes[0]["code"], &notes[0]["args"]["tag"]), (&json!("rollback-tag-moved"), &json!(tag)));
}
