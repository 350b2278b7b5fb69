//! Opening a database, and refusing one whose settings would break the promise of durability.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Once};
use std::time::Duration;

use naru_core::config::SecretSource;
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use serde::{Deserialize, Serialize};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, ConnectOptions, Connection, Executor, Row};

use crate::error::StoreError;
use crate::reach::{PING_MAX, Reach};
use crate::reader::Reader;
use crate::room::Room;
use crate::{Engine, Inner, Result, Store, writer};

/// `[store]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// `sqlite:FILE` (relative to `data_dir`) or `postgres://…`.
    pub url: String,
    /// Where the address is kept, if not in `url`: it has a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_from: Option<SecretSource>,
    /// With less free on the disk of an embedded store nothing more is taken in; the rest is for what was.
    pub free_mb_min: u64,
}

impl Default for StoreConfig {
    fn default() -> StoreConfig {
        StoreConfig { url: "sqlite:naru.db".to_owned(), url_from: None, free_mb_min: 256 }
    }
}

impl StoreConfig {
    /// Reads the address where it is kept elsewhere; `base` is what relative paths count from.
    pub fn read(&mut self, base: &Path) -> std::result::Result<(), Failure> {
        if let Some(from) = &self.url_from {
            self.url = from.read(base, "store.url_from")?.reveal().to_owned();
        }
        Ok(())
    }

    /// Which engine the address names.
    pub fn engine(&self) -> Result<Engine> {
        match self.url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => Ok(Engine::Sqlite),
            Some("postgres" | "postgresql") => Ok(Engine::Postgres),
            _ => Err(StoreError::UnknownEngine { url: without_password(&self.url) }),
        }
    }

    /// The database file, where there is one.
    pub fn file(&self, data_dir: &Path) -> Option<PathBuf> {
        self.url.strip_prefix("sqlite:").map(|path| data_dir.join(path.trim_start_matches("//")))
    }
}

/// What the store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading and writing; on SQLite the caller holds the [`crate::lock::DataLock`].
    Write,
    /// Reading beside a process that writes.
    Read,
}

/// Connections that only read. Eight serve pages, look-ups and lanes that claim; more would only wait for the disk.
const READERS_MAX: u32 = 8;
/// The log is folded into the file at about 32 MiB: often enough to stay small on disk, seldom enough to cost little.
const CHECKPOINT_PAGES: u32 = 8_000;

impl Store {
    /// Opens the database that `config` names.
    pub async fn open(config: &StoreConfig, data_dir: &Path, access: Access, lifecycle: &Lifecycle) -> Result<Store> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let engine = config.engine()?;
        let connector = Connector { engine, url: config.url.clone(), file: config.file(data_dir) };
        let reach = Reach::new(engine);
        let writer = match access {
            Access::Write => writer::Handle::start(connector.clone(), reach.clone(), lifecycle).await?,
            Access::Read => {
                reach.connect(connector.probe()).await?;
                writer::Handle::none()
            }
        };
        let reader = Reader::new(reach.connect(connector.readers(reach.clone())).await?, reach.clone());
        if access == Access::Write {
            reach.ask(connector.clone(), lifecycle);
        }
        let folder = connector.file.as_ref().and_then(|file| file.parent()).map(Path::to_owned);
        let room = folder.filter(|_| access == Access::Write).map(|folder| Room::new(folder, config.free_mb_min));
        Ok(Store(Arc::new(Inner { engine, reader, writer, reach, room })))
    }
}

/// Knows how to make connections of both sorts.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) engine: Engine,
    url: String,
    file: Option<PathBuf>,
}

impl Connector {
    /// A writing connection with its settings made and read back.
    pub(crate) async fn writing(&self) -> Result<AnyConnection> {
        let mut conn = self.options("rwc")?.connect().await.map_err(|e| self.open_error(e))?;
        match self.engine {
            Engine::Sqlite => prepare_sqlite(&mut conn).await?,
            Engine::Postgres => prepare_postgres(&mut conn).await?,
        }
        Ok(conn)
    }

    /// A connection with no settings of its own.
    pub(crate) async fn bare(&self) -> sqlx::Result<AnyConnection> {
        self.options("ro").map_err(StoreError::into_sqlx)?.connect().await
    }

    /// Connects once, to hear why a server cannot be reached: the pool would ask on for ten seconds and then know only
    /// that it did not get a connection. A writer has connected by itself.
    async fn probe(&self) -> Result<()> {
        if self.engine == Engine::Postgres {
            let conn = self.options("ro")?.connect().await.map_err(|e| self.open_error(e))?;
            conn.close().await.map_err(|e| self.open_error(e))?;
        }
        Ok(())
    }

