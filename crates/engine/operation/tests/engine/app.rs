//! The engine as a process of its own that a test starts, stops, kills and starts again on the same data, beside a world
//! that outlives it. Dropping the app holds the record against the world's ledger.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use naru_component::ctx::{Ctx, Parts};
use naru_core::clock::{Clock, Micros, Millis, SystemClock};
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::lifecycle::Lifecycle;
use naru_core::metric::Metrics;
use naru_job::gate::Gate;
use naru_job::instance::Instance;
use naru_operation::config::OperationConfig;
use naru_operation::engine::{Ask, Asked, Operations};
use naru_operation::kind::Kinds;
use naru_operation::operation::{self, Operation, Progress, State};
use naru_operation::record::{self, Entry};
use naru_operation::schema::SCHEMA;
use naru_store::Store;
use naru_store::open::{Access, StoreConfig};
use naru_testkit::database::{Database, Engine, database};
use naru_testkit::wait::{PATIENCE, eventually};
use naru_web::role::{Actor, Role};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Runtime;

use crate::world::{Count, Shelf, World};

/// Time that runs by itself and can be moved on.
pub struct TestClock {
    machine: Arc<dyn Clock>,
    ahead_us: AtomicU64,
}

impl TestClock {
    pub fn skip(&self, time: Duration) {
        self.ahead_us.fetch_add(time.as_micros() as u64, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> Millis {
        self.machine.now_ms() + (self.ahead_us.load(Ordering::SeqCst) / 1_000) as Millis
    }

    fn monotonic_us(&self) -> Micros {
        self.machine.monotonic_us() + self.ahead_us.load(Ordering::SeqCst)
    }
}

/// One house's data, and naru on it while it lives.
pub struct TestApp {
    pub world: Arc<World>,
    pub clock: Arc<TestClock>,
    pub config: OperationConfig,
    database: Database,
    folder: tempfile::TempDir,
    life: Option<Life>,
}

/// A naru that runs.
pub struct Life {
    pub operations: Arc<Operations>,
    pub ctx: Ctx,
    runtime: Runtime,
}

/// Somebody who may ask and approve.
pub fn one() -> Actor {
    Actor::new("one", Role::Operate)
}

/// Somebody else.
pub fn other() -> Actor {
    Actor::new("other", Role::Operate)
}

impl TestApp {
    /// On an empty database, started.
    pub fn new(engine: Engine) -> TestApp {
        let config = OperationConfig { approve: Vec::new(), ..OperationConfig::default() };
        let machine = SystemClock::shared();
        let mut app = TestApp {
            world: Arc::default(),
            clock: Arc::new(TestClock { machine, ahead_us: AtomicU64::new(0) }),
            config,
            database: runtime().block_on(database(engine)),
            folder: naru_testkit::temp_dir(),
            life: None,
        };
        app.start();
        app
    }

    pub fn start(&mut self) {
        self.life = Some(self.begin("first"));
        self.operations.run_within(&self.runtime);
    }

    /// A life that takes orders and carries nothing out.
    pub fn start_idle(&mut self) {
        self.life = Some(self.begin("first"));
    }

    /// A second naru beside the one that runs, on the same server.
    pub fn another(&self) -> Life {
        let life = self.begin("another");
        life.operations.run_within(&life.runtime);
        life
    }

    pub fn stop(&mut self) {
        let life = self.life.take().unwrap();
        life.ctx.lifecycle().stop();
        let left = life.wait(life.ctx.lifecycle().drained(PATIENCE));
        assert!(left.is_empty(), "still running after a stop: {left:?}");
        life.wait(life.ctx.store().close());
        life.kill();
    }

    pub fn kill(&mut self) {
        self.life.take().unwrap().kill();
    }

    /// Kills it and starts it again; its lease has ended meanwhile.
    pub fn restart(&mut self) {
        self.kill();
        self.start();
    }

    fn begin(&self, instance: &str) -> Life {
        let runtime = runtime();
        let (ctx, operations) = runtime.block_on(async {
            let lifecycle = Lifecycle::default();
            let config = StoreConfig { url: self.database.url().to_owned(), ..StoreConfig::default() };
            let store = Store::open(&config, self.folder.path(), Access::Write, &lifecycle).await.unwrap();
            let ctx = Ctx::new(Parts {
                store,
                clock: self.clock.clone(),
                lifecycle,
                metrics: Metrics::default(),
                instance: Instance::named(instance),
                gate: Gate::default(),
                data_dir: self.folder.path().to_owned(),
                config_dir: self.folder.path().to_owned(),
            });
            let schemas = [(naru_job::schema::NAME, naru_job::schema::SCHEMA), ("operation", SCHEMA)];
            ctx.store().migrate(&schemas, self.clock.now_ms()).await.unwrap();
            Kinds::of(&ctx).add(Arc::new(Shelf(self.world.clone())));
            Kinds::of(&ctx).add(Arc::new(Count(self.world.clone())));
            let operations = Operations::new(self.config.clone(), &ctx);
            ctx.offer(operations.clone());
            (ctx, operations)
        });
        Life { operations, ctx, runtime }
    }

    /// What must hold at the end of any test: each change of the world was told before and after, once.
    fn judge(&self) {
        let entries = runtime().block_on(async {
            let lifecycle = Lifecycle::default();
            let config = StoreConfig { url: self.database.url().to_owned(), ..StoreConfig::default() };
            let store = Store::open(&config, self.folder.path(), Access::Read, &lifecycle).await.unwrap();
            let mut entries: Vec<Entry> = Vec::new();
            loop {
                let more = record::since(&store, entries.last().map_or(0, |entry| entry.number), 1_000).await.unwrap();
                if more.is_empty() {
                    break;
                }
                entries.extend(more);
            }
            store.close().await;
            entries
        });
        let numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, (1..=entries.len() as u64).collect::<Vec<_>>(), "the record has a gap");
        let mut told: BTreeMap<(Id, u64), [usize; 2]> = BTreeMap::new();
        for entry in &entries {
            let Some(operation) = entry.operation else { continue };
            let Some(number) = entry.data.get("step").and_then(Value::as_u64) else { continue };
            let counts = told.entry((operation, number)).or_default();
            match entry.event.as_str() {
                "step-begun" => counts[0] += 1,
                "step-done" => counts[1] += 1,
                _ => {}
            }
        }
        for (step, [begun, done]) in &told {
            assert!(*begun == 1 && *done <= 1, "{step:?} was begun {begun} times and done {done} times");
        }
        for write in self.world.writes() {
            let step = (write.operation, write.number as u64);
            assert!(told.contains_key(&step), "{write:?} was done, and no intent of it is recorded");
            let same: Vec<_> =
                self.world.writes().into_iter().filter(|w| (w.operation, w.number as u64) == step).collect();
            assert_eq!(same.len(), 1, "a step was done more than once: {same:?}");
        }
    }
}

impl Life {
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub fn kill(self) {
        self.runtime.shutdown_timeout(Duration::from_secs(5));
    }

