//! Where one test's data is: an SQLite file of its own, on a disk or in memory, or a schema of its own in a PostgreSQL
//! database that the tests running at one time share, since making a database takes longer than most of them.

use std::path::Path;
use std::sync::{Arc, Weak};

use naru_testkit::database::{Database, Engine, database, database_in_memory};
use naru_testkit::disk::Disk;
use naru_testkit::proxy::Proxy;
use naru_testkit::temp_dir;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::Mutex;

/// An empty database, as far as its test can see.
pub struct Data {
    url: String,
    folder: tempfile::TempDir,
    database: Arc<Database>,
    line: Option<Proxy>,
}

impl Data {
    pub async fn new(engine: Engine) -> Data {
        let folder = temp_dir();
        let database = match engine {
            Engine::Sqlite | Engine::Memory => Arc::new(database(engine).await),
            Engine::Postgres => shared().await,
        };
        let mut url = database.url().to_owned();
        if engine == Engine::Postgres {
            let name = name_of(&folder);
            let mut connection = PgConnection::connect(&url).await.unwrap();
            // Safe: the statement holds nothing but a folder's name that `temp_dir` made.
            connection.execute(AssertSqlSafe(format!("CREATE SCHEMA \"{name}\""))).await.unwrap();
            connection.close().await.unwrap();
            url = format!("{url}&options=-c%20search_path%3D{name}%20-c%20application_name%3D{name}");
        }
        Data { url, folder, database, line: None }
    }

    /// On a disk in memory, of which a seed decides what a cut leaves.
    pub fn in_memory(seed: u64) -> Data {
        let database = Arc::new(database_in_memory(seed));
        Data { url: database.url().to_owned(), folder: temp_dir(), database, line: None }
    }

    /// What goes into `[store] url`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The disk whose power can be cut, where there is one.
    pub fn disk(&self) -> Option<&Disk> {
        self.database.disk()
    }

    /// Ends every connection of this test's own, as a server that is restarted does.
    pub async fn break_connections(&self) {
        let mut connection = PgConnection::connect(self.database.url()).await.unwrap();
        sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1")
            .bind(name_of(&self.folder))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    /// From now on it is reached over a line that can lose an answer.
    pub fn go_over_a_line(&mut self) {
        let line = Proxy::to(&self.url);
        self.url = line.url().to_owned();
        self.line = Some(line);
    }

    /// The line over which it is reached.
    pub fn line(&self) -> &Proxy {
        self.line.as_ref().expect("it is reached over a line")
    }

    /// The test's own folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Schema and connections are called like the test's folder.
fn name_of(folder: &tempfile::TempDir) -> String {
    folder.path().file_name().and_then(|name| name.to_str()).unwrap().to_lowercase()
}

/// Gone with the last test that uses it, made anew for the next.
async fn shared() -> Arc<Database> {
    static SHARED: Mutex<Weak<Database>> = Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    match shared.upgrade() {
        Some(database) => database,
        None => {
            let database = Arc::new(database(Engine::Postgres).await);
            *shared = Arc::downgrade(&database);
            database
        }
    }
}
