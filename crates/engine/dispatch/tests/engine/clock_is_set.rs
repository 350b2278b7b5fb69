//! The machine's wall clock is set forward and back by hours while everything runs: a day that comes back has no more than its
//! messages, an idempotency key keeps its answer, and nothing is lost, doubled or reordered. That caps by the second hold too
//! is for the simulator, whose vendor has an exact clock.

use std::time::Duration;

use naru_core::clock::Millis;
use naru_dispatch::intake::Batch;
use naru_dispatch::message::Purpose;

use crate::app::{DOWN, TestApp};
use crate::clock::DAY;
use crate::file::{File, QUARTER_FRAME};
use crate::life::{batch, messages};
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    a_day_that_comes_back_has_no_more_than_its_messages,
    a_file_goes_out_while_the_clock_is_set_again_and_again,
    a_key_keeps_its_answer_when_the_clock_is_set_back_over_midnight,
    what_waits_goes_on_when_the_clock_is_set_forward,
);

with_power_cuts!(a_day_that_comes_back_has_no_more_than_its_messages);

const HOUR: Millis = 3_600_000;
const A_DAY: Millis = DAY.as_millis() as Millis;

fn until_spent(app: &TestApp, sent: u64) {
    app.until("the day's messages are sent", |account| account.sent >= sent);
    app.eventually("the day to be spent", || {
        let status = app.wait(app.dispatch.lane_views()).unwrap().remove(0).outlet?;
        (status.day_spent && status.in_flight == 0).then_some(())
    });
    assert_eq!(u64::from(app.vendor.taken_in_all()), sent);
}

fn a_day_that_comes_back_has_no_more_than_its_messages(mut app: TestApp) {
    app.lane().messages_per_day_max = Some(100);
    app.lane().batch_max = Some(30);
    app.start();
    app.accept(Purpose::Info, messages(350));
    until_spent(&app, 100);
    // Tomorrow by mistake, and today again: neither day has more than its own.
    app.clock.set(A_DAY);
    app.pass(Duration::ZERO);
    until_spent(&app, 200);
    for _ in 0..2 {
        app.clock.set(-A_DAY);
        app.pass(Duration::ZERO);
        until_spent(&app, 200);
        app.kill();
        app.clock.skip(DOWN);
        app.start();
        until_spent(&app, 200);
        app.clock.set(A_DAY);
    }
    app.pass(DAY);
    until_spent(&app, 300);
    app.pass(DAY);
    assert_eq!(app.settle().sent, 350);
}

fn a_file_goes_out_while_the_clock_is_set_again_and_again(mut app: TestApp) {
    app.lane().requests_per_second_max = Some(40);
    app.lane().batch_max = Some(2);
    app.start();
    app.take_in(&File::new("set", 240, QUARTER_FRAME));
    for (n, by) in [3 * HOUR, -5 * HOUR, 9 * HOUR, -HOUR, -6 * HOUR].into_iter().enumerate() {
        app.eventually("more requests", || (app.vendor.calls().len() >= 20 * (n + 1)).then_some(()));
        app.clock.set(by);
    }
    assert_eq!(app.settle().sent, 240);
}

fn a_key_keeps_its_answer_when_the_clock_is_set_back_over_midnight(mut app: TestApp) {
    app.start();
    let call = Batch { key: Some(([7; 16], [1; 16])), ..batch(Purpose::Info, messages(3)) };
    // Two at night, and eleven of the evening before.
    app.clock.set(14 * HOUR);
    let first = app.wait(app.dispatch.accept(call.clone())).unwrap();
    for by in [-3 * HOUR, 30 * HOUR, -48 * HOUR] {
        app.clock.set(by);
        assert_eq!(app.wait(app.dispatch.accept(call.clone())).unwrap(), first);
    }
    assert_eq!(app.settle().sent, 3);
}

fn what_waits_goes_on_when_the_clock_is_set_forward(mut app: TestApp) {
    app.lane().retry_base_ms = 3_600_000;
    app.lane().retry_max_ms = 3_600_000;
    app.vendor.plan(|arrival| match arrival.nth {
        0 => crate::vendor::Deed::Unsent,
        _ => crate::vendor::Deed::Take,
    });
    app.start();
    app.accept(Purpose::Info, messages(20));
    app.eventually("a first try", || (!app.vendor.calls().is_empty()).then_some(()));
    app.clock.set(2 * HOUR);
    app.pass(Duration::from_secs(3_600));
    assert_eq!(app.settle().sent, 20);
}
