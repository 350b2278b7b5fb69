//! A mail server spoken to by SMTP (RFC 5321), one message a request, over connections that are kept open.
//!
//! lettre composes the mail and speaks the commands; its transport above them is not used, because it hides at which
//! command a failure came, and because its sockets wait for delayed acknowledgements (see [`crate::net`]). Driven here
//! command by command, all that fails before the mail's content is written is certainly unsent, and any reply is a
//! certain yes or no. Unknown is what remains: content written, wholly or in part, and no reply. lettre does not tell
//! how much of the content left, so a connection lost in the midst of it counts as unknown too.
//!
//! A mail server remembers nothing and answers no questions, so the level is none. The `Message-ID` is made from the
//! message's own id, so that a mail sent twice has it twice and servers and readers that look at it can drop one.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension};
use naru_core::clock::Clock;
use naru_core::failure::Failure;
use naru_dispatch::message::Channel;
use naru_dispatch::provider::{Answer, Level, Outgoing, Provider, Request, Verdict};
use naru_wire::tls::OwnAuthorities;
use tokio::time::{Instant, timeout_at};

use crate::keys::{Endpoint, LaneKeys};
use crate::net::{ConnectError, Tls, connect};
use crate::pause::AccountPause;
use crate::pool::Pool;

/// The adapter's name in `provider = "…"`.
pub const NAME: &str = "smtp";

/// Servers wait five minutes for the next command (RFC 5321, 4.5.3.2.7) and less under load.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// A person waits for `doctor`.
const CHECK_MAX: Duration = Duration::from_secs(10);
/// Replies that speak of the sign-in, whatever command they answer (RFC 4954, 6).
const SIGN_IN_REPLIES: [u16; 4] = [530, 534, 535, 538];
/// The server closes the connection, and has not done what it was asked (RFC 5321, 3.8).
const CLOSING: u16 = 421;

/// An account at a mail server.
pub struct Smtp {
    endpoint: Endpoint,
    tls: Option<Tls>,
    starttls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    hello: ClientId,
    from: Mailbox,
    clock: Arc<dyn Clock>,
    pool: Pool<AsyncSmtpConnection>,
    account: AccountPause,
}

impl Smtp {
    /// The account of a lane.
    pub fn new(keys: &LaneKeys<'_>, own: &OwnAuthorities, clock: Arc<dyn Clock>) -> Result<Smtp, Failure> {
        if keys.config.channel != Channel::Email {
            return Err(Failure::usage("provider-channel-wrong")
                .arg("key", keys.name("channel"))
                .arg("channel", keys.config.channel)
                .arg("provider", NAME)
                .arg("expected", Channel::Email));
        }
        let endpoint = keys.endpoint(&[("smtp", 25), ("smtps", 465), ("smtp+starttls", 587)])?;
        let credentials = credentials(keys, &endpoint)?;
        let tls = (endpoint.scheme == "smtps").then(|| Tls::new(&endpoint.host, own)).transpose()?;
        let starttls = (endpoint.scheme == "smtp+starttls").then(|| starttls(&endpoint.host, own)).transpose()?;
        Ok(Smtp {
            tls,
            starttls,
            credentials,
            hello: ClientId::default(),
            from: sender(keys)?,
            pool: Pool::new(clock.clone(), IDLE_MAX, keys.config.in_flight_max as usize),
            clock,
            account: AccountPause::new(keys.lane),
            endpoint,
        })
    }

