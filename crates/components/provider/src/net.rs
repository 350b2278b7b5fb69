//! A TCP connection to a provider, with or without TLS from its first byte.
//!
//! Both adapters connect here and not in their libraries: `TCP_NODELAY` must be set (lettre leaves it off, and each
//! mail then waits some 40 ms for a delayed acknowledgement), and where a connection failed must be known, since
//! nothing can have been sent before there was one.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use naru_core::failure::Failure;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The certificate authorities of the configuration, besides the public ones.
#[derive(Default)]
pub struct OwnAuthorities {
    certificates: Vec<CertificateDer<'static>>,
    roots: Vec<TrustAnchor<'static>>,
}

impl OwnAuthorities {
    /// Reads the certificates of a PEM file.
    pub fn read(path: &Path) -> Result<OwnAuthorities, Failure> {
        let wrong = |why: String| Failure::usage("provider-ca-wrong").arg("path", path.display()).cause_text(why);
        let pem = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
        let mut own = OwnAuthorities::default();
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
            store.add(certificate.clone()).map_err(|e| wrong(e.to_string()))?;
            own.certificates.push(certificate);
        }
        own.roots = store.roots;
        if own.roots.is_empty() { Err(wrong("it holds no certificate".to_owned())) } else { Ok(own) }
    }

    /// Each certificate's bytes.
    pub fn der(&self) -> impl Iterator<Item = Vec<u8>> {
        self.certificates.iter().map(|certificate| certificate.to_vec())
    }
}

/// How TLS is spoken with one host.
pub struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// TLS that takes certificates for `host` by a public authority or one of `own`.
    pub fn new(host: &str, own: &OwnAuthorities) -> Result<Tls, Failure> {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().chain(&own.roots).cloned().collect();
        let roots = RootCertStore { roots };
        // Named here rather than taken from the process, so that a lane works whoever starts it.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Failure::bug)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).expect("an endpoint's host is a name or an address");
        Ok(Tls { connector: TlsConnector::from(Arc::new(config)), name })
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
