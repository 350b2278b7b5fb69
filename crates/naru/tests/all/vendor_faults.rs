//! Everything that a message vendor can do wrong, each by itself in three of ten cases and then all of it together: the
//! vendor's ledger joined with naru's account.

use std::collections::HashMap;

use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::Value;

use crate::campaign::{Vendor, two_rows_a_customer};
use crate::house::{House, http};

const ROWS: usize = 300;

/// Makes a test of each fault by itself.
macro_rules! alone {
    ($($name:ident: $fault:literal, $seen:expr;)*) => {
        $(#[tokio::test]
        async fn $name() {
            let seen: fn(&Told) -> u64 = $seen;
            let told = carry("key", &[concat!($fault, "=30").to_owned()]).await;
            assert!(seen(&told) > 0, "{} is not to be seen: {told:?}", $fault);
        })*

        /// All of them, three of ten cases in all.
        fn all() -> Vec<String> {
            let faults = [$($fault),*];
            let share = 30.0 / faults.len() as f64;
            faults.iter().map(|fault| format!("{fault}={share:.2}")).collect()
        }
    };
}

// A fault, and where it is seen.
alone! {
    throttled: "throttle", |told| told.requests("throttled");
    throttled_without_a_time: "throttle-bare", |told| told.requests("throttled");
    failed_before_anything_was_taken: "fail-before-accept", |told| told.requests("unknown");
    failed_after_all_was_taken: "fail-after-accept", |told| told.requests("unknown");
    cut_off_after_all_was_taken: "reset-after-accept", |told| told.requests("unknown");
    answered_too_late: "slow", |told| told.requests("unknown");
    told_to_come_again: "busy", |told| number(&told.ledger["messages"]["busy"]);
    refused_for_good: "refuse", |told| told.account("failed");
    never_reported: "lose-receipt", |told| told.account("sent");
    reported_twice: "double-receipt", |told| number(&told.ledger["receipts"]["doubled"]);
    reported_before_it_was_answered: "early-receipt", |told| told.account("delivered");
    reported_in_any_order: "shuffle-receipts", |told| told.account("delivered");
    reported_as_failed: "fail-receipt", |told| told.account("failed");
    reported_as_expired: "expire-receipt", |told| told.account("expired");
}

#[tokio::test]
async fn all_together_at_level_key() {
    carry("key", &all()).await;
}

#[tokio::test]
async fn all_together_at_level_lookup() {
    carry("lookup", &all()).await;
}

#[tokio::test]
async fn all_together_at_level_two_phase() {
    carry("two-phase", &all()).await;
}

#[tokio::test]
async fn all_together_at_level_none() {
    carry("none", &all()).await;
}

/// What both sides say when all is at rest.
#[derive(Debug)]
struct Told {
    account: Value,
    ledger: Value,
    metrics: String,
}

impl Told {
    fn account(&self, term: &str) -> u64 {
        number(&self.account[term])
    }

    /// Requests that ended so.
    fn requests(&self, end: &str) -> u64 {
        let series = format!("naru_lane_requests_total{{lane=\"sandbox\",end=\"{end}\"}} ");
        self.metrics.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// Carries a campaign through `faults` and joins both accounts when all is at rest.
async fn carry(level: &str, faults: &[String]) -> Told {
    let house = House::new();
    // The vendor has to know where naru will be.
    let port = naru_testkit::port::free();
    let receipts = format!("http://127.0.0.1:{port}/v1/receipts/sandbox");
    let mut args = vec!["--level", level, "--slow-ms", "1200", "--receipts-delay-ms", "10..100"];
    args.extend(["--receipts-to", &receipts, "--receipts-secret", "sandbox"]);
    args.extend(faults.iter().flat_map(|fault| ["--fault", fault]));
    let vendor = Vendor::start(&house, &args).await;
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    let keys = "batch_max = 10\ntimeout_ms = 600\nattempts_max = 40\nretry_base_ms = 10\nretry_max_ms = 50";
    let config = config.replace("in_flight_max = 32", keys).replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    assert!(config.contains(keys), "{config}");
    house.write("naru.toml", &format!("{config}\n[provider]\nsandbox_level = \"{level}\"\n"));
    let (file, known) = two_rows_a_customer(ROWS);
    house.write("c.csv", &file);
    house.done(&["template", "push", "templates"]);
    house.done(&["send", "--template", "shipped", "--to", "c.csv", "--name", "faults"]);
    let serve = house.serve().await;
    let ask = async |url: String| http().get(url).send().await.unwrap().text().await.unwrap();
    let (account, ledger) = eventually(&format!("rest at {level} with {faults:?}"), PATIENCE * 2, async || {
        let shown: Value = serde_json::from_str(&house.done(&["campaign", "show", "faults", "--json"])).unwrap();
        let ledger: Value = serde_json::from_str(&ask(format!("{}/ledger", vendor.url)).await).unwrap();
        let receipts = &ledger["receipts"];
        // Without its receipt stays only what the vendor never reports.
        let all_told = number(&shown["account"]["sent"]) <= number(&receipts["lost"]);
        (shown["done"] == true && receipts["waiting"] == 0 && all_told).then(|| (shown["account"].clone(), ledger))
    })
    .await;
    let told = Told { account, ledger, metrics: ask(format!("{}/metrics", serve.url)).await };
    join(level, &told, &vendor.entries().await, &known);
    house.done(&["audit"]);
    let log = serve.process.errors();
    assert!(!log.contains("panicked"), "{log}");
    serve.stop().await;
    told
}

/// Nothing is lost, nothing is taken twice where the level can prevent it, each customer's order is kept, and naru counts
/// what the vendor did.
fn join(level: &str, told: &Told, entries: &[Value], known: &HashMap<String, (usize, usize)>) {
    let mut last: HashMap<usize, usize> = HashMap::new();
    let mut taken: HashMap<usize, usize> = HashMap::new();
    for entry in entries {
        let (row, customer) = known[entry["to"].as_str().unwrap()];
        *taken.entry(row).or_default() += 1;
        if let Some(before) = last.insert(customer, row) {
            let in_order = if level == "none" { before <= row } else { before < row };
            assert!(in_order, "customer {customer}: row {row} came after row {before}");
        }
    }
    let account = |term: &str| told.account(term);
    assert_eq!((account("accepted"), account("unknown")), (ROWS as u64, 0), "{told:?}");
    let ended = ["sent", "delivered", "failed", "expired"].map(account).iter().sum::<u64>();
    assert_eq!(ended, ROWS as u64, "{told:?}");
    let refused = (ROWS - taken.len()) as u64;
    assert!(refused == 0 || number(&told.ledger["messages"]["refused"]) > 0, "lost: {told:?}");
    assert!(refused <= account("failed"), "what was not taken has failed: {told:?}");
    if level != "none" {
        assert_eq!((&told.ledger["doubled"], entries.len()), (&0.into(), taken.len()), "taken twice: {told:?}");
        assert_eq!(account("sent"), number(&told.ledger["receipts"]["lost"]), "{told:?}");
    }
}
