//! What a lane's tasks do while its machine goes on: read frames, ask consent, render and send, store.

use std::sync::Arc;
use std::time::Duration;

use naru_core::clock::Millis;
use naru_core::failure::{Failure, Kind};
use naru_core::id::Id;
use naru_core::masked::Address;

use super::Parts;
use crate::consent::Permit;
use crate::frame::Frame;
use crate::lane::{ChunkKey, Loaded, Save};
use crate::message::{MessageId, Purpose};
use crate::provider::{Answer, Outgoing, Request};
use crate::rows::{self, StoredFrame};
use crate::side::Side;

/// Reads and unpacks the next frames; one with a changed byte is set aside and the rest goes on.
pub(super) async fn claim(
    parts: &Parts,
    priority: usize,
    after: i64,
    limit: usize,
) -> Result<(Vec<(Loaded, Arc<Frame>)>, bool), Failure> {
    let shard = parts.shard.clone();
    let read = parts
        .store
        .read(move |conn| Box::pin(async move { rows::open_frames(conn, &shard, priority, after, limit).await }));
    let stored = read.await?;
    let more = stored.len() == limit;
    let mut frames = Vec::with_capacity(stored.len());
    for stored in stored {
        frames.extend(load(parts, &stored).await?);
    }
    Ok((frames, more))
}

/// Checks and unpacks a stored frame, or sets it aside.
pub async fn load(parts: &Parts, stored: &StoredFrame) -> Result<Option<(Loaded, Arc<Frame>)>, Failure> {
    let (frame, side) = match open(stored) {
        Ok(opened) => opened,
        Err(what) => return set_aside(parts, stored, &what).await.map(|()| None),
    };
    for template in &frame.templates {
        match parts.templates.version(&template.id, template.version).await {
            Ok(_) => {}
            // A database that does not answer says nothing about the frame.
            Err(failure) if failure.kind == Kind::Unavailable => return Err(failure),
            Err(failure) => return set_aside(parts, stored, &failure.to_string()).await.map(|()| None),
        }
    }
    let loaded = Loaded {
        id: stored.id,
        seq: stored.seq,
        campaign: stored.campaign,
        keys: frame.heads().map(|head| head.key()).collect(),
        expires: expiries(&frame),
        side,
        retries: Vec::new(),
        doubts: Vec::new(),
    };
    Ok(Some((loaded, Arc::new(frame))))
}

fn open(stored: &StoredFrame) -> Result<(Frame, Side), String> {
    let frame = Frame::read(&stored.body).map_err(|error| error.to_string())?;
    let side = Side::read(&stored.side).ok_or("a byte of its states has changed since they were written")?;
    if frame.count() != stored.count || side.count() != stored.count {
        return Err(format!("{} messages, {} states, {} counted", frame.count(), side.count(), stored.count));
    }
    Ok((frame, side))
}

async fn set_aside(parts: &Parts, stored: &StoredFrame, what: &str) -> Result<(), Failure> {
    tracing::error!(frame.id = %stored.id, lane.name = parts.name, reason = what,
        "a stored frame is damaged and set aside, its messages count as unknown");
    let mut side =
        Side::read(&stored.side).filter(|side| side.count() == stored.count).unwrap_or_else(|| Side::new(stored.count));
    for slot in 0..side.count() as u16 {
        side.advance(slot, crate::side::State::Unknown, "damaged");
    }
    let (id, shard, fence, now) = (stored.id, parts.shard.clone(), parts.fence, parts.clock.now_ms());
    let written = parts.store.write(move |conn| {
        let (side, shard) = (side.clone(), shard.clone());
        Box::pin(async move {
            // Whoever owns the lane now sets it aside by itself.
            if !rows::hold_fence(conn, &shard, fence).await? {
                return Ok(());
            }
            rows::quarantine(conn, id, &side, fence, now).await
        })
    });
    Ok(written.await?)
}

fn expiries(frame: &Frame) -> Vec<Millis> {
    if frame.heads().all(|head| head.expires_at.is_none()) {
        return Vec::new();
    }
    frame.heads().map(|head| head.expires_at.unwrap_or(Millis::MAX)).collect()
}

/// Who of these may not be sent to now.
pub(super) fn ask(parts: &Parts, outlet: usize, frame: &Frame, slots: &[u16], priority: usize) -> Vec<(u16, Permit)> {
    let purpose = Purpose::ALL[priority];
    let addresses: Vec<Address> =
        slots.iter().filter_map(|slot| frame.head(*slot)).map(|head| Address::new(head.to)).collect();
    let permits = parts.consent.decide(parts.clock.now_ms(), purpose, parts.channel, &addresses);
    let mut denied = Vec::new();
    for (slot, (address, permit)) in slots.iter().zip(addresses.iter().zip(permits)) {
        let listed = parts.outlets[outlet].allow_list.as_ref().is_none_or(|list| list.contains(address.reveal()));
        let permit = if listed { permit } else { Permit::Suppress("not-on-allow-list") };
        if permit != Permit::Send {
            denied.push((*slot, permit));
        }
    }
    denied
}

