//! The ledger: what it says, how it is read, and how a sandbox is started wrongly.

use std::sync::Arc;

use naru_core::clock::SystemClock;
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use naru_core::masked::Secret;
use naru_core::text::{Lang, Texts};
use naru_sandbox::flag::Level;
use naru_sandbox::{Options, TEXTS, start};
use serde_json::{Value, json};

use crate::kit::{Kit, PATIENCE, batch, single};

#[tokio::test]
async fn an_untouched_ledger_says_nothing_happened() {
    let kit = Kit::start(Options::default()).await;
    let expect = json!({
        "requests": 0,
        "in_flight_peak": 0,
        "messages": { "accepted": 0, "busy": 0, "refused": 0 },
        "throttled": 0,
        "doubled": 0,
        "requests_per_second_peak": 0,
        "messages_per_second_peak": 0,
        "receipts": { "sent": 0, "lost": 0, "acknowledged": 0, "doubled": 0, "waiting": 0 },
    });
    assert_eq!(kit.ledger().await, expect);
    kit.post("/v1/batches", &batch("k", &["a", "b"])).await;
    assert_ne!(kit.ledger().await, expect);
    assert_eq!(kit.call("DELETE", "/ledger", &Value::Null).await.status, 200);
    assert_eq!(kit.ledger().await, expect);
    assert!(kit.accepted().await.is_empty());
    assert_eq!(kit.get("/v1/lookup?ref=a").await.json(), json!({ "found": false }));
}

#[tokio::test]
async fn many_callers_at_once_lose_nothing_and_keep_their_own_order() {
    let kit = Arc::new(Kit::start(Options::default()).await);
    let callers: Vec<_> = (0..16)
        .map(|caller| {
            let shared = kit.clone();
            kit.lifecycle.spawn("test caller", async move {
                for n in 0..50 {
                    let (path, body) = match n % 2 {
                        0 => ("/v1/messages", single(&format!("{caller}/{n}"), &format!("{caller}/{n}"))),
                        _ => {
                            let [a, b] = ["a", "b"].map(|part| format!("{caller}/{n}{part}"));
                            ("/v1/batches", batch(&a, &[&a, &b]))
                        }
                    };
                    assert_eq!(shared.post(path, &body).await.status, 200);
                }
            })
        })
        .collect();
    for caller in callers {
        tokio::time::timeout(PATIENCE, caller).await.expect("in time").unwrap();
    }
    let accepted = kit.accepted().await;
    assert_eq!(accepted.len(), 16 * 75);
    for caller in 0..16 {
        let prefix = format!("{caller}/");
        let own: Vec<&str> = accepted.iter().filter_map(|reference| reference.strip_prefix(&prefix)).collect();
        let expect = (0..50)
            .flat_map(|n| if n % 2 == 0 { vec![format!("{n}")] } else { vec![format!("{n}a"), format!("{n}b")] });
        assert_eq!(own, expect.collect::<Vec<_>>());
    }
    let ledger = kit.ledger().await;
    assert_eq!((&ledger["requests"], &ledger["messages"]["accepted"]), (&json!(800), &json!(1_200)));
    assert_eq!(ledger["doubled"], 0);
    assert!(ledger["in_flight_peak"].as_u64().unwrap() <= 16);
}

