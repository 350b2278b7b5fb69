//! Sessions: who a browser is, for as long as it is used and no longer than a week.
//!
//! The cookie holds 32 random bytes, the store their hash, so a stolen backup signs nobody in. A session is made anew
//! at every sign-in, so one planted in a browser beforehand is worth nothing.

use naru_core::clock::Millis;
use naru_core::failure::{Failure, Kind};
use naru_core::id::Id;
use naru_core::masked::Secret;
use naru_store::Store;
use naru_store::error::StoreError;
use serde::Serialize;
use sqlx::{AnyConnection, Row};

use crate::record::{self, Origin, Outcome};
use crate::role::Actor;
use crate::{link, name, person, secret};

/// A session that is not used for so long ends.
pub const IDLE_MS: Millis = 12 * 3_600_000;
/// A session ends after so long, however much it is used.
pub const LIFE_MS: Millis = 7 * 24 * 3_600_000;
/// Use is noted once in so long: not every request is worth a commit.
const NOTED_EVERY_MS: Millis = 60_000;
/// Most sessions one call returns.
const SESSIONS_MAX: i64 = 200;

/// An open session, for a person who looks at their devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// When it began.
    pub started_at: Millis,
    /// When it was last used, to the minute.
    pub seen_at: Millis,
    /// From which address it began.
    pub peer: String,
    /// What the browser called itself.
    pub agent: String,
}

/// The open sessions of a person, last used first.
pub async fn list(store: &Store, now: Millis, name: &str) -> Result<Vec<Device>, Failure> {
    let text = "SELECT started_at, seen_at, peer, agent FROM web_session
        WHERE person = $1 AND seen_at > $2 AND started_at > $3 ORDER BY seen_at DESC LIMIT $4";
    let query = sqlx::query(text).bind(name::normal(name)?).bind(now - IDLE_MS).bind(now - LIFE_MS).bind(SESSIONS_MAX);
    let rows = query.fetch_all(store.reader()).await.map_err(StoreError::from)?;
    let device = |row: &sqlx::any::AnyRow| {
        Ok(Device {
            started_at: row.try_get(0)?,
            seen_at: row.try_get(1)?,
            peer: row.try_get(2)?,
            agent: row.try_get(3)?,
        })
    };
    Ok(rows.iter().map(device).collect::<Result<_, sqlx::Error>>().map_err(StoreError::from)?)
}

/// Ends all sessions of a person at once.
pub async fn end_all(store: &Store, name: &str) -> Result<(), Failure> {
    let name = name::normal(name)?;
    let ended = store.write(move |conn| {
        let name = name.clone();
        Box::pin(async move { end_others(conn, &name, &[]).await })
    });
    Ok(ended.await?)
}

/// The session of a request.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) hash: Vec<u8>,
    pub(crate) actor: Actor,
    /// Whether it began by a link, which is as good as knowing the password.
    pub(crate) by_link: bool,
    pub(crate) started_at: Millis,
    seen_at: Millis,
}

impl Session {
    /// Notes that it is used, where the last note is old.
    pub(crate) async fn note_use(&self, store: &Store, now: Millis) -> Result<(), Failure> {
        if now - self.seen_at < NOTED_EVERY_MS {
            return Ok(());
        }
        let hash = self.hash.clone();
        let noted = store.write(move |conn| {
            let hash = hash.clone();
            Box::pin(async move {
                let text = "UPDATE web_session SET seen_at = $1 WHERE hash = $2";
                Ok(sqlx::query(text).bind(now).bind(hash).execute(conn).await.map(drop)?)
            })
        });
        Ok(noted.await?)
    }
}

/// Finds the session of a cookie. One that ended and one that never was are told alike.
pub(crate) async fn find(store: &Store, now: Millis, cookie: &str) -> Result<Session, Failure> {
    let hash = secret::hash(cookie);
    let text = "SELECT s.person, p.role, s.via, s.started_at, s.seen_at FROM web_session s JOIN web_person p ON p.name = s.person
        WHERE s.hash = $1 AND s.seen_at > $2 AND s.started_at > $3 AND p.disabled = 0";
    let query = sqlx::query(text).bind(&hash).bind(now - IDLE_MS).bind(now - LIFE_MS);
    let row = query.fetch_optional(store.reader()).await.map_err(StoreError::from)?;
    let Some(row) = row else { return Err(Failure::new(Kind::Unauthorized, "session-ended")) };
    let read = || -> Result<Session, StoreError> {
        let actor = Actor::new(row.try_get::<String, _>(0)?, person::stored_role(row.try_get(1)?)?);
        let by_link = row.try_get::<String, _>(2)? == Outcome::Link.name();
        Ok(Session { hash, actor, by_link, started_at: row.try_get(3)?, seen_at: row.try_get(4)? })
    };
    Ok(read()?)
}

