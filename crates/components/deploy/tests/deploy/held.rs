//! Killed while something outside holds its answer: what was done there is found, and not done once more.

use naru_operation::operation::State;
use naru_testkit::argocd::fault::Fault;
use naru_testkit::gitlab::Fault as GitlabFault;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::json;

use crate::shop::Shop;

/// Where pushes to the charts go.
const PUSH: &str = "shop/charts.git/git-receive-pack";

/// Calls that Argo CD and GitLab have held so far.
fn held(shop: &Shop) -> usize {
    let is_held = |call: &&naru_testkit::argocd::fault::Entry| call.fault == Some(Fault::Hold);
    shop.argocd.ledger().iter().filter(is_held).count() + shop.gitlab.held()
}

/// Kills naru once one more call is held, does what happens meanwhile, lets the call go, and starts naru again.
fn killed_at(shop: &mut Shop, before: usize, meanwhile: impl FnOnce(&mut Shop)) {
    shop.wait(eventually("a call to be held", PATIENCE, async || (held(shop) > before).then_some(())));
    shop.kill();
    meanwhile(shop);
    shop.argocd.release();
    shop.gitlab.release();
    shop.start();
}

/// The calls that a part of Argo CD took.
fn taken(shop: &Shop, place: &str) -> usize {
    shop.argocd.calls(place).iter().filter(|call| call.status == 200).count()
}

fn image(tag: &str) -> String {
    format!("registry.test/shop/api:{tag}")
}

#[test]
fn at_the_registry_and_at_the_pipeline() {
    let mut shop = Shop::new();
    for (count, place) in ["/manifests/", "/pipelines"].into_iter().enumerate() {
        let (commit, tag) = shop.push_unbuilt("main");
        shop.gitlab.pipeline("shop/code", &commit, "main", "running");
        let id = shop.deploy("api").unwrap();
        shop.until_waiting(id, "pipeline-running");
        let before = held(&shop);
        shop.gitlab.fault(place, GitlabFault::Hold, 1);
        // It is built while nobody looks.
        killed_at(&mut shop, before, |shop| {
            assert_eq!(shop.commits().len(), count, "{place}");
            shop.build_images(&tag);
        });
        shop.until(id, State::Done);
        assert_eq!((shop.image("api"), shop.commits().len()), (image(&tag), count + 1), "{place}");
    }
    assert_eq!(taken(&shop, "POST /api/v1/applications/api-staging/sync"), 2);
}

#[test]
fn at_a_push_that_has_landed() {
    let mut shop = Shop::on_gitlab();
    let tag = shop.push("main");
    shop.gitlab.fault_at("POST", PUSH, GitlabFault::Hold, 1);
    let id = shop.deploy("api").unwrap();
    killed_at(&mut shop, 0, |shop| assert_eq!(shop.commits().len(), 1, "it has landed"));
    shop.until(id, State::Done);
    assert_eq!((shop.image("api"), shop.commits().len()), (image(&tag), 1));

    shop.gitlab.fault_at("POST", PUSH, GitlabFault::Hold, 1);
    let back = shop.ask("op undo", json!({ "operation": id }));
    killed_at(&mut shop, 1, |shop| assert_eq!(shop.commits().len(), 2, "it has landed"));
    shop.until(back, State::Done);
    assert_eq!((shop.image("api"), shop.commits().len(), shop.overlay("api").as_str()), (image("main-first"), 2, ""));
    assert_eq!(shop.gitlab.calls("POST", PUSH), 2);
}

#[test]
fn at_a_push_that_lands_while_the_next_naru_pushes() {
    let mut shop = Shop::on_gitlab();
    let tag = shop.push("main");
    let pushes = shop.charts.hold_pushes();
    let come = |shop: &Shop, count: usize| {
        shop.wait(eventually("a push to come", PATIENCE, async || (pushes.count() == count).then_some(())));
    };
    let id = shop.deploy("api").unwrap();
    come(&shop, 1);
    // GitLab goes on with what it has taken.
    shop.kill();
    shop.start();
    come(&shop, 2);
    assert_eq!(shop.commits(), []);
    drop(pushes);
    shop.until(id, State::Done);
    assert_eq!((shop.image("api"), shop.commits().len()), (image(&tag), 1), "one of both has lost");
}

