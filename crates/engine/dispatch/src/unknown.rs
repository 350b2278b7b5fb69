//! What stays unknown: listed with its reason, and settled by a person who found out.
//!
//! A message is left unknown where the provider's level cannot answer, where a look-up failed for hours, where its lane is
//! not configured any more, or where its frame is damaged. Nothing more is sent for it, so what a person says can only add
//! to what is known. It is stored as a receipt is, on the disk before it is answered, and merged by whoever owns the lane:
//! the lane where it runs, on whatever machine, else this process under a lease of its own, as a cancel does it. The states of a damaged frame cannot be written, and are not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::masked::Address;
use naru_store::error::StoreError;
use naru_store::{Result, Store};
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use crate::engine::Dispatch;
use crate::frame::Frame;
use crate::merge::Merge;
use crate::message::{MessageId, Purpose};
use crate::receipt::{self, End, Stored};
use crate::rows::{self, ASIDE};
use crate::shard::Shard;
use crate::side::{Side, SideRow, State};

/// Frames read at once: with their bodies some megabytes.
const FRAMES: i64 = 16;
/// How often and how many times a lease is asked for that a dead owner left: for longer than it lasts.
const TAKE_EVERY: Duration = Duration::from_millis(200);
const TAKES_MAX: usize = 40;
/// The code of what a person settled.
pub const SETTLED: &str = "settled";
/// The reason of what stands in a damaged frame, whatever its own was before.
const DAMAGED: &str = "damaged";

/// Which messages are meant.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Those of one campaign.
    pub campaign: Option<Id>,
    /// Those of one lane.
    pub lane: Option<String>,
}

/// An unknown message.
#[derive(Clone, Debug, Serialize)]
pub struct Unknown {
    /// Its id.
    pub id: String,
    /// Where it was to go, masked; not there where its frame cannot be read.
    pub to: Option<String>,
    /// Why it was sent.
    pub purpose: Option<Purpose>,
    /// Its lane.
    pub lane: String,
    /// Its campaign.
    pub campaign: Option<String>,
    /// Why it is unknown.
    pub code: Option<String>,
    /// When naru took it in.
    pub accepted_at: Millis,
    /// When anything of its frame last changed: it is unknown since then at the latest.
    pub since: Millis,
}

/// One page of unknown messages, in the order in which they were accepted, and how many there are in all.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Page {
    /// Those of this page.
    pub messages: Vec<Unknown>,
    /// All that are meant.
    pub total: u64,
    /// By lane.
    pub lanes: BTreeMap<String, u64>,
    /// Of the total those in damaged frames, which cannot be settled.
    pub damaged: u64,
    /// The last message of this page, where more come after it.
    pub next: Option<String>,
}

/// What became of an attempt to settle.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// Messages by lane.
    pub lanes: BTreeMap<String, u64>,
    /// Named messages that were not settled, and why.
    pub refused: Vec<(String, Failure)>,
    /// Messages in damaged frames that were meant without being named.
    pub damaged: u64,
}

impl Settled {
    /// How many in all.
    pub fn count(&self) -> u64 {
        self.lanes.values().sum()
    }

    fn log(&self, state: State) {
        for (lane, count) in &self.lanes {
            tracing::info!(
                lane.name = lane,
                messages = count,
                message.state = state.name(),
                "unknown messages are settled"
            );
        }
    }
}

/// Lists unknown messages after `after`, at most `limit`.
pub async fn list(
    store: &Store,
    scope: &Scope,
    after: Option<MessageId>,
    limit: usize,
) -> std::result::Result<Page, Failure> {
    let mut page = totals(store, scope).await?;
    let mut from = after.map_or_else(Vec::new, |after| after.frame.0.to_vec());
    loop {
        let found = frames(store, scope, &from, true).await?;
        for held in &found {
            let body = held.body.as_ref().and_then(|body| Frame::read(body).ok());
            let passed = after.filter(|after| after.frame == held.id).map(|after| after.slot);
            page.damaged += held.lost();
            for slot in held.slots().filter(|slot| passed.is_none_or(|passed| *slot > passed)) {
                if page.messages.len() == limit {
                    page.next = page.messages.last().map(|last| last.id.clone());
                    return Ok(page);
                }
                page.messages.push(held.message(slot, body.as_ref()));
            }
        }
        match found.last() {
            Some(last) if found.len() as i64 == FRAMES => from = beyond(last.id),
            _ => return Ok(page),
        }
    }
}

