//! A campaign at each level that can find out what is unknown, through a vendor that loses answers and a `serve` that is
//! killed: every message is taken once, in order, and nothing is left unknown.

use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::Value;

use crate::campaign::{Vendor, check_ledger, finished, two_rows_a_customer};
use crate::house::{House, http};

const ROWS: usize = 300;

/// Together they hit three requests in ten after what was asked is done, each step of a group by itself.
const FAULTS: [&str; 8] =
    ["--fault", "fail-after-accept=12", "--fault", "reset-after-accept=12", "--fault", "slow=12", "--slow-ms", "4000"];

async fn carry(level: &str) {
    let house = House::new();
    let vendor = Vendor::start(&house, &[&FAULTS[..], &["--level", level]].concat()).await;
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    let keys = "batch_max = 10\ntimeout_ms = 1000\nattempts_max = 30\nretry_base_ms = 10\nretry_max_ms = 50";
    let config = config.replace("in_flight_max = 32", keys);
    assert!(config.contains(keys), "{config}");
    house.write("naru.toml", &format!("{config}\n[provider]\nsandbox_level = \"{level}\"\n"));
    let (file, known) = two_rows_a_customer(ROWS);
    house.write("c.csv", &file);
    house.done(&["template", "push", "templates"]);
    house.done(&["send", "--template", "shipped", "--to", "c.csv", "--name", "faults"]);
    let mut serve = house.serve().await;
    eventually("a part of the campaign to be sent", PATIENCE, async || {
        (vendor.entries().await.len() >= ROWS / 5).then_some(())
    })
    .await;
    serve.process.kill();
    let serve = house.serve().await;
    let account = finished(&house, "faults").await["account"].clone();
    assert_eq!((account["sent"].as_u64(), account["unknown"].as_u64()), (Some(ROWS as u64), Some(0)), "{account}");
    check_ledger(&vendor.entries().await, &known, ROWS);
    let ledger = http().get(format!("{}/ledger", vendor.url)).send().await.unwrap().text().await.unwrap();
    let ledger: Value = serde_json::from_str(&ledger).unwrap();
    assert_eq!(ledger["doubled"], 0, "{ledger}");
    house.done(&["audit"]);
    serve.stop().await;
}

#[tokio::test]
async fn at_level_two_phase_every_message_is_taken_once() {
    carry("two-phase").await;
}

#[tokio::test]
async fn at_level_key_every_message_is_taken_once() {
    carry("key").await;
}

#[tokio::test]
async fn at_level_lookup_every_message_is_taken_once() {
    carry("lookup").await;
}
