//! What clients post, read without copying: references and addresses point into the body, texts are checked and left.
//!
//! A client at full speed posts ninety megabytes a second, nearly all of it text that nobody here looks at again.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

use crate::fault::{Fault, Faults};
use crate::name::{Name, To, hash};

/// Messages a call may carry, as the contract says.
pub const MESSAGES_MAX: usize = 1_000;
/// Bytes of a reference, an address or a key: ample for a push token, small beside a page of the ledger.
const FIELD_BYTES_MAX: usize = 4_096;

/// A call that carries messages.
pub struct Call<'a> {
    /// The idempotency key, where there is one.
    pub key: Option<Text<'a>>,
    /// At most [`MESSAGES_MAX`].
    pub messages: Vec<Message<'a>>,
}

/// One message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message<'a> {
    /// The client's reference.
    #[serde(borrow, rename = "ref")]
    pub reference: Text<'a>,
    /// The address.
    #[serde(borrow)]
    pub to: Text<'a>,
    #[serde(default, rename = "subject")]
    _subject: Option<Unread>,
    #[serde(rename = "text")]
    _text: Unread,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Single<'a> {
    #[serde(borrow, default)]
    key: Option<Text<'a>>,
    #[serde(borrow, rename = "ref")]
    reference: Text<'a>,
    #[serde(borrow)]
    to: Text<'a>,
    #[serde(default)]
    subject: Option<Unread>,
    text: Unread,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow, default)]
    key: Option<Text<'a>>,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put<'a> {
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Open<'a> {
    #[serde(borrow, default)]
    key: Option<Text<'a>>,
    #[serde(borrow, default)]
    messages: Vec<Message<'a>>,
}

/// Why a body is refused.
pub enum Refusal {
    /// It is not what the contract says; the detail tells where.
    Bad(String),
    /// More than [`MESSAGES_MAX`] messages.
    TooLarge,
}

impl<'a> Call<'a> {
    /// Reads the body of `POST /v1/messages`.
    pub fn single(body: &'a [u8]) -> Result<Call<'a>, Refusal> {
        let Single { key, reference, to, subject, text } = read(body)?;
        Call { key, messages: vec![Message { reference, to, _subject: subject, _text: text }] }.checked()
    }

    /// Reads the body of `POST /v1/batches`.
    pub fn batch(body: &'a [u8]) -> Result<Call<'a>, Refusal> {
        let Batch { key, messages } = read(body)?;
        if messages.is_empty() {
            return Err(Refusal::Bad("messages: expected at least one".to_owned()));
        }
        Call { key, messages }.checked()
    }

    /// Reads the body of `PUT /v1/groups/{g}/messages`.
    pub fn put(body: &'a [u8]) -> Result<Call<'a>, Refusal> {
        let Put { messages } = read(body)?;
        Call { key: None, messages }.checked()
    }

    /// Reads the body of `POST /v1/groups`.
    pub fn open(body: &'a [u8]) -> Result<Call<'a>, Refusal> {
        let Open { key, messages } = read(body)?;
        Call { key, messages }.checked()
    }

    /// A call without a body.
    pub fn bare() -> Call<'a> {
        Call { key: None, messages: Vec::new() }
    }

    fn checked(self) -> Result<Call<'a>, Refusal> {
        if self.messages.len() > MESSAGES_MAX {
            return Err(Refusal::TooLarge);
        }
        let key = self.key.iter().map(|key| ("key", key));
        let fields = self.messages.iter().flat_map(|message| [("ref", &message.reference), ("to", &message.to)]);
        for (name, field) in key.chain(fields) {
            if field.0.is_empty() || field.0.len() > FIELD_BYTES_MAX {
                let found = field.0.len();
                return Err(Refusal::Bad(format!("{name}: expected 1 to {FIELD_BYTES_MAX} bytes, found {found}")));
            }
        }
        Ok(self)
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::Bad(error.to_string()))
}

/// A string that stays in the body where it has no escapes.
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

/// A string that is checked and not kept: not even copied where it has escapes.
struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unread, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Unread;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, _text: &str) -> Result<Unread, E> {
                Ok(Unread)
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

/// What a message is answered with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Code {
    /// Accepted.
    Ok,
    /// Not now; the same message may be sent again later.
    Busy,
    /// Never: nobody has that number.
    UnknownNumber,
}

impl Code {
    /// As it is written in answers.
    pub fn word(self) -> &'static str {
        match self {
            Code::Ok => "ok",
            Code::Busy => "busy",
            Code::UnknownNumber => "unknown-number",
        }
    }
}

