//! The room in a house of its own, with a clock that stands until it is set.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use naru_component::answer::Answer;
use naru_component::ctx::{Ctx, Parts};
use naru_component::word::{Call, Progress, Word};
use naru_component::{Component, Finding};
use naru_consent::Config;
use naru_core::clock::{Clock, Micros, Millis};
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use naru_core::masked::Address;
use naru_core::metric::Metrics;
use naru_core::text::{Lang, Texts};
use naru_dispatch::consent::{Consent, Permit};
use naru_dispatch::message::{Channel, Purpose};
use naru_job::gate::Gate;
use naru_job::instance::Instance;
use naru_store::Store;
use naru_store::open::{Access, StoreConfig};
use naru_testkit::database::{Database, Engine, database};
use naru_web::role::Actor;
use serde_json::Value;

/// 2026-11-22 12:00 in Seoul.
pub const NOON: Millis = 1_795_316_400_000;
pub const HOUR_MS: Millis = 3_600_000;
pub const DAY_MS: Millis = 24 * HOUR_MS;

pub const SUPPRESSED: Permit = Permit::Suppress("suppressed");
pub const NO_CONSENT: Permit = Permit::Suppress("no-consent");

pub struct House {
    pub ctx: Ctx,
    pub clock: Arc<Standing>,
    pub component: Component,
    consent: Arc<dyn Consent>,
    database: Arc<Database>,
    engine: Engine,
}

impl House {
    /// On an empty database, with everything read.
    pub async fn new(engine: Engine) -> House {
        let house = House::unread(engine).await;
        house.refresh().await;
        house
    }

    /// On an empty database, before the first run of its job.
    pub async fn unread(engine: Engine) -> House {
        let database = Arc::new(database(engine).await);
        let store = open(&database).await;
        let house = House::over(store, database, engine, Arc::new(Standing::at(NOON)));
        let schema = [(house.component.name, house.component.schema)];
        house.ctx.store().migrate(&schema, NOON).await.unwrap();
        house
    }

    /// Another naru on the same data that has read nothing yet. SQLite has one owner, so there it is the next process.
    pub async fn another(&self) -> House {
        let store = match self.engine {
            Engine::Sqlite | Engine::Memory => self.ctx.store().clone(),
            Engine::Postgres => open(&self.database).await,
        };
        House::over(store, self.database.clone(), self.engine, self.clock.clone())
    }

    fn over(store: Store, database: Arc<Database>, engine: Engine, clock: Arc<Standing>) -> House {
        let ctx = Ctx::new(Parts {
            store,
            clock: clock.clone(),
            lifecycle: Lifecycle::default(),
            metrics: Metrics::default(),
            instance: Instance::named("test"),
            gate: Gate::default(),
            data_dir: database.folder().to_owned(),
            config_dir: database.folder().to_owned(),
        });
        ctx.set_texts(Arc::new(Texts::new(&[naru_consent::TEXTS]).unwrap()));
        let component = naru_consent::component(Config::default(), &ctx);
        let consent = ctx.need::<dyn Consent>().unwrap();
        House { ctx, clock, component, consent, database, engine }
    }

    /// One run of the job that reads on.
    pub async fn refresh(&self) {
        let [job] = self.component.jobs.as_slice() else { panic!("the room has one job") };
        (job.run)().await.unwrap();
    }

    /// Says a word as the person at the machine.
    pub async fn say(&self, word: &str, args: Value) -> Answer {
        self.try_say(word, args, Actor::local(), None).await.unwrap()
    }

    /// Says a word as anybody.
    pub async fn try_say(
        &self,
        word: &str,
        args: Value,
        actor: Actor,
        upload: Option<PathBuf>,
    ) -> Result<Answer, Failure> {
        let call = Call { actor, lang: Lang::En, args, upload, progress: Progress::default(), key: None };
        self.word(word).clone().say(self.ctx.clone(), call).await
    }

    pub fn word(&self, path: &str) -> &Word {
        self.component.words.iter().find(|word| word.path == path).unwrap()
    }

    pub async fn block(&self, address: &str, scope: &str) -> Answer {
        self.say("consent block", serde_json::json!({ "address": address, "scope": scope })).await
    }

    pub async fn unblock(&self, address: &str) -> Answer {
        self.say("consent unblock", serde_json::json!({ "address": address })).await
    }

    /// Imports rows `address,channel,night,given_at`, with evidence added.
    pub async fn give(&self, rows: &[&str]) -> Answer {
        let lines: Vec<String> = rows.iter().map(|row| format!("{row},the sign-up form\n")).collect();
        self.import(format!("address,channel,night,given_at,evidence\n{}", lines.concat())).await.unwrap()
    }

    pub async fn import(&self, content: impl AsRef<[u8]>) -> Result<Answer, Failure> {
        let path = self.file(content.as_ref());
        let args = serde_json::json!({ "file": path });
        self.try_say("consent import", args, Actor::local(), Some(path)).await
    }

    pub fn file(&self, content: &[u8]) -> PathBuf {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let path = self.database.folder().join(format!("consents-{}.csv", FILES.fetch_add(1, Ordering::Relaxed)));
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn permit_at(&self, now: Millis, purpose: Purpose, channel: Channel, address: &str) -> Permit {
        let permits = self.consent.decide(now, purpose, channel, &[Address::new(address)]);
        let [permit] = permits.try_into().unwrap();
        permit
    }

    /// What holds at noon.
    pub fn permit(&self, purpose: Purpose, channel: Channel, address: &str) -> Permit {
        self.permit_at(NOON, purpose, channel, address)
    }

    pub async fn findings(&self, check: &str) -> Vec<Finding> {
        let check = self.component.checks.iter().find(|it| it.name == check).unwrap();
        (check.run)(self.ctx.clone()).await
    }
}

async fn open(database: &Database) -> Store {
    let config = StoreConfig { url: database.url().to_owned(), ..StoreConfig::default() };
    Store::open(&config, database.folder(), Access::Write, &Lifecycle::default()).await.unwrap()
}

/// A clock that shows what it was set to.
pub struct Standing(AtomicI64);

impl Standing {
    pub fn at(now: Millis) -> Standing {
        Standing(AtomicI64::new(now))
    }

    pub fn set(&self, now: Millis) {
        self.0.store(now, Ordering::Relaxed);
    }
}

impl Clock for Standing {
    fn now_ms(&self) -> Millis {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic_us(&self) -> Micros {
        self.now_ms() as Micros * 1_000
    }
}
