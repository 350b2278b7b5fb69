//! Campaigns as the engine sees them: frames that belong together, may wait, be stopped and be summed up.

pub mod search;

use std::collections::HashMap;

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::error::StoreError;
use naru_store::{Result, Store};
use serde::Serialize;
use sqlx::{AnyConnection, Row};

use crate::account::Account;
use crate::message::Purpose;
use crate::notice::{self, Awaited};
use crate::{import, rows};

/// Where a campaign stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CampaignState {
    /// Its file is being taken in; nothing leaves yet.
    Loading,
    /// Its file is taken in, and it waits for a person's word or for its time.
    Held,
    /// Its messages leave.
    Running,
    /// A person stopped it for now.
    Paused,
    /// A person ended it.
    Cancelled,
    /// Nothing is left to send.
    Done,
}

impl CampaignState {
    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            CampaignState::Loading => "loading",
            CampaignState::Held => "held",
            CampaignState::Running => "running",
            CampaignState::Paused => "paused",
            CampaignState::Cancelled => "cancelled",
            CampaignState::Done => "done",
        }
    }

    /// From its stored name.
    pub fn from_name(name: &str) -> Result<CampaignState> {
        [CampaignState::Loading, CampaignState::Running, CampaignState::Paused, CampaignState::Cancelled]
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| StoreError::Damaged { what: format!("a campaign in state {name:?}") })
    }

    /// Every state, in the order in which a campaign goes through them.
    pub const ALL: [CampaignState; 6] = [
        CampaignState::Loading,
        CampaignState::Held,
        CampaignState::Running,
        CampaignState::Paused,
        CampaignState::Cancelled,
        CampaignState::Done,
    ];

    /// Where a campaign stands that is stored so: one is done or held by what has become of its file and its messages.
    fn now(self, loaded: bool, is_unsent: bool) -> CampaignState {
        match self {
            CampaignState::Running if loaded && !is_unsent => CampaignState::Done,
            CampaignState::Loading if loaded => CampaignState::Held,
            state => state,
        }
    }
}

/// A campaign with its counts.
#[derive(Clone, Debug, Serialize)]
pub struct Campaign {
    /// Its id.
    pub id: Id,
    /// What its sender called it.
    pub name: String,
    /// The template.
    pub template: String,
    /// Its version.
    pub version: u32,
    /// The lane it leaves by.
    pub lane: String,
    /// Why it is sent.
    pub purpose: Purpose,
    /// Where it stands.
    pub state: CampaignState,
    /// The file it came from.
    pub source: String,
    /// When it was made.
    pub created_at: Millis,
    /// By whom.
    pub created_by: String,
    /// When it began to leave.
    pub started_at: Option<Millis>,
    /// When it is to begin by itself.
    pub start_at: Option<Millis>,
    /// Rows of its file that were refused.
    pub refused: u64,
    /// Whether its file is taken in completely.
    pub loaded: bool,
    /// Its counts.
    pub account: Account,
    /// When anything of it last changed.
    pub changed_at: Option<Millis>,
}

/// What a new campaign begins with.
#[derive(Clone, Debug)]
pub struct NewCampaign {
    /// Its id.
    pub id: Id,
    /// What its sender calls it.
    pub name: String,
    /// The template.
    pub template: String,
    /// Its version.
    pub version: u32,
    /// The lane.
    pub lane: String,
    /// Why it is sent.
    pub purpose: Purpose,
    /// Whether it leaves while its file is taken in.
    pub stream: bool,
    /// Whether it waits for a person's word when its file is taken in.
    pub hold: bool,
    /// When it begins by itself, if it waits.
    pub start_at: Option<Millis>,
    /// The file it comes from.
    pub source: String,
    /// When.
    pub created_at: Millis,
    /// By whom.
    pub created_by: String,
}

