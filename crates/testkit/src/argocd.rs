//! A stand-in of Argo CD's REST API with a controller, Git repositories and clusters of its own.
//!
//! It follows the documented rules: an operation clears the state of the one before and ends some looks later; a second
//! one is refused; auto-sync refuses rollbacks and other revisions; what an ApplicationSet or another Application owns is
//! put back; selfHeal reverts what was changed by hand; windows block; who lacks a right is told no more than Argo CD
//! tells. Nothing happens by itself: the test turns the clock ([`World::advance_s`]) and the controller
//! ([`ArgoCd::tick`]), and sees every call in the [`ArgoCd::ledger`].
//!
//! What it leaves out: rendering is one text replacement (`chart`) or a list of files (`kustomize`), pods grow out of their workload directly, and a
//! field that Git no longer names stays in the cluster.

pub mod fault;
pub mod repo;
pub mod world;

mod chart;
mod controller;
mod health;
mod json;
mod kustomize;
mod policy;
mod route;
mod server;
mod watcher;
mod window;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::runtime::Runtime;

use crate::argocd::fault::{Entry, Fault, Faults};
use crate::argocd::world::World;

/// The token that may do everything, unless the test takes it away.
pub const TOKEN: &str = "naru-token";

/// A running stand-in on a free port of the loopback. Dropping it ends it.
pub struct ArgoCd {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

/// What the handle and the server both hold.
struct Shared {
    world: Mutex<World>,
    faults: Mutex<Faults>,
    ledger: Mutex<Vec<Entry>>,
    released: tokio::sync::watch::Sender<u64>,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no test panics while it holds the world")
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().expect("nobody panics while holding the faults")
    }

    fn ledger(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.ledger.lock().expect("nobody panics while holding the ledger")
    }
}

impl ArgoCd {
    /// Starts one with a project `default`, and [`TOKEN`] for an account `naru` that may do everything.
    pub fn start() -> ArgoCd {
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new()),
            faults: Mutex::default(),
            ledger: Mutex::default(),
            released: tokio::sync::watch::Sender::new(0),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it listens");
        listener.set_nonblocking(true).expect("a socket can be told not to block");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a machine has room for a thread");
        runtime.spawn(server::serve(listener, shared.clone()));
        ArgoCd { address, shared, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at the world or changes it; what changed is told to those who watch.
    pub fn world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.shared.world();
        let done = work(&mut world);
        world.tell();
        done
    }

    /// Lets the controller look once at every Application.
    pub fn tick(&self) {
        self.world(World::tick);
    }

    /// Does so until nothing is left to do, at most `100` times.
    pub fn settle(&self) {
        self.world(World::settle);
    }

    /// The next call that nothing else is asked for has this fault.
    pub fn fault(&self, fault: Fault) {
        self.fault_at("", fault);
    }

    /// The next call whose method and path (`POST /api/v1/applications/web/sync`) contain `place` has this fault.
    pub fn fault_at(&self, place: &str, fault: Fault) {
        self.shared.faults().push(place, fault);
    }

    /// How many calls [`Fault::Hold`] keeps now.
    pub fn holding(&self) -> usize {
        self.shared.released.receiver_count()
    }

    /// Answers all calls that [`Fault::Hold`] keeps.
    pub fn release(&self) {
        self.shared.released.send_modify(|times| *times += 1);
    }

    /// Every call so far, oldest first.
    pub fn ledger(&self) -> Vec<Entry> {
        self.shared.ledger().clone()
    }

    /// The calls whose method and path contain `place`.
    pub fn calls(&self, place: &str) -> Vec<Entry> {
        self.ledger().into_iter().filter(|entry| entry.place().contains(place)).collect()
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.world(|world| world.watchers())
    }

    /// Ends the connections of all who watch.
    pub fn cut_watchers(&self) {
        self.world(World::cut_watchers);
    }
}

impl Drop for ArgoCd {
    fn drop(&mut self) {
        // Also inside a test's own runtime, where waiting for another one is refused.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}
