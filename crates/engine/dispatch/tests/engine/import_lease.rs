//! One file is taken in by one reader at a time, and once.

use std::time::Duration;

use naru_core::failure::Kind;
use naru_dispatch::import::Begun;

use crate::app::TestApp;
use crate::file::File;
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    a_second_reader_waits_while_the_first_lives,
    a_reader_whose_lease_was_taken_over_stores_nothing_more,
    a_reader_that_goes_away_frees_no_others_lease,
    a_finished_file_is_not_taken_again,
);

with_power_cuts!(a_finished_file_is_not_taken_again);

fn a_second_reader_waits_while_the_first_lives(mut app: TestApp) {
    let file = File::new("leased", 10, 10);
    app.start();
    let (import, ending) = app.open(&file);
    let busy = app.begin(&file).map(drop).unwrap_err();
    assert_eq!((busy.kind, busy.code.as_str()), (Kind::Conflict, "import-running"));
    assert!(busy.retry_after_s.is_some());
    // Another file is not in its way.
    assert_eq!(app.take_in(&File::new("other", 5, 10)).accepted, 5);
    file.feed_all(import).unwrap();
    assert_eq!(app.wait(ending.wait()).unwrap().accepted, 10);
    assert_eq!(app.settle().sent, 15);
}

fn a_reader_whose_lease_was_taken_over_stores_nothing_more(mut app: TestApp) {
    let file = File::new("taken-over", 10, 10);
    app.start();
    let (slow, slow_ending) = app.open(&file);
    app.clock.skip(Duration::from_secs(16));
    let (quick, quick_ending) = app.open(&file);
    file.feed_all(slow).unwrap();
    assert_eq!(app.wait(slow_ending.wait()).unwrap_err().code, "import-taken-over");
    file.feed_all(quick).unwrap();
    assert_eq!(app.wait(quick_ending.wait()).unwrap().accepted, 10);
    assert_eq!(app.settle().sent, 10);
}

fn a_reader_that_goes_away_frees_no_others_lease(mut app: TestApp) {
    let file = File::new("taken-over", 10, 10);
    app.start();
    let (slow, slow_ending) = app.open(&file);
    app.clock.skip(Duration::from_secs(16));
    let (quick, quick_ending) = app.open(&file);
    drop(slow);
    assert_eq!(app.wait(slow_ending.wait()).unwrap_err().code, "import-interrupted");
    assert_eq!(app.begin(&file).map(drop).unwrap_err().code, "import-running");
    file.feed_all(quick).unwrap();
    assert_eq!(app.wait(quick_ending.wait()).unwrap().accepted, 10);
    app.settle();
}

fn a_finished_file_is_not_taken_again(mut app: TestApp) {
    let file = File::new("finished", 10, 10);
    app.start();
    let done = app.take_in(&file);
    app.settle();
    let again = |app: &TestApp| match app.begin(&file).unwrap() {
        (Begun::Finished(again), None) => assert_eq!(again, done),
        _ => panic!("a finished file was opened again"),
    };
    again(&app);
    app.restart();
    again(&app);
    assert_eq!(app.account().accepted, 10);
}
