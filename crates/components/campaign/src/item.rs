//! One message as a program sends it, and whether it can become one of ours.

use std::borrow::Cow;

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::masked::{Address, mask, mask_within};
use naru_dispatch::address::normalise_into;
use naru_dispatch::engine::Dispatch;
use naru_dispatch::frame::{MESSAGE_BYTES_MAX, TemplateRef};
use naru_dispatch::message::Message;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::json::in_field;
use crate::taking::template_ref;

/// Bytes of a customer's name or a trace id.
pub const NAME_BYTES_MAX: usize = 255;

/// As the caller wrote it. Values are texts or numbers, as in a file; `null` is as good as absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item<'a> {
    #[serde(borrow, deserialize_with = "field::template")]
    template: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "field::to")]
    to: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "field::customer")]
    customer: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "field::expires_at")]
    expires_at: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "field::trace_id")]
    trace_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    variables: Variables<'a>,
}

/// A reader for each field, because only so a failure can name the field.
mod field {
    use super::{Cow, Deserialize, Deserializer, Text, in_field};

    macro_rules! readers {
        ($($name:ident)*) => {
            $(pub fn $name<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'a, str>>, D::Error> {
                Text::deserialize(from).map(|Text(text)| text).map_err(|error| in_field(stringify!($name), error))
            })*
        };
    }
    readers! { template to customer expires_at trace_id }
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
                while let Some(Text(name)) = map.next_key()? {
                    let name = name.unwrap_or_default();
                    let Text(value) = map.next_value().map_err(|error| in_field(&name, error))?;
                    pairs.extend(value.map(|value| (name, value)));
                }
                Ok(Variables(pairs))
            }
        }
        deserializer.deserialize_map(Pairs).map_err(|error| in_field("variables", error))
    }
}

/// A text, a number as its digits, or nothing.
struct Text<'a>(Option<Cow<'a, str>>);

impl Text<'_> {
    fn number<E>(number: impl std::fmt::Display) -> Result<Self, E> {
        Ok(Text(Some(Cow::Owned(number.to_string()))))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Some(Cow::Borrowed(text))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Some(Cow::Owned(text.to_owned()))))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Text<'de>, E> {
                Text::number(number)
            }

            fn visit_u64<E>(self, number: u64) -> Result<Text<'de>, E> {
                Text::number(number)
            }

            fn visit_f64<E>(self, number: f64) -> Result<Text<'de>, E> {
                Text::number(number)
            }

            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text(None))
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
        let template = self.dispatch.templates().newest(item.template.as_deref().unwrap_or_default()).await?;
        let channel = template.text.channel;
        let lane = self.dispatch.route(channel)?;
        let (written, mut to) = (item.to.as_deref().unwrap_or_default(), String::new());
        if !normalise_into(channel, written, &mut to) {
            return Err(match written.trim() {
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
            .ok_or_else(|| Failure::refused("expires-bad").arg("value", mask_within(text)))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Item<'_>, String> {
        serde_json::from_str(json).map_err(|error| crate::json::why(&error))
    }

    #[test]
    fn numbers_are_texts_and_null_is_nothing() {
        let json = r#"{"template":"t","to":1012345678,"customer":7,"expires_at":null,"variables":{"a":1.5,"b":null}}"#;
        let item = read(json).unwrap();
        assert_eq!((item.to.as_deref(), item.customer.as_deref()), (Some("1012345678"), Some("7")));
        assert_eq!((item.expires_at, item.variables.0), (None, vec![("a".into(), "1.5".into())]));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_field_and_without_its_value() {
        let check = |json: &str, expect: &str| assert_eq!(read(json).err().as_deref(), Some(expect), "{json}");
        let wanted = "expected a text or a number at line 1 column";
        check(r#"{"template":"t","to":true}"#, &format!("`to`: invalid type: boolean, {wanted} 25"));
        let variable = r#"{"template":"t","to":"x","variables":{"name":["김민서"]}}"#;
        check(variable, &format!("`variables`: `name`: invalid type: sequence, {wanted} 46"));
        let variables = r#"{"template":"t","to":"x","variables":"010-1234-5678"}"#;
        check(
            variables,
            "`variables`: invalid type: string, expected an object of texts and numbers at line 1 column 52",
        );
        check(r#"{"to":"x"}"#, "missing field `template` at line 1 column 10");
    }
}
