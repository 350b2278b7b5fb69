//! Values that must not appear in a log, a page or a metric: printing them prints a mask.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An id, of a campaign or a trace, as it is written.
const ID_CHARS: usize = 32;

/// A phone number or e-mail address. `Display` and `Debug` mask it; [`Address::reveal`] is the only way to the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// Wraps an address that is already in its normal form.
    pub fn new(normal: impl Into<String>) -> Address {
        Address(normal.into())
    }

    /// The address itself, for a provider, or for a person who gave a reason.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.0))
    }
}

/// Masks an address: `010-****-1234`, `k***@example.com`; anything else keeps its first character.
pub fn mask(address: &str) -> String {
    let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
    if let Some((local, domain)) = address.rsplit_once('@') {
        return format!("{}***@{domain}", first(local));
    }
    let digits: String = address.chars().filter(char::is_ascii_digit).collect();
    if digits.len() >= 9 && digits.len() * 2 > address.chars().count() {
        return format!("{}-****-{}", &digits[..3], &digits[digits.len() - 4..]);
    }
    format!("{}***", first(address))
}

/// Masks whatever in `text` looks like an address, for what a person or a program wrote in a place that was not meant
/// for one: the names of columns, the value that a failure names. What stands in the middle of an id of ours is a part of
/// it, whatever it looks like.
pub fn mask_within(text: &str) -> String {
    let is_mail = |c: char| c.is_alphanumeric() || "@.!#$%&*+-/=?^_{|}~".contains(c);
    let text = replace_runs(text, is_mail, |run| run.contains('@').then(|| mask(run)));
    let is_phone = |c: char| c.is_ascii_digit() || "+-. ()".contains(c);
    let without_phones = |text: &str| replace_runs(text, is_phone, |run| looks_like_phone(run).then(|| mask(run)));
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, id)) = next_id(rest) {
        out.push_str(&without_phones(before));
        out.push_str(id);
        rest = &rest[before.len() + id.len()..];
    }
    out + &without_phones(rest)
}

/// The first id in `text`, 32 digits and letters from a to f, and what stands before it.
fn next_id(text: &str) -> Option<(&str, &str)> {
    let mut end = 0;
    while let Some(start) = text[end..].find(|c: char| c.is_ascii_hexdigit()).map(|at| end + at) {
        let run =
            text[start..].find(|c: char| !c.is_ascii_hexdigit()).map_or(&text[start..], |len| &text[start..][..len]);
        end = start + run.len();
        // Of digits alone it is anything, several numbers too.
        if run.len() == ID_CHARS && run.contains(|c: char| c.is_ascii_lowercase()) {
            return Some((&text[..start], run));
        }
    }
    None
}

/// What a parser says of a value of the wrong type, without the value: it may be anybody's number or name.
///
/// `invalid type: string "…", expected an object` becomes `invalid type: string, expected an object`.
pub fn without_value(told: &str) -> String {
    let start = ["invalid type: ", "invalid value: "].iter().find_map(|begin| told.find(begin));
    // The value stands in marks, and nothing else does before "expected".
    let value = start.and_then(|at| {
        let (open, close) = (told[at..].find(['`', '"'])?, told[at..].rfind(", expected ")?);
        (open < close).then_some(at + open..at + close)
    });
    match value {
        Some(value) => mask_within(&format!("{}{}", told[..value.start].trim_end(), &told[value.end..])),
        None => mask_within(told),
    }
}

/// Whether `run` begins as phone numbers do, in Korea or with a country's code, also without the zero that spreadsheets
/// drop. Dates and moments do not.
fn looks_like_phone(run: &str) -> bool {
    let digits: String = run.chars().filter(char::is_ascii_digit).collect();
    let bare = digits.starts_with('1') && matches!(digits.len(), 9 | 10);
    digits.len() >= 9 && (bare || run.contains('+') || digits.starts_with('0') || digits.starts_with("82"))
}

/// `text` with `change` made of each longest run of characters that are `inside`, where it makes something of it.
fn replace_runs(text: &str, inside: impl Fn(char) -> bool, change: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(&inside) {
        let (before, from) = rest.split_at(start);
        let (run, after) = from.split_at(from.find(|c| !inside(c)).unwrap_or(from.len()));
        let bare = run.trim();
        let changed = change(bare).map_or_else(|| run.to_owned(), |changed| run.replacen(bare, &changed, 1));
        out.push_str(before);
        out.push_str(&changed);
        rest = after;
    }
    out + rest
}

/// A secret: never prints, compares in constant time.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `other` is the secret, in a time that does not depend on where they differ.
    pub fn matches(&self, other: &str) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_masked() {
        for (address, expect) in [
            ("01012345678", "010-****-5678"),
            ("+82-10-1234-5678", "821-****-5678"),
            ("kim@example.com", "k***@example.com"),
            ("x", "x***"),
            ("", "***"),
        ] {
            assert_eq!(Address::new(address).to_string(), expect);
            assert_eq!(format!("{:?}", Address::new(address)), expect);
        }
    }

    #[test]
    fn addresses_in_a_text_are_masked_and_the_rest_stays() {
        for (text, expect) in [
            ("010-1234-5678, 김, 1", "010-****-5678, 김, 1"),
            ("integer `1012345678` at line 1 column 17", "integer `101-****-5678` at line 1 column 17"),
            ("\"+82 (0)10 1234 5678\"", "\"820-****-5678\""),
            ("to kim.minsu@example.com: 수아+1@가게.kr", "to k***@example.com: 수***@가게.kr"),
            ("2026-12-24 18:00", "2026-12-24 18:00"),
            ("2026-13-01T00:00:00+09:00", "2026-13-01T00:00:00+09:00"),
            ("1795361400000", "1795361400000"),
            ("휴대폰, 주문 번호, 2", "휴대폰, 주문 번호, 2"),
            ("01a208926f727fe5a208d1089749699d-0", "01a208926f727fe5a208d1089749699d-0"),
            ("to 01012345678, 01a208926f727fe5a208d1089749699d", "to 010-****-5678, 01a208926f727fe5a208d1089749699d"),
            ("01012345678010876543210101111222", "010-****-1222"),
            ("", ""),
        ] {
            assert_eq!(mask_within(text), expect);
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_is_not_told() {
        for (told, expect) in [
            ("invalid type: string \"김, expected `x`\", expected a map", "invalid type: string, expected a map"),
            (
                "`to`: invalid type: integer `1012345678`, expected a text",
                "`to`: invalid type: integer, expected a text",
            ),
            ("invalid type: map, expected one of `a`, `b`", "invalid type: map, expected one of `a`, `b`"),
            ("invalid value: string \"김민서\", expected a role", "invalid value: string, expected a role"),
            ("unknown field `010-1234-5678`, expected `to`", "unknown field `010-****-5678`, expected `to`"),
            ("EOF while parsing a list at line 1 column 1", "EOF while parsing a list at line 1 column 1"),
        ] {
            assert_eq!(without_value(told), expect);
        }
    }

    #[test]
    fn a_secret_never_prints() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
        assert!(Secret::new("hunter2").matches("hunter2"));
        assert!(!Secret::new("hunter2").matches("hunter3"));
    }
}
