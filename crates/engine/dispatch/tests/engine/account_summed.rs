//! A month of frames is summed up piece by piece, and the sum is that of the whole.

use naru_core::id::Id;
use naru_dispatch::account::{Account, total};
use naru_dispatch::rows::{self, NewFrame};
use naru_dispatch::shard::Shard;

use crate::app::{LANE, TestApp};
use crate::on_both_engines;

on_both_engines!(the_pieces_of_a_sum_add_up);

/// More than one piece, and no whole number of them.
const FRAMES: usize = 8_500;

fn the_pieces_of_a_sum_add_up(mut app: TestApp) {
    app.start_intake();
    assert_eq!(app.wait(total(app.store())).unwrap(), Account::default());
    for some in (0..FRAMES).collect::<Vec<_>>().chunks(500) {
        let some: Vec<NewFrame> = some.iter().map(|n| frame(*n)).collect();
        let added = app.store().write(move |conn| {
            let some = some.clone();
            Box::pin(async move { rows::insert_frames(conn, &some).await })
        });
        app.wait(added).unwrap();
    }
    let summed = app.wait(total(app.store())).unwrap();
    assert_eq!(summed, Account::pending((0..FRAMES).map(messages).sum()));
    // They hold nothing that could be sent.
    for text in ["DELETE FROM dispatch_side", "DELETE FROM dispatch_frame", "DELETE FROM dispatch_find"] {
        let removed = app
            .store()
            .write(move |conn| Box::pin(async move { Ok(sqlx::query(text).execute(conn).await.map(drop)?) }));
        app.wait(removed).unwrap();
    }
}

fn messages(n: usize) -> usize {
    n % 7 + 1
}

fn frame(n: usize) -> NewFrame {
    NewFrame {
        id: Id::new(n as i64),
        shard: Shard::new(LANE, 0),
        priority: 1,
        campaign: None,
        count: messages(n),
        body: Vec::new(),
        prints: Vec::new(),
        accepted_at: 0,
    }
}
