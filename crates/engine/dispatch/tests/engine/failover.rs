//! The next account of the route carries while the first does not answer: in order, nothing twice, and what may have left
//! by the first one is asked about there and nowhere else.

use std::time::Duration;

use naru_core::id::Id;
use naru_dispatch::engine::LaneView;
use naru_dispatch::message::{Channel, MessageId, Purpose};
use naru_dispatch::provider::{Level, ReportEnd};

use crate::app::{DOWN, LANE, TestApp};
use crate::clock::DAY;
use crate::file::{File, QUARTER_FRAME};
use crate::life::{batch, change, messages, report};
use crate::vendor::Deed;
use crate::{on_both_engines, on_postgres, with_power_cuts};

on_both_engines!(
    what_is_not_in_doubt_leaves_by_the_next_account,
    an_account_where_nobody_listens_is_passed_over_at_once,
    a_kill_in_mid_failover_loses_and_doubles_nothing,
    what_left_by_the_next_account_is_reported_there,
    what_left_by_another_account_is_reported_there_after_the_route_has_changed,
    batches_in_doubt_stay_batches,
    an_account_with_messages_of_its_own_carries_them_first,
    doubts_of_an_account_that_is_gone_are_left_to_a_person,
    a_route_that_makes_no_sense_is_refused,
);

with_power_cuts!(
    a_kill_in_mid_failover_loses_and_doubles_nothing,
    batches_in_doubt_stay_batches,
    an_account_with_messages_of_its_own_carries_them_first,
);
on_postgres!(both_accounts_move_with_the_lane, shards_and_those_that_stand_by_for_them_settle_down);

const SPARE: &str = "spare";
const MESSAGES: usize = 240;

/// Two accounts on one route.
fn with_spare(app: &mut TestApp) {
    app.lane().in_flight_max = 8;
    app.lane().batch_max = Some(5);
    let lane = app.lane().clone();
    app.config.lane.insert(SPARE.to_owned(), lane);
    app.config.route.insert(Channel::Sms, vec![LANE.to_owned(), SPARE.to_owned()]);
}

fn view(app: &TestApp, lane: &str) -> LaneView {
    app.wait(app.dispatch.lane_views()).unwrap().into_iter().find(|view| view.name == lane).unwrap()
}

fn is_open(app: &TestApp, lane: &str) -> bool {
    view(app, lane).outlet.is_some_and(|outlet| outlet.open)
}

/// Starts, waits for the account that stands by, and takes a file in of which the first requests are in doubt.
fn fail(app: &mut TestApp, deed: Deed) {
    app.vendor.leave(LANE, deed);
    app.start();
    until_standing_by(app);
    app.take_in(&File::new("failed-over", MESSAGES, QUARTER_FRAME));
}

fn until_standing_by(app: &TestApp) {
    app.eventually("an account to stand by", || {
        view(app, SPARE).outlet.is_some_and(|outlet| outlet.joined).then_some(())
    });
}

fn what_is_not_in_doubt_leaves_by_the_next_account(mut app: TestApp) {
    with_spare(&mut app);
    fail(&mut app, Deed::LoseAnswer);
    // Whoever waits behind a message in doubt waits on; all others have theirs.
    app.eventually("the others to have theirs", || {
        let doubtful = app.vendor.came_by(LANE).len() as u64;
        let (account, held) = (app.account(), held(&app));
        (account.sent > 0 && account.pending == held && held >= doubtful).then_some(())
    });
    assert!(is_open(&app, LANE) && !is_open(&app, SPARE));
    assert!(view(&app, SPARE).stands_in);
    assert!(app.vendor.came_by(LANE).len() < MESSAGES / 2);
    app.vendor.come_back(LANE);
    assert_eq!(app.settle_in_time().sent, MESSAGES as u64);
    // The first account is the first again.
    let before = app.vendor.came_by(SPARE).len();
    app.accept(Purpose::Info, messages(20));
    app.settle();
    assert_eq!(app.vendor.came_by(SPARE).len(), before);
}

/// Messages in doubt and behind one in doubt.
fn held(app: &TestApp) -> u64 {
    view(app, LANE).status.map_or(0, |status| status.held as u64)
}

fn an_account_where_nobody_listens_is_passed_over_at_once(mut app: TestApp) {
    with_spare(&mut app);
    fail(&mut app, Deed::Unsent);
    // Nothing is in doubt: time stands still, and all of it leaves.
    assert_eq!(app.settle().sent, MESSAGES as u64);
    assert!(is_open(&app, LANE));
}

