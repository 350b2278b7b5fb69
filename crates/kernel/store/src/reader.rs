//! Connections that only read, none of which is waited for without an end.

use std::fmt;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use sqlx::any::{AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Either, Execute, Executor, SqlStr};

use crate::Result;
use crate::error::StoreError;
use crate::reach::{Reach, WORK_MAX};

/// Reading connections; a query is made on it as on a pool.
#[derive(Clone)]
pub struct Reader {
    pool: AnyPool,
    reach: Reach,
}

impl Reader {
    pub(crate) fn new(pool: AnyPool, reach: Reach) -> Reader {
        Reader { pool, reach }
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Runs `work` on one connection.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        F: for<'c> FnOnce(&'c mut AnyConnection) -> BoxFuture<'c, Result<T>>,
    {
        let mut conn = self.acquire().await?;
        let outcome = self.reach.within(WORK_MAX, work(&mut conn)).await;
        self.give_back(conn, outcome)
    }

    async fn acquire(&self) -> Result<PoolConnection<Any>> {
        // The pool has a bound of its own.
        self.reach.within(WORK_MAX, async { Ok(self.pool.acquire().await?) }).await
    }

    /// A connection that was left in the midst of an answer would wait for the rest of it, and hold its place so long.
    fn give_back<T>(&self, mut conn: PoolConnection<Any>, outcome: Result<T>) -> Result<T> {
        if matches!(outcome, Err(StoreError::Silent { .. })) {
            conn.close_on_drop();
        }
        outcome
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl<'p> Executor<'p> for &'p Reader {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<AnyQueryResult, AnyRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let all = async move {
            let mut conn = self.acquire().await?;
            let mut rows = Vec::new();
            let outcome = {
                let mut results = conn.fetch_many(query);
                loop {
                    // Between two rows, so that many of them may take long.
                    match self.reach.within(WORK_MAX, async { Ok(results.try_next().await?) }).await {
                        Ok(Some(row)) => rows.push(Ok(row)),
                        Ok(None) => break Ok(()),
                        Err(error) => break Err(error),
                    }
                }
            };
            self.give_back(conn, outcome)?;
            Ok(stream::iter(rows))
        };
        stream::once(async move { all.await.map_err(StoreError::into_sqlx) }).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<AnyRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let one = async move {
            let mut conn = self.acquire().await?;
            let outcome = self.reach.within(WORK_MAX, async { Ok(conn.fetch_optional(query).await?) }).await;
            self.give_back(conn, outcome)
        };
        Box::pin(async move { one.await.map_err(StoreError::into_sqlx) })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [AnyTypeInfo]) -> BoxFuture<'e, sqlx::Result<AnyStatement>>
    where
        'p: 'e,
    {
        let prepared = async move {
            let mut conn = self.acquire().await?;
            let outcome = self.reach.within(WORK_MAX, async { Ok(conn.prepare_with(sql, parameters).await?) }).await;
            self.give_back(conn, outcome)
        };
        Box::pin(async move { prepared.await.map_err(StoreError::into_sqlx) })
    }
}
