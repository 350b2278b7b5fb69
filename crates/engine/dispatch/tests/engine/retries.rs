//! Another try comes at its stored time, also after a kill, and not more often than configured.

use std::time::Duration;

use naru_core::clock::Clock;
use naru_dispatch::message::Purpose;
use naru_dispatch::provider::Verdict;

use crate::app::TestApp;
use crate::life::{message, messages, phone};
use crate::vendor::{Arrival, Deed};
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    tries_end_with_the_last_code,
    a_try_waits_for_the_time_the_vendor_named,
    a_due_time_survives_a_kill,
    a_waiting_try_holds_the_customers_next_message,
);

with_power_cuts!(a_due_time_survives_a_kill, a_waiting_try_holds_the_customers_next_message);

const HOUR: Duration = Duration::from_secs(3_600);

fn again(after: Option<Duration>) -> impl Fn(&Arrival) -> Deed {
    move |arrival| Deed::Judge(vec![Verdict::Retry { code: "busy".to_owned(), after }; arrival.messages.len()])
}

fn tries_end_with_the_last_code(mut app: TestApp) {
    app.vendor.plan(again(None));
    app.lane().attempts_max = 3;
    app.start();
    let ids = app.accept(Purpose::Info, messages(4));
    assert_eq!(app.settle().failed, 4);
    assert_eq!(app.look(ids[2]).code.as_deref(), Some("busy"));
    let mut tries = [0; 4];
    app.vendor.calls().iter().flat_map(|call| &call.ids).for_each(|id| tries[usize::from(id.slot)] += 1);
    assert_eq!(tries, [3; 4]);
}

/// The first try is put off by an hour.
fn put_off(app: &TestApp) {
    app.vendor.plan(|arrival| if arrival.nth == 0 { again(Some(HOUR))(arrival) } else { Deed::Take });
}

fn a_try_waits_for_the_time_the_vendor_named(mut app: TestApp) {
    put_off(&app);
    app.start();
    let id = app.accept_one(&phone(1));
    let due_at = app.eventually("the next try is stored", || app.look(id).due_at);
    let first = &app.vendor.calls()[0];
    assert!((first.at..=app.clock.now_ms()).contains(&(due_at - 3_600_000)));
    assert_eq!(app.look(id).tries, Some(1));
    // Others are not in its way: this one vendor's number is busy, not the vendor.
    let other = app.accept_one(&phone(2));
    app.until_state(other, "sent");
    assert_eq!(app.state(id), "pending");
    app.clock.skip(HOUR);
    app.until_state(id, "sent");
    assert!(app.vendor.calls()[2].at >= due_at);
}

fn a_due_time_survives_a_kill(mut app: TestApp) {
    put_off(&app);
    app.start();
    let id = app.accept_one(&phone(1));
    let due_at = app.eventually("the next try is stored", || app.look(id).due_at);
    app.restart();
    let other = app.accept_one(&phone(2));
    app.until_state(other, "sent");
    assert_eq!((app.state(id), app.look(id).due_at), ("pending", Some(due_at)));
    app.pass(HOUR);
    app.until_state(id, "sent");
    assert!(app.vendor.calls().last().unwrap().at >= due_at);
}

fn a_waiting_try_holds_the_customers_next_message(mut app: TestApp) {
    put_off(&app);
    app.start();
    let first = app.accept_one(&phone(1));
    app.eventually("the next try is stored", || app.look(first).due_at);
    let ids = app.accept(Purpose::Info, vec![message(&phone(1), "second"), message(&phone(2), "other")]);
    app.until_state(ids[1], "sent");
    assert_eq!(app.state(ids[0]), "pending");
    app.restart();
    app.pass(HOUR);
    app.settle();
    let to_first: Vec<_> =
        app.vendor.calls().into_iter().flat_map(|call| call.ids).filter(|id| *id != ids[1]).collect();
    assert_eq!(to_first, [first, first, ids[0]]);
}
