//! Kills naru, its vendor and its database at random moments, and proves that nothing was lost.
//!
//! Real processes, a real disk, a real vendor with a ledger of its own that survives its own kills. While a shop sends
//! without pause, something is killed with SIGKILL every second or two, often before the last victim has come back. At
//! the end everything is let come to rest, and three accounts are joined: what the shop was promised, what naru says
//! became of it, and what the vendor took. A round has few kills and ends with that join; many rounds make a run.
//!
//! Must never know: how `naru` does what is tested. Of the house it links only the reader of stored frames. A change
//! must keep this: each rule of [`join`] fails on a fault that is planted for it, and every wait has an end.

mod dice;
mod faults;
mod join;
mod postgres;
mod process;
mod report;
mod round;
mod takeover;
mod traffic;
mod view;
mod wait;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use naru_core::clock::{Clock, SystemClock};
use tokio::sync::Mutex;

use crate::dice::Dice;
use crate::postgres::Postgres;
use crate::report::Sums;
use crate::world::{Engine, Level, Plan};

/// What goes wrong here is told.
type Result<T, E = String> = std::result::Result<T, E>;

/// Kills of one round: enough for several to be open at once, few enough to read what happened.
const ROUND_KILLS: usize = 25;

/// Kill naru, its vendor and its database at random moments, and prove that nothing was lost
///
/// Ends with 1 and keeps its folder where a rule is broken.
#[derive(Parser)]
#[command(bin_name = "cargo xtask torture")]
struct Line {
    /// How many kills, over all rounds
    #[arg(long, value_name = "N", default_value_t = 100)]
    kills: usize,

    /// Only this engine; both in turn where absent
    #[arg(long)]
    engine: Option<Engine>,

    /// Only so many instances of serve; on PostgreSQL two, and one in every fourth round, where absent
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=2))]
    instances: Option<u64>,

    /// Only this level of the vendor; all in turn where absent
    #[arg(long)]
    level: Option<Level>,

    /// What chance begins with; printed, so that a run can be had again
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Binary to torture
    #[arg(long, value_name = "FILE", default_value = "target/debug/naru", hide = true)]
    naru: PathBuf,

    /// Folder for databases, ledgers and logs
    #[arg(long, value_name = "FOLDER", default_value = "target/torture")]
    folder: PathBuf,
}

