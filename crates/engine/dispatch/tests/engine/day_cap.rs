//! No more messages leave in a day of Asia/Seoul than the lane may send, also over a kill.

use naru_dispatch::message::Purpose;

use crate::app::{DOWN, TestApp};
use crate::clock::DAY;
use crate::life::messages;
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(a_days_messages_are_the_cap_and_the_next_day_goes_on, single_sends_keep_to_the_cap);

with_power_cuts!(a_days_messages_are_the_cap_and_the_next_day_goes_on, single_sends_keep_to_the_cap);

/// The lane has nothing more to do today.
fn until_spent(app: &TestApp, sent: u64) {
    app.until("the day's messages are sent", |account| account.sent >= sent);
    let view = |app: &TestApp| app.wait(app.dispatch.lane_views()).unwrap().remove(0);
    app.eventually("the day to be spent", || {
        let status = view(app).outlet?;
        (status.day_spent && status.in_flight == 0).then_some(())
    });
    assert_eq!(u64::from(app.vendor.taken_in_all()), sent);
    assert_eq!(view(app).today, 100);
}

fn run(mut app: TestApp) {
    app.lane().messages_per_day_max = Some(100);
    app.start();
    app.accept(Purpose::Info, messages(250));
    until_spent(&app, 100);
    app.kill();
    app.clock.skip(DOWN);
    app.start();
    // A day that was spent before is spent after a kill.
    let status =
        app.eventually("the lane to be owned", || app.wait(app.dispatch.lane_views()).unwrap().remove(0).outlet);
    assert!(status.day_spent);
    app.pass(DAY / 2);
    until_spent(&app, 200);
    app.pass(DAY);
    assert_eq!(app.settle().sent, 250);
}

fn a_days_messages_are_the_cap_and_the_next_day_goes_on(mut app: TestApp) {
    app.lane().batch_max = Some(30);
    run(app);
}

fn single_sends_keep_to_the_cap(app: TestApp) {
    app.vendor.batch_max(1);
    run(app);
}
