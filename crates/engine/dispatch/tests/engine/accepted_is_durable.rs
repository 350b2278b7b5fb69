//! An id that was given is the id of a stored message, whatever happens right after the answer.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use naru_core::failure::{Failure, Kind};
use naru_dispatch::intake::{Batch, Part};
use naru_dispatch::message::{MessageId, Purpose};
use tokio::sync::Notify;

use crate::app::{LANE, TestApp};
use crate::life::{batch, message, messages, phone, template_ref};
use crate::{on_both_engines, with_power_cuts};

on_both_engines!(
    ids_are_found_after_a_kill_right_after_the_answer,
    calls_that_wait_share_frames_and_get_their_own_ids,
    all_that_wait_for_the_writer_share_a_commit,
    more_calls_than_a_commit_holds_are_all_answered,
    more_messages_than_a_commit_holds_are_all_stored,
    more_calls_than_may_wait_are_told_when_to_come_back,
    a_call_over_several_templates_and_frames_keeps_its_places,
);

with_power_cuts!(ids_are_found_after_a_kill_right_after_the_answer);

fn ids_are_found_after_a_kill_right_after_the_answer(mut app: TestApp) {
    app.start_intake();
    let ids = app.accept(Purpose::Info, messages(3));
    app.restart();
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(app.wait(app.dispatch.find(&message(&phone(n), "").to, 10)).unwrap(), [*id]);
    }
    assert_eq!(app.settle().sent, 3);
}

fn calls_that_wait_share_frames_and_get_their_own_ids(mut app: TestApp) {
    const CALLS: usize = 300;
    app.start();
    let calls = messages(CALLS).into_iter().map(|message| app.dispatch.accept(batch(Purpose::Info, vec![message])));
    let answers = app.wait(join_all(calls));
    app.settle();
    let ids: Vec<_> = answers.into_iter().map(|answer| answer.unwrap()[0]).collect();
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(app.vendor.text(*id), Some(format!("text {n}")));
    }
    let frames = ids.iter().map(|id| id.frame).collect::<HashSet<_>>().len();
    assert!(frames <= CALLS / 10, "{frames} frames");
}

fn all_that_wait_for_the_writer_share_a_commit(mut app: TestApp) {
    const CALLS: usize = 300;
    app.start();
    accept_while_the_writer_is_busy(&app, CALLS, 1);
    assert_eq!(app.settle().sent, CALLS as u64);
    assert_eq!(app.number("SELECT COUNT(*) FROM dispatch_side"), 1);
}

fn more_calls_than_a_commit_holds_are_all_answered(mut app: TestApp) {
    const CALLS: usize = 4_500;
    app.start();
    accept_while_the_writer_is_busy(&app, CALLS, 1);
    assert_eq!(app.settle().sent, CALLS as u64);
}

fn more_messages_than_a_commit_holds_are_all_stored(mut app: TestApp) {
    const CALLS: usize = 25;
    app.start_intake();
    accept_while_the_writer_is_busy(&app, CALLS, 1_000);
    assert_eq!(app.account().accepted, 25_000);
}

fn more_calls_than_may_wait_are_told_when_to_come_back(mut app: TestApp) {
    const WAITING_MAX: usize = 10_000;
    app.start_intake();
    let answers = answers_while_the_writer_is_busy(&app, WAITING_MAX + 20, 1);
    let refused: Vec<Failure> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 20);
    for failure in refused {
        let told = (failure.kind, failure.code.as_str(), failure.retry_after_s);
        assert_eq!(told, (Kind::TooMany, "intake-full", Some(1)));
    }
    // What was said of the others holds, and a call after them is taken.
    assert_eq!(app.account().accepted, WAITING_MAX as u64);
    app.accept(Purpose::Info, messages(1));
    assert_eq!(app.account().accepted, WAITING_MAX as u64 + 1);
}

fn accept_while_the_writer_is_busy(app: &TestApp, calls: usize, messages_each: usize) {
    let answers = answers_while_the_writer_is_busy(app, calls, messages_each);
    let given = answers.len() * messages_each;
    let ids: HashSet<_> = answers.into_iter().flat_map(|answer| answer.unwrap()).collect();
    assert_eq!(ids.len(), given);
}

/// Keeps the writer in a job until every call waits.
fn answers_while_the_writer_is_busy(
    app: &TestApp,
    calls: usize,
    messages_each: usize,
) -> Vec<Result<Vec<MessageId>, Failure>> {
    let go_on = Arc::new(Notify::new());
    let held = go_on.clone();
    let busy = app.store().write(move |_| {
        let held = held.clone();
        Box::pin(async move {
            held.notified().await;
            Ok(())
        })
    });
    let calls = (0..calls).map(|_| app.dispatch.accept(batch(Purpose::Info, messages(messages_each))));
    // All are asked in turn: the writer is let go when the last one waits.
    let last = async { go_on.notify_one() };
    let (busy, answers, ()) = app.wait(async { tokio::join!(busy, join_all(calls), last) });
    busy.unwrap();
    answers
}

fn a_call_over_several_templates_and_frames_keeps_its_places(mut app: TestApp) {
    const MESSAGES: usize = 2_500;
    app.start();
    let all = messages(MESSAGES);
    let part = |purpose: Purpose, share: usize| Part {
        lane: LANE.to_owned(),
        priority: purpose.priority(),
        template: template_ref(purpose),
        messages: all.iter().cloned().enumerate().filter(|(place, _)| place % 2 == share).collect(),
    };
    let parts = vec![part(Purpose::Info, 0), part(Purpose::Auth, 1)];
    let ids = app.wait(app.dispatch.accept(Batch { parts, count: MESSAGES, key: None })).unwrap();
    app.settle();
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(app.vendor.text(*id), Some(format!("text {n}")));
    }
    assert_eq!(app.look(ids[0]).template, "info");
    assert_eq!(app.look(ids[1]).template, "auth");
}
