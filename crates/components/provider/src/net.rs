//! A TCP connection to a provider, with or without TLS from its first byte.
//!
//! Both adapters connect here and not in their libraries: `TCP_NODELAY` must be set (lettre leaves it off, and each
//! mail then waits some 40 ms for a delayed acknowledgement), and where a connection failed must be known, since
//! nothing can have been sent before there was one.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use naru_core::failure::Failure;
use naru_wire::tls::OwnAuthorities;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How TLS is spoken with one host.
pub struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// TLS that takes certificates for `host` by a public authority or one of `own`.
    pub fn new(host: &str, own: &OwnAuthorities) -> Result<Tls, Failure> {
        let name = ServerName::try_from(host.to_owned()).expect("an endpoint's host is a name or an address");
        Ok(Tls { connector: TlsConnector::from(Arc::new(own.client()?)), name })
    }
}

/// Why there is no connection; nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The host's name is not known.
    #[error("the host's name cannot be resolved")]
    Name(#[source] io::Error),
    /// Nobody listens there.
    #[error("the connection was refused")]
    Refused(#[source] io::Error),
    /// The network does not lead there.
    #[error("the host cannot be reached")]
    Unreachable(#[source] io::Error),
    /// TLS came to no agreement, or the certificate is not trusted.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
}

impl ConnectError {
    /// As an answer's code.
    pub fn code(&self) -> &'static str {
        match self {
            ConnectError::Name(_) => "host-unknown",
            ConnectError::Refused(_) => "connection-refused",
            ConnectError::Unreachable(_) => "host-unreachable",
            ConnectError::Tls(_) => "tls-failed",
        }
    }
}

/// Connects to `host`, trying each of its addresses.
pub async fn connect(host: &str, port: u16, tls: Option<&Tls>) -> Result<Stream, ConnectError> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await.map_err(ConnectError::Name)?.collect();
    let tcp = TcpStream::connect(addresses.as_slice()).await.map_err(|e| match e.kind() {
        io::ErrorKind::ConnectionRefused => ConnectError::Refused(e),
        _ => ConnectError::Unreachable(e),
    })?;
    tcp.set_nodelay(true).map_err(ConnectError::Unreachable)?;
    match tls {
        None => Ok(Stream::Plain(tcp)),
        Some(tls) => {
            let stream = tls.connector.connect(tls.name.clone(), tcp).await.map_err(ConnectError::Tls)?;
            Ok(Stream::Tls(Box::new(stream)))
        }
    }
}

/// A connection as both adapters' libraries take it.
pub enum Stream {
    /// Readable by anybody on the way.
    Plain(TcpStream),
    /// Inside TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, pieces),
            Stream::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stream::Plain(_) => "Stream::Plain",
            Stream::Tls(_) => "Stream::Tls",
        })
    }
}

impl AsyncTokioStream for Stream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Stream::Plain(tcp) => tcp.peer_addr(),
            Stream::Tls(tls) => tls.get_ref().0.peer_addr(),
        }
    }
}
