//! A shop at work: every kind of campaign, outcome, lane and trouble that a page can show.

use std::fmt::Write;

use naru_testkit::process::Process;
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::{Value, json};

use crate::house::{House, Serve, http};
use crate::platform::Platform;

/// Whose messages are looked for.
pub const PHONE: &str = "010-1234-5678";

/// What everything of one order is known by.
pub const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The house, what runs in it, and its vendors.
pub struct Shop {
    pub house: House,
    pub serve: Serve,
    /// The message of the API call.
    pub message: String,
    /// An operation that is done, one that failed, and one that waits for a second person.
    pub operations: [String; 3],
    _platform: Platform,
    _vendors: [Process; 2],
}

impl Shop {
    pub async fn open() -> Shop {
        let house = House::new();
        let port = naru_testkit::port::free();
        let receipts = format!("http://127.0.0.1:{port}/v1/receipts/sandbox");
        let secret = std::fs::read_to_string(house.path("sandbox.secret")).unwrap();
        let reports = ["--receipts-to", &receipts, "--receipts-secret", secret.trim()];
        let faults = ["--fault", "refuse=3", "--fault", "fail-receipt=4", "--fault", "lose-receipt=10"];
        let (vendor, good) = vendor(&house, &[&reports[..], &faults].concat()).await;
        let (silent, bad) = self::vendor(&house, &["--level", "none", "--fault", "reset-after-accept=100"]).await;
        let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
        let config = config
            .replace("127.0.0.1:0", &format!("127.0.0.1:{port}"))
            .replace("http://127.0.0.1:7071", &good)
            .replace("messages_per_second_max = 5000", "messages_per_second_max = 5000\nprice_krw = 8.4")
            .replace("allow_list = []", &format!("allow_list = [\"{PHONE}\", \"kim@example.com\"]"))
            .replace("sms = [\"sandbox\"]", ROUTES);
        let lanes = LANES.replace("GOOD", &good).replace("BAD", &bad);
        let lanes = lanes.replace("CLOSED", &naru_testkit::port::free().to_string());
        let platform = Platform::new();
        house.write("naru.toml", &format!("{config}{lanes}{}", platform.configure(&house)));
        templates(&house);
        let serve = house.serve().await;
        let message = call(&house, &serve).await;
        campaigns(&house);
        people(&house);
        let operations = operations(&house, &platform).await;
        settle_down(&house).await;
        Shop { house, serve, message, operations, _platform: platform, _vendors: [vendor, silent] }
    }

    /// The page of a campaign.
    pub fn campaign(&self, name: &str) -> String {
        format!("/campaigns/{}", shown(&self.house, name)["id"].as_str().unwrap())
    }
}

/// A house whose vendor is not there: what is sent goes on for ever.
pub fn house_without_a_vendor() -> House {
    let house = House::new();
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    house.write("naru.toml", &config.replace(":7071", &format!(":{}", naru_testkit::port::free())));
    house.done(&["template", "push", "templates"]);
    house
}

const ROUTES: &str =
    "sms = [\"sandbox\", \"reserve\"]\nalimtalk = [\"kakao\"]\nbrand = [\"brand\"]\nemail = [\"mail\"]";

const LANES: &str = "
[dispatch.lane.reserve]
provider = \"sandbox\"
channel = \"sms\"
url = \"GOOD\"
messages_per_second_max = 1000
messages_per_day_max = 200000
[dispatch.lane.kakao]
provider = \"sandbox\"
channel = \"alimtalk\"
url = \"BAD\"
timeout_ms = 1000
attempts_max = 1
[dispatch.lane.brand]
provider = \"sandbox\"
channel = \"brand\"
url = \"GOOD\"
messages_per_second_max = 2
[dispatch.lane.mail]
provider = \"smtp\"
channel = \"email\"
url = \"smtp://127.0.0.1:CLOSED\"
from = \"shop@example.com\"
[provider]
sandbox_level = \"none\"
[consent]
night_from = \"00:00\"
night_until = \"00:00\"
";

/// A stand-in vendor and where it listens.
async fn vendor(house: &House, args: &[&str]) -> (Process, String) {
    let mut process = Process::start(&mut house.command(&[&["sandbox", "--listen", "127.0.0.1:0"], args].concat()));
    let line = process.line_with("http://").await;
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().trim_end_matches('.');
    (process, url.to_owned())
}

fn templates(house: &House) {
    let text = |channel: &str, purpose: &str, body: &str| {
        format!("channel = \"{channel}\"\npurpose = \"{purpose}\"\nbody = \"\"\"\n{body}\"\"\"\n")
    };
    let order =
        "[나루상점] #{name}님, 주문하신 상품이 출고되었습니다.\n주문번호 #{order}\n오늘 안에 도착할 예정입니다.";
    house.write("templates/order.toml", &text("alimtalk", "info", &order.replace("오늘 안에", "내일까지")));
    house.write("templates/weekend.toml", &text("brand", "info", "#{name}님, 주말 특가가 시작되었습니다."));
    let mail = text("email", "info", "#{name}님의 구매 내역입니다.\n주문번호 #{order}");
    house.write("templates/receipt.toml", &format!("subject = \"[나루상점] 영수증\"\n{mail}"));
    house.done(&["template", "push", "templates"]);
    house.write("templates/order.toml", &text("alimtalk", "info", order));
    house.done(&["template", "push", "templates"]);
}

