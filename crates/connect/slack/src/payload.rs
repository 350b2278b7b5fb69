//! What Slack sends when somebody says a command, clicks a button or hands in a form.
//!
//! One reading for both ways in: the body of an HTTP request is a form, of which interactivity fills one field with
//! JSON, and a socket brings that JSON in an envelope. Only what is used is read; what Slack adds is ignored.

mod view;

use naru_core::failure::{Failure, Kind};
use naru_core::masked::without_value;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::payload::view::ViewSubmission;

/// A click brings the message that it was on: 50 blocks of 3,000 characters, each of which may be eight bytes as Slack
/// writes it. For the limit of an HTTP route and for a socket's messages.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What somebody asks of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The same in each delivery of one request, by socket or HTTP, and of no other: Slack's `trigger_id`. Lets a view
    /// be opened for some three seconds.
    pub key: String,
    /// Who asks.
    pub user: Person,
    /// What is asked.
    pub body: Body,
    /// Where an answer can be posted up to five times in half an hour, whether the bot is in that channel or not.
    pub response_url: Option<String>,
}

/// Who asks, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Slack's id, such as `U2CERLKJA`.
    pub id: String,
    /// The name that Slack sends along. It can be changed by its owner: nothing may hang on it.
    pub name: String,
    /// The id of the workspace.
    pub team: String,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// `/naru …`
    Command(Command),
    /// A button.
    Click(Click),
    /// A form.
    Form(Form),
}

/// A slash command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The command with its slash.
    pub command: String,
    /// What stands behind it.
    pub text: String,
    /// The id of the channel it was said in.
    pub channel: String,
    /// That channel's name, or `directmessage`.
    pub channel_name: String,
}

/// A click on a button of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Click {
    /// The button's action.
    pub action: String,
    /// The button's value, or that of what was chosen from a list.
    pub value: String,
    /// The id of the channel that the message is in.
    pub channel: String,
    /// The message, by its `ts`; none where the button is not on a message.
    pub message: Option<String>,
}

/// A form that was handed in: the submission of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Which form it is, as it was said when it was opened.
    pub callback: String,
    /// What was put into it when it was opened.
    pub metadata: String,
    /// What was filled in: block, action, value.
    pub fields: Vec<(String, String, String)>,
}

/// Reads the body of an HTTP request whose signature was checked; none where it is nothing that is asked of us.
pub fn read_http(body: &[u8]) -> Result<Option<Request>, Failure> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Failure::new(Kind::TooLarge, "slack-payload-long").arg("bytes_max", BODY_BYTES_MAX));
    }
    let mut fields: Map<String, Value> = form_urlencoded::parse(body)
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    match fields.remove("payload") {
        Some(Value::String(payload)) => interactive(serde_json::from_str(&payload).map_err(|e| unreadable(&e))?),
        // Slack asks now and then whether the certificate is good.
        _ if fields.contains_key("ssl_check") => Ok(None),
        _ => command(Value::Object(fields)).map(Some),
    }
}

/// Reads the payload of a socket's envelope of type `kind`; none where it is nothing that is asked of us.
pub(crate) fn read_envelope(kind: &str, payload: Value) -> Result<Option<Request>, Failure> {
    match kind {
        "slash_commands" => command(payload).map(Some),
        "interactive" => interactive(payload),
        _ => Ok(None),
    }
}

fn command(payload: Value) -> Result<Request, Failure> {
    let wire: SlashCommand = typed(payload)?;
    Ok(Request {
        key: wire.trigger_id,
        user: Person { id: wire.user_id, name: wire.user_name, team: wire.team_id },
        body: Body::Command(Command {
            command: wire.command,
            text: wire.text,
            channel: wire.channel_id,
            channel_name: wire.channel_name,
        }),
        response_url: Some(wire.response_url),
    })
}

fn interactive(payload: Value) -> Result<Option<Request>, Failure> {
    match payload.get("type").and_then(Value::as_str) {
        Some("block_actions") => typed(payload).and_then(BlockActions::request).map(Some),
        Some("view_submission") => typed(payload).map(ViewSubmission::request).map(Some),
        _ => Ok(None),
    }
}

fn typed<T: DeserializeOwned>(payload: Value) -> Result<T, Failure> {
    serde_json::from_value(payload).map_err(|e| unreadable(&e))
}

/// Without the values: what people write is nobody else's.
fn unreadable(error: &serde_json::Error) -> Failure {
    Failure::usage("slack-payload-wrong").cause_text(without_value(&error.to_string()))
}

#[derive(Deserialize)]
struct SlashCommand {
    team_id: String,
    channel_id: String,
    #[serde(default)]
    channel_name: String,
    user_id: String,
    #[serde(default)]
    user_name: String,
    command: String,
    #[serde(default)]
    text: String,
    response_url: String,
    trigger_id: String,
}

#[derive(Deserialize)]
struct BlockActions {
    trigger_id: String,
    user: User,
    #[serde(default)]
    channel: Option<Channel>,
    #[serde(default)]
    message: Option<Posted>,
    #[serde(default)]
    response_url: Option<String>,
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    team_id: String,
}

#[derive(Deserialize)]
struct Channel {
    id: String,
}

#[derive(Deserialize)]
struct Posted {
    ts: String,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    selected_option: Option<Chosen>,
}

#[derive(Deserialize)]
struct Chosen {
    value: String,
}

impl BlockActions {
    fn request(self) -> Result<Request, Failure> {
        // A click is one action; the list is there for what Slack may send some day.
        let action = self.actions.into_iter().next();
        let action = action.ok_or_else(|| Failure::usage("slack-payload-wrong").cause_text("no action"))?;
        Ok(Request {
            key: self.trigger_id,
            user: self.user.person(),
            body: Body::Click(Click {
                action: action.action_id,
                value: action.value.or(action.selected_option.map(|chosen| chosen.value)).unwrap_or_default(),
                channel: self.channel.map(|channel| channel.id).unwrap_or_default(),
                message: self.message.map(|message| message.ts),
            }),
            response_url: self.response_url,
        })
    }
}

impl User {
    fn person(self) -> Person {
        let name = if self.username.is_empty() { self.name } else { self.username };
        Person { id: self.id, name, team: self.team_id }
    }
}

#[cfg(test)]
mod tests;
