//! A code that somebody waits for, behind a day's advertisements.

use std::collections::HashMap;
use std::time::Duration;

use naru_core::clock::SystemClock;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::Result;
use crate::cases::queued::{FILE_ROWS, fill};
use crate::cases::{Bench, NOBODY};
use crate::customers;
use crate::house::{House, Lane, Serving};
use crate::pair::Pair;
use crate::process;
use crate::report::{Row, grouped, slowest, within};
use crate::vendor::Vendor;
use crate::wait::{pause, until};

const REACH_S: f64 = 1.0;
const REACH_SHARE: f64 = 0.99;
const CAP: u32 = 300;
/// As many as the largest batch of the usual vendors; with the cap 30,000 messages a second.
const BATCH: u32 = 100;
/// What a vendor near by takes to answer, and requests in flight: enough for the cap with it.
const LATENCY_MS: &str = "50";
const IN_FLIGHT: u32 = 128;
/// Between two calls.
const CALL_EVERY: Duration = Duration::from_millis(100);
/// Ads leave for so long before the first call.
const WARM_UP: Duration = Duration::from_secs(5);
/// For the last of the codes to arrive.
const ARRIVED_MAX: Duration = Duration::from_secs(120);
/// For the first ad to leave: consents are read first.
const BEGIN_MAX: Duration = Duration::from_secs(120);
const ARRIVED_LOOK: Duration = Duration::from_secs(3);
const SEED: u64 = 99;

pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let files = bench.pick(1, 13);
    let messages = grouped((files * FILE_ROWS) as f64);
    let house = House::new(bench, NOBODY, &Lane::default())?;
    queue(bench, &house, files).await?;
    let token = house.token()?;
    let mut table = Vec::new();
    for batch_max in [BATCH, 1] {
        let vendor = Vendor::start(bench, &["--latency-ms", LATENCY_MS]).await?;
        house.configure(&[vendor.url()], &lane(batch_max))?;
        let serve = house.serve().await?;
        let run = run(bench, &vendor, &serve, &token).await?;
        serve.stop().await?;
        table.push(run.row(&format!("{messages} ads queued, {}", sends(batch_max)), ""));
    }
    table.push(elsewhere(bench).await?);
    Ok(table)
}

/// The instance that takes the codes in is not the one that sends them.
async fn elsewhere(bench: &Bench) -> Result<Row> {
    let mut pair = Pair::new(bench, 1, &["--latency-ms", LATENCY_MS], &lane(BATCH)).await?;
    let files = bench.pick(1, 3);
    queue(bench, &pair.house, files).await?;
    let token = pair.house.token()?;
    for no in 0..2 {
        pair.start(no).await?;
        pair.carries(no, 1 - no).await?;
    }
    let run = run(bench, &pair.vendors[0], pair.serve(1)?, &token).await?;
    pair.carries(0, 1).await?;
    let what = format!("two instances on one PostgreSQL, {} ads queued", grouped((files * FILE_ROWS) as f64));
    let more = format!(". The call goes to the instance that does not carry the lane; {}", pair.told());
    pair.stop().await?;
    Ok(run.row(&what, &more))
}

