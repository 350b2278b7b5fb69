//! Whose turn it is: a job that runs once across instances, and when it was missed.
//!
//! A run holds the lease `job/NAME`, and its start is stored in the commit that takes the lease, together with the time
//! of the next run; its end in the commit that gives the lease back. So an instance that ends in the midst of a run
//! leaves a start without an end under a lease that has ended: whoever sees that knows that the run was cut off.

use std::time::Duration;

use naru_core::clock::{Micros, Millis};
use naru_core::failure::Failure;
use naru_store::{Engine, Result, Store};
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::lease::{self, LEASE_MS, RENEW_EVERY, START_LEFT_US};
use crate::{Job, Missed, Process, pause};

/// How long nobody looks at the longest whether a run is due.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(60);
/// How long until the next look where somebody else runs it, the gate is closed or the database does not answer.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// What of a failure is kept: a line to read.
const OUTCOME_CHARS_MAX: usize = 300;

/// The last run of a job, as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Last {
    /// The job.
    pub name: String,
    /// Where it ran or runs.
    pub instance: String,
    /// When the next is due; absent where whoever runs it decides.
    pub due_at: Option<Millis>,
    /// When it began.
    pub started_at: Millis,
    /// When it ended; absent while it runs and where it was cut off.
    pub ended_at: Option<Millis>,
    /// Whether it runs.
    pub running: bool,
    /// How it ended, in a word or with what failed.
    pub outcome: String,
    /// How often it did not run when it was due, or was cut off.
    pub missed: i64,
    /// When that was noticed last.
    pub missed_at: Option<Millis>,
}

impl Last {
    /// Whether it went wrong, or was cut off.
    pub fn has_failed(&self) -> bool {
        let is_well = matches!(&*self.outcome, "done" | "exit 0") || self.outcome.starts_with("asked to stop");
        !self.running && (self.ended_at.is_none() || !is_well)
    }
}

/// The last run of every job, by name.
pub async fn list(store: &Store) -> Result<Vec<Last>> {
    let text = format!(
        "SELECT job_run.name, instance, due_at, started_at, ended_at, outcome, missed, missed_at,
             CAST(COALESCE(job_lease.expires_at - {}, 0) AS BIGINT)
         FROM job_run LEFT JOIN job_lease ON job_lease.name = 'job/' || job_run.name ORDER BY job_run.name",
        store.engine().now()
    );
    type Row = (String, String, Millis, Millis, Millis, String, i64, Millis, Millis);
    let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(text)).fetch_all(store.reader()).await?;
    let last = |(name, instance, due_at, started_at, ended_at, outcome, missed, missed_at, left): Row| Last {
        due_at: Some(due_at).filter(|at| *at > 0),
        ended_at: Some(ended_at).filter(|at| *at >= started_at),
        running: ended_at < started_at && left > 0,
        missed_at: Some(missed_at).filter(|at| *at > 0),
        name,
        instance,
        started_at,
        outcome,
        missed,
    };
    Ok(rows.into_iter().map(last).collect())
}

/// A run that has begun.
struct Turn {
    /// Of its lease.
    name: String,
    fence: i64,
    /// When the lease ends on this machine's monotonic clock, at the earliest.
    until: Micros,
}

/// What came of looking whether a run is due.
enum Chance {
    Run(Turn),
    NotYet(Duration),
    /// Somebody else runs it, or it was skipped.
    Later,
}

/// Runs a job whenever it is due and nobody else does, until shutdown.
pub(crate) async fn repeat(job: &Job, missed: Missed, process: &Process) {
    while !process.lifecycle.is_stopping() {
        let wait = match run_if_due(job, missed, process).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!(job.name = job.name, %error, "could not see whether the job is due, it is looked again");
                LOOK_AGAIN
            }
        };
        pause(&process.lifecycle, wait).await;
    }
}

/// Runs it once if it is due and nobody else does. Returns how long to wait for the next look.
pub async fn run_if_due(job: &Job, missed: Missed, process: &Process) -> Result<Duration> {
    if let Some(wait) = not_due(job, process).await? {
        return Ok(wait);
    }
    // From here to the end, so that a drain waits for it and lets none begin.
    let Some(_pass) = process.gate.enter(&format!("job {}", job.name)) else { return Ok(LOOK_AGAIN) };
    let _activity = process.lifecycle.activity(job.name);
    let mut turn = match begin(job, missed, process).await? {
        Chance::Run(turn) => turn,
        Chance::NotYet(wait) => return Ok(wait),
        Chance::Later => return Ok(LOOK_AGAIN),
    };
    let outcome = tokio::select! {
        outcome = (job.run)() => outcome,
        () = keep(process, &mut turn) => {
            tracing::error!(job.name = job.name, "the job was stopped: its lease could not be renewed");
            return Ok(LOOK_AGAIN);
        }
    };
    if let Err(failure) = &outcome {
        tracing::warn!(job.name = job.name, error = %failure, "job failed, it runs again at its next time");
    }
    if !end(&process.store, &turn.name, turn.fence, &told(&outcome)).await? {
        tracing::error!(job.name = job.name, "the job ended after its lease had: another instance may have run it too");
    }
    Ok(Duration::ZERO)
}

