//! The vendor of `naru sandbox`: JSON over HTTP, batches of 1,000 or single messages, an idempotency key, groups that
//! are sent by a second call ([`group`]), receipts.
//!
//! What an answer means is decided here, for the safe side: only an answer that says so is a yes or a no. A request
//! that may have arrived and was not answered, and every 5xx (a gateway says it also of what its vendor took), is
//! unknown and is found out by key. Where the account is refused (401, 403) or the URL is wrong (3xx, 404, 405), nothing
//! was taken and the messages are not at fault: the lane pauses and a person is told, see [`AccountPause`].

mod group;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, StatusCode, Uri};
use naru_core::clock::{Clock, Millis};
use naru_core::failure::Failure;
use naru_dispatch::lane::pace::Caps;
use naru_dispatch::message::MessageId;
use naru_dispatch::provider::{Answer, Level, Outgoing, Provider, Report, ReportEnd, Request, Verdict};
use naru_wire::tls::OwnAuthorities;
use serde::{Deserialize, Serialize, Serializer};

use crate::SandboxLevel;
use crate::http::{Client, NoReply, Reply};
use crate::keys::LaneKeys;
use crate::net::Tls;
use crate::pause::AccountPause;
use crate::sandbox::group::Turns;

/// The adapter's name in `provider = "…"`.
pub const NAME: &str = "sandbox";

/// The vendor refuses larger batches.
const BATCH_MAX: usize = 1_000;
/// How long the vendor remembers a key and what came under it unless it is told otherwise (`--key-life-s`).
const KEY_LIFE: Duration = Duration::from_secs(600);
/// The vendor's key unless it is told otherwise (`--api-key`).
const API_KEY_DEFAULT: &str = "sandbox";
/// A question changes nothing, so it need not be waited for as long as a send.
const LOOKUP_MAX: Duration = Duration::from_secs(10);
/// A message's JSON around its text, subject and address.
const MESSAGE_BYTES_AROUND: usize = 128;
/// A code is stored with its message and shown in tables.
const CODE_BYTES_MAX: usize = 64;

/// An account at the vendor.
pub struct Sandbox {
    client: Client,
    single: Uri,
    batch: Uri,
    batch_max: usize,
    level: Level,
    /// At level two-phase.
    turns: Option<Turns>,
    receipts: bool,
    clock: Arc<dyn Clock>,
    account: AccountPause,
}

impl Sandbox {
    /// The account of a lane.
    pub fn new(
        keys: &LaneKeys<'_>,
        level: SandboxLevel,
        own: &OwnAuthorities,
        clock: Arc<dyn Clock>,
    ) -> Result<Sandbox, Failure> {
        let endpoint = keys.endpoint(&[("http", 80), ("https", 443)])?;
        let secret = keys.secret()?;
        let key = secret.as_ref().map_or(API_KEY_DEFAULT, |secret| secret.reveal());
        let authorization = key.is_ascii().then(|| HeaderValue::from_str(&format!("Bearer {key}")).ok()).flatten();
        let mut authorization =
            authorization.ok_or_else(|| Failure::usage("provider-secret-wrong").arg("key", keys.name("secret")))?;
        authorization.set_sensitive(true);
        let tls = (endpoint.scheme == "https").then(|| Tls::new(&endpoint.host, own)).transpose()?;
        let client = Client::new(endpoint, authorization, tls, clock.clone(), keys.config.in_flight_max as usize);
        Ok(Sandbox {
            single: client.target("/v1/messages"),
            batch: client.target("/v1/batches"),
            client,
            batch_max: keys.config.batch_max.map_or(BATCH_MAX, |max| (max as usize).min(BATCH_MAX)),
            level: match level {
                SandboxLevel::None => Level::None,
                SandboxLevel::Lookup => Level::Lookup { life: KEY_LIFE },
                SandboxLevel::Key => Level::Key { life: KEY_LIFE },
                SandboxLevel::TwoPhase => Level::TwoPhase { life: KEY_LIFE },
            },
            turns: (level == SandboxLevel::TwoPhase).then(|| Turns::new(keys, clock.clone())).transpose()?,
            receipts: keys.config.receipt_secret.is_some(),
            clock,
            account: AccountPause::new(keys.lane),
        })
    }

    async fn post(&self, request: &Request) -> Answer {
        // By the number of messages alone, so that a repeat of a request is the same request.
        let (target, body) = match request.messages.as_slice() {
            [message] => (&self.single, single_body(&request.key, message)),
            messages => (&self.batch, batch_body(&request.key, messages)),
        };
        match self.client.call(Method::POST, target.clone(), body, request.timeout).await {
            Ok(reply) => self.answer(&reply, |body| verdicts(body, request.messages.len())),
            Err(NoReply::Unsent(code)) => Answer::Unsent { code: code.to_owned() },
            Err(NoReply::Unknown(code)) => Answer::Unknown { code: code.to_owned() },
        }
    }

