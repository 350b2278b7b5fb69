//! The program: found, bounded, and never left behind.

use std::fs;
use std::path::Path;

use naru_git::program::{Program, ProgramConfig};
use naru_testkit::wait::{PATIENCE, eventually};

use crate::house::{code, pipe, program, script, search_path};

fn stand_in(folder: &Path, text: &str, timeout_s: u64) -> Program {
    let path = folder.join("git");
    script(&path, text);
    Program::new(&ProgramConfig { program: path, timeout_s }, search_path())
}

#[tokio::test]
async fn the_program_tells_its_version() {
    assert!(program().check().await.unwrap().starts_with(|c: char| c.is_ascii_digit()));
}

#[tokio::test]
async fn a_program_that_is_missing_or_old_is_named() {
    let folder = naru_testkit::temp_dir();
    let missing = Program::new(&ProgramConfig { program: "no-such-git".into(), timeout_s: 60 }, search_path());
    let failure = missing.check().await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.args["program"].as_str()), ("git-program-missing", "no-such-git"));
    for (text, found) in [("echo git version 2.31.9", "2.31.9"), ("echo 'hm'", ""), ("exit 1", "")] {
        let failure = stand_in(folder.path(), text, 60).check().await.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.args["found"].as_str()), ("git-program-old", found));
    }
    let apple = stand_in(folder.path(), "echo 'git version 2.39.5 (Apple Git-154)'", 60);
    assert_eq!(apple.check().await.unwrap(), "2.39.5");
}

#[tokio::test]
async fn nothing_of_our_environment_reaches_it() {
    let folder = naru_testkit::temp_dir();
    let seen = folder.path().join("seen");
    // `CARGO_MANIFEST_DIR` is set for every test.
    stand_in(folder.path(), &format!("env > {}; echo git version 2.40.0", seen.display()), 60).check().await.unwrap();
    let seen = fs::read_to_string(seen).unwrap();
    assert!(!seen.contains("CARGO"), "{seen}");
    for expect in ["GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C"] {
        assert!(seen.lines().any(|line| line == expect), "{expect}: {seen}");
    }
}

#[tokio::test]
async fn output_without_end_is_cut() {
    let folder = naru_testkit::temp_dir();
    let endless = stand_in(folder.path(), &format!("echo $$ > {}/pid; exec yes", folder.path().display()), 60);
    assert_eq!(code(endless.check().await), "git-output-too-large");
    gone(folder.path()).await;
}

/// A program that never ends, with a child that does not either.
fn hanging(folder: &Path, timeout_s: u64) -> Program {
    pipe(&folder.join("pipe"));
    let (pipe, pid) = (folder.join("pipe"), folder.join("pid"));
    stand_in(folder, &format!("cat {} & echo $! > {}; wait", pipe.display(), pid.display()), timeout_s)
}

/// Waits until the process that wrote its number has ended.
async fn gone(folder: &Path) {
    let pid = fs::read_to_string(folder.join("pid")).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    eventually("the process to end", PATIENCE, async || {
        // Whoever inherits it may not have waited for it yet.
        fs::read_to_string(&stat).map_or(Some(()), |stat| stat.contains(") Z ").then_some(()))
    })
    .await;
}

#[tokio::test]
async fn a_call_that_takes_too_long_ends_with_all_it_started() {
    let folder = naru_testkit::temp_dir();
    let failure = hanging(folder.path(), 3).check().await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.args["seconds"].as_str()), ("git-timed-out", "3"));
    gone(folder.path()).await;
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_ends_with_all_it_started() {
    let folder = naru_testkit::temp_dir();
    let program = hanging(folder.path(), 600);
    let started = async || fs::read_to_string(folder.path().join("pid")).ok().filter(|pid| pid.ends_with('\n'));
    tokio::select! {
        outcome = program.check() => panic!("{outcome:?}"),
        _ = eventually("the child to start", PATIENCE, started) => {}
    }
    gone(folder.path()).await;
}

#[test]
fn the_configuration_has_defaults_and_refuses_what_it_does_not_know() {
    let config: ProgramConfig = toml::from_str("").unwrap();
    assert_eq!((config.program.to_str().unwrap(), config.timeout_s), ("git", 120));
    assert!(toml::from_str::<ProgramConfig>("time = 1").is_err());
}
