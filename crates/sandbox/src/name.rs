//! References and addresses, kept in a few bytes and given back exactly.
//!
//! A campaign's references look like `<32 hex>-<slot>` and its addresses are phone numbers: 18 and 8 bytes. Whatever
//! looks otherwise is kept as text, at its own length.

use std::io::Write;

use naru_core::id::write_hex;
use xxhash_rust::xxh3::xxh3_64;

use crate::pages::Texts;

/// The slot that says: a bare id without one.
const SLOT_NONE: u16 = u16::MAX - 1;
/// The slot that says: not an id at all, the first eight bytes are a place in [`Texts`].
const SLOT_TEXT: u16 = u16::MAX;
/// Slots below this one fit.
const SLOTS: u16 = SLOT_NONE;

/// A reference as kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name {
    id: [u8; 16],
    slot: u16,
}

impl Name {
    /// Reads `<32 lower-case hex>` or `<32 lower-case hex>-<slot>`; anything that would not print back exactly is none.
    pub fn parse(text: &str) -> Option<Name> {
        let (hex, rest) = text.as_bytes().split_at_checked(32)?;
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = (nibble(pair[0])? << 4) | nibble(pair[1])?;
        }
        let slot = match rest {
            [] => SLOT_NONE,
            [b'-', digits @ ..] => read_slot(digits)?,
            _ => return None,
        };
        Some(Name { id, slot })
    }

    /// Keeps any other text.
    pub fn keep(text: &str, texts: &mut Texts) -> Name {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&texts.keep(text).to_le_bytes());
        Name { id, slot: SLOT_TEXT }
    }

    /// The text kept, where it is not an id.
    pub fn text<'a>(&self, texts: &'a Texts) -> Option<&'a str> {
        let place = u64::from_le_bytes(self.id[..8].try_into().expect("eight of sixteen bytes"));
        (self.slot == SLOT_TEXT).then(|| texts.read(place))
    }

    /// Writes it as a JSON string.
    pub fn write(&self, texts: &Texts, out: &mut Vec<u8>) {
        if let Some(text) = self.text(texts) {
            return write_json(text, out);
        }
        let mut hex = [0; 32];
        out.push(b'"');
        out.extend_from_slice(write_hex(&self.id, &mut hex).as_bytes());
        if self.slot < SLOTS {
            let _ = write!(out, "-{}", self.slot);
        }
        out.push(b'"');
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn read_slot(digits: &[u8]) -> Option<u16> {
    let plain = matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && digits.len() <= 5;
    if !plain {
        return None;
    }
    let mut slot = 0u32;
    for digit in digits {
        slot = slot * 10 + u32::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    u16::try_from(slot).ok().filter(|slot| *slot < SLOTS)
}

/// An address as kept: digits behind a leading 1 that keeps their zeros, or a place in [`Texts`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct To(u64);

/// Marks digits; places stay below it.
const DIGITS: u64 = 1 << 63;
/// With the leading 1 this many digits stay below 2^63.
const DIGITS_MAX: usize = 17;

impl To {
    /// Reads an address that is digits only.
    pub fn parse(text: &str) -> Option<To> {
        if text.is_empty() || text.len() > DIGITS_MAX {
            return None;
        }
        let mut number = 1;
        for digit in text.bytes() {
            number = number * 10 + u64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        Some(To(DIGITS | number))
    }

    /// Keeps any other address.
    pub fn keep(text: &str, texts: &mut Texts) -> To {
        To(texts.keep(text))
    }

    /// Writes it as a JSON string.
    pub fn write(&self, texts: &Texts, out: &mut Vec<u8>) {
        if self.0 & DIGITS == 0 {
            return write_json(texts.read(self.0), out);
        }
        let start = out.len();
        // The leading 1 is there to keep zeros; the quote takes its place.
        let _ = write!(out, "{}\"", self.0 ^ DIGITS);
        out[start] = b'"';
    }
}

/// Hashes a reference, an address or a key.
pub fn hash(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// Writes `text` as a JSON string.
pub fn write_json(text: &str, out: &mut Vec<u8>) {
    // Writing text into memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_back(text: &str) -> (bool, String) {
        let mut texts = Texts::default();
        let parsed = Name::parse(text);
        let name = parsed.unwrap_or_else(|| Name::keep(text, &mut texts));
        let mut out = Vec::new();
        name.write(&texts, &mut out);
        (parsed.is_some(), serde_json::from_slice(&out).unwrap())
    }

    #[test]
    fn references_come_back_exactly_whatever_their_shape() {
        let id = "0192f0c8a1b27cde8f00112233445566";
        for (text, compact) in [
            (id.to_owned(), true),
            (format!("{id}-0"), true),
            (format!("{id}-999"), true),
            (format!("{id}-65533"), true),
            (format!("{id}-65534"), false),
            (format!("{id}-65536"), false),
            (format!("{id}-99999"), false),
            (format!("{id}-007"), false),
            (format!("{id}-"), false),
            (format!("{id}-1x"), false),
            (format!("{id}x"), false),
            (id.to_uppercase(), false),
            ("order \"7\"\n김".to_owned(), false),
            ("한국어".repeat(12), false),
        ] {
            assert_eq!(name_back(&text), (compact, text));
        }
    }

    #[test]
    fn addresses_come_back_exactly_whatever_their_shape() {
        for (text, compact) in [
            ("01012345678", true),
            ("0", true),
            ("00000000000000000", true),
            ("99999999999999999", true),
            ("123456789012345678", false),
            ("+821012345678", false),
            ("kim@example.com", false),
        ] {
            let mut texts = Texts::default();
            let parsed = To::parse(text);
            assert_eq!(parsed.is_some(), compact, "{text}");
            let mut out = Vec::new();
            parsed.unwrap_or_else(|| To::keep(text, &mut texts)).write(&texts, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
