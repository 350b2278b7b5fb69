//! `leader run` and `job run`: anyone's command, run while this process holds a lease.
//!
//! Three processes: the `serve` beside us keeps the lease in the store ([`hold`]); this one renews it, and stops the
//! command in time when it cannot; a [`guard`] between us and the command ends the command when we are killed. Each
//! counts on the next being killed at any moment, and on nothing else: what is certain is that a command has been killed
//! before its lease ends, as long as the machine it runs on is not itself held still.
//!
//! A change must keep this: the time a lease ends is counted from before it was asked for, on our monotonic clock; what
//! is killed is the process group, before its first process is waited for, so that its number is nobody else's yet.

pub mod guard;
pub mod job;
pub mod leader;

mod group;
mod hold;

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::signal::Signals;
use crate::terminal::Terminal;
use group::Group;

/// A command is asked to end (SIGTERM) when its lease has less than this left.
const STOP_LEFT: Duration = Duration::from_secs(2);
/// It is killed (SIGKILL) when its lease has less than this left.
const KILL_LEFT: Duration = Duration::from_secs(1);
/// A command that has reached its limit is killed this long after it was asked to end.
const LIMIT_GRACE: Duration = Duration::from_secs(10);
/// How often those who wait ask again.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// As sysexits.h has it: nothing is wrong with the command, it may be tried again.
const TRY_AGAIN: u8 = 75;

/// How a command came to its end.
struct Ended {
    /// As a shell has it: 128 and its number where a signal ended it.
    code: u8,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// By itself.
    Itself,
    /// Its lease was lost, or was about to be.
    Lost,
    /// It ran for as long as it may.
    Limit,
    /// We were asked to stop, and passed that on.
    Asked,
}

/// Waits for the end of `group`, which is brought about in time when the lease is not renewed, at `limit`, and when this
/// process is asked to stop. That the command then takes its time is between it and whoever asked.
async fn attend(
    mut group: Group,
    until: &mut watch::Receiver<Instant>,
    signals: &mut Signals,
    limit: Option<Instant>,
) -> std::io::Result<Ended> {
    let (mut why, mut kill_at, mut lapsed) = (Why::Itself, None, false);
    loop {
        let ends = *until.borrow_and_update();
        tokio::select! {
            () = group.ended() => break,
            changed = until.changed() => changed.expect("the lease is kept as long as the command is watched"),
            () = at(kill_at) => {
                group.kill();
                kill_at = None;
            }
            () = at(Some(ends - STOP_LEFT)), if !lapsed => {
                group.terminate();
                lapsed = true;
                why = if why == Why::Itself { Why::Lost } else { why };
                kill_at = Some(kill_at.map_or(ends - KILL_LEFT, |at: Instant| at.min(ends - KILL_LEFT)));
            }
            () = at(limit), if why == Why::Itself => {
                group.terminate();
                why = Why::Limit;
                kill_at = Some(Instant::now() + LIMIT_GRACE);
            }
            () = signals.next() => {
                group.terminate();
                why = if why == Why::Itself { Why::Asked } else { why };
            }
        }
    }
    Ok(Ended { code: group.reap()?, why })
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Waits for a while; `true` where we are asked to stop meanwhile.
async fn pause(signals: &mut Signals, time: Duration) -> bool {
    tokio::select! {
        () = signals.next() => true,
        () = at(Some(Instant::now() + time)) => false,
    }
}

/// Tells a person what happens, each thing once until another does.
struct Notes<'a> {
    terminal: &'a Terminal,
    last: String,
}

impl<'a> Notes<'a> {
    fn new(terminal: &'a Terminal) -> Notes<'a> {
        Notes { terminal, last: String::new() }
    }

    fn tell(&mut self, key: &str, args: &[(&str, &str)]) {
        let text = self.terminal.say(key, args);
        if text != self.last {
            self.terminal.note(&format!("{text}\n"));
            self.last = text;
        }
    }
}