    pub fn store(&self) -> &Store {
        self.ctx.store()
    }

    /// Asks for an operation of kind `shelf`.
    pub fn ask(&self, request: Value) -> Id {
        self.try_ask(request, &one()).unwrap().operation.id
    }

    pub fn try_ask(&self, request: Value, actor: &Actor) -> Result<Asked, Failure> {
        let ask = Ask { kind: "shelf".to_owned(), request, ..Ask::default() };
        self.wait(self.operations.ask(ask, actor))
    }

    pub fn count(&self, name: &str) -> Id {
        let ask = Ask { kind: "count".to_owned(), request: Value::String(name.to_owned()), ..Ask::default() };
        self.wait(self.operations.ask(ask, &one())).unwrap().operation.id
    }

    pub fn undo(&self, id: Id) -> Result<Id, Failure> {
        Ok(self.wait(self.operations.undo(id, Ask::default(), &one()))?.operation.id)
    }

    pub fn show(&self, id: Id) -> (Operation, Vec<Progress>) {
        self.wait(operation::show(self.store(), id)).unwrap().unwrap()
    }

    pub fn state(&self, id: Id) -> State {
        self.show(id).0.brief.state
    }

    pub fn until(&self, id: Id, state: State) -> Operation {
        let what = format!("{id} to be {}", state.name());
        self.wait(eventually(&what, PATIENCE, async || {
            let (operation, _) = operation::show(self.store(), id).await.unwrap().unwrap();
            let is_over = operation.brief.state.is_over();
            assert!(
                !is_over || operation.brief.state == state,
                "it is {:?}: {:?}",
                operation.brief.state,
                operation.brief
            );
            (operation.brief.state == state).then_some(operation)
        }))
    }

    pub fn eventually<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        self.wait(eventually(what, PATIENCE, async || tokio::task::block_in_place(&mut look)))
    }

    /// What the record tells of an operation, by event.
    pub fn events(&self, id: Id) -> Vec<String> {
        self.wait(record::of(self.store(), id)).unwrap().into_iter().map(|entry| entry.event).collect()
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
            return self.life.take().into_iter().for_each(Life::kill);
        }
        match self.life.is_some() {
            // What hangs would be waited for.
            true if self.world.hangs() => self.kill(),
            true => self.stop(),
            false => {}
        }
        self.judge();
    }
}

/// Starts what spawns within a life's own runtime.
trait Within {
    fn run_within(&self, runtime: &Runtime);
}

impl Within for Arc<Operations> {
    fn run_within(&self, runtime: &Runtime) {
        let _inside = runtime.enter();
        self.run();
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
