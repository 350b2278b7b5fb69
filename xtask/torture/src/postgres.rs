//! A PostgreSQL server of its own, killed as a machine that loses power would kill it, and started on the same data.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, PgConnection};

use crate::Result;
use crate::process::{PATIENCE, Process, tail};
use crate::wait::{pause, until};

/// Between two tries to start on data that the processes of the last life still hold.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A cluster and its server. Dropping it ends the server and removes the data, unless they are to be kept.
pub struct Postgres {
    folder: PathBuf,
    bin: PathBuf,
    server: Option<Process>,
    log: PathBuf,
    /// Whether the data stay when the value goes.
    pub keep: bool,
}

impl Postgres {
    /// Makes a cluster and starts its server, which logs to a file in `logs`. It syncs: without that a kill proves nothing.
    pub async fn start(logs: &Path) -> Result<Postgres> {
        let bin = programs()?;
        let made = as_owner("mktemp").args(["-d", "/tmp/naru-torture-postgres.XXXXXX"]).output();
        let made = made.map_err(|e| format!("could not make a folder for PostgreSQL: {e}"))?;
        let folder = PathBuf::from(String::from_utf8_lossy(&made.stdout).trim());
        let mut postgres = Postgres { folder, bin, server: None, log: logs.join("postgres.log"), keep: false };
        let mut initdb = as_owner(&postgres.bin.join("initdb").to_string_lossy());
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-D"]).arg(postgres.data());
        let made = initdb.current_dir(&postgres.folder).output();
        let made = made.map_err(|e| format!("could not make a PostgreSQL cluster: {e}"))?;
        if !made.status.success() {
            return Err(format!(
                "could not make a PostgreSQL cluster: {}",
                tail(&String::from_utf8_lossy(&made.stderr))
            ));
        }
        postgres.up().await?;
        Ok(postgres)
    }

    /// Its server, where a database of that name is or will be.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.folder.display())
    }

    /// Makes an empty database.
    pub async fn database(&self, name: &str) -> Result<String> {
        let make = async {
            let mut connection = PgConnection::connect(&self.url("postgres")).await?;
            let text = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
            sqlx::query(text).execute(&mut connection).await?;
            connection.close().await
        };
        make.await.map_err(|e| format!("could not make the database {name}: {e}"))?;
        Ok(self.url(name))
    }

    /// Kills the server and every process of it, none of which can end in order.
    pub fn kill(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let children = children(server.pid());
        server.kill();
        for child in children {
            // Each belongs to the server that was just killed. An error means that it has seen so and ended.
            let _ = kill_process(child, Signal::KILL);
        }
    }

    /// Starts the server on the data that are there, and waits until it answers.
    pub async fn up(&mut self) -> Result<()> {
        let (url, log) = (self.url("postgres"), self.log.clone());
        let mut last = String::new();
        let end = std::time::Instant::now() + PATIENCE;
        while std::time::Instant::now() < end {
            let mut command = as_owner(&self.bin.join("postgres").to_string_lossy());
            command.current_dir(&self.folder).arg("-D").arg(self.data()).arg("-k").arg(&self.folder);
            command.args(["-c", "listen_addresses=", "-c", "max_connections=200"]);
            let mut server = Process::start(command, "PostgreSQL", &log)?;
            let answers = until("PostgreSQL to answer", PATIENCE, || {
                let ended = server.ended().map(|status| format!("PostgreSQL ended: {status}"));
                let url = url.clone();
                async move {
                    match (PgConnection::connect(&url).await, ended) {
                        (Ok(_), None) => Ok(Some(())),
                        (_, Some(ended)) => Err(ended),
                        (Err(_), None) => Ok(None),
                    }
                }
            });
            match answers.await {
                Ok(()) => {
                    self.server = Some(server);
                    return Ok(());
                }
                Err(why) => last = format!("{why}: {}", tail(&server.said())),
            }
            pause(AGAIN_AFTER).await;
        }
        Err(last)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// The processes that `parent` started.
fn children(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero();
    let text = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// PostgreSQL refuses to run as root.
fn as_owner(program: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", program]);
    command
}

/// Debian keeps the server's programs outside PATH, a folder a version.
fn programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").is_file()).max();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = || std::env::split_paths(&path).find(|bin| bin.join("initdb").is_file());
    debian.or_else(in_path).ok_or_else(|| "there is no PostgreSQL server: `cargo xtask test` installs one".to_owned())
}
