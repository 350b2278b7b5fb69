//! Parts of a page, as functions from values to HTML: the whole page and its live patches share them.
//!
//! They know no request and no store, so what they draw can be tested and looked at alone (`examples/pages.rs`).

use std::sync::Arc;

use naru_core::clock::Millis;
use naru_core::text::{Lang, Texts};

pub mod chart;
pub mod error;
pub mod layout;
pub mod moment;
pub mod part;

pub(crate) mod sign_in;

/// A piece of HTML.
pub type Markup = maud::Markup;

/// For whom a part is drawn.
#[derive(Clone)]
pub struct Reader {
    /// All sentences.
    pub texts: Arc<Texts>,
    /// The reader's language.
    pub lang: Lang,
    /// The moment of drawing.
    pub now: Millis,
}

impl Reader {
    /// A sentence in the reader's language.
    pub fn say(&self, key: &str, args: &[(&str, &str)]) -> String {
        self.texts.say(self.lang, key, args)
    }
}

/// A name as a part of a path.
pub fn segment(name: &str) -> String {
    form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A count as people read it: `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as people read it: `61.3%`. Only none is `0%` and only all is `100%`.
pub fn share(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0%".to_owned();
    }
    if part >= whole {
        return "100%".to_owned();
    }
    match u128::from(part) * 1_000 / u128::from(whole) {
        0 => "<0.1%".to_owned(),
        per_mille => format!("{}.{}%", per_mille / 10, per_mille % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        for (n, expect) in [(0, "0"), (999, "999"), (1_000, "1,000"), (13_000_000, "13,000,000")] {
            assert_eq!(count(n), expect);
        }
    }

    #[test]
    fn a_share_does_not_round_to_none_or_all() {
        for (part, whole, expect) in [
            (0, 10, "0%"),
            (1, 1_000_000, "<0.1%"),
            (613, 1_000, "61.3%"),
            (999_999, 1_000_000, "99.9%"),
            (10, 10, "100%"),
            (0, 0, "0%"),
        ] {
            assert_eq!(share(part, whole), expect, "{part} of {whole}");
        }
    }
}
