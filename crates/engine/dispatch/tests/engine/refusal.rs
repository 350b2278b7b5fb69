//! What a vendor refuses for good ends failed with the vendor's code, is not tried again, and stops nobody else.

use naru_dispatch::message::Purpose;
use naru_dispatch::provider::Verdict;

use crate::app::TestApp;
use crate::life::messages;
use crate::on_both_engines;
use crate::vendor::Deed;

on_both_engines!(
    a_refused_message_ends_with_the_vendors_code,
    a_refused_request_ends_all_of_it,
    of_a_partial_batch_only_what_was_not_taken_is_tried_again,
);

fn a_refused_message_ends_with_the_vendors_code(mut app: TestApp) {
    app.vendor
        .plan(|_| Deed::Judge(vec![Verdict::Taken, Verdict::Refused("no such\tnumber;,:".to_owned()), Verdict::Taken]));
    app.start();
    let ids = app.accept(Purpose::Info, messages(3));
    let account = app.settle();
    assert_eq!((account.sent, account.failed), (2, 1));
    let view = app.look(ids[1]);
    // What a vendor says is outside text: stored and shown only as a code can be.
    assert_eq!((view.state, view.code.as_deref()), ("failed", Some("no-such-number---")));
    assert_eq!(app.look(ids[0]).code, None);
    assert_eq!(app.vendor.calls().len(), 1);
}

fn a_refused_request_ends_all_of_it(mut app: TestApp) {
    app.vendor.plan(|_| Deed::Refuse("account-closed"));
    app.start();
    let ids = app.accept(Purpose::Info, messages(5));
    assert_eq!(app.settle().failed, 5);
    assert!(ids.iter().all(|id| app.look(*id).code.as_deref() == Some("account-closed")));
    assert_eq!(app.vendor.calls().len(), 1);
}

fn of_a_partial_batch_only_what_was_not_taken_is_tried_again(mut app: TestApp) {
    let again = || Verdict::Retry { code: "busy".to_owned(), after: None };
    app.vendor.plan(move |arrival| match arrival.nth {
        0 => Deed::Judge((0..10).map(|n| if n % 3 == 0 { again() } else { Verdict::Taken }).collect()),
        _ => Deed::Take,
    });
    app.start();
    let ids = app.accept(Purpose::Info, messages(10));
    assert_eq!(app.settle().sent, 10);
    let calls = app.vendor.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[1].ids, [ids[0], ids[3], ids[6], ids[9]]);
    assert_ne!(calls[0].key, calls[1].key);
}
