//! Measures the release binary from outside: real processes on loopback, a real disk, and in the same run the ceilings
//! that the machine sets.
//!
//! What a figure is worth depends on the machine, its disk and whoever else is using it. So each stands beside a
//! ceiling measured minutes before or after it: what the disk flushes, what a parser reads, what a careful HTTP client
//! gets through the same vendor. `naru` is started as an operator starts it and watched through `/proc` and the
//! vendor's own ledger; nothing of it is linked in but the generator of customers.
//!
//! Must never know: how `naru` does what is measured. A change must keep this: nothing is called done before `naru`
//! says that it is stored, and a run whose account does not balance has no figure.

mod bare;
mod bullmq;
mod cases;
mod client;
mod customers;
mod disk;
mod house;
mod load;
mod machine;
mod pair;
mod person;
mod postgres;
mod process;
mod report;
mod say;
mod vendor;
mod wait;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cases::Bench;

/// What goes wrong here is told and not acted upon.
type Result<T, E = String> = std::result::Result<T, E>;

/// Measure naru beside what the machine can do
///
/// Nothing fails here: what cannot be run is told with its reason. Figures hold for this machine and this hour; compare
/// a figure with the ceiling beside it.
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
struct Line {
    /// Run only these (can be repeated)
    #[arg(long, value_name = "NAME", value_parser = cases::NAMES)]
    only: Vec<String>,

    /// Fewer messages, fewer runs: minutes become seconds
    #[arg(long)]
    quick: bool,

    /// Write docs/BENCHMARKS.md
    #[arg(long, conflicts_with = "only")]
    write: bool,

    /// Binary to measure
    #[arg(long, value_name = "FILE", default_value = "target/release/naru", hide = true)]
    naru: PathBuf,

    /// Folder on the disk to measure, for databases and files of customers
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    folder: PathBuf,

    /// Folder with the packages of xtask/peers
    #[arg(long, value_name = "FOLDER", hide = true)]
    peers: Option<PathBuf>,

    /// Where the checkout is
    #[arg(long, value_name = "FOLDER", default_value = ".", hide = true)]
    root: PathBuf,

    #[command(subcommand)]
    role: Option<Role>,
}

/// Counterparts that run as processes of their own.
#[derive(Subcommand)]
enum Role {
    /// An axum handler that parses and answers
    #[command(hide = true)]
    Bare,
    /// Answers without reading what was asked
    #[command(hide = true)]
    Canned,
}

fn main() -> ExitCode {
    let line = Line::parse();
    // reqwest wants one even where it never speaks TLS. An error only says that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: could not start threads: {e}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match line.role {
            Some(Role::Bare) => bare::serve().await,
            Some(Role::Canned) => bare::serve_canned().await,
            None => bench(line).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

async fn bench(line: Line) -> Result<()> {
    let bench = Bench::new(&line.naru, &line.folder, &line.root, line.peers.as_deref(), line.quick)?;
    let machine = machine::Machine::look(&bench).await?;
    print!("{}", machine.as_text());
    let before = machine::Busy::now();
    let mut rows = Vec::new();
    for (name, case) in cases::CASES {
        if !line.only.is_empty() && !line.only.iter().any(|only| only == name) {
            continue;
        }
        eprintln!("\n== {name}");
        let measured = match case(&bench).await {
            Ok(measured) => measured,
            Err(reason) => vec![report::Row::not_run(name, &reason)],
        };
        measured.iter().for_each(|row| print!("{}", row.as_text()));
        rows.extend(measured);
    }
    let others = machine::Busy::now().others_since(&before);
    println!("\n{}", report::table(&rows));
    println!("Other programs used {others:.2} of a core meanwhile.");
    if line.write {
        let path = line.root.join("docs/BENCHMARKS.md");
        let text = report::document(&machine, &rows, others, line.quick);
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, text));
        written.map_err(|e| format!("could not write {}: {e}", path.display()))?;
        println!("Written: {}", path.display());
    }
    Ok(())
}
