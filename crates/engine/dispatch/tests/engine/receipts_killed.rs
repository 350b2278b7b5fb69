//! A report that was acknowledged is stored, and counts after a kill even where nobody had merged it.

use std::time::Duration;

use naru_dispatch::message::Purpose;
use naru_dispatch::provider::{Report, ReportEnd};

use crate::app::{DOWN, TestApp};
use crate::life::{change, messages, number, report};
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    stored_and_not_merged_reports_survive_a_kill,
    reports_stored_in_front_of_a_restart_meet_requests_in_doubt,
    rows_that_could_not_be_removed_are_found_again,
);

with_power_cuts!(
    stored_and_not_merged_reports_survive_a_kill,
    reports_stored_in_front_of_a_restart_meet_requests_in_doubt,
);

fn delivered(ids: &[naru_dispatch::message::MessageId]) -> Vec<Report> {
    ids.iter().map(|id| report(*id, ReportEnd::Delivered, "", 0)).collect()
}

fn stored_and_not_merged_reports_survive_a_kill(mut app: TestApp) {
    app.start();
    let ids = app.accept(Purpose::Info, messages(20));
    app.settle();
    // The first is merged at once, the others wait a second for their turn.
    app.report(delivered(&ids[..1])).unwrap();
    app.until_state(ids[0], "delivered");
    ids[1..].iter().for_each(|id| app.report(delivered(&[*id])).unwrap());
    app.kill();
    let merged = app.between_lives(async |store| {
        number(store, "SELECT CAST(COALESCE(SUM(delivered), 0) AS BIGINT) FROM dispatch_side").await
    });
    assert!(merged < 20, "all were merged before the kill");
    app.clock.skip(DOWN);
    app.start();
    app.until("all are delivered", |account| account.delivered == 20);
    app.eventually("the rows are gone", || (app.number("SELECT COUNT(*) FROM dispatch_receipt") == 0).then_some(()));
}

fn reports_stored_in_front_of_a_restart_meet_requests_in_doubt(mut app: TestApp) {
    app.vendor.keep_waiting();
    app.start();
    let ids = app.accept(Purpose::Info, messages(3));
    app.until_waiting(1);
    app.report(delivered(&ids[..1])).unwrap();
    app.until_state(ids[0], "delivered");
    app.report(delivered(&ids[1..])).unwrap();
    app.kill();
    app.vendor.answer();
    app.clock.skip(DOWN);
    app.start();
    app.until("all are delivered", |account| account.delivered == 3);
    app.eventually("the doubt to end", || (app.number("SELECT COUNT(*) FROM dispatch_chunk") == 0).then_some(()));
}

fn rows_that_could_not_be_removed_are_found_again(mut app: TestApp) {
    app.start();
    let ids = app.accept(Purpose::Info, messages(5));
    app.settle();
    app.wait(change(app.store(), "CREATE TABLE left_over AS SELECT * FROM dispatch_receipt"));
    // As they are when the database goes away between the merge and the removal. Vendors repeat themselves, so another
    // try is as good where the merge was faster.
    app.eventually("rows to be caught before they are merged", || {
        app.report(delivered(&ids)).unwrap();
        app.wait(change(app.store(), "INSERT INTO left_over SELECT * FROM dispatch_receipt"));
        (app.number("SELECT COUNT(*) FROM left_over") > 0).then_some(())
    });
    let rows = || app.number("SELECT COUNT(*) FROM dispatch_receipt");
    app.until("all are delivered", |account| account.delivered == 5);
    app.eventually("the rows are gone", || (rows() == 0).then_some(()));
    app.wait(change(app.store(), "INSERT INTO dispatch_receipt SELECT * FROM left_over"));
    assert!(rows() > 0);
    app.clock.skip(Duration::from_secs(11));
    app.eventually("the rows are gone again", || (rows() == 0).then_some(()));
    app.wait(change(app.store(), "DROP TABLE left_over"));
}
