//! Presence: the row by which an instance is seen, and by which it is told to drain.
//!
//! Each instance writes only what it says of itself, and others write only how long it shall drain. It says `closed`
//! after it has closed its gate and with the names of those inside in the same row: from then on they only become
//! fewer, so whoever reads a closed row without names knows that nothing runs there. A process on an embedded store has
//! nobody to be seen by, and writes only what has changed: a disk that sleeps is let sleep.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use naru_core::clock::Millis;
use naru_store::{Engine, Result, Store};
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::Process;

/// How often an instance on a shared database says that it is there.
pub const SEEN_EVERY: Duration = Duration::from_secs(2);
/// How often it looks whether it shall drain.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// An instance that has not been seen for this long is gone: five times it was not heard, and its leases have ended.
pub const GONE_AFTER_MS: Millis = 10_000;
/// How long a drain lasts that nobody ends.
pub const DRAIN_MS: Millis = 30 * 60_000;
/// How long the row of an instance that is gone is kept, for whoever asks what became of it.
const KEPT_MS: Millis = 24 * 3_600_000;
/// How often such rows are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// What an instance says of its gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Work may begin.
    Open,
    /// No work begins; what is named goes on to its end.
    Closed,
    /// The process has ended in order.
    Stopped,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Closed => "closed",
            State::Stopped => "stopped",
        }
    }
}

/// An instance as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// Which naru it runs.
    pub version: String,
    /// Since when, by the database's clock.
    pub started_at: Millis,
    /// When it was last heard of, by the database's clock.
    pub seen_at: Millis,
    /// Until when it drains; absent where it does not.
    pub drain_until: Option<Millis>,
    /// What it says of its gate.
    pub state: State,
    /// What runs there and ends by itself, with counts: what is inside its gate, and jobs of processes beside it.
    pub busy: BTreeMap<String, u64>,
    /// What is kept running there and nowhere else; a drain does not wait for it.
    pub leads: Vec<String>,
    /// Whether it is there.
    pub live: bool,
}

/// Keeps the row of this process.
pub struct Presence {
    process: Process,
    version: &'static str,
    started_at: Millis,
    keeping: std::sync::Mutex<Option<AbortHandle>>,
}

impl Presence {
    /// Makes this process known and closes its gate where it shall drain; before it begins any work.
    pub async fn announce(process: Process, version: &'static str) -> Result<Arc<Presence>> {
        let started_at = process.store.now().await?;
        let presence = Presence { process, version, started_at, keeping: std::sync::Mutex::default() };
        presence.sweep().await?;
        presence.write(State::Open, "{}").await?;
        presence.look().await?;
        Ok(Arc::new(presence))
    }

    /// Keeps the row true from here on.
    pub fn keep(self: &Arc<Presence>) {
        let presence = self.clone();
        let task = self.process.lifecycle.spawn("presence", async move { presence.follow().await });
        *self.keeping() = Some(task.abort_handle());
    }

    /// Says that the process has ended; after all its work, since until then others wait for it.
    pub async fn end(&self) {
        if let Some(task) = self.keeping().take() {
            task.abort();
        }
        if let Err(error) = self.write(State::Stopped, "{}").await {
            tracing::warn!(%error, "could not say goodbye, others see it as gone in {} s", GONE_AFTER_MS / 1_000);
        }
    }

    async fn follow(&self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut said, mut said_at) = ((State::Open, "{}".to_owned()), Instant::now());
        let (mut swept_at, mut silent) = (Instant::now(), false);
        loop {
            ticks.tick().await;
            let kept = async {
                self.look().await?;
                let says = self.says();
                if says != said || must_repeat(self.process.store.engine(), said_at.elapsed()) {
                    self.write(says.0, &says.1).await?;
                    (said, said_at) = (says, Instant::now());
                }
                if swept_at.elapsed() >= SWEEP_EVERY {
                    swept_at = Instant::now();
                    self.sweep().await?;
                }
                Ok::<_, naru_store::error::StoreError>(())
            };
            let outcome = kept.await;
            // Once an outage: this is asked every second.
            if let (Err(error), false) = (&outcome, silent) {
                tracing::warn!(%error, "cannot be seen by other instances, nor told to drain, until the database answers");
            }
            silent = outcome.is_err();
        }
    }

    /// Closes or opens the gate as the row says.
    async fn look(&self) -> Result<()> {
        let engine = self.process.store.engine();
        let text = format!("SELECT drain_until - {} FROM job_instance WHERE name = $1", engine.now());
        let left: Option<Millis> = sqlx::query_scalar(AssertSqlSafe(text))
            .bind(self.process.instance.name())
            .fetch_optional(self.process.store.reader())
            .await?;
        let (gate, lifecycle) = (&self.process.gate, &self.process.lifecycle);
        // One that leaves takes nothing any more, whatever its row says.
        let drains = left.is_some_and(|left| left > 0) || lifecycle.is_leaving();
        if gate.is_closed() != drains {
            tracing::info!(instance.name = %self.process.instance, drains, "a drain begins or ends here");
        }
        gate.close(drains);
        Ok(())
    }

    /// What is to be said. The gate is read before the names: a closed one lets nobody in any more.
    fn says(&self) -> (State, String) {
        let state = if self.process.gate.is_closed() { State::Closed } else { State::Open };
        let busy: BTreeMap<String, usize> = self.process.gate.names().into_iter().collect();
        (state, serde_json::to_string(&busy).expect("names and counts serialize"))
    }

    async fn write(&self, state: State, busy: &str) -> Result<()> {
        let now = self.process.store.engine().now();
        // drain_until is for others to write, and outlives a restart.
        let text = format!(
            "INSERT INTO job_instance (name, version, started_at, seen_at, drain_until, busy, state)
             VALUES ($1, $2, $3, {now}, 0, $4, $5)
             ON CONFLICT (name) DO UPDATE SET version = excluded.version, started_at = excluded.started_at,
                 seen_at = excluded.seen_at, busy = excluded.busy, state = excluded.state"
        );
        let (name, version, started_at) = (self.process.instance.clone(), self.version, self.started_at);
        let busy = busy.to_owned();
        let job = self.process.store.write(move |conn| {
            let (text, name, busy) = (text.clone(), name.clone(), busy.clone());
            Box::pin(async move {
                let row = sqlx::query(AssertSqlSafe(text)).bind(name.name()).bind(version).bind(started_at);
                row.bind(busy).bind(state.name()).execute(conn).await?;
                Ok(())
            })
        });
        job.await
    }

    /// Lets go of those that have been gone for long.
    async fn sweep(&self) -> Result<()> {
        let now = self.process.store.engine().now();
        let text = format!("DELETE FROM job_instance WHERE seen_at < {now} - {KEPT_MS} AND name <> $1");
        let own = self.process.instance.clone();
        let job = self.process.store.write(move |conn| {
            let (text, own) = (text.clone(), own.clone());
            Box::pin(async move {
                sqlx::query(AssertSqlSafe(text)).bind(own.name()).execute(conn).await?;
                Ok(())
            })
        });
        job.await
    }

    fn keeping(&self) -> std::sync::MutexGuard<'_, Option<AbortHandle>> {
        self.keeping.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Whether what was said `before` is to be said again though nothing has changed.
