//! Looking at one message: everything the store knows of it.

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::masked::Address;
use naru_store::Store;
use naru_store::error::StoreError;
use serde::Serialize;
use sqlx::Row;

use crate::frame::Frame;
use crate::lane::{Doubt, Retry};
use crate::message::MessageId;
use crate::rows::{self, StoredFrame};
use crate::side::Side;

/// One message.
#[derive(Clone, Debug, Serialize)]
pub struct MessageView {
    /// Its id.
    pub id: String,
    /// Where it went, masked.
    pub to: String,
    /// Whose order it keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// Its campaign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// Its lane.
    pub lane: String,
    /// Its template.
    pub template: String,
    /// The template's version.
    pub version: u32,
    /// What became of it.
    pub state: &'static str,
    /// Why, where its end is not plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// When naru took it in.
    pub accepted_at: Millis,
    /// Not sent after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// Not tried again before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Millis>,
    /// Started and not answered.
    pub in_flight: bool,
    /// Tries that count so far, while it is not settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tries: Option<u16>,
    /// The caller's trace id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// Looks at one message.
pub async fn look(store: &Store, id: MessageId) -> Result<MessageView, Failure> {
    let unknown = || Failure::not_found("message-unknown").arg("message", id);
    let read = store.read(move |conn| {
        Box::pin(async move { Ok((rows::frame(conn, id.frame).await?, rows::left_of(conn, id.frame, &[]).await?)) })
    });
    let (frame, (retries, doubts)) = read.await?;
    let (stored, lane, accepted_at) = frame.ok_or_else(unknown)?;
    let damaged = |what: String| Failure::from(StoreError::Damaged { what });
    let frame = Frame::read(&stored.body).map_err(|error| damaged(format!("frame {}: {error}", id.frame)))?;
    let side = Side::read(&stored.side).ok_or_else(|| damaged(format!("the states of frame {}", id.frame)))?;
    view_of(id, &stored, lane, accepted_at, &frame, &side, &(retries, doubts)).ok_or_else(unknown)
}

/// The first messages of a campaign, in the order in which they came in.
pub async fn first_of(store: &Store, campaign: Id, limit: usize) -> Result<Vec<MessageId>, Failure> {
    let rows = sqlx::query(
        "SELECT s.frame, f.count FROM dispatch_side s JOIN dispatch_frame f ON f.id = s.frame
         WHERE s.campaign = $1 ORDER BY s.seq LIMIT $2",
    )
    .bind(campaign.0.to_vec())
    .bind(limit as i64)
    .fetch_all(store.reader())
    .await
    .map_err(StoreError::from)?;
    let mut ids = Vec::with_capacity(limit);
    for row in rows {
        let frame = rows::id_column(row.try_get(0).map_err(StoreError::from)?)?;
        let count = row.try_get::<i64, _>(1).map_err(StoreError::from)?.min(limit as i64);
        ids.extend((0..count as u16).map(|slot| MessageId { frame, slot }));
    }
    ids.truncate(limit);
    Ok(ids)
}

/// What a frame, its states and what is under way of it say of one message; `None` where it has no such message.
pub(crate) fn view_of(
    id: MessageId,
    stored: &StoredFrame,
    lane: String,
    accepted_at: Millis,
    frame: &Frame,
    side: &Side,
    (retries, doubts): &(Vec<Retry>, Vec<Doubt>),
) -> Option<MessageView> {
    let message = frame.message(id.slot)?;
    let template = frame.templates.get(usize::from(message.template))?;
    let retry: Option<&Retry> = retries.iter().find(|retry| retry.slots.contains(&id.slot));
    let doubt: Option<&Doubt> = doubts.iter().find(|doubt| doubt.slots.contains(&id.slot));
    Some(MessageView {
        id: id.to_string(),
        to: Address::new(message.to).to_string(),
        customer: message.customer.map(str::to_owned),
        campaign: stored.campaign.map(|campaign| campaign.to_string()),
        lane,
        template: template.id.clone(),
        version: template.version,
        state: side.state(id.slot).name(),
        code: side.code(id.slot).map(str::to_owned),
        accepted_at,
        expires_at: message.expires_at,
        due_at: retry.map(|retry| retry.due_at),
        in_flight: doubt.is_some(),
        tries: retry.map(|retry| retry.tries).or(doubt.map(|doubt| doubt.tries)),
        trace_id: message.trace_id.map(str::to_owned),
    })
}
