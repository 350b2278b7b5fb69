//! `cargo xtask torture`: builds what is killed and what kills, then hands over to `naru-torture`.
//!
//! A crate of its own, as the bench is: it needs a client, a database driver and a runtime.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::cargo::{call, cargo, target_folder};

/// Builds and runs it with `args`.
pub fn run(root: &Path, args: &[String]) -> ExitCode {
    match torture(root, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// As [`run`]. A build as tests use it: with assertions, and slow enough to be killed in the middle of things.
pub fn torture(root: &Path, args: &[String]) -> Result<(), String> {
    let target = target_folder(root)?;
    call(cargo(root).args(["build", "--package", "naru", "--package", "naru-torture"]))?;
    let built = target.join("debug");
    let mut command = Command::new(built.join("naru-torture"));
    command.current_dir(root).arg("--naru").arg(built.join("naru")).arg("--folder").arg(target.join("torture"));
    call(command.args(args))
}
