//! Calls of cargo, and of other programs, from inside a program that cargo started.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

/// Whether what is built is built to be built again after a change.
static INCREMENTAL: AtomicBool = AtomicBool::new(true);

/// Leaves out what only a next build would need, a third of the target folder, where nothing was built so yet: a clean
/// clone is built once, and its machine may have little room. A folder that somebody works in stays as it is.
pub fn build_once_where_clean(target: &Path) {
    let built = std::fs::read_dir(target.join("debug/incremental")).into_iter().flatten().flatten();
    let is_clean = built.filter(|entry| entry.file_name().to_string_lossy().starts_with("naru")).count() == 0;
    INCREMENTAL.store(!is_clean, Ordering::Relaxed);
}

/// Returns a call of cargo at `root` as a person would make it.
///
/// `cargo run` gives its program variables about the program's own package. Build scripts read some of them, so a
/// cargo that inherits them builds again what another call has built already.
pub fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    if !INCREMENTAL.load(Ordering::Relaxed) {
        command.env("CARGO_INCREMENTAL", "0");
    }
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

/// How much room is left on the disk of `folder`, in GiB; nothing where the machine does not tell.
pub fn free_gib(folder: &Path) -> Option<f64> {
    let output = Command::new("df").arg("-Pk").arg(folder).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let kib: f64 = text.lines().last()?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kib / f64::from(1 << 20))
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
    fn a_disk_tells_its_room() {
        let free = free_gib(Path::new("/")).expect("df is on every machine");
        assert!(free > 0.0 && free < 1e9, "{free}");
        assert!(free_gib(Path::new("/there/is/no/such/folder")).is_none());
    }

    #[test]
    fn a_failed_command_is_told_as_it_would_be_typed() {
        let failure = call(Command::new("/bin/sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(failure, "`sh -c exit 3` failed: exit status: 3");
    }
}
