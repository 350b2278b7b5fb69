//! A stand-in of a Kubernetes API server, of a version that the test chooses.
//!
//! It follows the documented rules of the API: discovery, `resourceVersion` and `generation`, refusals with a `Status`,
//! the four kinds of patch with field ownership, `scale`, selectors, lists by page, watches with bookmarks that end and
//! states that are forgotten, finalizers, namespaces that stay until they are empty, rights by a table. Tests of
//! `naru-k8s` run on it and on a real server, so that it is held to what the real one does. Every call is in the
//! [`Kube::ledger`]; what goes wrong does so because a test asked for it ([`Kube::fault_at`]).
//!
//! What it leaves out: nothing runs, so no Deployment makes a pod (a test patches `status`); versions of one kind share
//! their fields as they are; admission, quotas and `openapi`; for field ownership a list is one field.

pub mod fault;
pub mod rule;
pub mod world;

mod apply;
mod delete;
mod discovery;
mod kind;
mod list;
mod patch;
mod path;
mod refusal;
mod route;
mod selector;
mod server;
mod validate;
mod watch;
mod write;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::runtime::Runtime;

use crate::kube::fault::{Entry, Fault, Faults};
use crate::kube::world::World;

/// The token of an account that may do everything.
pub const TOKEN: &str = "naru-token";

/// A running stand-in on a free port of the loopback. Dropping it ends it.
pub struct Kube {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

/// What the handle and the server both hold.
struct Shared {
    world: Mutex<World>,
    faults: Mutex<Faults>,
    ledger: Mutex<Vec<Entry>>,
    signal: tokio::sync::watch::Sender<Signal>,
}

/// What wakes those who watch or are held.
#[derive(Clone, Copy, Default)]
struct Signal {
    /// The world may have changed.
    looks: u64,
    bookmarks: u64,
    cuts: u64,
    releases: u64,
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

impl Kube {
    /// Starts one of `version` (`1.20` to `1.33`) with the namespaces `default` and `kube-system`.
    pub fn start(version: &str) -> Kube {
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new(version)),
            faults: Mutex::default(),
            ledger: Mutex::default(),
            signal: tokio::sync::watch::Sender::new(Signal::default()),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it listens");
        listener.set_nonblocking(true).expect("a socket can be told not to block");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a machine has room for a thread");
        runtime.spawn(server::serve(listener, shared.clone()));
        Kube { address, shared, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig for it with `token`.
    pub fn kubeconfig(&self, token: &str) -> String {
        kubeconfig(&self.url(), token)
    }

    /// Looks at the world or changes it; what changed is told to those who watch.
    pub fn world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let done = work(&mut self.shared.world());
        self.shared.signal.send_modify(|signal| signal.looks += 1);
        done
    }

    /// The next call whose method and path (`GET /api/v1/namespaces`) contain `place` has this fault.
    pub fn fault_at(&self, place: &str, fault: Fault) {
        self.shared.faults().push(place, fault);
    }

    /// Answers all calls that [`Fault::Hold`] keeps.
    pub fn release(&self) {
        self.shared.signal.send_modify(|signal| signal.releases += 1);
    }

    /// Tells those who watch which state there is.
    pub fn bookmark(&self) {
        self.shared.signal.send_modify(|signal| signal.bookmarks += 1);
    }

    /// Ends the connections of all who watch.
    pub fn cut_watchers(&self) {
        self.shared.signal.send_modify(|signal| signal.cuts += 1);
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.shared.world().watchers
    }

    /// Every call so far, oldest first.
    pub fn ledger(&self) -> Vec<Entry> {
        self.shared.ledger().clone()
    }

    /// The calls whose method and path contain `place`.
    pub fn calls(&self, place: &str) -> Vec<Entry> {
        self.ledger().into_iter().filter(|entry| entry.place().contains(place)).collect()
    }
}

impl Drop for Kube {
    fn drop(&mut self) {
        // Also inside a test's own runtime, where waiting for another one is refused.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// A kubeconfig with one context, `test`.
pub fn kubeconfig(url: &str, token: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\nclusters:\n- name: test\n  cluster:\n    server: {url}\n    \
         insecure-skip-tls-verify: {}\nusers:\n- name: test\n  user:\n    token: {token}\ncontexts:\n- name: test\n  \
         context:\n    cluster: test\n    user: test\n    namespace: default\n",
        url.starts_with("https:")
    )
}
