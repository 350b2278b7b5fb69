//! Killed anywhere, an operation goes on at the step it had come to, and nothing is done twice.

use naru_operation::operation::State;

use crate::app::TestApp;
use crate::on_both_engines;
use crate::world::{Fault, in_order};

on_both_engines!(at_every_step, what_cannot_be_done_twice, between_asking_and_beginning, stopped_in_good_order);

fn at_every_step(mut app: TestApp) {
    let names = ["a@x", "b@x", "c@x"];
    let wanted: Vec<(&str, &str)> = names.iter().map(|name| (*name, "v1")).collect();
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        for at in 0..names.len() {
            for name in names {
                app.world.set(name, "v0");
            }
            let mut faults = vec![Fault::None; at];
            faults.push(fault);
            app.world.fail(&faults);
            let id = app.ask(in_order(&wanted));
            app.wait(app.world.hanging.one());
            app.restart();
            app.until(id, State::Done);
            for name in names {
                assert_eq!(app.world.value(name), "v1", "{fault:?} at {at}");
            }
        }
    }
}

fn what_cannot_be_done_twice(mut app: TestApp) {
    for round in 1..=3 {
        app.world.fail(&[Fault::HangAfter]);
        let id = app.count("visits");
        app.wait(app.world.hanging.one());
        app.restart();
        app.until(id, State::Done);
        assert_eq!(app.world.value("visits"), round.to_string());
    }
}

fn between_asking_and_beginning(mut app: TestApp) {
    app.stop();
    app.start_idle();
    let id = app.ask(in_order(&[("a@x", "v1")]));
    assert_eq!(app.state(id), State::Queued);
    app.restart();
    app.until(id, State::Done);
}

fn stopped_in_good_order(mut app: TestApp) {
    app.world.fail(&[Fault::NotYet; 50]);
    let id = app.ask(in_order(&[("a@x", "v1"), ("b@x", "v1")]));
    app.eventually("the first step to begin", || (app.world.calls() > 0).then_some(()));
    app.stop();
    app.start();
    app.until(id, State::Done);
}
