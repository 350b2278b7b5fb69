//! The process between a wrapper and its command: when the wrapper is gone it kills the command with all its children.
//!
//! A wrapper that is killed (SIGKILL, out of memory) can stop nothing any more, and its lease will be another's within
//! seconds. The kernel tells this process of its parent's end. Only who kills both at one moment, and not the whole
//! group or container, leaves a command behind.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;

use naru_core::failure::Failure;
use naru_core::text::Texts;
use rustix::process::{Pid, Signal, getpgrp, getppid, kill_process_group, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};

use crate::environment::Environment;
use crate::terminal::Terminal;

/// How the binary is called as one. No word: nobody types it.
pub const WORD: &str = "__guard";
/// As shells have it for a command that cannot be run.
const NOT_STARTED: u8 = 127;

/// Runs the command of a wrapper and ends with its exit code: `__guard PARENT COMMAND…`.
pub async fn guard(mut args: impl Iterator<Item = OsString>) -> u8 {
    let parent = args.next().and_then(|pid| Pid::from_raw(pid.to_str()?.parse().ok()?));
    let Some(program) = args.next() else { return NOT_STARTED };
    // Heard of before the kernel may send it. A SIGTERM from elsewhere is for the command, which gets it too.
    let Ok(mut told) = signal(SignalKind::terminate()) else { return NOT_STARTED };
    let told_to_be = set_parent_process_death_signal(Some(Signal::TERM));
    // It may have gone before that.
    if told_to_be.is_err() || getppid() != parent {
        return NOT_STARTED;
    }
    let mut child = match tokio::process::Command::new(&program).args(args).spawn() {
        Ok(child) => child,
        Err(error) => {
            not_started(&program, &error);
            return NOT_STARTED;
        }
    };
    loop {
        tokio::select! {
            status = child.wait() => {
                let code = status.ok().and_then(|it| it.code().or_else(|| it.signal().map(|signal| 128 + signal)));
                return code.unwrap_or(255) as u8;
            }
            _ = told.recv() => {
                if getppid() != parent {
                    // We are of that group too.
                    let _ = kill_process_group(getpgrp(), Signal::KILL);
                }
            }
        }
    }
}

fn not_started(program: &OsString, error: &std::io::Error) {
    let environment = Environment::read();
    let texts = Texts::new(&[naru_core::TEXTS, crate::kernel::TEXTS]).expect("tests read them").into();
    let terminal = Terminal { environment, lang: environment.lang, json: false, texts };
    let failure = Failure::refused("command-not-started").arg("command", program.display()).cause(error);
    terminal.failure(&failure);
}
