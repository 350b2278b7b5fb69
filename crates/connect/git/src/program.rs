//! The `git` program: one call after another, each in a process group of its own that never outlives it.
//!
//! A program instead of a library because it alone speaks every transport and every server's dialect, and because a
//! server's refusal reads as operators know it. What makes a program unpredictable is taken away: no shell, no
//! environment but what is named here, no configuration but what a call brings, no prompt, bounds on time and output.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use naru_core::failure::{Failure, Kind};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

/// How the program is called: `[git]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProgramConfig {
    /// The program, by name or by path: Git 2.32 or later.
    pub program: PathBuf,
    /// Seconds that one call may take, the first copy of a large repository included.
    pub timeout_s: u64,
}

impl Default for ProgramConfig {
    fn default() -> ProgramConfig {
        ProgramConfig { program: "git".into(), timeout_s: 120 }
    }
}

/// `GIT_CONFIG_GLOBAL` came with it, the last of what is used here.
const VERSION_MIN: (u32, u32) = (2, 32);
/// What of a call's complaints is kept; the rest is read and dropped.
const STDERR_BYTES_MAX: usize = 64 * 1024;
/// How long a call has to remove its lock files once it is told to end.
const END_MAX: Duration = Duration::from_secs(2);

/// What every call finds in its environment besides its own. Messages are matched by text, so they are in English; the
/// home that does not exist keeps `.netrc` and `.gitconfig` out.
const ENVIRONMENT: [(&str, &str); 11] = [
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("HOME", "/nonexistent"),
    ("LC_ALL", "C"),
    ("TZ", "UTC"),
];

/// The program, ready to be called.
pub struct Program {
    path: PathBuf,
    search_path: OsString,
    timeout: Duration,
}

/// One call.
#[derive(Default)]
pub(crate) struct Call<'a> {
    /// The first names the command.
    pub args: Vec<&'a OsStr>,
    pub environment: Vec<(OsString, OsString)>,
    pub input: &'a [u8],
    pub output_bytes_max: usize,
}

/// How a call ended by itself.
#[derive(Debug)]
pub(crate) struct Output {
    /// 128 + 9 and the like where a signal ended it.
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Output {
    pub fn is_ok(&self) -> bool {
        self.code == 0
    }

    /// What it printed, without surrounding white space.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }
}

impl Program {
    /// The configured program; `search_path` (`PATH`) is where it and what it calls, such as `ssh`, are looked for.
    pub fn new(config: &ProgramConfig, search_path: impl Into<OsString>) -> Program {
        Program {
            path: config.program.clone(),
            search_path: search_path.into(),
            timeout: Duration::from_secs(config.timeout_s.max(1)),
        }
    }

    /// Asks the program for its version, and refuses one that is too old.
    pub async fn check(&self) -> Result<String, Failure> {
        let call = Call { args: vec!["version".as_ref()], output_bytes_max: 4096, ..Call::default() };
        let output = self.run(&call).await?;
        // `git version 2.39.5 (Apple Git-154)`
        let text = output.text();
        let version = text.split_whitespace().nth(2).unwrap_or_default();
        let mut numbers = version.split('.').map_while(|part| part.parse::<u32>().ok());
        let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if !output.is_ok() || found < VERSION_MIN {
            let needed = format!("{}.{}", VERSION_MIN.0, VERSION_MIN.1);
            return Err(Failure::unavailable("git-program-old").arg("found", version).arg("needed", needed));
        }
        Ok(version.to_owned())
    }

    /// Runs one call to its end. An error means that it did not come to one, or printed too much.
    pub(crate) async fn run(&self, call: &Call<'_>) -> Result<Output, Failure> {
        let mut command = Command::new(&self.path);
        command
            .args(&call.args)
            .env_clear()
            .env("PATH", &self.search_path)
            .envs(ENVIRONMENT)
            .envs(call.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ends with it whatever it has started: helpers of a transport, and `ssh`.
            .process_group(0);
        let mut running = Running::start(command).map_err(|error| self.not_started(&error))?;
        match timeout(self.timeout, running.talk(call)).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(Broken::TooLarge)) => {
                running.end().await;
                Err(Failure::new(Kind::TooLarge, "git-output-too-large")
                    .arg("command", name_of(call))
                    .arg("bytes", call.output_bytes_max))
            }
            Ok(Err(Broken::Io(error))) => {
                running.end().await;
                Err(Failure::unavailable("git-failed").arg("command", name_of(call)).cause(&error))
            }
            Err(_) => {
                running.end().await;
                let seconds = self.timeout.as_secs();
                Err(Failure::unavailable("git-timed-out").arg("command", name_of(call)).arg("seconds", seconds))
            }
        }
    }

    fn not_started(&self, error: &io::Error) -> Failure {
        Failure::unavailable("git-program-missing").arg("program", self.path.display()).cause(error)
    }
}

/// The command of a call, for people.
pub(crate) fn name_of(call: &Call<'_>) -> String {
    call.args.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

enum Broken {
    TooLarge,
    Io(io::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken::Io(error)
    }
}

/// A call under way. Dropping it ends its whole group.
struct Running {
    child: Child,
    stdout: ChildStdout,
    stderr: ChildStderr,
}

impl Running {
    fn start(mut command: Command) -> io::Result<Running> {
        let mut child = command.spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        Ok(Running { child, stdout: stdout.expect("it is piped"), stderr: stderr.expect("it is piped") })
    }

    async fn talk(&mut self, call: &Call<'_>) -> Result<Output, Broken> {
        let stdin = self.child.stdin.take();
        let fed = async {
            // It may know enough before it has read all, or have failed; its end tells which. Dropped here, so that it
            // reads an end.
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(call.input).await;
            }
            Ok(())
        };
        let (stdout, stderr) = (all_of(&mut self.stdout, call.output_bytes_max), head_of(&mut self.stderr));
        let (stdout, stderr, ()) = tokio::try_join!(stdout, stderr, fed)?;
        let status = self.child.wait().await?;
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Ok(Output { code: code.unwrap_or(255), stdout, stderr })
    }

    /// Ends it with time to remove its lock files.
    async fn end(mut self) {
        self.signal(Signal::TERM);
        // By the end of what it writes, not by its own: until it is waited for, no other group can have its number.
        let (mut nowhere, mut neither) = (sink(), sink());
        let rest = async { tokio::join!(copy(&mut self.stdout, &mut nowhere), copy(&mut self.stderr, &mut neither)) };
        let _ = timeout(END_MAX, rest).await;
        self.signal(Signal::KILL);
        let _ = timeout(END_MAX, self.child.wait()).await;
    }

    fn signal(&self, signal: Signal) {
        // None once it was waited for.
        let pid = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        // An error means that nobody is left.
        let _ = pid.map(|pid| kill_process_group(pid, signal));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Reads to the end, or fails at the first byte above `max`.
async fn all_of(from: impl AsyncRead + Unpin, max: usize) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    from.take(max as u64 + 1).read_to_end(&mut bytes).await?;
    if bytes.len() > max { Err(Broken::TooLarge) } else { Ok(bytes) }
}

/// Reads to the end and keeps the beginning, so that who writes is never held up.
async fn head_of(mut from: impl AsyncRead + Unpin) -> Result<String, Broken> {
    let mut bytes = Vec::new();
    (&mut from).take(STDERR_BYTES_MAX as u64).read_to_end(&mut bytes).await?;
    copy(&mut from, &mut sink()).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
