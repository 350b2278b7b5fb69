//! A byte that changed in the store is found, its frame is set aside and counted as unknown, and the rest goes on.

use std::time::Duration;

use naru_core::clock::Millis;
use naru_core::id::Id;
use naru_dispatch::consent::Permit;
use naru_dispatch::message::{MessageId, Purpose};
use naru_store::Store;
use sqlx::Row;

use crate::app::{DOWN, TestApp};
use crate::life::{change, messages, number, phone};
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    a_flipped_byte_of_a_body_sets_its_frame_aside,
    a_flipped_byte_of_the_states_sets_its_frame_aside,
    a_flipped_byte_of_the_codes_sets_its_frame_aside,
    what_was_settled_stays_so_when_its_frame_is_set_aside,
    a_byte_flipped_after_the_claim_ends_its_frame_and_no_other,
    damage_in_a_settled_frame_is_told_by_the_audit,
    a_wrong_count_is_told_by_the_audit,
);

with_power_cuts!(
    a_flipped_byte_of_a_body_sets_its_frame_aside,
    a_flipped_byte_of_the_states_sets_its_frame_aside,
    a_flipped_byte_of_the_codes_sets_its_frame_aside,
    what_was_settled_stays_so_when_its_frame_is_set_aside,
);

/// Which stored bytes change.
#[derive(Clone, Copy)]
pub enum Place {
    Body,
    States,
}

/// Flips one bit of one byte of a frame.
pub async fn flip(store: &Store, frame: Id, place: Place) {
    let (read, write) = match place {
        Place::Body => {
            ("SELECT body FROM dispatch_frame WHERE id = $1", "UPDATE dispatch_frame SET body = $1 WHERE id = $2")
        }
        Place::States => (
            "SELECT states FROM dispatch_side WHERE frame = $1",
            "UPDATE dispatch_side SET states = $1 WHERE frame = $2",
        ),
    };
    let row = sqlx::query(read).bind(frame.0.to_vec()).fetch_one(store.reader()).await.unwrap();
    let mut bytes: Vec<u8> = row.get(0);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    let write = store.write(move |conn| {
        let bytes = bytes.clone();
        Box::pin(async move {
            sqlx::query(write).bind(bytes).bind(frame.0.to_vec()).execute(conn).await?;
            Ok(())
        })
    });
    write.await.unwrap();
}

/// Three frames of five messages, none of them sent.
fn three_frames(app: &mut TestApp) -> [Vec<MessageId>; 3] {
    app.damaged = true;
    app.start_intake();
    let mut numbers = messages(15);
    let frames = [(); 3].map(|()| app.accept(Purpose::Info, numbers.drain(..5).collect()));
    app.kill();
    frames
}

fn check_set_aside(app: &mut TestApp, frames: &[Vec<MessageId>; 3]) {
    let before = app.audit();
    assert_eq!(before.findings.len(), 1, "{before:?}");
    assert!(before.findings[0].contains(&frames[1][0].frame.to_string()) && !before.balances());
    app.start();
    let account = app.settle();
    assert_eq!((account.sent, account.unknown), (10, 5));
    assert_eq!(app.doctor_lanes(), ["frames-set-aside"]);
    app.stop();
    let audit = app.audit();
    assert!(audit.balances(), "{audit:?}");
    assert_eq!((audit.set_aside, audit.total.unknown, audit.total.sent), (1, 5, 10));
    // It stays aside, and is not found anew at each start.
    app.clock.skip(DOWN);
    app.start();
    let next = app.accept(Purpose::Info, messages(15));
    app.until_state(next[14], "sent");
    assert_eq!(app.account().unknown, 5);
    assert!(frames[1].iter().all(|id| app.vendor.taken(*id) == 0));
}

fn a_flipped_byte_of_a_body_sets_its_frame_aside(mut app: TestApp) {
    let frames = three_frames(&mut app);
    app.between_lives(async |store| flip(store, frames[1][0].frame, Place::Body).await);
    check_set_aside(&mut app, &frames);
    assert_eq!(app.wait(naru_dispatch::look::look(app.store(), frames[1][0])).unwrap_err().code, "store-damaged");
}

