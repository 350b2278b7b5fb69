//! `cargo xtask bench`: builds what is measured and what measures, then hands over to `naru-bench`.
//!
//! A crate of its own, since a load generator needs the crates of a service and this one compiles before everything.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use crate::cargo::{call, cargo, target_folder};
use crate::peers;

/// Builds in release mode and runs the bench with `args`.
pub fn run(root: &Path, args: &[String]) -> ExitCode {
    match bench(root, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn bench(root: &Path, args: &[String]) -> Result<(), String> {
    let target = target_folder(root)?;
    // Each by itself, so that the features of one do not change the binary of the other.
    for package in ["naru", "naru-bench"] {
        call(cargo(root).args(["build", "--release", "--package", package]))?;
    }
    let release = target.join("release");
    let mut command = Command::new(release.join("naru-bench"));
    command.current_dir(root).arg("--root").arg(root).arg("--folder").arg(target.join("bench"));
    command.arg("--naru").arg(release.join("naru"));
    // The bench says what it could not run, and why.
    if has_npm() {
        command.arg("--peers").arg(peers::install(root, &target)?);
    }
    call(command.args(args))
}

fn has_npm() -> bool {
    let status = Command::new("npm").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
