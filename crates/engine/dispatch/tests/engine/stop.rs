//! A stop in good order finishes what is on its way, starts nothing more and leaves nothing in doubt.

use naru_dispatch::message::Purpose;

use crate::app::{DOWN, TestApp};
use crate::file::{File, QUARTER_FRAME};
use crate::life::{messages, number};
use crate::on_both_engines;

on_both_engines!(a_stop_leaves_nothing_in_doubt, a_stop_waits_for_answers_and_stores_them);

fn a_stop_leaves_nothing_in_doubt(mut app: TestApp) {
    app.lane().in_flight_max = 2;
    app.start();
    app.take_in(&File::new("stopped", 240, QUARTER_FRAME));
    app.eventually("some requests", || (app.vendor.calls().len() >= 3).then_some(()));
    app.stop();
    let (chunks, sent) = app.between_lives(async |store| {
        let sent = number(store, "SELECT CAST(SUM(sent) AS BIGINT) FROM dispatch_side").await;
        (number(store, "SELECT COUNT(*) FROM dispatch_chunk").await, sent)
    });
    assert_eq!((chunks, sent), (0, i64::from(app.vendor.taken_in_all())));
    app.clock.skip(DOWN);
    app.start();
    assert_eq!(app.settle().sent, 240);
}

fn a_stop_waits_for_answers_and_stores_them(mut app: TestApp) {
    app.vendor.keep_waiting();
    app.start();
    app.accept(Purpose::Info, messages(5));
    app.until_waiting(1);
    let vendor = app.vendor.clone();
    app.ctx().lifecycle().stop();
    assert_eq!(app.account().pending, 5);
    vendor.answer();
    app.stop();
    app.start_intake();
    assert_eq!(app.account().sent, 5);
}