/// Makes a campaign.
pub async fn insert(conn: &mut AnyConnection, new: &NewCampaign) -> Result<()> {
    let state = if new.stream { CampaignState::Running } else { CampaignState::Loading };
    sqlx::query(
        "INSERT INTO dispatch_campaign (id, name, template, version, lane, purpose, state, source, created_at,
             created_by, started_at, kept, hold, start_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(new.id.0.to_vec())
    .bind(new.name.as_str())
    .bind(new.template.as_str())
    .bind(i64::from(new.version))
    .bind(new.lane.as_str())
    .bind(new.purpose.name())
    .bind(state.name())
    .bind(new.source.as_str())
    .bind(new.created_at)
    .bind(new.created_by.as_str())
    .bind(new.stream.then_some(new.created_at))
    .bind(serde_json::to_string(&Account::default()).unwrap_or_default())
    .bind(i64::from(new.hold))
    .bind(new.start_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// What became of a wish to move a campaign.
pub struct Shifted {
    /// Its lane.
    pub lane: String,
    /// Where it stood.
    pub was: CampaignState,
    /// Who is to take notice, where it moved.
    pub awaited: Vec<Awaited>,
}

/// Moves a campaign from one of `from` to `to` and gives its lane notice, or answers `None` where it is not there.
/// With a cancel its import ends: whatever is read of its file after that is not stored.
pub async fn shift(
    conn: &mut AnyConnection,
    id: Id,
    from: &[CampaignState],
    to: CampaignState,
    now: Millis,
) -> Result<Option<Shifted>> {
    if to == CampaignState::Cancelled {
        // Before the campaign's row, in the order in which an import locks the two.
        import::row::lock(conn, id).await?;
    }
    // Locked, so that of two who move it at one time the second sees what the first did.
    let row = sqlx::query("UPDATE dispatch_campaign SET state = state WHERE id = $1 RETURNING lane, state")
        .bind(id.0.to_vec())
        .fetch_optional(&mut *conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut was = CampaignState::from_name(&row.try_get::<String, _>(1)?)?;
    if was == CampaignState::Running && is_done(conn, id).await? {
        was = CampaignState::Done;
    }
    if was == CampaignState::Loading && is_held(conn, id).await? {
        was = CampaignState::Held;
    }
    let lane: String = row.try_get(0)?;
    let mut awaited = Vec::new();
    if from.contains(&was) {
        if to == CampaignState::Cancelled {
            import::row::cancel(conn, id).await?;
        }
        sqlx::query("UPDATE dispatch_campaign SET state = $1, started_at = COALESCE(started_at, $2) WHERE id = $3")
            .bind(to.name())
            .bind((to == CampaignState::Running).then_some(now))
            .bind(id.0.to_vec())
            .execute(&mut *conn)
            .await?;
        awaited = notice::give(conn, Id::new(now), &lane, id).await?;
    }
    Ok(Some(Shifted { lane, was, awaited }))
}

/// Whether a campaign that does not leave yet is taken in completely: it is held, since it would have begun with that.
/// Its stored state stays the one in which no frame leaves, so that nothing can between two commits.
async fn is_held(conn: &mut AnyConnection, id: Id) -> Result<bool> {
    let loaded = sqlx::query("SELECT 1 FROM dispatch_import WHERE campaign = $1 AND state = 'complete'");
    Ok(loaded.bind(id.0.to_vec()).fetch_optional(conn).await?.is_some())
}

/// Says when a campaign begins by itself, or that it does not; answers whether it waits at all, and locks it if so.
pub async fn schedule(conn: &mut AnyConnection, id: Id, at: Option<Millis>) -> Result<bool> {
    let set =
        sqlx::query("UPDATE dispatch_campaign SET start_at = $1 WHERE id = $2 AND state = 'loading' AND hold = 1");
    Ok(set.bind(at).bind(id.0.to_vec()).execute(conn).await?.rows_affected() == 1)
}

/// Campaigns that are held and whose time has come.
pub async fn due(store: &Store, now: Millis) -> Result<Vec<Id>> {
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT c.id FROM dispatch_campaign c JOIN dispatch_import i ON i.campaign = c.id
         WHERE c.state = 'loading' AND c.hold = 1 AND c.start_at <= $1 AND i.state = 'complete' LIMIT 100",
    )
    .bind(now)
    .fetch_all(store.reader())
    .await?;
    rows.into_iter().map(rows::id_column).collect()
}

/// Whether a campaign waits for a time that has come; locks it if so.
pub async fn is_due(conn: &mut AnyConnection, id: Id, now: Millis) -> Result<bool> {
    let due = sqlx::query("UPDATE dispatch_campaign SET state = state WHERE id = $1 AND hold = 1 AND start_at <= $2");
    Ok(due.bind(id.0.to_vec()).bind(now).execute(conn).await?.rows_affected() == 1)
}

/// Whether a campaign waits for a word when its file is taken in.
pub async fn waits(conn: &mut AnyConnection, id: Id) -> Result<bool> {
    let held = sqlx::query("SELECT 1 FROM dispatch_campaign WHERE id = $1 AND hold = 1");
    Ok(held.bind(id.0.to_vec()).fetch_optional(conn).await?.is_some())
}

/// Whether all of a running campaign is taken in and nothing of it is left to send.
async fn is_done(conn: &mut AnyConnection, id: Id) -> Result<bool> {
    let left = sqlx::query(
        "SELECT 1 FROM dispatch_import WHERE campaign = $1 AND state = 'running'
         UNION ALL SELECT 1 FROM dispatch_side WHERE campaign = $1 AND open = 1 LIMIT 1",
    );
    Ok(left.bind(id.0.to_vec()).fetch_optional(conn).await?.is_none())
}

/// Campaigns of a lane that a person paused or cancelled while something of them was not sent.
pub async fn kept_back(store: &Store, lane: &str) -> Result<Vec<(Id, CampaignState)>> {
    let rows = sqlx::query(
        "SELECT c.id, c.state FROM dispatch_campaign c WHERE c.lane = $1 AND c.state IN ('paused', 'cancelled')
             AND EXISTS (SELECT 1 FROM dispatch_side s WHERE s.campaign = c.id AND s.open = 1)",
    )
    .bind(lane)
    .fetch_all(store.reader())
    .await?;
    rows.iter()
        .map(|row| Ok((rows::id_column(row.try_get(0)?)?, CampaignState::from_name(&row.try_get::<String, _>(1)?)?)))
        .collect()
}

const COLUMNS: &str = "SELECT c.id, c.name, c.template, c.version, c.lane, c.purpose, c.state, c.source, c.created_at,
    c.created_by, c.started_at, c.kept, i.state, CAST(COALESCE(i.refused, 0) AS BIGINT), i.accepted, c.start_at
    FROM dispatch_campaign c LEFT JOIN dispatch_import i ON i.campaign = c.id";

/// One campaign.
pub async fn show(store: &Store, id: Id) -> Result<Option<Campaign>> {
    Ok(shown(store, &[id]).await?.pop())
}

/// Campaigns with these ids, newest first.
async fn shown(store: &Store, ids: &[Id]) -> Result<Vec<Campaign>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let accounts = accounts(store, ids).await?;
    let text = format!("{COLUMNS} WHERE c.id IN ({}) ORDER BY c.created_at DESC, c.id DESC", places(ids.len()));
    let query = ids.iter().fold(sqlx::query(sqlx::AssertSqlSafe(text)), |query, id| query.bind(id.0.to_vec()));
    let rows = query.fetch_all(store.reader()).await?;
    rows.iter().map(|row| read(row, &accounts)).collect()
}

/// `$1, $2, …`
fn places(count: usize) -> String {
    (1..=count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

/// Campaigns whose id begins with `prefix` or whose name is `name`: what a person types. At most two are given.
pub async fn resolve(store: &Store, text: &str) -> std::result::Result<Campaign, Failure> {
    let unknown = || Failure::not_found("campaign-unknown").arg("campaign", text);
    if let Ok(id) = text.parse::<Id>() {
        return show(store, id).await?.ok_or_else(unknown);
    }
    let id: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT id FROM dispatch_campaign WHERE name = $1 ORDER BY created_at DESC LIMIT 1")
            .bind(text)
            .fetch_optional(store.reader())
            .await
            .map_err(StoreError::from)?;
    match id {
        Some(id) => show(store, rows::id_column(id)?).await?.ok_or_else(unknown),
        None => Err(unknown()),
    }
}

fn read(row: &sqlx::any::AnyRow, accounts: &HashMap<Id, (Account, Option<Millis>)>) -> Result<Campaign> {
    let id = rows::id_column(row.try_get(0)?)?;
    let damaged = |what: &str| StoreError::Damaged { what: format!("the {what} of campaign {id}") };
    let kept: Account = serde_json::from_str(&row.try_get::<String, _>(11)?).map_err(|_| damaged("kept totals"))?;
    let (mut account, changed_at) = accounts.get(&id).copied().unwrap_or_default();
    account.join(&kept);
    let state = CampaignState::from_name(&row.try_get::<String, _>(6)?)?;
    let import: Option<String> = row.try_get(12)?;
    let loaded = import.is_none_or(|state| state == "complete");
    Ok(Campaign {
        id,
        name: row.try_get(1)?,
        template: row.try_get(2)?,
        version: row.try_get::<i64, _>(3)? as u32,
        lane: row.try_get(4)?,
        purpose: row.try_get::<String, _>(5)?.parse().map_err(|()| damaged("purpose"))?,
        state: state.now(loaded, account.pending > 0),
        source: row.try_get(7)?,
        created_at: row.try_get(8)?,
        created_by: row.try_get(9)?,
        started_at: row.try_get(10)?,
        start_at: row.try_get(15)?,
        refused: row.try_get::<i64, _>(13)? as u64,
        loaded,
        account,
        changed_at,
    })
}

/// Campaigns' counts: the sums over their frames; none of a campaign without any.
async fn accounts(store: &Store, ids: &[Id]) -> Result<HashMap<Id, (Account, Option<Millis>)>> {
    // One statement, so that both sides of an account are of one moment while frames come in. Each side is read from an
    // index of its own that has all of it.
    let places = places(ids.len());
    let text = format!(
        "SELECT s.pending, s.unknown, s.sent, s.failed, s.expired, s.suppressed, s.cancelled, s.delivered, s.changed_at,
             f.accepted, s.campaign
         FROM (SELECT campaign, CAST(SUM(pending) AS BIGINT) AS pending, CAST(SUM(unknown) AS BIGINT) AS unknown,
                   CAST(SUM(sent) AS BIGINT) AS sent, CAST(SUM(failed) AS BIGINT) AS failed,
                   CAST(SUM(expired) AS BIGINT) AS expired, CAST(SUM(suppressed) AS BIGINT) AS suppressed,
                   CAST(SUM(cancelled) AS BIGINT) AS cancelled, CAST(SUM(delivered) AS BIGINT) AS delivered,
                   MAX(changed_at) AS changed_at
               FROM dispatch_side WHERE campaign IN ({places}) GROUP BY campaign) s
         JOIN (SELECT campaign, CAST(SUM(count) AS BIGINT) AS accepted
               FROM dispatch_frame WHERE campaign IN ({places}) GROUP BY campaign) f ON f.campaign = s.campaign"
    );
    let query = ids.iter().fold(sqlx::query(sqlx::AssertSqlSafe(text)), |query, id| query.bind(id.0.to_vec()));
    let rows = query.fetch_all(store.reader()).await?;
    rows.iter().map(|row| Ok((rows::id_column(row.try_get(10)?)?, account(row)?))).collect()
}

fn account(row: &sqlx::any::AnyRow) -> Result<(Account, Option<Millis>)> {
    let term = |index: usize| -> Result<u64> { Ok(row.try_get::<i64, _>(index)? as u64) };
    let account = Account {
        accepted: term(9)?,
        pending: term(0)?,
        unknown: term(1)?,
        sent: term(2)?,
        failed: term(3)?,
        expired: term(4)?,
        suppressed: term(5)?,
        cancelled: term(6)?,
        delivered: term(7)?,
    };
    Ok((account, row.try_get(8)?))
}
