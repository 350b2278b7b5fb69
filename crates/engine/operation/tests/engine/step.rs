//! A plan is carried out in its order, and one that is applied twice is empty the second time.

use std::time::Duration;

use naru_operation::operation::State;

use crate::app::TestApp;
use crate::on_both_engines;
use crate::world::{Fault, at_once, in_order};

on_both_engines!(
    carried_out_in_order,
    failures_that_pass_are_tried_again,
    what_takes_too_long_fails,
    a_person_is_waited_for_longer,
    many_at_once
);

fn carried_out_in_order(app: TestApp) {
    let wanted = in_order(&[("web@staging", "v2"), ("api@staging", "v3")]);
    let id = app.ask(wanted.clone());
    let operation = app.until(id, State::Done);
    assert_eq!(operation.brief.title, "web@staging api@staging");
    assert_eq!((app.world.value("web@staging"), app.world.value("api@staging")), ("v2".to_owned(), "v3".to_owned()));
    let (_, steps) = app.show(id);
    assert_eq!(steps[1].note["needed"][0]["put"], "v2", "a step is told what the one it needs noted");
    let expect = ["asked", "begun", "step-begun", "step-done", "step-begun", "step-done", "done"];
    assert_eq!(app.events(id), expect);

    let again = app.ask(wanted);
    let operation = app.until(again, State::Done);
    assert_eq!(operation.plan.steps, [], "what is as wanted leaves nothing to do");
    assert_eq!(app.events(again), ["asked", "begun", "done"]);
    assert_eq!(app.world.writes().len(), 2);
}

fn failures_that_pass_are_tried_again(app: TestApp) {
    app.world.fail(&[Fault::NotYet, Fault::Busy, Fault::Lost, Fault::NotYet, Fault::None]);
    let id = app.ask(in_order(&[("web@staging", "v2")]));
    app.until(id, State::Done);
    let (_, steps) = app.show(id);
    assert!(steps[0].tries >= 5, "{steps:?}");
    assert_eq!(steps[0].why, None);
    assert_eq!(app.world.writes().len(), 1);
}

fn what_takes_too_long_fails(app: TestApp) {
    app.world.fail(&[Fault::NotYet; 1_000]);
    let mut request = in_order(&[("web@staging", "v2"), ("api@staging", "v3")]);
    request["deadline_s"] = 600.into();
    let id = app.ask(request);
    app.eventually("the step to wait", || app.show(id).1[0].why.clone());
    app.clock.skip(Duration::from_secs(601));
    let operation = app.until(id, State::Failed);
    let why = operation.brief.why.unwrap();
    assert_eq!((why.code.as_str(), why.args["last"].as_str()), ("operation-step-late", "operation-step-silent"));
    assert_eq!(app.world.writes(), []);
}

fn a_person_is_waited_for_longer(mut app: TestApp) {
    let request = |name: &str| {
        let mut request = in_order(&[(name, "v2")]);
        request["deadline_s"] = 600.into();
        request
    };
    let waits = |app: &TestApp, id| {
        app.eventually("a person to be waited for", || {
            app.show(id).1[0].why.clone().filter(|why| why.args.contains_key("waits_for"))
        });
    };
    app.world.fail(&[Fault::ForPerson; 100_000]);
    let id = app.ask(request("web@staging"));
    waits(&app, id);
    for restarts in [false, true] {
        app.clock.skip(Duration::from_secs(3_600));
        if restarts {
            app.restart();
        }
        waits(&app, id);
    }
    // They have done it: from then on the step has its own time, also where nobody looked when they did.
    app.kill();
    app.world.clear_faults();
    app.world.fail(&[Fault::NotYet; 20]);
    app.clock.skip(Duration::from_secs(3_600));
    app.start();
    app.until(id, State::Done);

    // And nobody is waited for for ever.
    app.world.fail(&[Fault::ForPerson; 100_000]);
    let id = app.ask(request("api@staging"));
    waits(&app, id);
    app.clock.skip(Duration::from_secs(8 * 24 * 3_600));
    assert_eq!(app.until(id, State::Failed).brief.why.unwrap().code, "operation-step-late");
    app.world.clear_faults();
}

fn many_at_once(app: TestApp) {
    let names: Vec<String> = (0..200).map(|n| format!("app{n}@staging")).collect();
    let wanted: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v1")).collect();
    let id = app.ask(at_once(&wanted));
    app.until(id, State::Done);
    assert_eq!(app.world.writes().len(), 200);
}
