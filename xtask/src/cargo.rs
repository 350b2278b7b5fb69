//! Calls of cargo, and of other programs, from inside a program that cargo started.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Returns a call of cargo at `root` as a person would make it.
///
/// `cargo run` gives its program variables about the program's own package. Build scripts read some of them, so a
/// cargo that inherits them builds again what another call has built already.
pub fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text == "CARGO" || text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// What cargo knows about the workspace's own packages.
pub fn metadata(root: &Path) -> Result<Value, String> {
    let output = cargo(root)
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("could not start cargo: {e}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata is not JSON: {e}"))
}

/// The folder that cargo builds into.
pub fn target_folder(root: &Path) -> Result<PathBuf, String> {
    metadata(root)?["target_directory"]
        .as_str()
        .map(PathBuf::from)
        .ok_or("cargo metadata names no target folder".into())
}

/// Runs `command` with its output passed through.
pub fn call(command: &mut Command) -> Result<(), String> {
    let told = told(command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{told}` failed: {status}")),
        Err(e) => Err(format!("could not start `{told}`: {e}")),
    }
}

/// The command as a person would type it.
fn told(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args()).map(|word| word.to_string_lossy());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_told_as_it_would_be_typed() {
        let failure = call(Command::new("/bin/sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(failure, "`sh -c exit 3` failed: exit status: 3");
    }
}
