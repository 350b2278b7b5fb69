//! From the first byte of a file to the last stored outcome, reading and sending at the same time.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Result;
use crate::bullmq::{self, Kind};
use crate::cases::Bench;
use crate::client;
use crate::customers::{self, Order};
use crate::house::{Engine, House, Lane};
use crate::postgres::Postgres;
use crate::report::{Row, grouped, median, megabytes};
use crate::vendor::{RECEIPT_SECRET, Vendor};
use crate::wait::until;

const WHAT: &str = "first CSV byte to last outcome stored (`--stream`), batches of 1,000, order kept, receipts off";
const REACH_PER_SECOND: f64 = 150_000.0;
const REACH_POSTGRES_PER_SECOND: f64 = 50_000.0;
const BATCH: usize = 1_000;
/// What naru does where nothing else is configured.
const IN_FLIGHT: u32 = 32;
/// A vendor that is busy is asked again soon; the default of a second would measure the wait of the last message.
const RETRY_BASE_MS: u32 = 100;
const BUSY: &str = "busy=5";
/// For the vendor to report the last of its receipts.
const RECEIPTS_MAX: Duration = Duration::from_secs(600);
const SEED: u64 = 1;

pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let work = Work::new(bench).await?;
    let runs = work.runs(bench, Engine::Sqlite).await?;
    let row = work.row(WHAT, &runs, REACH_PER_SECOND)?;
    let figure = median(runs.iter().map(|run| run.per_second).collect());
    let mut table = vec![row, with_receipts(bench, &work.file, work.rows, &work.order).await?];
    let what = "beside it: BullMQ, jobs of 1,000 messages";
    let peer = peer(bench, &work.file, work.rows, &work.order, what, figure).await;
    table.push(peer.unwrap_or_else(|e| Row::not_run(what, &e)));
    Ok(table)
}

/// The same on PostgreSQL.
pub async fn measure_postgres(bench: &Bench) -> Result<Vec<Row>> {
    let work = Work::new(bench).await?;
    let runs = work.runs(bench, Engine::Postgres).await?;
    Ok(vec![work.row(&format!("on PostgreSQL: {WHAT}"), &runs, REACH_POSTGRES_PER_SECOND)?])
}

/// What is sent, and what it is held against.
struct Work {
    file: PathBuf,
    rows: u64,
    order: Order,
    ceiling: f64,
}

struct Run {
    per_second: f64,
    inversions: u64,
    busy: u64,
    requests: u64,
    serve_cpu_s: f64,
    vendor_cpu_s: f64,
    peak_bytes: u64,
    /// What the database server used, and what it is.
    postgres: Option<(f64, String)>,
}

impl Work {
    async fn new(bench: &Bench) -> Result<Work> {
        let rows = bench.pick(200_000, 1_000_000);
        let file = customers::file(bench.folder(), rows, SEED)?;
        Ok(Work { file, rows, order: Order::of(rows, SEED), ceiling: ceiling(bench, rows).await? })
    }

    async fn runs(&self, bench: &Bench, engine: Engine) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        for _ in 0..bench.pick(1, 3) {
            runs.push(run(engine, bench, self).await?);
        }
        Ok(runs)
    }

    fn row(&self, what: &str, runs: &[Run], reach: f64) -> Result<Row> {
        let ceiling = self.ceiling;
        let figure = median(runs.iter().map(|run| run.per_second).collect());
        let inversions: u64 = runs.iter().map(|run| run.inversions).sum();
        let last = runs.last().ok_or("no run")?;
        let (cpu, told) = match &last.postgres {
            Some((cpu_s, told)) => (format!(", PostgreSQL {cpu_s:.1} s"), format!("; {told}")),
            None => Default::default(),
        };
        Ok(Row {
            what: what.to_owned(),
            figure: format!("{}/s", grouped(figure)),
            reach: format!("{}/s", grouped(reach)),
            ceiling: format!("{}/s", grouped(ceiling)),
            ratio: Some(figure / ceiling),
            reached: Some(figure >= reach && inversions == 0),
            conditions: format!(
                "{} rows in {} requests, one lane, {IN_FLIGHT} requests in flight, {} sends answered busy and made \
                 again (5 %, `retry_base_ms` {RETRY_BASE_MS}), median of {}; {inversions} inversions among the {} messages of \
                 customers with several; processors: serve {:.1} s, sandbox {:.1} s{cpu}; serve {} resident at \
                 most{told}. Ceiling: the same messages, rendered beforehand, posted in the same batches by a reqwest loop that keeps nothing",
                grouped(self.rows as f64),
                grouped(last.requests as f64),
                grouped(last.busy as f64),
                runs.len(),
                grouped(self.order.len() as f64),
                last.serve_cpu_s,
                last.vendor_cpu_s,
                megabytes(last.peak_bytes),
            ),
        })
    }
}

