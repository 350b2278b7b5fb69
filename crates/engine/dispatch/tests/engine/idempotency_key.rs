//! The same call again is the same answer and no second message; another call under the same key is refused.

use naru_core::id::Id;
use naru_dispatch::intake::Batch;
use naru_dispatch::message::{MessageId, Purpose};

use crate::app::TestApp;
use crate::clock::DAY;
use crate::life::{batch, message, messages, phone};
use crate::{on_both_engines, on_postgres, with_power_cuts};

on_both_engines!(
    the_same_call_again_gets_the_first_answer,
    another_body_under_the_same_key_is_refused,
    two_at_once_with_one_key_are_one,
    a_key_is_known_after_a_kill_right_after_the_answer,
    refused_items_keep_their_places_in_the_answer,
    a_key_is_forgotten_after_seven_days_and_not_before,
    a_key_of_a_days_first_hour_is_found,
);

with_power_cuts!(a_key_is_known_after_a_kill_right_after_the_answer, refused_items_keep_their_places_in_the_answer);

on_postgres!(two_processes_at_once_with_one_key_are_one);

fn keyed(key: u8, body: u8, count: usize) -> Batch {
    Batch { key: Some(([key; 16], [body; 16])), ..batch(Purpose::Info, messages(count)) }
}

fn the_same_call_again_gets_the_first_answer(mut app: TestApp) {
    app.start();
    // More than a frame, so that the answer is more than one run of slots.
    let first = app.wait(app.dispatch.accept(keyed(1, 1, 1_500))).unwrap();
    let other = app.wait(app.dispatch.accept(keyed(2, 1, 3))).unwrap();
    assert_eq!(app.wait(app.dispatch.accept(keyed(1, 1, 1_500))).unwrap(), first);
    assert!(other.iter().all(|id| !first.contains(id)));
    assert_eq!(app.settle().sent, 1_503);
}

fn another_body_under_the_same_key_is_refused(mut app: TestApp) {
    app.start();
    app.wait(app.dispatch.accept(keyed(1, 1, 2))).unwrap();
    let refused = app.wait(app.dispatch.accept(keyed(1, 2, 2))).unwrap_err();
    assert_eq!(refused.code, "idempotency-key-reused");
    assert_eq!(app.settle().accepted, 2);
}

fn two_at_once_with_one_key_are_one(mut app: TestApp) {
    app.start();
    let call = || app.dispatch.accept(keyed(1, 1, 2));
    let (first, second, third, plain) = app
        .wait(async { tokio::join!(call(), call(), call(), app.dispatch.accept(batch(Purpose::Info, messages(1)))) });
    let first = first.unwrap();
    assert_eq!((second.unwrap(), third.unwrap()), (first.clone(), first));
    assert_eq!(plain.unwrap().len(), 1);
    assert_eq!(app.settle().accepted, 3);
}

fn two_processes_at_once_with_one_key_are_one(mut app: TestApp) {
    app.start();
    let second = app.another();
    for key in 0..20 {
        let (one, other) = app.wait(async {
            tokio::join!(app.dispatch.accept(keyed(key, 1, 2)), second.dispatch.accept(keyed(key, 1, 2)))
        });
        assert_eq!(one.unwrap(), other.unwrap(), "key {key}");
    }
    assert_eq!(app.settle().accepted, 40);
    second.kill();
}

fn a_key_is_known_after_a_kill_right_after_the_answer(mut app: TestApp) {
    app.start_intake();
    let first = app.wait(app.dispatch.accept(keyed(1, 1, 2))).unwrap();
    app.restart();
    assert_eq!(app.wait(app.dispatch.accept(keyed(1, 1, 2))).unwrap(), first);
    assert_eq!(app.settle().accepted, 2);
}

fn refused_items_keep_their_places_in_the_answer(mut app: TestApp) {
    app.start();
    // Items 0 and 2 were refused before they came here.
    let call = || {
        let mut call = batch(Purpose::Info, Vec::new());
        call.parts[0].messages = vec![(1, message(&phone(1), "x")), (3, message(&phone(3), "x"))];
        Batch { count: 4, key: Some(([1; 16], [1; 16])), ..call }
    };
    let nothing = MessageId { frame: Id::default(), slot: 0 };
    let first = app.wait(app.dispatch.accept(call())).unwrap();
    assert_eq!((first[0], first[2]), (nothing, nothing));
    app.settle();
    for place in [1, 3] {
        assert_eq!(app.wait(app.dispatch.find(&message(&phone(place), "").to, 2)).unwrap(), [first[place]]);
    }
    app.restart();
    assert_eq!(app.wait(app.dispatch.accept(call())).unwrap(), first);
}

fn a_key_is_forgotten_after_seven_days_and_not_before(mut app: TestApp) {
    app.start();
    let first = app.wait(app.dispatch.accept(keyed(1, 1, 1))).unwrap();
    app.clock.skip(DAY * 7);
    app.let_go();
    assert_eq!(app.wait(app.dispatch.accept(keyed(1, 1, 1))).unwrap(), first);
    app.clock.skip(DAY);
    app.let_go();
    assert_ne!(app.wait(app.dispatch.accept(keyed(1, 1, 1))).unwrap(), first);
    app.settle();
}

fn a_key_of_a_days_first_hour_is_found(mut app: TestApp) {
    // From noon to half past midnight, when keys go into two days' tables.
    app.clock.skip(DAY / 2 + DAY / 48);
    app.start();
    let first = app.wait(app.dispatch.accept(keyed(1, 1, 2))).unwrap();
    assert_eq!(app.wait(app.dispatch.accept(keyed(1, 1, 2))).unwrap(), first);
    app.clock.skip(DAY / 24);
    assert_eq!(app.wait(app.dispatch.accept(keyed(1, 1, 2))).unwrap(), first);
    assert_eq!(app.settle().accepted, 2);
}
