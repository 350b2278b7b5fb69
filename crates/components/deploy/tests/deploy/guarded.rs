//! A branch that people guard is changed by a merge request, which a person merges.

use naru_operation::operation::State;
use serde_json::json;

use crate::shop::Shop;

/// The one merge request that there is.
fn request(shop: &Shop, count: usize) -> u64 {
    let requests = shop.gitlab.merge_requests("shop/charts");
    assert_eq!(requests.len(), count, "{requests:?}");
    let (number, source, target) = requests.last().unwrap();
    assert!(source.starts_with("naru/") && target == "main", "{source} {target}");
    *number
}

#[test]
fn a_deploy_goes_on_when_its_merge_request_is_merged_and_back_by_another() {
    let mut shop = Shop::on_gitlab();
    let tag = shop.push("feature/cart");
    shop.charts.protect("main");
    let id = shop.deploy("api feature/cart").unwrap();
    shop.until_waiting(id, "merge-waits");
    request(&shop, 1);
    // A restart asks for no second one.
    shop.restart();
    shop.until_waiting(id, "merge-waits");
    shop.gitlab.merge("shop/charts", request(&shop, 1));
    shop.until(id, State::Done);
    assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"));
    let answer = shop.say("op undo", json!({ "operation": id })).unwrap();
    let back = answer.data["operation"]["id"].as_str().unwrap().parse().unwrap();
    shop.until_waiting(back, "merge-waits");
    shop.gitlab.merge("shop/charts", request(&shop, 2));
    shop.until(back, State::Done);
    assert_eq!(shop.image("api"), "registry.test/shop/api:main-first");
}

#[test]
fn a_merge_request_that_somebody_closes_ends_the_deploy() {
    let shop = Shop::on_gitlab();
    shop.push("main");
    shop.charts.protect("main");
    let id = shop.deploy("api").unwrap();
    shop.until_waiting(id, "merge-waits");
    shop.gitlab.close("shop/charts", request(&shop, 1));
    let operation = shop.until(id, State::Failed);
    assert_eq!(operation.brief.why.unwrap().code, "merge-closed");
    assert_eq!(shop.overlay("api"), "");
}

#[test]
fn a_deploy_that_is_given_up_and_taken_back_leaves_no_merge_request_to_be_merged() {
    let shop = Shop::on_gitlab();
    shop.push("main");
    shop.charts.protect("main");
    let id = shop.deploy("api").unwrap();
    shop.until_waiting(id, "merge-waits");
    shop.say("op cancel", json!({ "operation": id })).unwrap();
    shop.until(id, State::Cancelled);
    let number = request(&shop, 1);
    assert_eq!(shop.gitlab.merge_request_state("shop/charts", number), "opened");
    let answer = shop.say("op undo", json!({ "operation": id })).unwrap();
    let back = answer.data["operation"]["id"].as_str().unwrap().parse().unwrap();
    shop.until(back, State::Done);
    assert_eq!(shop.gitlab.merge_request_state("shop/charts", number), "closed");
    // There is nothing to take back by another one.
    request(&shop, 1);
    assert_eq!(shop.overlay("api"), "");
}