pub(super) async fn read_frame(parts: &Parts, id: Id) -> Result<Arc<Frame>, Failure> {
    let stored = parts.store.read(move |conn| Box::pin(async move { rows::frame(conn, id).await })).await?;
    let Some((stored, ..)) = stored else { return Err(Failure::bug("a claimed frame is gone")) };
    Frame::read(&stored.body).map(Arc::new).map_err(Failure::bug)
}

/// The idempotency key of a request: the chunk's, and for single sends the slot's.
pub fn request_key(chunk: &ChunkKey, slots: &[u16], single: bool) -> String {
    let first = if single { slots.first().copied().unwrap_or(chunk.first) } else { chunk.first };
    format!("{}-{first}-{}", chunk.frame, chunk.attempt)
}

/// Says that a frame was whole when it was claimed and is not now; answers the code of what was to be sent of it.
pub(super) fn tell_damage(parts: &Parts, frame: Id, failure: &Failure) -> &'static str {
    tracing::error!(frame.id = %frame, lane.name = parts.name, error = %failure,
        "a stored frame was damaged after it was claimed, what is left of it is not sent");
    "damaged"
}

pub(super) async fn send(
    parts: &Parts,
    outlet: usize,
    frame: Option<Arc<Frame>>,
    (chunk, single): (ChunkKey, bool),
    slots: &[u16],
) -> Answer {
    let messages = match render(parts, frame, chunk.frame, slots).await {
        Ok(messages) => messages,
        Err(failure) if failure.kind == Kind::Unavailable => return Answer::Unsent { code: failure.code },
        // It ends: asked for again and again it would keep the whole lane from sending.
        Err(failure) => return Answer::Refused { code: tell_damage(parts, chunk.frame, &failure).to_owned() },
    };
    let by = &parts.outlets[outlet];
    let key = request_key(&chunk, slots, single);
    let request = Request { key, messages, timeout: by.timeout };
    if !parts.is_leased() {
        return Answer::Unsent { code: "lease-ended".to_owned() };
    }
    // The adapter keeps the time itself; this is the last word for one that hangs.
    match tokio::time::timeout(by.timeout + Duration::from_secs(1), by.provider.send(request)).await {
        Ok(answer) => answer,
        Err(_) => Answer::Unknown { code: "timed-out".to_owned() },
    }
}

/// Renders the slots' messages; the same bytes each time.
async fn render(parts: &Parts, frame: Option<Arc<Frame>>, id: Id, slots: &[u16]) -> Result<Vec<Outgoing>, Failure> {
    let frame = match frame {
        Some(frame) => frame,
        None => read_frame(parts, id).await?,
    };
    let mut templates = Vec::with_capacity(frame.templates.len());
    for template in &frame.templates {
        templates.push(parts.templates.version(&template.id, template.version).await?);
    }
    let messages: Option<Vec<Outgoing>> = slots
        .iter()
        .map(|slot| {
            let message = frame.message(*slot)?;
            let template = templates.get(usize::from(message.template))?;
            Some(Outgoing {
                id: MessageId { frame: id, slot: *slot },
                to: Address::new(message.to),
                subject: template.subject(&message.values),
                text: template.body(&message.values),
            })
        })
        .collect();
    messages.ok_or_else(|| Failure::bug("a slot without a message"))
}

/// Stores a save, however long the database takes; answers whether another owner has the lane.
pub(super) async fn save_until_stored(parts: &Parts, save: Save) -> bool {
    let (save, outlets) = (Arc::new(save), Arc::new(parts.outlet_names()));
    loop {
        let (job, shard, fence, clock) = (save.clone(), parts.shard.clone(), parts.fence, parts.clock.clone());
        let outlets = outlets.clone();
        let stored = parts.store.write(move |conn| {
            let (job, shard, outlets, now) = (job.clone(), shard.clone(), outlets.clone(), clock.now_ms());
            Box::pin(async move {
                if !rows::hold_fence(conn, &shard, fence).await? {
                    return Ok(false);
                }
                rows::store_save(conn, &shard, fence, &outlets, &job, now).await?;
                Ok(true)
            })
        });
        match stored.await {
            Ok(held) => return !held,
            Err(error) => {
                tracing::warn!(lane.name = parts.name, error = %error, "outcomes could not be stored, trying again");
                tokio::time::sleep_until(tokio::time::Instant::now() + Duration::from_millis(200)).await;
            }
        }
    }
}
