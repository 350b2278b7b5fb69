//! Killed in mid-campaign and started again: nothing lost, nothing doubled, and the vendor's second is respected.

use crate::app::{DOWN, TestApp};
use crate::file::File;
use crate::vendor::Deed;
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    batches_are_neither_lost_nor_doubled,
    single_sends_are_neither_lost_nor_doubled,
    nothing_starts_within_a_second_and_a_half_of_the_last_mark,
);

with_power_cuts!(
    batches_are_neither_lost_nor_doubled,
    single_sends_are_neither_lost_nor_doubled,
    nothing_starts_within_a_second_and_a_half_of_the_last_mark,
);

const MESSAGES: u64 = 2_000;

/// Kills naru whenever so many more requests have arrived; some of them wait for their answer then, or get it just now.
fn kill_often(app: &mut TestApp, requests: usize) {
    app.lane().in_flight_max = 8;
    app.vendor.plan(|arrival| if arrival.nth % 7 == 3 { Deed::LoseAnswer } else { Deed::Take });
    app.vendor.keep_waiting_after(requests);
    app.start();
    let campaign = app.take_in(&File::new("killed", MESSAGES as usize, 500)).campaign;
    for life in 1..=4 {
        app.eventually("more requests", || app.vendor.keeps_waiting().then_some(()));
        if life % 2 == 0 {
            app.vendor.answer();
        }
        app.kill();
        app.vendor.answer();
        app.clock.skip(DOWN);
        if life < 4 {
            // Before it starts: it sends everything while a busy machine keeps this thread waiting.
            app.vendor.keep_waiting_after(requests);
        }
        app.start();
    }
    assert_eq!(app.settle_in_time().sent, MESSAGES);
    assert_eq!(app.campaign(campaign).account.sent, MESSAGES);
    assert_eq!(u64::from(app.vendor.taken_in_all()), MESSAGES);
}

fn batches_are_neither_lost_nor_doubled(mut app: TestApp) {
    app.lane().batch_max = Some(40);
    kill_often(&mut app, 8);
}

fn single_sends_are_neither_lost_nor_doubled(mut app: TestApp) {
    app.vendor.batch_max(1);
    kill_often(&mut app, 300);
}

fn nothing_starts_within_a_second_and_a_half_of_the_last_mark(mut app: TestApp) {
    app.lane().batch_max = Some(10);
    app.lane().in_flight_max = 4;
    app.vendor.keep_waiting();
    app.start();
    app.take_in(&File::new("quiet", 200, 10));
    app.until_waiting(4);
    app.kill();
    app.vendor.answer();
    // What is in doubt counts as in flight until its deadline.
    app.lane().in_flight_max = 32;
    let before = app.vendor.calls().len();
    app.start();
    let marked_at = app.number("SELECT marked_at FROM dispatch_pace");
    app.eventually("a request of the next life", || (app.vendor.calls().len() > before).then_some(()));
    assert!(marked_at > crate::clock::NOON);
    let first = app.vendor.calls()[before].at;
    assert!(first >= marked_at + 1_500, "started {} ms after the last mark", first - marked_at);
    app.settle_in_time();
}
