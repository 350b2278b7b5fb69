//! The machine that figures hold for, and how busy others kept it.

use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::Result;
use crate::cases::Bench;
use crate::process::{family_cpu_s, run};
use crate::report::{grouped, megabytes};
use crate::{disk, report};

/// Enough appends for a steady average, and over in seconds on a disk that takes 4 ms for each.
const APPENDS: u32 = 500;
/// Appends are measured so often, since a shared disk has moods.
const DISK_RUNS: usize = 5;

/// What the machine is, line by line.
pub struct Machine {
    lines: Vec<(&'static str, String)>,
}

impl Machine {
    /// Looks around and measures the disk.
    pub async fn look(bench: &Bench) -> Result<Machine> {
        let runs: Result<Vec<f64>> = (0..DISK_RUNS).map(|_| disk::fdatasync_s(bench.folder(), APPENDS)).collect();
        let runs = runs?;
        let slowest = report::slowest(&runs);
        let append_s = report::median(runs);
        let version = |program: &str, flag: &str| {
            let printed = run(Command::new(program).arg(flag)).map(|(printed, _)| printed);
            printed.map_or_else(|_| "absent".to_owned(), |text| text.lines().next().unwrap_or_default().to_owned())
        };
        let cpus = std::thread::available_parallelism().map_or(0, usize::from);
        let lines = vec![
            ("processors", format!("{cpus} × {}", field("/proc/cpuinfo", "model name"))),
            ("memory", memory()),
            (
                "disk",
                format!(
                    "{} fdatasync/s of 4 KiB appended ({:.2} ms each; the slowest of {DISK_RUNS} runs {:.2} ms)",
                    grouped(1.0 / append_s),
                    append_s * 1e3,
                    slowest * 1e3
                ),
            ),
            ("kernel", format!("Linux {}", read("/proc/sys/kernel/osrelease").trim())),
            ("system", os()),
            ("naru", version(&bench.naru.to_string_lossy(), "--version")),
            ("compiler", version("rustc", "--version")),
            ("Node.js", version("node", "--version")),
            ("Redis", redis(&version("redis-server", "--version"))),
            ("BullMQ", bullmq(bench)),
        ];
        Ok(Machine { lines })
    }

    /// As lines.
    pub fn as_text(&self) -> String {
        self.lines.iter().map(|(key, value)| format!("{key:<11}{value}\n")).collect()
    }

    /// As a Markdown list.
    pub fn as_list(&self) -> String {
        self.lines.iter().map(|(key, value)| format!("- {key}: {value}\n")).collect()
    }
}

/// A moment in the life of the processors.
pub struct Busy {
    all_s: f64,
    ours_s: f64,
    at: Instant,
}

impl Busy {
    /// Now.
    pub fn now() -> Busy {
        let stat = read("/proc/stat");
        let ticks: Vec<f64> =
            stat.lines().next().unwrap_or_default().split(' ').filter_map(|part| part.parse().ok()).collect();
        // user, nice, system, then idle and waiting, then interrupts; what the host stole is nobody's here.
        let busy = |at: usize| ticks.get(at).copied().unwrap_or_default();
        let all = busy(0) + busy(1) + busy(2) + busy(5) + busy(6);
        Busy { all_s: all / 100.0, ours_s: family_cpu_s(), at: Instant::now() }
    }

    /// Cores that programs other than this one and those it started used since `before`.
    pub fn others_since(&self, before: &Busy) -> f64 {
        let others = (self.all_s - before.all_s) - (self.ours_s - before.ours_s);
        (others / (self.at - before.at).as_secs_f64()).max(0.0)
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn field(path: &str, name: &str) -> String {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
    line.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

fn memory() -> String {
    let kilobytes = field("/proc/meminfo", "MemTotal");
    let bytes = kilobytes.trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024;
    megabytes(bytes)
}

fn os() -> String {
    let text = read("/etc/os-release");
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("unknown").trim_matches('"').to_owned()
}

fn redis(version: &str) -> String {
    let number = version.split("v=").nth(1).and_then(|rest| rest.split(' ').next());
    number.unwrap_or("absent").to_owned()
}

fn bullmq(bench: &Bench) -> String {
    let package = bench.peers.as_ref().map(|peers| peers.join("node_modules/bullmq/package.json"));
    let package = package.and_then(|path| fs::read_to_string(path).ok());
    let package = package.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    package.and_then(|it| it["version"].as_str().map(str::to_owned)).unwrap_or_else(|| "absent".to_owned())
}
