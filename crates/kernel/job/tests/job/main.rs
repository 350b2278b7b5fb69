//! What several instances agree about, on a real PostgreSQL and a real SQLite file.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

mod leases;
mod lent;
mod presence;
mod turns;

use naru_core::clock::SystemClock;
use naru_core::lifecycle::Lifecycle;
use naru_job::gate::Gate;
use naru_job::instance::Instance;
use naru_job::schema::{NAME, SCHEMA};
use naru_job::{Process, lease};
use naru_store::Store;
use naru_store::open::{Access, StoreConfig};
use naru_testkit::database::{Database, Engine, database};

struct Shop {
    store: Store,
    _database: Database,
    _folder: tempfile::TempDir,
}

async fn shop(engine: Engine) -> Shop {
    let (database, folder) = (database(engine).await, naru_testkit::temp_dir());
    let config = StoreConfig { url: database.url().to_owned(), ..StoreConfig::default() };
    let store = Store::open(&config, folder.path(), Access::Write, &Lifecycle::default()).await.unwrap();
    store.migrate(&[(NAME, SCHEMA)], 0).await.unwrap();
    Shop { store, _database: database, _folder: folder }
}

impl Shop {
    /// What the database's clock would do in time.
    async fn let_end(&self) {
        self.run("UPDATE job_lease SET expires_at = 0").await;
    }

    async fn holds(&self, fence: i64) -> bool {
        let held = self.store.write(move |conn| Box::pin(async move { lease::hold(conn, "lane", fence).await }));
        held.await.unwrap()
    }

    /// An instance on this database; one process stands for several, which share nothing but the store.
    fn process(&self, name: &str) -> Process {
        Process {
            store: self.store.clone(),
            clock: SystemClock::shared(),
            lifecycle: Lifecycle::default(),
            instance: Instance::named(name),
            gate: Gate::default(),
        }
    }

    async fn run(&self, text: &'static str) {
        let job = self.store.write(move |conn| {
            Box::pin(async move {
                sqlx::query(text).execute(conn).await?;
                Ok(())
            })
        });
        job.await.unwrap();
    }
}
