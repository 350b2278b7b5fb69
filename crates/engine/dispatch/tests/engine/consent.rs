//! Consent is asked when a message is about to leave, and its answer holds from then on.

use std::time::Duration;

use naru_core::clock::Millis;
use naru_dispatch::consent::Permit;
use naru_dispatch::message::Purpose;

use crate::app::TestApp;
use crate::life::{messages, phone};
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    the_suppressed_are_left_out_and_the_rest_goes,
    an_advertisement_held_for_the_night_leaves_in_the_morning,
    a_change_holds_from_the_next_chunk,
    without_consent_advertisements_are_refused,
);

with_power_cuts!(an_advertisement_held_for_the_night_leaves_in_the_morning);

fn the_suppressed_are_left_out_and_the_rest_goes(mut app: TestApp) {
    app.people.as_ref().unwrap().rule(|_, _, to| match to {
        to if to == phone(1) || to == phone(3) => Permit::Suppress("opted-out"),
        _ => Permit::Send,
    });
    app.start();
    let ids = app.accept(Purpose::Ad, messages(5));
    let account = app.settle();
    assert_eq!((account.sent, account.suppressed), (3, 2));
    assert_eq!(app.look(ids[3]).code.as_deref(), Some("opted-out"));
    assert_eq!(app.vendor.calls()[0].ids, [ids[0], ids[2], ids[4]]);
    // All of a chunk: no request is made, and the customers are free.
    let ids = app.accept(Purpose::Ad, messages(4).drain(1..2).collect());
    app.until_state(ids[0], "suppressed");
    app.people.as_ref().unwrap().rule(|_, _, _| Permit::Send);
    let ids = app.accept(Purpose::Ad, messages(4).drain(1..2).collect());
    app.until_state(ids[0], "sent");
    assert_eq!(app.vendor.calls().len(), 2);
}

fn an_advertisement_held_for_the_night_leaves_in_the_morning(mut app: TestApp) {
    const NIGHT: Duration = Duration::from_secs(8 * 3_600);
    let morning = crate::clock::NOON + NIGHT.as_millis() as Millis;
    let rule = move |now, purpose, _: &str| match purpose {
        Purpose::Ad if now < morning => Permit::Hold(morning),
        _ => Permit::Send,
    };
    app.people.as_ref().unwrap().rule(rule);
    app.start();
    let ads = app.accept(Purpose::Ad, messages(3));
    let info = app.accept_one(&phone(0));
    app.until_state(info, "sent");
    let due_at = app.eventually("the morning is stored", || app.look(ads[1]).due_at);
    assert_eq!((due_at, app.vendor.calls().len()), (morning, 1));
    // Held over a kill as well, and asked again when its time has come.
    app.restart();
    let asked = app.people.as_ref().unwrap().asked().len();
    app.clock.skip(NIGHT);
    app.settle();
    assert!(app.people.as_ref().unwrap().asked().len() >= asked + 3);
    assert!(app.vendor.calls()[1..].iter().all(|call| call.at >= morning));
}

fn a_change_holds_from_the_next_chunk(mut app: TestApp) {
    app.vendor.keep_waiting();
    app.lane().in_flight_max = 1;
    app.start();
    let first = app.accept(Purpose::Ad, messages(1))[0];
    app.until_waiting(1);
    // What has left has left; what has not is asked for again.
    app.people.as_ref().unwrap().rule(|_, _, _| Permit::Suppress("opted-out"));
    let second = app.accept(Purpose::Ad, messages(2))[1];
    app.until_state(second, "suppressed");
    app.vendor.answer();
    app.settle();
    assert_eq!(app.state(first), "sent");
}

fn without_consent_advertisements_are_refused(mut app: TestApp) {
    app.people = None;
    app.start();
    let ads = app.accept(Purpose::Ad, messages(2));
    let others = [app.accept(Purpose::Info, messages(1))[0], app.accept(Purpose::Auth, messages(1))[0]];
    app.settle();
    assert_eq!((app.state(ads[0]), app.look(ads[1]).code.as_deref()), ("suppressed", Some("no-consent-list")));
    assert_eq!(others.map(|id| app.state(id)), ["sent", "sent"]);
}
