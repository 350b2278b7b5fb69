//! What came to which state when is noted for charts, by lane and by campaign, and goes with the messages.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use naru_core::clock::{Clock, Millis};
use naru_core::id::Id;
use naru_dispatch::account::Account;
use naru_dispatch::history;
use naru_dispatch::message::Purpose;
use naru_dispatch::provider::{Outgoing, ReportEnd, Verdict};
use naru_dispatch::side::State;

use crate::app::{LANE, TestApp};
use crate::clock::DAY;
use crate::file::{File, QUARTER_FRAME};
use crate::life::{messages, phone, report};
use crate::on_both_engines;
use crate::vendor::Deed;

on_both_engines!(
    what_is_noted_adds_up_to_what_was_sent,
    a_lane_that_ends_notes_the_last_of_it,
    a_long_campaign_fits_its_columns,
    what_is_noted_goes_with_the_messages,
    what_is_noted_of_later_is_not_of_a_time,
);

/// All that is noted of the lane so far.
fn noted(app: &TestApp) -> Account {
    noted_in(app, 0..Millis::MAX)
}

fn noted_in(app: &TestApp, time: Range<Millis>) -> Account {
    let lanes: BTreeMap<String, Vec<(Millis, Account)>> =
        app.wait(history::by_lane(app.store(), time, DAY_MS)).unwrap();
    let mut sum = Account::default();
    lanes.get(LANE).into_iter().flatten().for_each(|(_, account)| sum.join(account));
    sum
}

const DAY_MS: Millis = DAY.as_millis() as Millis;

fn of_campaign(app: &TestApp, campaign: Id, columns: u32) -> (Millis, Vec<(Millis, Account)>) {
    app.wait(history::of_campaign(app.store(), campaign, columns)).unwrap()
}

/// Until so many are noted of a state; the lane does so every two seconds.
fn until_noted(app: &TestApp, state: State, count: u64) {
    app.eventually("it to be noted", || {
        app.clock.skip(Duration::from_secs(2));
        (noted(app).of(state) == count).then_some(())
    });
}

fn what_is_noted_adds_up_to_what_was_sent(mut app: TestApp) {
    app.vendor.plan(|arrival| {
        let judge = |message: &Outgoing| {
            let is_wrong = message.to.reveal() == phone(1);
            if is_wrong { Verdict::Refused("no-such-number".to_owned()) } else { Verdict::Taken }
        };
        Deed::Judge(arrival.messages.iter().map(judge).collect())
    });
    app.start();
    let campaign = app.take_in(&File::new("noted", 120, QUARTER_FRAME)).campaign;
    let ids = app.accept(Purpose::Info, messages(20));
    let account = app.settle();
    until_noted(&app, State::Sent, account.sent);
    assert_eq!(noted(&app).failed, account.failed);
    // Reports that come when nothing of the frames is left in memory.
    let taken = ids.iter().enumerate().filter(|(n, _)| *n != 1);
    let reports = taken.map(|(_, id)| id).map(|id| report(*id, ReportEnd::Delivered, "", 0)).collect();
    app.report(reports).unwrap();
    until_noted(&app, State::Delivered, app.until("reports to be merged", |it| it.delivered > 0).delivered);
    let (_, columns) = of_campaign(&app, campaign, 100);
    let of_file: u64 = columns.iter().map(|(_, account)| account.sent + account.failed).sum();
    assert_eq!(of_file, 120);
}

fn a_lane_that_ends_notes_the_last_of_it(mut app: TestApp) {
    app.start();
    app.accept(Purpose::Info, messages(30));
    app.settle();
    app.stop();
    app.start();
    assert_eq!(noted(&app).sent, 30);
}

fn a_long_campaign_fits_its_columns(mut app: TestApp) {
    app.lane().batch_max = Some(1);
    app.lane().requests_per_second_max = Some(1);
    app.start();
    let campaign = app.take_in(&File::new("long", 300, 10)).campaign;
    app.settle_in_time();
    until_noted(&app, State::Sent, 300);
    for columns in [1, 7, 20, 100] {
        let (width, found) = of_campaign(&app, campaign, columns);
        assert!(!found.is_empty() && found.len() <= columns as usize, "{} of {columns}", found.len());
        assert!(found.windows(2).all(|two| (two[1].0 - two[0].0) % width == 0 && two[1].0 > two[0].0), "{found:?}");
        assert_eq!(found.iter().map(|(_, account)| account.sent).sum::<u64>(), 300);
    }
    let (width, none) = of_campaign(&app, Id::new(1), 10);
    assert!(none.is_empty() && width > 0);
}

fn what_is_noted_goes_with_the_messages(mut app: TestApp) {
    app.start();
    app.accept(Purpose::Info, messages(10));
    app.settle();
    until_noted(&app, State::Sent, 10);
    app.clock.skip(DAY * 29);
    app.let_go();
    assert_eq!(noted(&app).sent, 10);
    app.clock.skip(DAY * 2);
    app.let_go();
    assert_eq!(noted(&app), Account::default());
}

fn what_is_noted_of_later_is_not_of_a_time(mut app: TestApp) {
    app.start();
    app.accept(Purpose::Info, messages(10));
    app.settle();
    until_noted(&app, State::Sent, 10);
    let began = history::step(app.clock.now_ms()) - DAY_MS;
    assert_eq!(noted_in(&app, began..Millis::MAX).sent, 10);
    assert_eq!(noted_in(&app, began..began + 1).sent, 0);
}