async fn run(engine: Engine, bench: &Bench, work: &Work) -> Result<Run> {
    let Work { file, rows, order, .. } = work;
    let vendor = Vendor::start(bench, &["--fault", BUSY]).await?;
    let lane = Lane { in_flight_max: Some(IN_FLIGHT), retry_base_ms: Some(RETRY_BASE_MS), ..Lane::default() };
    let house = House::on(engine, bench, &[vendor.url()], &lane).await?;
    let serve = house.serve().await?;
    let begun_s = house.postgres().map(Postgres::cpu_s);
    let start = Instant::now();
    let sent = house.send(file, "stream", &["--stream"]).await?;
    let sums = serve.outcomes(&vendor, &sent.campaign, *rows).await?;
    let per_second = *rows as f64 / start.elapsed().as_secs_f64();
    let (used, vendor_cpu_s) = (serve.usage(), vendor.usage().cpu_s);
    let postgres = house.postgres().zip(begun_s).map(|(it, begun_s)| (it.cpu_s() - begun_s, it.told.clone()));
    let inversions = inversions(&vendor, order).await?;
    serve.stop().await?;
    Ok(Run {
        per_second,
        inversions,
        busy: sums.busy,
        requests: sums.requests,
        serve_cpu_s: used.cpu_s,
        vendor_cpu_s,
        peak_bytes: used.peak_bytes,
        postgres,
    })
}

async fn with_receipts(bench: &Bench, file: &Path, rows: u64, order: &Order) -> Result<Row> {
    // The lane wants to know where the vendor will be, and the vendor where serve is.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).map_err(|e| e.to_string())?;
    let lane =
        Lane { receipts: true, in_flight_max: Some(IN_FLIGHT), retry_base_ms: Some(RETRY_BASE_MS), ..Lane::default() };
    let house = House::new(bench, &format!("http://{free}"), &lane)?;
    let serve = house.serve().await?;
    let to = format!("http://{}/v1/receipts/bench", serve.address);
    let flags = [
        "--fault",
        BUSY,
        "--receipts-to",
        &to,
        "--receipts-secret",
        RECEIPT_SECRET,
        "--receipts-per-call",
        "1000",
        "--receipts-delay-ms",
        "100..500",
    ];
    let vendor = Vendor::start_at(bench, &free.to_string(), &flags).await?;
    let start = Instant::now();
    let sent = house.send(file, "receipts", &["--stream"]).await?;
    serve.outcomes(&vendor, &sent.campaign, rows).await?;
    let outcomes_s = start.elapsed().as_secs_f64();
    let reported = async || Ok(Some(serve.account(&sent.campaign).await?).filter(|it| it.delivered == rows));
    until("every receipt to be merged", RECEIPTS_MAX, reported).await?;
    let reported_s = start.elapsed().as_secs_f64();
    let inversions = inversions(&vendor, order).await?;
    let used = serve.usage();
    serve.stop().await?;
    Ok(Row {
        what: "beside it: the same with receipts on".into(),
        figure: format!("{}/s", grouped(rows as f64 / outcomes_s)),
        conditions: format!(
            "1,000 receipts a call, 100 to 500 ms after the send; every receipt merged after {reported_s:.1} s \
             ({}/s); {inversions} inversions; serve {:.1} s of a processor",
            grouped(rows as f64 / reported_s),
            used.cpu_s
        ),
        ..Row::default()
    })
}

async fn ceiling(bench: &Bench, rows: u64) -> Result<f64> {
    let vendor = Vendor::start(bench, &[]).await?;
    // A part of the rows is enough for a rate, and all of them would not fit everywhere.
    let bodies = client::batch_bodies(&customers::rendered(rows.min(300_000), SEED), BATCH);
    let messages = rows.min(300_000) as f64;
    let took = client::post_all(&format!("{}/v1/batches", vendor.url()), bodies, IN_FLIGHT as usize).await?;
    Ok(messages / took.as_secs_f64())
}

async fn peer(bench: &Bench, file: &Path, rows: u64, order: &Order, what: &str, ours: f64) -> Result<Row> {
    let redis = bullmq::Redis::start(bench).await?;
    let vendor = Vendor::start(bench, &["--fault", BUSY]).await?;
    let mut worker = redis.worker(bench, Kind::Batch, &vendor.url(), rows).await?;
    let start = Instant::now();
    let mut producer = redis.producer(bench, Kind::Batch, file)?;
    bullmq::done(&mut producer).await?;
    bullmq::done(&mut worker).await?;
    let took_s = start.elapsed().as_secs_f64();
    let sums = vendor.sums().await?;
    if sums.accepted != rows || sums.doubled > 0 {
        return Err(format!("{rows} rows, {} accepted, {} doubled", sums.accepted, sums.doubled));
    }
    let inversions = inversions(&vendor, order).await?;
    let figure = rows as f64 / took_s;
    Ok(Row {
        what: what.into(),
        figure: format!("{}/s", grouped(figure)),
        conditions: format!(
            "naru is {:.1} times as fast; one producer and one worker process, {} jobs at a time, Redis with \
             `appendfsync always`; order is not kept (groups are a paid feature): {} inversions",
            ours / figure,
            Kind::Batch.concurrency(),
            grouped(inversions as f64),
        ),
        ..Row::default()
    })
}

async fn inversions(vendor: &Vendor, order: &Order) -> Result<u64> {
    let entries = vendor.entries().await?;
    Ok(order.inversions(entries.iter()?.iter().map(|entry| entry.to)))
}
