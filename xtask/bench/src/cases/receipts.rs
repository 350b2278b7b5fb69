//! A provider that reports every message by itself, in any order, while the next campaign runs.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use sha2::Sha256;

use crate::Result;
use crate::bare;
use crate::cases::Bench;
use crate::customers;
use crate::disk;
use crate::house::{House, Lane};
use crate::load::{CALLERS, Extent, Load, post};
use crate::report::{Row, grouped};
use crate::vendor::{Entry, RECEIPT_SECRET, Vendor};
use crate::wait::until;

const REACH_PER_SECOND: f64 = 5_000.0;
/// The pace of the campaign that runs meanwhile.
const PACE_PER_SECOND: u32 = 10_000;
/// A merge is due every second; a backlog takes longer.
const MERGED_MAX: Duration = Duration::from_secs(120);
const APPENDS: u32 = 300;
const PATH: &str = "/v1/receipts/bench";

pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let reported = bench.pick(20_000, 100_000);
    let vendor = Vendor::start(bench, &[]).await?;
    let lane = Lane { receipts: true, messages_per_second_max: Some(PACE_PER_SECOND), ..Lane::default() };
    let house = House::new(bench, &vendor.url(), &lane)?;
    let serve = house.serve().await?;
    let first = house.send(&customers::file(bench.folder(), reported, 5)?, "reported", &[]).await?;
    serve.outcomes(&vendor, &first.campaign, reported).await?;
    let bodies = bodies(&vendor).await?;

    let (_bare, bare) = bare::start(bench, "bare").await?;
    let bare = post(load(bare, bodies.clone()), Extent::Once).await?.per_second();
    let flushed = CALLERS as f64 / disk::fdatasync_s(bench.folder(), APPENDS)?;

    // Large enough that it still runs when the last receipt is in.
    let rows = bench.pick(100_000, 400_000);
    house.send(&customers::file(bench.folder(), rows, 6)?, "meanwhile", &[]).await?;
    let (sent_before, used_before) = (vendor.sums().await?.accepted, serve.usage());
    let start = Instant::now();
    let answers = post(load(serve.address, bodies), Extent::Once).await?;
    let sent = vendor.sums().await?.accepted - sent_before;
    let used_s = serve.usage().cpu_s - used_before.cpu_s;
    let merged = async || Ok(Some(serve.account(&first.campaign).await?).filter(|it| it.delivered == reported));
    until("every receipt to be merged", MERGED_MAX, merged).await?;
    let merged_s = start.elapsed().as_secs_f64() - answers.took.as_secs_f64();
    serve.stop().await?;

    let (figure, ceiling) = (answers.per_second(), bare.min(flushed));
    Ok(vec![Row {
        what: "receipts one a call, random order, while a campaign runs".into(),
        figure: format!("{}/s", grouped(figure)),
        reach: format!("{}/s", grouped(REACH_PER_SECOND)),
        ceiling: format!("{}/s", grouped(ceiling)),
        ratio: Some(figure / ceiling),
        reached: Some(figure >= REACH_PER_SECOND && answers.bad == 0),
        conditions: format!(
            "{} signed receipts for {} frames from {CALLERS} callers, each on the disk before its answer, while {} \
             messages/s went out (the lane allows {}); {} refused; {:.0} µs of serve's processor a receipt, the \
             campaign's included; answered within {:.1} ms for 99 %; the last one merged {merged_s:.1} s later. \
             Ceiling: the lower of a bare axum handler ({}/s) and 64 ÷ the time of an fdatasync ({}/s)",
            grouped(reported as f64),
            grouped(reported as f64 / 1_000.0),
            grouped(sent as f64 / answers.took.as_secs_f64()),
            grouped(f64::from(PACE_PER_SECOND)),
            answers.bad,
            used_s / reported as f64 * 1e6,
            answers.within_ms(0.99),
            grouped(bare),
            grouped(flushed),
        ),
    }])
}

/// One signed call a message that the vendor has taken, in no order.
async fn bodies(vendor: &Vendor) -> Result<Vec<(Bytes, HeaderMap)>> {
    let entries = vendor.entries().await?;
    let entries = entries.iter()?;
    // Mixed by a hash of their place: the same each time, and neighbours end far apart.
    let mut places: Vec<usize> = (0..entries.len()).collect();
    places.sort_by_key(|place| (*place as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let signed = places.into_iter().map(|place| receipt(&entries[place]));
    signed.collect()
}

fn receipt(entry: &Entry<'_>) -> Result<(Bytes, HeaderMap)> {
    let Entry { reference, id, at_us, .. } = entry;
    let one = json!({ "ref": reference, "id": id, "status": "delivered", "code": "ok", "at_ms": *at_us / 1_000 });
    let body = json!({ "receipts": [one] }).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(RECEIPT_SECRET.as_bytes()).map_err(|e| e.to_string())?;
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = HeaderValue::from_str(&format!("sha256={hex}")).map_err(|e| e.to_string())?;
    let headers = HeaderMap::from_iter([(HeaderName::from_static("x-sandbox-signature"), signature)]);
    Ok((body.into(), headers))
}

fn load(address: std::net::SocketAddr, bodies: Vec<(Bytes, HeaderMap)>) -> Load {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    Load { address, path: PATH.to_owned(), headers, bodies, unique: None }
}
