//! `cargo xtask screenshots`: the pictures in `docs/img`, out of those that the browser tests leave of every page.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::cargo::{call, cargo, target_folder};
use crate::peers;
use crate::test::machine;

/// Looks at every page as the tests do, and keeps what tells most.
pub fn run(root: &Path) -> ExitCode {
    match take(root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// What a picture is called in `docs/img`, and among those of the tests.
const KEPT: [(&str, &str); 8] = [
    ("overview", "overview-en-light-1440"),
    ("overview-ko", "overview-ko-light-1440"),
    ("campaign", "campaign-running-ko-light-1440"),
    ("campaigns", "campaigns-ko-dark-1440"),
    ("lanes", "lanes-en-dark-1440"),
    ("template", "template-edit-ko-light-1440"),
    ("unknown", "unknown-en-light-1440"),
    ("phone", "campaign-running-ko-dark-390"),
];

/// A checkout holds every version of a picture that there ever was.
const BYTES_MAX: u64 = 170_000;

fn take(root: &Path) -> Result<(), String> {
    machine::prepare()?;
    let target = target_folder(root)?;
    let peers = peers::install(root, &target)?;
    let mut tests = cargo(root);
    tests.args(["test", "--package", "naru", "--test", "browser", "look::"]).env("NARU_TEST_PEERS", peers);
    call(&mut tests)?;
    let folder = root.join("docs/img");
    fs::create_dir_all(&folder).map_err(|e| format!("could not make docs/img: {e}"))?;
    for (name, taken) in KEPT {
        let from = target.join("screenshots").join(format!("{taken}.png"));
        let bytes =
            fs::copy(&from, folder.join(format!("{name}.png"))).map_err(|e| format!("could not keep {taken}: {e}"))?;
        println!("docs/img/{name}.png {bytes} bytes");
        if bytes > BYTES_MAX {
            return Err(format!("docs/img/{name}.png has {bytes} bytes, at most {BYTES_MAX}"));
        }
    }
    Ok(())
}