/// Ads, and the consents of those who are the first to get one.
async fn queue(bench: &Bench, house: &House, files: u64) -> Result<()> {
    fill(bench, house, customers::AD, files).await?;
    let needed = (u64::from(CAP * BATCH) * (seconds(bench) + 3 * WARM_UP.as_secs())).div_ceil(FILE_ROWS);
    for seed in 1..=needed.min(files) {
        let file = customers::consents(bench.folder(), FILE_ROWS, seed)?;
        process::run(house.naru(&["consent", "import"]).arg(&file))?;
        std::fs::remove_file(file).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn seconds(bench: &Bench) -> u64 {
    bench.pick(10, 60)
}

fn lane(batch_max: u32) -> Lane {
    Lane {
        batch_max: Some(batch_max),
        in_flight_max: Some(IN_FLIGHT),
        requests_per_second_max: Some(CAP),
        ..Lane::default()
    }
}

fn sends(batch_max: u32) -> String {
    match batch_max {
        1 => "one message a request".to_owned(),
        many => format!("up to {many} messages a request"),
    }
}

struct Run {
    /// Seconds from each call to its message's arrival.
    called_s: Vec<f64>,
    /// Seconds from each acknowledgement to the arrival; none where that was faster.
    answered_s: Vec<f64>,
    seconds: u64,
    requests_per_second: f64,
    messages_per_second: f64,
}

impl Run {
    fn row(&self, what: &str, more: &str) -> Row {
        let p99 = within(REACH_SHARE, self.answered_s.clone());
        let ms = |numbers: &[f64], share: f64| within(share, numbers.to_vec()) * 1e3;
        Row {
            what: format!("{what}: an auth message's request after its acknowledgement"),
            figure: format!("{:.0} ms at the 99th percentile", p99 * 1e3),
            reach: format!("{REACH_S:.0} s"),
            reached: Some(p99 <= REACH_S),
            conditions: format!(
                "{} calls in {} s, half within {:.0} ms, slowest {:.0} ms; from the call itself half within {:.0} ms, \
                 99 % within {:.0} ms, slowest {:.0} ms; all the while {:.0} requests/s (the cap is {CAP}) with {} \
                 messages/s left; the vendor answers after {LATENCY_MS} ms and says when each request came{more}",
                self.answered_s.len(),
                self.seconds,
                ms(&self.answered_s, 0.5),
                slowest(&self.answered_s) * 1e3,
                ms(&self.called_s, 0.5),
                ms(&self.called_s, REACH_SHARE),
                slowest(&self.called_s) * 1e3,
                self.requests_per_second,
                grouped(self.messages_per_second),
            ),
            ..Row::default()
        }
    }
}

async fn run(bench: &Bench, vendor: &Vendor, serve: &Serving, token: &str) -> Result<Run> {
    let begun = async || Ok(Some(vendor.sums().await?).filter(|sums| sums.accepted > 0));
    until("the first ad to leave", BEGIN_MAX, begun).await?;
    pause(WARM_UP).await;
    let seconds = seconds(bench);
    let before = vendor.sums().await?;
    let calls = calls(&format!("http://{}/v1/messages", serve.address), token, seconds).await?;
    let after = vendor.sums().await?;
    let arrived = async || {
        pause(ARRIVED_LOOK).await;
        let entries = vendor.entries().await?;
        let wanted: HashMap<&str, usize> = calls.iter().enumerate().map(|(no, call)| (call.id.as_str(), no)).collect();
        let mut found: Vec<Option<u64>> = vec![None; calls.len()];
        for entry in entries.iter()? {
            if let Some(no) = wanted.get(entry.reference) {
                found[*no] = Some(entry.at_us);
            }
        }
        Ok(found.into_iter().collect::<Option<Vec<u64>>>())
    };
    let arrived = until("every auth message to arrive", ARRIVED_MAX, arrived).await?;
    let since = |from_ms: fn(&Called) -> i64| -> Vec<f64> {
        let spans = calls.iter().zip(&arrived).map(|(call, at_us)| *at_us as f64 / 1e6 - from_ms(call) as f64 / 1e3);
        spans.map(|span| span.max(0.0)).collect()
    };
    let per_second = |before: u64, after: u64| (after - before) as f64 / seconds as f64;
    Ok(Run {
        called_s: since(|call| call.called_ms),
        answered_s: since(|call| call.answered_ms),
        seconds,
        requests_per_second: per_second(before.requests, after.requests),
        messages_per_second: per_second(before.accepted, after.accepted),
    })
}

struct Called {
    called_ms: i64,
    answered_ms: i64,
    id: String,
}

#[derive(Deserialize)]
struct Accepted {
    id: String,
}

/// Calls for so long, each when it is due and whether the last one was answered or not.
async fn calls(url: &str, token: &str, seconds: u64) -> Result<Vec<Called>> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).tcp_nodelay(true).no_proxy();
    let client = client.build().map_err(|e| e.to_string())?;
    let mut due = tokio::time::interval(CALL_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut open = JoinSet::new();
    let count = seconds * 1_000 / CALL_EVERY.as_millis() as u64;
    for body in customers::auth_bodies(count, SEED) {
        due.tick().await;
        let request = client.post(url).bearer_auth(token).header(CONTENT_TYPE, "application/json").body(body);
        open.spawn(async move {
            let clock = SystemClock::shared();
            let called_ms = clock.now_ms();
            let answer = request.send().await?.error_for_status()?.json::<Accepted>().await?;
            Ok::<_, reqwest::Error>(Called { called_ms, answered_ms: clock.now_ms(), id: answer.id })
        });
    }
    let mut calls = Vec::new();
    while let Some(called) = open.join_next().await {
        calls.push(called.map_err(|e| e.to_string())?.map_err(|e| format!("an auth call: {e}"))?);
    }
    Ok(calls)
}