fn must_repeat(engine: Engine, before: Duration) -> bool {
    engine == Engine::Postgres && before >= SEEN_EVERY
}

/// Every instance, by name. An embedded store has one, and only a process that serves knows that it is there: `own`.
pub async fn list(store: &Store, own: Option<&Presence>) -> Result<Vec<Seen>> {
    let (engine, now) = (store.engine(), store.engine().now());
    // One statement, so one moment: a run that begins is inside the gate until its lease is stored.
    let text = format!(
        "SELECT name, version, started_at, seen_at, drain_until, state, busy, {now} AS now FROM job_instance
         UNION ALL
         SELECT holder, '', 0, 0, 0, 'lease', name, {now} FROM job_lease
         WHERE (name LIKE 'job/%' OR name LIKE 'leader/%') AND expires_at > {now} AND holder <> ''"
    );
    type Row = (String, String, Millis, Millis, Millis, String, String, Millis);
    let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(text)).fetch_all(store.reader()).await?;
    let (mut seen, mut leases) = (Vec::new(), Vec::new());
    for (name, version, started_at, seen_at, drain_until, state, busy, now) in rows {
        let state = match state.as_str() {
            "open" => State::Open,
            "closed" => State::Closed,
            "stopped" => State::Stopped,
            _ => {
                leases.push((name, busy));
                continue;
            }
        };
        let is_own = own.is_some_and(|own| own.process.instance.name() == name);
        let heard = is_own || engine == Engine::Postgres && now - seen_at < GONE_AFTER_MS;
        let live = heard && state != State::Stopped;
        // What one that is gone said last may long have ended.
        let busy = if live { serde_json::from_str(&busy).unwrap_or_default() } else { BTreeMap::new() };
        // One that is idle on an embedded store writes nothing, and is there all the same.
        let seen_at = if is_own { now } else { seen_at };
        let drain_until = Some(drain_until).filter(|until| *until > now);
        seen.push(Seen { name, version, started_at, seen_at, drain_until, state, busy, leads: Vec::new(), live });
    }
    for (holder, lease) in leases {
        // Of a process beside the instance: `INSTANCE/PROCESS`.
        let of = holder.rsplit_once('/').map_or(holder.as_str(), |(instance, _)| instance);
        let Some(instance) = seen.iter_mut().find(|instance| instance.name == of) else { continue };
        match lease.split_once('/') {
            Some(("job", name)) => drop(instance.busy.entry(format!("job {name}")).or_insert(1)),
            Some((_, name)) => instance.leads.push(name.to_owned()),
            None => {}
        }
    }
    seen.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(seen)
}

/// Makes instances drain for `last_ms`, or no longer where that is 0: the one of that name, or all. Answers their names.
pub async fn drain(store: &Store, name: Option<&str>, last_ms: Millis) -> Result<Vec<String>> {
    let (now, name) = (store.engine().now(), name.map(str::to_owned));
    let until = if last_ms == 0 { "CAST($1 AS BIGINT)".to_owned() } else { format!("{now} + $1") };
    let text = format!("UPDATE job_instance SET drain_until = {until} WHERE name = $2 OR $2 = '' RETURNING name");
    let job = store.write(move |conn| {
        let (text, name) = (text.clone(), name.clone());
        Box::pin(async move {
            let query = sqlx::query_scalar(AssertSqlSafe(text)).bind(last_ms).bind(name.unwrap_or_default());
            Ok(query.fetch_all(conn).await?)
        })
    });
    let mut names: Vec<String> = job.await?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_on_a_shared_database_is_anything_written_that_has_not_changed() {
        assert!(!must_repeat(Engine::Postgres, SEEN_EVERY / 2));
        assert!(must_repeat(Engine::Postgres, SEEN_EVERY));
        assert!(!must_repeat(Engine::Sqlite, 1_000 * SEEN_EVERY));
    }
}
