//! A PostgreSQL server of a run's own, with the durable settings that it comes with.

use std::path::PathBuf;
use std::process::Command;

use crate::Result;
use crate::cases::Bench;
use crate::disk;
use crate::process::{Process, tree_cpu_s};

/// Appends on the disk below it: enough for a steady average.
const APPENDS: u32 = 300;

/// A running server with nothing in it. Dropping it ends the server and removes the data.
pub struct Postgres {
    _process: Process,
    url: String,
    folder: PathBuf,
    /// Which one it is and how it stores, for the conditions of a figure.
    pub told: String,
}

impl Postgres {
    /// Starts the server that tests use too.
    pub async fn start(bench: &Bench) -> Result<Postgres> {
        let mut command = Command::new("sh");
        command.arg(bench.root.join("crates/testkit/src/postgres.sh"));
        let mut process = Process::start_tied(command, bench.folder(), "postgres")?;
        let url = process.says("where it listens", |text| {
            let (lines, _) = text.rsplit_once('\n')?;
            lines.lines().find(|line| line.starts_with("postgres://")).map(str::to_owned)
        });
        let url = url.await?;
        let (_, folder) = url.split_once("?host=").ok_or_else(|| format!("a PostgreSQL at {url}"))?;
        let mut postgres = Postgres { folder: folder.into(), _process: process, url, told: String::new() };
        let flush_ms = disk::fdatasync_s(&postgres.folder, APPENDS)? * 1e3;
        postgres.told = format!(
            "PostgreSQL {} on the same machine, as it comes (`fsync`, `full_page_writes` and `synchronous_commit` on), on \
             a disk whose fdatasync takes {flush_ms:.2} ms",
            postgres.file("PG_VERSION").trim()
        );
        Ok(postgres)
    }

    /// What goes into `[store] url`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Seconds on a processor that all of its processes have used.
    pub fn cpu_s(&self) -> f64 {
        tree_cpu_s(self.file("postmaster.pid").lines().next().unwrap_or_default())
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join("data").join(name)).unwrap_or_default()
    }
}
