//! `cargo xtask operate`: operations in courses that seeds decide, many more of them than a test run plays.

use std::path::Path;
use std::process::ExitCode;

use crate::cargo::{call, cargo};

/// The cases that play seeds: the engine alone, and deploys with all that stands outside.
const CASES: [Case; 2] = [
    Case {
        package: "naru-operation",
        test: "engine",
        name: "random::random_courses_end_in_order",
        seeds: "NARU_OPERATE",
    },
    Case { package: "naru-deploy", test: "deploy", name: "random::random_runs_end_in_order", seeds: "NARU_DEPLOY" },
];

struct Case {
    package: &'static str,
    test: &'static str,
    name: &'static str,
    /// What its seeds are called in the environment.
    seeds: &'static str,
}

/// Seeds of one process: a life that is killed leaves its files open until its process ends.
const SEEDS_AT_ONCE: u64 = 25;

/// Deploys mostly wait for what stands outside.
const RUNS_AT_ONCE: u32 = 8;

/// Plays `seeds` seeds from `from` on; exit code 1 where one ends in disorder, which prints itself.
pub fn run(root: &Path, seeds: u64, from: u64) -> ExitCode {
    let end = from + seeds;
    for Case { package, test, name, seeds } in CASES {
        for first in (from..end).step_by(SEEDS_AT_ONCE as usize) {
            let mut command = cargo(root);
            command.args(["test", "-p", package, "--test", test, name, "--", "--exact", "--nocapture"]);
            command.env(format!("{seeds}_SEEDS"), SEEDS_AT_ONCE.min(end - first).to_string());
            command.env(format!("{seeds}_FROM"), first.to_string());
            command.env(format!("{seeds}_AT_ONCE"), RUNS_AT_ONCE.to_string());
            if let Err(failure) = call(&mut command) {
                eprintln!(
                    "error: {failure}\nThe seed stands above; it can be played alone with `--from SEED --seeds 1`"
                );
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{seeds} seeds from {from} on: nothing was lost, doubled or overtaken");
    ExitCode::SUCCESS
}