    async fn deliver(&self, message: &Outgoing, timeout: Duration) -> Answer {
        let deadline = Instant::now() + timeout;
        let Ok((envelope, content)) = self.compose(message) else {
            return Answer::Refused { code: "address-bad".to_owned() };
        };
        loop {
            let (mut connection, parked) = match self.pool.take() {
                Some(connection) => (connection, true),
                None => match timeout_at(deadline, self.open()).await {
                    Ok(Ok(connection)) => (connection, false),
                    Ok(Err(error)) => return self.not_open(&error),
                    Err(_) => return unsent("timeout"),
                },
            };
            let mut stage = Stage::Sender;
            let end = timeout_at(deadline, transfer(&mut connection, &envelope, &content, &mut stage)).await;
            let error = match end {
                Ok(Ok(())) => {
                    self.account.end();
                    self.pool.park(connection);
                    return Answer::Each(vec![Verdict::Taken]);
                }
                Ok(Err(error)) => error,
                Err(_) => return no_reply(stage, "timeout"),
            };
            let reply = reply_code(&error);
            // The server hung up while the connection was parked. Ends: each round uses up a parked connection.
            if parked && stage == Stage::Sender && matches!(reply, None | Some(CLOSING)) {
                continue;
            }
            self.reuse(connection, reply, stage, deadline).await;
            return self.refused(&error, reply, stage);
        }
    }

    fn compose(&self, message: &Outgoing) -> Result<(Envelope, Vec<u8>), lettre::error::Error> {
        let to = message.to.reveal().parse().map_err(|_| lettre::error::Error::MissingTo)?;
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .date(UNIX_EPOCH + Duration::from_millis(self.clock.now_ms().unsigned_abs()))
            .message_id(Some(format!("<{}@{}>", message.id, self.from.email.domain())));
        if let Some(subject) = &message.subject {
            mail = mail.subject(subject.clone());
        }
        let kind = if is_html(&message.text) { ContentType::TEXT_HTML } else { ContentType::TEXT_PLAIN };
        let mail = mail.header(kind).body(message.text.clone())?;
        Ok((mail.envelope().clone(), mail.formatted()))
    }

    async fn open(&self) -> Result<AsyncSmtpConnection, OpenError> {
        let stream = connect(&self.endpoint.host, self.endpoint.port, self.tls.as_ref()).await?;
        let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello).await?;
        if let Some(parameters) = &self.starttls {
            if !connection.server_info().supports_feature(Extension::StartTls) {
                return Err(OpenError::Lacking("STARTTLS"));
            }
            connection.starttls(parameters.clone(), &self.hello).await.map_err(OpenError::StartTls)?;
        }
        if let Some(credentials) = &self.credentials {
            if connection.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
                return Err(OpenError::Lacking("AUTH PLAIN or LOGIN"));
            }
            connection.auth(&MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    /// What it means that no connection could be opened: nothing was sent.
    fn not_open(&self, error: &OpenError) -> Answer {
        tracing::debug!(host = self.endpoint.host, error = error as &dyn std::error::Error, "no connection");
        match error {
            OpenError::Connect(error) => unsent(error.code()),
            OpenError::Lacking(_) => self.account.begin(&error.to_string()),
            OpenError::Talk(said) | OpenError::StartTls(said) => match (reply_code(said), error) {
                (Some(code @ 500..), _) => self.account.begin(&format!("SMTP {code} before any mail")),
                (Some(code), _) => unsent(&format!("smtp-{code}")),
                (None, OpenError::StartTls(_)) => unsent("tls-failed"),
                (None, _) => unsent("connection-lost"),
            },
        }
    }

    /// What it means that a mail was not taken.
    fn refused(&self, error: &Error, reply: Option<u16>, stage: Stage) -> Answer {
        tracing::debug!(host = self.endpoint.host, error = error as &dyn std::error::Error, "mail not taken");
        match (reply, stage) {
            (None, _) => no_reply(stage, "connection-lost"),
            // The sender is the same for every mail of the lane: what is said to it is said to all.
            (Some(code @ 500..), Stage::Sender) => self.account.begin(&format!("SMTP {code} to the sender")),
            (Some(code), _) if SIGN_IN_REPLIES.contains(&code) => self.account.begin(&format!("SMTP {code}")),
            (Some(code), Stage::Sender) => unsent(&format!("smtp-{code}")),
            (Some(code @ 500..), _) => Answer::Each(vec![Verdict::Refused(format!("smtp-{code}"))]),
            (Some(code), _) => again(&format!("smtp-{code}")),
        }
    }

    /// Keeps a connection on which a mail was refused, so that a list with bad addresses costs no connection each.
    async fn reuse(&self, mut connection: AsyncSmtpConnection, reply: Option<u16>, stage: Stage, deadline: Instant) {
        if matches!(reply, None | Some(CLOSING)) {
            return;
        }
        // A refused sender has begun no transaction, refused content has ended it (RFC 5321, 4.1.1.2 and 4.1.1.4).
        let clean = stage != Stage::Recipient
            || timeout_at(deadline, connection.command(Rset)).await.is_ok_and(|reset| reset.is_ok());
        if clean {
            self.pool.park(connection);
        }
    }
}

impl Provider for Smtp {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn batch_max(&self) -> usize {
        1
    }

