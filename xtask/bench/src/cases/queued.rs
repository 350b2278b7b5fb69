//! A day's messages, queued: what they cost on disk and in memory, how soon the first leaves after a restart, and how
//! fast the console is over them.

use std::time::{Duration, Instant};

use naru_campaign::file::generate::Customers;
use naru_core::clock::SystemClock;
use serde_json::json;

use crate::Result;
use crate::cases::{Bench, NOBODY, console};
use crate::customers;
use crate::house::{House, Lane, Serving};
use crate::process;
use crate::report::{Row, grouped, median, megabytes, slowest};
use crate::vendor::Vendor;
use crate::wait::{pause, until};

const REACH_BYTES: u64 = 200_000_000;
const REACH_BYTES_PER_MESSAGE: f64 = 80.0;
const REACH_FIRST_S: f64 = 2.0;
const REACH_FIND_S: f64 = 0.05;
pub const FILE_ROWS: u64 = 1_000_000;
const LOOK_UPS: usize = 20;
const FIRST_MAX: Duration = Duration::from_secs(60);
/// The pace after the first restart: the shop's peak.
const PACE_PER_SECOND: u32 = 833;

pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let files = bench.pick(1, 13);
    let messages = files * FILE_ROWS;
    let house = House::new(bench, NOBODY, &Lane::default())?;
    fill(bench, &house, customers::TEMPLATE, files).await?;
    let bytes_per_message = house.store_bytes() as f64 / messages as f64;

    // The shop's pace, so that look-ups and memory are those of a day like any other.
    let paced = Lane { messages_per_second_max: Some(PACE_PER_SECOND), ..Lane::default() };
    let vendor = Vendor::start(bench, &[]).await?;
    house.configure(&[vendor.url()], &paced)?;
    let (serve, first_s) = first_send(&house, &vendor).await?;
    pause(Duration::from_secs(bench.pick(3, 10))).await;
    let paced_bytes = serve.usage().peak_bytes;
    let found = look_up(&house, &serve).await?;
    let pages = console::pages(bench, &house, &serve, messages as f64).await;
    serve.kill();
    vendor.empty().await?;
    // Killed and started at once: the last second's requests still count for the vendor, and naru waits for them.
    let (serve, again_s) = first_send(&house, &vendor).await?;
    serve.stop().await?;

    vendor.empty().await?;
    house.configure(&[vendor.url()], &Lane::default())?;
    let (serve, _) = first_send(&house, &vendor).await?;
    let unpaced = Instant::now();
    pause(Duration::from_secs(bench.pick(3, 15))).await;
    let (sent, unpaced_s) = (vendor.sums().await?.accepted, unpaced.elapsed().as_secs_f64());
    let unpaced_bytes = serve.usage().peak_bytes;
    serve.stop().await?;

    let row = |what: &str, figure: String, reach: String, reached: bool, conditions: String| Row {
        what: format!("{} queued: {what}", grouped(messages as f64)),
        figure,
        reach,
        reached: Some(reached),
        conditions,
        ..Row::default()
    };
    let peak_bytes = paced_bytes.max(unpaced_bytes);
    let first = first_s.max(again_s);
    Ok(vec![
        row(
            "resident",
            megabytes(peak_bytes),
            megabytes(REACH_BYTES),
            peak_bytes <= REACH_BYTES,
            format!(
                "at most since the restart: {} at {PACE_PER_SECOND} messages/s, {} at full speed ({} messages/s for \
                 {unpaced_s:.0} s in batches of 1,000)",
                megabytes(paced_bytes),
                megabytes(unpaced_bytes),
                grouped(sent as f64 / unpaced_s),
            ),
        ),
        row(
            "on disk",
            format!("{bytes_per_message:.1} bytes a message"),
            format!("{REACH_BYTES_PER_MESSAGE:.0} bytes a message"),
            bytes_per_message <= REACH_BYTES_PER_MESSAGE,
            format!("database and log, {files} files of a million rows, nothing sent yet"),
        ),
        row(
            "first send after a restart",
            format!("{first:.2} s"),
            format!("{REACH_FIRST_S} s"),
            first <= REACH_FIRST_S,
            format!(
                "from the start of `naru serve` to the first request at the vendor: {first_s:.2} s after a night, \
                 {again_s:.2} s when killed in full work and started at once (nothing leaves in the first 1.5 s after \
                 the last stored mark)"
            ),
        ),
        row(
            "`message find --to`",
            format!("{:.0} ms", found.command_s * 1e3),
            format!("{:.0} ms", REACH_FIND_S * 1e3),
            found.command_s < REACH_FIND_S,
            format!(
                "the whole command, median of {LOOK_UPS} (slowest {:.0} ms), while messages leave; an address whose \
                 only message is in the oldest frames, so that every frame is looked at; over the socket alone {:.0} ms",
                found.slowest_s * 1e3,
                found.socket_s * 1e3
            ),
        ),
        pages.unwrap_or_else(|e| Row::not_run("the console's pages", &e)),
    ])
}

/// Takes in `files` of a million rows each, their seeds from 1 on, while nothing leaves.
pub async fn fill(bench: &Bench, house: &House, template: &str, files: u64) -> Result<()> {
    for seed in 1..=files {
        let file = customers::file(bench.folder(), FILE_ROWS, seed)?;
        let sent = house.send_as(template, &file, &format!("queued {seed}"), &[]).await?;
        if sent.accepted != FILE_ROWS {
            return Err(format!("{} of {FILE_ROWS} rows were accepted", sent.accepted));
        }
        std::fs::remove_file(file).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Starts `serve` and measures until the vendor has its first request.
async fn first_send(house: &House, vendor: &Vendor) -> Result<(Serving, f64)> {
    let clock = SystemClock::shared();
    let start_ms = clock.now_ms();
    let serve = house.serve().await?;
    let first_us = until("the first request", FIRST_MAX, async || vendor.first_at_us().await).await?;
    Ok((serve, first_us as f64 / 1e6 - start_ms as f64 / 1e3))
}

struct Found {
    command_s: f64,
    slowest_s: f64,
    socket_s: f64,
}

/// Looks for messages of the file that was taken in first.
async fn look_up(house: &House, serve: &Serving) -> Result<Found> {
    let (mut commands, mut calls) = (vec![], vec![]);
    for customer in Customers::new(FILE_ROWS, 1).take(LOOK_UPS) {
        let (printed, took) = process::run(house.naru(&["message", "find", "--to"]).arg(&customer.to))?;
        if !printed.contains("\"id\"") {
            return Err(format!("a message was not found: {printed}"));
        }
        commands.push(took.as_secs_f64());
        let start = Instant::now();
        serve.say("message find", json!({ "to": customer.to })).await?;
        calls.push(start.elapsed().as_secs_f64());
    }
    let slowest_s = slowest(&commands);
    Ok(Found { command_s: median(commands), slowest_s, socket_s: median(calls) })
}
