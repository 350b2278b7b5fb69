//! Who did what: one line of the log for each thing that was done as somebody asked, by a form or by a word.
//!
//! A form says what it is about to do where it asks whether its sender may ([`crate::visit::Asked::act`]), and the front
//! writes the line once it was done and not refused. So no handler writes one, and a form and the word that does the
//! same leave the same line.

use naru_core::masked::mask_within;

use crate::role::Actor;

/// A line of a log stays readable: what is longer is cut.
const ABOUT_CHARS_MAX: usize = 200;

/// Something that somebody may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    word: &'static str,
    about: String,
}

impl Deed {
    /// What the word `word` does, with the names and values that it does it to. Never a secret; what looks like an
    /// address is masked.
    pub fn new(word: &'static str, about: &[(&str, &str)]) -> Deed {
        let named: Vec<String> = about.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let about = mask_within(&named.join(" ")).chars().take(ABOUT_CHARS_MAX).collect();
        Deed { word, about }
    }

    /// Writes the line.
    pub fn log(&self, actor: &Actor) {
        tracing::info!(word.path = self.word, word.about = self.about, actor.name = actor.name, "word said");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_tells_what_it_is_about_and_no_address() {
        let check = |about: &[(&str, &str)], expect: &str| assert_eq!(Deed::new("drain", about).about, expect);
        check(&[], "");
        check(&[("name", "minji"), ("role", "operate")], "name=minji role=operate");
        check(&[("campaign", "for 010-1234-5678")], "campaign=for 010-****-5678");
        assert_eq!(Deed::new("drain", &[("name", &"x".repeat(500))]).about.chars().count(), ABOUT_CHARS_MAX);
    }
}
