//! Migrations: forward only, keyed by component and version, each naming the oldest naru that can run on it.

use std::time::Duration;

use naru_core::clock::Millis;
use sqlx::{AssertSqlSafe, Executor, Row};

use crate::error::StoreError;
use crate::{Engine, Result, Store};

/// One step of a component's schema. Tables are prefixed by the component's name.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Counts from 1 within the component.
    pub version: i64,
    /// What it does, for a person who reads the table of migrations.
    pub name: &'static str,
    /// The oldest minor version of naru (`0.1`) that can work on the result.
    pub oldest: &'static str,
    /// Statements; `{blob}` stands for the engine's name of a column of bytes.
    pub sql: &'static str,
}

/// A component's name and its migrations in order.
pub type Schema = (&'static str, &'static [Migration]);

/// A step over a table of many rows, or another instance that is at it.
const LONGEST: Duration = Duration::from_secs(3_600);

const TABLE: &str = "CREATE TABLE IF NOT EXISTS naru_schema (
    component TEXT NOT NULL, version BIGINT NOT NULL, name TEXT NOT NULL, oldest TEXT NOT NULL,
    applied_at BIGINT NOT NULL, PRIMARY KEY (component, version))";

impl Store {
    /// Brings every component's tables up to date, each migration in its own transaction.
    pub async fn migrate(&self, schemas: &[Schema], now: Millis) -> Result<()> {
        self.write(|conn| Box::pin(async move { Ok(conn.execute(TABLE).await.map(drop)?) })).await?;
        self.refuse_newer().await?;
        for (component, migrations) in schemas {
            for migration in *migrations {
                self.apply(component, *migration, now).await?;
            }
        }
        Ok(())
    }

    async fn apply(&self, component: &'static str, migration: Migration, now: Millis) -> Result<()> {
        let blob = if self.engine() == Engine::Sqlite { "BLOB" } else { "BYTEA" };
        let sql = migration.sql.replace("{blob}", blob);
        let engine = self.engine();
        let applied = self.0.writer.run_for(LONGEST, move |script| {
            let sql = sql.clone();
            Box::pin(async move {
                let conn = script.conn().await?;
                if engine == Engine::Postgres {
                    conn.execute("SET LOCAL lock_timeout = 0").await?;
                }
                // Two instances of a rolling update may come here together: the row decides who applies it.
                let first = sqlx::query(
                    "INSERT INTO naru_schema (component, version, name, oldest, applied_at) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT DO NOTHING",
                )
                .bind(component)
                .bind(migration.version)
                .bind(migration.name)
                .bind(migration.oldest)
                .bind(now)
                .execute(&mut *conn)
                .await?;
                if first.rows_affected() == 1 {
                    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await?;
                }
                Ok(())
            })
        });
        applied.await
    }

    async fn refuse_newer(&self) -> Result<()> {
        let rows = sqlx::query("SELECT component, oldest FROM naru_schema").fetch_all(self.reader()).await?;
        for row in rows {
            let (component, oldest): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            if minor(&oldest) > minor(env!("CARGO_PKG_VERSION")) {
                return Err(StoreError::TooNew { component, oldest });
            }
        }
        Ok(())
    }
}

fn minor(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}
