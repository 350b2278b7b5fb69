//! A TCP line to a PostgreSQL server that a test cuts, slows down, swallows and mends.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How PostgreSQL says that a commit is done.
const COMMITTED: &[u8] = b"COMMIT\0";

/// What the line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Carries everything, each answer of the server so much later.
    Carry(Duration),
    /// Every connection ends, and new ones are refused.
    Cut,
    /// New connections are taken, and nothing is carried either way. What was sent meanwhile arrives when the line is
    /// mended, unless its sender has gone.
    Swallow,
}

/// Stands between a program and the server as long as it lives.
pub struct Proxy {
    url: String,
    mode: watch::Sender<Mode>,
    connections: Arc<Connections>,
    lose: Arc<AtomicBool>,
    runtime: Option<Runtime>,
}

impl Proxy {
    /// A line to the server of `url` that carries everything.
    pub fn to(url: &str) -> Proxy {
        let server = PgConnectOptions::from_str(url).expect("it is a URL of PostgreSQL");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a machine has room for a thread");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it listens");
        listener.set_nonblocking(true).expect("a socket can be told not to block");
        let (mode, lose) = (watch::Sender::new(Mode::Carry(Duration::ZERO)), Arc::new(AtomicBool::new(false)));
        let connections = Arc::<Connections>::default();
        let line = Line { server, mode: mode.subscribe(), lose: lose.clone(), connections: connections.clone(), no: 0 };
        let taken = {
            let _in_runtime = runtime.enter();
            TcpListener::from_std(listener).expect("it listens")
        };
        runtime.spawn(listen(taken, address, line));
        Proxy { url: through(url, address), mode, connections, lose, runtime: Some(runtime) }
    }

    /// The URL by which the server is reached over it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Does so from now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Carries everything again.
    pub fn mend(&self) {
        self.set(Mode::Carry(Duration::ZERO));
    }

    /// Carries nothing more over the connections that are open now, as a firewall that has forgotten them: neither end is
    /// told. New ones are carried.
    pub fn forget_connections(&self) {
        let Connections { made, forgotten } = &*self.connections;
        forgotten.store(made.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Loses the next answer to a commit: it is on the disk, and whoever made it sees nothing but a connection that ended.
    pub fn lose_a_commits_answer(&self) {
        self.lose.store(true, Ordering::SeqCst);
    }

    /// Whether the answer that was to be lost is.
    pub fn has_lost(&self) -> bool {
        !self.lose.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Also inside a test's own runtime, where waiting for another one is refused.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// `url` with another place to connect to.
fn through(url: &str, address: SocketAddr) -> String {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let (user, rest) = place.split_once('@').expect("the URL names a user");
    let (_, database) = rest.split_once('/').expect("the URL names a database");
    let query: Vec<&str> = query.split('&').filter(|part| !part.starts_with("host=") && !part.is_empty()).collect();
    let question_mark = if query.is_empty() { "" } else { "?" };
    format!("{user}@{address}/{database}{question_mark}{}", query.join("&"))
}

/// Connections are numbered as they are made.
#[derive(Default)]
struct Connections {
    made: AtomicU64,
    /// Up to this one.
    forgotten: AtomicU64,
}

/// What carries one connection.
#[derive(Clone)]
struct Line {
    server: PgConnectOptions,
    mode: watch::Receiver<Mode>,
    lose: Arc<AtomicBool>,
    connections: Arc<Connections>,
    no: u64,
}

async fn listen(mut listener: TcpListener, address: SocketAddr, mut line: Line) {
    let mut carried = JoinSet::new();
    loop {
        tokio::select! {
            Ok((near, _)) = listener.accept() => {
                let no = line.connections.made.fetch_add(1, Ordering::SeqCst) + 1;
                carried.spawn(carry(near, Line { no, ..line.clone() }));
            }
            () = line.until(|mode| mode == Mode::Cut) => {
                drop(listener);
                carried.shutdown().await;
                line.until(|mode| mode != Mode::Cut).await;
                listener = loop {
                    // Somebody else's connection may have been given the port for a moment.
                    match TcpListener::bind(address).await {
                        Ok(listener) => break listener,
                        Err(_) => tokio::task::yield_now().await,
                    }
                };
            }
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn carry(mut near: TcpStream, mut line: Line) {
    line.passes().await;
    let server = &line.server;
    let far: std::io::Result<Box<dyn Stream>> = match server.get_socket() {
        Some(folder) => UnixStream::connect(folder.join(format!(".s.PGSQL.{}", server.get_port())))
            .await
            .map(|far| Box::new(far) as Box<dyn Stream>),
        None => TcpStream::connect((server.get_host(), server.get_port())).await.map(|far| Box::new(far) as _),
    };
    let Ok(far) = far else { return };
    let (mut from_server, mut to_server) = tokio::io::split(far);
    let (mut from_naru, mut to_naru) = near.split();
    let mut asking = line.clone();
    let asked = async {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let read = from_naru.read(&mut bytes).await.unwrap_or_default();
            asking.passes().await;
            if read == 0 || to_server.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    let answered = async {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let read = from_server.read(&mut bytes).await.unwrap_or_default();
            let delay = line.passes().await;
            if !delay.is_zero() {
                tokio::time::sleep_until(tokio::time::Instant::now() + delay).await;
            }
            let is_commit = bytes[..read].windows(COMMITTED.len()).any(|part| part == COMMITTED);
            if read == 0 || is_commit && line.lose.swap(false, Ordering::SeqCst) {
                return;
            }
            if to_naru.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    // Both ends are closed as soon as one direction ends.
    tokio::select! {
        () = asked => {}
        () = answered => {}
    }
}

impl Line {
    async fn until(&mut self, is: impl Fn(Mode) -> bool) {
        // An error means that nobody sets it any more.
        let _ = self.mode.wait_for(|mode| is(*mode)).await;
    }

    /// Waits until it carries; answers how much later.
    async fn passes(&mut self) -> Duration {
        if self.no <= self.connections.forgotten.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let mode = self.mode.wait_for(|mode| matches!(mode, Mode::Carry(_))).await;
        match mode.as_deref() {
            Ok(Mode::Carry(delay)) => *delay,
            // Nobody sets it any more.
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, PgConnection};

    use super::*;
    use crate::database::{Engine, database};
    use crate::wait::{PATIENCE, eventually};

    async fn one(url: &str) -> Result<i32, sqlx::Error> {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::query_scalar("SELECT 1").fetch_one(&mut connection).await
    }

    #[tokio::test]
    async fn a_line_carries_refuses_swallows_and_is_mended() {
        let database = database(Engine::Postgres).await;
        let proxy = Proxy::to(database.url());
        assert_eq!(one(proxy.url()).await.unwrap(), 1);
        let mut open = PgConnection::connect(proxy.url()).await.unwrap();

        proxy.set(Mode::Cut);
        eventually("new connections to be refused", PATIENCE, async || one(proxy.url()).await.err()).await;
        assert!(open.ping().await.is_err(), "those that were open have ended");
        proxy.mend();
        eventually("the line to carry again", PATIENCE, async || one(proxy.url()).await.ok()).await;

        proxy.set(Mode::Swallow);
        // Taken, and not answered before it is mended.
        let address = proxy.url().split(['@', '/']).find(|part| part.starts_with("127.")).unwrap();
        let mend = async {
            TcpStream::connect(address).await.unwrap();
            proxy.mend();
        };
        assert_eq!(tokio::join!(one(proxy.url()), mend).0.unwrap(), 1, "what was sent arrives late");

        let mut open = PgConnection::connect(proxy.url()).await.unwrap();
        proxy.forget_connections();
        let first = tokio::select! {
            biased;
            _ = open.ping() => 0,
            other = one(proxy.url()) => other.unwrap(),
        };
        assert_eq!(first, 1, "an open connection is forgotten, a new one is carried");
    }

    #[test]
    fn only_the_place_of_a_url_is_replaced() {
        let address = "127.0.0.1:7".parse().unwrap();
        let check = |url: &str, expect: &str| assert_eq!(through(url, address), expect);
        check("postgres://u@localhost/x?host=/tmp/a", "postgres://u@127.0.0.1:7/x");
        check("postgres://u:p@db:5432/x?sslmode=disable", "postgres://u:p@127.0.0.1:7/x?sslmode=disable");
    }
}
