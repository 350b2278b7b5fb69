//! The calls of Slack's Web API that are needed.
//!
//! A call that Slack throttles is made again once `Retry-After` has passed, and until then none of its method leaves:
//! whoever goes on asking is throttled for longer. A call of which it is not known whether it arrived is not repeated,
//! since Slack knows no key that would keep a message from being posted twice; only a card is, whose updates can be
//! ([`crate::card`]).

pub mod reply;

mod call;
mod hold;
mod refusal;

use std::sync::Arc;
use std::time::Duration;

use naru_core::failure::{Failure, Kind};
use naru_core::lifecycle::Lifecycle;
use naru_core::masked::{Secret, without_value};
use naru_wire::tls::OwnAuthorities;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use rustls::ClientConfig;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::answer::Answer;
use crate::config::{Account, Door};
use crate::message::Message;
use crate::web::call::{Call, Token};
use crate::web::hold::Holds;
use crate::web::refusal::Told;
use crate::web::reply::{Channel, Group, Identity, Place, User};

/// Slack answers in well under a second; one that takes longer than this has been lost.
const CALL_MAX: Duration = Duration::from_secs(10);
/// Somebody waits for the call to end: a longer pause is told, not sat out.
const PATIENCE: Duration = Duration::from_secs(30);
/// The groups of a large workspace are some hundred kB; more is no answer to us.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json; charset=utf-8";

/// Slack's Web API, as one app.
pub struct Web {
    http: Client,
    tls: Arc<ClientConfig>,
    url: String,
    bot_token: Secret,
    app_token: Option<Secret>,
    holds: Holds,
    lifecycle: Lifecycle,
}

impl Web {
    /// Makes no call yet. Waiting for `Retry-After` ends when `lifecycle` stops.
    pub fn new(account: &Account, lifecycle: &Lifecycle) -> Result<Web, Failure> {
        let tls = OwnAuthorities::default().client()?;
        let http = Client::builder()
            .user_agent(concat!("naru/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls.clone())
            .timeout(CALL_MAX)
            // A redirect could carry a token elsewhere, and Slack sends none.
            .redirect(reqwest::redirect::Policy::none())
            // Where to go is configured; no environment layer decides otherwise.
            .no_proxy();
        Ok(Web {
            http: http.build().map_err(Failure::bug)?,
            tls: Arc::new(tls),
            url: account.url.clone(),
            bot_token: account.bot_token.clone(),
            app_token: match &account.door {
                Door::Socket { app_token } => Some(app_token.clone()),
                Door::Http { .. } => None,
            },
            holds: Holds::default(),
            lifecycle: lifecycle.clone(),
        })
    }

    /// Who the bot is and what it may do: `auth.test`.
    pub async fn identity(&self) -> Result<Identity, Failure> {
        let call = Call::new("auth.test");
        let reply = self.patient(&call).await?;
        let scopes = reply.headers.get("x-oauth-scopes").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let scopes = scopes.split(',').map(|scope| scope.trim().to_owned()).filter(|scope| !scope.is_empty());
        Ok(Identity { scopes: scopes.collect(), ..reply.typed(&call)? })
    }

    /// Posts a message to a channel, given by its id: `chat.postMessage`. Where it is to be changed later, the place
    /// that is answered must be stored.
    pub async fn post(&self, channel: &str, message: &Message) -> Result<Place, Failure> {
        self.ask(&Call::post(channel, message)).await
    }

    /// Changes a message that was posted: `chat.update`.
    pub async fn update(&self, place: &Place, message: &Message) -> Result<(), Failure> {
        self.patient(&Call::update(place, message)).await.map(drop)
    }

    /// As [`Web::update`], without waiting where Slack throttles.
    pub(crate) async fn update_now(&self, place: &Place, message: &Message) -> Result<(), Failure> {
        self.once(&Call::update(place, message)).await.map(drop)
    }

    /// Posts a message that one person of a channel sees: `chat.postEphemeral`.
    pub async fn post_only_to(&self, channel: &str, user: &str, message: &Message) -> Result<(), Failure> {
        self.patient(&Call::post_only_to(channel, user, message)).await.map(drop)
    }

    /// Answers a command or a click that was acknowledged before: a post to its `response_url`.
    pub async fn respond(&self, response_url: &str, answer: &Answer) -> Result<(), Failure> {
        let late = || Failure::refused("slack-answer-late");
        let (Some(payload), Ok(url)) = (answer.payload(), Url::parse(response_url)) else { return Ok(()) };
        if self.is_secure() && url.scheme() != "https" {
            return Err(late().cause_text("the address is not https"));
        }
        let request = self.http.post(url).header(CONTENT_TYPE, JSON).body(payload.to_string());
        // The address is as good as a token for half an hour.
        let response = request.send().await.map_err(|e| self.unreachable().cause(&e.without_url()))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            // It was used five times, or half an hour has passed.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::GONE => Err(late()),
            status => Err(self.unreachable().cause_text(format!("HTTP {status}"))),
        }
    }

    /// Who somebody is: `users.info`.
    pub async fn user(&self, id: &str) -> Result<User, Failure> {
        self.ask(&Call::about("users.info", "user", id)).await.map(|reply: reply::UserReply| reply.user)
    }

    /// The groups of people in the workspace: `usergroups.list`.
    pub async fn groups(&self) -> Result<Vec<Group>, Failure> {
        self.ask(&Call::new("usergroups.list")).await.map(|reply: reply::GroupsReply| reply.usergroups)
    }

    /// The ids of the people in a group: `usergroups.users.list`.
    pub async fn group_users(&self, id: &str) -> Result<Vec<String>, Failure> {
        let call = Call::about("usergroups.users.list", "usergroup", id);
        self.ask(&call).await.map(|reply: reply::GroupUsersReply| reply.users)
    }

    /// What a channel is: `conversations.info`.
    pub async fn channel(&self, id: &str) -> Result<Channel, Failure> {
        let call = Call::about("conversations.info", "channel", id);
        self.ask(&call).await.map(|reply: reply::ChannelReply| reply.channel)
    }

    /// Opens a form (a view as Slack describes it) for whoever asked, by the key of a request: `views.open`.
    pub async fn open_form(&self, key: &str, view: &Value) -> Result<(), Failure> {
        let call = Call::new("views.open").with("trigger_id", key).with("view", view.to_string());
        // The key lasts three seconds: one that had to wait would come too late.
        self.once(&call).await.map(drop)
    }

    /// The address of a socket, good for one connection: `apps.connections.open`.
    pub(crate) async fn open_socket(&self) -> Result<Url, Failure> {
        let call = Call::by(Token::App, "apps.connections.open");
        let reply: reply::SocketReply = self.once(&call).await?.typed(&call)?;
        let url = Url::parse(&reply.url).ok();
        let url = url.filter(|url| url.scheme() == "wss" || url.scheme() == "ws" && !self.is_secure());
        // Without the address, which is a ticket.
        url.ok_or_else(|| wrong(&call).cause_text("the address of the socket is no wss://"))
    }

    pub(crate) fn tls(&self) -> Arc<ClientConfig> {
        self.tls.clone()
    }

    pub(crate) fn unreachable(&self) -> Failure {
        Failure::unavailable("slack-unreachable").arg("url", &self.url)
    }

    /// What tests aim at is on this machine and without TLS; then what it names may be so too.
    fn is_secure(&self) -> bool {
        self.url.starts_with("https:")
    }

    async fn ask<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        self.patient(call).await?.typed(call)
    }

