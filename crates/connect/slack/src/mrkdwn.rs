//! Text in Slack's markup.

use std::ops::Add;

/// Text in mrkdwn, Slack's markup. What comes from elsewhere goes in by [`Mrkdwn::escaped`], so that nobody's branch name
/// mentions a channel or hides a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mrkdwn(String);

impl Mrkdwn {
    /// Text that shows as it is: `&`, `<` and `>` are escaped, which is what Slack asks for and all that it offers
    /// (<https://docs.slack.dev/messaging/formatting-message-text#escaping>).
    pub fn escaped(text: &str) -> Mrkdwn {
        Mrkdwn(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
    }

    /// Text that is markup already.
    pub fn raw(markup: impl Into<String>) -> Mrkdwn {
        Mrkdwn(markup.into())
    }

    /// `text` that leads to `url`.
    pub fn link(url: &str, text: &str) -> Mrkdwn {
        // Either sign would end the link's address.
        let url = Mrkdwn::escaped(url).0.replace('|', "%7C");
        Mrkdwn(format!("<{url}|{}>", Mrkdwn::escaped(text).0))
    }

    /// The person with this id of Slack's, who is told of it.
    pub fn user(id: &str) -> Mrkdwn {
        let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        Mrkdwn(format!("<@{id}>"))
    }

    /// The markup.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Add for Mrkdwn {
    type Output = Mrkdwn;

    fn add(self, other: Mrkdwn) -> Mrkdwn {
        Mrkdwn(self.0 + &other.0)
    }
}

/// `&amp;`, the longest.
const ENTITY_BYTES_MAX: usize = 5;

/// `markup` in at most `chars_max` characters, the last an ellipsis where something is missing; no entity, link or
/// mention is cut in two.
pub(crate) fn cut(markup: &str, chars_max: usize) -> String {
    let short = shorten(markup, chars_max);
    let Some(kept) = short.strip_suffix('…').filter(|_| short != markup) else { return short };
    let opened = |open, close| kept.rfind(open).filter(|at| !kept[*at..].contains(close));
    let link = opened('<', '>');
    let entity = opened('&', ';').filter(|at| kept.len() - at < ENTITY_BYTES_MAX);
    let end = link.into_iter().chain(entity).min().unwrap_or(kept.len());
    format!("{}…", &kept[..end])
}

/// `text` in at most `chars_max` characters, the last an ellipsis where something is missing.
pub(crate) fn shorten(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars_max - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_elsewhere_is_no_markup() {
        assert_eq!(Mrkdwn::escaped("<!channel> & <@U1>").as_str(), "&lt;!channel&gt; &amp; &lt;@U1&gt;");
        assert_eq!(Mrkdwn::link("https://a.example/?a=1&b=2|x>", "1 < 2").as_str(), {
            "<https://a.example/?a=1&amp;b=2%7Cx&gt;|1 &lt; 2>"
        });
        assert_eq!(Mrkdwn::user("U1> <!here").as_str(), "<@U1here>");
        assert_eq!((Mrkdwn::raw("*a* ") + Mrkdwn::escaped("b")).as_str(), "*a* b");
    }

    #[test]
    fn a_cut_is_between_characters_and_leaves_no_half_of_a_sign() {
        for (markup, chars_max, expect) in [
            ("배포했습니다", 6, "배포했습니다"),
            ("배포했습니다", 5, "배포했습…"),
            ("", 5, ""),
            ("a &amp; b", 6, "a …"),
            ("a &amp; b", 8, "a &amp;…"),
            ("a <https://a.example|b>", 8, "a …"),
            ("<@U1> an &lt;", 11, "<@U1> an …"),
            ("<@U1> said & went", 8, "<@U1> s…"),
            ("R&D of 2026", 8, "R&D of …"),
            ("abc…", 4, "abc…"),
            ("👩‍🚀👩‍🚀", 3, "👩\u{200d}…"),
        ] {
            let found = cut(markup, chars_max);
            assert_eq!(found, expect);
            assert!(found.chars().count() <= chars_max);
        }
    }
}
