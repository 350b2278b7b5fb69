//! A deploy is done when what it put there is healthy, and not when it was put there.

use naru_operation::operation::State;

use crate::shop::Shop;

#[test]
fn a_deploy_waits_until_its_pods_are_well() {
    let shop = Shop::new();
    let tag = shop.push("main");
    let image = format!("registry.test/shop/api:{tag}");
    shop.argocd.world(|world| world.broken_images.insert(image.clone()));
    let id = shop.deploy("api").unwrap();
    shop.until_waiting(id, "rollout-degraded");
    assert_eq!(shop.image("api"), image, "it is there, and does not run");
    shop.argocd.world(|world| world.broken_images.clear());
    shop.until(id, State::Done);
}

#[test]
fn a_deploy_whose_pods_never_run_fails_in_time_and_says_why() {
    let shop = Shop::new();
    shop.change_catalogue(|text| text.replace("deadline_s = 60", "deadline_s = 3"));
    let tag = shop.push("main");
    shop.argocd.world(|world| world.broken_images.insert(format!("registry.test/shop/api:{tag}")));
    let id = shop.deploy("api").unwrap();
    let operation = shop.until(id, State::Failed);
    let why = operation.brief.why.unwrap();
    assert_eq!((why.code.as_str(), why.args["last"].as_str()), ("operation-step-late", "rollout-degraded"), "{why:?}");
    assert_eq!(why.args["app"], "api-staging", "what was last seen is told with its own arguments");
    // What was put there stays, until a person takes it back.
    assert!(shop.image("api").ends_with(&tag));
}
