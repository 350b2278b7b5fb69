//! Receipts from the vendor by signed webhook: believed by their signature, acknowledged once they are stored.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use naru_core::failure::Failure;
use naru_dispatch::config::LaneConfig;
use naru_dispatch::provider::{Answer, Report, ReportEnd, Verdict};
use naru_dispatch::receipt::ReceiptSink;
use naru_provider::Config;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::house::{House, http, lane, messages, send};
use crate::vendors::{SandboxVendor, Vendor};

/// Stands where the engine does: keeps reports, or says that it cannot.
#[derive(Default)]
struct Sink {
    failures_left: AtomicUsize,
    reports: Mutex<Vec<(String, Report)>>,
}

impl ReceiptSink for Sink {
    fn take<'a>(&'a self, lane: &'a str, reports: Vec<Report>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            if self.failures_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            {
                return Err(Failure::unavailable("store-closed").retry_after(1));
            }
            self.reports.lock().unwrap().extend(reports.into_iter().map(|report| (lane.to_owned(), report)));
            Ok(())
        })
    }

    fn lane(&self, name: &str) -> Option<LaneConfig> {
        let mut keys = json!({ "provider": "sandbox", "channel": "sms", "url": "http://127.0.0.1:1" });
        match name {
            "signed" => keys["receipt_secret"] = json!({ "file": "secret" }),
            "unsigned" => {}
            "mail" => keys["provider"] = "smtp".into(),
            _ => return None,
        }
        Some(lane(&keys))
    }
}

struct Front {
    house: House,
    sink: Arc<Sink>,
    address: String,
}

async fn front() -> Front {
    let house = House::build(Config::default()).await;
    house.file("secret", "receipt-secret");
    let sink = Arc::new(Sink::default());
    house.ctx.offer::<dyn ReceiptSink>(sink.clone());
    let address = house.serve().await;
    Front { house, sink, address }
}

fn signature(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("x-sandbox-signature: sha256={hex}\r\n")
}

fn receipt(status: &str) -> Value {
    json!({ "ref": "r", "id": "i", "status": status, "code": "No Answer", "at_ms": 1_795_361_400_000_i64 })
}

impl Front {
    async fn post(&self, lane: &str, headers: &str, body: &str) -> (u16, Value) {
        let (status, body) = http(&self.address, "POST", &format!("/v1/receipts/{lane}"), headers, body).await;
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    async fn check(&self, lane: &str, headers: &str, body: &str, status: u16, code: &str) {
        let (found, answer) = self.post(lane, headers, body).await;
        assert_eq!(
            (found, answer["errors"][0]["code"].as_str()),
            (status, Some(code)),
            "{lane} {headers:?} {body:.80}"
        );
        assert!(answer["errors"][0]["detail"].is_string() && answer["errors"][0]["hint"].is_string(), "{answer}");
        assert!(self.sink.reports.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_is_not_signed_is_not_believed() {
    let front = front().await;
    let body = json!({ "receipts": [receipt("delivered")] }).to_string();
    let sound = signature("receipt-secret", &body);
    front.check("signed", "", &body, 401, "receipt-signature-wrong").await;
    front.check("signed", &signature("other", &body), &body, 401, "receipt-signature-wrong").await;
    front.check("signed", &sound, &(body.clone() + " "), 401, "receipt-signature-wrong").await;
    for broken in ["sha256=", "sha256=00", "sha256=zz", "sha256=0", "md5=00", "é"] {
        front
            .check("signed", &format!("x-sandbox-signature: {broken}\r\n"), &body, 401, "receipt-signature-wrong")
            .await;
    }
    for lane in ["unsigned", "mail", "nowhere"] {
        front.check(lane, &sound, &body, 404, "receipt-lane-unknown").await;
    }
    assert_eq!(front.post("signed", &sound, &body).await.0, 200);
    let (lane, report) = front.sink.reports.lock().unwrap()[0].clone();
    let expect = Report {
        reference: "r".to_owned(),
        end: ReportEnd::Delivered,
        code: "no-answer".to_owned(),
        at: 1_795_361_400_000,
    };
    assert_eq!((lane.as_str(), report), ("signed", expect));
}

#[tokio::test]
async fn a_call_holds_one_to_a_thousand_receipts() {
    let front = front().await;
    let list = |count: usize| json!({ "receipts": vec![receipt("failed"); count] }).to_string();
    let unknown = json!({ "receipts": [receipt("lost")] }).to_string();
    for body in ["", "{}", "[]", &list(0), &list(1_001), &unknown] {
        front.check("signed", &signature("receipt-secret", body), body, 400, "receipt-unreadable").await;
    }
    let large = " ".repeat(2_000_001);
    assert_eq!(front.post("signed", &signature("receipt-secret", &large), &large).await.0, 413);
    let full = list(1_000);
    assert_eq!(front.post("signed", &signature("receipt-secret", &full), &full).await.0, 200);
    assert_eq!(front.sink.reports.lock().unwrap().len(), 1_000);
}

#[tokio::test]
async fn a_receipt_is_acknowledged_once_it_is_stored_and_repeated_until_then() {
    let front = front().await;
    front.sink.failures_left.store(3, Ordering::Relaxed);
    let vendor = SandboxVendor::with(json!({
        "receipts_to": format!("http://{}/v1/receipts/signed", front.address),
        "receipts_secret": "receipt-secret",
        "receipts_delay_ms": "0..20",
        "receipts_per_call": 7,
        "fault": ["fail-receipt=20", "expire-receipt=20", "early-receipt=20"],
    }))
    .await;
    let provider = front.house.provider(&vendor.config(&front.house)).unwrap();
    let messages = messages(&front.house.ctx, (0..100).map(|n| vendor.address(n)));
    assert_eq!(send(&*provider, "key", &messages).await, Answer::Each(vec![Verdict::Taken; 100]));
    eventually("all receipts to be acknowledged", PATIENCE, async || {
        (vendor.summary().await["receipts"]["acknowledged"] == 100).then_some(())
    })
    .await;
    assert_eq!(front.sink.failures_left.load(Ordering::Relaxed), 0);

    let mut ends: BTreeMap<String, Vec<ReportEnd>> = BTreeMap::new();
    for (lane, report) in front.sink.reports.lock().unwrap().iter() {
        assert_eq!(lane, "signed");
        ends.entry(report.reference.clone()).or_default().push(report.end);
    }
    for message in &messages {
        assert_eq!(ends.remove(&message.id.to_string()).map(|ends| ends.len()), Some(1), "{}", message.id);
    }
    assert!(ends.is_empty(), "{ends:?}");
}
