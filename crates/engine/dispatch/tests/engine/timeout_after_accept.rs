//! A request whose answer was lost: whether it was taken is found out as the vendor allows, and never guessed.

use std::time::Duration;

use naru_dispatch::message::Purpose;
use naru_dispatch::provider::Level;

use crate::app::{DOWN, TestApp};
use crate::clock::DAY;
use crate::life::{message, messages, phone};
use crate::vendor::Deed;
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    at_level_key_the_repeat_is_not_taken_twice,
    at_level_key_single_sends_are_repeated_one_by_one,
    at_level_key_nothing_is_repeated_once_the_key_is_forgotten,
    at_level_lookup_the_vendor_is_asked,
    at_level_lookup_what_never_arrived_is_sent_again,
    at_level_lookup_what_may_be_forgotten_is_not_taken_for_never_arrived,
    at_level_none_info_is_sent_again,
    at_level_none_an_advertisement_is_left_to_a_person,
    an_open_outcome_holds_the_customers_next_message,
);

with_power_cuts!(at_level_lookup_what_may_be_forgotten_is_not_taken_for_never_arrived);

/// After this no request of the lane can be on its way any more.
const DEADLINE: Duration = Duration::from_secs(33);

/// The first request's answer is lost.
fn lose_first(app: &TestApp, deed: Deed) {
    app.vendor.plan(move |arrival| if arrival.nth == 0 { deed.clone() } else { Deed::Take });
}

fn until_lost(app: &TestApp) {
    app.eventually("the first request to be lost", || app.vendor.calls().first()?.ended);
}

fn at_level_key_the_repeat_is_not_taken_twice(mut app: TestApp) {
    lose_first(&app, Deed::LoseAnswer);
    app.start();
    app.accept(Purpose::Ad, messages(5));
    until_lost(&app);
    app.pass(DEADLINE);
    assert_eq!(app.settle().sent, 5);
    let calls = app.vendor.calls();
    assert_eq!((calls.len(), &calls[0].key), (2, &calls[1].key));
    assert!(calls[1].at - calls[0].at >= 30_000, "repeated before it was certain to be over");
    assert_eq!(app.vendor.taken_in_all(), 5);
}

fn at_level_key_single_sends_are_repeated_one_by_one(mut app: TestApp) {
    app.vendor.plan(|arrival| if arrival.nth % 3 == 0 { Deed::LoseAnswer } else { Deed::Take });
    // A vendor of batches, used one by one: each send still has a key of its own.
    app.lane().batch_max = Some(1);
    app.start();
    app.accept(Purpose::Ad, messages(9));
    app.until("what was answered is stored", |account| account.sent == 6);
    app.pass(DEADLINE);
    assert_eq!(app.settle().sent, 9);
    assert_eq!(app.vendor.taken_in_all(), 9);
    assert_eq!(app.vendor.calls().len(), 12);
}

fn at_level_key_nothing_is_repeated_once_the_key_is_forgotten(mut app: TestApp) {
    lose_first(&app, Deed::LoseAnswer);
    app.start();
    let id = app.accept(Purpose::Info, messages(1))[0];
    until_lost(&app);
    app.pass(DAY);
    app.settle();
    assert_eq!((app.state(id), app.look(id).code.as_deref()), ("unknown", Some("timed-out")));
    assert_eq!(app.vendor.calls().len(), 1);
}

fn at_level_lookup_the_vendor_is_asked(mut app: TestApp) {
    app.vendor.level(Level::Lookup { life: DAY });
    lose_first(&app, Deed::LoseAnswer);
    app.start();
    app.accept(Purpose::Ad, messages(5));
    until_lost(&app);
    assert_eq!(app.vendor.lookups(), 0);
    app.pass(DEADLINE);
    assert_eq!(app.settle().sent, 5);
    assert_eq!((app.vendor.calls().len(), app.vendor.lookups()), (1, 1));
}

fn at_level_lookup_what_never_arrived_is_sent_again(mut app: TestApp) {
    app.vendor.level(Level::Lookup { life: DAY });
    lose_first(&app, Deed::LoseRequest);
    app.start();
    app.accept(Purpose::Ad, messages(5));
    until_lost(&app);
    app.pass(DEADLINE);
    assert_eq!(app.settle().sent, 5);
    assert_eq!((app.vendor.calls().len(), app.vendor.lookups()), (2, 1));
}

fn at_level_lookup_what_may_be_forgotten_is_not_taken_for_never_arrived(mut app: TestApp) {
    for level in [Level::Lookup { life: DAY }, Level::TwoPhase { life: DAY }] {
        app.vendor.level(level);
        app.vendor.plan(|_| Deed::LoseAnswer);
        app.start();
        let calls = app.vendor.calls().len();
        let id = app.accept(Purpose::Info, messages(1))[0];
        app.eventually("the request to be lost", || app.vendor.calls().get(calls)?.ended);
        app.kill();
        // It was down for longer than the vendor remembers.
        app.vendor.forget();
        app.clock.skip(DAY);
        app.start();
        app.until_state(id, "unknown");
        assert_eq!((app.vendor.calls().len(), app.vendor.lookups()), (calls + 1, 0));
        app.stop();
        app.clock.skip(DOWN);
    }
}

fn at_level_none_info_is_sent_again(mut app: TestApp) {
    app.vendor.level(Level::None);
    lose_first(&app, Deed::LoseRequest);
    app.start();
    app.accept(Purpose::Info, messages(2));
    until_lost(&app);
    app.pass(DEADLINE);
    assert_eq!(app.settle().sent, 2);
    assert_eq!(app.vendor.taken_in_all(), 2);
}

fn at_level_none_an_advertisement_is_left_to_a_person(mut app: TestApp) {
    app.vendor.level(Level::None);
    lose_first(&app, Deed::LoseAnswer);
    app.start();
    let ids = app.accept(Purpose::Ad, messages(2));
    until_lost(&app);
    app.pass(DEADLINE);
    assert_eq!(app.settle().unknown, 2);
    assert_eq!(app.look(ids[0]).code.as_deref(), Some("timed-out"));
    // The customer is free again.
    let next = app.accept(Purpose::Ad, messages(2));
    app.until_state(next[1], "sent");
    assert_eq!(app.vendor.calls().len(), 2);
}

fn an_open_outcome_holds_the_customers_next_message(mut app: TestApp) {
    lose_first(&app, Deed::LoseAnswer);
    app.start();
    let first = app.accept_one(&phone(1));
    until_lost(&app);
    let ids = app.accept(Purpose::Info, vec![message(&phone(1), "second"), message(&phone(2), "other")]);
    app.until_state(ids[1], "sent");
    assert_eq!((app.state(ids[0]), app.look(first).in_flight), ("pending", true));
    app.pass(DEADLINE);
    app.settle();
    let to_first: Vec<_> =
        app.vendor.calls().into_iter().flat_map(|call| call.ids).filter(|id| *id != ids[1]).collect();
    assert_eq!(to_first, [first, first, ids[0]]);
}
