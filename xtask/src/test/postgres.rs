//! The one PostgreSQL server of a test run.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running server. It stops when the value is dropped, or when this process ends in any other way: its pipe closes.
pub struct Postgres {
    child: Child,
    url: String,
}

impl Postgres {
    /// Starts a server on a cluster of its own.
    pub fn start(root: &Path) -> Result<Postgres, String> {
        let mut child = Command::new("sh")
            .arg(root.join("crates/testkit/src/postgres.sh"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C goes to this process's group; the server ends by its pipe and cleans up.
            .process_group(0)
            .spawn()
            .map_err(|e| format!("could not start PostgreSQL: {e}"))?;
        let mut url = String::new();
        let stdout = child.stdout.take().expect("standard output is piped");
        BufReader::new(stdout).read_line(&mut url).map_err(|e| format!("could not read PostgreSQL's URL: {e}"))?;
        if url.is_empty() {
            return Err("PostgreSQL ended before it was ready".into());
        }
        Ok(Postgres { child, url: url.trim_end().to_owned() })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