/// Settles named messages: those that are unknown, whatever the others are.
pub async fn settle_named(
    dispatch: &Dispatch,
    names: &[String],
    state: State,
) -> std::result::Result<Settled, Failure> {
    let mut settled = Settled::default();
    let mut by_frame: BTreeMap<Id, BTreeSet<u16>> = BTreeMap::new();
    for name in names {
        match name.parse::<MessageId>() {
            Ok(id) => drop(by_frame.entry(id.frame).or_default().insert(id.slot)),
            Err(_) => settled.refused.push((name.clone(), stranger(name))),
        }
    }
    let mut ends: BTreeMap<String, Vec<End>> = BTreeMap::new();
    for (frame, slots) in by_frame {
        let held = one(dispatch.ctx().store(), frame).await?;
        for slot in slots {
            let id = MessageId { frame, slot };
            match may_settle(held.as_ref(), id) {
                Ok(lane) => ends.entry(lane.to_owned()).or_default().push(end(id, state)),
                Err(failure) => settled.refused.push((id.to_string(), failure)),
            }
        }
    }
    for (lane, ends) in ends {
        store_ends(dispatch, &lane, ends, &mut settled).await?;
    }
    settled.log(state);
    Ok(settled)
}

/// Settles everything that is meant and can be settled.
pub async fn settle_all(dispatch: &Dispatch, scope: &Scope, state: State) -> std::result::Result<Settled, Failure> {
    let mut settled = Settled { damaged: totals(dispatch.ctx().store(), scope).await?.damaged, ..Settled::default() };
    let mut from = Vec::new();
    loop {
        let found = frames(dispatch.ctx().store(), scope, &from, false).await?;
        // A row a frame, as large as the receipts that a lane is used to: many of them wait for it at one time.
        for held in found.iter().filter(|held| !held.aside) {
            settled.damaged += held.lost();
            let ends = held.slots().map(|slot| end(MessageId { frame: held.id, slot }, state)).collect();
            store_ends(dispatch, &held.lane, ends, &mut settled).await?;
        }
        match found.last() {
            Some(last) if found.len() as i64 == FRAMES => from = beyond(last.id),
            _ => {
                settled.log(state);
                return Ok(settled);
            }
        }
    }
}

/// Whether a lane of this name is configured or ever was.
pub async fn knows_lane(dispatch: &Dispatch, lane: &str) -> std::result::Result<bool, Failure> {
    if dispatch.config().lane.contains_key(lane) {
        return Ok(true);
    }
    let row = sqlx::query("SELECT 1 FROM dispatch_shard WHERE lane = $1").bind(lane);
    let row = row.fetch_optional(dispatch.ctx().store().reader()).await.map_err(StoreError::from)?;
    Ok(row.is_some())
}

fn stranger(name: &str) -> Failure {
    Failure::not_found("message-unknown").arg("message", name)
}

fn end(id: MessageId, state: State) -> End {
    (id, state, SETTLED.to_owned())
}

/// The lane of a message that may be settled.
fn may_settle(held: Option<&Held>, id: MessageId) -> std::result::Result<&str, Failure> {
    let held = held.filter(|held| i64::from(id.slot) < held.count).ok_or_else(|| stranger(&id.to_string()))?;
    let side = held.side.as_ref().filter(|_| !held.aside);
    let side = side.ok_or_else(|| Failure::conflict("message-damaged").arg("message", id))?;
    match side.state(id.slot) {
        State::Unknown => Ok(&held.lane),
        state => Err(Failure::conflict("message-not-unknown").arg("message", id).arg("state", state.name())),
    }
}

