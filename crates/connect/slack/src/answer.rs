//! What somebody who asked is told: with the acknowledgement, which Slack waits three seconds for, or later.

use serde_json::{Map, Value, json};

use crate::message::Message;

/// An answer, or that there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer(Option<Value>);

impl Answer {
    /// That it was taken, and nothing to see.
    pub fn bare() -> Answer {
        Answer(None)
    }

    /// A message that only the person who asked sees.
    pub fn only_you(message: &Message) -> Answer {
        Answer::message(message, "ephemeral")
    }

    /// A message that the whole channel sees, with the command above it.
    pub fn in_channel(message: &Message) -> Answer {
        Answer::message(message, "in_channel")
    }

    /// A message in the place of the one that was clicked on.
    pub fn replacing(message: &Message) -> Answer {
        let mut payload = message.json();
        payload["replace_original"] = true.into();
        Answer(Some(payload))
    }

    /// What is wrong with a form that was handed in, each with its block: it stays open and shows them.
    pub fn errors<'a>(errors: impl IntoIterator<Item = (&'a str, &'a str)>) -> Answer {
        let errors: Map<_, _> = errors.into_iter().map(|(block, error)| (block.to_owned(), error.into())).collect();
        Answer(Some(json!({ "response_action": "errors", "errors": errors })))
    }

    /// The body of the answer to an HTTP request, which is JSON where it is not empty.
    pub fn http_body(&self) -> String {
        self.0.as_ref().map(Value::to_string).unwrap_or_default()
    }

    /// Whether it is a message, which can also be posted later.
    pub(crate) fn is_message(&self) -> bool {
        self.0.as_ref().is_some_and(|payload| payload.get("text").is_some())
    }

    pub(crate) fn payload(&self) -> Option<&Value> {
        self.0.as_ref()
    }

    fn message(message: &Message, audience: &str) -> Answer {
        let mut payload = message.json();
        payload["response_type"] = audience.into();
        Answer(Some(payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mrkdwn::Mrkdwn;

    #[test]
    fn an_answer_is_what_slack_takes() {
        let message = Message::text(Mrkdwn::escaped("대기열 2번"));
        assert_eq!(Answer::only_you(&message).http_body(), r#"{"response_type":"ephemeral","text":"대기열 2번"}"#);
        assert_eq!(Answer::in_channel(&message).http_body(), r#"{"response_type":"in_channel","text":"대기열 2번"}"#);
        assert_eq!(Answer::replacing(&message).http_body(), r#"{"replace_original":true,"text":"대기열 2번"}"#);
        assert_eq!(
            Answer::errors([("until", "?")]).http_body(),
            r#"{"errors":{"until":"?"},"response_action":"errors"}"#
        );
        assert_eq!(Answer::bare().http_body(), "");
    }
}
