//! A message is not sent after the moment that came with it, wherever it waits.

use std::time::Duration;

use naru_core::clock::{Clock, Millis};
use naru_dispatch::message::{Message, Purpose};
use naru_dispatch::provider::Verdict;

use crate::app::TestApp;
use crate::life::{message, phone};
use crate::on_both_engines;
use crate::vendor::Deed;

on_both_engines!(too_old_before_its_turn, too_old_by_the_time_of_another_try, too_old_behind_an_earlier_message);

const MINUTE: Duration = Duration::from_secs(60);

fn lasting(app: &TestApp, to: usize, time: Duration) -> Message {
    let expires_at = Some(app.clock.now_ms() + time.as_millis() as Millis);
    Message { expires_at, ..message(&phone(to), "x") }
}

fn too_old_before_its_turn(mut app: TestApp) {
    app.start_intake();
    let ids = app.accept(Purpose::Auth, vec![lasting(&app, 1, MINUTE), lasting(&app, 2, MINUTE * 10)]);
    app.stop();
    app.clock.skip(MINUTE);
    app.start();
    app.settle();
    assert_eq!((app.state(ids[0]), app.look(ids[0]).code.as_deref()), ("expired", Some("expired")));
    assert_eq!(app.state(ids[1]), "sent");
    assert_eq!(app.vendor.calls().len(), 1);
}

fn too_old_by_the_time_of_another_try(mut app: TestApp) {
    let later = Verdict::Retry { code: "busy".to_owned(), after: Some(MINUTE * 5) };
    app.vendor.plan(move |_| Deed::Judge(vec![later.clone()]));
    app.start();
    let id = app.accept(Purpose::Info, vec![lasting(&app, 1, MINUTE)])[0];
    // It ends now: the next try would come too late, and its customer need not wait for that.
    app.until_state(id, "expired");
    assert_eq!(app.vendor.calls().len(), 1);
}

fn too_old_behind_an_earlier_message(mut app: TestApp) {
    app.vendor.keep_waiting();
    app.start();
    let first = app.accept_one(&phone(1));
    app.until_waiting(1);
    let second = app.accept(Purpose::Info, vec![lasting(&app, 1, MINUTE)])[0];
    app.clock.skip(MINUTE);
    app.vendor.answer();
    app.settle();
    assert_eq!((app.state(first), app.state(second)), ("sent", "expired"));
    // The customer is free again after a message that ended unsent.
    let third = app.accept_one(&phone(1));
    app.until_state(third, "sent");
}
