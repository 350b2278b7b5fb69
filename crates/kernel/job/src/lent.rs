//! Leases lent to processes that are not naru: a leader, or one run of anyone's batch.
//!
//! The process asks the instance beside it, renews while it runs, and counts by its own monotonic clock from before it
//! asked: when the lease cannot be renewed it must have stopped before the lease ends here. An instance that ends
//! takes nothing with it, since all stands in the store.

use naru_core::clock::Millis;
use naru_store::{Result, Store};
use sqlx::AssertSqlSafe;

use crate::{Process, lease, turn};

/// Leases of this sort that may be known: their rows stay, so that a fence never comes again. A program that makes up a
/// name a run is refused before it fills the table.
pub const NAMES_MAX: i64 = 1_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// `leader/NAME` or `job/NAME`.
    pub name: String,
    /// Tells the process from others, also from an earlier one with the same number.
    pub holder: String,
    /// How long it lasts without being renewed.
    pub last_ms: Millis,
    /// A job that began less than this ago and came to its end is not run again; 0 where it is.
    pub every_ms: Millis,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loan {
    /// It is held, under this fence.
    Lent(i64),
    /// Somebody else has it, for at least this long.
    Held(String, Millis),
    /// The job ran not long ago; it may run again in this long.
    Early(Millis),
    /// No job begins on an instance that drains.
    Draining,
    /// There are [`NAMES_MAX`] names already.
    TooMany,
}

/// What a lease is lent for.
fn job_of(name: &str) -> Option<&str> {
    name.strip_prefix("job/")
}

/// Takes a lease for a process beside this instance.
pub async fn take(process: &Process, ask: &Ask) -> Result<Loan> {
    let (store, engine) = (&process.store, process.store.engine());
    let holder = format!("{}/{}", process.instance, ask.holder);
    // Until the lease is stored, so that a drain that has closed the gate misses nothing.
    let mut pass = None;
    if let Some(job) = job_of(&ask.name) {
        pass = process.gate.enter(&format!("job {job}"));
        if pass.is_none() {
            return Ok(Loan::Draining);
        }
    }
    // Seen before it is asked for: those who wait ask every second, and asking writes.
    match lease::standing(store, &ask.name).await? {
        Some(standing) if standing.left_ms > 0 && standing.holder != holder => {
            return Ok(Loan::Held(standing.holder, standing.left_ms));
        }
        None if names(store).await? >= NAMES_MAX => return Ok(Loan::TooMany),
        _ => {}
    }
    if let Some(left) = early(store, ask).await? {
        return Ok(Loan::Early(left));
    }
    let asked = ask.clone();
    let job = store.write(move |conn| {
        let (ask, holder) = (asked.clone(), holder.clone());
        Box::pin(async move {
            let Some(fence) = lease::take_in(conn, engine, &ask.name, &holder, ask.last_ms, lease::Free::Ended).await?
            else {
                return Ok(None);
            };
            let Some(job) = job_of(&ask.name) else { return Ok(Some(Loan::Lent(fence))) };
            let now: Millis =
                sqlx::query_scalar(AssertSqlSafe(format!("SELECT {}", engine.now()))).fetch_one(&mut *conn).await?;
            // Looked at again where nobody else can begin or end it.
            let last = sqlx::query_as("SELECT started_at, ended_at FROM job_run WHERE name = $1").bind(job);
            let last: Option<(Millis, Millis)> = last.fetch_optional(&mut *conn).await?;
            if let Some(left) = last.and_then(|(started_at, ended_at)| left_of(started_at, ended_at, now, &ask)) {
                lease::extend_in(conn, engine, &ask.name, fence, 0).await?;
                return Ok(Some(Loan::Early(left)));
            }
            turn::note_begin(conn, job, &holder, now).await?;
            Ok(Some(Loan::Lent(fence)))
        })
    });
    let loan = job.await?;
    drop(pass);
    if let Some(loan) = loan {
        return Ok(loan);
    }
    // Somebody else was quicker.
    let standing = lease::standing(store, &ask.name).await?;
    Ok(standing.map_or(Loan::Held(String::new(), 0), |it| Loan::Held(it.holder, it.left_ms)))
}

/// Lets a lease last on; `false` where it is lost.
pub async fn renew(store: &Store, name: &str, fence: i64, last_ms: Millis) -> Result<bool> {
    lease::extend(store, name, fence, last_ms).await
}

/// Gives a lease back at once, and stores how a job ended; `false` where it was lost.
pub async fn give_back(store: &Store, name: &str, fence: i64, outcome: &str) -> Result<bool> {
    match job_of(name) {
        Some(_) => turn::end(store, name, fence, outcome).await,
        None => lease::extend(store, name, fence, 0).await,
    }
}

async fn names(store: &Store) -> Result<i64> {
    let text = "SELECT COUNT(*) FROM job_lease WHERE name LIKE 'job/%' OR name LIKE 'leader/%'";
    Ok(sqlx::query_scalar(text).fetch_one(store.reader()).await?)
}

async fn early(store: &Store, ask: &Ask) -> Result<Option<Millis>> {
    let Some(job) = job_of(&ask.name).filter(|_| ask.every_ms > 0) else { return Ok(None) };
    let text = format!("SELECT started_at, ended_at, {} FROM job_run WHERE name = $1", store.engine().now());
    let row: Option<(Millis, Millis, Millis)> =
        sqlx::query_as(AssertSqlSafe(text)).bind(job).fetch_optional(store.reader()).await?;
    Ok(row.and_then(|(started_at, ended_at, now)| left_of(started_at, ended_at, now, ask)))
}

/// How long until a job may run again. One that was cut off may at once: it has not done what it is for.
fn left_of(started_at: Millis, ended_at: Millis, now: Millis, ask: &Ask) -> Option<Millis> {
    Some(started_at + ask.every_ms - now).filter(|left| ended_at >= started_at && *left > 0)
}
