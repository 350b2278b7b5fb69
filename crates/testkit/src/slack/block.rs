//! Which messages Slack refuses: <https://docs.slack.dev/reference/block-kit/blocks>.

use serde_json::Value;

/// What is wrong with a message, as Slack says it.
pub fn fault(text: &str, blocks: &Value) -> Option<&'static str> {
    let Some(blocks) = blocks.as_array() else { return Some("invalid_blocks_format") };
    if blocks.is_empty() && text.is_empty() {
        return Some("no_text");
    }
    if text.chars().count() > 40_000 {
        return Some("msg_too_long");
    }
    (blocks.len() > 50 || !blocks.iter().all(is_sound)).then_some("invalid_blocks")
}

fn is_sound(block: &Value) -> bool {
    match block["type"].as_str() {
        Some("header") => is_text(&block["text"], "plain_text", 150),
        Some("section") => is_text(&block["text"], "mrkdwn", 3_000),
        Some("context") => parts(block).is_some_and(|parts| {
            (1..=10).contains(&parts.len()) && parts.iter().all(|part| is_text(part, "mrkdwn", 2_000))
        }),
        Some("actions") => parts(block).is_some_and(|parts| {
            let is_single =
                |part: &Value| parts.iter().filter(|other| other["action_id"] == part["action_id"]).count() == 1;
            (1..=25).contains(&parts.len()) && parts.iter().all(|part| is_button(part) && is_single(part))
        }),
        Some("divider") => true,
        _ => false,
    }
}

fn parts(block: &Value) -> Option<&Vec<Value>> {
    block["elements"].as_array()
}

fn is_button(button: &Value) -> bool {
    let is_short = |name: &str, most| button[name].as_str().is_some_and(|text| text.chars().count() <= most);
    button["type"] == "button"
        && is_text(&button["text"], "plain_text", 75)
        && is_short("action_id", 255)
        && is_short("value", 2_000)
        && (button["style"].is_null() || button["style"] == "primary" || button["style"] == "danger")
}

fn is_text(text: &Value, kind: &str, most: usize) -> bool {
    text["type"] == kind && text["text"].as_str().is_some_and(|text| (1..=most).contains(&text.chars().count()))
}
