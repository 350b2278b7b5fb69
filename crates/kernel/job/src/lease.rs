//! Leases: a row a name, with a holder, an end by the database's clock, and a fence that only grows.
//!
//! Whoever takes a lease makes the fence grow, and each write of a holder first touches the row under its fence: no row,
//! no write. So an owner that froze and comes back can do no harm in the store. What it does outside the store is bounded
//! by time: near the end of the lease it starts nothing more, by its own monotonic clock, counted from before it asked for
//! the lease. An embedded store has one process, whose lock is the lease: it takes all at once, for good.

use std::time::Duration;

use naru_core::clock::{Clock, Micros, Millis};
use naru_store::{Engine, Result, Store};
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::instance::Instance;

/// How long a lease lasts without being renewed.
pub const LEASE_MS: Millis = 6_000;
/// How often it is renewed.
pub const RENEW_EVERY: Duration = Duration::from_secs(2);

/// Whoever holds a lease starts nothing with less than this left: what it starts now is on its way before another holder
/// can start anything.
pub const START_LEFT_US: Micros = 2_000_000;

/// A lease that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What it is for.
    pub name: String,
    /// What writes are made under.
    pub fence: i64,
    /// When it ends on this machine's monotonic clock, at the earliest; `Micros::MAX` on an embedded store.
    pub until: Micros,
}

/// How a lease stands, for words and for those who wait for its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its fence.
    pub fence: i64,
    /// Who holds it, or held it last; empty where it was given back.
    pub holder: String,
    /// How long it still lasts by the database's clock; below zero where it has ended.
    pub left_ms: Millis,
}

/// Takes a lease that nobody has, or that this very instance left when it ended.
pub async fn take(store: &Store, clock: &dyn Clock, instance: &Instance, name: &str) -> Result<Option<Lease>> {
    take_where(store, clock, instance, name, Free::Ended).await
}

/// As [`take`], also one that rests since it was given back: for whoever only writes under it, and lets it rest again.
pub async fn take_resting(store: &Store, clock: &dyn Clock, instance: &Instance, name: &str) -> Result<Option<Lease>> {
    take_where(store, clock, instance, name, Free::Resting).await
}

/// Which leases of others may be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Free {
    /// Those that have ended.
    Ended,
    /// Those that were given back, too.
    Resting,
    /// All: whoever held one before is gone.
    All,
}

async fn take_where(
    store: &Store,
    clock: &dyn Clock,
    instance: &Instance,
    name: &str,
    free: Free,
) -> Result<Option<Lease>> {
    let engine = store.engine();
    // One process owns an embedded store.
    let free = if engine == Engine::Sqlite { Free::All } else { free };
    // Seen before it is asked for: the asking locks the row, also where it comes to nothing, and its owner would wait.
    if free != Free::All
        && let Some(standing) = standing(store, name).await?
        && standing.left_ms > 0
        && standing.holder != instance.name()
        && !(free == Free::Resting && standing.holder.is_empty())
    {
        return Ok(None);
    }
    let before = clock.monotonic_us();
    let (holder, of) = (instance.clone(), name.to_owned());
    let fence: Option<i64> = store
        .write(move |conn| {
            let (holder, of) = (holder.clone(), of.clone());
            Box::pin(async move { take_in(conn, engine, &of, holder.name(), LEASE_MS, free).await })
        })
        .await?;
    Ok(fence.map(|fence| Lease { name: name.to_owned(), fence, until: until(engine, before) }))
}

/// Renews leases in one commit; answers those that are lost.
pub async fn renew(store: &Store, clock: &dyn Clock, leases: &mut [Lease]) -> Result<Vec<String>> {
    let engine = store.engine();
    if engine == Engine::Sqlite || leases.is_empty() {
        return Ok(Vec::new());
    }
    let before = clock.monotonic_us();
    let held: Vec<(String, i64)> = leases.iter().map(|lease| (lease.name.clone(), lease.fence)).collect();
    let lost = store
        .write(move |conn| {
            let held = held.clone();
            Box::pin(async move {
                let mut lost = Vec::new();
                for (name, fence) in held {
                    if !extend_in(conn, engine, &name, fence, LEASE_MS).await? {
                        lost.push(name);
                    }
                }
                Ok(lost)
            })
        })
        .await?;
    for lease in leases.iter_mut().filter(|lease| !lost.contains(&lease.name)) {
        lease.until = until(engine, before);
    }
    Ok(lost)
}

/// Gives a lease back; it can be taken by anybody `after` from now.
pub async fn release(store: &Store, lease: &Lease, after: Millis) -> Result<()> {
    let engine = store.engine();
    let (name, fence) = (lease.name.clone(), lease.fence);
    store
        .write(move |conn| {
            let name = name.clone();
            Box::pin(async move {
                let text = format!(
                    "UPDATE job_lease SET holder = '', expires_at = {} + $1 WHERE name = $2 AND fence = $3",
                    engine.now()
                );
                sqlx::query(AssertSqlSafe(text)).bind(after).bind(name).bind(fence).execute(conn).await?;
                Ok(())
            })
        })
        .await
}

