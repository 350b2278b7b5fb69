//! Calls of the Web API as values.
//!
//! All are forms: the methods that read take no JSON, and those that write take blocks as JSON in a field.

use form_urlencoded::Serializer;

use crate::message::Message;
use crate::web::reply::Place;

/// A call before it is made.
pub(super) struct Call {
    pub method: &'static str,
    pub token: Token,
    /// What it is about, for who reads why it was refused: the field's name.
    pub subject: Option<&'static str>,
    fields: Vec<(&'static str, String)>,
}

/// Whose call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Bot,
    App,
}

impl Token {
    /// The configuration key.
    pub fn key(self) -> &'static str {
        match self {
            Token::Bot => "slack.bot_token",
            Token::App => "slack.app_token",
        }
    }
}

impl Call {
    pub fn new(method: &'static str) -> Call {
        Call::by(Token::Bot, method)
    }

    pub fn by(token: Token, method: &'static str) -> Call {
        Call { method, token, subject: None, fields: Vec::new() }
    }

    /// A call about one thing.
    pub fn about(method: &'static str, name: &'static str, value: &str) -> Call {
        Call { subject: Some(name), ..Call::new(method) }.with(name, value)
    }

    pub fn post(channel: &str, message: &Message) -> Call {
        // A preview is fetched by Slack, and what is asleep must not be woken by that.
        let call = Call::about("chat.postMessage", "channel", channel).showing(message);
        call.with("unfurl_links", "false").with("unfurl_media", "false")
    }

    pub fn update(place: &Place, message: &Message) -> Call {
        let call = Call::about("chat.update", "channel", &place.channel).with("ts", place.ts.as_str());
        call.showing(message)
    }

    pub fn post_only_to(channel: &str, user: &str, message: &Message) -> Call {
        Call::about("chat.postEphemeral", "channel", channel).with("user", user).showing(message)
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Call {
        self.fields.push((name, value.into()));
        self
    }

    /// What the field of that name holds.
    pub fn field(&self, name: &str) -> &str {
        let field = self.fields.iter().find(|(field, _)| *field == name);
        field.map_or("", |(_, value)| value.as_str())
    }

    /// What Slack counts it with: posts in one channel, every other call of one method.
    pub fn hold(&self) -> (&'static str, String) {
        let is_post = matches!(self.method, "chat.postMessage" | "chat.postEphemeral");
        (self.method, if is_post { self.field("channel").to_owned() } else { String::new() })
    }

    /// The body.
    pub fn form(&self) -> String {
        Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }

    /// Blocks are always sent: an update without them would leave the old ones.
    fn showing(self, message: &Message) -> Call {
        self.with("text", message.text_for_slack()).with("blocks", message.blocks_for_slack().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mrkdwn::Mrkdwn;

    #[test]
    fn a_message_is_a_form() {
        let message = Message::text(Mrkdwn::escaped("a & b"));
        let place = Place { channel: "C1".to_owned(), ts: "1.2".to_owned() };
        for (call, expect) in [
            (
                Call::post("C1", &message),
                "channel=C1&text=a+%26amp%3B+b&blocks=%5B%5D&unfurl_links=false&unfurl_media=false",
            ),
            (Call::update(&place, &message), "channel=C1&ts=1.2&text=a+%26amp%3B+b&blocks=%5B%5D"),
            (Call::post_only_to("C1", "U1", &message), "channel=C1&user=U1&text=a+%26amp%3B+b&blocks=%5B%5D"),
        ] {
            assert_eq!(call.form(), expect, "{}", call.method);
        }
    }

    #[test]
    fn posts_are_counted_by_channel_and_updates_are_not() {
        let message = Message::default();
        let place = Place { channel: "C1".to_owned(), ts: "1.2".to_owned() };
        assert_eq!(Call::post("C1", &message).hold(), ("chat.postMessage", "C1".to_owned()));
        assert_eq!(Call::update(&place, &message).hold(), ("chat.update", String::new()));
        assert_eq!(Call::about("users.info", "user", "U1").hold(), ("users.info", String::new()));
    }
}
