//! A report that comes before our own outcome is stored counts, and nothing is sent because of it or in spite of it.

use naru_dispatch::message::{MessageId, Purpose};
use naru_dispatch::provider::{Level, ReportEnd};

use crate::app::{DOWN, TestApp};
use crate::life::{message, messages, phone, report};
use crate::vendor::Deed;
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    a_report_before_the_answer_counts,
    a_report_before_the_answer_does_not_free_the_customer,
    a_report_answers_a_lost_request_without_a_repeat,
    a_report_before_a_kill_saves_the_repeat,
    a_report_settles_what_was_unknown,
);

with_power_cuts!(a_report_before_a_kill_saves_the_repeat);

fn delivered(app: &TestApp, ids: &[MessageId]) {
    app.report(ids.iter().map(|id| report(*id, ReportEnd::Delivered, "", 0)).collect()).unwrap();
}

fn a_report_before_the_answer_counts(mut app: TestApp) {
    app.vendor.keep_waiting();
    app.start();
    let ids = app.accept(Purpose::Info, messages(3));
    app.until_waiting(1);
    delivered(&app, &ids[..2]);
    app.until("two are delivered", |account| account.delivered == 2);
    app.vendor.answer();
    app.until("the third is sent", |account| account.sent == 1);
    assert_eq!(app.account().delivered, 2);
}

fn a_report_before_the_answer_does_not_free_the_customer(mut app: TestApp) {
    app.vendor.keep_waiting();
    app.start();
    let first = app.accept_one(&phone(1));
    app.until_waiting(1);
    delivered(&app, &[first]);
    app.until_state(first, "delivered");
    let ids = app.accept(Purpose::Info, vec![message(&phone(1), "second"), message(&phone(2), "other")]);
    app.until_waiting(2);
    assert_eq!(app.vendor.calls()[1].ids, [ids[1]]);
    app.vendor.answer();
    app.settle();
}

fn a_report_answers_a_lost_request_without_a_repeat(mut app: TestApp) {
    app.vendor.plan(|_| Deed::LoseAnswer);
    app.start();
    let ids = app.accept(Purpose::Info, messages(2));
    app.eventually("the request to be lost", || app.vendor.calls().first()?.ended);
    delivered(&app, &ids);
    app.until("both are delivered", |account| account.delivered == 2);
    app.pass(DOWN);
    app.eventually("the doubt to end", || (app.number("SELECT COUNT(*) FROM dispatch_chunk") == 0).then_some(()));
    assert_eq!(app.vendor.calls().len(), 1);
    // The customer is free.
    app.vendor.plan(|_| Deed::Take);
    let next = app.accept_one(&phone(0));
    app.until_state(next, "sent");
}

fn a_report_before_a_kill_saves_the_repeat(mut app: TestApp) {
    app.vendor.keep_waiting();
    app.start();
    let ids = app.accept(Purpose::Info, messages(2));
    app.until_waiting(1);
    delivered(&app, &ids);
    app.until("both are delivered", |account| account.delivered == 2);
    app.kill();
    app.vendor.answer();
    app.clock.skip(DOWN);
    app.start();
    let next = app.accept(Purpose::Info, messages(2));
    app.until("the next ones are sent", |account| account.sent == 2);
    assert_eq!(app.vendor.calls().len(), 2);
    assert_eq!(app.vendor.calls()[1].ids, next);
}

fn a_report_settles_what_was_unknown(mut app: TestApp) {
    app.vendor.level(Level::None);
    app.vendor.plan(|_| Deed::LoseAnswer);
    app.start();
    let ids = app.accept(Purpose::Ad, messages(3));
    app.eventually("the request to be lost", || app.vendor.calls().first()?.ended);
    app.pass(DOWN);
    assert_eq!(app.settle().unknown, 3);
    app.report(vec![report(ids[0], ReportEnd::Delivered, "", 0), report(ids[1], ReportEnd::Failed, "switched-off", 0)])
        .unwrap();
    let account = app.until("two are settled", |account| account.unknown == 1);
    assert_eq!((account.delivered, account.failed), (1, 1));
    assert_eq!((app.look(ids[0]).code, app.look(ids[1]).code.as_deref()), (None, Some("switched-off")));
}
