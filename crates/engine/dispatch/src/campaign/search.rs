//! Campaigns looked for by a part of their name and by where they stand, newest first, page by page.
//!
//! Names are compared here and not by the engine, which knows of upper and lower case only what is ASCII. What is looked
//! through is read along the index of when campaigns were made, and bounded.

use std::collections::HashSet;

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::error::StoreError;
use naru_store::{Result, Store};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Campaign, CampaignState, shown};
use crate::rows;

/// Campaigns looked through by one search; the next one goes on behind them.
pub const LOOKED_MAX: usize = 10_000;
/// Of which so many are read at once.
const READ: usize = 500;

/// What is looked for; everything where nothing is said.
#[derive(Clone, Debug, Default)]
pub struct Sought {
    /// A part of the name, in whatever case.
    pub name: String,
    /// Where it stands.
    pub state: Option<CampaignState>,
    /// Older than this one.
    pub before: Option<Id>,
}

/// A page of what was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Newest first.
    pub campaigns: Vec<Campaign>,
    /// Before which campaign to go on, where there are older ones.
    pub next: Option<Id>,
}

/// Finds at most `limit`.
pub async fn search(store: &Store, sought: &Sought, limit: usize) -> std::result::Result<Found, Failure> {
    let name = sought.name.to_lowercase();
    let is_plain = name.is_empty() && sought.state.is_none();
    let unsent = match sought.state {
        Some(CampaignState::Running | CampaignState::Done) => unsent(store).await?,
        _ => HashSet::new(),
    };
    let mut place = match sought.before {
        Some(id) => place_of(store, id).await?,
        None => (Millis::MAX, Vec::new()),
    };
    let (mut ids, mut looked, mut next) = (Vec::new(), 0, None);
    'pages: loop {
        let read = if is_plain { limit + 1 } else { READ };
        let entries = entries(store, &place, read).await?;
        for entry in &entries {
            let is_meant = entry.name.to_lowercase().contains(&name)
                && sought.state.is_none_or(|state| state == entry.state(&unsent));
            if is_meant && ids.len() == limit {
                next = ids.last().copied();
                break 'pages;
            }
            if is_meant {
                ids.push(entry.id);
            }
        }
        looked += entries.len();
        let Some(last) = entries.last().filter(|_| entries.len() == read) else { break };
        if looked >= LOOKED_MAX {
            next = Some(last.id);
            break;
        }
        place = (last.created_at, last.id.0.to_vec());
    }
    Ok(Found { campaigns: shown(store, &ids).await?, next })
}

/// A campaign as far as a search needs it.
struct Entry {
    id: Id,
    created_at: Millis,
    name: String,
    stored: CampaignState,
    loaded: bool,
}

impl Entry {
    fn read(row: &AnyRow) -> Result<Entry> {
        Ok(Entry {
            id: rows::id_column(row.try_get(0)?)?,
            created_at: row.try_get(1)?,
            name: row.try_get(2)?,
            stored: CampaignState::from_name(&row.try_get::<String, _>(3)?)?,
            loaded: row.try_get::<Option<String>, _>(4)?.is_none_or(|state| state == "complete"),
        })
    }

    /// Where it stands, with the campaigns of which something is not sent.
    fn state(&self, unsent: &HashSet<Id>) -> CampaignState {
        self.stored.now(self.loaded, unsent.contains(&self.id))
    }
}

/// The next campaigns behind a place in the order of when they were made.
async fn entries(store: &Store, (at, id): &(Millis, Vec<u8>), limit: usize) -> Result<Vec<Entry>> {
    let rows = sqlx::query(
        "SELECT c.id, c.created_at, c.name, c.state, i.state
         FROM dispatch_campaign c LEFT JOIN dispatch_import i ON i.campaign = c.id
         WHERE c.created_at <= $1 AND (c.created_at < $1 OR c.id < $2)
         ORDER BY c.created_at DESC, c.id DESC LIMIT $3",
    )
    .bind(*at)
    .bind(id.clone())
    .bind(limit as i64)
    .fetch_all(store.reader())
    .await?;
    rows.iter().map(Entry::read).collect()
}

async fn place_of(store: &Store, id: Id) -> std::result::Result<(Millis, Vec<u8>), Failure> {
    let at = sqlx::query_scalar("SELECT created_at FROM dispatch_campaign WHERE id = $1").bind(id.0.to_vec());
    let at: Option<Millis> = at.fetch_optional(store.reader()).await.map_err(StoreError::from)?;
    let at = at.ok_or_else(|| Failure::not_found("campaign-unknown").arg("campaign", id))?;
    Ok((at, id.0.to_vec()))
}

/// Campaigns of which something is not sent. Looks at frames that wait, and not at what a month has left in the store.
async fn unsent(store: &Store) -> Result<HashSet<Id>> {
    let text = "SELECT DISTINCT campaign FROM dispatch_side WHERE open = 1 AND campaign IS NOT NULL";
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(text).fetch_all(store.reader()).await?;
    rows.into_iter().map(rows::id_column).collect()
}
