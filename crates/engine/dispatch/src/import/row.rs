//! The row of an import: whose it is, how far it is, and how it ended.

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::error::StoreError;
use naru_store::{Result, Store};
use sqlx::{AnyConnection, Row};

use super::{Done, ImportKey};
use crate::campaign::{self, CampaignState, NewCampaign};
use crate::message::Purpose;
use crate::rows;

/// An import that was not heard of for so long may be taken over.
pub(super) const LEASE_MS: Millis = 15_000;

/// How an import stands to whoever begins it.
pub(super) enum Opened {
    Busy,
    Finished(Done),
    Cancelled(Id),
    /// It leaves already, and whoever goes on with it wants it to be held.
    Leaves(Id),
    Mine(ImportRow),
}

/// What it goes on with.
pub(super) struct ImportRow {
    pub(super) campaign: Id,
    pub(super) lines: u64,
    pub(super) accepted: u64,
    pub(super) started_at: Millis,
    pub(super) lane: String,
    pub(super) purpose: Purpose,
    pub(super) leaves: bool,
}

/// Makes the row, or takes it over where nobody feeds it.
pub(super) async fn open(
    conn: &mut AnyConnection,
    key: ImportKey,
    new: &NewCampaign,
    holder: Id,
    instance: &str,
) -> Result<Opened> {
    let now = new.created_at;
    // Locked before it is read: whoever ran it before may be gone and its last commit still under way, and lines that it
    // stores are not to be taken once more.
    sqlx::query("UPDATE dispatch_import SET holder = holder WHERE key = $1")
        .bind(key.to_vec())
        .execute(&mut *conn)
        .await?;
    let row = sqlx::query(
        "SELECT i.campaign, i.state, i.expires_at, i.lines, i.accepted, i.refused, i.started_at, c.version,
             c.lane, c.purpose, c.state
         FROM dispatch_import i JOIN dispatch_campaign c ON c.id = i.campaign WHERE i.key = $1",
    )
    .bind(key.to_vec())
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return insert(conn, key, new, holder, instance).await.map(Opened::Mine) };
    let number = |index: usize| -> Result<u64> { Ok(row.try_get::<i64, _>(index)? as u64) };
    let campaign = rows::id_column(row.try_get(0)?)?;
    match row.try_get::<String, _>(1)?.as_str() {
        "complete" => return Ok(Opened::Finished(Done { campaign, accepted: number(4)?, refused: number(5)? })),
        "cancelled" => return Ok(Opened::Cancelled(campaign)),
        _ => {}
    }
    // Rows of two versions of its template would stand under one. Whoever has another one looked before this began.
    if row.try_get::<i64, _>(2)? > now || number(7)? != u64::from(new.version) {
        return Ok(Opened::Busy);
    }
    let leaves = row.try_get::<String, _>(10)? != CampaignState::Loading.name();
    if new.hold && leaves {
        return Ok(Opened::Leaves(campaign));
    }
    if new.hold {
        // Begun without it, by another way in: whoever goes on was told that nothing leaves at the end.
        let hold = "UPDATE dispatch_campaign SET hold = 1, start_at = COALESCE($1, start_at)
             WHERE id = $2 AND state = 'loading'";
        sqlx::query(hold).bind(new.start_at).bind(campaign.0.to_vec()).execute(&mut *conn).await?;
    }
    // Why the last run stopped is over.
    sqlx::query("UPDATE dispatch_import SET holder = $1, expires_at = $2, instance = $3, summary = '' WHERE key = $4")
        .bind(holder.0.to_vec())
        .bind(now + LEASE_MS)
        .bind(instance)
        .bind(key.to_vec())
        .execute(&mut *conn)
        .await?;
    // As the first run began it: a route or a flag that has changed since would tear the campaign in two.
    let purpose: String = row.try_get(9)?;
    let damaged = || StoreError::Damaged { what: format!("the purpose of campaign {campaign}") };
    Ok(Opened::Mine(ImportRow {
        campaign,
        lines: number(3)?,
        accepted: number(4)?,
        started_at: row.try_get(6)?,
        lane: row.try_get(8)?,
        purpose: purpose.parse().map_err(|()| damaged())?,
        leaves,
    }))
}

async fn insert(
    conn: &mut AnyConnection,
    key: ImportKey,
    new: &NewCampaign,
    holder: Id,
    instance: &str,
) -> Result<ImportRow> {
    let now = new.created_at;
    campaign::insert(conn, new).await?;
    sqlx::query(
        "INSERT INTO dispatch_import (key, campaign, state, holder, expires_at, lines, accepted, refused, started_at,
             instance)
         VALUES ($1, $2, 'running', $3, $4, 0, 0, 0, $5, $6)",
    )
    .bind(key.to_vec())
    .bind(new.id.0.to_vec())
    .bind(holder.0.to_vec())
    .bind(now + LEASE_MS)
    .bind(now)
    .bind(instance)
    .execute(&mut *conn)
    .await?;
    Ok(ImportRow {
        campaign: new.id,
        lines: 0,
        accepted: 0,
        started_at: now,
        lane: new.lane.clone(),
        purpose: new.purpose,
        leaves: new.stream,
    })
}

