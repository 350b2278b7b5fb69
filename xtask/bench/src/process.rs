//! Processes that are measured: started, watched through `/proc`, ended.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::wait::{LOOK_EVERY, pause, until};

/// For a process to begin or to end.
const PATIENCE: Duration = Duration::from_secs(70);
/// `/proc` counts CPU time in hundredths of a second, whatever the kernel was built with.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running program. Dropping it kills it.
pub struct Process {
    child: Child,
    name: String,
    output: PathBuf,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Seconds on a processor, its own and the kernel's for it.
    pub cpu_s: f64,
    /// Resident now.
    pub resident_bytes: u64,
    /// Resident at most.
    pub peak_bytes: u64,
}

impl Process {
    /// Starts a program whose output, of both sorts, goes to a file called `name` in `folder`.
    pub fn start(command: Command, folder: &Path, name: &str) -> Result<Process> {
        Process::begin(command, Stdio::null(), folder, name)
    }

    /// As [`Process::start`], for one that cleans up and ends when its standard input closes: dropping it lets it.
    pub fn start_tied(command: Command, folder: &Path, name: &str) -> Result<Process> {
        Process::begin(command, Stdio::piped(), folder, name)
    }

    fn begin(mut command: Command, input: Stdio, folder: &Path, name: &str) -> Result<Process> {
        let output = folder.join(format!("{name}.log"));
        let failed = |e: std::io::Error| format!("could not start {name}: {e}");
        let file = File::create(&output).map_err(failed)?;
        let errors = file.try_clone().map_err(failed)?;
        let child = command.stdin(input).stdout(file).stderr(errors).spawn().map_err(failed)?;
        Ok(Process { child, name: name.to_owned(), output })
    }

    /// What it has printed.
    pub fn output(&self) -> String {
        fs::read(&self.output).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits for `find` to find something in what it prints.
    pub async fn says<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let what = format!("{} to say {what}", self.name);
        let child = &mut self.child;
        let (name, output) = (&self.name, &self.output);
        until(&what, PATIENCE, || {
            let ended = child.try_wait();
            let text = fs::read_to_string(output).unwrap_or_default();
            let found = find(&text);
            async move {
                match (found, ended) {
                    (None, Ok(Some(status))) => Err(format!("{name} ended ({status}): {}", tail(&text))),
                    (found, _) => Ok(found),
                }
            }
        })
        .await
    }

    /// Waits for it to end well.
    pub async fn ends(&mut self, limit: Duration) -> Result<()> {
        let what = format!("{} to end", self.name);
        let child = &mut self.child;
        let status = until(&what, limit, || {
            let ended = child.try_wait().map_err(|e| e.to_string());
            async { ended }
        });
        let status = status.await?;
        if status.success() {
            return Ok(());
        }
        Err(format!("{} ended with {status}: {}", self.name, tail(&self.output())))
    }

    /// As [`Process::ends`]; returns what it had used a moment before.
    pub async fn ends_watched(&mut self, limit: Duration) -> Result<Usage> {
        let end = Instant::now() + limit;
        let mut last = self.usage();
        // What has ended has no memory any more, and its processor time is its parent's.
        while Instant::now() < end && self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            pause(LOOK_EVERY).await;
            let usage = self.usage();
            if usage.resident_bytes > 0 {
                last = usage;
            }
        }
        self.ends(Duration::ZERO).await?;
        Ok(last)
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) -> Result<()> {
        terminate(self.child.id())?;
        self.ends(PATIENCE).await
    }

    /// What it has used so far.
    pub fn usage(&self) -> Usage {
        usage(&self.child.id().to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.stdin.take().is_none() {
            // An error means that it has ended already.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Runs a program to its end and returns what it printed to standard output, and how long it took.
pub fn run(command: &mut Command) -> Result<(String, Duration)> {
    let start = Instant::now();
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("could not start {name}: {e}"))?;
    let took = start.elapsed();
    if output.status.success() {
        return Ok((String::from_utf8_lossy(&output.stdout).into_owned(), took));
    }
    Err(format!("{name} ended with {}: {}", output.status, tail(&String::from_utf8_lossy(&output.stderr))))
}

/// Seconds of processor time of this process and of the children that it has waited for.
pub fn family_cpu_s() -> f64 {
    stat("self").map_or(0.0, |stat| stat.iter().sum::<f64>() / TICKS_PER_SECOND)
}

/// As [`family_cpu_s`], of another program and with the children that it has now.
pub fn tree_cpu_s(pid: &str) -> f64 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let all = stat(pid).map_or(0.0, |stat| stat.iter().sum::<f64>());
    let theirs = children.split_whitespace().filter_map(stat).map(|stat| stat[0] + stat[1]);
    (all + theirs.sum::<f64>()) / TICKS_PER_SECOND
}

fn usage(pid: &str) -> Usage {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() * 1024
    };
    Usage {
        cpu_s: stat(pid).map_or(0.0, |stat| (stat[0] + stat[1]) / TICKS_PER_SECOND),
        resident_bytes: bytes("VmRSS:"),
        peak_bytes: bytes("VmHWM:"),
    }
}

/// Ticks in user and kernel, and those of the children that were waited for.
fn stat(pid: &str) -> Option<[f64; 4]> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in brackets and may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11).map_while(|field| field.parse().ok());
    Some([fields.next()?, fields.next()?, fields.next()?, fields.next()?])
}

fn terminate(pid: u32) -> Result<()> {
    run(Command::new("sh").args(["-c", &format!("kill -TERM {pid}")])).map(drop)
}

/// The end of an output: where the reason stands.
fn tail(text: &str) -> String {
    const SHOWN_CHARS: usize = 600;
    let chars = text.trim().chars().count();
    text.trim().chars().skip(chars.saturating_sub(SHOWN_CHARS)).collect::<String>().replace('\n', " / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_from_proc() {
        let usage = usage("self");
        assert!(usage.resident_bytes > 100_000 && usage.peak_bytes >= usage.resident_bytes, "{usage:?}");
        assert!(stat("self").is_some());
    }

    #[tokio::test]
    async fn a_program_that_ends_early_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no database; exit 3"]);
        let mut process = Process::start(command, folder.path(), "shell").unwrap();
        let error = process.says("ready", |text| text.contains("ready").then_some(())).await.unwrap_err();
        assert_eq!(error, "shell ended (exit status: 3): no database");
    }
}
