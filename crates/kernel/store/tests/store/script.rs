//! Statements that go together are stored together or not at all, whoever shares the transaction.

use naru_store::script::{Bound, Script};
use naru_store::{Result, Store, many};
use sqlx::{Executor, Row};

use crate::on_each_engine;

/// More than one statement takes.
const ROWS: i64 = 300;

#[tokio::test]
async fn a_script_is_stored_whole_and_sees_what_it_added() {
    on_each_engine(async |house| {
        let store = house.store_of_numbers().await;
        let counted = store.write_script(|script| {
            Box::pin(async move {
                add(script, 0..ROWS).await?;
                let rows = script.fetch(|_| "SELECT COUNT(*) FROM number".to_owned(), |_| ()).await?;
                add(script, ROWS..ROWS + 1).await?;
                Ok(rows[0].try_get::<i64, _>(0)?)
            })
        });
        assert_eq!(counted.await.unwrap(), ROWS);
        assert_eq!(count(&store).await, ROWS + 1);
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_fails_takes_its_own_script_and_no_other() {
    on_each_engine(async |house| {
        let store = house.store_of_numbers().await;
        store.write_script(|script| Box::pin(add(script, 7..8))).await.unwrap();
        // All wait while the first runs, so that they share a transaction.
        let (blocked, first, failed, last, asked) = tokio::join!(
            store.write(|conn| Box::pin(async move { Ok(conn.execute("SELECT 1").await.map(drop)?) })),
            store.write_script(|script| Box::pin(add(script, 100..200))),
            store.write_script(|script| Box::pin(add(script, 0..8))),
            store.write_script(|script| Box::pin(add(script, 200..300))),
            store.write(|conn| {
                Box::pin(async move { Ok(conn.execute("INSERT INTO number (n) VALUES (300)").await.map(drop)?) })
            }),
        );
        blocked.unwrap();
        first.unwrap();
        failed.unwrap_err();
        last.unwrap();
        asked.unwrap();
        assert_eq!(count(&store).await, 1 + 100 + 100 + 1);
    })
    .await;
}

#[tokio::test]
async fn a_script_of_nothing_answers() {
    on_each_engine(async |house| {
        let store = house.store_of_numbers().await;
        assert_eq!(store.write_script(|_| Box::pin(async { Ok(1) })).await.unwrap(), 1);
        store.write_script(|script| Box::pin(add(script, 0..0))).await.unwrap();
        store.write_script(|script| Box::pin(add(script, 0..1))).await.unwrap();
        assert_eq!(count(&store).await, 1);
    })
    .await;
}

async fn add(script: &mut Script<'_>, numbers: std::ops::Range<i64>) -> Result<()> {
    let numbers: Vec<i64> = numbers.collect();
    let text = |before, rows| format!("INSERT INTO number (n) VALUES {}", many::values(before, rows, 1));
    let bind = |bound: &mut Bound, n: &i64| {
        bound.bind(*n);
    };
    script.add(&numbers, 1, text, bind).await
}

async fn count(store: &Store) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM number").fetch_one(store.reader()).await.unwrap()
}
