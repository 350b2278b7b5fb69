//! A campaign that waits: nothing of it leaves before a person's word or its time, whoever is killed meanwhile.

use std::time::Duration;

use naru_core::clock::Clock;
use naru_dispatch::campaign::CampaignState;

use crate::app::{DOWN, TestApp};
use crate::file::{File, QUARTER_FRAME};
use crate::on_both_engines;

on_both_engines!(
    a_held_campaign_leaves_when_it_is_let_go,
    a_held_campaign_begins_at_its_time,
    a_held_campaign_can_be_cancelled,
    a_kill_starts_nothing_that_waits,
    whoever_goes_on_with_a_file_may_have_it_wait,
    what_has_begun_is_neither_discarded_nor_started,
);

const MESSAGES: usize = 60;

fn held(name: &'static str) -> File {
    File { hold: true, ..File::new(name, MESSAGES, QUARTER_FRAME) }
}

/// Something that is sent after it, so that the lane has looked.
fn pass_by(app: &TestApp) {
    app.take_in(&File::new("other", 4, 10));
    app.until("the other to be sent", |account| account.sent == 4);
    assert!(app.vendor.calls().iter().map(|call| call.ids.len()).sum::<usize>() == 4);
}

fn a_held_campaign_leaves_when_it_is_let_go(mut app: TestApp) {
    app.start();
    let campaign = app.take_in(&held("held")).campaign;
    assert_eq!(app.campaign(campaign).state, CampaignState::Held);
    pass_by(&app);
    assert_eq!(app.wait(app.dispatch.pause(campaign)).unwrap_err().code, "campaign-state");
    app.wait(app.dispatch.resume(campaign)).unwrap();
    assert_eq!(app.settle().sent, MESSAGES as u64 + 4);
    assert_eq!(app.campaign(campaign).state, CampaignState::Done);
    assert_eq!(app.wait(app.dispatch.schedule(campaign, Some(1))).unwrap_err().code, "campaign-not-held");
}

fn a_held_campaign_begins_at_its_time(mut app: TestApp) {
    app.start();
    let campaign = app.take_in(&held("timed")).campaign;
    let at = app.clock.now_ms() + 60_000;
    app.wait(app.dispatch.schedule(campaign, Some(at))).unwrap();
    app.wait(app.dispatch.start_due()).unwrap();
    pass_by(&app);
    assert_eq!(app.campaign(campaign).start_at, Some(at));
    app.kill();
    app.clock.skip(DOWN);
    app.start();
    app.pass(Duration::from_secs(61));
    app.wait(app.dispatch.start_due()).unwrap();
    assert_eq!(app.settle().sent, MESSAGES as u64 + 4);
    app.wait(app.dispatch.start_due()).unwrap();
}

fn a_held_campaign_can_be_cancelled(mut app: TestApp) {
    app.start();
    let campaign = app.take_in(&held("discarded")).campaign;
    app.wait(app.dispatch.cancel(campaign)).unwrap();
    assert_eq!(app.settle().cancelled, MESSAGES as u64);
    assert_eq!(app.wait(app.dispatch.resume(campaign)).unwrap_err().code, "campaign-state");
}

fn a_kill_starts_nothing_that_waits(mut app: TestApp) {
    app.start();
    let campaign = app.take_in(&held("kept")).campaign;
    for _ in 0..3 {
        app.kill();
        app.clock.skip(DOWN);
        app.start();
    }
    pass_by(&app);
    assert_eq!(app.campaign(campaign).state, CampaignState::Held);
    app.wait(app.dispatch.resume(campaign)).unwrap();
    app.settle();
}

fn whoever_goes_on_with_a_file_may_have_it_wait(mut app: TestApp) {
    app.start();
    let file = File::new("half", MESSAGES, QUARTER_FRAME);
    let (mut import, _ending) = app.open(&file);
    file.feed(&mut import, MESSAGES / 2).unwrap();
    drop(import);
    app.kill();
    app.clock.skip(DOWN);
    app.start();
    // Begun by a way in that does not wait, and gone on with by one that says that nothing leaves.
    let campaign = app.take_in(&held("half")).campaign;
    assert_eq!(app.campaign(campaign).state, CampaignState::Held);
    pass_by(&app);
    app.wait(app.dispatch.start(campaign)).unwrap();
    app.settle();

    let stream = File { stream: true, ..File::new("leaving", MESSAGES, QUARTER_FRAME) };
    let (mut import, _ending) = app.open(&stream);
    stream.feed(&mut import, MESSAGES / 2).unwrap();
    drop(import);
    app.kill();
    app.clock.skip(DOWN);
    app.start();
    assert_eq!(app.begin(&held("leaving")).err().unwrap().code, "import-leaves");
    app.take_in(&stream);
    app.settle();
}

fn what_has_begun_is_neither_discarded_nor_started(mut app: TestApp) {
    app.start();
    app.vendor.keep_waiting();
    let stream = File { stream: true, ..File::new("leaving", MESSAGES, QUARTER_FRAME) };
    let (mut import, ending) = app.open(&stream);
    let campaign = import.campaign;
    stream.feed(&mut import, MESSAGES / 2).unwrap();
    assert_eq!(app.wait(app.dispatch.discard(campaign)).unwrap_err().code, "campaign-state");
    app.wait(app.dispatch.pause(campaign)).unwrap();
    assert_eq!(app.wait(app.dispatch.start(campaign)).unwrap_err().code, "campaign-state");
    // Its file is still being taken in: a discard that was refused has ended nothing.
    stream.feed_rest(import, MESSAGES / 2).unwrap();
    assert_eq!(app.wait(ending.wait()).unwrap().accepted, MESSAGES as u64);
    app.vendor.answer();
    app.wait(app.dispatch.resume(campaign)).unwrap();
    assert_eq!(app.settle().sent, MESSAGES as u64);
}
