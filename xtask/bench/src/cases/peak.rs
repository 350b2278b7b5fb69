//! The shop's peak: 50,000 messages a minute, and what is left of the machine meanwhile.

use std::time::Duration;

use crate::Result;
use crate::cases::Bench;
use crate::customers;
use crate::house::{House, Lane};
use crate::report::{Row, megabytes};
use crate::vendor::Vendor;
use crate::wait::until;

/// 50,000 a minute.
const PER_SECOND: u32 = 833;
const REACH_CORES: f64 = 0.2;
const REACH_BYTES: u64 = 100_000_000;
/// What a vendor near by takes to answer.
const LATENCY_MS: &str = "50";
/// For the first message to leave.
const BEGIN_MAX: Duration = Duration::from_secs(30);

pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let batches = run(bench, "the shop's peak, 50,000/min, in batches", None).await?;
    let singles = run(bench, "the shop's peak, 50,000/min, one message a request", Some(1)).await?;
    Ok(vec![batches, singles])
}

async fn run(bench: &Bench, what: &str, batch_max: Option<u32>) -> Result<Row> {
    let seconds = bench.pick(15, 60);
    // A few seconds more than are measured.
    let rows = u64::from(PER_SECOND) * (seconds + 10);
    let file = customers::file(bench.folder(), rows, 7)?;
    let vendor = Vendor::start(bench, &["--latency-ms", LATENCY_MS]).await?;
    let lane =
        Lane { batch_max, in_flight_max: Some(128), messages_per_second_max: Some(PER_SECOND), ..Lane::default() };
    let house = House::new(bench, &vendor.url(), &lane)?;
    let serve = house.serve().await?;
    house.send(&file, "peak", &[]).await?;
    let begun = async || Ok(Some(vendor.sums().await?).filter(|sums| sums.accepted > 0));
    let before = until("the first message to leave", BEGIN_MAX, begun).await?;
    let (cores, peak_bytes) = serve.cores_during(Duration::from_secs(seconds)).await;
    let after = vendor.sums().await?;
    let pace = (after.accepted - before.accepted) as f64 / seconds as f64;
    let requests = (after.requests - before.requests) as f64 / seconds as f64;
    let resident = serve.usage().resident_bytes;
    serve.stop().await?;
    Ok(Row {
        what: what.to_owned(),
        figure: format!("{cores:.3} of a core, {} resident", megabytes(peak_bytes)),
        reach: format!("{REACH_CORES} of a core, {}", megabytes(REACH_BYTES)),
        reached: Some(cores < REACH_CORES && peak_bytes < REACH_BYTES && pace > f64::from(PER_SECOND) * 0.97),
        conditions: format!(
            "over {seconds} s: {pace:.0} messages/s in {requests:.1} requests/s, outcomes stored; the vendor answers \
             after {LATENCY_MS} ms; resident at most since the start, the intake of the file included ({} at the end)",
            megabytes(resident),
        ),
        ..Row::default()
    })
}