#[tokio::test]
async fn entries_are_read_by_the_page_or_all_at_once() {
    let kit = Kit::start(Options::default()).await;
    for call in 0..3 {
        let references: Vec<String> = (0..300).map(|n| format!("{call}-{n}")).collect();
        let references: Vec<&str> = references.iter().map(String::as_str).collect();
        kit.post("/v1/batches", &batch(&call.to_string(), &references)).await;
    }
    let read = async |query: &str| -> Vec<Value> {
        let answer = kit.get(&format!("/ledger/entries{query}")).await;
        assert_eq!(answer.headers["content-type"], "application/x-ndjson");
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = read("").await;
    assert_eq!(all.len(), 900);
    assert!(all.iter().enumerate().all(|(n, entry)| entry["n"] == n && entry["request"] == n / 300));
    assert!(all.iter().zip(&all[1..]).all(|(one, next)| one["at_us"].as_u64() <= next["at_us"].as_u64()));
    assert_eq!(read("?from=10&limit=5").await, all[10..15]);
    assert_eq!(read("?from=890&limit=500").await, all[890..]);
    assert_eq!(read("?limit=0").await, all[..0]);
    assert_eq!(read("?from=900").await, all[..0]);
    assert_eq!(kit.get("/ledger/entries?from=x").await.brief(), "400 bad-request");
}

/// Checks the failure's code, and that both languages say something of their own about it.
fn check(failure: &Failure, expect: &str) {
    assert_eq!(failure.code, expect);
    let texts = Texts::new(&[TEXTS]).unwrap();
    for lang in Lang::ALL {
        let detail = texts.detail(lang, failure);
        let hint = texts.hint(lang, failure).unwrap_or_else(|| panic!("{expect} has no hint in {lang}"));
        for text in [detail, hint] {
            assert!(!text.contains(['{', '}']) && text != failure.to_string(), "{expect} in {lang}: {text}");
        }
    }
}

#[tokio::test]
async fn a_sandbox_that_cannot_start_says_why() {
    let start = async |options: Options| {
        let started = start(options, Lifecycle::default(), SystemClock::shared()).await;
        started.err().expect("it does not start")
    };
    let url = Some("http://127.0.0.1:1/receipts".to_owned());
    let secret = Some(Secret::new("s"));
    let taken = Kit::start(Options::default()).await;
    check(&start(Options { listen: taken.address, ..Options::default() }).await, "sandbox-listen");
    check(&start(Options { receipts_to: url.clone(), ..Options::default() }).await, "sandbox-receipts-secret");
    check(&start(Options { receipts_secret: secret.clone(), ..Options::default() }).await, "sandbox-receipts-to");
    for wrong in ["https://127.0.0.1/receipts", "/receipts", "nonsense at all"] {
        let options =
            Options { receipts_to: Some(wrong.to_owned()), receipts_secret: secret.clone(), ..Options::default() };
        check(&start(options).await, "sandbox-url");
    }
    for receipts_per_call in [0, 1_001] {
        let (receipts_to, receipts_secret) = (url.clone(), secret.clone());
        let options = Options { receipts_to, receipts_secret, receipts_per_call, ..Options::default() };
        check(&start(options).await, "sandbox-receipts-per-call");
    }
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read_says_why() {
    let ledger = async |url: &str| naru_sandbox::ledger(url).await.expect_err("it cannot be read");
    check(&ledger("nonsense").await, "sandbox-url");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unreachable = ledger(&format!("http://{closed}")).await;
    check(&unreachable, "sandbox-unreachable");
    assert!(!unreachable.causes.is_empty());
    let kit = Kit::start(Options::default()).await;
    check(&ledger(&format!("{}/v1", kit.url)).await, "sandbox-answer");
    assert!(naru_sandbox::ledger(&format!("{}/", kit.url)).await.is_ok());
}

#[tokio::test]
async fn a_ledger_file_brings_back_what_a_killed_sandbox_knew() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        level: Level::TwoPhase,
        ledger_file: Some(folder.path().join("ledger")),
        requests_per_second: Some(100),
        ..Options::default()
    };
    let kit = Kit::start(options.clone()).await;
    let sent = kit.post("/v1/batches", &batch("k1", &["r1", "r2"])).await;
    let group = kit.post("/v1/groups", &batch("g1", &["r3"])).await.json()["group"].as_str().unwrap().to_owned();
    let open = kit.post("/v1/groups", &batch("g2", &["r4"])).await.json()["group"].as_str().unwrap().to_owned();
    let answer = kit.call("POST", &format!("/v1/groups/{group}/send"), &Value::Null).await;
    let entries = kit.get("/ledger/entries").await.text;
    let peak = async |kit: &Kit| kit.ledger().await["requests_per_second_peak"].as_u64().unwrap();
    let before = peak(&kit).await;
    drop(kit);
    // A call that was cut off while it was written was never answered.
    let mut file = std::fs::OpenOptions::new().append(true).open(folder.path().join("ledger")).unwrap();
    std::io::Write::write_all(&mut file, br#"{"sent":[{"at":99"#).unwrap();

    for _ in 0..2 {
        let kit = Kit::start(options.clone()).await;
        assert_eq!(kit.get("/ledger/entries").await.text, entries);
        assert!(before > 0 && peak(&kit).await >= before);
        assert_eq!(kit.post("/v1/batches", &batch("k1", &["r1", "r2"])).await.text, sent.text);
        assert_eq!(kit.call("POST", &format!("/v1/groups/{group}/send"), &Value::Null).await.text, answer.text);
        assert_eq!(kit.get(&format!("/v1/groups/{open}")).await.json()["state"], "open");
        assert_eq!(kit.accepted().await, ["r1", "r2", "r3"], "what is repeated is not taken again");
    }
    let kit = Kit::start(options.clone()).await;
    kit.call("DELETE", "/ledger", &Value::Null).await;
    drop(kit);
    assert!(Kit::start(options).await.accepted().await.is_empty(), "what was forgotten stays so");
}
