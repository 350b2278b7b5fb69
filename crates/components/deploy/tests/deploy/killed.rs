//! Killed at every call, a deploy goes on where it was: one commit, healthy apps.

use naru_core::id::Id;
use naru_operation::course::StepState;
use naru_operation::operation::{self, State};
use naru_testkit::argocd::fault::Fault;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::json;

use crate::shop::{APPS, Shop};

#[test]
fn killed_while_argo_cd_holds_its_answer() {
    let mut shop = Shop::new();
    for place in ["GET /api/v1/applications/api-staging", "POST /api/v1/applications/api-staging/sync"] {
        let tag = shop.push("main");
        let id = shop.deploy("api").unwrap();
        let held = || shop.argocd.ledger().iter().filter(|call| call.fault == Some(Fault::Hold)).count();
        let before = held();
        shop.argocd.fault_at(place, Fault::Hold);
        shop.wait(eventually("a call to be held", PATIENCE, async || (held() > before).then_some(())));
        shop.kill();
        shop.argocd.release();
        shop.start();
        shop.until(id, State::Done);
        assert_eq!(shop.image("api"), format!("registry.test/shop/api:{tag}"), "{place}");
    }
    assert_eq!(shop.commits().len(), 2);
    // The one whose answer was held was done, and is not asked for again.
    assert_eq!(shop.argocd.calls("POST /api/v1/applications/api-staging/sync").len(), 2);
}

#[test]
fn killed_again_and_again() {
    let mut shop = Shop::new();
    let tag = shop.push("main");
    let id = shop.deploy("web api").unwrap();
    for _ in 0..12 {
        let calls = shop.argocd.ledger().len();
        let over = shop.wait(eventually("a call or the end", PATIENCE, async || {
            let is_over = operation::show(shop.store(), id).await.unwrap().unwrap().0.brief.state.is_over();
            (is_over || shop.argocd.ledger().len() > calls).then_some(is_over)
        }));
        if over {
            break;
        }
        shop.restart();
    }
    shop.until(id, State::Done);
    for app in ["web", "api"] {
        assert_eq!(shop.image(app), format!("registry.test/shop/{app}:{tag}"));
    }
    assert_eq!(shop.commits().len(), 2);
}

#[test]
fn killed_at_each_step_of_a_deploy_and_of_the_way_back() {
    let mut shop = Shop::new();
    let image = |app: &str, tag: &str| format!("registry.test/shop/{app}:{tag}");
    let before = shop.push("main");
    let first = shop.deploy("web api").unwrap();
    shop.until(first, State::Done);
    let (mut step, mut steps, mut kills) = (0, 1, 0);
    while step < steps {
        let tag = shop.push("main");
        let id = shop.deploy("web api").unwrap();
        let (of_deploy, is_killed) = killed_at_step(&mut shop, id, step);
        (steps, kills) = (of_deploy, kills + usize::from(is_killed));
        assert_eq!(APPS.map(|app| shop.image(app)), APPS.map(|app| image(app, &tag)), "step {step}");
        let said = shop.say("rollback", json!({ "app": "web" })).unwrap();
        let back: Id = said.data["operation"]["id"].as_str().unwrap().parse().unwrap();
        let (of_back, is_killed) = killed_at_step(&mut shop, back, step);
        assert!(of_back <= steps, "each step of the way back is met");
        kills += usize::from(is_killed);
        assert_eq!(shop.image("web"), image("web", &before), "step {step}");
        step += 1;
        assert_eq!(shop.commits().len(), 2 + 3 * step, "one commit for each app and time, and no more");
    }
    assert!(steps > 3 && kills > steps, "{kills} kills at {steps} steps");
    let queue = shop.say("queue", json!({})).unwrap();
    assert_eq!(queue.data["locks"].as_array().unwrap().len(), 0);
}

/// Kills naru when a step has begun, and sees the operation to its end; answers how many steps it has, and whether it was in
/// time.
fn killed_at_step(shop: &mut Shop, id: Id, step: usize) -> (usize, bool) {
    let (steps, is_over) = shop.wait(eventually("the step to begin", PATIENCE, async || {
        let (operation, steps) = operation::show(shop.store(), id).await.unwrap().unwrap();
        let is_over = operation.brief.state.is_over();
        let has_begun = steps.get(step).is_some_and(|it| it.state != StepState::Waiting);
        (is_over || has_begun).then_some((steps.len(), is_over))
    }));
    if !is_over {
        shop.restart();
    }
    shop.until(id, State::Done);
    (steps, !is_over)
}
