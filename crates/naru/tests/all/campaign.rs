//! A campaign from a file to its account, through real processes: the vendor's ledger joined with naru's.

use std::collections::HashMap;
use std::fmt::Write;

use naru_testkit::process::Process;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::browser::Browser;
use crate::house::{House, Serve, http, text};

/// A running `naru sandbox`.
pub struct Vendor {
    _process: Process,
    pub url: String,
}

impl Vendor {
    pub async fn start(house: &House, args: &[&str]) -> Vendor {
        let all: Vec<&str> = ["sandbox", "--listen", "127.0.0.1:0"].iter().chain(args).copied().collect();
        let mut process = Process::start(&mut house.command(&all));
        let line = process.line_with("http://").await;
        let from = line.find("http://").unwrap();
        let url = line[from..].split(['.', ' ']).take(4).collect::<Vec<_>>().join(".");
        let vendor = Vendor { url: url.trim_end_matches('.').to_owned(), _process: process };
        let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
        house.write("naru.toml", &config.replace("http://127.0.0.1:7071", &vendor.url));
        vendor
    }

    /// Everything it accepted, in the order in which it came.
    pub async fn entries(&self) -> Vec<Value> {
        let url = format!("{}/ledger/entries?from=0&limit=1000000", self.url);
        let body = http().get(url).send().await.unwrap().text().await.unwrap();
        body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Customers of whom one in ten has 3 to 20 rows: the vendor sees an address and not a customer, so the number of the
/// row stands in the text's place, the address.
fn customers(rows: usize) -> (String, HashMap<String, (usize, usize)>) {
    let mut order = Vec::with_capacity(rows);
    for customer in 0..rows {
        let count = if customer % 10 == 0 { 3 + customer / 10 % 18 } else { 1 };
        // Scattered over the file, so that they stand in several frames.
        order.extend((0..count).map(|nth| (customer + nth * rows / 20, customer)));
    }
    order.sort_unstable();
    order.truncate(rows);
    let mut text = "휴대폰,고객번호,name,order\r\n".to_owned();
    let mut known = HashMap::new();
    for (row, (_, customer)) in order.into_iter().enumerate() {
        write!(text, "010-{:04}-{:04},C{customer},김민서,A-{row}\r\n", row / 10_000, row % 10_000).unwrap();
        known.insert(format!("010{row:08}"), (row, customer));
    }
    (text, known)
}

fn campaign(house: &House, name: &str) -> Value {
    serde_json::from_str(&house.done(&["campaign", "show", name, "--json"])).unwrap()
}

pub async fn finished(house: &House, name: &str) -> Value {
    eventually(&format!("campaign {name} to be done"), PATIENCE * 2, async || {
        let shown = campaign(house, name);
        (shown["done"] == true).then_some(shown)
    })
    .await
}

/// A file of two rows a customer, and for each address its row and its customer. An answer that was lost holds the second
/// back, and many such in a row would take their time.
pub fn two_rows_a_customer(rows: usize) -> (String, HashMap<String, (usize, usize)>) {
    let mut text = "휴대폰,고객번호,name,order\r\n".to_owned();
    let mut known = HashMap::new();
    for row in 0..rows {
        let customer = row % (rows / 2);
        write!(text, "010{row:08},C{customer},김민서,A-{row}\r\n").unwrap();
        known.insert(format!("010{row:08}"), (row, customer));
    }
    (text, known)
}

/// Each address once, and per customer in the order of the file.
pub fn check_ledger(entries: &[Value], known: &HashMap<String, (usize, usize)>, accepted: usize) {
    assert_eq!(entries.len(), accepted, "the vendor took each message once");
    let mut last: HashMap<usize, usize> = HashMap::new();
    for entry in entries {
        let (row, customer) = known[entry["to"].as_str().unwrap()];
        if let Some(before) = last.insert(customer, row) {
            assert!(before < row, "customer {customer}: row {row} came after row {before}");
        }
    }
}

#[tokio::test]
async fn a_cp949_file_is_carried_in_order_through_faults_and_balances() {
    const ROWS: usize = 6_000;
    let house = House::new();
    let vendor = Vendor::start(&house, &["--fault", "busy=5", "--fault", "throttle=3"]).await;
    let (file, known) = customers(ROWS);
    let (cp949, _, unmappable) = encoding_rs::EUC_KR.encode(&file);
    assert!(!unmappable);
    std::fs::write(house.path("c.csv"), &cp949).unwrap();
    let serve = house.serve().await;
    house.done(&["template", "push", "templates"]);
    let sent = house.done(&["send", "--template", "shipped", "--to", "c.csv", "--name", "fall", "--json"]);
    let sent: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!((&sent["accepted"], &sent["refused"]), (&json!(ROWS), &json!(0)));
    let shown = finished(&house, "fall").await;
    assert_eq!(shown["account"]["sent"], ROWS);
    check_ledger(&vendor.entries().await, &known, ROWS);
    house.done(&["audit"]);
    let (code, again) = house.refused(&["send", "--template", "shipped", "--to", "c.csv", "--name", "fall"]);
    assert_eq!(code, 1);
    assert!(again.starts_with("error: This file was taken in before: campaign fall, 6000 messages, 0 rows"), "{again}");
    assert!(again.contains("\n  hint: `naru campaign show "), "{again}");
    serve.stop().await;
}

/// How far the file of the only import is stored.
pub async fn lines_stored(data: &mut SqliteConnection) -> i64 {
    let lines = sqlx::query_scalar("SELECT coalesce(max(lines), 0) FROM dispatch_import");
    lines.fetch_one(data).await.unwrap()
}

#[tokio::test]
async fn an_intake_that_is_killed_at_any_line_stores_each_line_once() {
    const ROWS: usize = 60_000;
    let house = House::new();
    let (file, known) = customers(ROWS);
    house.write("c.csv", &file);
    house.done(&["template", "push", "templates"]);
    let send = ["send", "--template", "shipped", "--to", "c.csv", "--name", "killed"];
    let url = format!("sqlite:{}", house.path("naru-data/naru.db").display());
    let mut data = SqliteConnection::connect(&url).await.unwrap();
    let (mut kills, mut stored) = (0, 0);
    // Each life is killed at whatever line it has come to when it is seen to have stored some more.
    while kills < 10 {
        let mut process = Process::start(&mut house.command(&send));
        let further = eventually("the import to go on or to end", PATIENCE, async || {
            let ended = process.ended().is_some();
            let lines = lines_stored(&mut data).await;
            (ended || lines > stored + 3_000).then_some((!ended).then_some(lines))
        })
        .await;
        let Some(lines) = further else { break };
        process.kill();
        (kills, stored) = (kills + 1, lines);
    }
    data.close().await.unwrap();
    let output = house.run(&send);
    assert!(kills > 0, "the file must be long enough to be interrupted");
    // The run that was to be killed next may have come to the end: then this one says that it was done before.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
    let vendor = Vendor::start(&house, &[]).await;
    let serve = house.serve().await;
    let shown = finished(&house, "killed").await;
    assert_eq!(shown["account"]["accepted"], ROWS);
    check_ledger(&vendor.entries().await, &known, ROWS);
    house.done(&["audit"]);
    serve.stop().await;
}

#[tokio::test]
async fn a_campaign_goes_on_after_its_serve_was_killed() {
    const ROWS: usize = 20_000;
    let house = House::new();
    let vendor = Vendor::start(&house, &["--latency-ms", "30", "--fault", "busy=5"]).await;
    // A request in doubt is looked into after its time-out: a short one, so that the test is.
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &config.replace("in_flight_max = 32", "in_flight_max = 4\ntimeout_ms = 1000"));
    let (file, known) = customers(ROWS);
    house.write("c.csv", &file);
    house.done(&["template", "push", "templates"]);
    house.done(&["send", "--template", "shipped", "--to", "c.csv", "--name", "killed"]);
    for part in 1..=3 {
        let mut serve = house.serve().await;
        eventually("a part of the campaign to be sent", PATIENCE, async || {
            (vendor.entries().await.len() >= ROWS / 5 * part).then_some(())
        })
        .await;
        serve.process.kill();
    }
    let serve = house.serve().await;
    let shown = finished(&house, "killed").await;
    assert_eq!(shown["account"]["sent"], ROWS, "{shown}");
    check_ledger(&vendor.entries().await, &known, ROWS);
    house.done(&["audit"]);
    serve.stop().await;
}

#[tokio::test]
async fn a_campaign_is_cancelled_without_a_serve_and_done_when_nothing_is_pending() {
    const ROWS: usize = 20_000;
    let house = House::new();
    let vendor = Vendor::start(&house, &["--latency-ms", "30"]).await;
    // Small and slow requests, so that most of it is left when the first have arrived.
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write(
        "naru.toml",
        &config.replace("in_flight_max = 32", "in_flight_max = 4\nbatch_max = 10\ntimeout_ms = 1000"),
    );
    house.write("c.csv", &customers(ROWS).0);
    house.done(&["template", "push", "templates"]);
    house.done(&["send", "--template", "shipped", "--to", "c.csv", "--name", "stopped"]);
    let mut serve = house.serve().await;
    eventually("a part of the campaign to be sent", PATIENCE, async || {
        (!vendor.entries().await.is_empty()).then_some(())
    })
    .await;
    serve.process.kill();
    for _ in 0..2 {
        house.done(&["campaign", "cancel", "stopped"]);
        let shown = campaign(&house, "stopped");
        assert_eq!(shown["state"], "cancelled");
        // What may have left is looked into by the next serve.
        assert_eq!(shown["done"], shown["account"]["pending"] == 0, "{shown}");
        assert_ne!(shown["account"]["cancelled"], 0);
    }
    let serve = house.serve().await;
    let account = finished(&house, "stopped").await["account"].clone();
    assert_eq!(account["sent"], vendor.entries().await.len(), "{account}");
    house.done(&["audit"]);
    serve.stop().await;
}

#[tokio::test]
async fn rows_that_cannot_be_sent_go_to_a_file_and_the_others_go() {
    let house = House::new();
    house.done(&["template", "push", "templates"]);
    house.write("c.csv", "to,name,order\n010-1111-2222,민수,1\nabc,영희,2\n010-1111-2222,철수,3\n010-3333-4444,,4\n");
    let sent = house.done(&["send", "--template", "shipped", "--to", "c.csv", "--json"]);
    let sent: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!((&sent["accepted"], &sent["refused"], &sent["running"]), (&json!(1), &json!(3), &json!(false)));
    let rejected = std::fs::read_to_string(house.path("rejected.csv")).unwrap();
    for (line, code) in [(3, "address-bad"), (4, "address-repeated"), (5, "variable-missing")] {
        assert!(rejected.contains(&format!("\n{line},{code},")), "{rejected}");
    }
    let said = text(&house.run(&["send", "--template", "shippd", "--to", "c.csv"]).stderr);
    assert!(said.contains("There is no template shippd (known: sale, shipped)"), "{said}");
}

#[test]
fn a_file_of_refused_rows_is_neither_lost_nor_taken_for_this_runs() {
    let house = House::new();
    house.done(&["template", "push", "templates"]);
    let send = |file: &str, more: &[&str]| {
        let output = house.run(&[&["send", "--template", "shipped", "--to", file], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    };
    house.write("a.csv", "to,name,order\n010-1111-2222,민수,1\nabc,영희,2\n");
    let (dry, _) = send("a.csv", &["--dry-run"]);
    let order = ["1 message would be accepted, 1 row refused", "LINE", "The first messages:", "010-****-2222"];
    let places: Vec<_> = order.iter().map(|text| dry.find(text).unwrap_or_else(|| panic!("{text} in {dry}"))).collect();
    assert!(places.is_sorted(), "{dry}");
    let (_, said) = send("a.csv", &[]);
    assert!(said.contains("Written to rejected.csv\n"), "the same again: {said}");
    assert!(!house.path("rejected.old.csv").exists());
    // Mended, and sent as it is: it is the source and the target.
    let mended = std::fs::read_to_string(house.path("rejected.csv")).unwrap().replace("abc", "010-3333-4444");
    house.write("rejected.csv", &format!("{mended}9,x,y,z,def,철수,3\r\n"));
    let (_, said) = send("rejected.csv", &[]);
    assert!(said.contains("Written to rejected.csv; the one that was there is rejected.old.csv now"), "{said}");
    assert!(std::fs::read_to_string(house.path("rejected.old.csv")).unwrap().contains("010-3333-4444"));
    house.write("b.csv", "to,name,order\n010-5555-6666,민수,1\n");
    let (_, said) = send("b.csv", &[]);
    assert!(said.contains("Every row was taken: rejected.csv is of an earlier run"), "{said}");
    assert!(house.path("rejected.csv").exists());
}

#[test]
fn what_cannot_be_read_again_is_refused_before_anything_waits() {
    let house = House::new();
    let made = std::process::Command::new("mkfifo").arg(house.path("pipe")).status().unwrap();
    assert!(made.success());
    for to in ["-", "/dev/null", "pipe", "templates"] {
        let (code, said) = house.refused(&["send", "--template", "shipped", "--to", to]);
        let expect = format!("error: {to} is no file that can be read again\n  hint: ");
        assert!(code == 1 && said.starts_with(&expect), "{said}");
    }
}

#[test]
fn a_limit_that_is_not_kept_and_an_address_that_is_none_are_refused() {
    let house = House::new();
    for limit in ["0", "501", "100000"] {
        let (code, said) = house.refused(&["campaign", "list", "--limit", limit]);
        assert_eq!(code, 2);
        assert!(said.starts_with(&format!("error: `--limit {limit}` is not between 1 and 500\n  hint: ")), "{said}");
    }
    house.done(&["campaign", "list", "--limit", "500"]);
    let (code, said) = house.refused(&["message", "find", "--to", "010-1111-2222", "--limit", "201"]);
    assert!(code == 2 && said.contains("between 1 and 200"), "{said}");
    let (code, said) = house.refused(&["message", "find", "--to", "nonsense"]);
    assert!(code == 2 && said.starts_with("error: `n***` is no phone number, no e-mail address"), "{said}");
    assert!(house.done(&["message", "find", "--to", "010-1111-2222"]).contains("no message to 010-****-2222"));
}

#[tokio::test]
async fn a_send_whose_serve_dies_says_how_to_go_on() {
    const ROWS: usize = 300_000;
    let house = House::new();
    house.write("c.csv", &customers(ROWS).0);
    let mut serve = house.serve().await;
    house.done(&["template", "push", "templates"]);
    let mut send = Process::start(&mut house.command(&["send", "--template", "shipped", "--to", "c.csv"]));
    let url = format!("sqlite:{}", house.path("naru-data/naru.db").display());
    let mut data = SqliteConnection::connect(&url).await.unwrap();
    eventually("a part to be stored", PATIENCE, async || (lines_stored(&mut data).await > 0).then_some(())).await;
    serve.process.kill();
    eventually("send to end", PATIENCE, async || send.ended()).await;
    let said = send.errors();
    assert!(said.contains("error: `naru serve` stopped before it had answered\n  hint: Run the same"), "{said}");
}

/// `POST /v1/messages`; answers status and body.
pub async fn post(serve: &Serve, token: &str, key: Option<&str>, kind: &str, body: String) -> (u16, String) {
    let mut request = http().post(format!("{}/v1/messages", serve.url)).bearer_auth(token).header("content-type", kind);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let response = request.body(body).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn the_api_takes_one_an_array_or_a_stream_and_repeats_its_answer_for_a_key() {
    let house = House::new();
    let vendor = Vendor::start(&house, &[]).await;
    let serve = house.serve().await;
    house.done(&["template", "push", "templates"]);
    let token = house.done(&["token", "add", "shop", "--role", "send"]).trim().to_owned();
    let message = |n: usize| json!({"template": "shipped", "to": format!("010{n:08}"), "variables": {"name": "민수", "order": n}});
    let (json_type, lines_type) = ("application/json", "application/x-ndjson");

    let first = post(&serve, &token, Some("one"), json_type, message(1).to_string()).await;
    assert_eq!(first.0, 202, "{}", first.1);
    assert_eq!(post(&serve, &token, Some("one"), json_type, message(1).to_string()).await, first);
    let other = post(&serve, &token, Some("one"), json_type, message(2).to_string()).await;
    assert_eq!(other.0, 409);
    assert!(other.1.contains("idempotency-key-reused"), "{}", other.1);

    let array = json!([message(3), {"template": "shipped", "to": "x", "variables": {}}, message(4)]).to_string();
    let taken = post(&serve, &token, Some("array"), json_type, array.clone()).await;
    let answer: Value = serde_json::from_str(&taken.1).unwrap();
    assert_eq!((taken.0, &answer["accepted"], &answer["refused"]), (202, &json!(2), &json!(1)));
    assert_eq!(answer["messages"][1]["errors"][0]["code"], "address-bad");
    assert_eq!(post(&serve, &token, Some("array"), json_type, array).await, taken);

    // A stream that broke off and is sent again whole: what was stored is not stored again.
    let lines = |count: usize| (0..count).map(|n| message(100 + n).to_string() + "\n").collect::<String>();
    let part = post(&serve, &token, Some("stream"), lines_type, lines(1_000)).await;
    let whole = post(&serve, &token, Some("stream"), lines_type, lines(1_500)).await;
    assert_eq!((part.0, whole.0), (200, 200));
    assert!(whole.1.starts_with(&part.1), "the first thousand have their first ids");
    assert_eq!(whole.1.lines().count(), 1_500);

    let accepted = 1 + 2 + 1_500;
    eventually("all to be sent once", PATIENCE, async || (vendor.entries().await.len() == accepted).then_some(()))
        .await;
    let id = serde_json::from_str::<Value>(&first.1).unwrap()["id"].as_str().unwrap().to_owned();
    let shown: Value = serde_json::from_str(&house.done(&["message", "show", &id, "--json"])).unwrap();
    assert_eq!((&shown["to"], &shown["state"]), (&json!("010-****-0001"), &json!("sent")));
    let found: Value =
        serde_json::from_str(&house.done(&["message", "find", "--to", "010-0000-0001", "--json"])).unwrap();
    assert_eq!(found[0]["id"], id.as_str());
    assert_eq!(post(&serve, "naru_wrong", None, json_type, message(1).to_string()).await.0, 401);
    house.done(&["audit"]);
    serve.stop().await;
}

#[tokio::test]
async fn a_call_that_is_no_message_is_refused_without_telling_what_it_held() {
    let house = House::new();
    let serve = house.serve().await;
    house.done(&["template", "push", "templates"]);
    let token = house.done(&["token", "add", "shop", "--role", "send"]).trim().to_owned();
    let check = async |kind: &str, body: &str, status: u16, expect: &str| {
        let (found, said) = post(&serve, &token, None, kind, body.to_owned()).await;
        assert_eq!(found, status, "{body}: {said}");
        assert!(said.contains(expect) && !said.contains("1098765432") && !said.contains("9876-5432"), "{said}");
    };
    let (json_type, lines_type) = ("application/json; charset=utf-8", "application/x-ndjson");
    check(json_type, r#""010-9876-5432""#, 400, "body-not-json").await;
    check(json_type, r#"{"template":"shipped","to":["01098765432"]}"#, 400, "`to`: invalid type: sequence").await;
    check(lines_type, "\"010-9876-5432\"\n1098765432\n", 200, "row-not-json").await;
    let expires =
        r#"{"template":"shipped","to":"01098765432","expires_at":"010-9876-5432","variables":{"name":"x","order":1}}"#;
    check(json_type, expires, 422, "010-****-5432").await;
    let url = format!("{}/v1/message/find", serve.url);
    let asked = http().post(url).bearer_auth(&token).body(r#"{"to":1098765432}"#).send().await.unwrap();
    let said = asked.text().await.unwrap();
    assert!(said.contains("invalid type: integer, expected") && !said.contains("1098765432"), "{said}");
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
        check(kind, r#"{"template":"shipped","to":"01098765432"}"#, 415, "content-type-wrong").await;
    }
    serve.stop().await;
}

#[tokio::test]
async fn the_demo_ends_with_an_account_that_balances() {
    let house = House::empty();
    let said = house.done(&["demo", "--exit", "--messages", "3000"]);
    assert!(said.contains("The account balances"), "{said}");
    assert!(!said.contains("campaign show"), "its folder is gone: {said}");
}

#[tokio::test]
async fn what_the_demo_names_can_be_typed_while_it_runs() {
    let house = House::empty();
    let mut demo = Process::start(&mut house.command(&["demo", "--messages", "100"]));
    let line = demo.line_with("campaign show").await;
    let command = line.split('`').nth(1).unwrap();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    assert!(house.done(&words).contains("demo"), "{command}");
}

#[tokio::test]
async fn the_first_commands_end_in_delivered() {
    let house = House::new();
    // The vendor has to know where naru will be.
    let port = naru_testkit::port::free();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &config.replace("listen = \"127.0.0.1:0\"", &format!("listen = \"127.0.0.1:{port}\"")));
    let receipts = format!("http://127.0.0.1:{port}/v1/receipts/sandbox");
    let _vendor = Vendor::start(&house, &["--receipts-to", &receipts, "--receipts-secret", "sandbox"]).await;
    let serve = house.serve().await;
    house.write("c.csv", "to,name,order\n010-1111-2222,민수,1\n");
    house.done(&["template", "push", "templates"]);
    house.done(&["send", "--template", "shipped", "--to", "c.csv"]);
    eventually("the message to be delivered", PATIENCE, async || {
        (campaign(&house, "c")["account"]["delivered"] == 1).then_some(())
    })
    .await;
    serve.stop().await;
}

#[tokio::test]
async fn two_requests_to_stop_leave_no_request_without_its_outcome() {
    let house = House::new();
    let vendor = Vendor::start(&house, &["--latency-ms", "4000"]).await;
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &config.replace("in_flight_max = 32", "in_flight_max = 3\nbatch_max = 10"));
    let (file, known) = customers(60);
    house.write("c.csv", &file);
    house.done(&["template", "push", "templates"]);
    let mut serve = house.serve().await;
    house.done(&["send", "--template", "shipped", "--to", "c.csv"]);
    eventually("three requests to be in flight", PATIENCE, async || {
        let lanes: Value = serde_json::from_str(&house.done(&["lane", "list", "--json"])).unwrap();
        (lanes[0]["in_flight"] == 3).then_some(())
    })
    .await;
    let pid = std::fs::read_to_string(house.path("naru-data/naru.lock")).unwrap();
    let terminate = || std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(terminate().success());
    serve.log("stopping: what has begun ends first").await;
    assert!(terminate().success());
    let waits = serve.log("still stopping").await["waiting_for"].to_string();
    assert!(waits.contains("lane"), "{waits}");
    assert_eq!(serve.process.exit().await.code(), Some(0), "{}", serve.process.errors());

    // What the vendor took is what is known here, and nothing was begun meanwhile.
    let taken = vendor.entries().await.len();
    let account = campaign(&house, "c")["account"].clone();
    assert_eq!((&account["sent"], &account["unknown"], taken), (&json!(taken), &json!(0), 30), "{account}");
    let serve = house.serve().await;
    let all = finished(&house, "c").await;
    assert_eq!(all["account"]["sent"], 60);
    check_ledger(&vendor.entries().await, &known, 60);
    serve.stop().await;
}

#[tokio::test]
async fn a_campaign_that_waits_begins_by_a_word_at_its_time_or_by_a_page() {
    let house = House::new();
    let vendor = Vendor::start(&house, &[]).await;
    let serve = house.serve().await;
    house.done(&["template", "push", "templates"]);
    let send = |name: &str, more: &[&str]| {
        house.write("w.csv", "to,name,order\n01012345678,김민지,A-1\n01012345679,이준호,A-2\n");
        house.done(&[&["send", "--template", "shipped", "--to", "w.csv", "--name", name], more].concat())
    };
    assert!(send("held", &["--hold"]).contains("It waits: `naru campaign resume held`"));
    assert!(send("timed", &["--at", "2999-01-01 09:00"]).contains("timed begins at 2999-01-01 09:00"));
    let (code, said) = house.refused(&["send", "--template", "shipped", "--to", "w.csv", "--at", "2001-01-01 09:00"]);
    assert!(code == 2 && said.contains("is over"), "{said}");
    let state = |name: &str| campaign(&house, name)["state"].as_str().unwrap().to_owned();
    assert_eq!((state("held"), state("timed")), ("held".to_owned(), "held".to_owned()));
    house.done(&["campaign", "resume", "held"]);
    eventually("what was let go to be done", PATIENCE, async || (state("held") == "done").then_some(())).await;
    assert_eq!(vendor.entries().await.len(), 2);
    // A second from now.
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    house.done(&["campaign", "schedule", "timed", "--at", &at.to_string()]);
    eventually("the other to be done at its time", PATIENCE, async || (state("timed") == "done").then_some(())).await;
    // It was nobody's word.
    assert!(!serve.process.errors().contains("a person moved"));
    let (code, said) = house.refused(&["campaign", "schedule", "timed", "--off"]);
    assert!(code == 1 && said.contains("does not wait to begin"), "{said}");

    send("by page", &["--hold"]);
    let id = campaign(&house, "by page")["id"].as_str().unwrap().to_owned();
    let browser = Browser::of(&house, &serve, "minji", "operate").await;
    let path = format!("/campaigns/{id}");
    let page = browser.get(&path).await;
    assert!(page.html.contains("It waits until somebody sends it"), "{}", page.html);
    let late = browser.post(&format!("{path}/schedule"), &[("at", "2001-01-01T09:00")]).await;
    assert_eq!(late.status, 400);
    late.shows("is over").shows("value=\"2001-01-01T09:00\"");
    late.hides("data-live=").shows("Before it is sent");
    assert_eq!(browser.post(&format!("{path}/schedule"), &[("at", "2999-01-01T09:00")]).await.status, 303);
    assert!(browser.get(&path).await.html.contains("It begins by itself at 2999-01-01 09:00:00"));
    assert_eq!(browser.post(&format!("{path}/schedule"), &[("at", "")]).await.status, 303);
    assert_eq!(browser.post(&format!("{path}/start"), &[]).await.status, 303);
    eventually("the last to be done", PATIENCE, async || (state("by page") == "done").then_some(())).await;
    let begun = browser.post(&format!("{path}/schedule"), &[("at", "2999-01-01T09:00")]).await;
    assert_eq!(begun.status, 409);
    begun.shows("does not wait to begin").shows("value=\"2999-01-01T09:00\"");
    house.done(&["audit"]);
    serve.stop().await;
}
