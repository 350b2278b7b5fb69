//! `cargo xtask power-cut`: store and engine on a disk that loses power, in many more cuts than a test run makes.

use std::path::Path;
use std::process::ExitCode;

use crate::cargo::{call, cargo};

/// Where seeds are played: package, its tests, and the case.
const CASES: [(&str, &str, &str); 2] = [
    ("naru-store", "store", "power_cut::what_was_answered_survives_power_cuts"),
    ("naru-dispatch", "engine", "power_cut::nothing_is_lost_or_doubled_by_power_cuts"),
];

/// The case that plants a fault for the engine's to find.
pub const PLANTED: &str = "power_cut::a_request_that_leaves_before_its_mark_is_found_out";

/// Plays `seeds` seeds from `from` on at both; exit code 1 where one loses something, which prints itself.
pub fn run(root: &Path, seeds: u64, from: u64) -> ExitCode {
    for (package, tests, case) in CASES {
        let mut command = cargo(root);
        command.args(["test", "-p", package, "--test", tests, case, "--", "--exact", "--nocapture"]);
        command.env("NARU_POWER_CUT_SEEDS", seeds.to_string()).env("NARU_POWER_CUT_FROM", from.to_string());
        if let Err(failure) = call(&mut command) {
            eprintln!("error: {failure}\nThe seed stands above; it can be played alone with `--from SEED --seeds 1`");
            return ExitCode::FAILURE;
        }
    }
    println!("{seeds} seeds from {from} on: nothing was lost");
    ExitCode::SUCCESS
}