/// A sign-in that is about to happen.
pub(crate) struct Start {
    pub(crate) now: Millis,
    pub(crate) origin: Origin,
    /// The cookie that came with it: its session ends, whoever's it was.
    pub(crate) replaces: Option<String>,
}

impl Start {
    /// Begins a session for a person whose password was right. `None` where they have been disabled meanwhile.
    pub(crate) async fn by_password(self, store: &Store, name: String) -> Result<Option<Secret>, Failure> {
        self.begin(store, Outcome::Password, name).await
    }

    /// Begins a session by a link and uses the link up in the same commit. `None` where it was used or is too old.
    pub(crate) async fn by_link(self, store: &Store, link: &str) -> Result<Option<Secret>, Failure> {
        self.begin(store, Outcome::Link, link.to_owned()).await
    }

    /// `key` is the person's name, or the link that leads to it.
    async fn begin(self, store: &Store, outcome: Outcome, key: String) -> Result<Option<Secret>, Failure> {
        let cookie = secret::fresh::<{ secret::LONG_BYTES }>()?;
        let (hash, id) = (secret::hash(cookie.reveal()), Id::new(self.now));
        let replaced = self.replaces.as_deref().map(secret::hash);
        let (now, origin) = (self.now, self.origin);
        let begun = store.write(move |conn| {
            let (key, hash, replaced, origin) = (key.clone(), hash.clone(), replaced.clone(), origin.clone());
            Box::pin(async move {
                let person = match outcome {
                    Outcome::Link => link::spend(conn, now, &secret::hash(&key)).await?,
                    _ => Some(key),
                };
                let Some(person) = person else { return Ok(false) };
                if let Some(replaced) = replaced {
                    end(conn, &replaced).await?;
                }
                if !insert(conn, now, &hash, &person, outcome, &origin).await? {
                    return Ok(false);
                }
                record::add(conn, id, &person, outcome, &origin).await?;
                Ok(true)
            })
        });
        Ok(begun.await?.then_some(cookie))
    }
}

/// Ends one session within a job of the writer.
pub(crate) async fn end(conn: &mut AnyConnection, hash: &[u8]) -> naru_store::Result<()> {
    Ok(sqlx::query("DELETE FROM web_session WHERE hash = $1").bind(hash).execute(conn).await.map(drop)?)
}

/// Ends a person's sessions but one within a job of the writer.
pub(crate) async fn end_others(conn: &mut AnyConnection, name: &str, kept: &[u8]) -> naru_store::Result<()> {
    let text = "DELETE FROM web_session WHERE person = $1 AND hash <> $2";
    Ok(sqlx::query(text).bind(name).bind(kept).execute(conn).await.map(drop)?)
}

/// Stores a session, and drops those that ended by themselves; `false` where the person may not come in.
async fn insert(
    conn: &mut AnyConnection,
    now: Millis,
    hash: &[u8],
    person: &str,
    outcome: Outcome,
    origin: &Origin,
) -> naru_store::Result<bool> {
    let ended = "DELETE FROM web_session WHERE seen_at <= $1 OR started_at <= $2";
    sqlx::query(ended).bind(now - IDLE_MS).bind(now - LIFE_MS).execute(&mut *conn).await?;
    let enabled = "SELECT COUNT(*) FROM web_person WHERE name = $1 AND disabled = 0";
    let enabled: i64 = sqlx::query_scalar(enabled).bind(person).fetch_one(&mut *conn).await?;
    if enabled == 0 {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO web_session (hash, person, via, started_at, seen_at, peer, agent)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(hash)
    .bind(person)
    .bind(outcome.name())
    .bind(now)
    .bind(now)
    .bind(&origin.peer)
    .bind(&origin.agent)
    .execute(conn)
    .await?;
    Ok(true)
}
