//! A command in a process group of its own, with a guard at its head.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::signal::unix::{SignalKind, signal};

use super::guard;

/// A running command with all its children, unless one of them leaves the group.
pub struct Group {
    guard: Child,
    pid: Pid,
    children: tokio::signal::unix::Signal,
}

impl Group {
    /// Starts `command`, which learns what it holds from its environment.
    ///
    /// On the thread that the process began with: the guard hears of the end of the thread that started it.
    pub fn start(command: &[OsString], lease: &str, fence: i64) -> io::Result<Group> {
        // First, so that no end goes unheard.
        let children = signal(SignalKind::child())?;
        // The binary that runs, also where an upgrade has put another one in its place.
        let guard = Command::new("/proc/self/exe")
            .arg0("naru")
            .arg(guard::WORD)
            .arg(std::process::id().to_string())
            .args(command)
            .env("NARU_LEASE", lease)
            .env("NARU_FENCE", fence.to_string())
            .process_group(0)
            .spawn()?;
        let pid = Pid::from_child(&guard);
        Ok(Group { guard, pid, children })
    }

    /// Completes when the guard has ended, which is when the command has. It stays to be waited for.
    pub async fn ended(&mut self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // An error would mean that it is no child of ours any more.
        while let Ok(None) = waitid(WaitId::Pid(self.pid), options) {
            self.children.recv().await;
        }
    }

    /// Asks all of them to end.
    pub fn terminate(&self) {
        // An error means that nobody is left.
        let _ = kill_process_group(self.pid, Signal::TERM);
    }

    /// Ends all of them.
    pub fn kill(&self) {
        let _ = kill_process_group(self.pid, Signal::KILL);
    }

    /// Ends what the command has left behind, and returns its exit code; after [`Group::ended`].
    pub fn reap(mut self) -> io::Result<u8> {
        // While the guard is not waited for, no other group can have its number.
        self.kill();
        let status = self.guard.wait()?;
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255);
        Ok(code as u8)
    }
}
