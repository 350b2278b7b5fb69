//! Two who take messages in at one time: every frame has its place, and the lane misses none.

use std::collections::HashSet;

use futures_util::future::join_all;
use naru_dispatch::message::Purpose;

use crate::app::TestApp;
use crate::file::{File, QUARTER_FRAME};
use crate::life::{Life, batch, message, phone};
use crate::{on_both_engines, on_postgres};

on_both_engines!(no_frame_is_missed_between_two_callers, no_frame_is_missed_between_calls_and_a_file);
on_postgres!(no_frame_is_missed_between_two_processes, frames_of_another_process_are_found);

fn no_frame_is_missed_between_two_callers(mut app: TestApp) {
    app.start();
    interleave(&app, [&app, &app]);
}

fn no_frame_is_missed_between_two_processes(mut app: TestApp) {
    app.start();
    let second = app.another();
    interleave(&app, [&app, &second]);
    second.kill();
}

fn interleave(app: &TestApp, writers: [&Life; 2]) {
    const CALLS: usize = 60;
    std::thread::scope(|scope| {
        for (who, life) in writers.into_iter().enumerate() {
            // One after the other, so that each is a frame of its own; the two writers' customers are the same.
            scope.spawn(move || {
                for call in 0..CALLS {
                    let message = message(&phone(call % 5), &format!("{who} {call}"));
                    life.wait(life.dispatch.accept(batch(Purpose::Info, vec![message]))).unwrap();
                }
            });
        }
    });
    assert_eq!(app.settle().sent, 2 * CALLS as u64);
    let (frames, places, highest) = (
        app.number("SELECT COUNT(*) FROM dispatch_side"),
        app.number("SELECT COUNT(DISTINCT seq) FROM dispatch_side"),
        app.number("SELECT seq FROM dispatch_shard"),
    );
    assert_eq!((frames, highest), (places, places));
}

fn frames_of_another_process_are_found(mut app: TestApp) {
    app.start();
    let second = app.another();
    let first = app.accept_one(&phone(1));
    app.until_state(first, "sent");
    // Nobody tells the lane.
    second.accept_one(&phone(2));
    assert_eq!(app.settle().sent, 2);
    second.kill();
}

fn no_frame_is_missed_between_calls_and_a_file(mut app: TestApp) {
    app.start();
    let file = File { stream: true, ..File::new("beside", 160, QUARTER_FRAME) };
    let (import, ending) = app.open(&file);
    std::thread::scope(|scope| {
        scope.spawn(|| file.feed_all(import).unwrap());
        for round in 0..20 {
            let calls = (0..5).map(|n| app.dispatch.accept(batch(Purpose::Info, vec![message(&phone(n), "x")])));
            let ids: HashSet<_> = app.wait(join_all(calls)).into_iter().map(|answer| answer.unwrap()[0]).collect();
            assert_eq!(ids.len(), 5, "round {round}");
        }
    });
    app.wait(ending.wait()).unwrap();
    assert_eq!(app.settle().sent, 260);
}
