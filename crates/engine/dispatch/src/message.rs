//! What a message is before and after it is packed.

use std::fmt;
use std::str::FromStr;

use naru_core::clock::Millis;
use naru_core::id::{BadId, Id, write_hex};
use naru_core::masked::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The medium. A provider account serves one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// SMS and its long form, LMS.
    Sms,
    /// KakaoTalk 알림톡.
    Alimtalk,
    /// KakaoTalk 브랜드 메시지.
    Brand,
    /// E-mail.
    Email,
    /// Push to an app.
    Push,
}

impl Channel {
    /// Its name in configuration, templates and the API.
    pub fn name(self) -> &'static str {
        match self {
            Channel::Sms => "sms",
            Channel::Alimtalk => "alimtalk",
            Channel::Brand => "brand",
            Channel::Email => "email",
            Channel::Push => "push",
        }
    }

    /// Every channel.
    pub const ALL: [Channel; 5] = [Channel::Sms, Channel::Alimtalk, Channel::Brand, Channel::Email, Channel::Push];
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Channel {
    type Err = ();

    fn from_str(name: &str) -> Result<Channel, ()> {
        Channel::ALL.into_iter().find(|channel| channel.name() == name).ok_or(())
    }
}

/// Why a message is sent: decides its priority and which law holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// A code someone waits for at a sign-in.
    Auth,
    /// About an order, a delivery, an account.
    Info,
    /// An advertisement: needs consent, keeps out of the night.
    Ad,
}

impl Purpose {
    /// Every purpose, most urgent first.
    pub const ALL: [Purpose; 3] = [Purpose::Auth, Purpose::Info, Purpose::Ad];

    /// Lower goes first. Also the stored number.
    pub fn priority(self) -> usize {
        match self {
            Purpose::Auth => 0,
            Purpose::Info => 1,
            Purpose::Ad => 2,
        }
    }

    /// The purpose stored as `priority`.
    pub fn from_priority(priority: i64) -> Option<Purpose> {
        usize::try_from(priority).ok().and_then(|index| Purpose::ALL.get(index).copied())
    }

    /// Its name in templates and the API.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Auth => "auth",
            Purpose::Info => "info",
            Purpose::Ad => "ad",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Purpose {
    type Err = ();

    fn from_str(name: &str) -> Result<Purpose, ()> {
        Purpose::ALL.into_iter().find(|purpose| purpose.name() == name).ok_or(())
    }
}

/// A message's name for ever: its frame and its place in it. Printed as `<32 hex digits>-<slot>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId {
    /// The frame.
    pub frame: Id,
    /// Its place, from 0.
    pub slot: u16,
}

impl MessageId {
    /// Bytes of the printed form at most.
    pub const PRINTED_BYTES_MAX: usize = 38;

    /// Appends the printed form without a formatter: this runs once a message sent.
    pub fn write_to(&self, out: &mut String) {
        let mut hex = [0u8; 32];
        out.push_str(write_hex(&self.frame.0, &mut hex));
        out.push('-');
        let mut digits = [0u8; 5];
        let mut at = digits.len();
        let mut rest = self.slot;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        out.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.frame, self.slot)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MessageId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<MessageId, BadId> {
        let (frame, slot) = text.rsplit_once('-').ok_or(BadId)?;
        let slot = slot.parse().map_err(|_| BadId)?;
        if frame.len() != 32 {
            return Err(BadId);
        }
        Ok(MessageId { frame: frame.parse()?, slot })
    }
}

/// A message checked and ready to be packed: every variable of its template has a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// In its channel's normal form.
    pub to: Address,
    /// Whose order is kept; the address where absent.
    pub customer: Option<String>,
    /// Not sent after this moment.
    pub expires_at: Option<Millis>,
    /// The caller's trace id, where it brought one.
    pub trace_id: Option<String>,
    /// Values in the order of the template's variables.
    pub values: Vec<String>,
}

impl Message {
    /// Messages with the same key are sent in order.
    pub fn key(&self) -> u64 {
        crate::frame::key_of(self.to.reveal(), self.customer.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_prints_and_reads_back() {
        for slot in [0, 7, 999, u16::MAX] {
            let id = MessageId { frame: Id::new(1_795_361_400_000), slot };
            let mut text = String::new();
            id.write_to(&mut text);
            assert_eq!(text, id.to_string());
            assert_eq!(text.parse(), Ok(id));
        }
        assert!("x-1".parse::<MessageId>().is_err());
    }
}
