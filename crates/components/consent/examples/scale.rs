//! What millions of consents cost: `cargo run --release -p naru-consent --example scale -- [sqlite|postgres] [ROWS]`.
//!
//! Imports ROWS consents from one CSV file, reads them as a starting process would, and asks for a million addresses.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use naru_component::Component;
use naru_component::ctx::{Ctx, Parts};
use naru_component::word::{Call, Progress};
use naru_core::clock::{Millis, SystemClock};
use naru_core::lifecycle::Lifecycle;
use naru_core::masked::Address;
use naru_core::metric::Metrics;
use naru_core::text::Lang;
use naru_dispatch::consent::{Consent, Permit};
use naru_dispatch::message::{Channel, Purpose};
use naru_job::gate::Gate;
use naru_job::instance::Instance;
use naru_store::Store;
use naru_store::open::{Access, StoreConfig};
use naru_testkit::database::{Engine, database};
use naru_web::role::Actor;

/// 2026-11-22 12:00 in Seoul.
const NOON: Millis = 1_795_316_400_000;
/// What a lane asks for at once.
const CHUNK: usize = 1_000;
const ASKED: usize = 1_000_000;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().expect("ROWS is a number");
    match arguments[..] {
        ["read", url, rows] => read(url, number(rows)).await,
        ["postgres"] => import(Engine::Postgres, 1_000_000).await,
        ["postgres", rows] => import(Engine::Postgres, number(rows)).await,
        [] | ["sqlite"] => import(Engine::Sqlite, 1_000_000).await,
        ["sqlite", rows] => import(Engine::Sqlite, number(rows)).await,
        _ => panic!("scale [sqlite|postgres] [ROWS]"),
    }
}

/// Imports twice, then lets another process read.
async fn import(engine: Engine, rows: usize) {
    let database = database(engine).await;
    let (ctx, component) = room(database.url(), database.folder()).await;
    ctx.store().migrate(&[("consent", component.schema)], 0).await.expect("the tables are made");
    refresh(&component).await;
    let file = write_file(database.folder(), rows);
    let word = component.words.iter().find(|word| word.path == "consent import").expect("there is such a word");
    for what in ["import", "the same again"] {
        let start = Stopwatch::start();
        let call = Call {
            actor: Actor::local(),
            lang: Lang::En,
            args: serde_json::json!({ "file": file }),
            upload: Some(file.clone()),
            progress: Progress::default(),
            key: None,
        };
        let answer = word.clone().say(ctx.clone(), call).await.expect("the file is imported");
        start.tell(what, rows);
        println!("  {} stored, {} refused", answer.data["stored"], answer.data["refused"]);
    }
    // What it freed would hide what the reader needs.
    let mut reader = Command::new(std::env::current_exe().expect("this program has a path"));
    let ended = reader.args(["read", database.url(), &rows.to_string()]).status().expect("the reader starts");
    assert!(ended.success());
}

/// Reads everything as `serve` does when it starts, then asks.
async fn read(url: &str, rows: usize) {
    let (ctx, component) = room(url, Path::new("/")).await;
    let before = resident_kib();
    let start = Stopwatch::start();
    refresh(&component).await;
    start.tell("read at the start", rows);
    println!("  {} KiB more resident, {} KiB in all", resident_kib() - before, resident_kib());

    let address = |n: usize| Address::new(phone(n * 13 % (2 * rows)));
    let asked: Vec<Address> = (0..ASKED).map(address).collect();
    let consent = ctx.need::<dyn Consent>().expect("the room offers it");
    let start = Stopwatch::start();
    let permits = asked.chunks(CHUNK).flat_map(|to| consent.decide(NOON, Purpose::Ad, Channel::Sms, to));
    let allowed = permits.filter(|permit| *permit == Permit::Send).count();
    start.tell("asked", ASKED);
    println!("  {allowed} allowed");
}

async fn room(url: &str, folder: &Path) -> (Ctx, Component) {
    let (config, lifecycle) = (StoreConfig { url: url.to_owned(), ..StoreConfig::default() }, Lifecycle::default());
    let store = Store::open(&config, folder, Access::Write, &lifecycle).await.expect("the store opens");
    let ctx = Ctx::new(Parts {
        store,
        clock: SystemClock::shared(),
        lifecycle,
        metrics: Metrics::default(),
        instance: Instance::named("test"),
        gate: Gate::default(),
        data_dir: folder.to_owned(),
        config_dir: folder.to_owned(),
    });
    let component = naru_consent::component(naru_consent::Config::default(), &ctx);
    (ctx, component)
}

fn write_file(folder: &Path, rows: usize) -> PathBuf {
    let path = folder.join("consents.csv");
    let mut csv = BufWriter::new(File::create(&path).expect("the file is made"));
    writeln!(csv, "address,channel,night,given_at,evidence").expect("the file is written");
    for n in 0..rows {
        writeln!(csv, "{},sms,{},2026-01-02 03:04:05,sign-up form 3", phone(n), n % 2).expect("the file is written");
    }
    csv.flush().expect("the file is written");
    path
}

/// Spread over all numbers, so that neighbours in the file are none in the index.
fn phone(n: usize) -> String {
    format!("010{:08}", n * 7_919 % 100_000_000)
}

async fn refresh(component: &Component) {
    for job in &component.jobs {
        (job.run)().await.expect("the rows are read");
    }
}

/// What has passed, on the wall and on this process's CPUs: a busy machine stretches the first alone.
struct Stopwatch(Instant, f64);

impl Stopwatch {
    fn start() -> Stopwatch {
        Stopwatch(Instant::now(), cpu_seconds())
    }

    fn tell(&self, what: &str, rows: usize) {
        let (wall, cpu) = (self.0.elapsed().as_secs_f64(), cpu_seconds() - self.1);
        println!("{what}: {rows} in {wall:.2} s, {:.0}/s; {cpu:.2} CPU-s", rows as f64 / wall);
    }
}

/// Linux counts in hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or_default()
}
