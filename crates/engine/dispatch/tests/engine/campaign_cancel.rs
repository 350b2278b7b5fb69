//! A cancelled campaign ends: what has left is told as it was, everything else is cancelled, whoever is killed.

use std::time::Duration;

use naru_core::id::Id;
use naru_dispatch::campaign::CampaignState;
use naru_dispatch::provider::Verdict;

use crate::app::{DOWN, LANE, TestApp};
use crate::file::{File, QUARTER_FRAME};
use crate::life::change;
use crate::vendor::Deed;
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    what_has_not_left_is_cancelled,
    a_paused_campaign_can_be_cancelled,
    what_waits_for_another_try_is_cancelled,
    a_cancel_cut_off_by_a_kill_is_finished,
    requests_in_doubt_are_resolved_after_a_cancel_and_a_kill,
    requests_in_doubt_of_frames_not_in_memory_are_not_called_cancelled,
    a_campaign_is_cancelled_while_no_lane_runs,
    what_a_lane_that_is_gone_left_is_cancelled_or_unknown,
);

with_power_cuts!(
    what_waits_for_another_try_is_cancelled,
    a_cancel_cut_off_by_a_kill_is_finished,
    requests_in_doubt_are_resolved_after_a_cancel_and_a_kill,
    requests_in_doubt_of_frames_not_in_memory_are_not_called_cancelled,
    a_campaign_is_cancelled_while_no_lane_runs,
    what_a_lane_that_is_gone_left_is_cancelled_or_unknown,
);

/// 60 frames, of which the lane has some in memory.
const MESSAGES: u64 = 240;

fn campaign(app: &mut TestApp) -> Id {
    app.lane().in_flight_max = 2;
    app.vendor.keep_waiting();
    app.start();
    let done = app.take_in(&File::new("cancelled", MESSAGES as usize, QUARTER_FRAME));
    app.until_waiting(2);
    done.campaign
}

/// What had left is at least `left` messages; what was only about to leave at a kill is asked about as well.
fn check(app: &TestApp, campaign: Id, left: u64) {
    app.settle();
    let campaign = app.campaign(campaign);
    let sent = u64::from(app.vendor.taken_in_all());
    assert_eq!(campaign.state, CampaignState::Cancelled);
    assert_eq!((campaign.account.sent, campaign.account.cancelled), (sent, MESSAGES - sent));
    assert!(sent >= left, "{left} messages had left, {sent} are sent");
    // The customers are free, and the lane is well.
    let done = app.take_in(&File::new("next", MESSAGES as usize, 1));
    app.settle();
    assert_eq!(app.campaign(done.campaign).account.sent, MESSAGES);
    assert_eq!(app.number("SELECT COUNT(*) FROM dispatch_chunk"), 0);
    assert_eq!(app.number("SELECT COUNT(*) FROM dispatch_retry"), 0);
}

fn what_has_not_left_is_cancelled(mut app: TestApp) {
    let campaign = campaign(&mut app);
    app.wait(app.dispatch.cancel(campaign)).unwrap();
    app.vendor.answer();
    check(&app, campaign, 8);
    assert_eq!(app.campaign(campaign).account.sent, 8);
}

fn a_paused_campaign_can_be_cancelled(mut app: TestApp) {
    let campaign = campaign(&mut app);
    app.wait(app.dispatch.pause(campaign)).unwrap();
    app.vendor.answer();
    app.until("what had left is stored", |account| account.sent == 8);
    app.wait(app.dispatch.cancel(campaign)).unwrap();
    check(&app, campaign, 8);
}

fn what_waits_for_another_try_is_cancelled(mut app: TestApp) {
    let later = Verdict::Retry { code: "busy".to_owned(), after: Some(Duration::from_secs(3_600)) };
    app.vendor.plan(move |_| Deed::Judge(vec![later.clone(); 4]));
    app.start();
    let done = app.take_in(&File::new("cancelled", MESSAGES as usize, QUARTER_FRAME));
    app.eventually("every message to wait", || (app.number("SELECT COUNT(*) FROM dispatch_retry") == 60).then_some(()));
    app.vendor.plan(|_| Deed::Take);
    // After a kill all of it is in the store and a part of it in memory.
    app.restart();
    app.wait(app.dispatch.cancel(done.campaign)).unwrap();
    check(&app, done.campaign, 0);
}

fn a_cancel_cut_off_by_a_kill_is_finished(mut app: TestApp) {
    let campaign = campaign(&mut app);
    app.kill();
    app.vendor.answer();
    // What a cancel commits first; the kill came before the rest.
    app.between_lives(async |store| change(store, "UPDATE dispatch_campaign SET state = 'cancelled'").await);
    app.clock.skip(DOWN);
    app.start();
    check(&app, campaign, 8);
    assert!(app.campaign(campaign).account.cancelled > MESSAGES / 2);
}

fn requests_in_doubt_are_resolved_after_a_cancel_and_a_kill(mut app: TestApp) {
    let campaign = campaign(&mut app);
    app.wait(app.dispatch.cancel(campaign)).unwrap();
    app.kill();
    app.vendor.answer();
    app.clock.skip(DOWN);
    app.start();
    check(&app, campaign, 8);
}

fn requests_in_doubt_of_frames_not_in_memory_are_not_called_cancelled(mut app: TestApp) {
    app.lane().in_flight_max = 50;
    app.vendor.keep_waiting();
    app.start();
    let campaign = app.take_in(&File::new("cancelled", MESSAGES as usize, QUARTER_FRAME)).campaign;
    app.until_waiting(50);
    app.kill();
    // At once: the lane waits before it starts anything, and has only the first of its frames in memory.
    app.start();
    app.wait(app.dispatch.cancel(campaign)).unwrap();
    app.vendor.answer();
    app.pass(DOWN);
    check(&app, campaign, 200);
}

/// Requests that were marked and had not ended; each is a frame of its own.
fn messages_in_doubt(app: &TestApp) -> u64 {
    let chunks = app.number("SELECT COUNT(*) FROM dispatch_chunk") as u64;
    assert!(chunks >= 2);
    4 * chunks
}

fn a_campaign_is_cancelled_while_no_lane_runs(mut app: TestApp) {
    let campaign = campaign(&mut app);
    app.kill();
    app.vendor.answer();
    app.start_intake();
    // What became of these only the lane can find out.
    let doubt = messages_in_doubt(&app);
    for _ in 0..2 {
        app.wait(app.dispatch.cancel(campaign)).unwrap();
        let account = app.campaign(campaign).account;
        assert_eq!((account.cancelled, account.pending), (MESSAGES - doubt, doubt));
    }
    app.stop();
    app.clock.skip(DOWN);
    app.start();
    check(&app, campaign, 8);
}

fn what_a_lane_that_is_gone_left_is_cancelled_or_unknown(mut app: TestApp) {
    let campaign = campaign(&mut app);
    app.kill();
    app.vendor.answer();
    let lane = app.config.lane.remove(LANE).unwrap();
    app.config.lane.insert("other".to_owned(), lane);
    app.start();
    let doubt = messages_in_doubt(&app);
    for _ in 0..2 {
        app.wait(app.dispatch.cancel(campaign)).unwrap();
        let account = app.campaign(campaign).account;
        assert_eq!((account.cancelled, account.unknown, account.pending), (MESSAGES - doubt, doubt, 0));
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM dispatch_chunk"), 0);
}
