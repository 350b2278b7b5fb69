//! What millions of consents cost: `cargo run --release -p naru-consent --example scale -- [sqlite|postgres] [ROWS]`.
//!
//! Imports ROWS consents from one CSV file, reads them as a starting process would, and asks for a million addresses.

use std::io::Write;
use std::time::Instant;

use naru_component::Component;
use naru_component::ctx::{Ctx, Parts};
use naru_component::word::{Call, Progress};
use naru_core::clock::SystemClock;
use naru_core::lifecycle::Lifecycle;
use naru_core::masked::Address;
use naru_core::metric::Metrics;
use naru_core::text::Lang;
use naru_dispatch::consent::{Consent, Permit};
use naru_dispatch::message::{Channel, Purpose};
use naru_store::Store;
use naru_store::open::{Access, StoreConfig};
use naru_testkit::database::{Engine, database};
use naru_web::role::Actor;

const CHUNK: usize = 1_000;
const ASKED: usize = 1_000_000;

fn phone(n: usize) -> String {
    // Spread over the number space, so that neighbours in the file are none in the index.
    format!("010{:08}", n * 7_919 % 100_000_000)
}

fn room(store: &Store, folder: &std::path::Path) -> (Ctx, Component) {
    let ctx = Ctx::new(Parts {
        store: store.clone(),
        clock: SystemClock::shared(),
        lifecycle: Lifecycle::default(),
        metrics: Metrics::default(),
        data_dir: folder.to_owned(),
        config_dir: folder.to_owned(),
    });
    let component = naru_consent::component(naru_consent::Config::default(), &ctx);
    (ctx, component)
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let engine = match arguments.next().as_deref() {
        Some("postgres") => Engine::Postgres,
        _ => Engine::Sqlite,
    };
    let rows: usize = arguments.next().map_or(1_000_000, |text| text.parse().expect("ROWS is a number"));
    let database = database(engine).await;
    let config = StoreConfig { url: database.url().to_owned() };
    let store =
        Store::open(&config, database.folder(), Access::Write, &Lifecycle::default()).await.expect("the store opens");
    let (ctx, component) = room(&store, database.folder());
    store.migrate(&[("consent", component.schema)], 0).await.expect("the tables are made");
    refresh(&component).await;

    let file = database.folder().join("consents.csv");
    let mut csv = std::io::BufWriter::new(std::fs::File::create(&file).expect("the file is made"));
    writeln!(csv, "address,channel,night,given_at,evidence").expect("the file is written");
    for n in 0..rows {
        writeln!(csv, "{},sms,{},2026-01-02 03:04:05,sign-up form 3", phone(n), n % 2).expect("the file is written");
    }
    drop(csv.into_inner().expect("the file is written"));

    for what in ["import", "the same again"] {
        let start = Stopwatch::start();
        let word = component.words.iter().find(|word| word.path == "consent import").expect("there is such a word");
        let call = Call {
            actor: Actor::local(),
            lang: Lang::En,
            args: serde_json::json!({ "file": file }),
            upload: Some(file.clone()),
            progress: Progress::default(),
        };
        let answer = word.clone().say(ctx.clone(), call).await.expect("the file is imported");
        start.tell(what, rows);
        println!("  {} stored, {} refused", answer.data["stored"], answer.data["refused"]);
    }
    drop((ctx, component));

    let before = resident_kib();
    let (ctx, component) = room(&store, database.folder());
    let start = Stopwatch::start();
    refresh(&component).await;
    start.tell("read at the start", rows);
    println!("  {} KiB more resident, {} KiB in all", resident_kib().saturating_sub(before), resident_kib());

    let consent = ctx.need::<dyn Consent>().expect("the room offers it");
    let asked: Vec<Vec<Address>> = (0..ASKED / CHUNK)
        .map(|c| (0..CHUNK).map(|n| Address::new(phone((c * CHUNK + n) * 13 % (2 * rows)))).collect())
        .collect();
    let start = Stopwatch::start();
    let noon = 1_795_316_400_000;
    let allowed: usize = asked
        .iter()
        .map(|to| {
            let permits = consent.decide(noon, Purpose::Ad, Channel::Sms, to);
            permits.iter().filter(|permit| matches!(permit, Permit::Send)).count()
        })
        .sum();
    start.tell("asked", ASKED);
    println!("  {allowed} allowed");
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
