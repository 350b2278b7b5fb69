//! A vendor that asks for a pause gets it for the whole account, and a throttled try does not count as one.

use std::time::Duration;

use naru_dispatch::message::Purpose;

use crate::app::TestApp;
use crate::life::{messages, phone};
use crate::on_both_engines;
use crate::vendor::Deed;

on_both_engines!(
    a_named_pause_is_kept_by_the_whole_lane,
    a_throttle_without_a_time_backs_off_and_comes_back,
    a_request_that_never_left_does_not_count,
);

fn a_named_pause_is_kept_by_the_whole_lane(mut app: TestApp) {
    const PAUSE: Duration = Duration::from_secs(600);
    app.vendor.plan(|arrival| if arrival.nth == 0 { Deed::Throttle(Some(PAUSE)) } else { Deed::Take });
    app.lane().attempts_max = 1;
    app.start();
    let first = app.accept_one(&phone(1));
    app.eventually("the throttle is stored", || app.look(first).due_at);
    // Another customer's message: it is the account that was throttled.
    app.accept_one(&phone(2));
    app.pass(PAUSE - Duration::from_secs(60));
    // The lane has looked and still keeps still.
    app.eventually("the lane to have looked", || {
        (app.number("SELECT COUNT(*) FROM dispatch_receipt") == 0).then_some(())
    });
    assert_eq!(app.vendor.calls().len(), 1);
    app.pass(Duration::from_secs(60));
    assert_eq!(app.settle().sent, 2);
    let calls = app.vendor.calls();
    assert!(calls[1..].iter().all(|call| call.at - calls[0].at >= PAUSE.as_millis() as i64), "{calls:?}");
}

fn a_throttle_without_a_time_backs_off_and_comes_back(mut app: TestApp) {
    app.vendor.plan(|arrival| if arrival.nth < 4 { Deed::Throttle(None) } else { Deed::Take });
    app.lane().attempts_max = 1;
    app.lane().retry_base_ms = 20;
    app.start();
    app.accept(Purpose::Info, messages(3));
    assert_eq!(app.settle().sent, 3);
    let at: Vec<i64> = app.vendor.calls().iter().map(|call| call.at).collect();
    assert_eq!(at.len(), 5);
    // At least half of a limit that doubles: 20, 40, 80, 160.
    for (pair, least) in at.windows(2).zip([20, 40, 80, 160]) {
        assert!(pair[1] - pair[0] >= least, "{at:?}");
    }
}

fn a_request_that_never_left_does_not_count(mut app: TestApp) {
    app.vendor.plan(|arrival| if arrival.nth < 3 { Deed::Unsent } else { Deed::Take });
    app.lane().attempts_max = 1;
    app.vendor.batch_max(1);
    app.start();
    app.accept(Purpose::Info, messages(3));
    assert_eq!(app.settle().sent, 3);
}
