//! `sandbox`: stand-in vendors in this process, or the ledger of those in another.

use clap::{Args, FromArgMatches, Subcommand};
use naru_component::answer::Block;
use naru_core::clock::SystemClock;
use naru_core::lifecycle::Lifecycle;
use serde_json::Value;

use crate::signal;
use crate::table::grouped;
use crate::terminal::{End, Terminal};

/// Where `naru init` looks for a sandbox. The crate's own default is any free port, which suits tests.
pub const ADDRESS: &str = "127.0.0.1:7071";

/// What was typed after `sandbox`.
#[derive(Debug)]
pub struct SandboxArgs {
    verb: Option<Verb>,
    options: naru_sandbox::Options,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print what a running sandbox has taken, refused and reported
    Ledger {
        /// Where the sandbox is
        #[arg(long, value_name = "URL", default_value = concat!("http://", "127.0.0.1:7071"))]
        url: String,
    },
}

impl SandboxArgs {
    /// Adds the flags to the command.
    pub fn augment_args(command: clap::Command) -> clap::Command {
        let command = naru_sandbox::Options::augment_args(command)
            .mut_arg("listen", |listen| listen.default_value(ADDRESS))
            .about("Run a stand-in vendor with limits, faults and a ledger of its own")
            .long_about(None)
            .args_conflicts_with_subcommands(true)
            .subcommand_negates_reqs(true);
        Verb::augment_subcommands(command).subcommand_required(false).arg_required_else_help(false)
    }

    /// Reads them.
    pub fn from_arg_matches(matches: &clap::ArgMatches) -> Result<SandboxArgs, clap::Error> {
        let verb = matches.subcommand().is_some().then(|| Verb::from_arg_matches(matches)).transpose()?;
        let options = match verb {
            Some(_) => naru_sandbox::Options::default(),
            None => naru_sandbox::Options::from_arg_matches(matches)?,
        };
        Ok(SandboxArgs { verb, options })
    }
}

/// Runs it until it is asked to stop.
pub async fn sandbox(args: SandboxArgs, terminal: &Terminal) -> Result<u8, End> {
    if let Some(Verb::Ledger { url }) = args.verb {
        return ledger(&url, terminal).await;
    }
    let lifecycle = Lifecycle::default();
    let mut signals = signal::Signals::listen()?;
    let sandbox = naru_sandbox::start(args.options, lifecycle.clone(), SystemClock::shared()).await?;
    terminal.print(&(terminal.say("sandbox-listens", &[("url", &sandbox.url())]) + "\n"))?;
    signals.next().await;
    lifecycle.stop();
    Ok(0)
}

async fn ledger(url: &str, terminal: &Terminal) -> Result<u8, End> {
    let ledger = naru_sandbox::ledger(url).await?;
    if terminal.json {
        terminal.data(&ledger)?;
    } else {
        terminal.view(&[Block::Fields(flat("", &ledger))])?;
    }
    Ok(0)
}

/// `messages.accepted  1,204` out of what is nested.
fn flat(name: &str, value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Object(object) => {
            let under = |key: &String| if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            object.iter().flat_map(|(key, inner)| flat(&under(key), inner)).collect()
        }
        value => vec![(name.to_owned(), value.as_u64().map_or_else(|| value.to_string(), grouped))],
    }
}
