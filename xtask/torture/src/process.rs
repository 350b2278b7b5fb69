//! Processes that are killed: started, frozen, thawed, ended, their output kept in a file.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;
use crate::wait::until;

/// For a process to open its doors, or to end when it is asked to: both with a busy machine and a killed database.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running program. Dropping it kills it.
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
    /// Where in the file its own output begins.
    from: usize,
}

impl Process {
    /// Starts a program; what it says is added to `log`.
    pub fn start(mut command: Command, name: &str, log: &Path) -> Result<Process> {
        let failed = |e: std::io::Error| format!("could not start {name}: {e}");
        let file: File = OpenOptions::new().append(true).create(true).open(log).map_err(failed)?;
        let from = file.metadata().map_err(failed)?.len() as usize;
        let errors = file.try_clone().map_err(failed)?;
        let child = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn().map_err(failed)?;
        Ok(Process { child, name: name.to_owned(), log: log.to_owned(), from })
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits until it has said `text`. An error is that it ended, or that it took too long.
    pub async fn says(&mut self, text: &str) -> Result<()> {
        until(&format!("{} to say {text:?}", self.name), PATIENCE, || {
            let ended = self.ended();
            let said = self.said();
            let found = match (said.contains(text), ended) {
                (true, _) => Ok(Some(())),
                (false, Some(status)) => Err(format!("{} ended ({status}): {}", self.name, tail(&said))),
                (false, None) => Ok(None),
            };
            async { found }
        })
        .await
    }

    /// What it has said since it was started.
    pub fn said(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(self.from..).unwrap_or_default()).into_owned()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Freezes it: it keeps its sockets and its memory and does nothing.
    pub fn freeze(&self) {
        let _ = kill_process(self.pid(), Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        let _ = kill_process(self.pid(), Signal::CONT);
    }

    /// Asks it to stop (SIGTERM) and waits until it has, well.
    pub async fn stop(&mut self) -> Result<()> {
        let _ = kill_process(self.pid(), Signal::TERM);
        let status = until(&format!("{} to stop", self.name), PATIENCE, || {
            let ended = self.ended();
            async move { Ok(ended) }
        })
        .await?;
        match status {
            status if status.success() => Ok(()),
            status => Err(format!("{} stopped with {status}: {}", self.name, tail(&self.said()))),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The end of an output: where the reason stands.
pub fn tail(text: &str) -> String {
    const SHOWN_CHARS: usize = 800;
    let chars = text.trim().chars().count();
    text.trim().chars().skip(chars.saturating_sub(SHOWN_CHARS)).collect::<String>().replace('\n', " / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_ends_early_says_why_and_a_frozen_one_can_be_killed() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            Process::start(command, "shell", &log).unwrap()
        };
        let error = shell("echo no database; exit 3").says("ready").await.unwrap_err();
        assert_eq!(error, "shell ended (exit status: 3): no database");
        let mut process = shell("echo ready; exec sleep 1000");
        process.says("ready").await.unwrap();
        process.freeze();
        assert!(process.ended().is_none());
        process.kill();
        assert!(process.ended().is_some());
    }
}
