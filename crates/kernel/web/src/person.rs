//! People: a name, a role, and a password once they have set one.

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_store::Store;
use naru_store::error::StoreError;
use serde::Serialize;
use sqlx::{AnyConnection, Row};

use crate::role::{Actor, Role};
use crate::{name, session};

/// Most people one call returns; a shop has dozens.
const PEOPLE_MAX: i64 = 1_000;

/// A person who may sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// What they sign in with, in its normal form.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they have set a password; without one they sign in by a link.
    pub has_password: bool,
    /// Since when.
    pub created_at: Millis,
    /// Who added them.
    pub created_by: String,
    /// Whether they are kept out.
    pub disabled: bool,
}

/// Adds a person, who signs in by a link first (see [`crate::link::create`]). Returns the name as stored.
pub async fn add(store: &Store, now: Millis, by: &Actor, name: &str, role: Role) -> Result<String, Failure> {
    let (name, by) = (name::normal(name)?, by.name.clone());
    let added = {
        let name = name.clone();
        store.write(move |conn| {
            let (name, by) = (name.clone(), by.clone());
            Box::pin(async move {
                let free = !name::is_taken(conn, &name).await?;
                Ok(free && insert(conn, now, &by, &name, role).await?)
            })
        })
    };
    if added.await? { Ok(name) } else { Err(Failure::conflict("name-taken").arg("name", name)) }
}

/// Everybody, by name.
pub async fn list(store: &Store) -> Result<Vec<Person>, Failure> {
    let text = "SELECT name, role, CASE WHEN password IS NULL THEN 0 ELSE 1 END, created_at, created_by, disabled
        FROM web_person ORDER BY name LIMIT $1";
    let rows = sqlx::query(text).bind(PEOPLE_MAX).fetch_all(store.reader()).await.map_err(StoreError::from)?;
    rows.iter()
        .map(|row| {
            Ok(Person {
                name: row.try_get(0)?,
                role: stored_role(row.try_get(1)?)?,
                has_password: flag(row, 2)?,
                created_at: row.try_get(3)?,
                created_by: row.try_get(4)?,
                disabled: flag(row, 5)?,
            })
        })
        .collect::<Result<_, StoreError>>()
        .map_err(Failure::from)
}

/// Gives a person another role; open sessions have it from their next request.
pub async fn set_role(store: &Store, name: &str, role: Role) -> Result<(), Failure> {
    change(store, name, Change::Role(role)).await
}

/// Keeps a person out: sessions and links end at once.
pub async fn disable(store: &Store, name: &str) -> Result<(), Failure> {
    change(store, name, Change::Disable).await
}

/// Lets a person in again.
pub async fn enable(store: &Store, name: &str) -> Result<(), Failure> {
    change(store, name, Change::Enable).await
}

/// What a sign-in needs to know of a person.
pub(crate) struct Known {
    pub(crate) password: Option<String>,
    pub(crate) disabled: bool,
}

/// Looks a person up by the normal form of the name.
pub(crate) async fn find(store: &Store, name: &str) -> Result<Option<Known>, Failure> {
    let query = sqlx::query("SELECT password, disabled FROM web_person WHERE name = $1").bind(name);
    let row = query.fetch_optional(store.reader()).await.map_err(StoreError::from)?;
    let known = |row: sqlx::any::AnyRow| Ok(Known { password: row.try_get(0)?, disabled: flag(&row, 1)? });
    Ok(row.map(known).transpose().map_err(|e: sqlx::Error| StoreError::from(e))?)
}

/// Stores a new password; all other sessions of the person end, and links to come in without it.
pub(crate) async fn set_password(store: &Store, name: String, hash: String, session: Vec<u8>) -> Result<(), Failure> {
    let set = store.write(move |conn| {
        let (name, hash, session) = (name.clone(), hash.clone(), session.clone());
        Box::pin(async move {
            let update = sqlx::query("UPDATE web_person SET password = $1 WHERE name = $2").bind(hash).bind(&name);
            update.execute(&mut *conn).await?;
            sqlx::query("DELETE FROM web_link WHERE person = $1").bind(&name).execute(&mut *conn).await?;
            session::end_others(conn, &name, &session).await
        })
    });
    Ok(set.await?)
}

/// Adds a person within a job of the writer; `false` where the name was just taken.
pub(crate) async fn insert(
    conn: &mut AnyConnection,
    now: Millis,
    by: &str,
    name: &str,
    role: Role,
) -> naru_store::Result<bool> {
    let text = "INSERT INTO web_person (name, role, created_at, created_by, disabled) VALUES ($1, $2, $3, $4, 0)
        ON CONFLICT DO NOTHING";
    let insert = sqlx::query(text).bind(name).bind(role.name()).bind(now).bind(by);
    Ok(insert.execute(conn).await?.rows_affected() == 1)
}

/// A role as a column holds it.
pub(crate) fn stored_role(name: String) -> Result<Role, StoreError> {
    name.parse().map_err(|what| StoreError::Damaged { what })
}

fn flag(row: &sqlx::any::AnyRow, index: usize) -> Result<bool, sqlx::Error> {
    row.try_get::<i64, _>(index).map(|flag| flag != 0)
}

#[derive(Clone, Copy)]
enum Change {
    Role(Role),
    Disable,
    Enable,
}

async fn change(store: &Store, name: &str, change: Change) -> Result<(), Failure> {
    let name = name::normal(name)?;
    let refused = {
        let name = name.clone();
        store.write(move |conn| {
            let name = name.clone();
            Box::pin(async move {
                let refused = refusal(conn, &name, change).await?;
                if refused.is_none() {
                    apply(conn, &name, change).await?;
                }
                Ok(refused)
            })
        })
    };
    match refused.await? {
        None => Ok(()),
        Some(refused) => Err(refused.arg("name", name)),
    }
}

/// Why not: there is no such person, or nobody would be left who may manage people.
async fn refusal(conn: &mut AnyConnection, name: &str, change: Change) -> naru_store::Result<Option<Failure>> {
    let person = sqlx::query("SELECT role, disabled FROM web_person WHERE name = $1").bind(name);
    let Some(row) = person.fetch_optional(&mut *conn).await? else {
        return Ok(Some(Failure::not_found("person-unknown")));
    };
    let is_admin = stored_role(row.try_get(0)?)? == Role::Admin && !flag(&row, 1)?;
    if !is_admin || matches!(change, Change::Role(Role::Admin) | Change::Enable) {
        return Ok(None);
    }
    let text = "SELECT COUNT(*) FROM web_person WHERE role = 'admin' AND disabled = 0";
    let admins: i64 = sqlx::query_scalar(text).fetch_one(conn).await?;
    Ok((admins == 1).then(|| Failure::conflict("person-last-admin")))
}

async fn apply(conn: &mut AnyConnection, name: &str, change: Change) -> naru_store::Result<()> {
    let texts: &[&'static str] = match change {
        Change::Role(role) => {
            let update = sqlx::query("UPDATE web_person SET role = $1 WHERE name = $2").bind(role.name()).bind(name);
            update.execute(conn).await?;
            return Ok(());
        }
        Change::Disable => &[
            "UPDATE web_person SET disabled = 1 WHERE name = $1",
            "DELETE FROM web_session WHERE person = $1",
            "DELETE FROM web_link WHERE person = $1",
        ],
        Change::Enable => &["UPDATE web_person SET disabled = 0 WHERE name = $1"],
    };
    for text in texts {
        sqlx::query(*text).bind(name).execute(&mut *conn).await?;
    }
    Ok(())
}
