//! `leader run`: a command that runs on exactly one instance, for as long as there is one.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;
use tokio::time::Instant;

use super::group::Group;
use super::hold::{Hold, Taken, may_pass};
use super::{ASK_EVERY, Notes, Why, attend, pause};
use crate::client::Client;
use crate::signal::Signals;
use crate::terminal::{End, Terminal};

/// Keep a command running on exactly one instance
///
/// Start it on every machine, beside `naru serve` and with its naru.toml: one runs the command, the others wait and one
/// of them takes over within 10 s when that machine, its `serve` or this process is gone. The command is started again
/// when it ends. It is stopped (SIGTERM, a second later SIGKILL, with its children) before another could start: when
/// `serve` was not heard for four seconds. SIGTERM is passed on, and once the command has ended another takes over at
/// once. A drain does not stop a leader and waits for none. The command finds a number that grows with each leader in
/// NARU_FENCE.
#[derive(Args, Debug)]
pub struct LeaderArgs {
    /// Which leader: those of the same name exclude each other
    #[arg(long, value_name = "NAME", default_value = "default")]
    name: String,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// How long a lease lasts: with the second between two questions well below the ten in which there is a new leader.
const LAST: Duration = Duration::from_secs(6);
/// Before a command that has ended is started again; doubled each time, up to the longest.
const REST_MIN: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(60);

/// Runs it until it is asked to stop.
pub async fn run(args: &LeaderArgs, client: &Client<'_>, terminal: &Terminal) -> Result<u8, End> {
    let mut signals = Signals::listen()?;
    let hold = Hold::new(client, format!("leader/{}", args.name), LAST, 0);
    let mut notes = Notes::new(terminal);
    let name = ("name", args.name.as_str());
    loop {
        match hold.take().await {
            Ok(Taken::Held(fence, ends)) => {
                notes.tell("leader-begins", &[name]);
                let (tell, mut until) = watch::channel(ends);
                let lost = tokio::select! {
                    lost = lead(args, &hold, fence, &mut until, &mut signals, &mut notes) => lost?,
                    () = hold.keep(fence, &tell) => true,
                };
                // Nothing runs any more, so another one may begin at once.
                hold.release(fence, "").await;
                if !lost {
                    return Ok(0);
                }
                notes.tell("leader-lost", &[name]);
            }
            Ok(Taken::By(holder)) => notes.tell("leader-waits", &[name, ("holder", instance_of(&holder))]),
            Ok(Taken::Early(_) | Taken::Draining) => {}
            Err(failure) if may_pass(&failure) => notes.tell("leader-alone", &[name]),
            Err(failure) => return Err(failure.into()),
        }
        if pause(&mut signals, ASK_EVERY).await {
            return Ok(0);
        }
    }
}

/// Runs the command again and again; `true` where the lease was lost, `false` where we are asked to stop.
async fn lead(
    args: &LeaderArgs,
    hold: &Hold<'_>,
    fence: i64,
    until: &mut watch::Receiver<Instant>,
    signals: &mut Signals,
    notes: &mut Notes<'_>,
) -> Result<bool, End> {
    let mut rest = REST_MIN;
    loop {
        let begun = Instant::now();
        let group = Group::start(&args.command, hold.name(), fence)?;
        let ended = attend(group, until, signals, None).await?;
        match ended.why {
            Why::Lost => return Ok(true),
            Why::Asked => return Ok(false),
            Why::Itself | Why::Limit => {}
        }
        rest = if begun.elapsed() >= REST_MAX { REST_MIN } else { rest };
        let (code, seconds) = (ended.code.to_string(), rest.as_secs().to_string());
        notes.tell("leader-ended", &[("name", &args.name), ("code", &code), ("seconds", &seconds)]);
        let again = Instant::now() + rest;
        // Nothing runs meanwhile, but what was lost is not to be begun again.
        while Instant::now() < again {
            let ends = *until.borrow_and_update();
            tokio::select! {
                () = signals.next() => return Ok(false),
                () = tokio::time::sleep_until(again) => {}
                () = tokio::time::sleep_until(ends - super::STOP_LEFT) => return Ok(true),
                _ = until.changed() => {}
            }
        }
        rest = (rest * 2).min(REST_MAX);
    }
}

/// Where a holder is: `INSTANCE/PROCESS`.
pub fn instance_of(holder: &str) -> &str {
    holder.rsplit_once('/').map_or(holder, |(instance, _)| instance)
}
