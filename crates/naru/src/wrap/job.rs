//! `job run`: one run of anyone's batch at a time, on any number of instances.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;
use tokio::time::Instant;

use super::group::Group;
use super::hold::{Hold, Taken, may_pass};
use super::leader::instance_of;
use super::{ASK_EVERY, Notes, TRY_AGAIN, Why, attend, pause};
use crate::client::Client;
use crate::kernel::seconds;
use crate::signal::Signals;
use crate::terminal::{End, Terminal};

/// Run a batch once at a time across instances
///
/// Start it wherever you like, from cron on every machine or by hand, beside `naru serve` and with its naru.toml: one
/// runs, the others say so and end with 0. During a drain none begins, and `naru drain --wait` waits for those that run.
/// Only a lost lease stops one (`serve` was not heard for 28 s) or `--limit`: SIGTERM first, SIGKILL a second later for
/// the one and 10 s later for the other, children included. SIGTERM to this process is passed on.
///
/// Ends with the command's exit code (128 and the signal's number where one ended it), with 75 where it was not run or
/// was stopped for a lost lease and may be tried again, and with 124 where it was stopped at its limit.
#[derive(Args, Debug)]
pub struct JobArgs {
    /// Which job: those of the same name exclude each other
    #[arg(value_name = "NAME")]
    name: String,
    /// Stop it after this long, such as 90s or 4h
    #[arg(long = "limit", value_name = "TIME", value_parser = seconds)]
    limit_s: Option<u64>,
    /// Do not run it where it began less than this ago, anywhere, and came to its end: a little less than from one time
    /// in cron to the next, so that machines whose clocks differ run it once
    #[arg(long = "every", value_name = "TIME", value_parser = seconds)]
    every_s: Option<u64>,
    /// Where it already runs, wait until it has ended and run it then
    #[arg(long)]
    wait: bool,
    /// During a drain, end with 75 instead of waiting for its end
    #[arg(long)]
    no_wait: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// How long a lease lasts: a batch need not begin elsewhere within seconds, and shall outlive a restart of `serve`.
const LAST: Duration = Duration::from_secs(30);
/// For `serve` to be heard when a job begins: it may be starting anew.
const SERVE_MAX: Duration = Duration::from_secs(10);
/// As `timeout` has it.
const AT_LIMIT: u8 = 124;

/// Runs it to its end.
pub async fn run(args: &JobArgs, client: &Client<'_>, terminal: &Terminal) -> Result<u8, End> {
    let mut signals = Signals::listen()?;
    let hold = Hold::new(client, format!("job/{}", args.name), LAST, args.every_s.unwrap_or(0));
    let mut notes = Notes::new(terminal);
    let name = ("name", args.name.as_str());
    let begun = Instant::now();
    loop {
        match hold.take().await {
            Ok(Taken::Held(fence, ends)) => return carry_out(args, &hold, fence, ends, &mut signals, &mut notes).await,
            Ok(Taken::By(holder)) => {
                let key = if args.wait { "job-waits" } else { "job-runs-already" };
                notes.tell(key, &[name, ("holder", instance_of(&holder))]);
                if !args.wait {
                    return Ok(0);
                }
            }
            Ok(Taken::Early(left_s)) => {
                notes.tell("job-early", &[name, ("seconds", &left_s.to_string())]);
                return Ok(0);
            }
            Ok(Taken::Draining) => {
                notes.tell(if args.no_wait { "job-drained" } else { "job-waits-drain" }, &[name]);
                if args.no_wait {
                    return Ok(TRY_AGAIN);
                }
            }
            Err(failure) if may_pass(&failure) && begun.elapsed() < SERVE_MAX => {}
            Err(failure) => return Err(failure.into()),
        }
        if pause(&mut signals, ASK_EVERY).await {
            return Ok(TRY_AGAIN);
        }
    }
}

async fn carry_out(
    args: &JobArgs,
    hold: &Hold<'_>,
    fence: i64,
    ends: Instant,
    signals: &mut Signals,
    notes: &mut Notes<'_>,
) -> Result<u8, End> {
    let (tell, mut until) = watch::channel(ends);
    let limit = args.limit_s.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let group = Group::start(&args.command, hold.name(), fence)?;
    let ended = tokio::select! {
        ended = attend(group, &mut until, signals, limit) => ended?,
        () = hold.keep(fence, &tell) => unreachable!("a lease is kept until its command has ended"),
    };
    let name = ("name", args.name.as_str());
    let (code, outcome) = match ended.why {
        Why::Itself => (ended.code, format!("exit {}", ended.code)),
        Why::Asked => (ended.code, format!("asked to stop, exit {}", ended.code)),
        Why::Limit => {
            notes.tell("job-limit", &[name]);
            (AT_LIMIT, "stopped at its limit".to_owned())
        }
        Why::Lost => {
            notes.tell("job-lost", &[name]);
            // Not given back as ended: it counts as cut off, so that it may run again whatever `--every` says.
            return Ok(TRY_AGAIN);
        }
    };
    hold.release(fence, &outcome).await;
    Ok(code)
}
