//! The one task that writes, on a thread of its own: it takes all jobs that wait, runs them in one transaction, commits,
//! then answers.
//!
//! No fixed linger is needed: while one commit waits for the disk the next group gathers by itself. A job that fails
//! takes the group's transaction with it, so the group is run again one by one: jobs are written to bear that.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::BoxFuture;
use naru_core::lifecycle::Lifecycle;
use sqlx::{AnyConnection, Connection, Executor};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::Result;
use crate::error::StoreError;
use crate::open::Connector;
use crate::reach::{Reach, WORK_MAX};
use crate::script::Script;

/// Jobs that may wait: beyond it callers wait in turn, which is the back-pressure that intake turns into a 429.
const WAITING_MAX: usize = 4_096;
/// Jobs of one transaction: bounds what one failure makes run again and how long a commit keeps others waiting.
const GROUP_MAX: usize = 512;
/// A thread that sleeps is woken up to so much too late, so that it would be late for a disk that flushes faster.
const QUIET_MIN: Duration = Duration::from_micros(80);
/// A disk that was slow once may be fast again.
const QUIET_MAX: Duration = Duration::from_millis(1);

/// Hands jobs to the writer task.
pub(crate) struct Handle {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Handle {
    /// Connects and starts the task.
    pub(crate) async fn start(connector: Connector, reach: Reach, lifecycle: &Lifecycle) -> Result<Handle> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let (open, opened) = oneshot::channel();
        // Every statement is a question and an answer between two threads: on one that others share, each answer would
        // wait for its turn.
        let ended = lifecycle.spawn_alone("store writer", || async move {
            match reach.connect(connector.writing()).await {
                Ok(conn) => {
                    let writer = Writer {
                        connector,
                        reach,
                        conn: Some((conn, Instant::now())),
                        jobs: receiver,
                        quiet: Duration::ZERO,
                    };
                    if open.send(Ok(())).is_ok() {
                        writer.work().await;
                    }
                }
                // Whoever asked to open may have gone.
                Err(error) => drop(open.send(Err(error))),
            }
        });
        let ended = ended.map_err(|e| StoreError::from(sqlx::Error::Io(e)))?;
        opened.await.map_err(|_| closed())??;
        Ok(Handle { jobs: Some(sender), ended: Mutex::new(Some(ended)) })
    }

    /// A handle that refuses every job.
    pub(crate) fn none() -> Handle {
        Handle { jobs: None, ended: Mutex::new(None) }
    }

    pub(crate) async fn run<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'s, 'c> Fn(&'s mut Script<'c>) -> BoxFuture<'s, Result<T>> + Send + Sync + 'static,
    {
        self.run_for(WORK_MAX, job).await
    }

    /// As [`Handle::run`], for a job that may take as long as `longest`.
    pub(crate) async fn run_for<T, F>(&self, longest: Duration, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'s, 'c> Fn(&'s mut Script<'c>) -> BoxFuture<'s, Result<T>> + Send + Sync + 'static,
    {
        let jobs = self.jobs.as_ref().ok_or(StoreError::ReadOnly)?;
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { work: job, longest, value: None, answer };
        jobs.send(Box::new(waiting)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    pub(crate) async fn close(&self) {
        let Some(jobs) = &self.jobs else { return };
        let (answer, answered) = oneshot::channel();
        if jobs.send(Box::new(Close { answer })).await.is_ok() {
            let _ = answered.await;
        }
        let ended = self.ended.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(ended) = ended {
            let _ = ended.await;
        }
    }
}

fn closed() -> StoreError {
    StoreError::from(sqlx::Error::PoolClosed)
}

/// Something to do in a transaction.
trait Job: Send {
    /// Runs; keeps its value for later.
    fn run<'a>(&'a mut self, script: &'a mut Script<'_>) -> BoxFuture<'a, Result<()>>;
    /// After this its connection is taken for dead.
    fn longest(&self) -> Duration {
        WORK_MAX
    }
    /// Tells the caller how the transaction ended.
    fn answer(self: Box<Self>, outcome: Result<()>);
    /// Whether the writer should end.
    fn is_close(&self) -> bool {
        false
    }
}

struct Waiting<T, F> {
    work: F,
    longest: Duration,
    value: Option<T>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Waiting<T, F>
where
    T: Send,
    F: for<'s, 'c> Fn(&'s mut Script<'c>) -> BoxFuture<'s, Result<T>> + Send + Sync,
{
    fn run<'a>(&'a mut self, script: &'a mut Script<'_>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.value = Some((self.work)(script).await?);
            Ok(())
        })
    }

