//! Several instances on one database: a lane has one owner at any moment, moves when its owner dies or lets go, and
//! obeys people and hears receipts wherever they come in. That nothing was lost, doubled or reordered on the way is
//! checked where every case ends ([`crate::joined`]).

use naru_dispatch::campaign::CampaignState;
use naru_dispatch::message::Purpose;
use naru_dispatch::provider::ReportEnd;

use crate::app::{DOWN, LANE, TestApp};
use crate::file::{File, QUARTER_FRAME};
use crate::life::{Life, change, messages, phone, report};
use crate::on_postgres;

on_postgres!(
    a_dead_owners_lane_moves_and_nothing_is_lost,
    a_lane_is_handed_over_while_it_works,
    a_closed_gate_gives_the_lanes_up_and_an_open_one_takes_them,
    whoever_carries_less_is_given_some,
    a_dead_instance_is_given_nothing,
    a_pause_said_elsewhere_is_answered_when_nothing_more_starts,
    a_cancel_said_elsewhere_leaves_nothing_to_send,
    a_campaign_taken_in_elsewhere_leaves,
    receipts_taken_elsewhere_are_merged,
    the_shards_of_a_lane_keep_order_and_caps_together,
    a_lane_is_not_split_while_messages_wait,
);

const MESSAGES: usize = 240;

fn start_another(app: &TestApp) -> Life {
    let another = app.another();
    another.wait(another.dispatch.run()).unwrap();
    another
}

/// Calls that came to the vendor, and the messages in them.
fn left_so_far(app: &TestApp) -> (usize, u64) {
    let calls = app.vendor.calls();
    (calls.len(), calls.iter().map(|call| call.ids.len() as u64).sum())
}

fn carries(life: &Life, lane: &str) -> bool {
    let name = life.ctx().instance().name().to_owned();
    life.wait(life.dispatch.carried_by(lane)).unwrap() == [name]
}

fn until_carried_by(life: &Life) {
    life.eventually("the lane has moved", || carries(life, LANE).then_some(()));
}

fn a_dead_owners_lane_moves_and_nothing_is_lost(mut app: TestApp) {
    app.lane().in_flight_max = 2;
    app.lane().batch_max = Some(10);
    app.vendor.keep_waiting_after(4);
    app.start();
    let second = start_another(&app);
    assert!(carries(&app, LANE) && !carries(&second, LANE));
    app.take_in(&File::new("moved", MESSAGES, QUARTER_FRAME));
    app.until_waiting(2);
    app.kill();
    app.vendor.answer();
    // The dead owner's lease runs out by the database's clock, and only then the lane moves.
    until_carried_by(&second);
    // What the dead owner started is looked into when it can no longer be on its way.
    second.pass(DOWN);
    assert_eq!(second.settle().sent, MESSAGES as u64);
    second.stop();
}

fn a_lane_is_handed_over_while_it_works(mut app: TestApp) {
    app.lane().in_flight_max = 2;
    app.lane().batch_max = Some(5);
    app.vendor.keep_waiting_after(4);
    app.start();
    let second = start_another(&app);
    app.take_in(&File::new("handed-over", MESSAGES, QUARTER_FRAME));
    app.until_waiting(2);
    let vendor = app.vendor.clone();
    app.ctx().lifecycle().stop();
    vendor.answer();
    app.stop();
    assert_eq!(second.number("SELECT COUNT(*) FROM dispatch_chunk"), 0, "nothing is in doubt after a stop");
    until_carried_by(&second);
    assert_eq!(second.settle().sent, MESSAGES as u64);
    second.stop();
}

fn a_closed_gate_gives_the_lanes_up_and_an_open_one_takes_them(mut app: TestApp) {
    app.vendor.keep_waiting();
    app.start();
    app.accept(Purpose::Info, messages(5));
    app.until_waiting(1);
    app.ctx().gate().close(true);
    // What is on its way is waited for: whoever waits for the gate sees the lane until then.
    let inside = || app.ctx().gate().names();
    assert_eq!(inside(), [(format!("lane {LANE}"), 1)]);
    app.vendor.answer();
    app.eventually("nothing is inside", || inside().is_empty().then_some(()));
    assert_eq!(app.account().sent, 5);
    // Intake goes on, and what it takes in waits.
    app.accept(Purpose::Info, messages(3));
    assert_eq!(app.account().pending, 3);
    let second = start_another(&app);
    until_carried_by(&second);
    assert_eq!(second.settle().sent, 8);
    second.stop();
    app.ctx().gate().close(false);
    until_carried_by(&app);
}

fn whoever_carries_less_is_given_some(mut app: TestApp) {
    let other = app.lane().clone();
    app.config.lane.insert("other".to_owned(), other);
    app.start();
    assert!(carries(&app, LANE) && carries(&app, "other"));
    let second = start_another(&app);
    app.see_another();
    let shared = || {
        let count = [&*app, &second].map(|life| [LANE, "other"].into_iter().filter(|lane| carries(life, lane)).count());
        (count == [1, 1]).then_some(())
    };
    app.eventually("one lane each", shared);
    app.accept(Purpose::Info, messages(20));
    assert_eq!(app.settle().sent, 20);
    second.stop();
}

