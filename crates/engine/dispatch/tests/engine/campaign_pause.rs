//! A paused campaign starts nothing more, in memory or not, over restarts, and goes on where it was.

use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_dispatch::campaign::CampaignState;

use crate::app::TestApp;
use crate::file::{File, QUARTER_FRAME};
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    what_is_paused_starts_nothing_and_goes_on_later,
    a_pause_holds_over_a_kill,
    pausing_one_campaign_leaves_another_alone,
    a_stream_paused_while_its_file_is_read_stays_paused,
    a_pause_that_makes_no_sense_is_refused,
);

with_power_cuts!(a_pause_holds_over_a_kill);

/// 60 frames, of which the lane has some in memory.
const MESSAGES: usize = 240;

fn campaign(app: &mut TestApp) -> Id {
    app.lane().in_flight_max = 2;
    app.vendor.keep_waiting();
    app.start();
    let done = app.take_in(&File::new("paused", MESSAGES, QUARTER_FRAME));
    app.until_waiting(2);
    assert_eq!(app.number("SELECT COUNT(*) FROM dispatch_frame"), 60);
    done.campaign
}

/// What is accepted after a pause leaves, so the lane has had every chance to start something else.
fn let_another_pass(app: &TestApp) {
    let other = app.accept_one("01099999999");
    app.until_state(other, "sent");
}

fn what_is_paused_starts_nothing_and_goes_on_later(mut app: TestApp) {
    let campaign = campaign(&mut app);
    app.wait(app.dispatch.pause(campaign)).unwrap();
    app.vendor.answer();
    let_another_pass(&app);
    let paused = app.campaign(campaign);
    assert_eq!((paused.state, paused.account.sent), (CampaignState::Paused, 8));
    assert_eq!(app.vendor.calls().len(), 3);
    for _ in 0..3 {
        app.wait(app.dispatch.resume(campaign)).unwrap();
        app.wait(app.dispatch.pause(campaign)).unwrap();
    }
    app.wait(app.dispatch.resume(campaign)).unwrap();
    assert_eq!(app.settle().sent, MESSAGES as u64 + 1);
    assert_eq!(app.campaign(campaign).state, CampaignState::Done);
}

fn a_pause_holds_over_a_kill(mut app: TestApp) {
    let campaign = campaign(&mut app);
    app.wait(app.dispatch.pause(campaign)).unwrap();
    // What was marked and had not started is taken back.
    app.eventually("two marks", || (app.number("SELECT COUNT(*) FROM dispatch_chunk") == 2).then_some(()));
    app.vendor.answer();
    app.restart();
    let_another_pass(&app);
    assert_eq!(app.campaign(campaign).state, CampaignState::Paused);
    // What had left is asked about again, and nothing else leaves.
    assert_eq!(app.vendor.taken_in_all(), 9);
    app.wait(app.dispatch.resume(campaign)).unwrap();
    assert_eq!(app.settle().sent, MESSAGES as u64 + 1);
}

fn pausing_one_campaign_leaves_another_alone(mut app: TestApp) {
    let campaign = campaign(&mut app);
    app.wait(app.dispatch.pause(campaign)).unwrap();
    // Whoever got no answer says it again.
    app.wait(app.dispatch.pause(campaign)).unwrap();
    let mut file = File::new("other", MESSAGES, QUARTER_FRAME);
    // Other customers: those of the paused one's requests that wait at the vendor hold theirs.
    file.rows.iter_mut().for_each(|row| row.to.replace_range(..3, "011"));
    let other = app.take_in(&file).campaign;
    app.vendor.answer();
    app.until("the other is sent", |account| account.sent == MESSAGES as u64 + 8);
    assert_eq!(app.campaign(other).state, CampaignState::Done);
    assert_eq!(app.campaign(campaign).account.sent, 8);
    app.wait(app.dispatch.resume(campaign)).unwrap();
    assert_eq!(app.settle().sent, 2 * MESSAGES as u64);
}

fn a_stream_paused_while_its_file_is_read_stays_paused(mut app: TestApp) {
    app.lane().in_flight_max = 2;
    app.vendor.keep_waiting();
    app.start();
    let file = File { stream: true, ..File::new("stream", MESSAGES, QUARTER_FRAME) };
    let (mut import, ending) = app.open(&file);
    let campaign = import.campaign;
    file.feed(&mut import, MESSAGES / 2).unwrap();
    app.until_waiting(2);
    app.wait(app.dispatch.pause(campaign)).unwrap();
    app.vendor.answer();
    drop(import);
    app.wait(ending.wait()).unwrap_err();
    app.take_in(&file);
    let_another_pass(&app);
    let paused = app.campaign(campaign);
    assert_eq!((paused.state, paused.account.sent, paused.loaded), (CampaignState::Paused, 8, true));
    app.wait(app.dispatch.resume(campaign)).unwrap();
    assert_eq!(app.settle().sent, MESSAGES as u64 + 1);
}

fn a_pause_that_makes_no_sense_is_refused(mut app: TestApp) {
    app.start();
    let campaign = app.take_in(&File::new("small", 1, 1)).campaign;
    app.settle();
    let refusal = |result: Result<(), Failure>| {
        let failure = result.unwrap_err();
        (failure.code.clone(), failure.args.get("state").cloned().unwrap_or_default())
    };
    let done = ("campaign-state".to_owned(), "done".to_owned());
    assert_eq!(refusal(app.wait(app.dispatch.resume(campaign))), done);
    assert_eq!(refusal(app.wait(app.dispatch.pause(campaign))), done);
    assert_eq!(refusal(app.wait(app.dispatch.cancel(campaign))), done);
    assert_eq!(app.campaign(campaign).state, CampaignState::Done);
    assert_eq!(refusal(app.wait(app.dispatch.pause(Id::new(1)))).0, "campaign-unknown");
}
