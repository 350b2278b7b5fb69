//! A lane has one owner: whoever had it before writes nothing more.

use naru_dispatch::message::Purpose;

use crate::app::{DOWN, TestApp};
use crate::life::messages;
use crate::on_postgres;

on_postgres!(an_owner_that_lost_its_lane_writes_nothing_more);

fn an_owner_that_lost_its_lane_writes_nothing_more(mut app: TestApp) {
    app.vendor.keep_waiting();
    app.start();
    app.accept(Purpose::Info, messages(5));
    app.until_waiting(1);
    let next = app.another();
    app.let_leases_end();
    next.wait(next.dispatch.run()).unwrap();
    // The first owner's answer comes when the lane is no longer its own; the next one asks under the same key.
    app.vendor.answer();
    next.pass(DOWN);
    assert_eq!(app.settle().sent, 5);
    assert_eq!(app.number("SELECT fence FROM dispatch_side"), app.number("SELECT fence FROM job_lease"));
    assert_eq!(app.vendor.taken_in_all(), 5);
    let calls = app.vendor.calls();
    assert_eq!((calls.len(), &calls[0].key), (2, &calls[1].key));
    let more = next.accept(Purpose::Info, messages(2));
    next.until_state(more[1], "sent");
    next.kill();
}
