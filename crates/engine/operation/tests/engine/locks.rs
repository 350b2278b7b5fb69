//! A lock keeps others from beginning while it lasts; only its owner or an admin lifts it; going on in spite of one is
//! recorded.

use std::time::Duration;

use naru_core::failure::Failure;
use naru_operation::engine::Ask;
use naru_operation::lock::Lock;
use naru_operation::operation::State;
use naru_web::role::{Actor, Role};

use crate::app::{TestApp, one, other};
use crate::on_both_engines;
use crate::world::{Fault, in_order};

on_both_engines!(
    others_are_kept_out,
    a_lock_over_what_waits,
    in_spite_of_a_lock,
    lifted_by_whom,
    a_freeze_that_begins_later
);

fn lock(app: &TestApp, scope: &str, actor: &Actor) -> Result<Lock, Failure> {
    app.wait(app.operations.lock(scope, "release", None, None, actor))
}

fn others_are_kept_out(mut app: TestApp) {
    for scope in ["web@staging", "web", "staging", "all"] {
        lock(&app, scope, &other()).unwrap();
        app.restart();
        let refused = app.try_ask(in_order(&[("web@staging", scope)]), &one()).unwrap_err();
        assert_eq!((refused.code.as_str(), refused.args["person"].as_str()), ("operation-locked", "other"));
        assert_eq!(lock(&app, scope, &one()).unwrap_err().code, "operation-locked");
        // Its owner goes on.
        let asked = app.try_ask(in_order(&[("web@staging", scope)]), &other()).unwrap();
        app.until(asked.operation.id, State::Done);
        app.wait(app.operations.unlock(scope, &other())).unwrap();
    }
    lock(&app, "web", &other()).unwrap();
    let id = app.ask(in_order(&[("api@staging", "v1")]));
    app.until(id, State::Done);
    app.clock.skip(Duration::from_secs(9 * 3_600));
    let id = app.ask(in_order(&[("web@staging", "v1")]));
    app.until(id, State::Done);
}

fn a_lock_over_what_waits(app: TestApp) {
    app.world.fail(&[Fault::HangBefore]);
    let first = app.ask(in_order(&[("web@staging", "v1")]));
    app.wait(app.world.hanging.one());
    let second = app.ask(in_order(&[("web@staging", "v2")]));
    lock(&app, "web", &other()).unwrap();
    let mut app = app;
    app.restart();
    // What runs goes on; what waits goes on waiting, and says for whom.
    app.until(first, State::Done);
    app.eventually("the lock to be told", || app.show(second).0.brief.why.filter(|why| why.code == "operation-locked"));
    // Whoever set it does not wait behind whom it keeps out.
    let theirs = app.try_ask(in_order(&[("web@staging", "v3")]), &other()).unwrap();
    assert_eq!(theirs.before, []);
    app.until(theirs.operation.id, State::Done);
    assert_eq!(app.state(second), State::Queued);
    app.wait(app.operations.unlock("web", &other())).unwrap();
    let operation = app.until(second, State::Done);
    assert_eq!(operation.brief.why, None);
}

fn in_spite_of_a_lock(app: TestApp) {
    lock(&app, "all", &other()).unwrap();
    let ask = |why: &str| Ask {
        kind: "shelf".to_owned(),
        request: in_order(&[("web@staging", "v2")]),
        break_glass: Some(why.to_owned()),
        ..Ask::default()
    };
    assert_eq!(app.wait(app.operations.ask(ask(" "), &one())).unwrap_err().code, "operation-break-glass-why");
    let id = app.wait(app.operations.ask(ask("the shop is down"), &one())).unwrap().operation.id;
    app.until(id, State::Done);
    assert_eq!(app.events(id)[..3], ["asked", "broke-glass", "begun"]);
}

fn lifted_by_whom(app: TestApp) {
    assert_eq!(app.wait(app.operations.unlock("web", &one())).unwrap_err().code, "operation-lock-none");
    lock(&app, "web", &other()).unwrap();
    let refused = app.wait(app.operations.unlock("web", &one())).unwrap_err();
    assert_eq!((refused.code.as_str(), refused.args["person"].as_str()), ("operation-lock-others", "other"));
    let admin = Actor::new("admin", Role::Admin);
    app.wait(app.operations.unlock("web", &admin)).unwrap();
    let long = app.wait(app.operations.lock("web", "", None, Some(i64::MAX), &one())).unwrap_err();
    assert_eq!(long.code, "operation-lock-long");
    let small = Actor::new("third", Role::View);
    assert_eq!(lock(&app, "web", &small).unwrap_err().code, "role-too-small");
}

fn a_freeze_that_begins_later(app: TestApp) {
    use naru_core::clock::Clock;
    let from = app.clock.now_ms() + 3_600_000;
    app.wait(app.operations.lock("all", "exhibition", Some(from), Some(3_600_000), &other())).unwrap();
    let id = app.ask(in_order(&[("web@staging", "v1")]));
    app.until(id, State::Done);
    app.clock.skip(Duration::from_secs(5_400));
    assert_eq!(app.try_ask(in_order(&[("web@staging", "v2")]), &one()).unwrap_err().code, "operation-locked");
    app.clock.skip(Duration::from_secs(3_600));
    let id = app.ask(in_order(&[("web@staging", "v2")]));
    app.until(id, State::Done);
}
