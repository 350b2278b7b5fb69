//! `[slack]`: which app naru is at Slack, and which way Slack reaches it.

use std::path::Path;

use naru_core::config::SecretSource;
use naru_core::failure::Failure;
use naru_core::masked::Secret;
use serde::{Deserialize, Serialize};

/// `[slack]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How commands and clicks come in: `socket`, by a connection that naru opens, or `http`.
    #[serde(default)]
    pub mode: Mode,
    /// The bot's token (`xoxb-…`), by which messages are posted and people looked up.
    pub bot_token: SecretSource,
    /// The app's token (`xapp-…`, scope `connections:write`) that opens the socket; needed in mode `socket`.
    pub app_token: Option<SecretSource>,
    /// What Slack signs its requests with; needed in mode `http`.
    pub signing_secret: Option<SecretSource>,
    /// Where the Web API is, without a slash at the end; Slack's own unless tests aim elsewhere.
    #[serde(default = "slack_url")]
    pub url: String,
}

/// How commands and clicks come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Over a WebSocket that naru opens: nothing of naru must be reached from outside.
    #[default]
    Socket,
    /// As signed HTTP requests of Slack's to naru.
    Http,
}

/// A configuration whose secrets have been read.
#[derive(Clone, Debug)]
pub struct Account {
    /// The bot's token.
    pub bot_token: Secret,
    /// How commands and clicks come in.
    pub door: Door,
    /// Where the Web API is, without a slash at the end.
    pub url: String,
}

/// How commands and clicks come in, with what this needs.
#[derive(Clone, Debug)]
pub enum Door {
    /// [`Mode::Socket`].
    Socket {
        /// Opens the socket.
        app_token: Secret,
    },
    /// [`Mode::Http`].
    Http {
        /// Signs the requests.
        signing_secret: Secret,
    },
}

impl Config {
    /// Reads the secrets; relative paths count from `base`.
    pub fn read(&self, base: &Path) -> Result<Account, Failure> {
        let url = self.url.trim_end_matches('/');
        if !is_safe(url) {
            return Err(Failure::usage("slack-url-wrong").arg("url", &self.url));
        }
        let door = match self.mode {
            Mode::Socket => Door::Socket { app_token: self.token(base, &self.app_token, "slack.app_token", "xapp-")? },
            Mode::Http => {
                Door::Http { signing_secret: self.secret(base, &self.signing_secret, "slack.signing_secret")? }
            }
        };
        let bot_token = self.token(base, &Some(self.bot_token.clone()), "slack.bot_token", "xoxb-")?;
        Ok(Account { bot_token, door, url: url.to_owned() })
    }

    fn secret(&self, base: &Path, source: &Option<SecretSource>, key: &str) -> Result<Secret, Failure> {
        let mode = if self.mode == Mode::Socket { "socket" } else { "http" };
        let missing = || Failure::usage("slack-key-missing").arg("key", key).arg("mode", mode);
        source.as_ref().ok_or_else(missing)?.read(base, key)
    }

    /// A token of the sort that belongs there: the two are easily taken for each other.
    fn token(&self, base: &Path, source: &Option<SecretSource>, key: &str, prefix: &str) -> Result<Secret, Failure> {
        let token = self.secret(base, source, key)?;
        // Of other characters no header could be made.
        let is_plain = token.reveal().bytes().all(|byte| byte.is_ascii_graphic());
        match is_plain && token.reveal().starts_with(prefix) {
            true => Ok(token),
            false => Err(Failure::usage("slack-token-kind").arg("key", key).arg("prefix", prefix)),
        }
    }
}

/// The token goes there: only this machine is reached without TLS.
fn is_safe(url: &str) -> bool {
    let near = ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"];
    let rest = near.iter().find_map(|near| url.strip_prefix(near)).or(url.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['?', '#', '@', ' ']))
}

fn slack_url() -> String {
    "https://slack.com/api".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(toml: &str, expect: Result<&str, &str>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("bot", "xoxb-1\n"), ("app", "xapp-1\n"), ("signing", "8f74\n")] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let config: Config = toml::from_str(toml).unwrap();
        let read = config.read(folder.path());
        let found = match &read {
            Ok(Account { door: Door::Socket { app_token }, .. }) => Ok(app_token.reveal()),
            Ok(Account { door: Door::Http { signing_secret }, .. }) => Ok(signing_secret.reveal()),
            Err(failure) => Err(failure.code.as_str()),
        };
        assert_eq!(found, expect);
        assert!(!format!("{read:?}").contains("xoxb-1"), "secrets do not print");
    }

    #[test]
    fn each_mode_reads_what_it_needs() {
        let bot = "bot_token = { file = \"bot\" }\n";
        check(&format!("{bot}app_token = {{ file = \"app\" }}"), Ok("xapp-1"));
        check(&format!("{bot}mode = \"http\"\nsigning_secret = {{ file = \"signing\" }}"), Ok("8f74"));
        check(bot, Err("slack-key-missing"));
        check(&format!("{bot}mode = \"http\""), Err("slack-key-missing"));
        check(&format!("{bot}app_token = {{ file = \"bot\" }}"), Err("slack-token-kind"));
        let at = |url: &str| format!("{bot}app_token = {{ file = \"app\" }}\nurl = {url:?}");
        check(&at("slack.com"), Err("slack-url-wrong"));
        check(&at("http://slack.com/api"), Err("slack-url-wrong"));
        check(&at("https://x@slack.com/api"), Err("slack-url-wrong"));
        check(&at("http://127.0.0.1:1/api/"), Ok("xapp-1"));
    }

    #[test]
    fn unknown_keys_are_refused() {
        let found = toml::from_str::<Config>("bot_token = { file = \"bot\" }\nmood = \"http\"").unwrap_err();
        assert!(found.to_string().contains("mood"), "{found}");
    }
}
