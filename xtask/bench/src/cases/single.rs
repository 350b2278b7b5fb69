//! One message a request, as most vendors want it.

use std::time::Instant;

use crate::Result;
use crate::bullmq::{self, Kind};
use crate::cases::Bench;
use crate::client;
use crate::customers;
use crate::house::{House, Lane};
use crate::report::{Row, grouped, median, megabytes};
use crate::vendor::Vendor;

const REACH_PER_SECOND: f64 = 20_000.0;
const REACH_SHARE: f64 = 0.6;
const IN_FLIGHT: u32 = 64;
const SEED: u64 = 3;

pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (messages, runs) = (bench.pick(50_000, 300_000), bench.pick(1, 3));
    let file = customers::file(bench.folder(), messages, SEED)?;
    let bodies = client::single_bodies(&customers::rendered(messages, SEED));
    let (mut ours, mut loops) = (vec![], vec![]);
    let mut last = None;
    for _ in 0..runs {
        let vendor = Vendor::start(bench, &[]).await?;
        let took =
            client::post_all(&format!("{}/v1/messages", vendor.url()), bodies.clone(), IN_FLIGHT as usize).await?;
        loops.push(messages as f64 / took.as_secs_f64());
        vendor.empty().await?;
        let run = run(bench, &vendor, &file, messages).await?;
        ours.push(run.per_second);
        last = Some(run);
    }
    let (figure, ceiling) = (median(ours), median(loops));
    let last = last.ok_or("no run")?;
    let mut table = vec![Row {
        what: "one message a request".into(),
        figure: format!("{}/s", grouped(figure)),
        reach: format!("{}/s and {:.0} % of the ceiling", grouped(REACH_PER_SECOND), REACH_SHARE * 100.0),
        ceiling: format!("{}/s", grouped(ceiling)),
        ratio: Some(figure / ceiling),
        reached: Some(figure >= REACH_PER_SECOND && figure >= ceiling * REACH_SHARE),
        conditions: format!(
            "{} messages already stored, `batch_max` 1, {IN_FLIGHT} requests in flight, from the campaign's start to \
             its last stored outcome, median of {runs}; processors: serve {:.1} s, sandbox {:.1} s; serve {} resident \
             at most. Ceiling: a reqwest loop that keeps nothing, the same bodies (rendered beforehand), as many in \
             flight, the same sandbox",
            grouped(messages as f64),
            last.serve_cpu_s,
            last.vendor_cpu_s,
            megabytes(last.peak_bytes),
        ),
    }];
    let what = "beside it: BullMQ, a job a message";
    table.push(peer(bench, what, figure).await.unwrap_or_else(|e| Row::not_run(what, &e)));
    Ok(table)
}

struct Run {
    per_second: f64,
    serve_cpu_s: f64,
    vendor_cpu_s: f64,
    peak_bytes: u64,
}

async fn run(bench: &Bench, vendor: &Vendor, file: &std::path::Path, messages: u64) -> Result<Run> {
    let lane = Lane { batch_max: Some(1), in_flight_max: Some(IN_FLIGHT), ..Lane::default() };
    let house = House::new(bench, &vendor.url(), &lane)?;
    let serve = house.serve().await?;
    // A file's campaign starts when the last of it is stored, which is what `send` waits for.
    let sent = house.send(file, "single", &[]).await?;
    let (start, before, vendor_before) = (Instant::now(), serve.usage(), vendor.usage());
    serve.outcomes(vendor, &sent.campaign, messages).await?;
    let per_second = messages as f64 / start.elapsed().as_secs_f64();
    let after = serve.usage();
    let vendor_cpu_s = vendor.usage().cpu_s - vendor_before.cpu_s;
    serve.stop().await?;
    Ok(Run { per_second, serve_cpu_s: after.cpu_s - before.cpu_s, vendor_cpu_s, peak_bytes: after.peak_bytes })
}

async fn peer(bench: &Bench, what: &str, ours: f64) -> Result<Row> {
    let messages = bench.pick(10_000, 100_000);
    let file = customers::file(bench.folder(), messages, SEED)?;
    let redis = bullmq::Redis::start(bench).await?;
    let vendor = Vendor::start(bench, &[]).await?;
    let added = Instant::now();
    bullmq::done(&mut redis.producer(bench, Kind::Single, &file)?).await?;
    let added_s = added.elapsed().as_secs_f64();
    let mut worker = redis.worker(bench, Kind::Single, &vendor.url(), messages).await?;
    let start = Instant::now();
    bullmq::done(&mut worker).await?;
    let figure = messages as f64 / start.elapsed().as_secs_f64();
    let sums = vendor.sums().await?;
    if sums.accepted != messages || sums.doubled > 0 {
        return Err(format!("{messages} messages, {} accepted, {} doubled", sums.accepted, sums.doubled));
    }
    Ok(Row {
        what: what.into(),
        figure: format!("{}/s", grouped(figure)),
        conditions: format!(
            "naru is {:.1} times as fast; {} jobs added beforehand ({}/s), one worker process, {} jobs at a time, \
             Redis with `appendfsync always`",
            ours / figure,
            grouped(messages as f64),
            grouped(messages as f64 / added_s),
            Kind::Single.concurrency(),
        ),
        ..Row::default()
    })
}