    fn longest(&self) -> Duration {
        self.longest
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let Waiting { value, answer, .. } = *self;
        // The caller may have gone; what was stored stays stored.
        let _ = answer.send(outcome.and_then(|()| value.ok_or_else(closed)));
    }
}

struct Close {
    answer: oneshot::Sender<()>,
}

impl Job for Close {
    fn run<'a>(&'a mut self, _: &'a mut Script<'_>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn answer(self: Box<Self>, _: Result<()>) {
        let _ = self.answer.send(());
    }

    fn is_close(&self) -> bool {
        true
    }
}

struct Writer {
    connector: Connector,
    reach: Reach,
    /// With when it was made.
    conn: Option<(AnyConnection, Instant)>,
    jobs: mpsc::Receiver<Box<dyn Job>>,
    /// How long nothing is heard of a commit that has been sent.
    quiet: Duration,
}

impl Writer {
    async fn work(mut self) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        while self.jobs.recv_many(&mut group, GROUP_MAX).await > 0 {
            let last = group.iter().any(|job| job.is_close());
            self.run_group(&mut group).await;
            if last {
                break;
            }
        }
        if let Some((conn, _)) = self.conn.take() {
            let _ = self.reach.connect(async { Ok(conn.close().await?) }).await;
        }
    }

    async fn run_group(&mut self, group: &mut Vec<Box<dyn Job>>) {
        match self.transaction(group).await {
            Ok(()) => group.drain(..).for_each(|job| job.answer(Ok(()))),
            Err(error) if group.len() == 1 => group.drain(..).for_each(|job| job.answer(Err(error.clone()))),
            Err(error) => {
                tracing::debug!(error = %error, jobs = group.len(), "a group failed, its jobs run one by one");
                let mut gone = None;
                for job in group.drain(..) {
                    // One tries again over a new connection; where that fails too the others need not wait for the same.
                    if let Some(error) = &gone {
                        job.answer(Err(StoreError::clone(error)));
                        continue;
                    }
                    let mut alone = [job];
                    let outcome = self.transaction(&mut alone).await;
                    let [job] = alone;
                    gone = outcome.as_ref().err().filter(|error| error.is_gone()).cloned();
                    job.answer(outcome);
                }
            }
        }
    }

    /// One transaction over all jobs. After any error the connection's state is not trusted: it is made anew.
    async fn transaction(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<()> {
        let (mut conn, born) = match self.conn.take() {
            Some((conn, born)) if !self.reach.has_outlived_silence(born.elapsed()) => (conn, born),
            _ => (self.reach.connect(self.connector.writing()).await?, Instant::now()),
        };
        let mut script = Script::transaction(&mut conn);
        let outcome = run_all(&mut script, jobs, &mut self.quiet, &self.reach).await;
        if outcome.as_ref().is_err_and(StoreError::is_locked_out) {
            tracing::warn!("somebody else holds a row locked in the database, what needs it fails until it is let go");
        }
        if matches!(outcome, Err(StoreError::Silent { .. })) {
            // Nothing more is said to it: an answer to what was left in the midst would be waited for first.
            return outcome;
        }
        if outcome.is_ok() || !script.has_begun() || conn.execute("ROLLBACK").await.is_ok() {
            self.conn = Some((conn, born));
        } else {
            let _ = conn.close_hard().await;
        }
        outcome
    }
}

async fn run_all(
    script: &mut Script<'_>,
    jobs: &mut [Box<dyn Job>],
    quiet: &mut Duration,
    reach: &Reach,
) -> Result<()> {
    for job in jobs {
        reach.within(job.longest(), job.run(script)).await?;
    }
    let start = Instant::now();
    reach.within(WORK_MAX, script.commit(*quiet)).await?;
    *quiet = quiet_after(*quiet, start.elapsed());
    Ok(())
}

/// Half of what the last commit took: one that takes as long ends well after it. Grows step by step, since a commit of
/// much may come between many of little.
fn quiet_after(quiet: Duration, took: Duration) -> Duration {
    let half = (took / 2).min(QUIET_MAX);
    if half < QUIET_MIN { Duration::ZERO } else { half.min((quiet * 2).max(QUIET_MIN)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_listened_for_before_it_can_end() {
        let mut quiet = Duration::ZERO;
        for (took_us, quiet_us) in [
            (100, 0),
            (300, 80),
            (300, 150),
            (300, 150),
            (50_000, 300),
            (50_000, 600),
            (50_000, 1_000),
            (200, 100),
            (60, 0),
        ] {
            quiet = quiet_after(quiet, Duration::from_micros(took_us));
            assert_eq!(quiet, Duration::from_micros(quiet_us), "after {took_us} µs");
        }
    }
}
