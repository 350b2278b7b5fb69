//! Reports come one to a thousand a call, late, doubled, out of order and for ids that are not ours.

use naru_core::id::Id;
use naru_dispatch::message::{MessageId, Purpose};
use naru_dispatch::provider::{Report, ReportEnd};

use crate::app::TestApp;
use crate::life::{messages, report};
use crate::on_both_engines;

on_both_engines!(
    one_to_a_thousand_a_call_are_merged,
    an_end_never_moves_back,
    doubled_reports_change_nothing,
    reports_for_strangers_are_dropped_and_ours_beside_them_kept,
    reports_of_many_calls_at_once_all_count,
);

fn sent(app: &mut TestApp, count: usize) -> Vec<MessageId> {
    app.start();
    let ids = app.accept(Purpose::Info, messages(count));
    app.settle();
    ids
}

fn delivered(ids: &[MessageId]) -> Vec<Report> {
    ids.iter().map(|id| report(*id, ReportEnd::Delivered, "", 0)).collect()
}

fn one_to_a_thousand_a_call_are_merged(mut app: TestApp) {
    let ids = sent(&mut app, 1_111);
    for (from, to) in [(0, 1), (1, 11), (11, 111), (111, 1_111)] {
        app.report(delivered(&ids[from..to])).unwrap();
    }
    let account = app.until("all are delivered", |account| account.delivered == 1_111);
    assert_eq!(account.sent, 0);
}

fn an_end_never_moves_back(mut app: TestApp) {
    let ids = sent(&mut app, 5);
    let failed = |id| report(id, ReportEnd::Failed, "switched-off", 0);
    let expired = |id| report(id, ReportEnd::Expired, "not-reached", 0);
    // In one call, in the order of arrival: what was delivered stays so, and a delivery mends an earlier failure.
    let reports = vec![
        report(ids[0], ReportEnd::Delivered, "", 2),
        failed(ids[0]),
        failed(ids[1]),
        report(ids[1], ReportEnd::Delivered, "", 1),
        failed(ids[2]),
        expired(ids[2]),
        expired(ids[3]),
    ];
    app.report(reports).unwrap();
    app.until_state(ids[3], "expired");
    let states: Vec<_> = ids.iter().map(|id| app.state(*id)).collect();
    assert_eq!(states, ["delivered", "delivered", "failed", "expired", "sent"]);
    assert_eq!(app.look(ids[2]).code.as_deref(), Some("switched-off"));
    assert_eq!(app.look(ids[1]).code, None);
    // And again in later calls.
    app.report(vec![failed(ids[0]), report(ids[3], ReportEnd::Delivered, "", 9)]).unwrap();
    app.until_state(ids[3], "delivered");
    assert_eq!(app.state(ids[0]), "delivered");
}

fn doubled_reports_change_nothing(mut app: TestApp) {
    let ids = sent(&mut app, 10);
    let twice: Vec<Report> = delivered(&ids).into_iter().chain(delivered(&ids)).collect();
    app.report(twice).unwrap();
    app.until("all are delivered", |account| account.delivered == 10);
    app.report(delivered(&ids)).unwrap();
    // The row goes when all that it says is stored, also where that was nothing new.
    app.eventually("the reports are merged", || {
        (app.number("SELECT COUNT(*) FROM dispatch_receipt") == 0).then_some(())
    });
    assert_eq!(app.account().delivered, 10);
}

fn reports_for_strangers_are_dropped_and_ours_beside_them_kept(mut app: TestApp) {
    let ids = sent(&mut app, 2);
    let stranger = MessageId { frame: Id::new(1), slot: 0 };
    let beyond = MessageId { frame: ids[0].frame, slot: 999 };
    let mut reports = delivered(&[stranger, ids[0], beyond]);
    let other = |reference: &str| Report { reference: reference.to_owned(), ..reports[0].clone() };
    let others = [other("order-17"), other(""), other(&"9".repeat(5_000))];
    reports.extend(others);
    app.report(reports).unwrap();
    app.report(vec![Report { reference: "x".to_owned(), ..delivered(&ids)[0].clone() }]).unwrap();
    app.until_state(ids[0], "delivered");
    assert_eq!(app.state(ids[1]), "sent");
    // Four that cannot be ids of ours, and one that could be.
    app.eventually("strangers to be counted", || {
        app.ctx().metrics().render().contains("naru_receipts_unknown_total 5").then_some(())
    });
}

fn reports_of_many_calls_at_once_all_count(mut app: TestApp) {
    let ids = sent(&mut app, 200);
    std::thread::scope(|scope| {
        let (app, ids) = (&app, &ids);
        // From four sides, each in an order of its own, each message twice.
        for side in 0..4 {
            let mine = (0..200).map(move |n| (n * 77 + side * 50) % 200).filter(move |n| n % 2 == side % 2);
            scope.spawn(move || mine.for_each(|n| app.report(delivered(&ids[n..=n])).unwrap()));
        }
    });
    app.until("all are delivered", |account| account.delivered == 200);
}
