//! A job's answer is the commit's: what was answered stays, what failed was not there.

use futures_util::future::join_all;
use naru_store::error::StoreError;
use naru_store::migrate::Migration;
use naru_store::open::Access;
use sqlx::Executor;

use crate::{number, on_each_engine, run};

const COUNT: &str = "SELECT COUNT(*) FROM number";

#[tokio::test]
async fn what_was_answered_is_there_after_the_worst() {
    on_each_engine(async |house| {
        let mut store = house.store_of_numbers().await;
        for round in 0..3_i64 {
            let jobs = (0..50_i64).map(|n| {
                let n = round * 50 + n;
                store.write(move |conn| {
                    let insert = sqlx::query("INSERT INTO number (n) VALUES ($1)").bind(n);
                    Box::pin(async move { Ok(insert.execute(conn).await.map(drop)?) })
                })
            });
            join_all(jobs).await.into_iter().for_each(|answer| answer.unwrap());
            store = house.open_after_the_worst(store).await;
            assert_eq!(number(&store, COUNT).await, (round + 1) * 50);
        }
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_job_that_fails_was_not_there_and_fails_alone() {
    on_each_engine(async |house| {
        let store = house.store_of_numbers().await;
        run(&store, "INSERT INTO number (n) VALUES (1)").await.unwrap();
        let half = store.write(|conn| {
            Box::pin(async move {
                conn.execute("INSERT INTO number (n) VALUES (2)").await?;
                conn.execute("INSERT INTO number (n) VALUES (1)").await.map(drop)?;
                Ok(())
            })
        });
        let (half, whole) = tokio::join!(half, run(&store, "INSERT INTO number (n) VALUES (3)"));
        half.unwrap_err();
        whole.unwrap();
        let store = house.open_after_the_worst(store).await;
        assert_eq!(number(&store, "SELECT CAST(SUM(n) AS BIGINT) FROM number").await, 1 + 3);
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn nobody_reads_what_is_not_committed_and_readers_do_not_write() {
    on_each_engine(async |house| {
        let store = house.store_of_numbers().await;
        let other = house.open(Access::Read).await.unwrap();
        let seen = store.write({
            let other = other.clone();
            move |conn| {
                let other = other.clone();
                Box::pin(async move {
                    conn.execute("INSERT INTO number (n) VALUES (1)").await?;
                    Ok(number(&other, COUNT).await)
                })
            }
        });
        assert_eq!(seen.await.unwrap(), 0);
        assert_eq!(number(&other, COUNT).await, 1);
        assert!(matches!(run(&other, "DELETE FROM number").await, Err(StoreError::ReadOnly)));
        sqlx::query("DELETE FROM number").execute(store.reader()).await.unwrap_err();
        assert_eq!(number(&store, COUNT).await, 1);
        other.close().await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_migration_is_made_once() {
    const STEPS: &[Migration] = &[
        Migration { version: 1, name: "a table", oldest: "0.1", sql: "CREATE TABLE thing (body {blob} NOT NULL)" },
        Migration { version: 2, name: "a column", oldest: "0.1", sql: "ALTER TABLE thing ADD COLUMN n BIGINT" },
    ];
    on_each_engine(async |house| {
        let mut store = house.store().await;
        for _ in 0..2 {
            store.migrate(&[("thing", STEPS)], 0).await.unwrap();
            store = house.open_after_the_worst(store).await;
            run(&store, "INSERT INTO thing (body, n) VALUES ('x', 1)").await.unwrap();
        }
        assert_eq!(number(&store, "SELECT COUNT(*) FROM naru_schema").await, 2);
        assert_eq!(number(&store, "SELECT COUNT(*) FROM thing").await, 2);
        store.close().await;
    })
    .await;
}
