//! Opening a socket.

use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use naru_core::failure::Failure;
use reqwest::Url;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::payload::BODY_BYTES_MAX;
use crate::socket::link::Frame;
use crate::web::Web;

/// From asking for an address to Slack's hello. What takes longer is not there.
const DIAL_MAX: Duration = Duration::from_secs(20);

/// A socket that Slack has said hello on.
pub(super) type Stream = WebSocketStream<Box<dyn Wire>>;

/// TCP with or without TLS.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Asks for the address of a socket and opens it.
pub(super) async fn dial(web: &Web) -> Result<Stream, Failure> {
    let dialled = tokio::time::timeout(DIAL_MAX, async {
        let url = web.open_socket().await?;
        let stream = connect(web, &url).await.map_err(|error| web.unreachable().cause(&error))?;
        greeted(web, stream).await
    });
    dialled.await.unwrap_or_else(|_| Err(web.unreachable().cause_text("the socket did not open in time")))
}

async fn connect(web: &Web, url: &Url) -> Result<Stream, Error> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let tcp = TcpStream::connect((host, url.port_or_known_default().unwrap_or(443))).await?;
    tcp.set_nodelay(true)?;
    let wire: Box<dyn Wire> = match url.scheme() {
        "wss" => {
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            Box::new(TlsConnector::from(web.tls()).connect(name, tcp).await?)
        }
        _ => Box::new(tcp),
    };
    let bounds = WebSocketConfig::default().max_message_size(Some(BODY_BYTES_MAX)).max_frame_size(Some(BODY_BYTES_MAX));
    let (stream, _) = tokio_tungstenite::client_async_with_config(url.as_str(), wire, Some(bounds)).await?;
    Ok(stream)
}

/// Slack says hello before anything else, or that it will not.
async fn greeted(web: &Web, mut stream: Stream) -> Result<Stream, Failure> {
    loop {
        let frame = match stream.next().await {
            Some(Ok(Message::Text(text))) => Frame::read(&text),
            Some(Ok(Message::Close(_))) | None => return Err(web.unreachable().cause_text("the socket was closed")),
            Some(Ok(_)) => continue,
            Some(Err(error)) => return Err(web.unreachable().cause(&error)),
        };
        match frame {
            Ok(Frame { kind, .. }) if kind == "hello" => return Ok(stream),
            Ok(Frame { kind, reason, .. }) if kind == "disconnect" => return Err(refused(web, &reason)),
            _ => return Err(web.unreachable().cause_text("the socket did not begin with hello")),
        }
    }
}

fn refused(web: &Web, reason: &str) -> Failure {
    match reason {
        "link_disabled" => Failure::refused("slack-socket-off"),
        "too_many_websockets" => Failure::refused("slack-sockets-many"),
        _ => web.unreachable().cause_text(reason),
    }
}
