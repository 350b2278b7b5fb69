//! One message as a program sends it, and whether it can become one of ours.

use std::borrow::Cow;

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::masked::{Address, mask};
use naru_dispatch::address::normalise_into;
use naru_dispatch::engine::Dispatch;
use naru_dispatch::frame::{MESSAGE_BYTES_MAX, TemplateRef};
use naru_dispatch::message::Message;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::send_word::template_ref;

/// Bytes of a customer's name or a trace id.
const NAME_BYTES_MAX: usize = 255;

/// As the caller wrote it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item<'a> {
    #[serde(borrow)]
    template: Cow<'a, str>,
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow, default)]
    customer: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    expires_at: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    trace_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    variables: Variables<'a>,
}

/// Names and values in the order written: a handful, so looking through them beats hashing.
#[derive(Default)]
struct Variables<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Variables<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Variables<'a>, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Variables<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of texts and numbers")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Variables<'de>, M::Error> {
                let mut pairs = Vec::new();
                while let Some((Text(name), Text(value))) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    pairs.push((name, value));
                }
                Ok(Variables(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A text, or a number as its digits.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Judges items of one call.
pub struct Judge<'a> {
    /// Knows templates and routes.
    pub dispatch: &'a Dispatch,
    /// What "expired" is measured by.
    pub now: Millis,
}

/// A message that can be stored.
pub struct Judged {
    /// The lane it leaves by.
    pub lane: String,
    /// Lower goes first.
    pub priority: usize,
    /// Its template.
    pub template: TemplateRef,
    /// Itself.
    pub message: Message,
}

impl Judge<'_> {
    /// Judges one.
    pub async fn judge(&self, item: &Item<'_>) -> Result<Judged, Failure> {
        let template = self.dispatch.templates().newest(&item.template).await?;
        let channel = template.text.channel;
        let lane = self.dispatch.route(channel)?;
        let mut to = String::new();
        if !normalise_into(channel, &item.to, &mut to) {
            return Err(match item.to.trim() {
                "" => Failure::refused("address-missing"),
                found => Failure::refused("address-bad").arg("address", mask(found)).arg("channel", channel),
            });
        }
        let mut values = Vec::with_capacity(template.variables.len());
        for name in &template.variables {
            let value = item.variables.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref());
            match value.filter(|value| !value.trim().is_empty()) {
                Some(value) => values.push(value),
                None => return Err(Failure::refused("variable-missing").arg("variable", name)),
            }
        }
        if let Some(fault) = template.fault(&values) {
            return Err(fault.failure());
        }
        let expires_at = item.expires_at.as_deref().map(|text| self.expiry(text)).transpose()?;
        check_length("customer", item.customer.as_deref())?;
        check_length("trace_id", item.trace_id.as_deref())?;
        let bytes: usize = values.iter().map(|value| value.len() + 3).sum();
        if bytes + to.len() + 4 * NAME_BYTES_MAX > MESSAGE_BYTES_MAX {
            return Err(Failure::refused("message-too-large").arg("max", MESSAGE_BYTES_MAX - 5 * NAME_BYTES_MAX));
        }
        let message = Message {
            to: Address::new(to),
            customer: item.customer.as_deref().map(str::to_owned),
            expires_at,
            trace_id: item.trace_id.as_deref().map(str::to_owned),
            values: values.into_iter().map(str::to_owned).collect(),
        };
        let priority = template.text.purpose.priority();
        Ok(Judged { lane: lane.to_owned(), priority, template: template_ref(&template), message })
    }

    fn expiry(&self, text: &str) -> Result<Millis, Failure> {
        let at = crate::file::moment::parse_moment(text)
            .ok_or_else(|| Failure::refused("expires-bad").arg("value", text))?;
        if at <= self.now {
            return Err(Failure::refused("expires-past").arg("at", naru_core::clock::seoul(at)));
        }
        Ok(at)
    }
}

fn check_length(field: &str, text: Option<&str>) -> Result<(), Failure> {
    match text {
        Some(text) if text.is_empty() || text.len() > NAME_BYTES_MAX => {
            Err(Failure::refused("field-length").arg("field", field).arg("max", NAME_BYTES_MAX))
        }
        _ => Ok(()),
    }
}
