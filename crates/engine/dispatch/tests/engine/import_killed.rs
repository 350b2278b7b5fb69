//! A file taken in with kills at any line: each line once, and refused lines counted once.

use std::collections::BTreeMap;

use naru_dispatch::campaign::CampaignState;
use naru_dispatch::import::Done;

use crate::app::{DOWN, LANE, TestApp};
use crate::file::{File, QUARTER_FRAME};
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    each_line_is_taken_once_whoever_is_killed,
    a_reader_that_goes_away_can_come_back,
    a_route_changed_meanwhile_does_not_tear_a_file_in_two,
);

with_power_cuts!(each_line_is_taken_once_whoever_is_killed);

fn a_file() -> File {
    let mut file = File::new("killed", 240, QUARTER_FRAME);
    // Some lines are refused by their reader, the last one among them.
    file.rows.iter_mut().enumerate().filter(|(n, _)| n % 17 == 1).for_each(|(_, row)| row.refused = true);
    file
}

fn each_line_is_taken_once_whoever_is_killed(mut app: TestApp) {
    let file = a_file();
    let mut before = 0;
    // Lines at which the reader is when naru is killed; how much of that is durable is up to the disk.
    for line in [3, 41, 42, 130, 97, 201, 239] {
        app.start_intake();
        let (mut import, _) = app.open(&file);
        assert!(import.lines_done >= before, "{} lines were durable, now {}", before, import.lines_done);
        before = import.lines_done;
        file.feed(&mut import, line).unwrap();
        app.kill();
        app.clock.skip(DOWN);
    }
    assert!(before > 0, "nothing was durable before the last kill");
    app.start_intake();
    let done = app.take_in(&file);
    assert_eq!((done.accepted, done.refused), (file.good() as u64, 15));
    app.stop();
    app.start();
    app.settle();
    let campaign = app.campaign(done.campaign);
    assert_eq!((campaign.account.sent, campaign.refused), (file.good() as u64, 15));
    assert_eq!(campaign.state, CampaignState::Done);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    app.vendor.calls().into_iter().flat_map(|call| call.to).for_each(|to| *seen.entry(to).or_default() += 1);
    let expect = file.rows.iter().filter(|row| !row.refused).map(|row| (row.to.clone(), 1)).collect();
    assert_eq!(seen, expect);
}

fn a_reader_that_goes_away_can_come_back(mut app: TestApp) {
    let file = a_file();
    app.start();
    let (mut import, ending) = app.open(&file);
    let campaign = import.campaign;
    file.feed(&mut import, 100).unwrap();
    drop(import);
    assert_eq!(app.wait(ending.wait()).unwrap_err().code, "import-interrupted");
    // Of a file that is not whole nothing leaves.
    assert_eq!(app.campaign(campaign).state, CampaignState::Loading);
    assert_eq!(app.take_in(&file), Done { campaign, accepted: file.good() as u64, refused: 15 });
    assert_eq!(app.settle().sent, file.good() as u64);
}

fn a_route_changed_meanwhile_does_not_tear_a_file_in_two(mut app: TestApp) {
    let other = app.lane().clone();
    app.config.lane.insert("other".to_owned(), other);
    let mut file = a_file();
    app.start_intake();
    let (mut import, ending) = app.open(&file);
    let campaign = import.campaign;
    file.feed(&mut import, 100).unwrap();
    drop(import);
    app.wait(ending.wait()).unwrap_err();
    file.lane = "other";
    app.take_in(&file);
    assert_eq!(app.campaign(campaign).lane, LANE);
    assert_eq!(app.number("SELECT COUNT(*) FROM dispatch_side WHERE lane = 'other'"), 0);
    app.wait(app.dispatch.pause(campaign)).unwrap();
    app.stop();
    app.start();
    app.wait(app.dispatch.resume(campaign)).unwrap();
    assert_eq!(app.settle().sent, file.good() as u64);
}
