//! Killed at every call, a deploy goes on where it was: one commit, healthy apps.

use naru_operation::operation::State;
use naru_testkit::argocd::fault::Fault;
use naru_testkit::wait::{PATIENCE, eventually};

use crate::shop::Shop;

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
            let is_over =
                naru_operation::operation::show(shop.store(), id).await.unwrap().unwrap().0.brief.state.is_over();
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
