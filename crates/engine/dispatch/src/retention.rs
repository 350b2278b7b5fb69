//! Letting go: a frame and all about it leaves `keep_days` after its last word, and its campaign keeps the totals.

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::{Result, Store};
use sqlx::{AnyConnection, Row};

use crate::account::Account;
use crate::{history, key, rows};

/// Frames of one commit: keeps it far under 50 ms.
const FRAMES_PER_COMMIT: i64 = 25;
/// Commits of one run; the next run goes on.
const COMMITS_MAX: usize = 2_000;

/// Removes what is older than `keep_days`, and the tables of idempotency keys that are over.
pub async fn run(store: &Store, now: Millis, keep_days: u32) -> std::result::Result<(), Failure> {
    let before = now - Millis::from(keep_days) * 86_400_000;
    store.write(move |conn| Box::pin(async move { key::drop_old(conn, now).await })).await?;
    for _ in 0..COMMITS_MAX {
        if store.write(move |conn| Box::pin(async move { history::remove_some(conn, before).await })).await? == 0 {
            break;
        }
    }
    for _ in 0..COMMITS_MAX {
        let removed = store.write(move |conn| Box::pin(async move { remove_some(conn, before).await })).await?;
        if removed < FRAMES_PER_COMMIT as usize {
            break;
        }
    }
    Ok(())
}

async fn remove_some(conn: &mut AnyConnection, before: Millis) -> Result<usize> {
    let rows = sqlx::query(
        "SELECT frame, campaign, pending, unknown, sent, failed, expired, suppressed, cancelled, delivered
         FROM dispatch_side WHERE open = 0 AND changed_at < $1 ORDER BY changed_at LIMIT $2",
    )
    .bind(before)
    .bind(FRAMES_PER_COMMIT)
    .fetch_all(&mut *conn)
    .await?;
    for row in &rows {
        let frame: Vec<u8> = row.try_get(0)?;
        if let Some(campaign) = row.try_get::<Option<Vec<u8>>, _>(1)? {
            keep_totals(conn, rows::id_column(campaign)?, &account(row)?).await?;
        }
        for text in [
            "DELETE FROM dispatch_side WHERE frame = $1",
            "DELETE FROM dispatch_find WHERE frame = $1",
            "DELETE FROM dispatch_retry WHERE frame = $1",
            "DELETE FROM dispatch_chunk WHERE frame = $1",
            "DELETE FROM dispatch_frame WHERE id = $1",
        ] {
            sqlx::query(text).bind(frame.clone()).execute(&mut *conn).await?;
        }
    }
    Ok(rows.len())
}

fn account(row: &sqlx::any::AnyRow) -> Result<Account> {
    let term = |index: usize| -> Result<u64> { Ok(row.try_get::<i64, _>(index)? as u64) };
    let mut account = Account {
        accepted: 0,
        pending: term(2)?,
        unknown: term(3)?,
        sent: term(4)?,
        failed: term(5)?,
        expired: term(6)?,
        suppressed: term(7)?,
        cancelled: term(8)?,
        delivered: term(9)?,
    };
    account.accepted = crate::side::State::ALL.iter().map(|state| account.of(*state)).sum();
    Ok(account)
}

async fn keep_totals(conn: &mut AnyConnection, campaign: Id, account: &Account) -> Result<()> {
    let kept: Option<String> = sqlx::query_scalar("SELECT kept FROM dispatch_campaign WHERE id = $1")
        .bind(campaign.0.to_vec())
        .fetch_optional(&mut *conn)
        .await?;
    let mut total: Account = kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    total.join(account);
    sqlx::query("UPDATE dispatch_campaign SET kept = $1 WHERE id = $2")
        .bind(serde_json::to_string(&total).unwrap_or_default())
        .bind(campaign.0.to_vec())
        .execute(&mut *conn)
        .await?;
    Ok(())
}
