//! A fresh database for each test: SQLite on the machine's disk, SQLite on a disk in memory that loses power, PostgreSQL.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

use crate::disk::Disk;
use crate::server::Server;
use crate::temp_dir;

/// Where naru keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file of its own.
    Sqlite,
    /// The same on a disk in memory, whose power a test cuts.
    Memory,
    /// A database of its own on the one server of the test run.
    Postgres,
}

impl Engine {
    /// For suites that run over each.
    pub const ALL: [Engine; 3] = [Engine::Sqlite, Engine::Memory, Engine::Postgres];

    /// For suites that cut no power: before it is cut, memory is as the machine's disk.
    pub const REAL: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];
}

/// An empty database and a folder beside it; both go when the value is dropped.
pub struct Database {
    url: String,
    folder: TempDir,
    disk: Option<Disk>,
    /// The server's own URL, where there is a database to drop.
    server_url: Option<String>,
}

/// Creates an empty database.
pub async fn database(engine: Engine) -> Database {
    // Other seeds for each test, and the same in each run of one test alone.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let folder = temp_dir();
    match engine {
        Engine::Sqlite => {
            let url = format!("sqlite:{}", folder.path().join("naru.db").display());
            Database { url, folder, disk: None, server_url: None }
        }
        Engine::Memory => database_in_memory(NEXT.fetch_add(1, Ordering::Relaxed)),
        Engine::Postgres => {
            let server_url = server_url();
            let name = name_of(folder.path());
            run(&server_url, &format!("CREATE DATABASE \"{name}\"")).await.expect("the test server creates databases");
            Database { url: with_database(&server_url, name), folder, disk: None, server_url: Some(server_url) }
        }
    }
}

/// Creates an empty database in memory; `seed` decides what is left of it when the power goes.
pub fn database_in_memory(seed: u64) -> Database {
    let folder = temp_dir();
    let disk = Disk::mount(folder.path(), seed);
    let url = format!("sqlite:{}", folder.path().join("naru.db").display());
    Database { url, folder, disk: Some(disk), server_url: None }
}

impl Database {
    /// What goes into `[store] url`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its disk, where that is in memory.
    pub fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// A folder that lives as long as the database: naru's `data_dir`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(server_url) = self.server_url.take() else { return };
        let statement = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", name_of(self.folder.path()));
        // A thread of its own, since a value is also dropped inside a runtime, where blocking on another is refused.
        let dropped = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(sqlx::Error::Io)?;
            runtime.block_on(run(&server_url, &statement))
        });
        if let Ok(Err(e)) = dropped.join() {
            eprintln!("could not drop a test's database: {e}");
        }
    }
}

/// The server of the test run, else one of this process's own, started at its first use.
fn server_url() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    match std::env::var_os("NARU_TEST_POSTGRES") {
        Some(url) => url.into_string().expect("NARU_TEST_POSTGRES is a URL"),
        None => {
            let start = || Server::start("PostgreSQL", Command::new("sh").args(["-c", include_str!("postgres.sh")]));
            SERVER.get_or_init(start).ready.clone()
        }
    }
}

/// The database is called like its folder, so that one leads to the other.
fn name_of(folder: &Path) -> &str {
    folder.file_name().and_then(|name| name.to_str()).expect("temp_dir names folders in ASCII")
}

/// `url` with its path replaced: `postgres://user@host/postgres?host=…` to `postgres://user@host/NAME?host=…`.
fn with_database(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = address.rsplit_once('/').expect("a PostgreSQL URL names a database");
    let question_mark = if query.is_empty() { "" } else { "?" };
    format!("{server}/{name}{question_mark}{query}")
}

async fn run(server_url: &str, statement: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(server_url).await?;
    // Safe: the statement holds nothing but a folder's name that `temp_dir` made.
    connection.execute(AssertSqlSafe(statement)).await?;
    connection.close().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn names(server_url: &str) -> Vec<String> {
        let mut connection = PgConnection::connect(server_url).await.unwrap();
        sqlx::query_scalar("SELECT datname FROM pg_database").fetch_all(&mut connection).await.unwrap()
    }

    #[tokio::test]
    async fn a_database_lives_as_long_as_its_value() {
        let database = database(Engine::Postgres).await;
        let name = name_of(database.folder()).to_owned();
        let server_url = server_url();
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        let found: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&mut connection).await.unwrap();
        assert_eq!(found, name);
        assert!(names(&server_url).await.contains(&name));

        // The connection is still open: a test that leaks one must not keep its database.
        drop(database);
        assert!(!names(&server_url).await.contains(&name));
    }

    #[tokio::test]
    async fn the_test_server_syncs_to_disk() {
        let mut connection = PgConnection::connect(&server_url()).await.unwrap();
        for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
            let value: String = sqlx::query_scalar("SELECT current_setting($1)")
                .bind(setting)
                .fetch_one(&mut connection)
                .await
                .unwrap();
            assert_eq!(value, "on", "{setting}");
        }
    }

    #[test]
    fn only_the_database_of_a_url_is_replaced() {
        let check = |url: &str, expect: &str| assert_eq!(with_database(url, "x"), expect);
        check("postgres://u:p@h:5432/postgres", "postgres://u:p@h:5432/x");
        check("postgres://u@localhost/postgres?host=/tmp/a/b", "postgres://u@localhost/x?host=/tmp/a/b");
    }
}
