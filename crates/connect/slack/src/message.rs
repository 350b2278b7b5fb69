//! What a message shows: a text, and blocks of headings, sections and buttons (Block Kit).
//!
//! Slack refuses a message of which one part is too long, so a status that grew would not be shown at all. Here
//! everything that is read is cut with an ellipsis where Slack's bound is. What names something (an action, its value)
//! is not: half a name names nothing, and Slack's refusal is right.

use serde_json::{Value, json};

use crate::mrkdwn::{Mrkdwn, cut, shorten};

/// <https://docs.slack.dev/reference/block-kit/blocks>: blocks in a message.
const BLOCKS_MAX: usize = 50;
const SECTION_CHARS_MAX: usize = 3_000;
const HEADER_CHARS_MAX: usize = 150;
const CONTEXT_CHARS_MAX: usize = 2_000;
const BUTTON_CHARS_MAX: usize = 75;
/// Buttons in a row.
const BUTTONS_MAX: usize = 25;
/// Slack advises no more for the text that stands beside blocks.
const TEXT_CHARS_MAX: usize = 4_000;

/// A message as it shall look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What a notification shows, and all there is where there are no blocks.
    pub text: Mrkdwn,
    /// What the message shows; beyond 50 the last one stays, which is where buttons are.
    pub blocks: Vec<Block>,
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading, shown as it is written.
    Header(String),
    /// A paragraph.
    Section(Mrkdwn),
    /// A paragraph in small print.
    Context(Mrkdwn),
    /// A line.
    Divider,
    /// A row of buttons.
    Actions(Vec<Button>),
}

/// A button of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// What a click does, as [`crate::payload::Click::action`] brings it back. One row has no two of a name.
    pub action: String,
    /// What it does that to, as [`crate::payload::Click::value`] brings it back.
    pub value: String,
    /// What stands on it.
    pub text: String,
    /// How it looks.
    pub style: Style,
}

/// How a button looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// As any other.
    #[default]
    Plain,
    /// Green: what most will want.
    Primary,
    /// Red: what cannot be taken back.
    Danger,
}

impl Message {
    /// A message of text alone.
    pub fn text(text: Mrkdwn) -> Message {
        Message { text, blocks: Vec::new() }
    }

    /// The text as Slack takes it.
    pub(crate) fn text_for_slack(&self) -> String {
        cut(self.text.as_str(), TEXT_CHARS_MAX)
    }

    /// The blocks as Slack takes them.
    pub(crate) fn blocks_for_slack(&self) -> Value {
        let blocks = self.blocks.as_slice();
        match blocks.split_last() {
            Some((last, rest)) if blocks.len() > BLOCKS_MAX => {
                let dots = Block::Context(Mrkdwn::raw("…"));
                rest[..BLOCKS_MAX - 2].iter().chain([&dots, last]).map(Block::json).collect()
            }
            _ => blocks.iter().map(Block::json).collect(),
        }
    }

    /// Text and blocks in one object, for what is no call of the Web API.
    pub(crate) fn json(&self) -> Value {
        let text = self.text_for_slack();
        match self.blocks.is_empty() {
            true => json!({ "text": text }),
            false => json!({ "text": text, "blocks": self.blocks_for_slack() }),
        }
    }
}

impl Block {
    fn json(&self) -> Value {
        match self {
            Block::Header(text) => json!({ "type": "header", "text": plain(text, HEADER_CHARS_MAX) }),
            Block::Section(text) => json!({ "type": "section", "text": mrkdwn(text, SECTION_CHARS_MAX) }),
            Block::Context(text) => json!({ "type": "context", "elements": [mrkdwn(text, CONTEXT_CHARS_MAX)] }),
            Block::Divider => json!({ "type": "divider" }),
            Block::Actions(buttons) => {
                let elements: Value = buttons.iter().take(BUTTONS_MAX).map(Button::json).collect();
                json!({ "type": "actions", "elements": elements })
            }
        }
    }
}

impl Button {
    fn json(&self) -> Value {
        let mut button = json!({
            "type": "button",
            "action_id": self.action,
            "value": self.value,
            "text": plain(&self.text, BUTTON_CHARS_MAX),
        });
        match self.style {
            Style::Plain => {}
            Style::Primary => button["style"] = "primary".into(),
            Style::Danger => button["style"] = "danger".into(),
        }
        button
    }
}

