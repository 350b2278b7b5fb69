//! Two instances on one PostgreSQL, each with a provider of its own whose cap it uses up.

use std::time::Duration;

use crate::Result;
use crate::cases::Bench;
use crate::customers;
use crate::house::{LANES, Lane};
use crate::pair::Pair;
use crate::report::Row;
use crate::wait::pause;

/// Of each provider.
pub const CAP: u32 = 300;
const REACH_SHARE: f64 = 0.99;
/// What a provider near by takes to answer.
const LATENCY_MS: &str = "50";
/// Where requests arrive, a second of starts may have shrunk by this: what a busy machine keeps one waiting on its way.
const ON_THE_WAY_MS: f64 = 50.0;
/// Before anything is counted: lanes that have only just started, a vendor's second that was.
const WARM_UP: Duration = Duration::from_secs(3);
/// For instances to start and to share, in the time of messages that leave meanwhile.
const SHARE_S: u64 = 20;
const SEED: u64 = 11;

pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let singles = run(bench, "one message a request", 1).await?;
    let batches = run(bench, "ten messages a request", 10).await?;
    Ok(vec![singles, batches])
}

async fn run(bench: &Bench, what: &str, batch_max: u32) -> Result<Row> {
    let (windows, window_s) = bench.pick((1, 10), (2, 60));
    let pair = working(bench, batch_max, windows * window_s).await?;
    let first = pair.share().await?;
    pause(WARM_UP).await;
    for vendor in &pair.vendors {
        vendor.empty().await?;
    }
    pause(Duration::from_secs(windows * window_s + 1)).await;
    let (mut lowest, mut tightest_ms, mut peak) = (f64::INFINITY, f64::INFINITY, 0);
    let mut told = Vec::new();
    for (no, vendor) in pair.vendors.iter().enumerate() {
        let (arrivals, sums) = (vendor.arrivals(0).await?, vendor.sums().await?);
        let shares = shares(&arrivals, windows, window_s);
        tightest_ms = tightest_ms.min(self::tightest_ms(&arrivals));
        lowest = shares.iter().copied().fold(lowest, f64::min);
        peak = peak.max(sums.peak);
        let shares: Vec<String> = shares.iter().map(|share| format!("{:.2} %", share * 100.0)).collect();
        let carrier = if no == first { "first" } else { "second" };
        told.push(format!(
            "lane `{}` carried by the {carrier} instance: {} of the cap in each {window_s} s, {} requests in any \
             sliding second at most, {} doubled",
            LANES[no].0,
            shares.join(" and "),
            sums.peak,
            sums.doubled,
        ));
    }
    if pair.share().await? != first {
        return Err("lanes moved while they were measured".to_owned());
    }
    let row = Row {
        what: format!("two instances on one PostgreSQL, two providers at {CAP} requests/s each, {what}"),
        figure: format!("{:.1} % of the cap, {peak} requests in any second at most", lowest * 100.0),
        reach: format!("{:.0} to 100 % of the cap, {}", REACH_SHARE * 100.0, cap_reach()),
        reached: Some(lowest >= REACH_SHARE && is_held(tightest_ms)),
        conditions: format!(
            "{}. {}. The vendors answer after {LATENCY_MS} ms; {}",
            told.join("; "),
            bunching(tightest_ms),
            pair.told(),
        ),
        ..Row::default()
    };
    pair.stop().await?;
    Ok(row)
}

/// Two instances that have begun with messages for `seconds` on both lanes.
pub async fn working(bench: &Bench, batch_max: u32, seconds: u64) -> Result<Pair> {
    let lane = Lane { batch_max: Some(batch_max), requests_per_second_max: Some(CAP), ..Lane::default() };
    let mut pair = Pair::new(bench, LANES.len(), &["--latency-ms", LATENCY_MS], &lane).await?;
    let rows = u64::from(CAP * batch_max) * (seconds + SHARE_S);
    let file = customers::file(bench.folder(), rows, SEED)?;
    for template in [customers::TEMPLATE, customers::TEMPLATE_BESIDE] {
        pair.house.send_as(template, &file, template, &[]).await?;
    }
    for no in 0..2 {
        pair.start(no).await?;
    }
    Ok(pair)
}

/// Milliseconds in which one request more than a second's arrived, at the least.
pub fn tightest_ms(arrivals: &[u64]) -> f64 {
    let spans = arrivals.windows(CAP as usize + 1).map(|some| (some[CAP as usize] - some[0]) as f64 / 1e3);
    spans.fold(f64::INFINITY, f64::min)
}

/// The cap as a reach.
pub fn cap_reach() -> String {
    format!("{CAP} in any second but for {ON_THE_WAY_MS:.0} ms on the way")
}

/// Whether arrivals are those of starts that kept to the cap.
pub fn is_held(tightest_ms: f64) -> bool {
    tightest_ms >= 1_000.0 - ON_THE_WAY_MS
}

/// What arrivals can tell of starts.
pub fn bunching(tightest_ms: f64) -> String {
    format!(
        "Counted where requests arrive, for naru keeps no list of its starts: on a busy machine they bunch on the way. \
         {} of them never came within less than {tightest_ms:.0} ms; naru starts no more than {CAP} in 1,005 ms",
        CAP + 1
    )
}

/// Of each window that begins with the first arrival, how much of the cap arrived in it.
fn shares(arrivals: &[u64], windows: u64, window_s: u64) -> Vec<f64> {
    let from = arrivals.first().copied().unwrap_or_default();
    let window_us = window_s * 1_000_000;
    let share = |no: u64| {
        let inside = |at: &&u64| (from + no * window_us..from + (no + 1) * window_us).contains(*at);
        arrivals.iter().filter(inside).count() as f64 / (u64::from(CAP) * window_s) as f64
    };
    (0..windows).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_what_arrived_of_what_may() {
        let all: Vec<u64> = (0..6_000).map(|n| 7 + n * 1_000_000 / u64::from(CAP)).collect();
        assert_eq!(shares(&all, 2, 10), [1.0, 1.0]);
        assert_eq!(shares(&all[..4_500], 2, 10), [1.0, 0.5]);
        assert_eq!(tightest_ms(&all), 1_000.0);
    }
}