fn a_kill_in_mid_failover_loses_and_doubles_nothing(mut app: TestApp) {
    with_spare(&mut app);
    app.vendor.keep_waiting_after(30);
    fail(&mut app, Deed::LoseAnswer);
    for _ in 0..3 {
        app.eventually("requests by the next account", || app.vendor.keeps_waiting().then_some(()));
        app.kill();
        app.vendor.answer();
        app.clock.skip(DOWN);
        app.vendor.keep_waiting_after(12);
        app.start();
    }
    app.vendor.come_back(LANE);
    app.eventually("requests after the last start", || app.vendor.keeps_waiting().then_some(()));
    app.vendor.answer();
    assert_eq!(app.settle_in_time().sent, MESSAGES as u64);
    assert!(!app.vendor.came_by(SPARE).is_empty());
}

/// Sends a few messages while nobody is at the first account.
fn leave_by_the_next(app: &mut TestApp) -> Vec<MessageId> {
    with_spare(app);
    app.vendor.leave(LANE, Deed::Unsent);
    app.start();
    until_standing_by(app);
    let ids = app.accept(Purpose::Info, messages(10));
    app.settle();
    ids
}

/// Reports them where they left, and waits until that is merged.
fn until_reported(app: &TestApp, ids: &[MessageId]) {
    let reports = ids.iter().map(|id| report(*id, ReportEnd::Delivered, "", app.vendor.calls()[0].at)).collect();
    app.report_by(SPARE, reports).unwrap();
    app.until("the reports to be merged", |account| account.delivered == ids.len() as u64);
}

fn what_left_by_the_next_account_is_reported_there(mut app: TestApp) {
    let ids = leave_by_the_next(&mut app);
    assert!(ids.iter().all(|id| app.vendor.came_by(SPARE).contains(id)));
    until_reported(&app, &ids);
    // What is of no message is counted and forgotten.
    let stranger = MessageId { frame: Id::new(1), slot: 0 };
    app.report_by(SPARE, vec![report(stranger, ReportEnd::Delivered, "", 0)]).unwrap();
    app.eventually("it to be forgotten", || {
        (app.number("SELECT CAST(COUNT(*) AS BIGINT) FROM dispatch_receipt") == 0).then_some(())
    });
}

fn what_left_by_another_account_is_reported_there_after_the_route_has_changed(mut app: TestApp) {
    let ids = leave_by_the_next(&mut app);
    app.stop();
    app.config.route.insert(Channel::Sms, vec![SPARE.to_owned()]);
    app.start();
    until_reported(&app, &ids);
}

fn batches_in_doubt_stay_batches(mut app: TestApp) {
    app.lane().batch_max = Some(5);
    app.vendor.leave(LANE, Deed::LoseAnswer);
    app.start();
    app.accept(Purpose::Info, messages(20));
    app.eventually("requests in doubt", || (app.vendor.came_by(LANE).len() >= 5).then_some(()));
    app.kill();
    // The requests that are made again have the keys and the bodies of the first.
    app.vendor.come_back(LANE);
    app.lane().batch_max = Some(1);
    app.clock.skip(DOWN);
    app.start();
    assert_eq!(app.settle_in_time().sent, 20);
}

fn an_account_with_messages_of_its_own_carries_them_first(mut app: TestApp) {
    with_spare(&mut app);
    // As before somebody changed the order of the route.
    app.config.route.insert(Channel::Sms, vec![SPARE.to_owned()]);
    app.start_intake();
    let mut own = batch(Purpose::Info, messages(30));
    own.parts[0].lane = SPARE.to_owned();
    let own = app.wait(app.dispatch.accept(own)).unwrap();
    app.kill();
    app.config.route.insert(Channel::Sms, vec![LANE.to_owned(), SPARE.to_owned()]);
    app.vendor.keep_waiting();
    app.start();
    app.eventually("its own messages to leave", || (!app.vendor.came_by(SPARE).is_empty()).then_some(()));
    app.vendor.answer();
    app.settle();
    assert!(own.iter().all(|id| app.vendor.came_by(SPARE).contains(id)), "by its own account");
    app.eventually("it to stand by then", || {
        app.clock.skip(Duration::from_secs(1));
        let view = view(&app, SPARE);
        (view.stands_by_for.is_some() && view.outlet.is_some_and(|outlet| outlet.joined)).then_some(())
    });
    app.vendor.leave(LANE, Deed::Unsent);
    app.accept(Purpose::Info, messages(20));
    assert_eq!(app.settle_in_time().sent, 50);
    // And again, while it stands in.
    let mut own = batch(Purpose::Info, messages(5));
    own.parts[0].lane = SPARE.to_owned();
    app.wait(app.dispatch.accept(own)).unwrap();
    assert_eq!(app.settle_in_time().sent, 55);
}

