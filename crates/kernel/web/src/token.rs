//! Tokens: how programs come in. Shown once, stored as a hash, revoked by name.

use naru_core::clock::Millis;
use naru_core::failure::{Failure, Kind};
use naru_core::masked::Secret;
use naru_store::Store;
use naru_store::error::StoreError;
use serde::Serialize;
use sqlx::Row;

use crate::role::{Actor, Role};
use crate::{name, person, secret};

/// Most tokens one call returns.
const TOKENS_MAX: i64 = 1_000;
/// Use is noted once in so long: not every call is worth a commit of its own.
const NOTED_EVERY_MS: Millis = 60_000;

/// What tokens begin with, so that scanners for leaked secrets know one.
const PREFIX: &str = "naru_";

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// What it is called, and what its actions are recorded under.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Since when.
    pub created_at: Millis,
    /// Who added it.
    pub created_by: String,
    /// When it was last used, to the minute.
    pub used_at: Option<Millis>,
}

/// Adds a token and returns its secret, which is shown now and never again.
pub async fn add(store: &Store, now: Millis, by: &Actor, name: &str, role: Role) -> Result<Secret, Failure> {
    let (name, by) = (name::normal(name)?, by.name.clone());
    let token = Secret::new(format!("{PREFIX}{}", secret::fresh::<{ secret::LONG_BYTES }>()?.reveal()));
    let hash = secret::hash(token.reveal());
    let added = {
        let name = name.clone();
        store.write(move |conn| {
            let (hash, name, by) = (hash.clone(), name.clone(), by.clone());
            Box::pin(async move {
                if name::is_taken(conn, &name).await? {
                    return Ok(false);
                }
                let text =
                    "INSERT INTO web_token (hash, name, role, created_at, created_by) VALUES ($1, $2, $3, $4, $5)
                    ON CONFLICT DO NOTHING";
                let insert = sqlx::query(text).bind(hash).bind(name).bind(role.name()).bind(now).bind(by);
                Ok(insert.execute(conn).await?.rows_affected() == 1)
            })
        })
    };
    if added.await? { Ok(token) } else { Err(Failure::conflict("name-taken").arg("name", name)) }
}

/// All tokens, by name.
pub async fn list(store: &Store) -> Result<Vec<Token>, Failure> {
    let text = "SELECT name, role, created_at, created_by, used_at FROM web_token ORDER BY name LIMIT $1";
    let rows = sqlx::query(text).bind(TOKENS_MAX).fetch_all(store.reader()).await.map_err(StoreError::from)?;
    rows.iter()
        .map(|row| {
            Ok(Token {
                name: row.try_get(0)?,
                role: person::stored_role(row.try_get(1)?)?,
                created_at: row.try_get(2)?,
                created_by: row.try_get(3)?,
                used_at: row.try_get(4)?,
            })
        })
        .collect::<Result<_, StoreError>>()
        .map_err(Failure::from)
}

/// Makes a token worthless; a running `serve` refuses it within a second.
pub async fn revoke(store: &Store, name: &str) -> Result<(), Failure> {
    let name = name::normal(name)?;
    let revoked = {
        let name = name.clone();
        store.write(move |conn| {
            let name = name.clone();
            Box::pin(async move {
                let delete = sqlx::query("DELETE FROM web_token WHERE name = $1").bind(name);
                Ok(delete.execute(conn).await?.rows_affected() == 1)
            })
        })
    };
    if revoked.await? { Ok(()) } else { Err(Failure::not_found("token-unknown").arg("name", name)) }
}

/// Whose token a request carries, noting its use where the last note is old.
pub(crate) async fn find(store: &Store, now: Millis, hash: &[u8]) -> Result<Actor, Failure> {
    let query = sqlx::query("SELECT name, role, used_at FROM web_token WHERE hash = $1").bind(hash);
    let row = query.fetch_optional(store.reader()).await.map_err(StoreError::from)?;
    let Some(row) = row else { return Err(Failure::new(Kind::Unauthorized, "token-refused")) };
    let read = || -> Result<_, StoreError> {
        let actor = Actor::new(row.try_get::<String, _>(0)?, person::stored_role(row.try_get(1)?)?);
        Ok((actor, row.try_get::<Option<Millis>, _>(2)?))
    };
    let (actor, used_at) = read()?;
    if used_at.is_none_or(|used_at| now - used_at >= NOTED_EVERY_MS) {
        note_use(store, now, hash.to_vec()).await?;
    }
    Ok(actor)
}

async fn note_use(store: &Store, now: Millis, hash: Vec<u8>) -> Result<(), Failure> {
    let noted = store.write(move |conn| {
        let hash = hash.clone();
        Box::pin(async move {
            let text = "UPDATE web_token SET used_at = $1 WHERE hash = $2";
            Ok(sqlx::query(text).bind(now).bind(hash).execute(conn).await.map(drop)?)
        })
    });
    Ok(noted.await?)
}