/// A message made ready for the ledger, so that little is left to do under its lock.
pub struct Draft<'a> {
    /// The reference as sent.
    pub reference: &'a str,
    /// The reference's hash.
    pub hash: u64,
    /// The reference as kept, where it is an id.
    pub name: Option<Name>,
    /// The address as sent.
    pub to: &'a str,
    /// The address as kept, where it is digits.
    pub digits: Option<To>,
    /// What the faults have in mind; [`Code::Busy`] holds only for a reference not seen before.
    pub code: Code,
}

impl<'a> Draft<'a> {
    /// Prepares a message, and asks the faults about it.
    pub fn new(message: &'a Message<'_>, faults: &Faults) -> Draft<'a> {
        let mut draft = Draft::accepted(&message.reference.0, &message.to.0);
        if faults.on(Fault::Refuse) && faults.hits(Fault::Refuse, hash(draft.to)) {
            draft.code = Code::UnknownNumber;
        } else if faults.hits(Fault::Busy, draft.hash) {
            draft.code = Code::Busy;
        }
        draft
    }

    /// A message that no fault hits.
    pub fn accepted(reference: &'a str, to: &'a str) -> Draft<'a> {
        let (name, digits) = (Name::parse(reference), To::parse(to));
        Draft { reference, hash: hash(reference), name, to, digits, code: Code::Ok }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expect: &str) {
        let found = match Call::batch(body.as_bytes()) {
            Ok(call) => {
                let fields = call.messages.iter().map(|m| format!("{} {}", m.reference.0, m.to.0));
                let key = call.key.as_ref().map_or("-", |key| &key.0);
                format!("{key}: {}", fields.collect::<Vec<_>>().join(", "))
            }
            Err(Refusal::Bad(detail)) => detail,
            Err(Refusal::TooLarge) => "too large".to_owned(),
        };
        assert!(found.contains(expect), "{body}: {found}");
    }

    #[test]
    fn a_body_is_read_as_the_contract_says_and_nothing_else_is() {
        let message = r#"{"ref":"r1","to":"010","text":"안녕\n\u0041"}"#;
        check(&format!(r#"{{"key":"k","messages":[{message}]}}"#), "k: r1 010");
        check(&format!(r#"{{"messages":[{message},{message}]}}"#), "-: r1 010, r1 010");
        check(&format!(r#"{{"key":null,"messages":[{message}]}}"#), "-: r1 010");
        check(r#"{"messages":[{"ref":"a\"b","to":"\u0030","subject":"s","text":""}]}"#, "-: a\"b 0");
        check(r#"{"messages":[{"ref":"r","to":"0","subject":null,"text":""}]}"#, "-: r 0");
        for (body, expect) in [
            ("", "EOF"),
            ("[]", "expected struct"),
            (r#"{"messages":[]}"#, "at least one"),
            (r#"{"messages":[{"ref":"r","to":"0"}]}"#, "missing field `text`"),
            (r#"{"messages":[{"ref":"r","to":"0","text":7}]}"#, "expected a string"),
            (r#"{"messages":[{"ref":"r","to":"0","text":"","body":""}]}"#, "unknown field `body`"),
            (r#"{"messages":[{"ref":"","to":"0","text":""}]}"#, "ref: expected 1 to 4096 bytes, found 0"),
            (r#"{"key":"","messages":[{"ref":"r","to":"0","text":""}]}"#, "key: expected 1 to 4096"),
        ] {
            check(body, expect);
        }
        let many = vec![message; MESSAGES_MAX + 1].join(",");
        check(&format!(r#"{{"messages":[{many}]}}"#), "too large");
        let long = "9".repeat(FIELD_BYTES_MAX + 1);
        check(&format!(r#"{{"messages":[{{"ref":"r","to":"{long}","text":""}}]}}"#), "to: expected");
    }

    #[test]
    fn plain_strings_are_not_copied() {
        let body = br#"{"key":"k","ref":"r","to":"0\u0031","text":"t"}"#;
        let Ok(call) = Call::single(body) else { panic!("the body is sound") };
        assert!(matches!(call.messages[0].reference.0, Cow::Borrowed("r")));
        assert!(matches!(&call.messages[0].to.0, Cow::Owned(to) if to == "01"));
    }
}