/// How long to wait where there is nothing to do, without a write.
async fn not_due(job: &Job, process: &Process) -> Result<Option<Duration>> {
    let lease = format!("job/{}", job.name);
    let standing = lease::standing(&process.store, &lease).await?;
    if standing.is_some_and(|it| it.left_ms > 0 && !it.holder.is_empty() && it.holder != process.instance.name()) {
        return Ok(Some(LOOK_AGAIN));
    }
    let text = format!(
        "SELECT due_at - {} FROM job_run WHERE name = $1 AND ended_at >= started_at",
        process.store.engine().now()
    );
    let left: Option<Millis> =
        sqlx::query_scalar(AssertSqlSafe(text)).bind(job.name).fetch_optional(process.store.reader()).await?;
    Ok(left.filter(|left| *left > 0).map(wait_for))
}

fn wait_for(left: Millis) -> Duration {
    Duration::from_millis(left as u64).min(LOOK_EVERY_MAX)
}

async fn begin(job: &Job, missed: Missed, process: &Process) -> Result<Chance> {
    let engine = process.store.engine();
    let before = process.clock.monotonic_us();
    let (name, every, instance) = (job.name, job.every.as_millis() as Millis, process.instance.clone());
    let begun = process.store.write(move |conn| {
        let instance = instance.clone();
        Box::pin(async move {
            let lease = format!("job/{name}");
            let Some(fence) =
                lease::take_in(conn, engine, &lease, instance.name(), LEASE_MS, lease::Free::Ended).await?
            else {
                return Ok(None);
            };
            let (now, last) = read(conn, engine, name).await?;
            let plan = plan(now, last, every, missed);
            if plan.begins {
                write_begin(conn, name, instance.name(), now, &plan).await?;
            } else {
                write_skip(conn, name, now, &plan).await?;
                lease::extend_in(conn, engine, &lease, fence, 0).await?;
            }
            Ok(Some((fence, plan, now)))
        })
    });
    let Some((fence, plan, now)) = begun.await? else { return Ok(Chance::Later) };
    if plan.missed > 0 {
        let runs_now = plan.begins;
        tracing::warn!(job.name = name, times = plan.missed, runs_now, "the job did not run when it was due");
    }
    Ok(match plan.begins {
        true => Chance::Run(Turn { name: format!("job/{name}"), fence, until: before + LEASE_MS as Micros * 1_000 }),
        false => Chance::NotYet(wait_for((plan.due_at - now).max(0))),
    })
}

/// The last run as a plan needs it.
#[derive(Clone, Copy)]
struct Before {
    due_at: Millis,
    cut_off: bool,
}

/// What is done at a chance to run.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    begins: bool,
    due_at: Millis,
    missed: i64,
}

/// Decides by the database's clock. Due times keep their distance from the first: a run that is late moves none.
fn plan(now: Millis, before: Option<Before>, every: Millis, missed: Missed) -> Plan {
    let Some(Before { due_at, cut_off }) = before else {
        return Plan { begins: true, due_at: now + every, missed: 0 };
    };
    let is_due = now >= due_at;
    let passed = if is_due { (now - due_at) / every } else { 0 };
    let next = if is_due { due_at + every * (passed + 1) } else { due_at };
    let times = passed + i64::from(cut_off);
    let begins = match missed {
        Missed::RunOnce => is_due || cut_off,
        Missed::Skip => is_due && passed == 0,
    };
    Plan { begins, due_at: next, missed: times }
}

async fn read(conn: &mut AnyConnection, engine: Engine, name: &str) -> Result<(Millis, Option<Before>)> {
    let now: Millis =
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT {}", engine.now()))).fetch_one(&mut *conn).await?;
    let row = sqlx::query_as("SELECT due_at, started_at, ended_at FROM job_run WHERE name = $1").bind(name);
    let row: Option<(Millis, Millis, Millis)> = row.fetch_optional(conn).await?;
    Ok((now, row.map(|(due_at, started_at, ended_at)| Before { due_at, cut_off: ended_at < started_at })))
}

async fn write_begin(conn: &mut AnyConnection, name: &str, instance: &str, now: Millis, plan: &Plan) -> Result<()> {
    let text = "INSERT INTO job_run (name, instance, due_at, started_at, ended_at, outcome, missed, missed_at)
         VALUES ($1, $2, $3, $4, 0, '', $5, $6)
         ON CONFLICT (name) DO UPDATE SET instance = excluded.instance, due_at = excluded.due_at,
             started_at = excluded.started_at, ended_at = 0, outcome = '', missed = job_run.missed + excluded.missed,
             missed_at = CASE WHEN excluded.missed > 0 THEN excluded.missed_at ELSE job_run.missed_at END";
    let missed_at = if plan.missed > 0 { now } else { 0 };
    let query = sqlx::query(text).bind(name).bind(instance).bind(plan.due_at).bind(now);
    query.bind(plan.missed).bind(missed_at).execute(conn).await?;
    Ok(())
}

