//! The npm packages that tests and the bench run against, installed once into the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Installs what `xtask/peers/package-lock.json` names, unless it stands there already; returns the folder.
pub fn install(root: &Path, target: &Path) -> Result<PathBuf, String> {
    let source = root.join("xtask/peers");
    let folder = target.join("peers");
    let lock = fs::read_to_string(source.join(LOCK)).map_err(|e| format!("could not read xtask/peers/{LOCK}: {e}"))?;
    // Written last, so a broken-off installation is not taken for a whole one.
    let installed = folder.join("installed");
    if fs::read_to_string(&installed).is_ok_and(|it| it == lock) {
        return Ok(folder);
    }
    let prepared = fs::create_dir_all(&folder)
        .and_then(|()| FILES.iter().try_for_each(|file| fs::copy(source.join(file), folder.join(file)).map(drop)));
    prepared.map_err(|e| format!("could not prepare {}: {e}", folder.display()))?;
    crate::cargo::call(Command::new("npm").args(["ci", "--no-progress"]).current_dir(&folder))?;
    fs::write(&installed, lock).map_err(|e| format!("could not write {}: {e}", installed.display()))?;
    Ok(folder)
}

const LOCK: &str = "package-lock.json";
const FILES: [&str; 3] = [".npmrc", "package.json", LOCK];
