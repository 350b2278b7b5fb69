//! Messages go when their days are over, their campaign keeps the totals, and what still waits stays.

use std::time::Duration;

use naru_core::clock::Clock;
use naru_dispatch::campaign::CampaignState;
use naru_dispatch::message::Purpose;
use naru_dispatch::provider::{ReportEnd, Verdict};
use naru_dispatch::{look, retention};

use crate::app::TestApp;
use crate::clock::DAY;
use crate::file::{File, QUARTER_FRAME};
use crate::life::{Life, message, messages, phone, report};
use crate::on_both_engines;
use crate::vendor::Deed;

on_both_engines!(
    old_messages_go_and_their_campaign_keeps_the_totals,
    what_still_waits_stays,
    a_late_report_keeps_a_frame
);

impl TestApp {
    /// Lets go of what is old, as the job does every ten minutes.
    pub fn let_go(&mut self) {
        self.let_go = true;
        let (keep_days, now) = (self.config.keep_days, self.clock.now_ms());
        self.wait(retention::run(self.store(), now, keep_days)).unwrap();
    }
}

fn frames(life: &Life) -> i64 {
    life.number("SELECT COUNT(*) FROM dispatch_frame")
}

fn old_messages_go_and_their_campaign_keeps_the_totals(mut app: TestApp) {
    app.vendor.plan(|arrival| {
        let judge = |n| if n == 1 { Verdict::Refused("no-such-number".to_owned()) } else { Verdict::Taken };
        Deed::Judge((0..arrival.messages.len()).map(judge).collect())
    });
    app.start();
    // More frames than one commit removes.
    let campaign = app.take_in(&File::new("old", 120, QUARTER_FRAME)).campaign;
    app.settle();
    let before = app.campaign(campaign);
    app.clock.skip(DAY * 29);
    app.let_go();
    assert_eq!(frames(&app), 30);
    app.clock.skip(DAY * 2);
    let young = app.accept_one(&phone(0));
    app.until_state(young, "sent");
    app.let_go();
    let after = app.campaign(campaign);
    assert_eq!((after.account, after.state), (before.account, CampaignState::Done));
    assert_eq!((after.account.sent, after.account.failed), (90, 30));
    for table in [
        "SELECT COUNT(*) FROM dispatch_frame",
        "SELECT COUNT(*) FROM dispatch_side",
        "SELECT COUNT(*) FROM dispatch_find",
    ] {
        assert_eq!(app.number(table), 1, "{table}");
    }
    assert_eq!(app.wait(app.dispatch.find(&message(&phone(0), "").to, 10)).unwrap(), [young]);
    let gone = app.vendor.calls()[0].ids[0];
    assert_eq!(app.wait(look::look(app.store(), gone)).unwrap_err().code, "message-unknown");
    // A file that is done stays done.
    assert!(matches!(
        app.begin(&File::new("old", 120, QUARTER_FRAME)).unwrap().0,
        naru_dispatch::import::Begun::Finished(_)
    ));
}

fn what_still_waits_stays(mut app: TestApp) {
    let later = Verdict::Retry { code: "busy".to_owned(), after: Some(DAY) };
    app.vendor.plan(move |arrival| match arrival.nth {
        0..40 => Deed::Judge(vec![Verdict::Taken, later.clone()]),
        _ => Deed::Take,
    });
    app.lane().attempts_max = 1_000;
    app.start();
    app.accept(Purpose::Info, messages(2));
    app.until("one is sent", |account| account.sent == 1);
    app.stop();
    app.clock.skip(DAY * 31);
    app.start_intake();
    app.let_go();
    assert_eq!(frames(&app), 1);
    app.stop();
    app.vendor.plan(|_| Deed::Take);
    app.start();
    assert_eq!(app.settle().sent, 2);
}

fn a_late_report_keeps_a_frame(mut app: TestApp) {
    app.start();
    let ids = app.accept(Purpose::Info, messages(2));
    app.settle();
    app.clock.skip(DAY * 29);
    app.report(vec![report(ids[0], ReportEnd::Delivered, "", 0)]).unwrap();
    app.until_state(ids[0], "delivered");
    // Thirty days after its last word, not after its first.
    app.clock.skip(DAY * 29);
    app.let_go();
    assert_eq!(frames(&app), 1);
    app.clock.skip(DAY + Duration::from_secs(1));
    app.let_go();
    assert_eq!(frames(&app), 0);
    // A report that comes after all is over is a stranger's.
    app.report(vec![report(ids[1], ReportEnd::Delivered, "", 0)]).unwrap();
    app.eventually("it is looked at", || (app.number("SELECT COUNT(*) FROM dispatch_receipt") == 0).then_some(()));
}
