//! A database that ends every connection, in the middle of whatever it was asked: nothing is lost, nothing is doubled, and
//! who asks again with the same key or file finds what is stored.

use std::time::Duration;

use naru_core::failure::{Failure, Kind};
use naru_dispatch::intake::Batch;
use naru_dispatch::message::{MessageId, Purpose};
use naru_dispatch::provider::ReportEnd;

use crate::app::TestApp;
use crate::file::{File, QUARTER_FRAME};
use crate::life::{batch, messages, report};
use crate::on_postgres;

on_postgres!(
    a_campaign_goes_on_where_it_was,
    a_call_repeated_with_its_key_is_accepted_once,
    a_file_repeated_is_taken_once,
    reports_repeated_count_once,
);

fn a_campaign_goes_on_where_it_was(mut app: TestApp) {
    const MESSAGES: u64 = 3_000;
    app.vendor.batch_max(1);
    app.start();
    app.take_in(&File::new("broken", MESSAGES as usize, 1_000));
    for share in 1..=5 {
        let calls = share * 400;
        app.eventually("more requests", || (app.vendor.calls().len() >= calls).then_some(()));
        app.break_connections();
    }
    let account = app.settle();
    assert_eq!((account.sent, u64::from(app.vendor.taken_in_all())), (MESSAGES, MESSAGES));
}

fn a_call_repeated_with_its_key_is_accepted_once(mut app: TestApp) {
    const CALLS: usize = 40;
    app.start();
    let mut all: Vec<MessageId> = Vec::new();
    for n in 0..CALLS {
        let call = Batch { key: Some(([n as u8; 16], [1; 16])), ..batch(Purpose::Info, messages(3)) };
        if n % 4 == 1 {
            app.break_connections();
        }
        all.extend(repeat(&app, || app.wait(app.dispatch.accept(call.clone()))));
    }
    assert_eq!(app.settle().sent, 3 * CALLS as u64);
    assert!(all.iter().all(|id| app.vendor.taken(*id) == 1));
}

fn a_file_repeated_is_taken_once(mut app: TestApp) {
    let file = File::new("broken", 240, QUARTER_FRAME);
    app.start();
    let mut lines = 0;
    let done = repeat(&app, || {
        // A run that was cut off holds its lease for a while.
        app.clock.skip(Duration::from_secs(20));
        let (begun, ending) = app.begin(&file)?;
        let (naru_dispatch::import::Begun::Open(mut import), Some(ending)) = (begun, ending) else {
            panic!("it is taken in once");
        };
        assert!(import.lines_done >= lines);
        lines = import.lines_done;
        file.feed(&mut import, lines as usize + 60)?;
        if lines < 150 {
            // The rest of this run comes to a database that is gone.
            app.break_connections();
        }
        file.feed_rest(import, lines as usize + 60)?;
        app.wait(ending.wait())
    });
    assert_eq!(done.accepted, 240);
    assert_eq!(app.settle().sent, 240);
}

fn reports_repeated_count_once(mut app: TestApp) {
    app.start();
    let ids = app.accept(Purpose::Info, messages(100));
    app.settle();
    for (n, ids) in ids.chunks(10).enumerate() {
        if n % 3 == 1 {
            app.break_connections();
        }
        let reports = || ids.iter().map(|id| report(*id, ReportEnd::Delivered, "", 0)).collect();
        repeat(&app, || app.report(reports()));
    }
    app.until("all are delivered", |account| account.delivered == 100);
}

/// Asks again as long as the answer is that the database is not there.
fn repeat<T>(app: &TestApp, mut ask: impl FnMut() -> Result<T, Failure>) -> T {
    app.eventually("an answer", || match ask() {
        Ok(answer) => Some(answer),
        Err(failure) if failure.kind == Kind::Unavailable || failure.code == "import-running" => None,
        Err(failure) => panic!("{failure}"),
    })
}
