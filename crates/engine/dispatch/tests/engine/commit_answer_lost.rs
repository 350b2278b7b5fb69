//! A commit that is on the disk while its answer is lost: it is found and not made again.

use futures_util::future::join_all;
use naru_dispatch::campaign::CampaignState;
use naru_dispatch::intake::Batch;
use naru_dispatch::message::Purpose;

use crate::app::TestApp;
use crate::file::{File, QUARTER_FRAME};
use crate::life::{batch, messages};
use crate::on_postgres;

on_postgres!(calls_with_and_without_a_key_are_accepted_once, a_file_is_whole_with_its_last_commit);

fn calls_with_and_without_a_key_are_accepted_once(mut app: TestApp) {
    const ROUNDS: u64 = 8;
    const CALLS: u64 = 40;
    app.go_over_a_line();
    app.start_intake();
    for round in 0..ROUNDS {
        app.line().lose_a_commits_answer();
        // All at once, so that calls of both sorts share the commit.
        let calls = (0..CALLS).map(|n| {
            let mut name = [n as u8; 16];
            name[0] = round as u8;
            let key = (n % 2 == 0).then_some((name, [1; 16]));
            app.dispatch.accept(Batch { key, ..batch(Purpose::Info, messages(1)) })
        });
        app.wait(join_all(calls)).into_iter().for_each(|answer| assert_eq!(answer.unwrap().len(), 1));
        assert!(app.line().has_lost());
        assert_eq!(app.account().accepted, (round + 1) * CALLS);
    }
    app.stop();
    app.start();
    app.settle();
}

fn a_file_is_whole_with_its_last_commit(mut app: TestApp) {
    app.go_over_a_line();
    let file = File::new("whole", 80, QUARTER_FRAME);
    app.start();
    let (mut import, ending) = app.open(&file);
    let campaign = import.campaign;
    file.feed(&mut import, 79).unwrap();
    app.until("all but the last frame is stored", |account| account.accepted == 76);
    // What was accepted after them goes out before them, so the lane has gone past them.
    let other = app.accept_one("01099999999");
    app.until_state(other, "sent");
    app.line().lose_a_commits_answer();
    file.feed_rest(import, 79).unwrap();
    assert_eq!(app.wait(ending.wait()).unwrap().accepted, 80);
    assert!(app.line().has_lost());
    assert_eq!(app.settle().sent, 81);
    assert_eq!(app.campaign(campaign).state, CampaignState::Done);
}