/// Stores that runs were missed and are not made up for. One that was cut off ends here: else it were counted again.
async fn write_skip(conn: &mut AnyConnection, name: &str, now: Millis, plan: &Plan) -> Result<()> {
    let text = "UPDATE job_run SET due_at = $1, missed = missed + $2, missed_at = $3,
             outcome = CASE WHEN ended_at < started_at THEN 'cut off' ELSE outcome END,
             ended_at = CASE WHEN ended_at < started_at THEN $4 ELSE ended_at END WHERE name = $5";
    let query = sqlx::query(text).bind(plan.due_at).bind(plan.missed).bind(now).bind(now).bind(name);
    query.execute(conn).await?;
    Ok(())
}

/// Stores a run that a process beside this one begins, which decides itself when the next is due.
pub(crate) async fn note_begin(conn: &mut AnyConnection, name: &str, holder: &str, now: Millis) -> Result<()> {
    let before = sqlx::query_as("SELECT started_at, ended_at FROM job_run WHERE name = $1").bind(name);
    let before: Option<(Millis, Millis)> = before.fetch_optional(&mut *conn).await?;
    let cut_off = before.is_some_and(|(started_at, ended_at)| ended_at < started_at);
    write_begin(conn, name, holder, now, &Plan { begins: true, due_at: 0, missed: i64::from(cut_off) }).await
}

/// Stores the end of a run and gives its lease back; `false` where the lease was lost.
pub(crate) async fn end(store: &Store, lease: &str, fence: i64, outcome: &str) -> Result<bool> {
    let engine = store.engine();
    let (lease, outcome) = (lease.to_owned(), outcome.chars().take(OUTCOME_CHARS_MAX).collect::<String>());
    let job = store.write(move |conn| {
        let (lease, outcome) = (lease.clone(), outcome.clone());
        Box::pin(async move {
            if !lease::extend_in(conn, engine, &lease, fence, 0).await? {
                return Ok(false);
            }
            let text = format!("UPDATE job_run SET ended_at = {}, outcome = $1 WHERE name = $2", engine.now());
            let name = lease.strip_prefix("job/").unwrap_or(&lease).to_owned();
            sqlx::query(AssertSqlSafe(text)).bind(outcome).bind(name).execute(conn).await?;
            Ok(true)
        })
    });
    job.await
}

fn told(outcome: &std::result::Result<(), Failure>) -> String {
    match outcome {
        Ok(()) => "done".to_owned(),
        Err(failure) => failure.to_string(),
    }
}

/// Renews the lease of a run; ends when it is lost, or could be before the run is stopped.
async fn keep(process: &Process, turn: &mut Turn) {
    let Process { store, clock, .. } = process;
    loop {
        let left = |until: Micros| {
            Duration::from_micros(until.saturating_sub(START_LEFT_US).saturating_sub(clock.monotonic_us()))
        };
        tokio::time::sleep_until(tokio::time::Instant::now() + RENEW_EVERY.min(left(turn.until))).await;
        let before = clock.monotonic_us();
        let renewed = tokio::time::timeout(left(turn.until), lease::extend(store, &turn.name, turn.fence, LEASE_MS));
        match renewed.await {
            Ok(Ok(true)) => turn.until = before + LEASE_MS as Micros * 1_000,
            Ok(Ok(false)) => return,
            Ok(Err(error)) => tracing::warn!(lease.name = turn.name, %error, "could not renew a lease, tried again"),
            Err(_) => {}
        }
        if left(turn.until).is_zero() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(now: Millis, before: Option<(Millis, bool)>, missed: Missed, expect: (bool, Millis, i64)) {
        let before = before.map(|(due_at, cut_off)| Before { due_at, cut_off });
        let (begins, due_at, times) = expect;
        assert_eq!(plan(now, before, 100, missed), Plan { begins, due_at, missed: times }, "{now} {missed:?}");
    }

    #[test]
    fn due_times_keep_their_distance_however_late_a_run_begins() {
        for missed in [Missed::RunOnce, Missed::Skip] {
            check(1_000, None, missed, (true, 1_100, 0));
            check(1_050, Some((1_100, false)), missed, (false, 1_100, 0));
            check(1_100, Some((1_100, false)), missed, (true, 1_200, 0));
            check(1_199, Some((1_100, false)), missed, (true, 1_200, 0));
        }
    }

    #[test]
    fn what_was_missed_is_made_up_for_once_or_skipped() {
        check(1_350, Some((1_100, false)), Missed::RunOnce, (true, 1_400, 2));
        check(1_350, Some((1_100, false)), Missed::Skip, (false, 1_400, 2));
    }

    #[test]
    fn a_run_that_was_cut_off_counts_as_missed() {
        check(1_050, Some((1_100, true)), Missed::RunOnce, (true, 1_100, 1));
        check(1_050, Some((1_100, true)), Missed::Skip, (false, 1_100, 1));
        check(1_350, Some((1_100, true)), Missed::RunOnce, (true, 1_400, 3));
        check(1_150, Some((1_100, true)), Missed::Skip, (true, 1_200, 1));
    }
}
