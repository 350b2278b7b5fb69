//! What the machine needs before tests can run: installed where that is ours to do, else said in a line to paste.

use std::process::{Command, Stdio};

/// Installs missing packages when run as root on Debian or Ubuntu; elsewhere says what to install.
pub fn prepare() -> Result<(), String> {
    let lacking = missing();
    if lacking.is_empty() {
        return Ok(());
    }
    if is_root() && runs("apt-get", &["--version"]) {
        install(&lacking)?;
    }
    let lacking = missing();
    if lacking.is_empty() { Ok(()) } else { Err(advice(&lacking)) }
}

/// A program that tests run against.
struct Need {
    what: &'static str,
    /// The name of its package on Debian and Ubuntu.
    package: &'static str,
    found: fn() -> bool,
}

const NEEDS: [Need; 6] = [
    Need { what: "a PostgreSQL server", package: "postgresql", found: has_postgres },
    Need { what: "Node.js 18 or newer", package: "nodejs", found: has_node },
    Need { what: "npm", package: "npm", found: || runs("npm", &["--version"]) },
    Need { what: "Chromium", package: "chromium", found: has_chromium },
    Need { what: "fontconfig", package: "fontconfig", found: || runs("fc-list", &["--version"]) },
    // Else pages in Korean are read by nobody: the tests leave pictures of them.
    Need { what: "a Korean font", package: "fonts-noto-cjk", found: has_korean },
];

const NODE_VERSION_MIN: u32 = 18;

fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !(need.found)()).collect()
}

fn install(lacking: &[&Need]) -> Result<(), String> {
    let packages: Vec<&str> = lacking.iter().map(|need| need.package).collect();
    println!("installing {}", packages.join(" "));
    // A machine without package lists cannot install, and old lists name files that are gone.
    let install = [&["install", "-qq", "-y", "--no-install-recommends"], &packages[..]].concat();
    for arguments in [&["update", "-qq"][..], &install] {
        // Its hundreds of lines are of no use; what goes wrong it says on standard error.
        let quiet = [("DEBIAN_FRONTEND", "noninteractive"), ("DEBCONF_NOWARNINGS", "yes")];
        crate::cargo::call(Command::new("apt-get").args(arguments).envs(quiet).stdout(Stdio::null()))?;
    }
    Ok(())
}

fn advice(lacking: &[&Need]) -> String {
    let what: Vec<&str> = lacking.iter().map(|need| need.what).collect();
    let packages: Vec<&str> = lacking.iter().map(|need| need.package).collect();
    format!(
        "the tests need {}\n  hint: on Debian or Ubuntu run `sudo apt-get install -y {}`, or run this command as root",
        what.join(", "),
        packages.join(" ")
    )
}

fn has_postgres() -> bool {
    // Debian keeps the server's programs outside PATH, a folder a version.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin/initdb")).any(|initdb| initdb.is_file())
        || runs("initdb", &["--version"])
}

fn has_node() -> bool {
    let output = Command::new("node").arg("--version").output();
    output.is_ok_and(|output| major(&String::from_utf8_lossy(&output.stdout)).is_some_and(|it| it >= NODE_VERSION_MIN))
}

/// By the names that `naru-testkit` looks for.
fn has_chromium() -> bool {
    ["chromium", "google-chrome", "chromium-browser"].iter().any(|name| runs(name, &["--version"]))
}

fn has_korean() -> bool {
    let output = Command::new("fc-list").arg(":lang=ko").output();
    output.is_ok_and(|output| !output.stdout.trim_ascii().is_empty())
}

/// `v20.20.2` is 20.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_the_line_that_installs_it() {
        let advice = advice(&NEEDS.iter().collect::<Vec<_>>());
        assert_eq!(
            advice,
            "the tests need a PostgreSQL server, Node.js 18 or newer, npm, Chromium, fontconfig, a Korean font\n  hint: \
             on Debian or Ubuntu run `sudo apt-get install -y postgresql nodejs npm chromium fontconfig \
             fonts-noto-cjk`, or run this command as root"
        );
    }

    #[test]
    fn a_node_version_is_read() {
        assert_eq!((major("v20.20.2\n"), major("v8.1"), major("")), (Some(20), Some(8), None));
    }
}