fn main() -> ExitCode {
    let line = Line::parse();
    // reqwest wants one even where it never speaks TLS. An error only says that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let torture = async { torture(line).await };
    let outcome = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(torture),
        Err(e) => Err(format!("could not start threads: {e}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

async fn torture(line: Line) -> Result<()> {
    let clock = SystemClock::shared();
    if line.engine == Some(Engine::Sqlite) && line.instances == Some(2) {
        return Err("SQLite carries one instance: `--instances 2` needs `--engine postgres`".to_owned());
    }
    let seed = line.seed.unwrap_or(clock.now_ms().unsigned_abs() % 1_000_000_000);
    println!("seed {seed}, {} kills", line.kills);
    let naru = std::path::absolute(&line.naru).map_err(|e| format!("{}: {e}", line.naru.display()))?;
    std::fs::create_dir_all(&line.folder).map_err(|e| format!("{}: {e}", line.folder.display()))?;
    let folder = tempfile::Builder::new().prefix("run-").tempdir_in(&line.folder);
    let folder = folder.map_err(|e| format!("could not make a folder: {e}"))?;
    let mut hall = Hall { naru, folder: folder.path().to_owned(), clock, postgres: None, sums: Sums::default() };
    let outcome = tokio::select! {
        outcome = hall.play_all(plans(&line, seed)) => outcome,
        // Dropped in order, so that nothing it started outlives it.
        why = interrupted() => Err(why),
    };
    print!("\n{}", hall.sums.table());
    if outcome.is_err() {
        let kept = folder.keep();
        println!("kept: {}", kept.display());
        if let Some(postgres) = &hall.postgres {
            postgres.lock().await.keep = true;
        }
    }
    outcome
}

async fn interrupted() -> String {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            "interrupted".to_owned()
        }
        (Err(e), _) | (_, Err(e)) => format!("could not listen for signals: {e}"),
    }
}

/// Where rounds are played.
struct Hall {
    naru: PathBuf,
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    /// Started for the first round that needs it.
    postgres: Option<Arc<Mutex<Postgres>>>,
    sums: Sums,
}

impl Hall {
    async fn play_all(&mut self, plans: Vec<Plan>) -> Result<()> {
        for (no, plan) in plans.into_iter().enumerate() {
            let name = format!("round {}: {}", no + 1, told(&plan));
            let folder = self.folder.join(format!("round-{}", no + 1));
            std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
            let folder = std::path::absolute(folder).map_err(|e| e.to_string())?;
            self.play(plan, &name, &folder).await.map_err(|why| format!("{name}: {why}"))?;
            // What went well is of no more use, and a thousand kills leave much of it.
            let _ = std::fs::remove_dir_all(&folder);
        }
        Ok(())
    }

    async fn play(&mut self, plan: Plan, name: &str, folder: &Path) -> Result<()> {
        let start = self.clock.monotonic_us();
        let postgres = match plan.engine {
            Engine::Sqlite => None,
            Engine::Postgres => {
                if self.postgres.is_none() {
                    self.postgres = Some(Arc::new(Mutex::new(Postgres::start(&self.folder).await?)));
                }
                self.postgres.clone()
            }
        };
        let round = round::play(plan, &self.naru, folder, postgres, &self.clock).await?;
        self.sums.add(&round);
        let all_s = (self.clock.monotonic_us() - start) / 1_000_000;
        let (faults_s, rest_s) = round.took_s;
        let (verdict, word) = (&round.verdict, if round.broken.is_empty() { "ok" } else { "BROKEN" });
        println!(
            "{name}: {} promised, {} taken, {all_s} s ({faults_s} of kills, {rest_s} to rest), {word}",
            verdict.promised, verdict.taken
        );
        if round.broken.is_empty() { Ok(()) } else { Err(round.broken.join("\n  ")) }
    }
}

fn told(plan: &Plan) -> String {
    let engine = match plan.engine {
        Engine::Sqlite => "sqlite".to_owned(),
        Engine::Postgres => format!("postgres × {}", plan.instances),
    };
    let spare = if plan.vendors > 1 { ", another stands by" } else { "" };
    format!("{engine}, {}{spare}, {} kills, seed {}", plan.level.name(), plan.kills, plan.seed)
}

/// Rounds over engines and levels. A run of one round has the seed it was given, so that a round can be had again.
fn plans(line: &Line, seed: u64) -> Vec<Plan> {
    let engines = line.engine.map_or(vec![Engine::Sqlite, Engine::Postgres], |engine| vec![engine]);
    let levels = line.level.map_or(vec![Level::TwoPhase, Level::Key, Level::Lookup, Level::None], |level| vec![level]);
    // Few kills are spread over as many levels and engines as there are.
    let rounds = line.kills.div_ceil(ROUND_KILLS).max(levels.len().max(engines.len()).min(line.kills));
    let one = rounds == 1;
    (0..rounds)
        .map(|no| {
            let engine = engines[no % engines.len()];
            let instances = match (engine, line.instances) {
                (Engine::Sqlite, _) => 1,
                (Engine::Postgres, Some(count)) => count as usize,
                (Engine::Postgres, None) => {
                    if no % 8 >= 6 {
                        1
                    } else {
                        2
                    }
                }
            };
            Plan {
                engine,
                // Shifted with each turn, so that each engine meets each level.
                level: levels[(no + no / levels.len()) % levels.len()],
                instances,
                kills: line.kills / rounds + usize::from(no < line.kills % rounds),
                // Each engine meets each level with and without one that stands by.
                vendors: 1 + (no + no / 2) % 2,
                seed: if one { seed } else { Dice::new(seed).part(no as u64).throw() % 1_000_000_000 },
            }
        })
        .collect()
}
