//! The first failure begins no further step; what was done can be taken back, as an operation of its own.

use naru_operation::course::StepState;
use naru_operation::operation::State;
use naru_operation::record;
use naru_web::role::{Actor, Role};

use crate::app::{TestApp, one, other};
use crate::on_both_engines;
use crate::world::{Fault, in_order};

on_both_engines!(
    the_first_failure_stops_and_is_taken_back,
    a_panic_is_a_failure,
    nothing_to_take_back,
    what_ended_halfway_is_kept_by_somebody
);

fn the_first_failure_stops_and_is_taken_back(app: TestApp) {
    app.world.set("web@staging", "v1");
    app.world.break_name("api@staging");
    let id = app.ask(in_order(&[("web@staging", "v2"), ("api@staging", "v2"), ("shop@staging", "v2")]));
    let operation = app.until(id, State::Failed);
    assert_eq!(operation.brief.why.unwrap().args["needed"], "api@staging");
    let states: Vec<StepState> = app.show(id).1.into_iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Done, StepState::Failed, StepState::Waiting]);
    assert_eq!(app.world.value("shop@staging"), "");

    // api cannot be written, and reads first: it is as it was.
    let back = app.undo(id).unwrap();
    let operation = app.until(back, State::Failed);
    assert_eq!(operation.brief.undoes, Some(id));
    let told: Vec<String> =
        operation.plan.steps.iter().map(|step| format!("{} {}>{}", step.subject, step.before, step.after)).collect();
    assert_eq!(told, ["api@staging v2>", "web@staging v2>v1"]);
}

fn a_panic_is_a_failure(app: TestApp) {
    app.world.fail(&[Fault::Panic]);
    let id = app.ask(in_order(&[("web@staging", "v2")]));
    let operation = app.until(id, State::Failed);
    assert_eq!(operation.brief.why.unwrap().code, "bug");
    // The engine goes on.
    let next = app.ask(in_order(&[("web@staging", "v2"), ("api@staging", "v1")]));
    app.until(next, State::Done);
    let back = app.undo(next).unwrap();
    app.until(back, State::Done);
    assert_eq!(app.undo(next).unwrap_err().code, "operation-undone");
    assert_eq!((app.world.value("web@staging"), app.world.value("api@staging")), (String::new(), String::new()));
    let order: Vec<String> = app.world.writes()[2..].iter().map(|write| write.name.clone()).collect();
    assert_eq!(order, ["api@staging", "web@staging"], "what came last goes first");
}

fn what_ended_halfway_is_kept_by_somebody(app: TestApp) {
    app.world.break_name("api@staging");
    let id = app.ask(in_order(&[("web@staging", "v2"), ("api@staging", "v2")]));
    app.until(id, State::Failed);
    let kept_by = || app.wait(record::kept_by(app.store(), id)).unwrap();
    let stranger = Actor::new("third", Role::View);
    assert_eq!(app.wait(app.operations.keep(id, &stranger)).unwrap_err().code, "role-too-small");
    assert_eq!(kept_by(), None);
    for actor in [other(), one()] {
        app.wait(app.operations.keep(id, &actor)).unwrap();
        // The first one has said it.
        assert_eq!(kept_by().as_deref(), Some("other"));
    }
    assert_eq!(app.events(id).iter().filter(|event| *event == "kept").count(), 1);
    assert_eq!(app.world.value("web@staging"), "v2");
    // Nothing is lost by it.
    let back = app.undo(id).unwrap();
    app.until(back, State::Failed);
    let done = app.ask(in_order(&[("shop@staging", "v1")]));
    app.until(done, State::Done);
    assert_eq!(app.wait(app.operations.keep(done, &one())).unwrap_err().code, "operation-not-broken-off");
}

fn nothing_to_take_back(app: TestApp) {
    let id = app.count("visits");
    app.until(id, State::Done);
    assert_eq!(app.undo(id).unwrap_err().code, "operation-nothing-to-undo");
    app.world.fail(&[Fault::HangBefore]);
    let running = app.ask(in_order(&[("web@staging", "v2")]));
    app.wait(app.world.hanging.one());
    assert_eq!(app.undo(running).unwrap_err().code, "operation-not-over");
}
