//! Work that repeats, and what several instances on one database must agree about: who may do what only one may do.
//!
//! Each job runs in a loop of its own, one run at a time, and an error is a log line and the next try, not an end. A
//! [`lease`] is a row with a fence that only grows; an [`instance`] is a process with a name of its own, and its
//! [`presence`] is the row by which others see it; a [`gate`] is what a drain closes. A job that runs once across
//! instances waits for its [`turn`]; a process that is not naru is [`lent`] what it must hold alone.
//!
//! Must never know: what any job does, what a lease is about. A change must keep this: a run that has begun is waited for
//! at shutdown; whoever lost a lease can write nothing more under its fence.

pub mod gate;
pub mod instance;
pub mod lease;
pub mod lent;
pub mod presence;
pub mod schema;
pub mod turn;

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
    /// As logs, pages and `naru job list` name it.
    pub name: &'static str,
    /// From the end of one run to the start of the next; where it runs once across instances, from start to start.
    pub every: Duration,
    /// Which instances run it.
    pub place: Place,
    /// Does it once.
    pub run: Run,
}

/// One run of a job.
pub type Run = Arc<dyn Fn() -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>;

/// Which instances run a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Each one: it tends something of the process, such as a gauge or a copy in memory.
    Everywhere,
    /// One at a time for all: it tends something in the database.
    Once(Missed),
}

/// What becomes of a run that was due while nobody could run it: all instances were down or drained, the run before took
/// too long, or its instance ended in the midst of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// It is made up for at the next chance, by one run however many were missed.
    RunOnce,
    /// The next one is when it is due.
    Skip,
}

impl Job {
    /// Runs it until shutdown.
    pub fn start(self, process: &Process) {
        let (inside, lifecycle) = (process.clone(), &process.lifecycle);
        match self.place {
            Place::Everywhere => lifecycle.spawn(self.name, async move { self.repeat(&inside.lifecycle).await }),
            Place::Once(missed) => {
                lifecycle.spawn(self.name, async move { turn::repeat(&self, missed, &inside).await })
            }
        };
    }

    async fn repeat(&self, lifecycle: &Lifecycle) {
        while !lifecycle.is_stopping() {
            let activity = lifecycle.activity(self.name);
            if let Err(failure) = (self.run)().await {
                tracing::warn!(job.name = self.name, error = %failure, "job failed, it runs again at its next time");
            }
            drop(activity);
            pause(lifecycle, self.every).await;
        }
    }
}

/// Waits, but not beyond shutdown.
async fn pause(lifecycle: &Lifecycle, time: Duration) {
    tokio::select! {
        () = lifecycle.stopped() => {}
        () = tokio::time::sleep_until(tokio::time::Instant::now() + time) => {}
    }
}
