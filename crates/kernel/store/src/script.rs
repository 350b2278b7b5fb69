//! Statements over many rows that need no answer, in as few trips to the database as it allows.
//!
//! A trip costs more than most of these statements: on SQLite two threads take turns, on PostgreSQL there is a network.
//! SQLite takes them all in one text; PostgreSQL takes one a trip.

use sqlx::any::AnyArguments;
use sqlx::{AnyConnection, Arguments, Encode, Type};

use crate::error::StoreError;
use crate::{Result, many};

/// Statements to be run in order; all of them have run when it is ended.
#[must_use]
pub struct Script<'c> {
    conn: &'c mut AnyConnection,
    together: bool,
    text: String,
    bound: Bound,
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
        Script { conn, together, text: String::new(), bound: Bound::default() }
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
            self.text += &text(self.bound.arguments.len(), rows.len());
            self.text += ";";
            rows.iter().for_each(|row| bind(&mut self.bound, row));
            if !self.together {
                self.send().await?;
            }
        }
        Ok(())
    }

    /// Runs what has not run yet.
    pub async fn end(mut self) -> Result<()> {
        if self.text.is_empty() { Ok(()) } else { self.send().await }
    }

    async fn send(&mut self) -> Result<()> {
        let (text, bound) = (std::mem::take(&mut self.text), std::mem::take(&mut self.bound));
        if let Some(error) = bound.failed {
            return Err(StoreError::from(sqlx::Error::Encode(error)));
        }
        many::query_with(text, bound.arguments).execute(&mut *self.conn).await?;
        Ok(())
    }
}
