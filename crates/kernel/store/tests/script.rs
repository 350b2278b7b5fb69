//! Statements that go together are stored together or not at all, whoever shares the transaction.

#![allow(clippy::unwrap_used)]

use naru_core::lifecycle::Lifecycle;
use naru_store::open::{Access, StoreConfig};
use naru_store::script::{Bound, Script};
use naru_store::{Result, Store, many};
use naru_testkit::database::{Engine, database};
use sqlx::{Executor, Row};

/// More than one statement takes.
const ROWS: i64 = 300;

#[tokio::test]
async fn a_script_is_stored_whole_and_sees_what_it_added() {
    on_each_engine(async |store| {
        let counted = store.write_script(|script| {
            Box::pin(async move {
                add(script, 0..ROWS).await?;
                let rows = script.fetch(|_| "SELECT COUNT(*) FROM number".to_owned(), |_| ()).await?;
                add(script, ROWS..ROWS + 1).await?;
                Ok(rows[0].try_get::<i64, _>(0)?)
            })
        });
        assert_eq!(counted.await.unwrap(), ROWS);
        assert_eq!(count(store).await, ROWS + 1);
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_fails_takes_its_own_script_and_no_other() {
    on_each_engine(async |store| {
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
        assert_eq!(count(store).await, 1 + 100 + 100 + 1);
    })
    .await;
}

#[tokio::test]
async fn a_script_of_nothing_answers() {
    on_each_engine(async |store| {
        assert_eq!(store.write_script(|_| Box::pin(async { Ok(1) })).await.unwrap(), 1);
        store.write_script(|script| Box::pin(add(script, 0..0))).await.unwrap();
        store.write_script(|script| Box::pin(add(script, 0..1))).await.unwrap();
        assert_eq!(count(store).await, 1);
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

async fn on_each_engine(test: impl AsyncFn(&Store)) {
    for engine in Engine::ALL {
        let database = database(engine).await;
        let config = StoreConfig { url: database.url().to_owned(), ..StoreConfig::default() };
        let store = Store::open(&config, database.folder(), Access::Write, &Lifecycle::default()).await.unwrap();
        let table = "CREATE TABLE number (n BIGINT NOT NULL PRIMARY KEY)";
        store.write(move |conn| Box::pin(async move { Ok(conn.execute(table).await.map(drop)?) })).await.unwrap();
        test(&store).await;
        store.close().await;
    }
}