    /// What an answer means; `verdicts` reads the body of a yes.
    fn answer(&self, reply: &Reply, verdicts: impl FnOnce(&[u8]) -> Option<Vec<Verdict>>) -> Answer {
        match reply.status {
            status if status.is_success() => {
                self.account.end();
                match verdicts(&reply.body) {
                    Some(verdicts) => Answer::Each(verdicts),
                    None => Answer::Unknown { code: "reply-unreadable".to_owned() },
                }
            }
            StatusCode::TOO_MANY_REQUESTS => Answer::Throttled { after: reply.retry_after(self.clock.now_ms()) },
            status if refuses_account(status) => self.account.begin(&format!("HTTP {}", status.as_u16())),
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
                Answer::Refused { code: refusal_code(reply) }
            }
            status => Answer::Unknown { code: format!("http-{}", status.as_u16()) },
        }
    }

    /// Asks for what `path` knows of `key`.
    async fn question(&self, path: &str, key: &str) -> Result<Reply, String> {
        let query: String = form_urlencoded::byte_serialize(key.as_bytes()).collect();
        let target = self.client.target(&format!("{path}?key={query}"));
        let reply = self.client.call(Method::GET, target, Bytes::new(), LOOKUP_MAX).await;
        let reply = reply.map_err(|(NoReply::Unsent(code) | NoReply::Unknown(code))| code.to_owned())?;
        if reply.status.is_success() { Ok(reply) } else { Err(format!("http-{}", reply.status.as_u16())) }
    }

    async fn ask(&self, key: &str) -> Result<Option<Vec<Verdict>>, String> {
        let reply = self.question("/v1/lookup", key).await?;
        match serde_json::from_slice(&reply.body) {
            Ok(Found { found: false, .. }) => Ok(None),
            Ok(Found { results: Some(results), .. }) => Ok(Some(results.iter().map(Told::verdict).collect())),
            _ => Err("reply-unreadable".to_owned()),
        }
    }
}

impl Provider for Sandbox {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn batch_max(&self) -> usize {
        self.batch_max
    }

    fn level(&self) -> Level {
        self.level
    }

    fn starts_per_second_max(&self, requests_per_second_max: u32) -> u32 {
        match self.turns {
            Some(_) => group::starts_per_second_max(requests_per_second_max),
            None => requests_per_second_max,
        }
    }

    /// The vendor reports only where it was told to, and with the secret that the lane then has too.
    fn keep_within(&self, caps: &Caps) {
        if let Some(turns) = &self.turns {
            turns.keep_within(caps);
        }
    }

    fn receipts(&self) -> bool {
        self.receipts
    }

    fn send(&self, request: Request) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            match &self.turns {
                Some(turns) => self.send_group(turns, &request).await,
                None => self.post(&request).await,
            }
        })
    }

    fn lookup<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<Verdict>>, String>> {
        Box::pin(async move {
            match &self.turns {
                Some(turns) => self.settle_group(turns, key).await,
                None => self.ask(key).await,
            }
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            // Where it has no groups it is not told of the same level as we are.
            let page = if self.turns.is_some() { "/v1/groups" } else { "/v1/lookup" };
            match self.question(page, "naru-doctor").await {
                // At level none the vendor has no such page, but it has looked at the key first.
                Ok(_) => Ok(()),
                Err(code) if code == "http-404" && self.level == Level::None => Ok(()),
                Err(code) => Err(code),
            }
        })
    }
}

/// Reads the body of a receipt call.
pub fn reports(body: &[u8]) -> Result<Vec<Report>, String> {
    let Receipts { receipts } = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    if receipts.is_empty() || receipts.len() > BATCH_MAX {
        return Err(format!("expected 1 to {BATCH_MAX} receipts, found {}", receipts.len()));
    }
    Ok(receipts.into_iter().map(Receipt::report).collect())
}

/// Statuses that say: not from you, or not here. Nothing was taken, whatever the messages are.
fn refuses_account(status: StatusCode) -> bool {
    status.is_redirection()
        || matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
        )
}

fn single_body(key: &str, message: &Outgoing) -> Bytes {
    json(&Wire { key: Some(key), ..Wire::of(message) }, bytes_about(message))
}

fn batch_body(key: &str, messages: &[Outgoing]) -> Bytes {
    json(&Batch { key, messages: Wires(messages) }, messages.iter().map(bytes_about).sum())
}

fn bytes_about(message: &Outgoing) -> usize {
    message.text.len() + message.subject.as_ref().map_or(0, String::len) + MESSAGE_BYTES_AROUND
}

