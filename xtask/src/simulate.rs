//! `cargo xtask simulate`: the lane and its lease in worlds that seeds decide, many more of them than a test run plays.

use std::path::Path;
use std::process::ExitCode;

use crate::cargo::{call, cargo};
use crate::power_cut;

/// The case that plays seeds, and the one that plants faults for it to find.
const SEEDS: &str = "no_seed_breaks_a_rule";
const PLANTED: &str = "every_planted_fault_is_found";

/// Plays `seeds` seeds from `from` on; exit code 1 where one breaks a rule, which prints itself.
pub fn run(root: &Path, seeds: u64, from: u64) -> ExitCode {
    let mut command = cargo(root);
    command.args(["test", "-p", "naru-dispatch", "--test", "simulate", SEEDS, "--", "--exact", "--nocapture"]);
    command.env("NARU_SIMULATE_SEEDS", seeds.to_string()).env("NARU_SIMULATE_FROM", from.to_string());
    match call(&mut command) {
        Ok(()) => {
            println!("{seeds} seeds from {from} on: no rule was broken");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("error: {failure}\nThe seed stands above; it can be played alone with `--from SEED --seeds 1`");
            ExitCode::FAILURE
        }
    }
}

/// Plants each fault and sees that the seeds of a test run find it; one of them below a disk that loses power, too.
pub fn planted(root: &Path) -> Result<(), String> {
    for (tests, case) in [("simulate", PLANTED), ("engine", power_cut::PLANTED)] {
        let mut command = cargo(root);
        command.args(["test", "-p", "naru-dispatch", "--features", "plants", "--test", tests, case]);
        call(command.args(["--", "--exact", "--nocapture"]))?;
    }
    Ok(())
}
