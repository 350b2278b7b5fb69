//! A call that changes something: stamped, read, held to the limits, done, and answered as the faults want it.
//!
//! What a call accepts, it accepts when it has been read, however late or wrongly it is answered then: a client that
//! hears nothing must ask. Nothing may wait between the acceptance and the debt of its receipts, since a client that
//! hangs up ends whatever waits.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use hyper::body::Incoming;
use serde_json::json;

use crate::book::{Outcome, Taken};
use crate::fault::{Fault, Faults};
use crate::flag::Level;
use crate::group::Refused;
use crate::ledger::write_answer;
use crate::message::{Call, Code, Draft, Refusal};
use crate::receipt::Receipts;
use crate::reply::Reply;
use crate::route::{Cut, read_body};
use crate::vendor::{Arrival, Vendor};

/// What is to be changed; groups by their name on the wire.
#[derive(Clone, Copy)]
pub enum Change<'a> {
    /// One message.
    Single,
    /// Up to a thousand messages.
    Batch,
    /// A new group, with messages or without.
    OpenGroup,
    /// Messages for a group.
    PutMessages(&'a str),
    /// A group is sent.
    SendGroup(&'a str),
    /// A group that was not sent is deleted.
    DeleteGroup(&'a str),
}

/// Performs a change and answers it.
pub async fn perform(vendor: &Arc<Vendor>, change: Change<'_>, body: Incoming) -> Result<Reply, Cut> {
    let mut arrival = vendor.arrive();
    let faults = vendor.faults();
    let number = u64::from(arrival.stamp().request);
    let reply = match read_body(body).await {
        Ok(body) => read_and_perform(vendor, change, &body, &mut arrival, &faults).await,
        Err(reply) => reply,
    };
    let slow_ms = if faults.hits(Fault::Slow, number) { vendor.options.slow_ms } else { 0 };
    vendor.pause(Duration::from_millis(vendor.options.latency_ms.saturating_add(slow_ms))).await;
    match reply.status {
        StatusCode::OK if faults.hits(Fault::ResetAfterAccept, number) => Err(Cut),
        StatusCode::OK if faults.hits(Fault::FailAfterAccept, number) => {
            Ok(Reply::error(StatusCode::INTERNAL_SERVER_ERROR, r#"{"code":"internal"}"#))
        }
        _ => Ok(reply),
    }
}

async fn read_and_perform(
    vendor: &Arc<Vendor>,
    change: Change<'_>,
    body: &[u8],
    arrival: &mut Arrival<'_>,
    faults: &Faults,
) -> Reply {
    let call = match change.read(body) {
        Ok(call) => call,
        Err(Refusal::Bad(detail)) => return Reply::bad_request(&detail),
        Err(Refusal::TooLarge) => return batch_too_large(),
    };
    let number = u64::from(arrival.stamp().request);
    if !arrival.count(call.messages.len()) || faults.hits(Fault::Throttle, number) {
        arrival.throttled();
        return Reply::throttled().retry_after();
    }
    if faults.hits(Fault::ThrottleBare, number) {
        arrival.throttled();
        return Reply::throttled();
    }
    if faults.hits(Fault::FailBeforeAccept, number) {
        return unavailable();
    }
    if let Some(receipts) = &vendor.receipts {
        tokio::select! {
            () = receipts.room() => {}
            () = vendor.lifecycle.stopped() => return unavailable(),
        }
    }
    let (reply, taken) = change.commit(vendor, &call, arrival, faults);
    if let (Some(taken), Some(receipts)) = (taken, &vendor.receipts) {
        let early = receipts.owe(taken, faults);
        if !early.is_empty() {
            Receipts::post_early(vendor, taken.generation, early).await;
        }
    }
    if vendor.synced().await { reply } else { unavailable() }
}

impl Change<'_> {
    fn read<'b>(&self, body: &'b [u8]) -> Result<Call<'b>, Refusal> {
        match self {
            Change::Single => Call::single(body),
            Change::Batch => Call::batch(body),
            Change::OpenGroup => Call::open(body),
            Change::PutMessages(_) => Call::put(body),
            Change::SendGroup(_) | Change::DeleteGroup(_) => Ok(Call::bare()),
        }
    }

    /// Enters the change into the book; returns the answer and the new entries.
    fn commit(
        &self,
        vendor: &Vendor,
        call: &Call<'_>,
        arrival: &Arrival<'_>,
        faults: &Faults,
    ) -> (Reply, Option<Taken>) {
        let drafts: Vec<Draft<'_>> = call.messages.iter().map(|message| Draft::new(message, faults)).collect();
        match self {
            Change::Single | Change::Batch => self.send(vendor, call, &drafts, arrival),
            Change::OpenGroup => (open_group(vendor, call, &drafts, arrival), None),
            Change::PutMessages(group) => (put_messages(vendor, group, &drafts, arrival), None),
            Change::SendGroup(group) => send_group(vendor, group, arrival),
            Change::DeleteGroup(group) => (delete_group(vendor, group, arrival), None),
        }
    }

    fn send(
        &self,
        vendor: &Vendor,
        call: &Call<'_>,
        drafts: &[Draft<'_>],
        arrival: &Arrival<'_>,
    ) -> (Reply, Option<Taken>) {
        let level = vendor.options.level;
        let key = call.key.as_ref().map(|key| &*key.0).filter(|_| level != Level::None);
        let (outcome, tag) = {
            let mut book = vendor.book();
            (book.accept(drafts, arrival.stamp(), key, level >= Level::Key), book.ledger().tag())
        };
        match outcome {
            Outcome::Taken(taken, answers) => (self.results(write_answers(drafts, &answers, tag)), Some(taken)),
            Outcome::Replay(count, _) if matches!(self, Change::Single) && count != 1 => {
                (Reply::bad_request("key: it was used for a batch"), None)
            }
            Outcome::Replay(_, results) => (self.results(results).replay(), None),
            Outcome::Full => (full(), None),
        }
    }

    /// 200 with results that have commas between them: bare for a single message, else in a list.
    fn results(&self, results: Vec<u8>) -> Reply {
        match self {
            Change::Single => Reply::ok(results),
            _ => Reply::ok([br#"{"results":["#, &*results, b"]}"].concat()),
        }
    }
}

/// Opens a group and puts the messages that came along into it, so that a client needs one call for both.
fn open_group(vendor: &Vendor, call: &Call<'_>, drafts: &[Draft<'_>], arrival: &Arrival<'_>) -> Reply {
    let key = call.key.as_ref().map(|key| &*key.0);
    let (name, found, put, tag) = {
        let (mut book, now) = (vendor.book(), arrival.stamp().at);
        let (number, found) = match book.open_group(key, now) {
            Ok(opened) => opened,
            Err(refused) => return refuse(refused),
        };
        // Sent meanwhile: what it holds is settled, and the client reads it from the group.
        let put = match book.put(number, drafts, arrival.stamp()) {
            Err(Refused::Sent) => Ok(Vec::new()),
            put => put,
        };
        (book.group_name(number), found, put, book.ledger().tag())
    };
    let answers = match put {
        Ok(answers) => answers,
        Err(refused) => return refuse(refused),
    };
    let head = format!(r#"{{"group":"{name}","results":["#);
    let results = write_answers(drafts, &answers, tag);
    let reply = Reply::ok([head.as_bytes(), &results, b"]}"].concat());
    if found { reply.replay() } else { reply }
}

fn put_messages(vendor: &Vendor, group: &str, drafts: &[Draft<'_>], arrival: &Arrival<'_>) -> Reply {
    let (answers, tag) = {
        let mut book = vendor.book();
        let put = book.group_number(group).and_then(|number| book.put(number, drafts, arrival.stamp()));
        (put, book.ledger().tag())
    };
    match answers {
        Ok(answers) => Change::PutMessages(group).results(write_answers(drafts, &answers, tag)),
        Err(refused) => refuse(refused),
    }
}

fn send_group(vendor: &Vendor, group: &str, arrival: &Arrival<'_>) -> (Reply, Option<Taken>) {
    let sent = {
        let mut book = vendor.book();
        book.group_number(group).and_then(|number| book.send_group(number, arrival.stamp()))
    };
    match sent {
        Ok((taken, results)) => {
            let reply = Change::SendGroup(group).results(results);
            (if taken.is_some() { reply } else { reply.replay() }, taken)
        }
        Err(refused) => (refuse(refused), None),
    }
}

fn delete_group(vendor: &Vendor, group: &str, arrival: &Arrival<'_>) -> Reply {
    let deleted = {
        let mut book = vendor.book();
        book.group_number(group).and_then(|number| book.delete_group(number, arrival.stamp().at))
    };
    match deleted {
        Ok(now) => {
            let reply = Reply::value(&json!({ "group": group, "state": "deleted" }));
            if now { reply } else { reply.replay() }
        }
        Err(refused) => refuse(refused),
    }
}

/// Writes each message's answer, with commas between them.
fn write_answers(drafts: &[Draft<'_>], answers: &[(Code, u32)], tag: u32) -> Vec<u8> {
    let bytes: usize = drafts.iter().map(|draft| draft.reference.len() + ANSWER_BYTES).sum();
    let mut out = Vec::with_capacity(bytes);
    for (place, (draft, &(code, serial))) in drafts.iter().zip(answers).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_answer(draft.reference, code, tag, serial, &mut out);
    }
    out
}

/// What an answer has besides its reference: names, an id, a code and a comma.
const ANSWER_BYTES: usize = 56;

fn refuse(refused: Refused) -> Reply {
    match refused {
        Refused::NotFound => Reply::not_found(),
        Refused::Sent => Reply::error(StatusCode::CONFLICT, r#"{"code":"group-sent"}"#),
        Refused::Deleted => Reply::error(StatusCode::CONFLICT, r#"{"code":"group-deleted"}"#),
        Refused::TooLarge => Reply::error(StatusCode::BAD_REQUEST, r#"{"code":"group-too-large"}"#),
        Refused::TooMany => Reply::error(StatusCode::SERVICE_UNAVAILABLE, r#"{"code":"too-many-groups"}"#),
        Refused::Full => full(),
    }
}

fn batch_too_large() -> Reply {
    Reply::error(StatusCode::BAD_REQUEST, r#"{"code":"batch-too-large"}"#)
}

fn unavailable() -> Reply {
    Reply::error(StatusCode::SERVICE_UNAVAILABLE, r#"{"code":"unavailable"}"#)
}

fn full() -> Reply {
    Reply::error(StatusCode::SERVICE_UNAVAILABLE, r#"{"code":"ledger-full"}"#)
}
