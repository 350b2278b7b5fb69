//! The engine as a process of its own that a test starts, stops, kills and starts again on the same data.
//!
//! Each life has a runtime of its own. A kill takes that runtime away between two polls of whatever is going on, and on a
//! disk in memory its power first; the vendor, like the database, stands outside and keeps what it has seen. Dropping the app proves the account and joins
//! it with the vendor's ledger, so every test ends with that whatever else it looks at.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use naru_component::ctx::{Ctx, Parts};
use naru_core::clock::Clock;
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use naru_core::metric::Metrics;
use naru_dispatch::audit::{self, Audit};
use naru_dispatch::config::{DispatchConfig, LaneConfig};
use naru_dispatch::consent::Consent;
use naru_dispatch::engine::Dispatch;
use naru_dispatch::message::Channel;
use naru_dispatch::provider::Providers;
use naru_dispatch::schema::SCHEMA;
use naru_job::gate::Gate;
use naru_job::instance::Instance;
use naru_store::Store;
use naru_store::open::{Access, StoreConfig};
use naru_testkit::database::Engine;
use naru_testkit::disk::Disk;
use naru_testkit::proxy::Proxy;
use naru_testkit::wait::PATIENCE;
use tokio::runtime::Runtime;

use crate::clock::TestClock;
use crate::data::Data;
use crate::joined;
use crate::life::{Life, change};
use crate::people::People;
use crate::vendor::{Adapters, Vendor};

/// The lane of every test that does not make its own.
pub const LANE: &str = "main";

/// How long naru was down between two lives: every request of the life before is over, every lease has ended.
pub const DOWN: Duration = Duration::from_secs(60);

/// One shop's data, and naru on it while it lives.
pub struct TestApp {
    pub vendor: Arc<Vendor>,
    /// What is offered as consent; nothing is where this is `None`.
    pub people: Option<Arc<People>>,
    pub clock: Arc<TestClock>,
    pub config: DispatchConfig,
    /// The test changed stored bytes behind naru's back and looks at the audit itself.
    pub damaged: bool,
    /// The test let old messages go, which the vendor still remembers.
    pub let_go: bool,
    engine: Engine,
    data: Data,
    life: Option<Life>,
}

impl TestApp {
    /// On an empty database, not started yet.
    pub fn new(engine: Engine) -> TestApp {
        TestApp::on(engine, runtime().block_on(Data::new(engine)))
    }

    /// On a disk in memory, of which `seed` decides what a power cut leaves.
    pub fn in_memory(seed: u64) -> TestApp {
        TestApp::on(Engine::Memory, Data::in_memory(seed))
    }

    fn on(engine: Engine, data: Data) -> TestApp {
        let clock = TestClock::shared();
        TestApp {
            vendor: Vendor::new(clock.clone()),
            people: Some(Arc::new(People::default())),
            clock,
            config: DispatchConfig { lane: BTreeMap::from([(LANE.to_owned(), lane())]), ..DispatchConfig::default() },
            damaged: false,
            let_go: false,
            engine,
            data,
            life: None,
        }
    }

    /// The configuration of the one lane.
    pub fn lane(&mut self) -> &mut LaneConfig {
        self.config.lane.get_mut(LANE).unwrap()
    }

    /// A life that takes messages in and sends them.
    pub fn start(&mut self) {
        self.start_intake();
        self.wait(self.dispatch.run()).unwrap();
    }

    /// A life that takes messages in and sends nothing, as before the lanes start.
    pub fn start_intake(&mut self) {
        assert!(self.life.is_none(), "one life at a time");
        self.life = Some(self.begin("first", None).unwrap());
    }

    /// Why a life cannot begin.
    pub fn refusal_of_start(&self) -> String {
        assert!(self.life.is_none(), "one life at a time");
        self.begin("first", None).err().expect("it is refused").code
    }

    /// A second naru beside the one that runs. An embedded store has one owner, so there the two share it.
    pub fn another(&self) -> Life {
        self.begin("another", (self.engine != Engine::Postgres).then(|| self.store().clone())).unwrap()
    }

    /// What presence keeps: the second one is there.
    pub fn see_another(&self) {
        self.wait(change(
            self.store(),
            "INSERT INTO job_instance (name, version, started_at, seen_at, drain_until, busy)
             VALUES ('another', '0', 0, 99999999999999, 0, '[]')",
        ));
    }

    /// Ends the life in good order.
    pub fn stop(&mut self) {
        self.life.take().expect("something runs").stop();
    }

    /// Ends the life between two polls, and where its disk is in memory by a power cut.
    pub fn kill(&mut self) {
        let life = self.life.take().expect("something runs");
        match self.data.disk() {
            None => life.kill(),
            Some(disk) => {
                disk.cut();
                life.kill();
                disk.power_on();
            }
        }
    }

    /// The disk in memory.
    pub fn disk(&self) -> &Disk {
        self.data.disk().expect("its disk is in memory")
    }

    /// Kills it, and starts it again a while later.
    pub fn restart(&mut self) {
        self.kill();
        self.clock.skip(DOWN);
        self.start();
    }

