//! The store, each case written once and run on SQLite, on SQLite on a disk that loses power, and on PostgreSQL.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

mod job;
mod power_cut;
mod script;

use naru_core::lifecycle::Lifecycle;
use naru_store::open::{Access, StoreConfig};
use naru_store::{Result, Store};
use naru_testkit::database::{Database, Engine, database};
use sqlx::Executor;

/// A database, and stores on it one after another.
struct House {
    database: Database,
}

async fn on_each_engine(test: impl AsyncFn(&House)) {
    for engine in Engine::ALL {
        test(&House { database: database(engine).await }).await;
    }
}

impl House {
    async fn open(&self, access: Access) -> Result<Store> {
        let config = StoreConfig { url: self.database.url().to_owned(), ..StoreConfig::default() };
        Store::open(&config, self.database.folder(), access, &Lifecycle::default()).await
    }

    async fn store(&self) -> Store {
        self.open(Access::Write).await.unwrap()
    }

    /// With a table for numbers, each once.
    async fn store_of_numbers(&self) -> Store {
        let store = self.store().await;
        run(&store, "CREATE TABLE number (n BIGINT NOT NULL PRIMARY KEY)").await.unwrap();
        store
    }

    /// Ends what runs on it as roughly as its engine allows, and opens it again.
    async fn open_after_the_worst(&self, store: Store) -> Store {
        if let Some(disk) = self.database.disk() {
            disk.cut();
        }
        store.close().await;
        if let Some(disk) = self.database.disk() {
            disk.power_on();
        }
        self.store().await
    }
}

/// Stores what one statement does.
async fn run(store: &Store, text: &'static str) -> Result<()> {
    store.write(move |conn| Box::pin(async move { Ok(conn.execute(text).await.map(drop)?) })).await
}

async fn number(store: &Store, text: &'static str) -> i64 {
    sqlx::query_scalar(text).fetch_one(store.reader()).await.unwrap()
}
