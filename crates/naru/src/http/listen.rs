//! The two doors: a TCP address for everyone, and a socket in the data folder for whoever may open it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::serve::{Listener, ListenerExt};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tower::Service;

/// Connections of one door at a time; further ones wait to be accepted. Well below the 1,024 files that a process may
/// open by default, since lanes and the database need some too.
const CONNECTIONS_MAX: usize = 512;
/// For the head of a request to come in, counted from the end of the one before: bounds an idle connection, and
/// whoever sends a byte a minute.
const HEAD_MAX: Duration = Duration::from_secs(75);

/// Binds the address of `[web] listen`.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let failed = |e: io::Error| Failure::unavailable("listen-failed").arg("address", address).cause(&e);
    TcpListener::bind(address).await.map_err(failed)
}

/// Binds the socket, for this user alone. One that is there already is left over from a crash and is replaced: the
/// caller holds the lock of the data, so nobody listens on it.
pub fn bind_socket(path: &Path) -> Result<UnixListener, Failure> {
    let bound = || -> io::Result<UnixListener> {
        let folder = path.parent().unwrap_or(Path::new("."));
        // Made in a folder that nobody else can enter and moved from there, so that at no moment anyone else could
        // open it, whatever the umask.
        let private = tempfile::Builder::new().prefix(".").rand_bytes(3).tempdir_in(folder)?;
        let inside = private.path().join("s");
        let listener = UnixListener::bind(&inside)?;
        std::fs::set_permissions(&inside, PermissionsExt::from_mode(0o600))?;
        std::fs::rename(&inside, path)?;
        Ok(listener)
    };
    bound().map_err(|e| Failure::unavailable("socket-failed").arg("path", path.display()).cause(&e))
}

/// Serves everyone who connects by TCP until shutdown.
pub async fn serve_network(listener: TcpListener, router: Router, lifecycle: Lifecycle) {
    // Answers are small and wanted at once.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    serve(listener, Some, router, lifecycle).await;
}

/// Serves everyone who may open the socket until shutdown.
pub async fn serve_socket(listener: UnixListener, router: Router, lifecycle: Lifecycle) {
    serve(listener, |_| None, router, lifecycle).await;
}

async fn serve<L: Listener>(
    mut listener: L,
    peer: fn(L::Addr) -> Option<SocketAddr>,
    router: Router,
    lifecycle: Lifecycle,
) {
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let next = async {
            let place = free.clone().acquire_owned().await.expect("the semaphore is never closed");
            (place, listener.accept().await)
        };
        let (place, (stream, address)) = tokio::select! {
            () = lifecycle.stopped() => return,
            next = next => next,
        };
        let connection = connection(stream, peer(address), router.clone(), lifecycle.clone());
        lifecycle.spawn("connection", async move {
            connection.await;
            drop(place);
        });
    }
}

/// Serves one connection; at shutdown the request at hand is answered and the connection closed.
fn connection<S>(
    stream: S,
    peer: Option<SocketAddr>,
    router: Router,
    lifecycle: Lifecycle,
) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        if let Some(peer) = peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        // A router is always ready; cloning it counts a reference.
        router.clone().call(request.map(Body::new))
    });
    async move {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = lifecycle.stopped() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}
