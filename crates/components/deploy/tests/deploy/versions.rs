//! The oldest Argo CD that naru speaks with and a new one: the same deploy, by an account that may do no more than it must.

use naru_operation::operation::State;
use naru_testkit::argocd::TOKEN;
use serde_json::json;

use crate::shop::Shop;

const VERSIONS: [&str; 2] = ["v2.1.0+0000000", "v3.2.0+0000000"];

/// What naru's account may do; from 3.2 on an installation may want more for a sync to a revision.
fn shop_of(version: &str, rights: &[&str]) -> Shop {
    let shop = Shop::new();
    shop.argocd.world(|world| {
        world.version = version.to_owned();
        world.wants_override = version.starts_with("v3.");
        let lines: Vec<String> = rights.iter().map(|right| format!("applications, {right}, shop/*, allow")).collect();
        world.add_token(TOKEN, "naru", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    });
    shop
}

/// Methods and paths of what was written.
fn writes(shop: &Shop) -> Vec<String> {
    let all = shop.argocd.ledger();
    all.iter().filter(|call| call.method != "GET").map(|call| format!("{} {}", call.place(), call.status)).collect()
}

#[test]
fn a_deploy_by_git_and_its_way_back_need_the_rights_to_look_and_to_sync() {
    for version in VERSIONS {
        let shop = shop_of(version, &["get", "sync"]);
        // It looks for Jobs as well.
        shop.change_catalogue(|catalogue| catalogue.replace("deadline_s = 60", "deadline_s = 60\nbatch = true"));
        let tag = shop.push("feature/cart");
        let id = shop.deployed("web api feature/cart").brief.id;
        for app in ["web", "api"] {
            assert_eq!(shop.image(app), format!("registry.test/shop/{app}:{tag}"), "{version}");
        }
        shop.undone(id);
        for app in ["web", "api"] {
            assert_eq!(shop.image(app), format!("registry.test/shop/{app}:main-first"), "{version}");
        }
        let sync = |app: &str| format!("POST /api/v1/applications/{app}-staging/sync 200");
        assert_eq!(writes(&shop), ["api", "web", "web", "api"].map(sync), "{version}");
        // Namespaces of their own came later.
        let names_one = |call: &naru_testkit::argocd::fault::Entry| {
            call.parameter("appNamespace").is_some() || call.body.get("appNamespace").is_some()
        };
        assert!(!shop.argocd.ledger().iter().any(names_one), "{version}");
    }
}

#[test]
fn a_deploy_by_the_spec_needs_the_right_to_update_as_well() {
    for version in VERSIONS {
        let shop = shop_of(version, &["get", "sync"]);
        shop.only_api("write = 'spec'", "");
        let tag = shop.push("main");
        let id = shop.deploy("api").unwrap();
        let why = shop.until(id, State::Failed).brief.why.unwrap();
        assert_eq!(why.code, "argocd-forbidden", "{version}: {why}");
        assert_eq!(shop.image("api"), "registry.test/shop/api:main-first");
        let rights = ["get", "sync", "update"].map(|right| format!("applications, {right}, shop/*, allow"));
        shop.argocd.world(|world| world.add_token(TOKEN, "naru", &rights.each_ref().map(String::as_str)));
        let id = shop.deployed("api").brief.id;
        assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"), "{version}");
        shop.undone(id);
        assert_eq!(shop.image("api"), "registry.test/shop/api:main-first", "{version}");
        let (patch, sync) = ("PATCH /api/v1/applications/api-staging", "POST /api/v1/applications/api-staging/sync");
        let expect = [(patch, 403), (patch, 200), (sync, 200), (patch, 200), (sync, 200)];
        assert_eq!(writes(&shop), expect.map(|(place, status)| format!("{place} {status}")), "{version}");
    }
}

#[test]
fn who_owns_an_application_is_found_by_label_or_by_annotation() {
    for version in VERSIONS {
        let shop = shop_of(version, &["get", "sync", "update"]);
        shop.argocd.world(|world| world.own_by_app("api-staging", "root"));
        shop.push("main");
        shop.only_api("write = 'spec'", "");
        let refused = shop.deploy("api").unwrap_err();
        assert_eq!((refused.code.as_str(), refused.args["owner"].as_str()), ("way-owned", "root"), "{version}");
        let listed = shop.say("app list", json!({})).unwrap().data;
        assert_eq!(listed[0]["owner"], "Application root", "{version}");
        assert_eq!(writes(&shop), Vec::<String>::new());
    }
}

#[test]
fn an_application_of_a_namespace_that_an_old_server_does_not_know_is_not_mistaken_for_another() {
    for version in VERSIONS {
        let shop = shop_of(version, &["get", "sync"]);
        shop.only_api("", "namespace = 'team-a'");
        // Both have the name, and it is the other one that is to be deployed.
        shop.argocd.world(|world| {
            let spec = world.app("api-staging")["spec"].clone();
            world.add(json!({ "metadata": { "name": "api-staging", "namespace": "team-a" }, "spec": spec }));
        });
        shop.argocd.settle();
        shop.push("main");
        match version {
            version if version.starts_with("v2.") => {
                assert_eq!(shop.deploy("api").unwrap_err().code, "app-gone", "{version}");
                assert_eq!((shop.commits(), writes(&shop)), (vec![], vec![]));
            }
            _ => {
                shop.deployed("api");
                let names = |call: &str| {
                    let calls = shop.argocd.calls(call);
                    calls
                        .iter()
                        .all(|it| it.parameter("appNamespace").or(it.body["appNamespace"].as_str()) == Some("team-a"))
                };
                assert!(names("api-staging") && shop.overlay("api").is_empty(), "{version}");
            }
        }
    }
}