    fn level(&self) -> Level {
        Level::None
    }

    fn receipts(&self) -> bool {
        false
    }

    fn send(&self, request: Request) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            match request.messages.as_slice() {
                [message] => self.deliver(message, request.timeout).await,
                _ => unsent("batch-too-large"),
            }
        })
    }

    fn lookup<'a>(&'a self, _key: &'a str) -> BoxFuture<'a, Result<Option<Vec<Verdict>>, String>> {
        Box::pin(async { Err("lookup-unsupported".to_owned()) })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let opened = timeout_at(Instant::now() + CHECK_MAX, async {
                let mut connection = self.open().await?;
                connection.command(Quit).await.map_err(OpenError::Talk)
            });
            match opened.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(causes(&error)),
                Err(_) => Err("timeout".to_owned()),
            }
        })
    }
}

/// Both send the password as it is, so they are used inside TLS only, which the configuration sees to.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// How far a mail has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// `MAIL FROM` is being answered.
    Sender,
    /// `RCPT TO` or `DATA` is being answered.
    Recipient,
    /// The content is being written, or has been.
    Content,
}

async fn transfer(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    content: &[u8],
    stage: &mut Stage,
) -> Result<(), Error> {
    connection.command(Mail::new(envelope.from().cloned(), Vec::new())).await?;
    *stage = Stage::Recipient;
    for recipient in envelope.to() {
        connection.command(Rcpt::new(recipient.clone(), Vec::new())).await?;
    }
    connection.command(Data).await?;
    *stage = Stage::Content;
    connection.message(content).await?;
    Ok(())
}

/// Why there is no connection that mail can be sent on.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the server does not offer {0}")]
    Lacking(&'static str),
    #[error("the session could not be moved into TLS")]
    StartTls(#[source] Error),
    #[error("the server did not open the session")]
    Talk(#[from] Error),
}

fn credentials(keys: &LaneKeys<'_>, endpoint: &Endpoint) -> Result<Option<Credentials>, Failure> {
    let (user, secret) = match (&keys.config.user, keys.secret()?) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(keys.missing("user")),
        (Some(_), None) => return Err(keys.missing("secret")),
        (Some(user), Some(secret)) => (user, secret),
    };
    if endpoint.scheme == "smtp" {
        return Err(Failure::usage("provider-secret-in-clear").arg("key", keys.name("url")));
    }
    Ok(Some(Credentials::new(user.clone(), secret.reveal().to_owned())))
}

fn sender(keys: &LaneKeys<'_>) -> Result<Mailbox, Failure> {
    let from = keys.config.from.as_deref().ok_or_else(|| keys.missing("from"))?;
    // Beyond ASCII an address needs SMTPUTF8 of every server on the way.
    let mailbox: Option<Mailbox> = from.parse().ok().filter(|it: &Mailbox| it.email.to_string().is_ascii());
    mailbox.ok_or_else(|| Failure::usage("provider-from-wrong").arg("key", keys.name("from")).arg("from", from))
}

fn starttls(host: &str, own: &OwnAuthorities) -> Result<TlsParameters, Failure> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    for certificate in own.der() {
        parameters = parameters.add_root_certificate(Certificate::from_der(certificate).map_err(Failure::bug)?);
    }
    parameters.build().map_err(Failure::bug)
}

