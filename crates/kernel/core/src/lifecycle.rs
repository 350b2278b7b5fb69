//! How the process ends without dropping work.
//!
//! Every task is started here, with a name, and every unit of work that must be finished holds an [`Activity`]. When
//! shutdown is asked for, loops see it and stop taking new work; the process leaves only when no activity is left,
//! and says by name what it still waits for. Before that it may be leaving: still answering, and to be asked no more.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

/// Shared by all parts of one process. Cloning is cheap.
#[derive(Clone)]
pub struct Lifecycle {
    leaving: Arc<AtomicBool>,
    stopping: Arc<watch::Sender<bool>>,
    active: Arc<Active>,
}

/// The activities that are alive. Every request is one, so that beginning and ending takes one lock and wakes nobody
/// but at the last one's end.
#[derive(Default)]
struct Active {
    names: Mutex<BTreeMap<&'static str, usize>>,
    none: Notify,
}

impl Default for Lifecycle {
    fn default() -> Lifecycle {
        Lifecycle { leaving: Arc::default(), stopping: Arc::new(watch::Sender::new(false)), active: Arc::default() }
    }
}

impl Lifecycle {
    /// Starts a task. The name is what a person reads when shutdown waits.
    pub fn spawn<F>(&self, name: &'static str, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tracing::debug!(task.name = name, "task started");
        // The one place that spawns: everything else comes through here and so has a name.
        #[allow(clippy::disallowed_methods)]
        tokio::spawn(work)
    }

    /// Starts a task on a thread of its own, for one that many others wait for: it never stands in line behind them.
    /// What it waits for must be made by `work`, on that thread. The returned value completes when it has ended.
    pub fn spawn_alone<F>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> std::io::Result<oneshot::Receiver<()>>
    where
        F: Future<Output = ()>,
    {
        tracing::debug!(task.name = name, "task started on its own thread");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async { work().await });
            // Nobody may wait for it any more.
            let _ = end.send(());
        })?;
        Ok(ended)
    }

    /// Marks a unit of work that shutdown must wait for until the returned value is dropped.
    pub fn activity(&self, name: &'static str) -> Activity {
        *self.active.names().entry(name).or_default() += 1;
        Activity { active: self.active.clone(), name }
    }

    /// Says that it will stop soon, so that whoever chooses between several asks another one.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether it stops soon, or does already.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed) || self.is_stopping()
    }

    /// Asks every loop to stop taking new work.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether stop was asked for.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Completes when stop is asked for.
    pub async fn stopped(&self) {
        // An error means the sender is gone, which this value itself keeps alive.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// Completes when no activity is left, or gives up after `limit` and returns what is still running.
    pub async fn drained(&self, limit: Duration) -> Vec<(&'static str, usize)> {
        let _ = tokio::time::timeout(limit, self.active.ended()).await;
        self.waiting_for()
    }

    /// The names of the activities that are alive, with their counts.
    pub fn waiting_for(&self) -> Vec<(&'static str, usize)> {
        self.active.names().iter().map(|(name, count)| (*name, *count)).collect()
    }
}

impl Active {
    fn names(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, usize>> {
        self.names.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    async fn ended(&self) {
        loop {
            // Made before the look, so that an end between the two is not missed.
            let none = self.none.notified();
            if self.names().is_empty() {
                return;
            }
            none.await;
        }
    }
}

/// While one lives, shutdown waits.
pub struct Activity {
    active: Arc<Active>,
    name: &'static str,
}

impl Drop for Activity {
    fn drop(&mut self) {
        let mut names = self.active.names();
        if let Some(count) = names.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                names.remove(self.name);
            }
        }
        if names.is_empty() {
            drop(names);
            self.active.none.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_alone_runs_on_a_thread_of_its_name_and_its_end_is_told() {
        let (tell, told) = oneshot::channel();
        let ended = Lifecycle::default().spawn_alone("lonely", || async {
            let _ = tell.send(std::thread::current().name().map(str::to_owned));
        });
        ended.unwrap().await.unwrap();
        assert_eq!(told.await.unwrap().as_deref(), Some("lonely"));
    }

    #[tokio::test]
    async fn drain_waits_for_activities_and_names_them() {
        let lifecycle = Lifecycle::default();
        let first = lifecycle.activity("send");
        let second = lifecycle.activity("send");
        assert_eq!(lifecycle.drained(Duration::ZERO).await, [("send", 2)]);
        drop(first);
        drop(second);
        assert_eq!(lifecycle.drained(Duration::from_secs(5)).await, []);
    }

    #[tokio::test]
    async fn stop_reaches_those_who_wait_and_those_who_come_later() {
        let lifecycle = Lifecycle::default();
        let waiter = {
            let l = lifecycle.clone();
            lifecycle.spawn("waiter", async move { l.stopped().await })
        };
        lifecycle.stop();
        waiter.await.expect("the waiter ends");
        lifecycle.stopped().await;
        assert!(lifecycle.is_stopping());
    }
}
