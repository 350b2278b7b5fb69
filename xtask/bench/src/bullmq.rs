//! What a team would otherwise build on: a BullMQ worker, and a Redis that flushes before it answers.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::Result;
use crate::cases::Bench;
use crate::process::{Process, run};

/// For a producer or a worker to end.
const WORK_MAX: Duration = Duration::from_secs(1_800);

/// What a job is.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Up to 1,000 messages, sent as one batch.
    Batch,
    /// One message.
    Single,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Batch => "batch",
            Kind::Single => "single",
        }
    }

    /// Jobs that a worker has under way; tried out to be the best or as good as it.
    pub fn concurrency(self) -> usize {
        match self {
            Kind::Batch => 8,
            Kind::Single => 128,
        }
    }
}

/// A Redis of this run's own.
pub struct Redis {
    _process: Process,
    dir: TempDir,
    port: u16,
}

impl Redis {
    /// Starts one that has every write on the disk before it answers.
    pub async fn start(bench: &Bench) -> Result<Redis> {
        run(Command::new("redis-server").arg("--version")).map_err(|_| "redis-server is not installed".to_owned())?;
        let dir = tempfile::tempdir_in(bench.folder()).map_err(|e| e.to_string())?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).map_err(|e| e.to_string())?.port();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", "always", "--maxmemory-policy", "noeviction", "--dir"]).arg(dir.path());
        let mut process = Process::start(command, dir.path(), "redis")?;
        let ready = |text: &str| text.contains("Ready to accept connections").then_some(());
        process.says("that it is ready", ready).await?;
        Ok(Redis { _process: process, dir, port })
    }

    /// Starts a worker that sends to `vendor` and ends after `messages`; returns when it takes jobs.
    pub async fn worker(&self, bench: &Bench, kind: Kind, vendor: &str, messages: u64) -> Result<Process> {
        let mut command = self.script(bench, &["work", kind.name()])?;
        command.args([vendor, &messages.to_string(), &kind.concurrency().to_string()]);
        let mut process = Process::start(command, self.dir.path(), "worker")?;
        process.says("that it is ready", |text| text.contains("ready").then_some(())).await?;
        Ok(process)
    }

    /// Starts a producer that makes jobs of the rows of a file.
    pub fn producer(&self, bench: &Bench, kind: Kind, file: &Path) -> Result<Process> {
        let mut command = self.script(bench, &["add", kind.name()])?;
        command.arg(file);
        Process::start(command, self.dir.path(), "producer")
    }

    fn script(&self, bench: &Bench, words: &[&str]) -> Result<Command> {
        let peers = bench.peers.as_ref().ok_or("the packages of xtask/peers are not installed")?;
        let mut command = Command::new("node");
        command.arg(bench.root.join("xtask/peers/bullmq.js")).args(words).arg(self.port.to_string());
        command.env("NODE_PATH", peers.join("node_modules")).env("NODE_ENV", "production");
        Ok(command)
    }
}

/// Waits for a producer or a worker to end well.
pub async fn done(process: &mut Process) -> Result<()> {
    process.ends(WORK_MAX).await
}
