//! A campaign cancelled while its file is taken in: nothing more of the file is stored, and nothing waits for ever.

use naru_core::id::Id;
use naru_dispatch::campaign::CampaignState;

use crate::app::TestApp;
use crate::file::{File, QUARTER_FRAME};
use crate::life::Life;
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    a_stream_cancelled_while_its_file_is_read_takes_nothing_more,
    a_file_cancelled_while_it_is_read_takes_nothing_more,
    a_file_whose_reader_went_away_can_be_cancelled,
);

with_power_cuts!(
    a_stream_cancelled_while_its_file_is_read_takes_nothing_more,
    a_file_cancelled_while_it_is_read_takes_nothing_more,
);

const MESSAGES: usize = 240;

/// All of it is settled, its file is not taken in again, and a cancel can be repeated.
fn check(app: &Life, file: &File, campaign: Id) {
    app.settle();
    let shown = app.campaign(campaign);
    assert_eq!(shown.state, CampaignState::Cancelled);
    assert_eq!(shown.account.accepted, shown.account.sent + shown.account.cancelled);
    assert!(shown.account.cancelled > 0 && shown.account.accepted < MESSAGES as u64, "{shown:?}");
    app.wait(app.dispatch.cancel(campaign)).unwrap();
    let again = app.begin(file).map(drop).unwrap_err();
    assert_eq!((again.code.as_str(), &again.args["campaign"]), ("import-cancelled", &campaign.to_string()));
}

fn cancel_while_it_is_read(app: &mut TestApp, file: &File) {
    app.lane().in_flight_max = 2;
    app.vendor.keep_waiting();
    app.start();
    let (mut import, ending) = app.open(file);
    let campaign = import.campaign;
    file.feed(&mut import, MESSAGES / 2).unwrap();
    app.until("a part of it is stored", |account| account.accepted >= 40);
    app.wait(app.dispatch.cancel(campaign)).unwrap();
    // The reader finds out when it comes to a frame that nobody takes any more, or at the end.
    let _ = file.feed_rest(import, MESSAGES / 2);
    assert_eq!(app.wait(ending.wait()).unwrap_err().code, "import-cancelled");
    app.vendor.answer();
    check(app, file, campaign);
    app.restart();
    check(app, file, campaign);
}

fn a_stream_cancelled_while_its_file_is_read_takes_nothing_more(mut app: TestApp) {
    cancel_while_it_is_read(&mut app, &File { stream: true, ..File::new("stream", MESSAGES, QUARTER_FRAME) });
}

fn a_file_cancelled_while_it_is_read_takes_nothing_more(mut app: TestApp) {
    cancel_while_it_is_read(&mut app, &File::new("file", MESSAGES, QUARTER_FRAME));
}

fn a_file_whose_reader_went_away_can_be_cancelled(mut app: TestApp) {
    app.start();
    let file = File::new("left", MESSAGES, QUARTER_FRAME);
    let (mut import, ending) = app.open(&file);
    let campaign = import.campaign;
    file.feed(&mut import, 100).unwrap();
    drop(import);
    app.wait(ending.wait()).unwrap_err();
    assert_eq!(app.campaign(campaign).state, CampaignState::Loading);
    app.wait(app.dispatch.cancel(campaign)).unwrap();
    check(&app, &file, campaign);
}
