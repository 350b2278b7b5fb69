//! Locks that people set: on an app, an environment, or everything, with a reason and an end.
//!
//! A lock keeps others from beginning; what runs goes on. What an operation needs for itself while it runs is no row here
//! but the operation itself, so that only its own end lets it go.

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::{Result, Store};
use naru_web::role::is_same_person;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::plan::Target;
use crate::rows::id_column;

/// What a lock on everything is on.
pub const EVERYTHING: &str = "all";
/// Locks at once.
pub const LOCKS_MAX: usize = 500;
/// As long as a reason may be.
pub const REASON_CHARS_MAX: usize = 500;
/// As long as a name of what is locked may be.
pub const SCOPE_CHARS_MAX: usize = 200;

/// A lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lock {
    /// Its id.
    pub id: Id,
    /// What it is on.
    pub scope: String,
    /// Whose it is.
    pub person: String,
    /// Why.
    pub reason: String,
    /// From when on.
    pub from_at: Millis,
    /// Until when.
    pub until_at: Millis,
}

/// The code of what a lock keeps out.
pub(crate) const LOCKED: &str = "operation-locked";

impl Lock {
    /// Whether it keeps `actor` from these targets at `now`. Nobody is kept out by a lock of their own.
    pub fn keeps(&self, actor: &str, targets: &[Target], now: Millis) -> bool {
        let holds = self.scope == EVERYTHING || targets.iter().any(|target| target.is_within(&self.scope));
        holds && !is_same_person(&self.person, actor) && self.from_at <= now && now < self.until_at
    }

    /// Why it keeps somebody out.
    pub fn failure(&self) -> Failure {
        Failure::conflict(LOCKED)
            .arg("scope", &self.scope)
            .arg("person", &self.person)
            .arg("reason", &self.reason)
            .arg("until", naru_core::clock::seoul(self.until_at))
    }
}

/// Locks that have not ended, those that begin later included, in the order of what they are on.
pub async fn list(store: &Store, now: Millis) -> std::result::Result<Vec<Lock>, Failure> {
    Ok(store.read(move |conn| Box::pin(standing(conn, now))).await?)
}

pub(crate) async fn standing(conn: &mut AnyConnection, now: Millis) -> Result<Vec<Lock>> {
    let rows = sqlx::query(
        "SELECT id, scope, person, reason, from_at, until_at FROM operation_lock WHERE until_at > $1
         ORDER BY scope, from_at, id LIMIT $2",
    )
    .bind(now)
    .bind(LOCKS_MAX as i64)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &AnyRow) -> Result<Lock> {
    Ok(Lock {
        id: id_column(row.try_get(0)?)?,
        scope: row.try_get(1)?,
        person: row.try_get(2)?,
        reason: row.try_get(3)?,
        from_at: row.try_get(4)?,
        until_at: row.try_get(5)?,
    })
}

/// Writes one; a lock of the same person on the same scope that has begun gives way to it.
pub(crate) async fn insert(conn: &mut AnyConnection, lock: &Lock, now: Millis) -> Result<()> {
    sqlx::query("DELETE FROM operation_lock WHERE scope = $1 AND person = $2 AND from_at <= $3 AND $4 <= $3")
        .bind(lock.scope.clone())
        .bind(lock.person.clone())
        .bind(now)
        .bind(lock.from_at)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "INSERT INTO operation_lock (id, scope, person, reason, from_at, until_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(lock.id.0.to_vec())
    .bind(lock.scope.clone())
    .bind(lock.person.clone())
    .bind(lock.reason.clone())
    .bind(lock.from_at)
    .bind(lock.until_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lifts one that still stands.
pub(crate) async fn lift(conn: &mut AnyConnection, id: Id) -> Result<bool> {
    let gone = sqlx::query("DELETE FROM operation_lock WHERE id = $1").bind(id.0.to_vec()).execute(conn).await?;
    Ok(gone.rows_affected() == 1)
}

/// Those that keep `actor` out, in an order that is the same for all.
pub(crate) fn keeping<'a>(locks: &'a [Lock], actor: &str, targets: &[Target], now: Millis) -> Option<&'a Lock> {
    locks.iter().find(|lock| lock.keeps(actor, targets, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_keeps_others_from_what_it_is_on_while_it_lasts() {
        let check = |scope: &str, actor: &str, now: Millis, expect: bool| {
            let lock = Lock {
                id: Id::default(),
                scope: scope.to_owned(),
                person: "owner".to_owned(),
                reason: "release".to_owned(),
                from_at: 10,
                until_at: 20,
            };
            let scopes = vec!["web".to_owned(), "staging".to_owned()];
            let targets = [Target { name: "web@staging".to_owned(), scopes }];
            assert_eq!(lock.keeps(actor, &targets, now), expect, "{scope} {actor} {now}");
        };
        for scope in ["web", "staging", "web@staging", EVERYTHING] {
            check(scope, "other", 10, true);
            check(scope, "owner", 10, false);
        }
        check("api", "other", 10, false);
        check("web", "other", 9, false);
        check("web", "other", 20, false);
    }
}
