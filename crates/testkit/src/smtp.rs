//! A real SMTP server (`xtask/peers/smtp.js`) with a ledger of its own and faults on request.
//!
//! Faults are asked for by recipient, `FAULT+anyone@example.com`, or the first two times only,
//! `FAULT-2+anyone@example.com`: `refuse` (550), `busy` (451) and `leave` (421 and closed) at the recipient;
//! `refuse-data` (554) and `busy-data` (451) after the mail; `silent` (taken, never answered), `drop` (taken, the
//! connection reset) and `slow` (taken, answered late). [`SmtpServer::fault`] asks for one whoever the recipient is.

use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::peers::peers;
use crate::server::Server;

/// A running server on a free port of the loopback. Dropping it ends it.
pub struct SmtpServer {
    /// The port for mail; STARTTLS is offered, and AUTH inside it (the password `wrong` is refused).
    pub port: u16,
    /// The self-signed certificate for `localhost`, in PEM.
    pub certificate: String,
    http_port: u16,
    _server: Server,
}

/// A mail that the server took.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// The `Message-ID` header with its brackets, empty where there is none.
    pub message_id: String,
    /// The size of headers and body.
    pub bytes: usize,
    /// The headers as they came.
    pub headers: String,
    /// Whether it came inside TLS.
    pub encrypted: bool,
    /// Who had signed in, empty for nobody.
    pub user: String,
}

impl SmtpServer {
    /// Starts a server with an empty ledger.
    pub async fn start() -> SmtpServer {
        // Handed over as text: beside the packages it needs there is no copy of it that could grow old.
        let script = include_str!("../../../xtask/peers/smtp.js");
        let server = Server::start("the SMTP server", Command::new("node").args(["-e", script]).current_dir(peers()));
        let ready: Ready = serde_json::from_str(&server.ready).expect("the server prints where it listens");
        SmtpServer { port: ready.smtp, certificate: ready.certificate, http_port: ready.http, _server: server }
    }

    /// Every mail taken so far, oldest first.
    pub async fn ledger(&self) -> Vec<Mail> {
        let ledger = self.http("GET", "/ledger", "").await;
        serde_json::from_value(ledger).expect("the ledger is a list of mails")
    }

    /// Asks for a fault the next `times` times, whoever the recipient is; 0 ends it.
    pub async fn fault(&self, name: &str, times: u32) {
        let answer = self.http("PUT", "/fault", &json!({ "name": name, "times": times }).to_string()).await;
        assert_eq!(answer["name"], name, "{answer}");
    }

    async fn http(&self, method: &str, path: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http_port)).await.expect("the SMTP server runs");
        // HTTP/1.0: the answer ends where the connection does.
        let request = format!("{method} {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.expect("the SMTP server runs");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the SMTP server answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer has a head");
        serde_json::from_str(body).expect("the SMTP server answers in JSON")
    }
}

#[derive(Deserialize)]
struct Ready {
    smtp: u16,
    http: u16,
    certificate: String,
}

#[cfg(test)]
mod tests {
    use lettre::transport::smtp::authentication::Credentials;
    use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
    use lettre::transport::smtp::{Error, response::Response};
    use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

    use super::*;
    use crate::wait::{PATIENCE, eventually};

    type Client = AsyncSmtpTransport<Tokio1Executor>;

    fn plain(server: &SmtpServer) -> Client {
        Client::builder_dangerous("127.0.0.1").port(server.port).build()
    }

    fn encrypted(server: &SmtpServer, password: &str) -> Client {
        let certificate = Certificate::from_pem(server.certificate.as_bytes()).unwrap();
        let tls = TlsParameters::builder("localhost".to_owned()).add_root_certificate(certificate).build().unwrap();
        Client::builder_dangerous("localhost")
            .port(server.port)
            .tls(Tls::Required(tls))
            .credentials(Credentials::new("shop".to_owned(), password.to_owned()))
            .build()
    }

    async fn send(client: &Client, to: &str) -> Result<Response, Error> {
        let mail = Message::builder()
            .from("shop@example.com".parse().unwrap())
            .to(to.parse().unwrap())
            .message_id(Some("<frame-7@naru>".to_owned()))
            .subject("출고 안내")
            .body("보냈습니다".to_owned())
            .unwrap();
        client.send(mail).await
    }

    fn code(result: Result<Response, Error>) -> u16 {
        result.unwrap_err().status().unwrap().into()
    }

    #[tokio::test]
    async fn mail_is_taken_inside_tls_with_a_password() {
        let server = SmtpServer::start().await;
        assert_eq!(code(send(&encrypted(&server, "wrong"), "kim@example.com").await), 535);
        send(&encrypted(&server, "right"), "kim@example.com").await.unwrap();
        let ledger = server.ledger().await;
        let [mail] = ledger.as_slice() else { panic!("{ledger:?}") };
        assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("shop@example.com", &["kim@example.com".to_owned()][..]));
        assert_eq!((mail.message_id.as_str(), mail.encrypted, mail.user.as_str()), ("<frame-7@naru>", true, "shop"));
        assert!(mail.headers.contains("Subject: ") && mail.bytes > mail.headers.len());
    }

    #[tokio::test]
    async fn an_address_asks_for_its_fault() {
        let server = SmtpServer::start().await;
        let client = plain(&server);
        for (to, expect) in [("refuse", 550), ("busy", 451), ("leave", 421), ("refuse-data", 554), ("busy-data", 451)] {
            assert_eq!(code(send(&client, &format!("{to}+kim@example.com")).await), expect, "{to}");
        }
        assert_eq!(server.ledger().await, []);
        send(&client, "slow+kim@example.com").await.unwrap();
        assert_eq!(server.ledger().await.len(), 1);
    }

    #[tokio::test]
    async fn a_counted_fault_ends() {
        let server = SmtpServer::start().await;
        let client = plain(&server);
        for expect in [451, 451] {
            assert_eq!(code(send(&client, "busy-2+kim@example.com").await), expect);
        }
        send(&client, "busy-2+kim@example.com").await.unwrap();

        server.fault("refuse", 1).await;
        assert_eq!(code(send(&client, "kim@example.com").await), 550);
        send(&client, "kim@example.com").await.unwrap();
        assert_eq!(server.ledger().await.len(), 2);
    }

    #[tokio::test]
    async fn mail_can_be_taken_without_an_answer() {
        let server = SmtpServer::start().await;
        let dropped = send(&plain(&server), "drop+kim@example.com").await.unwrap_err();
        assert_eq!((dropped.status(), server.ledger().await.len()), (None, 1));

        let client = plain(&server);
        tokio::select! {
            answer = send(&client, "silent+kim@example.com") => panic!("{answer:?}"),
            () = eventually("the mail in the ledger", PATIENCE, async || (server.ledger().await.len() == 2).then_some(())) => {}
        }
    }
}
