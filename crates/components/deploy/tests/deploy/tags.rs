//! A tag of Git is deployed by the image that carries its name.

use naru_operation::operation::State;
use serde_json::{Value, json};

use crate::shop::Shop;

/// The images of `api` are named after tags; more of its place is given.
fn by_tag(shop: &Shop, place: &str) {
    shop.rewrite_catalogue(&format!(
        "[app.api]\nrepository = '{}'\nimage = 'registry.test/shop/api'\ntag = '{{tag}}'\ndeadline_s = 60\n\
         env.staging = {{ application = 'api-staging', project = 'shop'{place} }}\n",
        shop.gitlab.git_url("shop/code")
    ));
}

/// A commit with a tag on it.
fn tag(shop: &Shop, name: &str) -> String {
    let (commit, _) = shop.push_unbuilt("main");
    shop.code.tag(name, &commit);
    commit
}

fn image(version: &str) -> String {
    format!("registry.test/shop/api:{version}")
}

#[test]
fn a_tag_is_deployed_and_another_one_is_gone_back_from() {
    let shop = Shop::new();
    by_tag(&shop, "");
    for version in ["v1.2.0", "v1.10.0"] {
        let commit = tag(&shop, version);
        shop.gitlab.push_image("shop/api", version);
        let operation = shop.deployed(&format!("api {version}"));
        assert_eq!(operation.brief.title, format!("api → staging ({version})"));
        assert_eq!(shop.image("api"), image(version));
        let told = format!("api: {version} ({version} at {})", &commit[..8]);
        assert!(shop.commits()[0].message.contains(&told), "{}", shop.commits()[0].message);
    }
    // No branch is followed, so nothing is beside it, and nothing is deployed that nobody names.
    assert_eq!(shop.say("who", json!({ "name": "api" })).unwrap().data[0]["pin"], Value::Null);
    assert_eq!(shop.deploy("api").unwrap_err().code, "deploy-no-ref");
    let back = shop.ask("rollback", json!({ "app": "api" }));
    shop.until(back, State::Done);
    assert_eq!(shop.image("api"), image("v1.2.0"));
    shop.undone(back);
    assert_eq!(shop.image("api"), image("v1.10.0"));
}

#[test]
fn a_tag_beside_a_branch_that_is_followed_is_a_pin_and_the_branch_has_no_image() {
    let shop = Shop::new();
    by_tag(&shop, ", branch = 'main'");
    tag(&shop, "v1.2.0");
    shop.gitlab.push_image("shop/api", "v1.2.0");
    shop.deployed("api v1.2.0");
    let who = shop.say("who", json!({ "name": "api" })).unwrap().data[0].clone();
    assert_eq!((&who["pin"]["ref"], &who["hidden"]), (&json!("v1.2.0"), &json!(0)));
    assert_eq!(shop.deploy("api").unwrap_err().code, "tag-needs-branch");
    assert_eq!(shop.deploy("api v9").unwrap_err().code, "git-ref-unknown");
}

#[test]
fn it_is_the_pipeline_of_the_tag_that_builds_its_image() {
    let shop = Shop::new();
    by_tag(&shop, "");
    let commit = tag(&shop, "v1.2.0");
    // The branch has the same commit, and its pipeline says nothing about the image of the tag.
    shop.gitlab.pipeline("shop/code", &commit, "v1.2.0", "failed");
    shop.gitlab.pipeline("shop/code", &commit, "main", "running");
    assert_eq!(shop.deploy("api v1.2.0").unwrap_err().code, "pipeline-failed");
    shop.gitlab.pipeline("shop/code", &commit, "v1.2.0", "running");
    shop.gitlab.pipeline("shop/code", &commit, "main", "failed");
    let id = shop.deploy("api v1.2.0").unwrap();
    shop.until_waiting(id, "pipeline-running");
    assert_eq!(shop.commits(), []);
    shop.gitlab.push_image("shop/api", "v1.2.0");
    shop.until(id, State::Done);
    assert_eq!(shop.image("api"), image("v1.2.0"));
}
