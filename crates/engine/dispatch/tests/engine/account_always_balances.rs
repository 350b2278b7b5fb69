//! The identity of the account holds at every moment, for whoever looks while messages come in, leave and are reported.

use std::sync::atomic::{AtomicBool, Ordering};

use naru_dispatch::campaign::{self, CampaignState};
use naru_dispatch::consent::Permit;
use naru_dispatch::message::MessageId;
use naru_dispatch::provider::{ReportEnd, Verdict};

use crate::app::TestApp;
use crate::file::File;
use crate::life::report;
use crate::on_both_engines;
use crate::vendor::{Arrival, Deed};

on_both_engines!(it_balances_at_every_look);

const MESSAGES: usize = 3_000;

/// A bit of everything.
fn mixed(arrival: &Arrival) -> Deed {
    let judge = |index: usize| match (arrival.nth * 13 + index) % 20 {
        0 => Verdict::Refused("no-such-number".to_owned()),
        1 => Verdict::Retry { code: "busy".to_owned(), after: None },
        _ => Verdict::Taken,
    };
    match arrival.nth % 9 {
        4 => Deed::Throttle(None),
        _ => Deed::Judge((0..arrival.messages.len()).map(judge).collect()),
    }
}

fn it_balances_at_every_look(mut app: TestApp) {
    app.vendor.plan(mixed);
    let rule = |_, _, to: &str| if to.ends_with('7') { Permit::Suppress("opted-out") } else { Permit::Send };
    app.people.as_ref().unwrap().rule(rule);
    app.lane().batch_max = Some(50);
    app.lane().in_flight_max = 4;
    app.start();
    let file = File { stream: true, ..File::new("looked-at", MESSAGES, 2_000) };
    let (import, ending) = app.open(&file);
    let id = import.campaign;
    let is_over = AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        scope.spawn(|| file.feed_all(import).unwrap());
        scope.spawn(|| report_all(&app, &is_over));
        let looks = look_until_done(&app, id);
        is_over.store(true, Ordering::SeqCst);
        looks
    });
    assert_eq!(app.wait(ending.wait()).unwrap().accepted, MESSAGES as u64);
    assert!(looks >= 100, "only {looks} looks");
    let account = app.campaign(id).account;
    assert_eq!((account.accepted, account.suppressed), (MESSAGES as u64, MESSAGES as u64 / 10));
}

/// Looks at the account in both ways there are, until nothing is left to send.
fn look_until_done(app: &TestApp, id: naru_core::id::Id) -> usize {
    let mut looks = 0;
    let mut before = 0;
    app.wait(naru_testkit::wait::eventually("the campaign to be done", naru_testkit::wait::PATIENCE, async || {
        // Several looks at a time, since what would not balance may be there for a moment.
        for _ in 0..4 {
            let seen = campaign::show(app.store(), id).await.unwrap().unwrap();
            assert!(seen.account.balances(), "{:?}", seen.account);
            assert!(seen.account.accepted >= before, "{} were accepted, now {}", before, seen.account.accepted);
            before = seen.account.accepted;
        }
        let seen = campaign::show(app.store(), id).await.unwrap().unwrap();
        if looks % 100 == 0 {
            let audit = naru_dispatch::audit::audit(app.store()).await.unwrap();
            assert!(audit.balances(), "{audit:#?}");
        }
        looks += 5;
        (seen.state == CampaignState::Done).then_some(looks)
    }))
}

/// Reports what was taken as delivered, some at a time.
fn report_all(app: &TestApp, is_over: &AtomicBool) {
    let mut reported = 0;
    while !is_over.load(Ordering::SeqCst) {
        let mut taken: Vec<MessageId> = app.vendor.everything_taken().into_keys().collect();
        taken.sort_unstable();
        let next = taken.into_iter().skip(reported).take(100);
        let reports: Vec<_> = next.map(|id| report(id, ReportEnd::Delivered, "", 0)).collect();
        reported += reports.len();
        app.report(reports).unwrap();
    }
}
