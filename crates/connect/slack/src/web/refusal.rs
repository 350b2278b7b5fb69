//! What a no of Slack's means: <https://docs.slack.dev/reference/methods>, the errors of each method.

use naru_core::failure::{Failure, Kind};
use serde::Deserialize;

use crate::web::Web;
use crate::web::call::Call;

/// What every answer says.
#[derive(Deserialize)]
pub(super) struct Told {
    ok: bool,
    error: Option<String>,
    /// The scope that is missing.
    needed: Option<String>,
    response_metadata: Option<Metadata>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    /// Which part of a message is wrong.
    #[serde(default)]
    messages: Vec<String>,
}

/// What of Slack's own explanation is worth showing.
const MESSAGES_MAX: usize = 3;
const MESSAGE_CHARS_MAX: usize = 300;

impl Told {
    /// Slack's code where the answer is no.
    pub fn refusal(&self) -> Option<&str> {
        (!self.ok).then(|| self.error.as_deref().unwrap_or("unknown"))
    }
}

/// The failure that `error`, the answer to `call`, is.
pub(super) fn failure(call: &Call, error: &str, told: &Told, web: &Web) -> Failure {
    let subject = |failure: Failure| match call.subject {
        Some(name) => failure.arg(name, call.field(name)),
        None => failure,
    };
    match error {
        // Fatal for them, and gone with the next try.
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => {
            web.unreachable().cause_text(error)
        }
        "not_authed"
        | "invalid_auth"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "not_allowed_token_type"
        | "no_permission"
        | "org_login_required" => {
            Failure::refused("slack-token-refused").arg("key", call.token.key()).arg("error", error)
        }
        "missing_scope" => {
            let scope = told.needed.as_deref().unwrap_or("?");
            Failure::refused("slack-scope-missing").arg("scope", scope).arg("method", call.method)
        }
        "channel_not_found" => subject(Failure::not_found("slack-channel-unknown")),
        "not_in_channel" => subject(Failure::refused("slack-not-in-channel")),
        "is_archived" => subject(Failure::refused("slack-channel-archived")),
        "message_not_found" | "cant_update_message" | "edit_window_closed" => {
            subject(Failure::not_found("slack-message-gone"))
        }
        "user_not_found" | "user_not_visible" | "users_not_found" => {
            Failure::not_found("slack-user-unknown").arg("user", call.field("user"))
        }
        "user_not_in_channel" => subject(Failure::refused("slack-user-not-in-channel")).arg("user", call.field("user")),
        "no_such_subteam" | "subteam_not_found" => {
            Failure::not_found("slack-group-unknown").arg("group", call.field("usergroup"))
        }
        "expired_trigger_id" | "exchanged_trigger_id" | "invalid_trigger_id" => Failure::refused("slack-form-late"),
        _ => refused(call, error, told),
    }
}

fn refused(call: &Call, error: &str, told: &Told) -> Failure {
    let messages = told.response_metadata.iter().flat_map(|metadata| &metadata.messages).take(MESSAGES_MAX);
    let failure = Failure::new(Kind::Refused, "slack-refused").arg("method", call.method).arg("error", error);
    messages.fold(failure, |failure, message| {
        failure.cause_text(message.chars().take(MESSAGE_CHARS_MAX).collect::<String>())
    })
}
