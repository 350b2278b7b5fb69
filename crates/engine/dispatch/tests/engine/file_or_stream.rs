//! A file's campaign starts when the file is whole; with `--stream` at its first frame.

use naru_dispatch::campaign::CampaignState;

use crate::app::TestApp;
use crate::file::{File, QUARTER_FRAME};
use crate::on_both_engines;

on_both_engines!(
    nothing_leaves_before_the_file_is_whole,
    a_stream_leaves_while_its_file_is_read,
    a_stream_goes_on_as_a_stream,
);

fn nothing_leaves_before_the_file_is_whole(mut app: TestApp) {
    let file = File::new("whole", 80, QUARTER_FRAME);
    app.start();
    let (mut import, ending) = app.open(&file);
    let campaign = import.campaign;
    file.feed(&mut import, 60).unwrap();
    app.until("frames of it are stored", |account| account.accepted >= 40);
    // What was accepted after them goes out before them, so the lane has looked and left them alone.
    let other = app.accept_one("01099999999");
    app.until_state(other, "sent");
    assert_eq!(app.campaign(campaign).account.sent, 0);
    assert_eq!(app.campaign(campaign).state, CampaignState::Loading);
    file.feed_rest(import, 60).unwrap();
    app.wait(ending.wait()).unwrap();
    assert_eq!(app.settle().sent, 81);
    assert_eq!(app.campaign(campaign).state, CampaignState::Done);
}

fn a_stream_leaves_while_its_file_is_read(mut app: TestApp) {
    let file = File { stream: true, ..File::new("stream", 80, QUARTER_FRAME) };
    app.start();
    let (mut import, ending) = app.open(&file);
    let campaign = import.campaign;
    file.feed(&mut import, 60).unwrap();
    app.until("the first frames are sent", |account| account.sent >= 20);
    assert_eq!(app.campaign(campaign).state, CampaignState::Running);
    assert!(!app.campaign(campaign).loaded);
    drop(import);
    app.wait(ending.wait()).unwrap_err();
    app.take_in(&file);
    assert_eq!(app.settle().sent, 80);
    assert_eq!(app.campaign(campaign).state, CampaignState::Done);
}

fn a_stream_goes_on_as_a_stream(mut app: TestApp) {
    let mut file = File { stream: true, ..File::new("stream", 80, QUARTER_FRAME) };
    app.start();
    let (mut import, ending) = app.open(&file);
    file.feed(&mut import, 30).unwrap();
    drop(import);
    app.wait(ending.wait()).unwrap_err();
    let first = app.settle().sent;
    // As whoever forgets the flag the second time.
    file.stream = false;
    let (mut import, ending) = app.open(&file);
    file.feed(&mut import, 70).unwrap();
    app.until("more of it is sent", |account| account.sent > first);
    file.feed_rest(import, 70).unwrap();
    app.wait(ending.wait()).unwrap();
    assert_eq!(app.settle().sent, 80);
}
