//! Refusals: entered and lifted.

use std::sync::Arc;

use naru_core::clock::Millis;
use naru_core::masked::Address;
use naru_dispatch::message::Channel;
use naru_store::{Result, Store};
use sqlx::AnyConnection;

use crate::ledger::{Scope, channel_name, next_change};

/// A refusal to store.
#[derive(Clone, Debug)]
pub struct Block {
    /// In its normal form.
    pub address: Address,
    /// On this channel, or on every one.
    pub channel: Option<Channel>,
    /// Of what.
    pub scope: Scope,
    /// The reason, in the words of who entered it.
    pub why: String,
    /// Who entered it.
    pub who: String,
    /// When.
    pub at: Millis,
}

/// What a refusal changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Whether the same refusal stood before.
    pub stood: bool,
    /// Consents that it withdrew.
    pub withdrawn: u64,
}

/// Stores a refusal and withdraws every consent within its channel: a new one is needed once it is lifted.
pub async fn block(store: &Store, block: Block) -> Result<Blocked> {
    let block = Arc::new(block);
    store
        .write(move |conn| {
            let block = block.clone();
            Box::pin(async move { write_block(conn, &block).await })
        })
        .await
}

/// What a lifting changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifted {
    /// Refusals that were lifted.
    pub blocks: u64,
    /// Refusals of the address that still stand.
    pub standing: i64,
}

/// A lifting to store.
#[derive(Clone, Debug)]
pub struct Lift {
    /// In its normal form.
    pub address: Address,
    /// Only what was refused on this channel, or all.
    pub channel: Option<Channel>,
    /// Who asks for it.
    pub who: String,
    /// When.
    pub at: Millis,
}

/// Lifts an address's refusals. Brings no consent back.
pub async fn lift(store: &Store, lift: Lift) -> Result<Lifted> {
    let lift = Arc::new(lift);
    store
        .write(move |conn| {
            let lift = lift.clone();
            Box::pin(async move { write_lift(conn, &lift).await })
        })
        .await
}

async fn write_block(conn: &mut AnyConnection, block: &Block) -> Result<Blocked> {
    let change = next_change(conn).await?;
    let (address, channel, scope) = (block.address.reveal(), channel_name(block.channel), block.scope.name());
    let standing: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM consent_block WHERE address = $1 AND channel = $2 AND scope = $3 AND lifted_at IS NULL",
    )
    .bind(address)
    .bind(channel)
    .bind(scope)
    .fetch_one(&mut *conn)
    .await?;
    // Entered, lifted and entered again within a millisecond: the last word stands.
    sqlx::query(
        "INSERT INTO consent_block (address, channel, scope, blocked_at, why, who, change)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (address, channel, scope, blocked_at)
         DO UPDATE SET lifted_at = NULL, lifted_by = NULL, change = excluded.change",
    )
    .bind(address)
    .bind(channel)
    .bind(scope)
    .bind(block.at)
    .bind(block.why.as_str())
    .bind(block.who.as_str())
    .bind(change)
    .execute(&mut *conn)
    .await?;
    let withdrawn = sqlx::query(
        "UPDATE consent_ad SET withdrawn_at = $1, change = $2
         WHERE address = $3 AND ($4 = 'all' OR channel = $4) AND withdrawn_at IS NULL",
    )
    .bind(block.at)
    .bind(change)
    .bind(address)
    .bind(channel)
    .execute(&mut *conn)
    .await?
    .rows_affected();
    Ok(Blocked { stood: standing > 0, withdrawn })
}

async fn write_lift(conn: &mut AnyConnection, lift: &Lift) -> Result<Lifted> {
    let change = next_change(conn).await?;
    let blocks = sqlx::query(
        "UPDATE consent_block SET lifted_at = $1, lifted_by = $2, change = $3
         WHERE address = $4 AND ($5 = 'all' OR channel = $5) AND lifted_at IS NULL",
    )
    .bind(lift.at)
    .bind(lift.who.as_str())
    .bind(change)
    .bind(lift.address.reveal())
    .bind(channel_name(lift.channel))
    .execute(&mut *conn)
    .await?
    .rows_affected();
    let standing = sqlx::query_scalar("SELECT COUNT(*) FROM consent_block WHERE address = $1 AND lifted_at IS NULL")
        .bind(lift.address.reveal())
        .fetch_one(&mut *conn)
        .await?;
    Ok(Lifted { blocks, standing })
}
