//! One message's whole life, as far as the store holds it, and the text that goes out.
//!
//! What is over leaves a state and a code, and no time of its own: a time a message would be more than all the rest that
//! is kept of it. So an end is told with the moment when its frame was last changed, before which it must have come, and
//! of tries that were answered only their count is known. Nothing is told that no row says.
//!
//! Values of a text are as personal as an address. Both come out masked but for whoever holds an [`access::Recorded`];
//! a code that somebody waits for at a sign-in stays masked even then: it is of use to nobody but a thief.

pub(crate) mod stored;

use std::fmt;

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::masked::{Address, mask};
use naru_store::error::StoreError;

use self::stored::{Stored, no_message, stored};
use crate::access;
use crate::campaign::{self, CampaignState};
use crate::engine::Dispatch;
use crate::frame::{Frame, Packed};
use crate::lane::Retry;
use crate::look::{MessageView, view_of};
use crate::message::{Channel, MessageId, Purpose};
use crate::side::{Side, State};
use crate::template::{Measure, Template};

/// A message with everything about it.
#[derive(Clone, Debug)]
pub struct Life {
    /// Its fields.
    pub view: MessageView,
    /// Where it goes, where it was opened.
    pub to: Option<Address>,
    /// The medium.
    pub channel: Option<Channel>,
    /// Why it is sent.
    pub purpose: Option<Purpose>,
    /// Its campaign's name.
    pub campaign: Option<String>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What goes out; none where the template's version cannot be read.
    pub text: Option<Wording>,
    /// Where it stands in the store.
    pub place: Place,
    /// Requests that have it and were not answered.
    pub requests: Vec<Request>,
    /// Tries to come.
    pub retries: Vec<Retry>,
    /// Receipts about it that are stored and not merged.
    pub receipts: Vec<Receipt>,
}

/// What happened to a message, or has to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Stored.
    Accepted {
        /// When.
        at: Millis,
    },
    /// Nothing of it is on its way.
    Waits {
        /// What holds it back besides its place in the lane.
        why: Wait,
    },
    /// A request with it was let go, and its answer is not stored.
    Started {
        /// When.
        at: Millis,
        /// The account's lane it left by, where that is another one's.
        outlet: Option<String>,
        /// Which try it is, from 1.
        nth: u16,
        /// From then on it is looked into.
        deadline: Millis,
    },
    /// It was tried and is tried again.
    Due {
        /// Not before.
        at: Millis,
        /// How often it was tried.
        tries: u16,
    },
    /// The provider reported, and the report is not merged yet.
    Reported {
        /// When it came in.
        at: Millis,
        /// What it says.
        state: State,
        /// Why.
        code: String,
    },
    /// It came to where it is.
    Came {
        /// At that moment at the latest.
        by: Millis,
        /// Where.
        state: State,
        /// Why.
        code: Option<String>,
    },
}

/// What holds a message back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Only those before it, and the pace.
    Turn,
    /// Its campaign does not run.
    Campaign(CampaignState),
    /// Its frame was set aside: a byte of it changed.
    Aside,
}

/// The text of a message as it goes out. Printing it prints no word of it.
#[derive(Clone)]
pub struct Wording {
    /// The subject.
    pub subject: Option<String>,
    /// The text.
    pub body: String,
    /// How long it is with its own values.
    pub measure: Option<Measure>,
    /// Whether its values are masked.
    pub is_masked: bool,
}

impl fmt::Debug for Wording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wording").field("measure", &self.measure).finish_non_exhaustive()
    }
}

/// Where a message stands in the store.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its id, and in it the frame and the slot.
    pub id: MessageId,
    /// Messages of the frame.
    pub count: usize,
    /// Bytes of the frame, packed.
    pub bytes: usize,
    /// The lane's shard.
    pub shard: i64,
    /// The frame's place in the shard's order.
    pub seq: i64,
    /// The fence of who wrote the states last.
    pub fence: i64,
    /// When anything of the frame last changed.
    pub changed_at: Millis,
    /// Whether the frame was set aside.
    pub is_aside: bool,
    priority: i64,
}

/// A request that was not answered, as marked.
#[derive(Clone, Debug)]
pub struct Request {
    /// The first slot of its chunk.
    pub first: i64,
    /// Counts with it a chunk's requests.
    pub attempt: i64,
    /// How many messages it has.
    pub messages: usize,
    /// The account's lane it left by; empty is its own.
    pub outlet: String,
    /// Tries that count before it.
    pub tries: i64,
    /// When.
    pub started_at: Millis,
    /// From then on it is looked into.
    pub deadline: Millis,
}