fn a_dead_instance_is_given_nothing(mut app: TestApp) {
    let other = app.lane().clone();
    app.config.lane.insert("other".to_owned(), other);
    app.vendor.keep_waiting();
    app.start();
    let second = app.another();
    // It was killed, its leases have just ended and were taken over.
    app.wait(change(
        app.store(),
        "INSERT INTO job_instance (name, version, started_at, seen_at, drain_until, busy)
         VALUES ('gone', '0', 0, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) - 4000, 0, '[]')",
    ));
    let campaign = app.take_in(&File::new("kept", MESSAGES, QUARTER_FRAME)).campaign;
    // Each is answered after the owner has looked around once more.
    for _ in 0..2 {
        second.wait(second.dispatch.pause(campaign)).unwrap();
        second.wait(second.dispatch.resume(campaign)).unwrap();
    }
    assert!(carries(&app, LANE) && carries(&app, "other"));
    app.vendor.answer();
    assert_eq!(app.settle().sent, MESSAGES as u64);
    second.stop();
}

fn a_pause_said_elsewhere_is_answered_when_nothing_more_starts(mut app: TestApp) {
    app.lane().in_flight_max = 2;
    app.lane().batch_max = Some(5);
    app.vendor.keep_waiting_after(4);
    app.start();
    let second = app.another();
    let campaign = app.take_in(&File::new("paused", MESSAGES, QUARTER_FRAME)).campaign;
    app.until_waiting(2);
    second.wait(second.dispatch.pause(campaign)).unwrap();
    let (calls, left) = left_so_far(&app);
    app.vendor.answer();
    // Another message passes, and nothing of the campaign.
    app.accept_one(&phone(9_999_999));
    app.until("the other one is sent", |account| account.sent == left + 1);
    assert_eq!(app.campaign(campaign).state, CampaignState::Paused);
    assert_eq!(app.vendor.calls().len(), calls + 1);
    second.wait(second.dispatch.resume(campaign)).unwrap();
    assert_eq!(app.settle().sent, MESSAGES as u64 + 1);
    second.stop();
}

fn a_cancel_said_elsewhere_leaves_nothing_to_send(mut app: TestApp) {
    app.lane().in_flight_max = 2;
    app.lane().batch_max = Some(5);
    app.vendor.keep_waiting_after(4);
    app.start();
    let second = app.another();
    let campaign = app.take_in(&File::new("cancelled", MESSAGES, QUARTER_FRAME)).campaign;
    app.until_waiting(2);
    second.wait(second.dispatch.cancel(campaign)).unwrap();
    let (calls, left) = left_so_far(&app);
    app.vendor.answer();
    let account = app.settle();
    assert_eq!((account.sent, account.cancelled), (left, MESSAGES as u64 - left));
    assert_eq!(app.vendor.calls().len(), calls);
    second.stop();
}

fn a_campaign_taken_in_elsewhere_leaves(mut app: TestApp) {
    app.start();
    let second = app.another();
    let file = File::new("elsewhere", MESSAGES, QUARTER_FRAME);
    let (import, ending) = second.open(&file);
    // The owner goes past what does not leave yet.
    app.accept_one(&phone(9_999_999));
    app.until("what came first is sent", |account| account.sent == 1);
    file.feed_all(import).unwrap();
    second.wait(ending.wait()).unwrap();
    assert_eq!(app.settle().sent, MESSAGES as u64 + 1);
    second.stop();
}

fn receipts_taken_elsewhere_are_merged(mut app: TestApp) {
    app.start();
    let second = start_another(&app);
    let ids = app.accept(Purpose::Info, messages(30));
    app.settle();
    let reports = ids.iter().map(|id| report(*id, ReportEnd::Delivered, "", 0)).collect();
    second.report(reports).unwrap();
    app.until("all are delivered", |account| account.delivered == 30);
    app.eventually("their rows are gone", || (app.number("SELECT COUNT(*) FROM dispatch_receipt") == 0).then_some(()));
    second.stop();
}

fn the_shards_of_a_lane_keep_order_and_caps_together(mut app: TestApp) {
    const SHARDS: u16 = 3;
    app.lane().shards = SHARDS;
    app.lane().batch_max = Some(7);
    app.lane().in_flight_max = 4;
    app.start();
    let second = start_another(&app);
    let mut file = File::new("shards", MESSAGES * 4, QUARTER_FRAME);
    // Each customer has four, far apart.
    file.rows.iter_mut().enumerate().for_each(|(n, row)| row.customer = Some(format!("c{}", n % MESSAGES)));
    app.take_in(&file);
    let ids = app.accept(Purpose::Info, messages(50));
    assert_eq!(app.settle().sent, MESSAGES as u64 * 4 + 50);
    let used = app.number("SELECT COUNT(DISTINCT shard) FROM dispatch_side");
    assert_eq!(used, i64::from(SHARDS));
    let calls = app.vendor.calls();
    let beside = |at: u64| calls.iter().filter(|it| it.started <= at && it.ended.is_none_or(|end| end >= at)).count();
    let most = calls.iter().map(|call| beside(call.started)).max();
    assert!(most <= Some(4), "{most:?} at once");
    let reports = ids.iter().map(|id| report(*id, ReportEnd::Delivered, "", 0)).collect();
    app.report(reports).unwrap();
    app.until("all are delivered", |account| account.delivered == 50);
    second.stop();
}

fn a_lane_is_not_split_while_messages_wait(mut app: TestApp) {
    app.start_intake();
    app.accept(Purpose::Info, messages(5));
    app.stop();
    app.lane().shards = 2;
    assert_eq!(app.refusal_of_start(), "lane-shards-busy");
    app.lane().shards = 1;
    app.start();
    app.settle();
    app.stop();
    app.lane().shards = 2;
    app.start();
    app.accept(Purpose::Info, messages(40));
    assert_eq!(app.settle().sent, 45);
}
