//! Proving the account: every frame and every state row is read and counted again, and held against what is written.

use std::collections::BTreeMap;

use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::Store;
use naru_store::error::StoreError;
use serde::Serialize;
use sqlx::Row;

use crate::account::Account;
use crate::frame::Frame;
use crate::rows;
use crate::side::{Side, SideRow, State};

/// Frames read at once.
const PAGE: i64 = 64;
/// Findings listed; what is beyond is counted.
const FINDINGS_MAX: usize = 100;

/// What an audit found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Audit {
    /// Everything in the store.
    pub total: Account,
    /// By campaign; messages of the API have no id.
    pub campaigns: BTreeMap<String, Account>,
    /// Frames read.
    pub frames: u64,
    /// Frames set aside because a byte of them changed.
    pub set_aside: u64,
    /// What does not hold.
    pub findings: Vec<String>,
    /// Findings beyond those listed.
    pub more_findings: u64,
}

impl Audit {
    /// Whether everything holds.
    pub fn balances(&self) -> bool {
        self.findings.is_empty() && self.total.balances()
    }

    fn find(&mut self, what: String) {
        if self.findings.len() < FINDINGS_MAX { self.findings.push(what) } else { self.more_findings += 1 }
    }
}

/// Audits the whole store. What changes while it reads is judged by each frame as it was read.
pub async fn audit(store: &Store) -> Result<Audit, Failure> {
    let mut audit = Audit::default();
    let imported = imported(store).await?;
    let mut after = vec![];
    loop {
        let rows = sqlx::query(
            "SELECT f.id, s.seq, f.campaign, f.count, f.body, s.states, s.codes, s.checksum, s.open, s.pending,
                 s.unknown, s.sent, s.failed, s.expired, s.suppressed, s.cancelled, s.delivered, s.frame
             FROM dispatch_frame f LEFT JOIN dispatch_side s ON s.frame = f.id
             WHERE f.id > $1 ORDER BY f.id LIMIT $2",
        )
        .bind(after.clone())
        .bind(PAGE)
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::from)?;
        for row in &rows {
            audit_frame(&mut audit, row).map_err(StoreError::from)?;
        }
        let Some(last) = rows.last() else { break };
        after = last.try_get(0).map_err(StoreError::from)?;
    }
    orphans(store, &mut audit).await?;
    for (campaign, accepted) in imported {
        let found = audit.campaigns.get(&campaign).map_or(0, |account| account.accepted);
        if found != accepted {
            audit.find(format!("campaign {campaign}: {accepted} messages were accepted, {found} are stored"));
        }
    }
    Ok(audit)
}

fn audit_frame(audit: &mut Audit, row: &sqlx::any::AnyRow) -> Result<(), sqlx::Error> {
    audit.frames += 1;
    let id = Id::from_bytes(&row.try_get::<Vec<u8>, _>(0)?).unwrap_or_default();
    let campaign = row.try_get::<Option<Vec<u8>>, _>(2)?.and_then(|bytes| Id::from_bytes(&bytes));
    let count = row.try_get::<i64, _>(3)? as usize;
    if row.try_get::<Option<Vec<u8>>, _>(17)?.is_none() {
        audit.find(format!("frame {id}: its states are missing"));
        return Ok(());
    }
    let aside = row.try_get::<i64, _>(8)? == 2;
    audit.set_aside += u64::from(aside);
    let side = SideRow { states: row.try_get(5)?, codes: row.try_get(6)?, checksum: row.try_get(7)? };
    let Some(side) = Side::read(&side) else {
        audit.find(format!("frame {id}: a byte of its states has changed since they were written"));
        return Ok(());
    };
    if let Err(error) = body(&row.try_get::<Vec<u8>, _>(4)?, count)
        && !aside
    {
        audit.find(format!("frame {id}: {error}"));
    }
    let account = side.account();
    let columns = [State::Pending, State::Unknown, State::Sent, State::Failed].into_iter().chain([
        State::Expired,
        State::Suppressed,
        State::Cancelled,
        State::Delivered,
    ]);
    for (index, state) in columns.enumerate() {
        let written = row.try_get::<i64, _>(9 + index)? as u64;
        if written != account.of(state) {
            audit.find(format!("frame {id}: {} are {}, {written} are written", account.of(state), state.name()));
        }
    }
    if side.count() != count {
        audit.find(format!("frame {id}: {count} messages accepted, {} states", side.count()));
    }
    audit.total.join(&account);
    if let Some(campaign) = campaign {
        audit.campaigns.entry(campaign.to_string()).or_default().join(&account);
    }
    Ok(())
}

fn body(bytes: &[u8], count: usize) -> Result<(), String> {
    let frame = Frame::read(bytes).map_err(|error| error.to_string())?;
    if frame.count() == count { Ok(()) } else { Err(format!("{count} messages accepted, {} packed", frame.count())) }
}

/// What intake says it accepted, for campaigns that are taken in completely; less what retention removed.
async fn imported(store: &Store) -> Result<Vec<(String, u64)>, Failure> {
    let rows = sqlx::query(
        "SELECT i.campaign, i.accepted, c.kept FROM dispatch_import i JOIN dispatch_campaign c ON c.id = i.campaign
         WHERE i.state = 'complete'",
    )
    .fetch_all(store.reader())
    .await
    .map_err(StoreError::from)?;
    let mut list = Vec::with_capacity(rows.len());
    for row in &rows {
        let id = rows::id_column(row.try_get(0).map_err(StoreError::from)?)?;
        let kept: String = row.try_get(2).map_err(StoreError::from)?;
        let kept: Account = serde_json::from_str(&kept).map_err(Failure::bug)?;
        let accepted = row.try_get::<i64, _>(1).map_err(StoreError::from)? as u64;
        list.push((id.to_string(), accepted.saturating_sub(kept.accepted)));
    }
    Ok(list)
}

async fn orphans(store: &Store, audit: &mut Audit) -> Result<(), Failure> {
    let count: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM dispatch_side s WHERE NOT EXISTS (SELECT 1 FROM dispatch_frame f WHERE f.id = s.frame)",
    )
    .fetch_one(store.reader())
    .await
    .map_err(StoreError::from)?;
    if count > 0 {
        audit.find(format!("{count} rows of states have no frame"));
    }
    Ok(())
}
