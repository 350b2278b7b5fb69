//! Whether a server answers, so that nobody waits for one that does not.
//!
//! A statement has no end of its own: on a line that swallows everything it would wait as long as the kernel keeps the
//! connection, a quarter of an hour or for ever. Neither is a bound on each statement the answer: one that is long enough
//! for a slow line is too long for a caller. So one task asks the server each second what time it is, over a connection of
//! its own. While it gets no answer, whatever waits for the server is told so and what comes new is refused at once; the
//! first answer lets all go on. What hangs though the server answers elsewhere ends at [`WORK_MAX`].
//!
//! A file needs none of this: it is there, or says that it is not.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naru_core::clock::{Clock, Millis, SystemClock};
use naru_core::lifecycle::Lifecycle;
use sqlx::{AnyConnection, AssertSqlSafe};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::error::StoreError;
use crate::open::Connector;
use crate::{Engine, Result};

/// How often the server is asked.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// A server that takes longer than this for the time of day cannot be worked with. A line across an ocean takes a
/// twentieth of it.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// The same for making a connection, which takes a dozen trips.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Whether a connection still lives is told at once, or not at all.
pub(crate) const PING_MAX: Duration = ANSWER_MAX;
/// What one caller does at a time takes milliseconds on a quick line, and seconds on a slow one. Beyond this its
/// connection is dead, though others live: a firewall has forgotten it, or whoever stood between is gone.
pub(crate) const WORK_MAX: Duration = Duration::from_secs(30);
/// A clock that is off by this much is wrong: leases and jobs count by the database's, expiry and days by the machine's.
pub const CLOCKS_APART_MAX_MS: Millis = 5_000;

/// Asked by everybody who works with the database; always there on an embedded store.
#[derive(Clone)]
pub(crate) struct Reach(Option<Arc<Inner>>);

struct Inner {
    /// Why the server does not answer.
    silent: watch::Sender<Option<Arc<str>>>,
    /// When it began to answer again. Connections that are older may be dead without a sign of it.
    mended: Mutex<Option<Instant>>,
    /// How far the server's clock is ahead of this machine's.
    ahead_ms: AtomicI64,
    asking: Mutex<Option<AbortHandle>>,
}

impl Reach {
    /// Of a file, or of a server that nobody asks: only [`WORK_MAX`] holds.
    pub(crate) fn new(engine: Engine) -> Reach {
        Reach((engine == Engine::Postgres).then(|| {
            Arc::new(Inner {
                silent: watch::Sender::new(None),
                mended: Mutex::new(None),
                ahead_ms: AtomicI64::new(0),
                asking: Mutex::new(None),
            })
        }))
    }

    /// Begins to ask.
    pub(crate) fn ask(&self, connector: Connector, lifecycle: &Lifecycle) {
        let Some(inner) = &self.0 else { return };
        let asker = Asker { connector, conn: None, clock: SystemClock::shared(), apart: false };
        // To the very end: what is stored at a shutdown waits for the server's return as all else does.
        let task = lifecycle.spawn("database watch", asker.work(Arc::downgrade(inner)));
        *lock(&inner.asking) = Some(task.abort_handle());
    }

    /// Asks no more.
    pub(crate) fn end(&self) {
        if let Some(task) = self.0.as_ref().and_then(|inner| lock(&inner.asking).take()) {
            task.abort();
        }
    }

    /// Refuses while the server does not answer.
    pub(crate) fn check(&self) -> Result<()> {
        match self.why() {
            Some(why) => Err(StoreError::Silent { why }),
            None => Ok(()),
        }
    }

    /// Why the server does not answer.
    pub(crate) fn why(&self) -> Option<Arc<str>> {
        self.0.as_ref().and_then(|inner| inner.silent.borrow().clone())
    }

    /// Whether a connection of this age has seen a time without answers.
    pub(crate) fn has_outlived_silence(&self, age: Duration) -> bool {
        let mended = self.0.as_ref().and_then(|inner| *lock(&inner.mended));
        mended.is_some_and(|mended| age > mended.elapsed())
    }

    /// How far the server's clock is ahead of this machine's, as it was seen last.
    pub(crate) fn ahead_ms(&self) -> Millis {
        self.0.as_ref().map_or(0, |inner| inner.ahead_ms.load(Ordering::Relaxed))
    }

    /// Makes a connection, unless the server does not answer.
    pub(crate) async fn connect<T>(&self, connect: impl Future<Output = Result<T>>) -> Result<T> {
        self.within(CONNECT_MAX, connect).await
    }

