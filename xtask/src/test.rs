//! `cargo xtask test`: the one command that says whether the house stands.
//!
//! It runs on a clean clone: what the machine lacks is installed or named first ([`machine`]), real counterparts are
//! started once for the whole run, and each part prints what it took. The first part that fails ends the run; the
//! table at the end tells what ran and what did not.

pub mod machine;

mod kubernetes;
mod postgres;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::cargo::{build_once_where_clean, call, cargo, free_gib, target_folder};
use crate::{packages, peers, simulate, tidy, torture};
use kubernetes::Kubernetes;
use postgres::Postgres;

/// Installs what is missing, runs every part and prints the table. Exit code 1: a part failed; 2: something is missing.
pub fn run(root: &Path, real_k8s: bool) -> ExitCode {
    let mut run = Run { root: root.to_owned(), postgres: None, peers: None, kubernetes: None };
    let mut table = Vec::new();
    let mut code = 0;
    if let Ok(target) = target_folder(root) {
        build_once_where_clean(&target);
    }
    for (name, part) in PARTS.into_iter().filter(|(name, _)| real_k8s || *name != KUBERNETES) {
        if code != 0 {
            table.push((name, Outcome::NotRun));
            continue;
        }
        println!("\n== {name}");
        let start = Instant::now();
        let result = part(&mut run);
        let took = start.elapsed();
        let free = free_gib(root).map(|gib| format!(", {gib:.1} GiB free")).unwrap_or_default();
        println!("== {name}: {:.1} s{free}", took.as_secs_f64());
        if let Err(failure) = &result {
            eprintln!("error: {failure}");
            code = if name == MACHINE { 2 } else { 1 };
        }
        table.push((name, if result.is_ok() { Outcome::Passed(took) } else { Outcome::Failed(took) }));
    }
    // Before the table, so that what a person reads last is the table.
    drop(run);
    print!("{}", render(&table));
    ExitCode::from(code)
}

/// What the parts hand on to each other.
struct Run {
    root: PathBuf,
    postgres: Option<Postgres>,
    peers: Option<PathBuf>,
    kubernetes: Option<Kubernetes>,
}

enum Outcome {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

type Part = fn(&mut Run) -> Result<(), String>;

const MACHINE: &str = "machine";
/// Only where it is asked for: it takes minutes to build, once.
const KUBERNETES: &str = "kubernetes";

/// Cheapest first, so that a slip is told within seconds.
const PARTS: [(&str, Part); 11] = [
    (MACHINE, |_| machine::prepare()),
    ("format", |run| call(cargo(&run.root).args(["fmt", "--all", "--check"]))),
    ("tidy", |run| tidy::check(&run.root)),
    ("packages", |run| packages::check(&run.root, false)),
    ("clippy", |run| call(cargo(&run.root).args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))),
    ("peers", |run| {
        run.peers = Some(peers::install(&run.root, &target_folder(&run.root)?)?);
        Ok(())
    }),
    ("postgresql", |run| {
        run.postgres = Some(Postgres::start(&run.root)?);
        Ok(())
    }),
    (KUBERNETES, |run| {
        run.kubernetes = Kubernetes::start(&run.root, &target_folder(&run.root)?)?;
        Ok(())
    }),
    ("tests", tests),
    ("planted", |run| simulate::planted(&run.root)),
    ("torture", |run| torture::torture(&run.root, &["--kills".to_owned(), KILLS.to_string()])),
];

/// Enough for each engine and each level to be met, in under three minutes; `cargo xtask torture` makes more.
const KILLS: usize = 20;

fn tests(run: &mut Run) -> Result<(), String> {
    let mut command = cargo(&run.root);
    command.args(["test", "--workspace"]);
    if let Some(postgres) = &run.postgres {
        command.env("NARU_TEST_POSTGRES", postgres.url());
    }
    if let Some(peers) = &run.peers {
        command.env("NARU_TEST_PEERS", peers);
    }
    if let Some(kubernetes) = &run.kubernetes {
        command.env("NARU_TEST_KUBE", kubernetes.folder());
    }
    call(&mut command)
}

fn render(table: &[(&str, Outcome)]) -> String {
    let failed = table.iter().find(|(_, outcome)| matches!(outcome, Outcome::Failed(_))).map(|(name, _)| *name);
    let mut text = String::from("\n");
    for (name, outcome) in table {
        let told = match outcome {
            Outcome::Passed(took) => format!("{:>8.1} s  ok", took.as_secs_f64()),
            Outcome::Failed(took) => format!("{:>8.1} s  FAILED", took.as_secs_f64()),
            Outcome::NotRun => format!("         -  not run: {} failed", failed.unwrap_or_default()),
        };
        text += &format!("{name:<12}{told}\n");
    }
    let total: f64 = table.iter().map(|(_, outcome)| seconds(outcome)).sum();
    text += &format!("{:<12}{total:>8.1} s  {}\n", "all", if failed.is_none() { "ok" } else { "FAILED" });
    text
}

fn seconds(outcome: &Outcome) -> f64 {
    match outcome {
        Outcome::Passed(took) | Outcome::Failed(took) => took.as_secs_f64(),
        Outcome::NotRun => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_did_not_run_and_why() {
        let second = Duration::from_secs(1);
        let table =
            [("format", Outcome::Passed(second)), ("clippy", Outcome::Failed(61 * second)), ("tests", Outcome::NotRun)];
        assert_eq!(
            render(&table),
            "
format           1.0 s  ok
clippy          61.0 s  FAILED
tests                -  not run: clippy failed
all             62.0 s  FAILED
"
        );
    }
}
