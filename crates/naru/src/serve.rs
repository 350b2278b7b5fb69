//! `serve`: the house with its doors open, until it is asked to stop.
//!
//! Everything that can be wrong is found before a door opens: configuration, lock, tables, components, addresses. At
//! the end it is the other way round: no new work, then what has begun ends, then the database is closed.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use naru_core::clock::SystemClock;
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use naru_job::presence::Presence;
use naru_web::front::Door;
use naru_web::link;
use tokio::net::{TcpListener, UnixListener};

use crate::config::Loaded;
use crate::house::{Catalogue, House, url};
use crate::http::{self, listen};
use crate::signal::Signals;
use crate::terminal::{End, Terminal};
use crate::{engines, log, slack};

/// Run naru: pages, API, lanes and schedules, until it is asked to stop
///
/// Writes its log to standard error: plain lines on a terminal, JSON otherwise. SIGTERM and Ctrl-C let what has begun
/// end first: /readyz turns to 503, no work begins, and what is in flight ends and is stored. That takes as long as the
/// longest `timeout_ms` of a lane, and 30 s more at the most.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// What to log: a level, or levels by part (`info,naru_dispatch=debug`)
    #[arg(long, value_name = "LEVELS", default_value = "info")]
    log: String,
}

/// For what has begun to end beyond the longest request to a provider: outcomes to be stored, an answer to be written.
const DRAIN_MORE: Duration = Duration::from_secs(30);
/// How often it is said what is still waited for.
const DRAIN_SAID_EVERY: Duration = Duration::from_secs(5);

/// Runs it.
pub async fn serve(args: &ServeArgs, loaded: Loaded, catalogue: &Catalogue, terminal: &Terminal) -> Result<u8, End> {
    log::start(&args.log, &terminal.environment, SystemClock::shared())?;
    // From here on a signal is a request, also while the doors are still closed.
    let mut signals = Signals::listen()?;
    let house = House::own(&loaded, catalogue).await?;
    engines::check(&house.ctx)?;
    http::empty_spool(&loaded.data_dir);
    let lifecycle = house.ctx.lifecycle().clone();
    let network = listen::bind(loaded.config.web.listen).await?;
    let address = network.local_addr()?;
    let socket = listen::bind_socket(&loaded.socket())?;
    // Before the doors, one of which may be Slack's: what it asks for is stored, and begins with the engines.
    slack::open(&house, &loaded).await?;
    let presence = open(&house, network, socket).await?;
    tracing::info!(%address, data_dir = %loaded.data_dir.display(), "naru serves");
    if let Err(failure) = invite(&house, &url(address), terminal).await {
        // It serves all the same, and `naru user add` prints a link too.
        tracing::warn!(error = %failure, "it could not be seen whether anybody can sign in");
    }

    signals.next().await;
    leave(&house, Duration::from_secs(loaded.config.web.stop_delay_s), &mut signals).await;
    let left = drain(&lifecycle, &mut signals, engines::longest(&loaded.config.dispatch)).await;
    // Nobody answers there any more: verbs that come now see at once that none is running.
    let _ = std::fs::remove_file(loaded.socket());
    presence.end().await;
    house.ctx.store().close().await;
    tracing::info!("naru has stopped");
    Ok(u8::from(!left.is_empty()))
}

/// Makes a house known to other instances, and starts its engines, jobs and both doors.
pub async fn open(house: &House, network: TcpListener, socket: UnixListener) -> Result<Arc<Presence>, Failure> {
    let lifecycle = house.ctx.lifecycle();
    // First, so that one that shall drain takes nothing.
    let process = house.ctx.process();
    let presence = Presence::announce(process.clone(), env!("CARGO_PKG_VERSION")).await?;
    house.ctx.offer::<Presence>(presence.clone());
    engines::start(&house.ctx).await?;
    for component in &house.components {
        component.jobs.iter().for_each(|job| job.clone().start(&process));
    }
    let web = http::front(house);
    let (outside, inside) = (http::router(house, &web, Door::Network), http::router(house, &web, Door::Local));
    lifecycle.spawn("network", listen::serve_network(network, outside, lifecycle.clone()));
    lifecycle.spawn("socket", listen::serve_socket(socket, inside, lifecycle.clone()));
    presence.keep();
    Ok(presence)
}

/// Prints a way in where nobody can sign in yet. It goes to a terminal or nowhere: standard error may be a log, and
/// whoever reads this link is the administrator.
async fn invite(house: &House, url: &str, terminal: &Terminal) -> Result<(), Failure> {
    let environment = &terminal.environment;
    let mut to: Box<dyn Write + Send> = match (environment.err_terminal, environment.out_terminal) {
        (true, _) => Box::new(std::io::stderr()),
        (_, true) => Box::new(std::io::stdout()),
        _ => {
            if naru_web::person::list(house.ctx.store()).await?.is_empty() {
                tracing::info!("nobody can sign in yet: `naru user add NAME --role admin` prints a link to begin with");
            }
            return Ok(());
        }
    };
    let Some(path) = link::first_link(house.ctx.store(), house.ctx.clock().now_ms()).await? else { return Ok(()) };
    let minutes = (link::LIFE_MS / 60_000).to_string();
    let text = terminal.say("serve-invitation", &[("url", &format!("{url}{path}")), ("minutes", &minutes)]);
    // A terminal that has gone reads nothing.
    let _ = writeln!(to, "\n{text}\n");
    Ok(())
}

/// Says that this one takes no more work, and answers for a while those who have not heard of it.
async fn leave(house: &House, delay: Duration, signals: &mut Signals) {
    house.ctx.lifecycle().leave();
    // Lanes go to others now, and not only when the last request is answered.
    house.ctx.gate().close(true);
    if !delay.is_zero() {
        tracing::info!(seconds = delay.as_secs(), "not ready any more, stopping when load balancers have seen it");
        tokio::select! {
            () = tokio::time::sleep_until(tokio::time::Instant::now() + delay) => {}
            // Whoever is impatient does not wait for load balancers; for all else he does.
            () = signals.next() => {}
        }
    }
}

/// Stops new work and waits for what has begun, saying by name what that is: as long as the `longest` of it takes, and
/// some more. Returns what did not end.
pub async fn drain(lifecycle: &Lifecycle, signals: &mut Signals, longest: Duration) -> Vec<(&'static str, usize)> {
    tracing::info!("stopping: what has begun ends first");
    lifecycle.stop();
    let end = tokio::time::Instant::now() + longest + DRAIN_MORE;
    loop {
        let left = tokio::select! {
            left = lifecycle.drained(DRAIN_SAID_EVERY) => left,
            // Whoever is impatient is told why it takes so long; nothing is dropped for it.
            () = signals.next() => lifecycle.waiting_for(),
        };
        if left.is_empty() {
            return left;
        }
        let names = left.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ");
        if tokio::time::Instant::now() >= end {
            tracing::error!(waiting_for = names, "stopped waiting: the next start takes up what did not end");
            return left;
        }
        tracing::info!(waiting_for = names, "still stopping");
    }
}