    /// Waits for `work` as long as the server answers, and not for ever.
    pub(crate) async fn within<T>(&self, longest: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(inner) = &self.0 else { return work.await };
        self.check()?;
        let mut silent = inner.silent.subscribe();
        tokio::select! {
            biased;
            done = work => done,
            why = silent.wait_for(Option::is_some) => {
                let why = why.ok().and_then(|why| why.clone()).unwrap_or_else(|| Arc::from("the store is closed"));
                Err(StoreError::Silent { why })
            }
            () = tokio::time::sleep_until(Instant::now() + longest) => {
                Err(StoreError::Silent { why: too_long(longest) })
            }
        }
    }
}

fn too_long(longest: Duration) -> Arc<str> {
    Arc::from(format!("no answer within {} s", longest.as_secs()))
}

struct Asker {
    connector: Connector,
    conn: Option<AnyConnection>,
    clock: Arc<dyn Clock>,
    /// Whether the clocks were apart when they were seen last.
    apart: bool,
}

impl Asker {
    async fn work(mut self, inner: std::sync::Weak<Inner>) {
        loop {
            let seen = self.look().await;
            let Some(inner) = inner.upgrade() else { return };
            match seen {
                Ok(ahead_ms) => {
                    if let Some(ahead_ms) = ahead_ms {
                        inner.ahead_ms.store(ahead_ms, Ordering::Relaxed);
                        self.tell_clocks(ahead_ms);
                    }
                    if inner.silent.borrow().is_some() {
                        // Before anybody goes on.
                        *lock(&inner.mended) = Some(Instant::now());
                        inner.silent.send_replace(None);
                        tracing::info!("the database answers again, all goes on");
                    }
                }
                Err(why) => {
                    let was = inner.silent.send_replace(Some(why.clone()));
                    if was.is_none() {
                        tracing::error!(why = %why, "the database does not answer, nothing is acknowledged until it does");
                    }
                }
            }
            drop(inner);
            tokio::time::sleep_until(Instant::now() + ASK_EVERY).await;
        }
    }

    /// How far the server's clock is ahead, where it could be asked, or why there is no answer.
    async fn look(&mut self) -> std::result::Result<Option<Millis>, Arc<str>> {
        // A connection that ended is no news: the server may have ended it. One that cannot be made again is.
        if let Some(conn) = self.conn.take()
            && let Some(ahead_ms) = self.ask(conn).await?
        {
            return Ok(Some(ahead_ms));
        }
        let conn = match tokio::time::timeout(CONNECT_MAX, self.connector.bare()).await {
            Ok(Ok(conn)) => conn,
            Ok(Err(error)) if answers(&error) => return Ok(None),
            Ok(Err(error)) => return Err(Arc::from(error.to_string())),
            Err(_) => return Err(too_long(CONNECT_MAX)),
        };
        match self.ask(conn).await? {
            Some(ahead_ms) => Ok(Some(ahead_ms)),
            None => Err(Arc::from("connections end at once")),
        }
    }

    /// The same over one connection; `None` where it has ended.
    async fn ask(&mut self, mut conn: AnyConnection) -> std::result::Result<Option<Millis>, Arc<str>> {
        let asked = tokio::time::timeout(ANSWER_MAX, ahead_ms(&mut conn, self.clock.as_ref())).await;
        match asked.map_err(|_| too_long(ANSWER_MAX))? {
            Ok(ahead_ms) => {
                self.conn = Some(conn);
                Ok(Some(ahead_ms))
            }
            Err(error) => {
                tracing::debug!(%error, "the connection that asks for the time has ended");
                Ok(None)
            }
        }
    }

    fn tell_clocks(&mut self, ahead_ms: Millis) {
        let apart = ahead_ms.abs() > CLOCKS_APART_MAX_MS;
        match (std::mem::replace(&mut self.apart, apart), apart) {
            (false, true) => tracing::warn!(ahead_ms, "the database's clock and this machine's are apart"),
            (true, false) => tracing::info!(ahead_ms, "the database's clock and this machine's agree again"),
            _ => {}
        }
    }
}

/// How far the database's clock is ahead of this machine's: its answer is taken for the middle of the time it took.
pub(crate) async fn ahead_ms(conn: &mut AnyConnection, clock: &dyn Clock) -> sqlx::Result<Millis> {
    let engine = if crate::many::is_sqlite(conn) { Engine::Sqlite } else { Engine::Postgres };
    let before = clock.now_ms();
    let there: Millis =
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT {}", engine.now()))).fetch_one(&mut *conn).await?;
    Ok(there - (before + (clock.now_ms() - before) / 2))
}

/// Whether a server that refused a connection is there and works for others: it has no room for one more.
fn answers(error: &sqlx::Error) -> bool {
    const TOO_MANY_CONNECTIONS: &str = "53300";
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == TOO_MANY_CONNECTIONS)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