/// One message of an API call, to somebody who is looked for.
async fn call(house: &House, serve: &Serve) -> String {
    let token = house.done(&["token", "add", "shop", "--role", "send"]).trim().to_owned();
    let variables = json!({ "name": "김민지", "order": "A-2026-1123" });
    let message = json!({ "template": "shipped", "to": PHONE, "customer": "C-1024", "trace_id": TRACE,
        "variables": variables });
    let request = http().post(format!("{}/v1/messages", serve.url)).bearer_auth(token);
    let answer: Value = request.json(&message).send().await.unwrap().json().await.unwrap();
    answer["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn campaigns(house: &House) {
    let send = |name: &str, template: &str, rows: usize, more: &[&str]| {
        house.write("c.csv", &customers(name, template, rows));
        let args = ["send", "--template", template, "--to", "c.csv", "--name", name];
        let output = house.run(&[&args[..], more].concat());
        // Where rows are refused the others go, and it says so.
        assert!(matches!(output.status.code(), Some(0 | 1)), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    };
    send("가을 신상품 출고 안내", "shipped", 4_000, &[]);
    send("이번 주 기획전", "sale", 300, &[]);
    send("10월 영수증", "receipt", 40, &[]);
    send("알림톡 출고", "order", 6, &[]);
    send("주말 특가 미리 보기", "weekend", 2_000, &[]);
    send("VIP 사전 안내", "weekend", 500, &[]);
    house.done(&["campaign", "pause", "VIP 사전 안내"]);
    // Nine hours more are Seoul's clock.
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 + 9);
    send("내일 아침 안내", "shipped", 800, &["--at", &tomorrow.strftime("%Y-%m-%d 09:00").to_string()]);
    send("잘못 올린 명단", "shipped", 120, &["--hold"]);
    house.done(&["campaign", "cancel", "잘못 올린 명단"]);
}

/// One row in forty is not fit to be sent.
fn customers(campaign: &str, template: &str, rows: usize) -> String {
    const NAMES: [&str; 5] = ["김민지", "이준호", "박서연", "최도윤", "정하은"];
    let mut text = "to,고객번호,name,order\n".to_owned();
    for row in 0..rows {
        let to = match template {
            // The one who may be written to, so that the lane is seen to try.
            "receipt" if row == 0 => "kim@example.com".to_owned(),
            "receipt" => format!("customer{row}@example.com"),
            _ if row % 40 == 7 => "none".to_owned(),
            _ => format!("010{:04}{row:04}", 2000 + campaign.len() * 7),
        };
        writeln!(text, "{to},C-{row},{},A-{row}", NAMES[row % NAMES.len()]).unwrap();
    }
    text
}

fn people(house: &House) {
    for (name, role) in [("junho", "operate"), ("seoyeon", "send"), ("doyun", "view")] {
        house.done(&["user", "add", name, "--role", role]);
    }
    house.done(&["user", "disable", "doyun"]);
    house.done(&["token", "add", "dashboard", "--role", "view"]);
}

/// A deploy that is done, one that failed halfway, one that waits for a second person, and a lock.
async fn operations(house: &House, platform: &Platform) -> [String; 3] {
    let deploy = |env: &str| {
        let said = house.done(&["deploy", "web", "main", "to", env, "--why", "주말 특가", "--json"]);
        let answer: Value = serde_json::from_str(&said).unwrap();
        answer["operation"]["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    let until = async |id: &str, state: &str| {
        eventually(&format!("the deploy to be {state}"), PATIENCE, async || {
            let shown: Value = serde_json::from_str(&house.done(&["op", "show", id, "--json"])).unwrap();
            (shown["operation"]["state"] == state).then_some(())
        })
        .await;
    };
    let done = deploy("staging");
    until(&done, "done").await;
    platform.argocd.world(|world| {
        world.change_app("web-staging", &json!({ "spec": { "syncPolicy": null } }));
        world.fail_next_sync = Some("Deployment.apps \"web\" is invalid: spec.selector: field is immutable".to_owned());
    });
    platform.code.commit("main", &[("src", Some(b"2"))], "Change");
    let failed = deploy("staging");
    until(&failed, "failed").await;
    let planned = deploy("production");
    house.done(&["lock", "staging", "for", "2h", "기획전", "점검"]);
    [done, failed, planned]
}

/// Until everything that can come to an end has.
async fn settle_down(house: &House) {
    let settled =
        [("가을 신상품 출고 안내", "failed", 1), ("알림톡 출고", "unknown", 6), ("주말 특가 미리 보기", "sent", 3)];
    for (name, state, at_least) in settled {
        eventually(&format!("{name} to have {state}"), PATIENCE, async || {
            let account = shown(house, name)["account"].clone();
            (account[state].as_u64() >= Some(at_least)).then_some(())
        })
        .await;
    }
    eventually("receipts to be merged", PATIENCE, async || {
        let account = shown(house, "가을 신상품 출고 안내")["account"].clone();
        (account["delivered"].as_u64() >= Some(3_000)).then_some(())
    })
    .await;
}

fn shown(house: &House, name: &str) -> Value {
    serde_json::from_str(&house.done(&["campaign", "show", name, "--json"])).unwrap()
}