fn a_flipped_byte_of_the_states_sets_its_frame_aside(mut app: TestApp) {
    let frames = three_frames(&mut app);
    app.between_lives(async |store| flip(store, frames[1][0].frame, Place::States).await);
    check_set_aside(&mut app, &frames);
    let view = app.look(frames[1][0]);
    assert_eq!((view.state, view.code.as_deref()), ("unknown", Some("damaged")));
}

fn a_flipped_byte_of_the_codes_sets_its_frame_aside(mut app: TestApp) {
    let frames = three_frames(&mut app);
    app.between_lives(async |store| change(store, "UPDATE dispatch_side SET codes = 'x:1' WHERE seq = 2").await);
    check_set_aside(&mut app, &frames);
}

fn what_was_settled_stays_so_when_its_frame_is_set_aside(mut app: TestApp) {
    app.damaged = true;
    app.lane().batch_max = Some(2);
    app.lane().in_flight_max = 1;
    app.vendor.keep_waiting();
    app.start();
    let ids = app.accept(Purpose::Info, messages(10));
    app.until_waiting(1);
    app.lane().in_flight_max = 32;
    app.vendor.answer();
    app.until("two are sent", |account| account.sent >= 2);
    app.kill();
    let sent = app.between_lives(async |store| {
        flip(store, ids[0].frame, Place::Body).await;
        number(store, "SELECT sent FROM dispatch_side").await as u64
    });
    app.clock.skip(DOWN);
    app.start();
    let account = app.settle();
    assert_eq!((account.sent, account.unknown), (sent, 10 - sent));
    assert_eq!(app.number("SELECT COUNT(*) FROM dispatch_chunk"), 0);
}

fn a_byte_flipped_after_the_claim_ends_its_frame_and_no_other(mut app: TestApp) {
    // More than a lane keeps unpacked: the first of them are read again when their time has come.
    const FRAMES: usize = 120;
    const NIGHT: Duration = Duration::from_secs(8 * 3_600);
    let morning = crate::clock::NOON + NIGHT.as_millis() as Millis;
    let rule = move |now, _, _: &str| if now < morning { Permit::Hold(morning) } else { Permit::Send };
    app.people.as_ref().unwrap().rule(rule);
    app.damaged = true;
    app.start();
    let ids: Vec<MessageId> = (0..FRAMES).map(|n| app.accept_one(&phone(n))).collect();
    let held = app.eventually("all to be held", || {
        let held = app.number("SELECT COUNT(*) FROM dispatch_retry");
        (held == FRAMES as i64).then_some(held)
    });
    assert_eq!(held, FRAMES as i64);
    app.wait(flip(app.store(), ids[0].frame, Place::Body));
    app.clock.skip(NIGHT);
    let account = app.settle();
    assert_eq!((account.sent, account.suppressed), (FRAMES as u64 - 1, 1));
    assert_eq!(app.number("SELECT suppressed FROM dispatch_side WHERE seq = 1"), 1);
    assert_eq!(app.vendor.taken(ids[0]), 0);
}

fn damage_in_a_settled_frame_is_told_by_the_audit(mut app: TestApp) {
    app.damaged = true;
    app.start();
    let ids = app.accept(Purpose::Info, messages(5));
    app.settle();
    app.stop();
    for place in [Place::Body, Place::States] {
        app.between_lives(async |store| flip(store, ids[0].frame, place).await);
        let audit = app.audit();
        assert!(!audit.balances());
        assert!(audit.findings[0].contains("has changed since"), "{audit:?}");
        app.between_lives(async |store| flip(store, ids[0].frame, place).await);
        assert!(app.audit().balances());
    }
}

fn a_wrong_count_is_told_by_the_audit(mut app: TestApp) {
    app.damaged = true;
    app.start();
    app.accept(Purpose::Info, messages(5));
    app.settle();
    app.stop();
    app.between_lives(async |store| change(store, "UPDATE dispatch_side SET sent = 4, failed = 1").await);
    let audit = app.audit();
    assert_eq!(audit.findings.len(), 2, "{audit:?}");
}
