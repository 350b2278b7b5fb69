//! Operations on one target go one after the other, in the order in which they were let go, also over a restart.

use naru_operation::operation::State;

use crate::app::{TestApp, one};
use crate::on_both_engines;
use crate::world::{Fault, in_order};

on_both_engines!(first_come_first, what_waits_is_planned_again, what_waits_too_long_lapses);

fn first_come_first(mut app: TestApp) {
    app.world.fail(&[Fault::HangBefore]);
    let first = app.ask(in_order(&[("web@staging", "v1")]));
    app.wait(app.world.hanging.one());
    let second = app.try_ask(in_order(&[("web@staging", "v2"), ("api@staging", "v2")]), &one()).unwrap();
    let third = app.try_ask(in_order(&[("api@staging", "v3")]), &one()).unwrap();
    assert_eq!(second.before, [first]);
    assert_eq!(third.before, [first, second.operation.id], "the second one is before it");
    let beside = app.ask(in_order(&[("shop@staging", "v1")]));
    app.until(beside, State::Done);
    assert_eq!(app.state(third.operation.id), State::Queued);
    app.restart();
    app.until(third.operation.id, State::Done);
    assert_eq!((app.world.value("web@staging"), app.world.value("api@staging")), ("v2".to_owned(), "v3".to_owned()));
    let order: Vec<_> =
        app.world.writes().iter().filter(|w| w.name != "shop@staging").map(|w| w.value.clone()).collect();
    assert_eq!(order, ["v1", "v2", "v2", "v3"]);
}

fn what_waits_is_planned_again(app: TestApp) {
    app.world.fail(&[Fault::NotYet, Fault::HangBefore]);
    let first = app.ask(in_order(&[("web@staging", "v1")]));
    app.wait(app.world.hanging.one());
    let second = app.ask(in_order(&[("web@staging", "v2")]));
    assert_eq!(app.show(second).0.plan.steps[0].before, "");
    let mut app = app;
    app.restart();
    app.until(first, State::Done);
    let operation = app.until(second, State::Done);
    assert_eq!(operation.plan.steps[0].before, "v1", "it was planned in the world that the first one left");
    assert_eq!(app.events(second)[..3], ["asked", "planned-again", "begun"]);
}

fn what_waits_too_long_lapses(app: TestApp) {
    app.world.fail(&[Fault::HangBefore]);
    let first = app.ask(in_order(&[("web@staging", "v1")]));
    app.wait(app.world.hanging.one());
    let second = app.ask(in_order(&[("web@staging", "v2")]));
    app.clock.skip(std::time::Duration::from_secs(13 * 3_600));
    app.until(second, State::Lapsed);
    assert_eq!(app.state(first), State::Running, "what runs goes on");
}
