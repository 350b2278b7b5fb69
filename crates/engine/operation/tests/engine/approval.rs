//! Where a rule asks for it a second person lets an operation go, and what they saw is what is carried out.

use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_operation::operation::State;
use naru_web::role::{Actor, Role};

use crate::app::{TestApp, one, other};
use crate::on_both_engines;
use crate::world::{Fault, in_order};

on_both_engines!(
    a_second_person_lets_it_go,
    a_world_that_changed_is_shown_again,
    nobody_approves_in_time,
    nothing_to_do_needs_nobody
);

fn with_approval(mut app: TestApp) -> TestApp {
    app.stop();
    app.config.approve = vec!["production".to_owned()];
    app.start();
    app
}

fn approve(app: &TestApp, id: Id, seen: Option<&str>, actor: &Actor) -> Result<(), Failure> {
    app.wait(app.operations.approve(id, seen, actor))
}

fn a_second_person_lets_it_go(app: TestApp) {
    let mut app = with_approval(app);
    let asked = app.try_ask(in_order(&[("web@production", "v2")]), &one()).unwrap();
    let id = asked.operation.id;
    assert_eq!((asked.operation.state, asked.operation.approval.as_str()), (State::Planned, "production"));
    assert_eq!(approve(&app, id, None, &one()).unwrap_err().code, "operation-own-approval");
    let small = Actor::new("third", Role::Send);
    assert_eq!(approve(&app, id, None, &small).unwrap_err().code, "role-too-small");
    assert_eq!(approve(&app, id, Some("0000"), &other()).unwrap_err().code, "operation-plan-changed");
    app.restart();
    assert_eq!(app.state(id), State::Planned);
    approve(&app, id, Some(&asked.operation.hash), &other()).unwrap();
    let operation = app.until(id, State::Done);
    assert_eq!(operation.brief.approved_by, "other");
    assert_eq!(approve(&app, id, None, &other()).unwrap_err().code, "operation-not-planned");
    // Elsewhere nobody is asked.
    let id = app.ask(in_order(&[("web@staging", "v2")]));
    app.until(id, State::Done);
}

fn a_world_that_changed_is_shown_again(app: TestApp) {
    let app = with_approval(app);
    app.world.fail(&[Fault::HangBefore]);
    let first = app.ask(in_order(&[("web@production", "v1")]));
    approve(&app, first, None, &other()).unwrap();
    app.wait(app.world.hanging.one());
    let second = app.try_ask(in_order(&[("web@production", "v2")]), &one()).unwrap().operation;
    approve(&app, second.id, None, &other()).unwrap();
    let mut app = app;
    app.restart();
    app.until(first, State::Done);
    // The first one has changed what the second person saw.
    app.until(second.id, State::Planned);
    let (now, _) = app.show(second.id);
    assert_eq!((now.plan.steps[0].before.as_str(), now.brief.approved_by.as_str()), ("v1", ""));
    assert_eq!(approve(&app, second.id, Some(&second.hash), &other()).unwrap_err().code, "operation-plan-changed");
    assert_eq!(app.world.value("web@production"), "v1");
    approve(&app, second.id, Some(&now.brief.hash), &other()).unwrap();
    app.until(second.id, State::Done);
}

fn nobody_approves_in_time(app: TestApp) {
    let app = with_approval(app);
    let id = app.ask(in_order(&[("web@production", "v2")]));
    app.clock.skip(std::time::Duration::from_secs(25 * 3_600));
    app.until(id, State::Lapsed);
    assert_eq!(approve(&app, id, None, &other()).unwrap_err().code, "operation-not-planned");
    assert_eq!(app.world.writes(), []);
}

fn nothing_to_do_needs_nobody(app: TestApp) {
    let app = with_approval(app);
    app.world.set("web@production", "v2");
    let id = app.ask(in_order(&[("web@production", "v2")]));
    app.until(id, State::Done);
}
