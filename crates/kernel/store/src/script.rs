//! Statements over many rows that need no answer, in as few trips to the database as it allows.
//!
//! A trip costs more than most of these statements: on SQLite two threads take turns, on PostgreSQL there is a network.
//! SQLite takes them all in one text, the transaction around them included; PostgreSQL takes one a trip.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Arguments, Encode, Executor, Type};

use crate::error::StoreError;
use crate::{Result, many};

/// Statements to be run in order; all of them have run when it is ended.
#[must_use]
pub struct Script<'c> {
    conn: &'c mut AnyConnection,
    together: bool,
    transaction: Transaction,
    text: String,
    bound: Bound,
}

/// Whose the transaction is that the statements run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    /// The caller's: the script runs inside it.
    Callers,
    /// The script's own, which begins with its first statement.
    Due,
    /// The script's own, and it has begun.
    Begun,
}

/// Parameters in the order of their numbers.
#[derive(Default)]
pub struct Bound {
    arguments: AnyArguments,
    failed: Option<sqlx::error::BoxDynError>,
}

impl Bound {
    /// The next parameter.
    pub fn bind<T>(&mut self, value: T) -> &mut Bound
    where
        T: for<'q> Encode<'q, sqlx::Any> + Type<sqlx::Any>,
    {
        if let Err(error) = self.arguments.add(value) {
            self.failed.get_or_insert(error);
        }
        self
    }
}

impl<'c> Script<'c> {
    /// An empty one.
    pub fn on(conn: &'c mut AnyConnection) -> Script<'c> {
        let together = many::is_sqlite(conn);
        Script { conn, together, transaction: Transaction::Callers, text: String::new(), bound: Bound::default() }
    }

    /// An empty one that is a transaction: it begins with the first statement, so that one of none costs nothing.
    pub(crate) fn transaction(conn: &'c mut AnyConnection) -> Script<'c> {
        Script { transaction: Transaction::Due, ..Script::on(conn) }
    }

    /// The connection, for statements whose answer is needed: what was added before them has run by then.
    pub async fn conn(&mut self) -> Result<&mut AnyConnection> {
        self.begin().await?;
        self.send().await?;
        Ok(self.conn)
    }

    /// Runs `text` over all `rows`, perhaps later, and perhaps a few of them at a time: it is told how many parameters
    /// come before its own and for how many rows it is made.
    pub async fn add<T>(
        &mut self,
        rows: &[T],
        columns: usize,
        text: impl Fn(usize, usize) -> String,
        bind: impl Fn(&mut Bound, &T),
    ) -> Result<()> {
        for rows in many::pieces(self.conn, rows, columns) {
            self.begin().await?;
            self.text += &text(self.bound.arguments.len(), rows.len());
            self.text += ";";
            rows.iter().for_each(|row| bind(&mut self.bound, row));
            if !self.together {
                self.send().await?;
            }
        }
        Ok(())
    }

    /// Asks for rows, after what was added before has run: `text` is told how many parameters come before its own.
    pub async fn fetch(
        &mut self,
        text: impl FnOnce(usize) -> String,
        bind: impl FnOnce(&mut Bound),
    ) -> Result<Vec<AnyRow>> {
        self.begin().await?;
        self.text += &text(self.bound.arguments.len());
        bind(&mut self.bound);
        let Some(query) = self.query()? else { return Ok(Vec::new()) };
        Ok(query.fetch_all(&mut *self.conn).await?)
    }

    /// `rows` in pieces that are small enough for one [`Script::fetch`] each.
    pub fn pieces<'r, T>(&self, rows: &'r [T], columns: usize) -> impl Iterator<Item = &'r [T]> + use<'r, T> {
        many::pieces(self.conn, rows, columns)
    }

    /// Runs what has not run yet.
    pub async fn end(mut self) -> Result<()> {
        self.send().await
    }

    /// Runs what has not run yet and commits. Does not listen for `quiet` after it has sent SQLite the rest: each
    /// statement's result would wake this thread and push the one that works off its processor, only for the last to
    /// be waited for.
    pub(crate) async fn commit(&mut self, quiet: Duration) -> Result<()> {
        if !self.has_begun() {
            return Ok(());
        }
        self.say("COMMIT").await?;
        let Some(query) = self.query()? else { return Ok(()) };
        let mut results = self.conn.fetch_many(query);
        // To look once is what sends it.
        match poll_fn(|cx| Poll::Ready(results.poll_next_unpin(cx))).await {
            Poll::Ready(None) => return Ok(()),
            Poll::Ready(Some(result)) => drop(result?),
            Poll::Pending => {}
        }
        // The writer has this thread to itself.
        std::thread::sleep(quiet);
        while let Some(result) = results.next().await {
            result?;
        }
        Ok(())
    }

    /// Whether there is a transaction to roll back.
    pub(crate) fn has_begun(&self) -> bool {
        self.transaction == Transaction::Begun
    }

    async fn begin(&mut self) -> Result<()> {
        if self.transaction != Transaction::Due {
            return Ok(());
        }
        self.transaction = Transaction::Begun;
        // IMMEDIATE takes SQLite's write lock at once instead of failing later at the first write.
        self.say(if self.together { "BEGIN IMMEDIATE" } else { "BEGIN" }).await
    }

    /// A statement without parameters.
    async fn say(&mut self, text: &'static str) -> Result<()> {
        if self.together {
            self.text += text;
            self.text += ";";
        } else {
            self.conn.execute(text).await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<()> {
        if let Some(query) = self.query()? {
            query.execute(&mut *self.conn).await?;
        }
        Ok(())
    }

    /// What has not run yet.
    fn query(&mut self) -> Result<Option<Query<'static, Any, AnyArguments>>> {
        if self.text.is_empty() {
            return Ok(None);
        }
        let (text, bound) = (std::mem::take(&mut self.text), std::mem::take(&mut self.bound));
        match bound.failed {
            Some(error) => Err(StoreError::from(sqlx::Error::Encode(error))),
            None => Ok(Some(many::query_with(text, bound.arguments))),
        }
    }
}