/// Stores what a person said of messages of one lane, and has it merged.
async fn store_ends(
    dispatch: &Dispatch,
    lane: &str,
    ends: Vec<End>,
    settled: &mut Settled,
) -> std::result::Result<(), Failure> {
    if ends.is_empty() {
        return Ok(());
    }
    let desk = dispatch.desk();
    let count = ends.len() as u64;
    let rows = desk.store(lane, ends).await?;
    *settled.lanes.entry(lane.to_owned()).or_default() += count;
    for (shard, stored) in rows {
        if let Some(stored) = desk.pass_on(&shard, stored).await {
            merge_here(dispatch, &shard, stored).await?;
        }
    }
    Ok(())
}

/// Merges into a shard that nobody carries; whoever carries it elsewhere reads the row.
async fn merge_here(dispatch: &Dispatch, shard: &Shard, stored: Stored) -> std::result::Result<(), Failure> {
    let (store, now) = (dispatch.ctx().store(), dispatch.ctx().clock().now_ms());
    let is_configured = dispatch.config().lane.contains_key(&*shard.lane);
    let mut lease = dispatch.take_free(shard).await?;
    for _ in 0..TAKES_MAX {
        // Nobody else will ever merge for a lane that is gone: its last owner may have died a moment ago.
        if lease.is_some() || is_configured {
            break;
        }
        tokio::time::sleep_until(tokio::time::Instant::now() + TAKE_EVERY).await;
        lease = dispatch.take_free(shard).await?;
    }
    let Some(lease) = lease else { return Ok(()) };
    let row = stored.row;
    let mut merge = Merge::new(store.clone(), shard.clone(), lease.fence);
    merge.take(stored);
    let (_, frames) = merge.split(0, |_| false);
    let merged = merge.store(frames, now)().await;
    dispatch.give_back(&lease).await?;
    if merged?.is_some() {
        receipt::remove(store, row).await?;
    }
    Ok(())
}

/// A frame with unknown messages.
struct Held {
    id: Id,
    lane: String,
    campaign: Option<Id>,
    purpose: Option<Purpose>,
    aside: bool,
    changed_at: Millis,
    accepted_at: Millis,
    count: i64,
    /// None where a byte of it changed.
    side: Option<Side>,
    /// How many are unknown, as written beside the states.
    unknown: u64,
    body: Option<Vec<u8>>,
}

const COLUMNS: &str = "s.frame, s.lane, s.campaign, s.priority, s.open, s.changed_at, s.states, s.codes, s.checksum,
    f.accepted_at, f.count, s.unknown";
const TABLES: &str = "dispatch_side s JOIN dispatch_frame f ON f.id = s.frame";

impl Held {
    fn from_row(row: &AnyRow, with_body: bool) -> Result<Held> {
        let side = SideRow { states: row.try_get(6)?, codes: row.try_get(7)?, checksum: row.try_get(8)? };
        Ok(Held {
            id: rows::id_column(row.try_get(0)?)?,
            lane: row.try_get(1)?,
            campaign: row.try_get::<Option<Vec<u8>>, _>(2)?.map(rows::id_column).transpose()?,
            purpose: Purpose::from_priority(row.try_get(3)?),
            aside: row.try_get::<i64, _>(4)? == ASIDE,
            changed_at: row.try_get(5)?,
            accepted_at: row.try_get(9)?,
            count: row.try_get(10)?,
            side: Side::read(&side),
            unknown: row.try_get::<i64, _>(11)? as u64,
            body: if with_body { row.try_get(12)? } else { None },
        })
    }

    /// How many are unknown and nobody can say which: its states cannot be read, and no lane has come across it.
    fn lost(&self) -> u64 {
        if self.side.is_none() && !self.aside { self.unknown } else { 0 }
    }