    async fn readers(&self, reach: Reach) -> Result<sqlx::AnyPool> {
        let engine = self.engine;
        AnyPoolOptions::new()
            .max_connections(READERS_MAX)
            .min_connections(1)
            .acquire_timeout(Duration::from_secs(10))
            .test_before_acquire(false)
            .before_acquire(move |conn, meta| {
                // A server may have gone since; a file has not.
                let is_dead = reach.has_outlived_silence(meta.age);
                Box::pin(async move {
                    if engine == Engine::Sqlite || is_dead {
                        return Ok(!is_dead);
                    }
                    Ok(tokio::time::timeout(PING_MAX, conn.ping()).await.is_ok_and(|pong| pong.is_ok()))
                })
            })
            .after_connect(move |conn, _| {
                Box::pin(async move {
                    match engine {
                        Engine::Sqlite => conn.execute("PRAGMA query_only = 1; PRAGMA busy_timeout = 5000").await?,
                        Engine::Postgres => conn.execute("SET default_transaction_read_only = on").await?,
                    };
                    Ok(())
                })
            })
            .connect_with(self.options("ro")?)
            .await
            .map_err(|e| self.open_error(e))
    }

    fn options(&self, mode: &str) -> Result<AnyConnectOptions> {
        let url = match &self.file {
            Some(file) => format!("sqlite://{}?mode={mode}", file.display()),
            None => self.url.clone(),
        };
        // One line a statement is a developer's concern, and bodies must not reach a log.
        AnyConnectOptions::from_str(&url).map(ConnectOptions::disable_statement_logging).map_err(|e| self.open_error(e))
    }

    fn open_error(&self, source: sqlx::Error) -> StoreError {
        let url = self.file.as_ref().map_or_else(|| without_password(&self.url), |file| file.display().to_string());
        StoreError::Open { url, source: Arc::new(source) }
    }
}

async fn prepare_sqlite(conn: &mut AnyConnection) -> Result<()> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *conn).await?;
    // Up to 3.51.2 a checkpoint beside a write could corrupt the file (fixed in 3.51.3, 2026-03-13).
    if parse_version(&version) < (3, 51, 3) {
        return Err(StoreError::Unsafe { setting: "sqlite_version", found: version, needed: "3.51.3 or newer" });
    }
    // FULL: a commit is on the disk before it is answered; NORMAL could lose the last ones at a power cut.
    for (set, read, needed) in [
        ("PRAGMA journal_mode = WAL", "PRAGMA journal_mode", "wal"),
        ("PRAGMA synchronous = FULL", "PRAGMA synchronous", "2"),
    ] {
        conn.execute(set).await?;
        let row = conn.fetch_one(read).await?;
        let found = row.try_get::<String, _>(0).or_else(|_| row.try_get::<i64, _>(0).map(|n| n.to_string()))?;
        if found != needed {
            return Err(StoreError::Unsafe { setting: &read["PRAGMA ".len()..], found, needed });
        }
    }
    conn.execute("PRAGMA busy_timeout = 5000").await?;
    conn.execute("PRAGMA cache_size = -16000").await?;
    let checkpoint = format!("PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}");
    conn.execute(sqlx::AssertSqlSafe(checkpoint)).await?;
    Ok(())
}

async fn prepare_postgres(conn: &mut AnyConnection) -> Result<()> {
    for (setting, read) in [
        ("fsync", "SHOW fsync"),
        ("full_page_writes", "SHOW full_page_writes"),
        ("synchronous_commit", "SHOW synchronous_commit"),
    ] {
        let found: String = sqlx::query_scalar(read).fetch_one(&mut *conn).await?;
        if found == "off" {
            return Err(StoreError::Unsafe { setting, found, needed: "on" });
        }
    }
    // That a table is there already is no news at a start.
    conn.execute("SET client_min_messages = 'warning'").await?;
    // A machine that freezes in mid-transaction must not hold a row that others wait for.
    conn.execute("SET idle_in_transaction_session_timeout = '2s'").await?;
    // A row that a person holds locked, or a machine that froze, must not hold up everything else for longer.
    conn.execute("SET lock_timeout = '3s'").await?;
    Ok(())
}

fn parse_version(text: &str) -> (u32, u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

/// `postgres://user:secret@host/db` without the secret.
fn without_password(url: &str) -> String {
    let Some((head, tail)) = url.rsplit_once('@') else { return url.to_owned() };
    match head.rsplit_once(':') {
        Some((user, _)) if user.contains("//") => format!("{user}:***@{tail}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        assert_eq!(without_password("postgres://naru:hunter2@db/naru"), "postgres://naru:***@db/naru");
        assert_eq!(without_password("postgres://naru@db/naru"), "postgres://naru@db/naru");
        assert_eq!(without_password("mysql://db"), "mysql://db");
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(parse_version("3.9.0") < parse_version("3.51.3"));
        assert!(parse_version("3.54.1") >= parse_version("3.51.3"));
    }
}