fn doubts_of_an_account_that_is_gone_are_left_to_a_person(mut app: TestApp) {
    with_spare(&mut app);
    app.vendor.leave(LANE, Deed::Unsent);
    app.vendor.leave(SPARE, Deed::LoseAnswer);
    app.start();
    until_standing_by(&app);
    app.accept(Purpose::Info, messages(5));
    app.eventually("a request in doubt at the spare account", || (!app.vendor.came_by(SPARE).is_empty()).then_some(()));
    let in_doubt = "SELECT CAST(COUNT(*) AS BIGINT) FROM dispatch_chunk WHERE outlet = 'spare'";
    app.eventually("its mark", || (app.number(in_doubt) > 0).then_some(()));
    app.stop();
    app.config.lane.remove(SPARE);
    app.config.route.clear();
    app.vendor.come_back(LANE);
    app.clock.skip(DOWN);
    app.start();
    let (account, doubtful) = (app.settle_in_time(), app.vendor.came_by(SPARE).len() as u64);
    assert_eq!((account.unknown, account.sent), (doubtful, 5 - doubtful));
}

fn a_route_that_makes_no_sense_is_refused(mut app: TestApp) {
    with_spare(&mut app);
    let route = |lanes: &[&str]| lanes.iter().map(|lane| (*lane).to_owned()).collect::<Vec<String>>();
    let mut refused = |lanes: &[&str], shards: u16| {
        app.config.route.insert(Channel::Sms, route(lanes));
        app.config.lane.get_mut(SPARE).unwrap().shards = shards;
        app.config.check().err().map(|failure| failure.code)
    };
    assert_eq!(refused(&[LANE, SPARE], 1), None);
    assert_eq!(refused(&[LANE, "nowhere"], 1).as_deref(), Some("route-unknown"));
    assert_eq!(refused(&[LANE, SPARE, LANE], 1).as_deref(), Some("route-twice"));
    assert_eq!(refused(&[LANE, SPARE], 2).as_deref(), Some("route-shards"));
    app.config.lane.get_mut(SPARE).unwrap().shards = 1;
    app.config.route.insert(Channel::Email, route(&[LANE]));
    assert_eq!(app.config.check().err().map(|failure| failure.code).as_deref(), Some("route-channel"));
    app.config.route.clear();
    app.config.lane.remove(SPARE);
    app.start();
}

fn both_accounts_move_with_the_lane(mut app: TestApp) {
    with_spare(&mut app);
    app.vendor.level(Level::Lookup { life: DAY });
    app.vendor.keep_waiting_after(20);
    fail(&mut app, Deed::LoseAnswer);
    let second = app.another();
    second.wait(second.dispatch.run()).unwrap();
    app.eventually("requests by the next account", || app.vendor.keeps_waiting().then_some(()));
    app.kill();
    app.vendor.answer();
    app.clock.skip(DOWN);
    second.wait(change(second.store(), "UPDATE job_lease SET expires_at = 0"));
    second.eventually("both leases to be taken", || {
        let both = "SELECT CAST(COUNT(*) AS BIGINT) FROM job_lease WHERE holder = 'another' AND name LIKE 'lane/%'";
        (second.number(both) == 2).then_some(())
    });
    app.vendor.come_back(LANE);
    assert_eq!(second.settle_in_time().sent, MESSAGES as u64);
    second.stop();
}

fn shards_and_those_that_stand_by_for_them_settle_down(mut app: TestApp) {
    app.lane().shards = 3;
    with_spare(&mut app);
    app.start();
    let second = app.another();
    // What presence keeps: both are there.
    let seen = "INSERT INTO job_instance (name, version, started_at, seen_at, drain_until, busy)
        SELECT column1, '0', 0, 99999999999999, 0, '[]' FROM (VALUES ('first'), ('another')) AS v";
    second.wait(change(second.store(), seen));
    second.wait(second.dispatch.run()).unwrap();
    let held = |by: &str| match by {
        "first" => "SELECT CAST(COUNT(*) AS BIGINT) FROM job_lease WHERE holder = 'first' AND name LIKE 'lane/main%'",
        _ => "SELECT CAST(COUNT(*) AS BIGINT) FROM job_lease WHERE holder = 'another' AND name LIKE 'lane/main%'",
    };
    app.eventually("one to go over", || {
        (app.number(held("first")) == 2 && app.number(held("another")) == 1).then_some(())
    });
    app.eventually("all to stand by", || {
        let spares = "SELECT CAST(COUNT(*) AS BIGINT) FROM job_lease WHERE holder <> '' AND name LIKE 'lane/spare%'";
        (app.number(spares) == 3).then_some(())
    });
    let fences = "SELECT CAST(SUM(fence) AS BIGINT) FROM job_lease";
    let before = app.number(fences);
    app.take_in(&File::new("settled", MESSAGES, QUARTER_FRAME));
    assert_eq!(app.settle().sent, MESSAGES as u64);
    assert_eq!(app.number(fences), before, "nothing moves any more");
    second.stop();
}
