//! The shards of a lane share its caps: one that has much to send uses what the others do not need, gives it back when they
//! do, and at no moment is more on its way than the account allows.

use naru_dispatch::frame::key_of;
use naru_dispatch::message::Purpose;
use naru_dispatch::shard::Shard;

use crate::app::{DOWN, LANE, TestApp};
use crate::file::{File, QUARTER_FRAME};
use crate::life::messages;
use crate::{on_both_engines, on_postgres};

on_both_engines!(
    a_shard_uses_what_the_other_does_not_need,
    a_share_outlives_a_kill,
    a_lane_split_otherwise_has_shares_anew,
);
on_postgres!(shares_move_between_instances);

const IN_FLIGHT_MAX: u32 = 16;
/// Of two shards one may use so much when the other has nothing to send: its own half, and three quarters of the other's.
const MOST: usize = 14;
const MESSAGES: usize = 200;

/// A lane of two shards whose account allows sixteen requests at one time, and takes one message with each.
fn split(app: &mut TestApp) {
    app.lane().shards = 2;
    app.lane().in_flight_max = IN_FLIGHT_MAX;
    app.lane().batch_max = Some(1);
    app.vendor.keep_waiting();
}

/// A file whose customers are all in shard `no`.
fn file_of(name: &'static str, no: u16) -> File {
    let mut file = File::new(name, MESSAGES, QUARTER_FRAME);
    let customers = (0..).map(|n| format!("c{n}"));
    let mut mine = customers.filter(|customer| Shard::of_key(key_of("", Some(customer)), 2) == no);
    file.rows.iter_mut().for_each(|row| row.customer = mine.next());
    file
}

/// Where slices are that are not with the shard whose own they are, or on their way.
fn lent(app: &TestApp) -> i64 {
    app.number("SELECT COUNT(*) FROM dispatch_slice WHERE shard <> slice / 8 OR goes_to IS NOT NULL")
}

/// As the vendor saw it: never more requests at one time than the account allows.
fn assert_never_more(app: &TestApp) {
    let calls = app.vendor.calls();
    let beside = |at: u64| calls.iter().filter(|it| it.started <= at && it.ended.is_none_or(|end| end >= at)).count();
    let most = calls.iter().map(|call| beside(call.started)).max();
    assert!(most <= Some(IN_FLIGHT_MAX as usize), "{most:?} at once");
}

/// One shard takes what it may, then the other has as much to send.
fn take_turns(app: &TestApp) {
    app.take_in(&file_of("first", 0));
    app.until_waiting(MOST);
    app.take_in(&file_of("second", 1));
    app.until_waiting(IN_FLIGHT_MAX as usize);
    app.vendor.answer();
}

fn a_shard_uses_what_the_other_does_not_need(mut app: TestApp) {
    split(&mut app);
    app.start();
    take_turns(&app);
    assert_eq!(app.settle().sent, 2 * MESSAGES as u64);
    app.eventually("all shares to be at home", || (lent(&app) == 0).then_some(()));
    assert_never_more(&app);
}

fn a_share_outlives_a_kill(mut app: TestApp) {
    split(&mut app);
    app.start();
    app.take_in(&file_of("first", 0));
    app.until_waiting(MOST);
    app.kill();
    app.vendor.answer();
    app.clock.skip(DOWN);
    app.vendor.keep_waiting();
    app.start();
    app.accept(Purpose::Info, messages(50));
    app.eventually("requests", || (app.vendor.waiting() > 0).then_some(()));
    app.vendor.answer();
    assert_eq!(app.settle_in_time().sent, MESSAGES as u64 + 50);
    app.eventually("all shares to be at home", || (lent(&app) == 0).then_some(()));
}

fn a_lane_split_otherwise_has_shares_anew(mut app: TestApp) {
    let slices = |app: &TestApp| app.number("SELECT COUNT(*) FROM dispatch_slice");
    for (round, (shards, count)) in [(1, 0), (3, 24), (2, 16), (1, 0)].into_iter().enumerate() {
        app.lane().shards = shards;
        app.start();
        // Places in order are counted by shard, so each round has customers of its own.
        app.accept(Purpose::Info, messages(20 * (round + 1)).split_off(20 * round));
        app.settle();
        assert_eq!(slices(&app), count);
        app.eventually("all shares to be at home", || (lent(&app) == 0).then_some(()));
        app.stop();
    }
    app.lane().shards = 65;
    app.lane().in_flight_max = 100;
    assert_eq!(app.config.check().unwrap_err().code, "lane-shards-many");
}

fn shares_move_between_instances(mut app: TestApp) {
    split(&mut app);
    app.start();
    let second = app.another();
    second.wait(second.dispatch.run()).unwrap();
    app.see_another();
    app.eventually("each to carry a shard", || {
        (app.wait(app.dispatch.carried_by(LANE)).unwrap().len() == 2).then_some(())
    });
    take_turns(&app);
    assert_eq!(app.settle().sent, 2 * MESSAGES as u64);
    app.eventually("all shares to be at home", || (lent(&app) == 0).then_some(()));
    assert_never_more(&app);
    second.stop();
}