#[test]
fn at_a_merge_request_that_is_opened_and_at_one_that_is_merged() {
    let mut shop = Shop::on_gitlab();
    let tag = shop.push("main");
    shop.charts.protect("main");
    let opened =
        |shop: &Shop| (shop.gitlab.merge_requests("shop/charts").len(), shop.gitlab.calls("POST", "/merge_requests"));
    shop.gitlab.fault_at("POST", PUSH, GitlabFault::Hold, 1);
    shop.gitlab.fault_at("POST", "/merge_requests", GitlabFault::Hold, 1);
    let id = shop.deploy("api").unwrap();
    killed_at(&mut shop, 0, |shop| assert_eq!(opened(shop), (0, 0), "its branch alone is there"));
    killed_at(&mut shop, 1, |shop| assert_eq!(opened(shop), (1, 1)));
    shop.until_waiting(id, "merge-waits");
    assert_eq!(opened(&shop), (1, 1), "the one that is there is found");
    shop.gitlab.fault_at("GET", "/merge_requests/1", GitlabFault::Hold, 1);
    killed_at(&mut shop, 2, |shop| drop(shop.gitlab.merge("shop/charts", 1)));
    shop.until(id, State::Done);
    assert_eq!((shop.image("api"), shop.commits().len()), (image(&tag), 1));

    shop.gitlab.fault_at("POST", "/merge_requests", GitlabFault::Hold, 1);
    let back = shop.ask("op undo", json!({ "operation": id }));
    killed_at(&mut shop, 3, |_| ());
    shop.until_waiting(back, "merge-waits");
    assert_eq!(opened(&shop), (2, 2));
    shop.gitlab.merge("shop/charts", 2);
    shop.until(back, State::Done);
    assert_eq!((shop.image("api"), shop.commits().len(), opened(&shop)), (image("main-first"), 2, (2, 2)));
    assert_eq!(shop.gitlab.calls("POST", PUSH), 2, "each branch was pushed once");
}

#[test]
fn at_a_patch_of_a_spec() {
    let mut shop = Shop::new();
    shop.only_api("write = 'spec'", "");
    let tag = shop.push("main");
    let patch = "PATCH /api/v1/applications/api-staging";
    shop.argocd.fault_at(patch, Fault::Hold);
    let id = shop.deploy("api").unwrap();
    killed_at(&mut shop, 0, |_| ());
    shop.until(id, State::Done);
    assert_eq!((shop.image("api"), shop.argocd.calls(patch).len()), (image(&tag), 1));

    shop.argocd.fault_at(patch, Fault::Hold);
    let back = shop.ask("op undo", json!({ "operation": id }));
    killed_at(&mut shop, 1, |_| ());
    shop.until(back, State::Done);
    assert_eq!((shop.image("api"), shop.argocd.calls(patch).len()), (image("main-first"), 2));
}

#[test]
fn at_the_sync_of_the_way_back() {
    let mut shop = Shop::new();
    shop.push("main");
    let id = shop.deployed("api").brief.id;
    let sync = "POST /api/v1/applications/api-staging/sync";
    shop.argocd.fault_at(sync, Fault::Hold);
    let back = shop.ask("op undo", json!({ "operation": id }));
    killed_at(&mut shop, 0, |_| ());
    shop.until(back, State::Done);
    assert_eq!((shop.image("api"), shop.commits().len(), taken(&shop, sync)), (image("main-first"), 2, 2));
}

#[test]
fn at_a_look_for_jobs() {
    let mut shop = Shop::new();
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: { name: nightly }\nspec: {}\n";
    shop.charts.commit("main", &[("api/templates/job.yaml", Some(job.as_bytes()))], "Job");
    shop.remake_api("argocd", &json!({}));
    shop.only_api("batch = true", "");
    let active = |shop: &Shop, count: u64| {
        shop.argocd.world(|world| {
            world.drift("api-staging", "Job", "nightly", &json!({ "status": { "active": count } }));
        });
    };
    active(&shop, 1);
    let tag = shop.push("main");
    shop.argocd.fault_at("GET /api/v1/applications/api-staging/resource-tree", Fault::Hold);
    let id = shop.deploy("api").unwrap();
    // The one that asked was told that it runs; it runs still for the one that comes after.
    killed_at(&mut shop, 0, |_| ());
    shop.until_waiting(id, "drain-runs");
    assert_eq!(shop.commits(), []);
    active(&shop, 0);
    shop.until(id, State::Done);
    assert_eq!((shop.image("api"), shop.commits().len()), (image(&tag), 1));
}
