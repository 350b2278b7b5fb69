//! A line to the database that loses the answer to a commit: the commit is on the disk, and whoever made it sees nothing
//! but a connection that ended.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// How PostgreSQL says that a commit is done.
const COMMITTED: &[u8] = b"COMMIT\0";
const PORT: u16 = 5_432;

/// Stands between naru and the server as long as it lives.
pub struct Line {
    lose: Arc<AtomicBool>,
    _runtime: Runtime,
}

impl Line {
    /// A line to the server of `url`, and the URL by which it is reached; its socket is in `folder`.
    pub fn to(url: &str, folder: &Path) -> (Line, String) {
        let server = PgConnectOptions::from_str(url).unwrap();
        let runtime = crate::app::runtime();
        let lose = Arc::new(AtomicBool::new(false));
        let listener = {
            let _in_runtime = runtime.enter();
            UnixListener::bind(folder.join(format!(".s.PGSQL.{PORT}"))).unwrap()
        };
        let armed = lose.clone();
        runtime.spawn(async move {
            let mut carried = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                carried.spawn(carry(near, server.clone(), armed.clone()));
            }
        });
        let folder = folder.to_str().unwrap();
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let query: Vec<&str> = query.split('&').filter(|part| !part.starts_with("host=") && !part.is_empty()).collect();
        let url = format!("{address}?host={}&port={PORT}&{}", folder.replace('/', "%2F"), query.join("&"));
        (Line { lose, _runtime: runtime }, url)
    }

    /// Loses the next answer to a commit.
    pub fn lose_a_commits_answer(&self) {
        self.lose.store(true, Ordering::SeqCst);
    }

    /// Whether the answer that was to be lost is.
    pub fn has_lost(&self) -> bool {
        !self.lose.load(Ordering::SeqCst)
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn carry(mut near: UnixStream, server: PgConnectOptions, lose: Arc<AtomicBool>) {
    let far: Box<dyn Stream> = match server.get_socket() {
        Some(folder) => {
            Box::new(UnixStream::connect(folder.join(format!(".s.PGSQL.{}", server.get_port()))).await.unwrap())
        }
        None => Box::new(TcpStream::connect((server.get_host(), server.get_port())).await.unwrap()),
    };
    let (mut from_server, mut to_server) = tokio::io::split(far);
    let (mut from_naru, mut to_naru) = near.split();
    let asked = tokio::io::copy(&mut from_naru, &mut to_server);
    let answered = async {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let read = from_server.read(&mut bytes).await.unwrap_or_default();
            let is_commit = bytes[..read].windows(COMMITTED.len()).any(|part| part == COMMITTED);
            if read == 0 || is_commit && lose.swap(false, Ordering::SeqCst) {
                return;
            }
            if to_naru.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    // Both ends are closed as soon as one direction ends.
    tokio::select! {
        _ = asked => {}
        () = answered => {}
    }
}