    /// Makes the call, again where Slack throttles, for as long as somebody would wait.
    async fn patient(&self, call: &Call) -> Result<Reply, Failure> {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let failure = match self.once(call).await {
                Err(failure) if failure.kind == Kind::TooMany => failure,
                other => return other,
            };
            // None where it has passed meanwhile.
            let until = self.holds.until(&call.hold()).unwrap_or_else(Instant::now);
            if until > give_up_at {
                return Err(failure);
            }
            tokio::select! {
                () = self.lifecycle.stopped() => return Err(failure),
                () = sleep_until(until) => {}
            }
        }
    }

    /// Makes the call, unless Slack asked to leave it alone just now.
    async fn once(&self, call: &Call) -> Result<Reply, Failure> {
        if let Some(until) = self.holds.until(&call.hold()) {
            return Err(throttled(call, until - Instant::now()));
        }
        let request = self.http.post(format!("{}/{}", self.url, call.method)).bearer_auth(self.token(call)?.reveal());
        let reply = self.send(call, request.header(CONTENT_TYPE, FORM).body(call.form())).await?;
        let told: Told = reply.typed(call)?;
        match told.refusal() {
            None => Ok(reply),
            Some("ratelimited" | "rate_limited") => Err(self.hold(call, &reply.headers)),
            Some(error) => Err(refusal::failure(call, error, &told, self)),
        }
    }

    async fn send(&self, call: &Call, request: RequestBuilder) -> Result<Reply, Failure> {
        let mut response = request.send().await.map_err(|e| self.unreachable().cause(&e))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::TOO_MANY_REQUESTS => return Err(self.hold(call, response.headers())),
            status if status.is_server_error() => return Err(self.unreachable().cause_text(format!("HTTP {status}"))),
            status => return Err(wrong(call).cause_text(format!("HTTP {status}"))),
        }
        let body = bounded(&mut response).await.map_err(|e| self.unreachable().cause(&e))?;
        let body = body.ok_or_else(|| wrong(call).cause_text(format!("more than {ANSWER_BYTES_MAX} bytes")))?;
        Ok(Reply { headers: std::mem::take(response.headers_mut()), body })
    }

    fn token(&self, call: &Call) -> Result<&Secret, Failure> {
        match call.token {
            Token::Bot => Ok(&self.bot_token),
            Token::App => self
                .app_token
                .as_ref()
                .ok_or_else(|| Failure::usage("slack-key-missing").arg("key", call.token.key()).arg("mode", "socket")),
        }
    }

    /// Notes how long Slack wants to be left alone.
    fn hold(&self, call: &Call, headers: &HeaderMap) -> Failure {
        let wait = hold::retry_after(headers.get(RETRY_AFTER));
        self.holds.hold(call.hold(), Instant::now() + wait);
        throttled(call, wait)
    }
}

/// A yes of Slack's.
struct Reply {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    fn typed<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|e| wrong(call).cause_text(without_value(&e.to_string())))
    }
}

/// The whole body, or none where it is too long.
async fn bounded(response: &mut Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await? {
        if body.len() + bytes.len() > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        body.extend_from_slice(&bytes);
    }
    Ok(Some(body))
}

fn throttled(call: &Call, wait: Duration) -> Failure {
    let wait_s = wait.as_millis().div_ceil(1_000) as u64;
    Failure::new(Kind::TooMany, "slack-throttled").arg("method", call.method).retry_after(wait_s)
}

fn wrong(call: &Call) -> Failure {
    Failure::unavailable("slack-answer-wrong").arg("method", call.method)
}
