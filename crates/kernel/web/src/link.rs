//! Sign-in links: how a person comes in who has no password, or has lost it. Each works once, for a quarter of an hour.

use naru_core::clock::Millis;
use naru_core::failure::{Failure, Kind};
use naru_store::Store;
use naru_store::error::StoreError;
use sqlx::{AnyConnection, Row};

use crate::role::Role;
use crate::{name, person, secret};

/// How long a link works: time to walk over and click, and little more.
pub const LIFE_MS: Millis = 15 * 60_000;

/// The person that [`first_link`] makes.
const FIRST_PERSON: &str = "admin";

/// Makes a link for `name` and returns its path, `/signin/…`. Whoever has it is that person: show it to nobody else,
/// and never to a log.
pub async fn create(store: &Store, now: Millis, name: &str) -> Result<String, Failure> {
    let name = name::normal(name)?;
    let person = person::find(store, &name).await?;
    match person {
        None => return Err(Failure::not_found("person-unknown").arg("name", name)),
        Some(person) if person.disabled => return Err(Failure::conflict("person-disabled").arg("name", name)),
        Some(_) => {}
    }
    let link = secret::fresh::<{ secret::SHORT_BYTES }>()?;
    let hash = secret::hash(link.reveal());
    let written = store.write(move |conn| {
        let (hash, name) = (hash.clone(), name.clone());
        Box::pin(async move { insert(conn, now, &hash, &name).await })
    });
    written.await?;
    Ok(path(link.reveal()))
}

/// The way in where nobody can sign in yet: makes the person `admin` if there is nobody, and a link for the first
/// administrator as long as no person has set a password. `None` once somebody has.
pub async fn first_link(store: &Store, now: Millis) -> Result<Option<String>, Failure> {
    let link = secret::fresh::<{ secret::SHORT_BYTES }>()?;
    let hash = secret::hash(link.reveal());
    let made = store.write(move |conn| {
        let hash = hash.clone();
        Box::pin(async move {
            let Some(name) = first_admin(conn, now).await? else { return Ok(false) };
            insert(conn, now, &hash, &name).await?;
            Ok(true)
        })
    });
    Ok(made.await?.then(|| path(link.reveal())))
}

/// Whose link it is, where it still works.
pub(crate) async fn look(store: &Store, now: Millis, link: &str) -> Result<String, Failure> {
    let query = sqlx::query_scalar("SELECT person FROM web_link WHERE hash = $1 AND expires_at > $2");
    let found = query.bind(secret::hash(link)).bind(now).fetch_optional(store.reader()).await;
    found.map_err(StoreError::from)?.ok_or_else(spent)
}

/// Uses a link up within a job of the writer; `None` where it was used or is too old.
pub(crate) async fn spend(conn: &mut AnyConnection, now: Millis, hash: &[u8]) -> naru_store::Result<Option<String>> {
    let text = "DELETE FROM web_link WHERE hash = $1 AND expires_at > $2 RETURNING person";
    Ok(sqlx::query_scalar(text).bind(hash).bind(now).fetch_optional(conn).await?)
}

/// What is said of a link that works no more; whether there ever was one is not told.
pub(crate) fn spent() -> Failure {
    Failure::new(Kind::NotFound, "sign-in-link-spent")
}

fn path(link: &str) -> String {
    format!("/signin/{link}")
}

async fn first_admin(conn: &mut AnyConnection, now: Millis) -> naru_store::Result<Option<String>> {
    let row = sqlx::query("SELECT COUNT(*), COUNT(password) FROM web_person").fetch_one(&mut *conn).await?;
    let (people, with_password): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if with_password > 0 {
        return Ok(None);
    }
    if people == 0 {
        person::insert(conn, now, "naru", FIRST_PERSON, Role::Admin).await?;
    }
    let text = "SELECT name FROM web_person WHERE role = 'admin' AND disabled = 0 ORDER BY created_at, name LIMIT 1";
    Ok(sqlx::query_scalar(text).fetch_optional(conn).await?)
}

async fn insert(conn: &mut AnyConnection, now: Millis, hash: &[u8], name: &str) -> naru_store::Result<()> {
    sqlx::query("DELETE FROM web_link WHERE expires_at <= $1").bind(now).execute(&mut *conn).await?;
    let insert = sqlx::query("INSERT INTO web_link (hash, person, expires_at) VALUES ($1, $2, $3)");
    insert.bind(hash).bind(name).bind(now + LIFE_MS).execute(conn).await?;
    Ok(())
}
