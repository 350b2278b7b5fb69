//! One customer's messages reach the vendor in the order in which they were accepted, also through retries, failures
//! and several frames, in batches and one by one. The order itself is checked where every case ends ([`crate::joined`]).

use naru_dispatch::message::{MessageId, Purpose};
use naru_dispatch::provider::Verdict;

use crate::app::TestApp;
use crate::file::{File, Row};
use crate::life::phone;
use crate::vendor::{Arrival, Deed};
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    batches_keep_the_order,
    single_sends_keep_the_order,
    order_is_kept_across_kills,
    a_customer_of_two_addresses_is_one_customer,
    purposes_do_not_wait_for_each_other,
);

with_power_cuts!(order_is_kept_across_kills);

/// One customer in ten gets 3 to 20 messages, spread over the whole file; the others get one.
fn customers(count: usize, bytes: usize) -> File {
    let mut file = File::new("customers", 0, 0);
    let row = |customer: usize, text: usize| Row {
        to: phone(customer * 100 + text % 2),
        customer: Some(format!("c{customer}")),
        expires_at: None,
        text: format!("{text:02}{}", "x".repeat(bytes)),
        refused: false,
    };
    for text in 0..20 {
        for customer in 0..count {
            let messages = if customer % 10 == 0 { 3 + customer / 10 % 18 } else { 1 };
            if text < messages {
                file.rows.push(row(customer, text));
            }
        }
    }
    file
}

/// Each twentieth message is to be tried again, and some are refused, by their text and their turn alone.
fn fussy(arrival: &Arrival) -> Deed {
    let judge = |(index, _)| match (arrival.nth * 31 + index * 7) % 40 {
        0 | 1 => Verdict::Retry { code: "busy".to_owned(), after: None },
        2 => Verdict::Refused("no-such-number".to_owned()),
        _ => Verdict::Taken,
    };
    Deed::Judge(arrival.messages.iter().enumerate().map(judge).collect())
}

fn check(app: &TestApp, file: &File) {
    let account = app.settle();
    assert_eq!(account.accepted, file.rows.len() as u64);
    assert_eq!(account.sent + account.failed, account.accepted);
    assert!(account.failed > 0);
    let tries: usize = app.vendor.calls().iter().map(|call| call.ids.len()).sum();
    assert!(tries > file.rows.len(), "nothing was tried again");
}

fn batches_keep_the_order(mut app: TestApp) {
    let file = customers(800, 1_000);
    app.vendor.plan(fussy);
    app.lane().batch_max = Some(100);
    app.start();
    app.take_in(&file);
    check(&app, &file);
    assert!(app.number("SELECT COUNT(*) FROM dispatch_frame") >= 6);
}

fn single_sends_keep_the_order(mut app: TestApp) {
    let file = customers(300, 1_000);
    app.vendor.plan(fussy);
    app.vendor.batch_max(1);
    app.start();
    app.take_in(&file);
    check(&app, &file);
}

fn order_is_kept_across_kills(mut app: TestApp) {
    let file = customers(300, 1_000);
    app.vendor.plan(fussy);
    app.lane().batch_max = Some(20);
    app.start();
    app.take_in(&file);
    for share in 1..4 {
        let calls = share * 10;
        app.eventually("some of it is sent", || (app.vendor.calls().len() >= calls).then_some(()));
        app.restart();
    }
    check(&app, &file);
}

fn a_customer_of_two_addresses_is_one_customer(mut app: TestApp) {
    let mut file = customers(1, 10);
    file.rows.truncate(2);
    assert_ne!(file.rows[0].to, file.rows[1].to);
    app.vendor.keep_waiting();
    app.start();
    app.take_in(&file);
    app.until_waiting(1);
    app.vendor.answer();
    app.settle();
    let calls: Vec<usize> = app.vendor.calls().iter().map(|call| call.ids.len()).collect();
    assert_eq!(calls, [1, 1]);
}

fn purposes_do_not_wait_for_each_other(mut app: TestApp) {
    app.vendor.keep_waiting();
    app.start();
    let slow = app.accept_one(&phone(1));
    app.until_waiting(1);
    // A sign-in code must not stand behind an order's message to the same number.
    let code: MessageId = app.accept(Purpose::Auth, vec![crate::life::message(&phone(1), "123456")])[0];
    app.until_waiting(2);
    app.vendor.answer();
    app.settle();
    assert_eq!((app.state(slow), app.state(code)), ("sent", "sent"));
}