/// A receipt that waits to be merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// When it came in.
    pub received_at: Millis,
    /// What it says.
    pub state: State,
    /// Why.
    pub code: String,
}

/// A message with what is personal masked.
pub async fn look(dispatch: &Dispatch, id: MessageId) -> Result<Life, Failure> {
    read(dispatch, id, false).await
}

/// A message with its address, and its text where that is no secret: whoever sees it stands in the record.
pub async fn open(dispatch: &Dispatch, recorded: &access::Recorded) -> Result<Life, Failure> {
    read(dispatch, recorded.id(), true).await
}

async fn read(dispatch: &Dispatch, id: MessageId, open: bool) -> Result<Life, Failure> {
    let store = dispatch.ctx().store();
    let unknown = || no_message(id);
    let found = store.read(move |conn| Box::pin(async move { stored(conn, id).await }));
    let Stored { frame: (stored, lane, accepted_at), place, left, requests, receipts } =
        found.await?.ok_or_else(unknown)?;
    let damaged = |what: String| Failure::from(StoreError::Damaged { what });
    let frame = Frame::read(&stored.body).map_err(|error| damaged(format!("frame {}: {error}", id.frame)))?;
    let side = Side::read(&stored.side).ok_or_else(|| damaged(format!("the states of frame {}", id.frame)))?;
    let message = frame.message(id.slot).ok_or_else(unknown)?;
    let campaign = match stored.campaign {
        Some(campaign) => campaign::show(store, campaign).await?,
        None => None,
    };
    let view = view_of(id, &stored, lane, accepted_at, &frame, &side, &left).ok_or_else(unknown)?;
    let retries: Vec<Retry> = left.0.into_iter().filter(|retry| retry.slots.contains(&id.slot)).collect();
    let held = campaign.as_ref().map(|campaign| campaign.state).filter(|state| *state != CampaignState::Running);
    let template = dispatch.templates().version(&view.template, view.version).await.ok();
    let purpose = Purpose::from_priority(place.priority);
    let is_masked = !open || purpose == Some(Purpose::Auth);
    Ok(Life {
        to: open.then(|| Address::new(message.to)),
        channel: template.as_ref().map(|template| template.text.channel),
        purpose,
        campaign: campaign.map(|campaign| campaign.name),
        events: events(&view, (side.state(id.slot), &place), held, &requests, &retries, &receipts),
        text: template.map(|template| wording(&template, &message, is_masked)),
        view,
        place,
        requests,
        retries,
        receipts,
    })
}

fn wording(template: &Template, message: &Packed, is_masked: bool) -> Wording {
    let measure = template.measure(&message.values).ok();
    let shown: Vec<String> =
        message.values.iter().map(|value| if is_masked { mask(value) } else { (*value).to_owned() }).collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    Wording { subject: template.subject(&shown), body: template.body(&shown), measure, is_masked }
}

/// In the order in which they came: accepted, what is under way, what came of it.
fn events(
    view: &MessageView,
    (state, place): (State, &Place),
    campaign: Option<CampaignState>,
    requests: &[Request],
    retries: &[Retry],
    receipts: &[Receipt],
) -> Vec<Event> {
    let mut events = vec![Event::Accepted { at: view.accepted_at }];
    events.extend(requests.iter().map(|request| Event::Started {
        at: request.started_at,
        outlet: Some(request.outlet.clone()).filter(|outlet| !outlet.is_empty() && *outlet != view.lane),
        nth: request.tries as u16 + 1,
        deadline: request.deadline,
    }));
    events.extend(retries.iter().map(|retry| Event::Due { at: retry.due_at, tries: retry.tries }));
    if state != State::Pending {
        let code = view.code.clone();
        events.push(Event::Came { by: place.changed_at, state, code });
    } else if requests.is_empty() {
        match why_it_waits(place, campaign) {
            // It is said already when it comes.
            Wait::Turn if !retries.is_empty() => {}
            why => events.push(Event::Waits { why }),
        }
    }
    events.extend(receipts.iter().map(|it| Event::Reported {
        at: it.received_at,
        state: it.state,
        code: it.code.clone(),
    }));
    events
}

fn why_it_waits(place: &Place, campaign: Option<CampaignState>) -> Wait {
    match campaign {
        _ if place.is_aside => Wait::Aside,
        Some(state) => Wait::Campaign(state),
        None => Wait::Turn,
    }
}
