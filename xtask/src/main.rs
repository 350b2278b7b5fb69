//! The project's own tasks, one file each: `cargo xtask test`, `tidy`, `screenshots`, `packages`, `simulate`, `power-cut`,
//! `operate`, `bench`, `torture`.
//!
//! Must never know a crate of the workspace: what checks the house stands outside it and compiles when it does not.

mod bench;
mod cargo;
mod operate;
mod packages;
mod peers;
mod power_cut;
mod screenshots;
mod simulate;
mod test;
mod tidy;
mod torture;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

/// The project's own tasks
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Run everything that must hold: format, clippy, tidy and every test
    Test {
        /// Run the tests of Kubernetes on a real API server too, built on this machine once
        #[arg(long)]
        real_k8s: bool,
    },
    /// Check the house's own rules and print its longest files and functions
    Tidy,
    /// Take the console's pictures again, those in docs/img
    Screenshots,
    /// Hold what the chart renders to against what stands beside it
    Packages {
        /// Write what is rendered instead
        #[arg(long)]
        write: bool,
    },
    /// Play the lane and its lease in worlds that seeds decide
    Simulate {
        /// How many seeds
        #[arg(long, default_value_t = 10_000)]
        seeds: u64,
        /// The first of them
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Cut the power below store and engine, as often as seeds decide
    PowerCut {
        /// How many seeds
        #[arg(long, default_value_t = 100)]
        seeds: u64,
        /// The first of them
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Carry out operations in courses that seeds decide, with kills, locks and faults
    Operate {
        /// How many seeds
        #[arg(long, default_value_t = 1_000)]
        seeds: u64,
        /// The first of them
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Measure naru beside what the machine can do; `cargo xtask bench --help` tells how
    #[command(disable_help_flag = true)]
    Bench {
        /// Flags of the bench
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Kill naru, its vendor and its database, and prove that nothing was lost; `cargo xtask torture --help` tells how
    #[command(disable_help_flag = true)]
    Torture {
        /// Flags of the torture
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    let root = root();
    match Task::parse() {
        Task::Test { real_k8s } => test::run(&root, real_k8s),
        Task::Tidy => tidy::run(&root),
        Task::Screenshots => screenshots::run(&root),
        Task::Packages { write } => packages::run(&root, write),
        Task::Simulate { seeds, from } => simulate::run(&root, seeds, from),
        Task::PowerCut { seeds, from } => power_cut::run(&root, seeds, from),
        Task::Operate { seeds, from } => operate::run(&root, seeds, from),
        Task::Bench { args } => bench::run(&root, &args),
        Task::Torture { args } => torture::run(&root, &args),
    }
}

/// The folder of the workspace: where cargo says it runs this, so that a copy that shares the target folder checks
/// itself; else where this was compiled.
fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&own).parent().expect("xtask stands in the workspace").to_owned()
}