    /// Its unknown slots.
    fn slots(&self) -> impl Iterator<Item = u16> {
        let side = self.side.as_ref();
        let slots = 0..side.map_or(0, Side::count) as u16;
        slots.filter(move |slot| side.is_some_and(|side| side.state(*slot) == State::Unknown))
    }

    fn message(&self, slot: u16, body: Option<&Frame>) -> Unknown {
        let code = if self.aside { Some(DAMAGED) } else { self.side.as_ref().and_then(|side| side.code(slot)) };
        Unknown {
            id: MessageId { frame: self.id, slot }.to_string(),
            to: body.and_then(|frame| frame.head(slot)).map(|head| Address::new(head.to).to_string()),
            purpose: self.purpose,
            lane: self.lane.clone(),
            campaign: self.campaign.map(|campaign| campaign.to_string()),
            code: code.map(str::to_owned),
            accepted_at: self.accepted_at,
            since: self.changed_at,
        }
    }
}

impl Scope {
    /// The conditions behind `before` bound values.
    fn conditions(&self, before: usize) -> String {
        let wanted = [("campaign", self.campaign.is_some()), ("lane", self.lane.is_some())];
        let wanted = wanted.into_iter().filter(|(_, is)| *is).zip(before + 1..);
        wanted.map(|((column, _), at)| format!(" AND s.{column} = ${at}")).collect()
    }
}

macro_rules! bind_scope {
    ($query:expr, $scope:expr) => {{
        let mut query = $query;
        if let Some(campaign) = $scope.campaign {
            query = query.bind(campaign.0.to_vec());
        }
        if let Some(lane) = &$scope.lane {
            query = query.bind(lane.clone());
        }
        query
    }};
}

/// The next frames with unknown messages from `from` on.
async fn frames(store: &Store, scope: &Scope, from: &[u8], with_body: bool) -> Result<Vec<Held>> {
    let body = if with_body { ", f.body" } else { "" };
    let text = format!(
        "SELECT {COLUMNS}{body} FROM {TABLES} WHERE s.unknown > 0 AND s.frame >= $1{} ORDER BY s.frame LIMIT {FRAMES}",
        scope.conditions(1)
    );
    let query = bind_scope!(sqlx::query(AssertSqlSafe(text)).bind(from.to_vec()), scope);
    let rows = query.fetch_all(store.reader()).await?;
    rows.iter().map(|row| Held::from_row(row, with_body)).collect()
}

async fn one(store: &Store, frame: Id) -> Result<Option<Held>> {
    let text = format!("SELECT {COLUMNS} FROM {TABLES} WHERE s.frame = $1");
    let row = sqlx::query(AssertSqlSafe(text)).bind(frame.0.to_vec()).fetch_optional(store.reader()).await?;
    row.map(|row| Held::from_row(&row, false)).transpose()
}

/// Longer and so greater than the id itself, and less than any other that is greater.
fn beyond(id: Id) -> Vec<u8> {
    [id.0.as_slice(), &[0]].concat()
}

/// A page with the totals and no messages yet.
async fn totals(store: &Store, scope: &Scope) -> Result<Page> {
    let text = format!(
        "SELECT s.lane, CAST(SUM(s.unknown) AS BIGINT),
             CAST(SUM(CASE WHEN s.open = {ASIDE} THEN s.unknown ELSE 0 END) AS BIGINT)
         FROM dispatch_side s WHERE s.unknown > 0{} GROUP BY s.lane",
        scope.conditions(0)
    );
    let rows = bind_scope!(sqlx::query(AssertSqlSafe(text)), scope).fetch_all(store.reader()).await?;
    let mut page = Page::default();
    for row in &rows {
        let count = row.try_get::<i64, _>(1)? as u64;
        page.total += count;
        page.damaged += row.try_get::<i64, _>(2)? as u64;
        page.lanes.insert(row.try_get(0)?, count);
    }
    Ok(page)
}