    /// What the database's clock does in time to leases that nobody renews.
    pub fn let_leases_end(&self) {
        self.wait(change(self.store(), "UPDATE job_lease SET expires_at = 0"));
    }

    /// Ends every connection to the database, whatever it is used for just now.
    pub fn break_connections(&self) {
        runtime().block_on(self.data.break_connections());
    }

    /// Lives that start from now on reach the database over a line that can lose an answer.
    pub fn go_over_a_line(&mut self) {
        self.data.go_over_a_line();
    }

    /// That line.
    pub fn line(&self) -> &Proxy {
        self.data.line()
    }

    /// Works on the data while nothing runs.
    pub fn between_lives<T>(&self, work: impl AsyncFnOnce(&Store) -> T) -> T {
        assert!(self.life.is_none(), "nothing may run");
        runtime().block_on(async {
            let store = self.open(Access::Write).await;
            let done = work(&store).await;
            store.close().await;
            done
        })
    }

    /// The audit as a person at another terminal runs it.
    pub fn audit(&self) -> Audit {
        runtime().block_on(async {
            let store = self.open(Access::Read).await;
            let audit = audit::audit(&store).await.unwrap();
            store.close().await;
            audit
        })
    }

    fn begin(&self, instance: &str, store: Option<Store>) -> Result<Life, Failure> {
        let runtime = runtime();
        let begun = runtime.block_on(async {
            let lifecycle = Lifecycle::default();
            let is_shared = store.is_some();
            let store = match store {
                Some(store) => store,
                None => self.open_with(Access::Write, &lifecycle).await,
            };
            let ctx = Ctx::new(Parts {
                store,
                clock: self.clock.clone(),
                lifecycle,
                metrics: Metrics::default(),
                instance: Instance::named(instance),
                gate: Gate::default(),
                data_dir: self.data.folder().to_owned(),
                config_dir: self.data.folder().to_owned(),
            });
            ctx.offer::<dyn Providers>(Arc::new(Adapters(self.vendor.clone())));
            if let Some(people) = &self.people {
                ctx.offer::<dyn Consent>(people.clone());
            }
            if !is_shared {
                ctx.store()
                    .migrate(
                        &[(naru_job::schema::NAME, naru_job::schema::SCHEMA), ("dispatch", SCHEMA)],
                        self.clock.now_ms(),
                    )
                    .await
                    .unwrap();
            }
            let dispatch = Dispatch::new(self.config.clone(), &ctx);
            dispatch.prepare().await.map(|()| (ctx, dispatch))
        });
        let (ctx, dispatch) = begun?;
        let life = Life::new(runtime, ctx, dispatch, self.vendor.clone());
        life.push_templates();
        Ok(life)
    }

    async fn open(&self, access: Access) -> Store {
        self.open_with(access, &Lifecycle::default()).await
    }

    async fn open_with(&self, access: Access, lifecycle: &Lifecycle) -> Store {
        let config = StoreConfig { url: self.data.url().to_owned(), ..StoreConfig::default() };
        Store::open(&config, self.data.folder(), access, lifecycle).await.unwrap()
    }

    /// What must hold at the end of any test: the account, and that both ledgers tell one story.
    fn judge(&self) {
        let (audit, stored) = runtime().block_on(async {
            let store = self.open(Access::Read).await;
            let both = (audit::audit(&store).await.unwrap(), joined::read(&store).await);
            store.close().await;
            both
        });
        assert!(self.damaged || audit.balances(), "the account does not balance: {audit:#?}");
        joined::check(&stored, &self.vendor, self.let_go || self.damaged);
    }
}

impl Deref for TestApp {
    type Target = Life;

    fn deref(&self) -> &Life {
        self.life.as_ref().expect("something runs")
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The first panic says what is wrong.
            return self.life.take().into_iter().for_each(Life::kill);
        }
        self.vendor.answer();
        if self.life.is_some() {
            self.stop();
        }
        self.judge();
    }
}

/// A runtime of one life.
pub fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    #[cfg(feature = "plants")]
    {
        use naru_dispatch::plant::{Plant, is, plant};
        // A fault is planted in a thread; the engine runs on these.
        let fault = Plant::ALL.into_iter().find(|fault| is(*fault));
        builder.on_thread_start(move || plant(fault));
    }
    builder.worker_threads(2).enable_all().build().unwrap()
}

/// How long ending in good order may take.
pub const STOP_MAX: Duration = PATIENCE;

/// No caps, and retries that come at once.
fn lane() -> LaneConfig {
    LaneConfig {
        provider: "sandbox".to_owned(),
        channel: Channel::Sms,
        url: None,
        secret: None,
        user: None,
        from: None,
        receipt_secret: None,
        shards: 1,
        requests_per_second_max: None,
        messages_per_second_max: None,
        in_flight_max: 32,
        messages_per_day_max: None,
        price_krw: None,
        price_lms_krw: None,
        batch_max: None,
        timeout_ms: 30_000,
        attempts_max: 8,
        retry_base_ms: 1,
        retry_max_ms: 20,
    }
}
