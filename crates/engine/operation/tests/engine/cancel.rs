//! What has not begun ends at once; what runs ends after the steps that are under way.

use naru_operation::course::StepState;
use naru_operation::operation::State;
use naru_web::role::{Actor, Role};

use crate::app::{TestApp, one, other};
use crate::on_both_engines;
use crate::world::{Fault, in_order};

on_both_engines!(what_waits_ends_at_once, what_runs_begins_no_further_step);

fn what_waits_ends_at_once(app: TestApp) {
    app.world.fail(&[Fault::HangBefore]);
    let first = app.ask(in_order(&[("web@staging", "v1")]));
    app.wait(app.world.hanging.one());
    let second = app.ask(in_order(&[("web@staging", "v2")]));
    let stranger = Actor::new("third", Role::View);
    assert_eq!(app.wait(app.operations.cancel(second, &stranger)).unwrap_err().code, "role-too-small");
    app.wait(app.operations.cancel(second, &one())).unwrap();
    assert_eq!(app.state(second), State::Cancelled);
    assert_eq!(app.wait(app.operations.cancel(second, &one())).unwrap_err().code, "operation-over");
    assert_eq!(app.state(first), State::Running);
}

fn what_runs_begins_no_further_step(app: TestApp) {
    app.world.fail(&[Fault::None, Fault::NotYet, Fault::NotYet, Fault::NotYet]);
    app.world.fail(&[Fault::NotYet; 10_000]);
    let id = app.ask(in_order(&[("a@x", "v1"), ("b@x", "v1"), ("c@x", "v1")]));
    app.eventually("the second step to wait", || app.show(id).1[1].why.clone());
    app.wait(app.operations.cancel(id, &other())).unwrap();
    let operation = app.until(id, State::Cancelled);
    assert_eq!(operation.brief.cancelled_by, "other");
    let states: Vec<StepState> = app.show(id).1.into_iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Done, StepState::Begun, StepState::Waiting]);
    assert_eq!(app.world.value("c@x"), "");
}