fn is_html(text: &str) -> bool {
    let start = text.trim_start().as_bytes();
    let begins = |tag: &[u8]| start.get(..tag.len()).is_some_and(|it| it.eq_ignore_ascii_case(tag));
    begins(b"<!doctype html") || begins(b"<html")
}

fn reply_code(error: &Error) -> Option<u16> {
    error.status().map(u16::from)
}

fn causes(error: &dyn std::error::Error) -> String {
    let list: Vec<String> =
        std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect();
    list.join(": ")
}

/// What silence means at a stage. From the recipient on it may be about this mail: unsent too, but a try of this mail,
/// since an unsent request makes the whole lane wait, and one mail that a server hangs up on must not do so for ever.
fn no_reply(stage: Stage, code: &str) -> Answer {
    match stage {
        Stage::Sender => unsent(code),
        Stage::Recipient => again(code),
        Stage::Content => Answer::Unknown { code: code.to_owned() },
    }
}

fn unsent(code: &str) -> Answer {
    Answer::Unsent { code: code.to_owned() }
}

fn again(code: &str) -> Answer {
    Answer::Each(vec![Verdict::Retry { code: code.to_owned(), after: None }])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use naru_core::id::Id;
    use naru_core::masked::Address;
    use naru_dispatch::message::MessageId;
    use serde_json::json;

    use super::*;
    use crate::hand_clock::HandClock;

    fn composed(subject: Option<&str>, text: &str) -> String {
        let config = json!({
            "provider": "smtp", "channel": "email", "url": "smtp://mail.example", "from": "가게 <shop@example.com>",
        });
        let config = serde_json::from_value(config).unwrap();
        let keys = LaneKeys { lane: "mail", config: &config, base: Path::new(".") };
        let smtp = Smtp::new(&keys, &OwnAuthorities::default(), Arc::new(HandClock::default())).unwrap();
        let message = Outgoing {
            id: MessageId { frame: Id([7; 16]), slot: 12 },
            to: Address::new("kim@example.com"),
            subject: subject.map(str::to_owned),
            text: text.to_owned(),
        };
        let (envelope, content) = smtp.compose(&message).unwrap();
        assert_eq!(envelope.from().map(ToString::to_string).as_deref(), Some("shop@example.com"));
        assert_eq!(envelope.to().iter().map(ToString::to_string).collect::<Vec<_>>(), ["kim@example.com"]);
        String::from_utf8(content).unwrap()
    }

    /// Where this changes, [`Provider::version`] counts up.
    #[test]
    fn a_mail_is_composed_to_these_bytes() {
        let head = "From: =?utf-8?b?6rCA6rKM?= <shop@example.com>\r\nTo: kim@example.com\r\n\
                    Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n\
                    Message-ID: <07070707070707070707070707070707-12@example.com>\r\n";
        let text = format!(
            "{head}Subject: =?utf-8?b?7Lac6rOgIOyViOuCtA==?=\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n7JWI64WV7ZWY7IS47JqU"
        );
        assert_eq!(composed(Some("출고 안내"), "안녕하세요"), text);
        let page = format!(
            "{head}Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n<html>hi</html>"
        );
        assert_eq!(composed(None, "<html>hi</html>"), page);
    }

    #[test]
    fn a_subject_cannot_add_a_header() {
        let mail = composed(Some("hi\r\nBcc: lee@example.com\r\n\r\nbody"), "text");
        let head = mail.split("\r\n\r\n").next().unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")) && head.contains("Content-Type"), "{mail}");
    }

    #[test]
    fn a_body_that_begins_as_a_page_is_one() {
        for (text, expect) in [
            ("<html><body>hi", true),
            ("\n <!DOCTYPE HTML>\n<html>", true),
            ("hi <html>", false),
            ("<b>hi</b>", false),
            ("<ht", false),
            ("", false),
        ] {
            assert_eq!(is_html(text), expect, "{text:?}");
        }
    }
}
