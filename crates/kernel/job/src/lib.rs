//! Work that repeats, and what several instances on one database must agree about: who may do what only one may do.
//!
//! Each job runs in a loop of its own, one run at a time, and an error is a log line and the next try, not an end. A
//! [`lease`] is a row with a fence that only grows; an [`instance`] is a process with a name of its own, and its
//! [`presence`] is the row by which others see it; a [`gate`] is what a drain closes.
//!
//! Must never know: what any job does, what a lease is about. A change must keep this: a run that has begun is waited for
//! at shutdown; whoever lost a lease can write nothing more under its fence.

pub mod gate;
pub mod instance;
pub mod lease;
pub mod presence;
pub mod schema;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use naru_core::clock::Clock;
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use naru_store::Store;

use crate::gate::Gate;
use crate::instance::Instance;

/// What one process brings among those on one database. Cloning is cheap.
#[derive(Clone)]
pub struct Process {
    /// The database.
    pub store: Store,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Start and end of its tasks.
    pub lifecycle: Lifecycle,
    /// Its name.
    pub instance: Instance,
    /// What a drain closes.
    pub gate: Gate,
}

/// Work that repeats.
#[derive(Clone)]
pub struct Job {
    /// As logs and pages name it.
    pub name: &'static str,
    /// From the end of one run to the start of the next.
    pub every: Duration,
    /// Does it once.
    pub run: Arc<dyn Fn() -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>,
}

impl Job {
    /// Runs it until shutdown.
    pub fn start(self, lifecycle: &Lifecycle) {
        let inside = lifecycle.clone();
        lifecycle.spawn(self.name, async move {
            while !inside.is_stopping() {
                let activity = inside.activity(self.name);
                if let Err(failure) = (self.run)().await {
                    tracing::warn!(job.name = self.name, error = %failure, "job failed, it runs again at its next time");
                }
                drop(activity);
                tokio::select! {
                    () = inside.stopped() => {}
                    () = tokio::time::sleep_until(tokio::time::Instant::now() + self.every) => {}
                }
            }
        });
    }
}
