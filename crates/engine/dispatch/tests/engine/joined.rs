//! Both ledgers held against each other: what naru says became of each message, and what the vendor saw.

use std::collections::{HashMap, HashSet};

use naru_core::id::Id;
use naru_dispatch::frame::Frame;
use naru_dispatch::message::MessageId;
use naru_dispatch::provider::Level;
use naru_dispatch::side::{Side, SideRow, State};
use naru_store::Store;
use sqlx::Row;

use crate::vendor::Vendor;

/// A message as naru stored it.
pub struct Stored {
    /// Messages with the same are sent in order.
    order: (String, i64, Option<Vec<u8>>, u64),
    place: (i64, u16),
    state: State,
}

/// Every message of every frame that can be read.
pub async fn read(store: &Store) -> HashMap<MessageId, Stored> {
    let rows = sqlx::query(
        "SELECT s.frame, s.lane, s.priority, s.seq, s.campaign, s.states, s.codes, s.checksum, f.body
         FROM dispatch_side s JOIN dispatch_frame f ON f.id = s.frame",
    );
    let mut stored = HashMap::new();
    for row in rows.fetch_all(store.reader()).await.unwrap() {
        let id = Id::from_bytes(&row.get::<Vec<u8>, _>(0)).unwrap();
        let side = SideRow { states: row.get(5), codes: row.get(6), checksum: row.get(7) };
        let (Some(side), Ok(frame)) = (Side::read(&side), Frame::read(&row.get::<Vec<u8>, _>(8))) else { continue };
        for (slot, message) in frame.heads().enumerate() {
            let slot = slot as u16;
            let order = (row.get(1), row.get(2), row.get(4), message.key());
            let message = Stored { order, place: (row.get(3), slot), state: side.state(slot) };
            stored.insert(MessageId { frame: id, slot }, message);
        }
    }
    stored
}

/// Panics where the ledgers differ. `is_partial`: some of what the vendor saw is not stored any more.
pub fn check(stored: &HashMap<MessageId, Stored>, vendor: &Vendor, is_partial: bool) {
    assert_eq!(vendor.offences(), Vec::<String>::new(), "what no vendor should see");
    taken_as_told(stored, vendor);
    let taken = vendor.everything_taken();
    let strangers = taken.keys().filter(|id| !stored.contains_key(id)).count();
    assert!(is_partial || strangers == 0, "{strangers} messages were taken that naru does not know");
    in_order(stored, vendor);
}

fn taken_as_told(stored: &HashMap<MessageId, Stored>, vendor: &Vendor) {
    // A vendor that helps with nothing is asked again where that is the lesser evil.
    let most = if vendor.level_now() == Level::None { u32::MAX } else { 1 };
    for (id, message) in stored {
        let taken = vendor.taken(*id);
        let range = match message.state {
            State::Sent | State::Delivered => 1..=most,
            State::Suppressed | State::Cancelled => 0..=0,
            State::Pending | State::Unknown | State::Failed | State::Expired => 0..=most,
        };
        assert!(range.contains(&taken), "{id} is {} and was taken {taken} times", message.state.name());
    }
}

/// One customer's messages: never an earlier one after a later one, never two in one request, never two at one time.
fn in_order(stored: &HashMap<MessageId, Stored>, vendor: &Vendor) {
    let mut last: HashMap<_, (MessageId, Option<u64>)> = HashMap::new();
    for call in vendor.calls() {
        let mut seen = HashSet::new();
        for id in &call.ids {
            let Some(message) = stored.get(id) else { continue };
            assert!(seen.insert(&message.order), "{id} is the second of its customer in {}", call.key);
            let Some((before, ended)) = last.insert(&message.order, (*id, call.ended)) else { continue };
            let was = stored[&before].place;
            assert!(was <= message.place, "{id} at {:?} came after {before} at {was:?}", message.place);
            let is_free = before == *id || ended.is_none_or(|ended| ended < call.started);
            assert!(is_free, "{id} was started while {before} of its customer was on its way");
        }
    }
}
