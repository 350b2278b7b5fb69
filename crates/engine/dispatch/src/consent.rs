//! What the engine asks before anything leaves: may this be sent to them, now?

use naru_core::clock::Millis;
use naru_core::masked::Address;

use crate::message::{Channel, Purpose};

/// The answer for one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permit {
    /// It may leave.
    Send,
    /// It never may: ends suppressed with this code.
    Suppress(&'static str),
    /// Not before this moment (an advertisement at night).
    Hold(Millis),
}

/// A stretch of time in which what of a purpose may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// When it begins.
    pub from: Millis,
    /// When it ends, if it does.
    pub until: Option<Millis>,
}

/// Who may be sent what and when. Asked once a chunk, against a snapshot in memory, so it must not wait for anything.
pub trait Consent: Send + Sync {
    /// One permit an address, in order.
    fn decide(&self, now: Millis, purpose: Purpose, channel: Channel, to: &[Address]) -> Vec<Permit>;

    /// The hours, from `at` on, in which it may leave to whoever agreed to it by day: for estimates.
    fn hours(&self, at: Millis, purpose: Purpose, channel: Channel) -> Hours {
        let _ = (purpose, channel);
        Hours { from: at, until: None }
    }
}

/// What holds where no `Consent` is offered: everything but advertisements.
pub struct NoAds;

impl Consent for NoAds {
    fn decide(&self, _: Millis, purpose: Purpose, _: Channel, to: &[Address]) -> Vec<Permit> {
        let permit = if purpose == Purpose::Ad { Permit::Suppress("no-consent-list") } else { Permit::Send };
        vec![permit; to.len()]
    }
}