fn plain(text: &str, chars_max: usize) -> Value {
    // Text of this type is no markup, so there is nothing to escape, and no entity to cut in two.
    json!({ "type": "plain_text", "text": shorten(text, chars_max) })
}

fn mrkdwn(text: &Mrkdwn, chars_max: usize) -> Value {
    // A paragraph of nothing is refused.
    let text = if text.as_str().is_empty() { " ".to_owned() } else { cut(text.as_str(), chars_max) };
    json!({ "type": "mrkdwn", "text": text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_written_as_block_kit() {
        let button =
            |style| Button { action: "approve".to_owned(), value: "op-1".to_owned(), text: "승인".to_owned(), style };
        let message = Message {
            text: Mrkdwn::escaped("web <1.2>"),
            blocks: vec![
                Block::Header("web & api".to_owned()),
                Block::Section(Mrkdwn::raw("*web* ") + Mrkdwn::escaped("<1.2>")),
                Block::Divider,
                Block::Context(Mrkdwn::escaped("")),
                Block::Actions(vec![button(Style::Primary), button(Style::Plain)]),
            ],
        };
        let text = |text: &str| json!({ "type": "plain_text", "text": text });
        let expect = json!({
            "text": "web &lt;1.2&gt;",
            "blocks": [
                { "type": "header", "text": text("web & api") },
                { "type": "section", "text": { "type": "mrkdwn", "text": "*web* &lt;1.2&gt;" } },
                { "type": "divider" },
                { "type": "context", "elements": [{ "type": "mrkdwn", "text": " " }] },
                { "type": "actions", "elements": [
                    { "type": "button", "action_id": "approve", "value": "op-1", "text": text("승인"), "style": "primary" },
                    { "type": "button", "action_id": "approve", "value": "op-1", "text": text("승인") },
                ] },
            ],
        });
        assert_eq!(message.json(), expect);
        assert_eq!(Message::text(Mrkdwn::raw("x")).json(), json!({ "text": "x" }));
    }

    #[test]
    fn no_part_is_longer_than_slack_takes() {
        let long = "가".repeat(5_000);
        let button = Button { action: String::new(), value: String::new(), text: long.clone(), style: Style::Plain };
        let blocks = vec![
            Block::Header(long.clone()),
            Block::Section(Mrkdwn::escaped(&long)),
            Block::Context(Mrkdwn::escaped(&long)),
            Block::Actions(vec![button; 30]),
        ];
        let found = Message { text: Mrkdwn::escaped(&long), blocks }.json();
        let chars = |pointer: &str| {
            let text = found.pointer(pointer).and_then(Value::as_str).unwrap();
            assert!(text.ends_with("가…"));
            text.chars().count()
        };
        assert_eq!(chars("/text"), 4_000);
        assert_eq!(chars("/blocks/0/text/text"), 150);
        assert_eq!(chars("/blocks/1/text/text"), 3_000);
        assert_eq!(chars("/blocks/2/elements/0/text"), 2_000);
        assert_eq!(chars("/blocks/3/elements/24/text/text"), 75);
        assert_eq!(found["blocks"][3]["elements"].as_array().unwrap().len(), 25);
    }

    #[test]
    fn of_too_many_blocks_the_last_stays() {
        let section = |n: usize| Block::Section(Mrkdwn::raw(n.to_string()));
        let shown = |count: usize| {
            let found = Message { blocks: (1..=count).map(section).collect(), ..Message::default() }.blocks_for_slack();
            let text = |block: &Value| {
                let text = block.pointer("/text/text").or(block.pointer("/elements/0/text")).unwrap();
                text.as_str().unwrap().to_owned()
            };
            found.as_array().unwrap().iter().map(text).collect::<Vec<String>>()
        };
        assert_eq!(shown(50).len(), 50);
        assert_eq!(shown(50)[49], "50");
        assert_eq!(shown(51).len(), 50);
        assert_eq!(shown(51)[47..], ["48", "…", "51"]);
    }
}
