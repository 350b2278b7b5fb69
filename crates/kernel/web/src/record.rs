//! The sign-in record: who came in, how, from where, and who was refused. Kept for a quarter of a year.

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::Store;
use naru_store::error::StoreError;
use serde::Serialize;
use sqlx::{AnyConnection, Row};

/// How long an entry is kept. Refusals are throttled, so this bounds the table too.
const KEPT_MS: Millis = 90 * 24 * 3_600_000;
/// Most entries one call returns: a page of them.
pub const ENTRIES_MAX: i64 = 200;
/// Longest kept name of a browser; more is only ever padding.
const AGENT_CHARS_MAX: usize = 200;

/// How a try to sign in ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// In, by password.
    Password,
    /// In, by a sign-in link.
    Link,
    /// Wrong name or password.
    Refused,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Outcome::Password => "password",
            Outcome::Link => "link",
            Outcome::Refused => "refused",
        }
    }
}

/// From where a person comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The peer's address; empty where there is none.
    pub(crate) peer: String,
    /// What the browser calls itself.
    pub(crate) agent: String,
}

impl Origin {
    pub(crate) fn new(peer: Option<std::net::IpAddr>, agent: &str) -> Origin {
        let peer = peer.map(|peer| peer.to_canonical().to_string()).unwrap_or_default();
        // Control characters would end up in a terminal that lists them.
        let agent = agent.chars().filter(|c| !c.is_control()).take(AGENT_CHARS_MAX).collect();
        Origin { peer, agent }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its id, made at its moment: of two of one millisecond the greater is the later.
    pub id: Id,
    /// When.
    pub at: Millis,
    /// Who; empty where the name is no person's, since people type passwords into the wrong field.
    pub person: String,
    /// `password`, `link`, or `refused`.
    pub outcome: String,
    /// From which address.
    pub peer: String,
    /// What the browser calls itself.
    pub agent: String,
}

/// The newest entries, at most 200 at once, those before the entry `before` where a page goes on.
pub async fn recent(store: &Store, before: Option<Id>) -> Result<Vec<Entry>, Failure> {
    // By `at` the index finds where to begin, by the id it goes on between those of one millisecond.
    let text = "SELECT at, person, outcome, peer, agent, id FROM web_sign_in
        WHERE at <= $1 AND (at < $1 OR id < $2) ORDER BY at DESC, id DESC LIMIT $3";
    let (at, id) = before.map_or((Millis::MAX, Vec::new()), |before| (before.made_at(), before.0.to_vec()));
    let query = sqlx::query(text).bind(at).bind(id).bind(ENTRIES_MAX);
    let rows = query.fetch_all(store.reader()).await.map_err(StoreError::from)?;
    let entry = |row: &sqlx::any::AnyRow| {
        let id: Vec<u8> = row.try_get(5)?;
        Ok(Entry {
            id: Id::from_bytes(&id).ok_or_else(|| StoreError::Damaged { what: "the id of a sign-in".to_owned() })?,
            at: row.try_get(0)?,
            person: row.try_get(1)?,
            outcome: row.try_get(2)?,
            peer: row.try_get(3)?,
            agent: row.try_get(4)?,
        })
    };
    Ok(rows.iter().map(entry).collect::<Result<_, StoreError>>()?)
}

/// How many tries were refused since `since`.
pub async fn refused_since(store: &Store, since: Millis) -> Result<u64, Failure> {
    let text = "SELECT COUNT(*) FROM web_sign_in WHERE at >= $1 AND outcome = $2";
    let query = sqlx::query_scalar::<_, i64>(text).bind(since).bind(Outcome::Refused.name());
    Ok(query.fetch_one(store.reader()).await.map_err(StoreError::from)? as u64)
}

/// Adds an entry within a job of the writer, and drops those whose time is over.
pub(crate) async fn add(
    conn: &mut AnyConnection,
    id: Id,
    person: &str,
    outcome: Outcome,
    origin: &Origin,
) -> naru_store::Result<()> {
    sqlx::query("INSERT INTO web_sign_in (id, at, person, outcome, peer, agent) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(id.0.to_vec())
        .bind(id.made_at())
        .bind(person)
        .bind(outcome.name())
        .bind(&origin.peer)
        .bind(&origin.agent)
        .execute(&mut *conn)
        .await?;
    sqlx::query("DELETE FROM web_sign_in WHERE at < $1").bind(id.made_at() - KEPT_MS).execute(conn).await?;
    Ok(())
}

/// Records a refusal; `person` is empty where there is no such person.
pub(crate) async fn refused(store: &Store, now: Millis, person: String, origin: Origin) -> Result<(), Failure> {
    let id = Id::new(now);
    let added = store.write(move |conn| {
        let (person, origin) = (person.clone(), origin.clone());
        Box::pin(async move { add(conn, id, &person, Outcome::Refused, &origin).await })
    });
    Ok(added.await?)
}