fn json(value: &impl Serialize, bytes: usize) -> Bytes {
    let mut body = Vec::with_capacity(bytes + MESSAGE_BYTES_AROUND);
    serde_json::to_writer(&mut body, value).expect("text is written to memory");
    body.into()
}

/// One verdict a message, or none where the answer is not one to `messages` messages.
fn verdicts(body: &[u8], messages: usize) -> Option<Vec<Verdict>> {
    if messages == 1 {
        return serde_json::from_slice(body).ok().map(|told: Told<'_>| vec![told.verdict()]);
    }
    results(body, messages)
}

fn results(body: &[u8], messages: usize) -> Option<Vec<Verdict>> {
    let Results { results } = serde_json::from_slice(body).ok()?;
    (results.len() == messages).then(|| results.iter().map(Told::verdict).collect())
}

fn refusal_code(reply: &Reply) -> String {
    match serde_json::from_slice::<Told<'_>>(&reply.body) {
        Ok(told) => kebab(&told.code),
        Err(_) => format!("http-{}", reply.status.as_u16()),
    }
}

/// A vendor's code as ours are: short and of plain characters, whatever it sends.
fn kebab(code: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    code.chars().take(CODE_BYTES_MAX).map(plain).collect()
}

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(rename = "ref", serialize_with = "write_id")]
    id: MessageId,
    to: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    text: &'a str,
}

impl<'a> Wire<'a> {
    fn of(message: &'a Outgoing) -> Wire<'a> {
        let Outgoing { id, to, subject, text } = message;
        Wire { key: None, id: *id, to: to.reveal(), subject: subject.as_deref(), text }
    }
}

fn write_id<S: Serializer>(id: &MessageId, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = String::with_capacity(38);
    id.write_to(&mut text);
    serializer.serialize_str(&text)
}

#[derive(Serialize)]
struct Batch<'a> {
    key: &'a str,
    messages: Wires<'a>,
}

struct Wires<'a>(&'a [Outgoing]);

impl Serialize for Wires<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Wire::of))
    }
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
}

impl Told<'_> {
    fn verdict(&self) -> Verdict {
        match &*self.code {
            "ok" => Verdict::Taken,
            "busy" => Verdict::Retry { code: "busy".to_owned(), after: None },
            code => Verdict::Refused(kebab(code)),
        }
    }
}

#[derive(Deserialize)]
struct Results<'a> {
    #[serde(borrow)]
    results: Vec<Told<'a>>,
}

#[derive(Deserialize)]
struct Found<'a> {
    found: bool,
    #[serde(borrow)]
    results: Option<Vec<Told<'a>>>,
}

#[derive(Deserialize)]
struct Receipts<'a> {
    #[serde(borrow)]
    receipts: Vec<Receipt<'a>>,
}

#[derive(Deserialize)]
struct Receipt<'a> {
    #[serde(rename = "ref")]
    reference: String,
    status: Status,
    #[serde(borrow)]
    code: Cow<'a, str>,
    at_ms: Millis,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Delivered,
    Failed,
    Expired,
}

impl Receipt<'_> {
    fn report(self) -> Report {
        let end = match self.status {
            Status::Delivered => ReportEnd::Delivered,
            Status::Failed => ReportEnd::Failed,
            Status::Expired => ReportEnd::Expired,
        };
        Report { reference: self.reference, end, code: kebab(&self.code), at: self.at_ms }
    }
}

#[cfg(test)]
mod tests {
    use naru_core::id::Id;
    use naru_core::masked::Address;

    use super::*;

    /// Where this changes, [`Provider::version`] counts up.
    #[test]
    fn messages_are_written_to_these_bytes() {
        let message = |slot, subject: Option<&str>| Outgoing {
            id: MessageId { frame: Id([7; 16]), slot },
            to: Address::new("01012345678"),
            subject: subject.map(str::to_owned),
            text: "\"안녕\"\n\u{1}".to_owned(),
        };
        let bare = r#"{"ref":"07070707070707070707070707070707-0","to":"01012345678","text":"\"안녕\"\n\u0001"}"#;
        let full = bare.replace("-0\"", "-999\"").replace("\"text\"", "\"subject\":\"제목\",\"text\"");
        let single = single_body("k", &message(0, None));
        assert_eq!(std::str::from_utf8(&single).unwrap(), bare.replacen('{', r#"{"key":"k","#, 1));
        let batch = batch_body("k", &[message(0, None), message(999, Some("제목"))]);
        assert_eq!(std::str::from_utf8(&batch).unwrap(), format!(r#"{{"key":"k","messages":[{bare},{full}]}}"#));
    }
}
