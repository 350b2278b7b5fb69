//! Processes under test: the compiled `naru`, started, read, asked to stop, killed.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use crate::wait::{PATIENCE, eventually};

/// The compiled `naru` that stands beside the running test.
///
/// Cargo builds it for the tests of `crates/naru` and for `cargo test --workspace`; tests elsewhere may find none or
/// an old one, so process tests stand in `crates/naru/tests`.
pub fn naru_binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("tests are built into target/PROFILE/deps");
    let binary = folder.join("naru");
    assert!(binary.is_file(), "there is no {}: build it with `cargo build --package naru`", binary.display());
    binary
}

/// A running program whose output is kept. Dropping it kills the program.
pub struct Process {
    child: Child,
    name: String,
    output: Arc<Mutex<String>>,
    errors: Arc<Mutex<String>>,
}

impl Process {
    /// Starts `command` with nothing on its standard input.
    pub fn start(command: &mut Command) -> Process {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("could not start {name}: {e}"));
        let output = keep(child.stdout.take().expect("standard output is piped"));
        let errors = keep(child.stderr.take().expect("standard error is piped"));
        Process { child, name, output, errors }
    }

    /// Waits until a line with `text` was printed to standard output, and returns the line.
    pub async fn line_with(&mut self, text: &str) -> String {
        let what = format!("{} to print {text:?}", self.name);
        eventually(&what, PATIENCE, async || {
            // Asked before the output is read: what an ended process printed is all there is.
            let ended = self.ended();
            let found = self.output().lines().find(|line| line.contains(text)).map(str::to_owned);
            assert!(found.is_some() || ended.is_none(), "{what}: it ended with {ended:?}\n{}", self.errors());
            found
        })
        .await
    }

    /// Waits until the program has ended by itself.
    pub async fn exit(&mut self) -> ExitStatus {
        let what = format!("{} to end", self.name);
        eventually(&what, PATIENCE, async || self.ended()).await
    }

    /// Asks the program to stop (SIGTERM) and waits until it has.
    pub async fn stop(&mut self) -> ExitStatus {
        let kill = format!("kill -TERM {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(sent.success(), "{} had ended before it was asked to stop\n{}", self.name, self.errors());
        self.exit().await
    }

    /// Kills the program (SIGKILL), as a machine that loses power would, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// Everything printed to standard output so far, in whole lines.
    pub fn output(&self) -> String {
        read(&self.output)
    }

    /// Everything printed to standard error so far, in whole lines.
    pub fn errors(&self) -> String {
        read(&self.errors)
    }

    /// How it ended, once it has and all that it printed has been read.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("a child can be waited for")?;
        // Each reader holds the other reference until it has seen the end of its pipe.
        let read_out = Arc::strong_count(&self.output) == 1 && Arc::strong_count(&self.errors) == 1;
        read_out.then_some(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("-- {} printed:\n{}{}", self.name, self.output(), self.errors());
        }
    }
}

/// Reads a pipe on a thread of its own, so that the program never waits for a full one.
pub(crate) fn keep(pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let kept = Arc::new(Mutex::new(String::new()));
    let writer = kept.clone();
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            writer.lock().expect("no holder panics").push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    kept
}

pub(crate) fn read(kept: &Mutex<String>) -> String {
    kept.lock().expect("no holder panics").clone()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn shell(script: &str) -> Process {
        Process::start(Command::new("sh").args(["-c", script]))
    }

    #[tokio::test]
    async fn all_that_an_ended_program_printed_is_kept() {
        let mut process = shell("echo one; echo two; echo three >&2; exit 4");
        assert_eq!(process.exit().await.code(), Some(4));
        assert_eq!((process.output(), process.errors()), ("one\ntwo\n".to_owned(), "three\n".to_owned()));
        assert_eq!(process.line_with("wo").await, "two");
    }

    #[tokio::test]
    async fn a_program_can_end_its_work_when_asked_to_stop() {
        let mut process = shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done");
        process.line_with("up").await;
        assert_eq!(process.stop().await.code(), Some(0));
        assert_eq!(process.output(), "up\nbye\n");
    }

    #[tokio::test]
    async fn a_killed_program_runs_nothing_more() {
        let mut process = shell("trap 'echo bye' TERM EXIT; echo up; while :; do sleep 0.01; done");
        process.line_with("up").await;
        process.kill();
        assert_eq!(process.exit().await.signal(), Some(9));
        assert_eq!(process.output(), "up\n");
    }

    #[tokio::test]
    #[should_panic(expected = "it ended with Some(ExitStatus(unix_wait_status(256)))\nno such lane")]
    async fn a_line_that_can_no_longer_come_fails_at_once() {
        shell("echo no such lane >&2; exit 1").line_with("ready").await;
    }
}
