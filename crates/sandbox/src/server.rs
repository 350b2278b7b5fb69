//! Connections: taken one by one up to a bound, served by hyper as they are, closed when the sandbox stops.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use naru_core::lifecycle::Activity;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::route::answer;
use crate::vendor::Vendor;

/// Connections at a time, below the thousand and twenty-four files a process may commonly open; more wait in the
/// listener's queue.
const CONNECTIONS_MAX: usize = 1_000;
/// After a failed accept, usually for want of files: others may close theirs meanwhile.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// How long a connection has to finish what it does when the sandbox stops.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// Serves connections until the sandbox stops.
pub async fn serve(listener: TcpListener, vendor: Arc<Vendor>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let stopped = vendor.lifecycle.stopped();
    tokio::pin!(stopped);
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.expect("the places are never closed");
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = &mut stopped => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let activity = vendor.lifecycle.activity("sandbox connection");
                let connection = serve_connection(stream, vendor.clone(), place, activity);
                vendor.lifecycle.spawn("sandbox connection", connection);
            }
            Err(error) => {
                tracing::warn!(error = %error, "sandbox could not take a connection");
                vendor.pause(ACCEPT_BACKOFF).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, vendor: Arc<Vendor>, _place: OwnedSemaphorePermit, _activity: Activity) {
    // Answers are written whole; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(vendor.clone(), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // How it ended is the client's affair: it hung up, sent nonsense, or was cut off by a fault.
        _ = connection.as_mut() => return,
        () = vendor.lifecycle.stopped() => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(CLOSE_MAX, connection).await;
}
