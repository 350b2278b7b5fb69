//! A transaction that has drawn its place in the lane's order and stays open while later ones come: what comes behind it in
//! its shard waits for it, what goes to another shard does not, and the lane neither skips it nor lets another overtake it.

use std::time::Duration;

use naru_core::failure::{Failure, Kind};
use naru_dispatch::message::{MessageId, Purpose};
use naru_testkit::proxy::Mode;

use crate::app::TestApp;
use crate::life::{Life, batch, message, phone};
use crate::on_postgres;

on_postgres!(two_later_ones_do_not_overtake_it, one_that_never_ends_is_ended_by_the_server);

/// Slow enough for a transaction to be open while others begin, faster than the server's patience with one that is idle.
const FAR: Duration = Duration::from_millis(400);

/// Transactions that have drawn a place: they have the table, as one has that only prepares, and have written.
const DRAWN: &str = "SELECT COUNT(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    JOIN pg_locks x ON x.pid = l.pid AND x.locktype = 'transactionid' AND x.granted
    WHERE c.relname = 'dispatch_shard' AND c.relnamespace = current_schema()::regnamespace
        AND l.mode = 'RowExclusiveLock' AND l.granted";

/// Transactions of this test that wait for another one.
const WAITING: &str = "SELECT COUNT(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE NOT l.granted AND a.application_name = current_setting('application_name')";

/// A lane of two shards with a customer in each, and a second life that reaches the database over a line.
fn begin(app: &mut TestApp) -> ([String; 2], Life) {
    app.lane().shards = 2;
    app.start();
    let shards = |app: &TestApp| app.number("SELECT COUNT(DISTINCT shard) FROM dispatch_side");
    let other = (0..100).find(|n| {
        app.accept_one(&phone(*n));
        shards(app) == 2
    });
    app.settle();
    app.go_over_a_line();
    let far = app.another();
    ([phone(0), phone(other.unwrap())], far)
}

fn accept(life: &Life, to: &str) -> Result<MessageId, Failure> {
    let accepted = life.wait(life.dispatch.accept(batch(Purpose::Info, vec![message(to, "x")])));
    accepted.map(|ids| ids[0])
}

fn until_drawn(app: &TestApp) {
    app.eventually("a place to be drawn", || (app.number(DRAWN) > 0).then_some(()));
}

/// When a message came to the vendor, counted in requests.
fn place(app: &TestApp, id: MessageId) -> usize {
    app.vendor.calls().iter().position(|call| call.ids.contains(&id)).unwrap()
}

fn two_later_ones_do_not_overtake_it(mut app: TestApp) {
    let ([customer, elsewhere], far) = begin(&mut app);
    app.line().set(Mode::Carry(FAR));
    let sent = app.account().sent;
    let (first, later) = std::thread::scope(|scope| {
        let first = scope.spawn(|| accept(&far, &customer).unwrap());
        until_drawn(&app);
        // Two come later: one to the other shard, which is stored at once, and one behind it.
        accept(&app, &elsewhere).unwrap();
        assert!(!first.is_finished(), "the first is still open");
        let later = scope.spawn(|| accept(&app, &customer).unwrap());
        app.eventually("the later one to wait", || (app.number(WAITING) > 0).then_some(()));
        assert!(!first.is_finished() && !later.is_finished(), "the first is still open");
        (first.join().unwrap(), later.join().unwrap())
    });
    app.line().mend();
    assert_eq!(app.settle().sent, sent + 3);
    assert!(place(&app, first) < place(&app, later), "one customer's messages leave in the order of their places");
    far.stop();
}

fn one_that_never_ends_is_ended_by_the_server(mut app: TestApp) {
    let ([customer, elsewhere], far) = begin(&mut app);
    app.line().set(Mode::Carry(FAR));
    let sent = app.account().sent;
    std::thread::scope(|scope| {
        let first = scope.spawn(|| accept(&far, &customer));
        until_drawn(&app);
        app.line().set(Mode::Swallow);
        for to in [&customer, &elsewhere] {
            accept(&app, to).unwrap();
        }
        let failure = first.join().unwrap().unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (Kind::Unavailable, "store-silent"));
    });
    assert_eq!(app.settle().sent, sent + 2);
    app.line().mend();
    app.eventually("the far one to be answered again", || accept(&far, &customer).ok());
    assert_eq!(app.settle().sent, sent + 3);
    far.stop();
}