/// Takes a lease within a transaction: where it is free, or that very holder's. Unlike [`take`] it counts by the clock on an
/// embedded store too, where its holders may be processes beside the one that owns the store.
pub(crate) async fn take_in(
    conn: &mut AnyConnection,
    engine: Engine,
    name: &str,
    holder: &str,
    last_ms: Millis,
    free: Free,
) -> Result<Option<i64>> {
    let now = engine.now();
    let others = match free {
        Free::Ended => "",
        Free::Resting => " OR job_lease.holder = ''",
        Free::All => " OR true",
    };
    let text = format!(
        "INSERT INTO job_lease (name, fence, holder, expires_at) VALUES ($1, 1, $2, {now} + $3)
         ON CONFLICT (name) DO UPDATE SET fence = job_lease.fence + 1, holder = excluded.holder,
             expires_at = excluded.expires_at
         WHERE job_lease.expires_at <= {now} OR job_lease.holder = excluded.holder{others} RETURNING fence"
    );
    Ok(sqlx::query_scalar(AssertSqlSafe(text)).bind(name).bind(holder).bind(last_ms).fetch_optional(conn).await?)
}

/// Lets a lease last on for `last_ms` from now, or end with 0; `false` where somebody else has taken it.
pub(crate) async fn extend(store: &Store, name: &str, fence: i64, last_ms: Millis) -> Result<bool> {
    let (engine, name) = (store.engine(), name.to_owned());
    let job = store.write(move |conn| {
        let name = name.clone();
        Box::pin(async move { extend_in(conn, engine, &name, fence, last_ms).await })
    });
    job.await
}

/// As [`extend`], within a transaction.
pub(crate) async fn extend_in(
    conn: &mut AnyConnection,
    engine: Engine,
    name: &str,
    fence: i64,
    last_ms: Millis,
) -> Result<bool> {
    let holder = if last_ms == 0 { "''" } else { "holder" };
    // What was given back is nobody's, though its fence still stands there.
    let text = format!(
        "UPDATE job_lease SET expires_at = {} + $1, holder = {holder} WHERE name = $2 AND fence = $3 AND holder <> ''",
        engine.now()
    );
    let extended = sqlx::query(AssertSqlSafe(text)).bind(last_ms).bind(name).bind(fence).execute(conn).await?;
    Ok(extended.rows_affected() == 1)
}

/// Runs a write of a lease's holder only while it still is the holder; the row stays locked until the commit.
pub async fn hold(conn: &mut AnyConnection, name: &str, fence: i64) -> Result<bool> {
    let held = sqlx::query("UPDATE job_lease SET fence = fence WHERE name = $1 AND fence = $2");
    Ok(held.bind(name).bind(fence).execute(conn).await?.rows_affected() == 1)
}

/// A lease as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What it is for.
    pub name: String,
    /// How it stands.
    pub standing: Standing,
    /// Whether it lasts as long as the process that holds it: a lane's on an embedded store.
    pub endless: bool,
}

/// Leases that are held, by name, `max` at most.
pub async fn list(store: &Store, max: i64) -> Result<Vec<Held>> {
    let engine = store.engine();
    let now = engine.now();
    // On an embedded store only those of programs are renewed.
    let text = format!(
        "SELECT name, fence, holder, expires_at - {now} FROM job_lease
         WHERE holder <> '' AND (expires_at > {now} OR ($1 = 1 AND name LIKE 'lane/%')) ORDER BY name LIMIT $2"
    );
    let embedded = engine == Engine::Sqlite;
    let rows: Vec<(String, i64, String, Millis)> =
        sqlx::query_as(AssertSqlSafe(text)).bind(i64::from(embedded)).bind(max).fetch_all(store.reader()).await?;
    let held = |(name, fence, holder, left_ms): (String, i64, String, Millis)| {
        let endless = embedded && name.starts_with("lane/");
        Held { name, standing: Standing { fence, holder, left_ms }, endless }
    };
    Ok(rows.into_iter().map(held).collect())
}

/// How a lease stands; `None` where nobody ever had it.
pub async fn standing(store: &Store, name: &str) -> Result<Option<Standing>> {
    let text = format!("SELECT fence, holder, expires_at - {} FROM job_lease WHERE name = $1", store.engine().now());
    let row = sqlx::query_as(AssertSqlSafe(text)).bind(name).fetch_optional(store.reader()).await?;
    Ok(row.map(|(fence, holder, left_ms)| Standing { fence, holder, left_ms }))
}

fn until(engine: Engine, before: Micros) -> Micros {
    match engine {
        Engine::Sqlite => Micros::MAX,
        Engine::Postgres => before + LEASE_MS as Micros * 1_000,
    }
}