/// Frees the leases of imports that a dead process left; only where one process owns the store.
pub async fn free_all(conn: &mut AnyConnection) -> Result<()> {
    sqlx::query("UPDATE dispatch_import SET expires_at = 0 WHERE state = 'running'").execute(conn).await?;
    Ok(())
}

/// Locks the import of a campaign, if it has one.
pub async fn lock(conn: &mut AnyConnection, campaign: Id) -> Result<()> {
    sqlx::query("UPDATE dispatch_import SET holder = holder WHERE campaign = $1")
        .bind(campaign.0.to_vec())
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends the import of a campaign that is cancelled: whoever feeds it is told at its next commit.
pub async fn cancel(conn: &mut AnyConnection, campaign: Id) -> Result<()> {
    sqlx::query("UPDATE dispatch_import SET state = 'cancelled' WHERE campaign = $1 AND state = 'running'")
        .bind(campaign.0.to_vec())
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) fn cancelled(campaign: Id) -> Failure {
    Failure::conflict("import-cancelled").arg("campaign", campaign)
}

/// How a campaign's file was taken in, or is.
#[derive(Clone, Debug)]
pub struct ImportView {
    /// Its name.
    pub key: ImportKey,
    /// Whether all of it is in the store.
    pub is_complete: bool,
    /// Whether somebody reads it now.
    pub is_fed: bool,
    /// Lines that are durable, refused ones included.
    pub lines: u64,
    /// What whoever read it said of it at its end, or of why it stopped; empty where nothing.
    pub summary: String,
    /// The instance that read it last.
    pub instance: String,
}

/// The import of a campaign, if it came from a file.
pub async fn of_campaign(store: &Store, campaign: Id, now: Millis) -> Result<Option<ImportView>> {
    let row =
        sqlx::query("SELECT key, state, expires_at, lines, summary, instance FROM dispatch_import WHERE campaign = $1");
    let Some(row) = row.bind(campaign.0.to_vec()).fetch_optional(store.reader()).await? else { return Ok(None) };
    let key: Vec<u8> = row.try_get(0)?;
    let state: String = row.try_get(1)?;
    let damaged = |_| StoreError::Damaged { what: format!("the import of campaign {campaign}") };
    Ok(Some(ImportView {
        key: key.try_into().map_err(damaged)?,
        is_complete: state == "complete",
        is_fed: state == "running" && row.try_get::<i64, _>(2)? > now,
        lines: row.try_get::<i64, _>(3)? as u64,
        summary: row.try_get(4)?,
        instance: row.try_get(5)?,
    }))
}

/// Keeps why an import stopped, until somebody goes on with it.
pub async fn stopped(conn: &mut AnyConnection, key: ImportKey, summary: &str) -> Result<()> {
    sqlx::query("UPDATE dispatch_import SET summary = $1 WHERE key = $2 AND state = 'running'")
        .bind(summary)
        .bind(key.to_vec())
        .execute(conn)
        .await?;
    Ok(())
}

/// The version of its template that an import was begun with; it goes on with that one.
pub async fn version(store: &Store, key: ImportKey) -> Result<Option<u32>> {
    let version: Option<i64> = sqlx::query_scalar(
        "SELECT c.version FROM dispatch_import i JOIN dispatch_campaign c ON c.id = i.campaign WHERE i.key = $1",
    )
    .bind(key.to_vec())
    .fetch_optional(store.reader())
    .await?;
    Ok(version.map(|version| version as u32))
}

/// Why an import may store no more; where it is complete by our own commit, whether its campaign has begun to leave.
pub(super) async fn ended(
    conn: &mut AnyConnection,
    key: ImportKey,
    holder: Id,
    campaign: Id,
) -> Result<std::result::Result<bool, Failure>> {
    let row = sqlx::query(
        "SELECT i.state, i.holder, c.state FROM dispatch_import i JOIN dispatch_campaign c ON c.id = i.campaign
         WHERE i.key = $1",
    );
    let row = row.bind(key.to_vec()).fetch_one(conn).await?;
    let is_mine = row.try_get::<Vec<u8>, _>(1)? == holder.0;
    Ok(match row.try_get::<String, _>(0)?.as_str() {
        "cancelled" => Err(cancelled(campaign)),
        "complete" if is_mine => Ok(row.try_get::<String, _>(2)? == CampaignState::Running.name()),
        // Another run took it over: what this one still holds is that one's to store.
        _ => Err(Failure::conflict("import-taken-over")),
    })
}
