//! The database of the house: SQLite inside by default, PostgreSQL when one machine is not enough, one SQL text.
//!
//! There is one writing connection a process, and one task owns it ([`writer`]). Whoever has something to store hands
//! that task a job; all jobs that wait are run in one transaction and answered after its commit, so the disk's flush is
//! shared and nobody is told "stored" before it is. Readers use connections of their own that cannot write.
//!
//! Must never know: what a message, a customer or a deploy is. A change must keep this: a job's answer leaves only
//! after the commit that holds its writes, and a job may run twice (its transaction is repeated when a neighbour in the
//! group fails), so all its effects are statements on the connection it is given.

pub mod error;
pub mod lock;
pub mod many;
pub mod migrate;
pub mod open;
pub mod reach;
pub mod reader;
mod room;
pub mod script;
mod writer;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use naru_core::clock::{Clock, Millis};
use sqlx::AnyConnection;

use crate::error::StoreError;
use crate::reach::Reach;
use crate::reader::Reader;
use crate::script::Script;

/// The sentences of this crate.
pub const TEXTS: naru_core::text::Catalog = naru_core::text::Catalog {
    name: "store",
    en: include_str!("../texts/en.ftl"),
    ko: include_str!("../texts/ko.ftl"),
};

/// What a store function answers.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The engine below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in `data_dir`, one process at a time.
    Sqlite,
    /// A server, several processes.
    Postgres,
}

impl Engine {
    /// The database's own clock in milliseconds, to stand in a statement: the one text that differs between the engines.
    pub fn now(self) -> &'static str {
        match self {
            Engine::Sqlite => "CAST(unixepoch('subsec') * 1000 AS BIGINT)",
            Engine::Postgres => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
        }
    }
}

/// An open database. Cloning is cheap.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    engine: Engine,
    reader: Reader,
    writer: writer::Handle,
    reach: Reach,
    room: Option<room::Room>,
}

impl Store {
    /// Which engine is below.
    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// Connections that only read.
    pub fn reader(&self) -> &Reader {
        &self.0.reader
    }

    /// Runs `work` on one connection that only reads, for several statements after each other.
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        F: for<'c> FnOnce(&'c mut AnyConnection) -> BoxFuture<'c, Result<T>>,
    {
        self.0.reader.run(work).await
    }

    /// Runs `job` in the next transaction and returns its answer after the commit.
    ///
    /// The job may be run more than once, each time in a transaction that begins anew; an `Err` rolls back what it
    /// did and nothing else. Fails without running when the store was opened for reading.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut AnyConnection) -> BoxFuture<'c, Result<T>> + Send + Sync + 'static,
    {
        let job = Arc::new(job);
        self.0
            .writer
            .run(move |script| {
                let job = job.clone();
                Box::pin(async move { job(script.conn().await?).await })
            })
            .await
    }

    /// As [`Store::write`], for statements that need no answer: on SQLite they make one trip with their transaction.
    pub async fn write_script<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'s, 'c> Fn(&'s mut Script<'c>) -> BoxFuture<'s, Result<T>> + Send + Sync + 'static,
    {
        self.0.writer.run(job).await
    }

    /// Refuses what could not be stored now: asked before anything is taken in. While a server does not answer that is
    /// everything; where so little room is left on an embedded store's disk that only what was acknowledged may use it,
    /// too.
    pub fn check_intake(&self) -> Result<()> {
        self.0.reach.check()?;
        self.0.room.as_ref().map_or(Ok(()), room::Room::check)
    }

    /// Why the database does not answer, where it does not; known to a process that writes.
    pub fn silence(&self) -> Option<Arc<str>> {
        self.0.reach.why()
    }

    /// Whether so little room is left that nothing is taken in.
    pub fn is_nearly_full(&self) -> bool {
        self.0.room.as_ref().is_some_and(room::Room::is_short)
    }

    /// How far the database's clock was ahead of this machine's when it was seen last; an embedded store has no other.
    pub fn clock_seen_ahead_ms(&self) -> Millis {
        self.0.reach.ahead_ms()
    }

    /// How far the database's clock is ahead of `clock`.
    pub async fn clock_ahead_ms(&self, clock: &Arc<dyn Clock>) -> Result<Millis> {
        let clock = clock.clone();
        self.read(|conn| Box::pin(async move { Ok(reach::ahead_ms(conn, clock.as_ref()).await?) })).await
    }

    /// The database's own clock: what leases of several machines count by.
    pub async fn now(&self) -> Result<Millis> {
        let text = format!("SELECT {}", self.0.engine.now());
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_one(&self.0.reader).await?)
    }

    /// Closes every connection; on SQLite the log is folded into the file first.
    pub async fn close(&self) {
        // The last to leave folds the log into the file, and readers may not write.
        self.0.reader.close().await;
        self.0.writer.close().await;
        self.0.reach.end();
    }
}
