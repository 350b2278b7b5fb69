//! People who type and click, and how that reaches the app.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use form_urlencoded::Serializer;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::slack::book::{Envelope, TEAM};
use crate::slack::ledger::{Ack, Posted};
use crate::slack::{Desk, SIGNING_SECRET, Slack};

/// An address that takes signed requests.
pub struct Door<'a> {
    slack: &'a Slack,
    url: &'a str,
    /// What is signed with; the app's own secret unless it is changed.
    pub secret: &'a str,
    /// How far ahead of the true time Slack's clock is.
    pub skew_s: i64,
}

impl Slack {
    /// Somebody says a line such as `/naru who` in a channel, and it goes over a socket. Returns its key.
    pub fn say(&self, user: &str, channel: &str, line: &str) -> String {
        let (key, payload) = self.command(user, channel, line);
        self.send("slash_commands", &key, payload);
        key
    }

    /// Somebody clicks a button of a message, and it goes over a socket. Returns its key.
    pub fn click(&self, user: &str, action: &str, value: &str, message: &Posted) -> String {
        let (key, payload) = self.block_actions(user, action, value, message);
        self.send("interactive", &key, payload);
        key
    }

    /// Somebody hands in a form with one field, and it goes over a socket. Returns its key.
    pub fn submit(&self, user: &str, callback: &str, block: &str, value: &str) -> String {
        let key = self.key();
        let state = json!({ "values": { block: { "input": { "type": "plain_text_input", "value": value } } } });
        let payload = json!({
            "type": "view_submission", "team": { "id": TEAM }, "user": who(user), "trigger_id": key,
            "view": { "id": "V1", "callback_id": callback, "private_metadata": "", "state": state },
        });
        self.send("interactive", &key, payload);
        key
    }

    /// The way over HTTP to an address `http://HOST:PORT/PATH`.
    pub fn door<'a>(&'a self, url: &'a str) -> Door<'a> {
        Door { slack: self, url, secret: SIGNING_SECRET, skew_s: 0 }
    }

    fn command(&self, user: &str, channel: &str, line: &str) -> (String, Value) {
        let key = self.key();
        let (command, text) = line.split_once(' ').unwrap_or((line, ""));
        let payload = json!({
            "token": "unused", "team_id": TEAM, "team_domain": "shop", "channel_id": channel, "channel_name": "deploys",
            "user_id": user, "user_name": name(user), "command": command, "text": text, "api_app_id": "A1",
            "is_enterprise_install": "false", "response_url": self.desk.hook(&key), "trigger_id": key,
        });
        (key, payload)
    }

    fn block_actions(&self, user: &str, action: &str, value: &str, message: &Posted) -> (String, Value) {
        let key = self.key();
        let (text, blocks) = message.looks.last().cloned().unwrap_or_default();
        let payload = json!({
            "type": "block_actions", "team": { "id": TEAM }, "user": who(user), "trigger_id": key,
            "channel": { "id": message.channel, "name": "deploys" },
            "message": { "type": "message", "ts": message.ts, "text": text, "blocks": blocks },
            "response_url": self.desk.hook(&key),
            "actions": [{ "type": "button", "action_id": action, "block_id": "b", "value": value, "action_ts": "1" }],
        });
        (key, payload)
    }

    fn key(&self) -> String {
        let mut book = self.desk.book();
        let key = format!("{}.{TEAM}.key", book.next());
        book.triggers.push_back(key.clone());
        key
    }

    fn send(&self, kind: &str, key: &str, payload: Value) {
        let mut book = self.desk.book();
        let id = format!("envelope-{}", book.next());
        let frame = json!({
            "envelope_id": id, "type": kind, "payload": payload, "accepts_response_payload": payload["type"] != "block_actions",
        });
        book.gaps += usize::from(book.links.is_empty());
        book.envelopes.push(Envelope {
            id,
            key: key.to_owned(),
            frame: frame.to_string(),
            is_acked: false,
            delivered_at: None,
            link: None,
        });
        let index = book.envelopes.len() - 1;
        book.deliver(index);
    }
}

impl Door<'_> {
    /// Somebody says a line, and it is posted once. Returns how it was answered.
    pub async fn say(&self, user: &str, channel: &str, line: &str) -> Ack {
        let (key, payload) = self.slack.command(user, channel, line);
        let fields = payload.as_object().into_iter().flatten();
        let fields = fields.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()));
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        self.post(&key, &body).await
    }

    /// Somebody clicks a button of a message, and it is posted once. Returns how it was answered.
    pub async fn click(&self, user: &str, action: &str, value: &str, message: &Posted) -> Ack {
        let (key, payload) = self.slack.block_actions(user, action, value, message);
        let body = Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
        self.post(&key, &body).await
    }

    async fn post(&self, key: &str, body: &str) -> Ack {
        let (place, path) = self.url.trim_start_matches("http://").split_once('/').expect("a URL has a path");
        let at = (now_s() + self.skew_s).to_string();
        let signature = sign(self.secret, &at, body);
        let mut stream = TcpStream::connect(place).await.expect("the app listens");
        let started_at = Instant::now();
        let request = format!(
            "POST /{path} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nX-Slack-Request-Timestamp: {at}\r\n\
             X-Slack-Signature: {signature}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("the app reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the app answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer has a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let ack = Ack {
            key: key.to_owned(),
            envelope: String::new(),
            after: started_at.elapsed(),
            payload: serde_json::from_str(body).unwrap_or_default(),
            status: status.expect("an HTTP answer begins with its status"),
        };
        self.slack.desk.book().acks.push(ack.clone());
        ack
    }
}

impl Desk {
    /// A fresh `response_url`, good for five posts.
    fn hook(&self, key: &str) -> String {
        self.book().hooks.insert(key.to_owned(), 5);
        format!("http://{}/hooks/{key}", self.api)
    }
}

fn who(user: &str) -> Value {
    json!({ "id": user, "username": name(user), "name": name(user), "team_id": TEAM })
}

fn name(user: &str) -> String {
    user.trim_start_matches("U0").to_lowercase()
}

fn sign(secret: &str, at: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("v0:{at}:{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v0={hex}")
}

/// Slack's own clock, which signatures are made by.
#[allow(clippy::disallowed_methods)]
fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs() as i64
}
