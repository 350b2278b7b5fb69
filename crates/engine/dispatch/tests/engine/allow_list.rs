//! Until the shop says `production = true`, only its test recipients are reached; the sandbox reaches nobody anyway.

use naru_dispatch::message::Purpose;

use crate::app::TestApp;
use crate::life::{messages, phone};
use crate::on_both_engines;

on_both_engines!(
    only_test_recipients_are_reached,
    in_production_everyone_is_reached,
    a_wrong_test_recipient_is_refused
);

fn only_test_recipients_are_reached(mut app: TestApp) {
    app.lane().provider = "vendor".to_owned();
    // As a person writes it.
    app.config.allow_list = vec!["+82 10-0000-0001".to_owned(), "kim@example.com".to_owned()];
    app.start();
    let ids = app.accept(Purpose::Auth, messages(3));
    let account = app.settle();
    assert_eq!((account.sent, account.suppressed), (1, 2));
    assert_eq!(app.vendor.calls()[0].to, [phone(1)]);
    assert_eq!(app.look(ids[2]).code.as_deref(), Some("not-on-allow-list"));
}

fn in_production_everyone_is_reached(mut app: TestApp) {
    app.lane().provider = "vendor".to_owned();
    app.config.production = true;
    app.start();
    app.accept(Purpose::Auth, messages(3));
    assert_eq!(app.settle().sent, 3);
}

fn a_wrong_test_recipient_is_refused(mut app: TestApp) {
    app.lane().provider = "vendor".to_owned();
    app.config.allow_list = vec!["02-123-4567".to_owned()];
    app.start_intake();
    assert_eq!(app.wait(app.dispatch.run()).unwrap_err().code, "allow-list-address");
}
