//! Lanes that cannot work are refused when they are made, naming the key.

use std::time::Duration;

use naru_core::failure::Kind;
use naru_core::text::{Lang, Texts};
use naru_dispatch::provider::Level;
use naru_provider::{Config, SandboxLevel};
use serde_json::{Value, json};

use crate::house::House;

const SMTP: &str = r#"{"provider":"smtp","channel":"email","url":"smtps://mail.example","from":"shop@example.com"}"#;

fn smtp(change: &Value) -> Value {
    let mut keys: Value = serde_json::from_str(SMTP).unwrap();
    for (key, value) in change.as_object().unwrap() {
        keys[key] = value.clone();
    }
    keys
}

async fn check(keys: Value, expect: &str, key: &str) {
    check_at(Config::default(), keys, expect, key).await;
}

async fn check_at(config: Config, keys: Value, expect: &str, key: &str) {
    let house = House::build(config).await;
    house.file("secret", "secret");
    house.file("letters", "열쇠");
    let failure = house.provider(&keys).err().unwrap_or_else(|| panic!("{keys} is taken"));
    assert_eq!((failure.kind, failure.code.as_str()), (Kind::Usage, expect), "{keys}");
    let texts = Texts::new(&[naru_core::TEXTS, naru_provider::TEXTS]).unwrap();
    for lang in Lang::ALL {
        let detail = texts.detail(lang, &failure);
        assert!(detail.contains(&format!("dispatch.lane.test.{key}")), "{lang}: {detail}");
        assert!(texts.hint(lang, &failure).is_some(), "{expect} has no hint in {lang}");
    }
}

#[tokio::test]
async fn a_lane_that_cannot_work_is_refused_with_its_key() {
    let sandbox = |url: &str| json!({ "provider": "sandbox", "channel": "sms", "url": url });
    check(json!({ "provider": "sandox", "channel": "sms" }), "provider-unknown", "provider").await;
    check(json!({ "provider": "sandbox", "channel": "sms" }), "provider-key-missing", "url").await;
    check(sandbox("127.0.0.1:7071"), "provider-url-wrong", "url").await;
    check(sandbox("smtp://127.0.0.1"), "provider-url-wrong", "url").await;
    check(sandbox("http://key@127.0.0.1"), "provider-url-wrong", "url").await;
    let secret = json!({ "file": "secret" });
    let mut keys = sandbox("http://127.0.0.1");
    keys["secret"] = json!({ "file": "letters" });
    check(keys, "provider-secret-wrong", "secret").await;
    let mut keys = sandbox("http://127.0.0.1");
    keys["receipt_secret"] = json!({ "file": "missing" });
    check(keys, "secret-unreadable", "receipt_secret").await;
    let mut keys = sandbox("http://127.0.0.1");
    keys["requests_per_second_max"] = json!(1);
    let two_phase = Config { sandbox_level: SandboxLevel::TwoPhase, ..Config::default() };
    check_at(two_phase, keys, "provider-requests-too-few", "requests_per_second_max").await;

    check(smtp(&json!({ "channel": "sms" })), "provider-channel-wrong", "channel").await;
    check(smtp(&json!({ "url": "https://mail.example" })), "provider-url-wrong", "url").await;
    check(smtp(&json!({ "from": null })), "provider-key-missing", "from").await;
    check(smtp(&json!({ "from": "shop" })), "provider-from-wrong", "from").await;
    check(smtp(&json!({ "from": "shop@가게.kr" })), "provider-from-wrong", "from").await;
    check(smtp(&json!({ "user": "shop" })), "provider-key-missing", "secret").await;
    check(smtp(&json!({ "secret": secret })), "provider-key-missing", "user").await;
    let clear = json!({ "url": "smtp://mail.example", "user": "shop", "secret": secret });
    check(smtp(&clear), "provider-secret-in-clear", "url").await;
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_refused() {
    for (text, expect) in [
        ("no certificate", "it holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "BadEncoding"),
        ("-----BEGIN CERTIFICATE-----\n", ""),
    ] {
        let house = House::build(Config { ca_file: Some("ca.pem".into()), ..Config::default() }).await;
        let missing = house.provider(&smtp(&json!({}))).err().unwrap();
        assert_eq!((missing.kind, missing.code.as_str()), (Kind::Usage, "certificates-wrong"));
        house.file("ca.pem", text);
        let failure = house.provider(&smtp(&json!({}))).err().unwrap();
        assert_eq!((failure.kind, failure.code.as_str()), (Kind::Usage, "certificates-wrong"), "{text}");
        assert!(failure.causes[0].contains(expect), "{failure}");
    }
}

#[tokio::test]
async fn a_lane_says_what_it_can() {
    let life = Duration::from_secs(600);
    for (level, expect, starts) in [
        (SandboxLevel::None, Level::None, 5),
        (SandboxLevel::Lookup, Level::Lookup { life }, 5),
        (SandboxLevel::Key, Level::Key { life }, 5),
        (SandboxLevel::TwoPhase, Level::TwoPhase { life }, 3),
    ] {
        let house = House::build(Config { sandbox_level: level, ..Config::default() }).await;
        let keys = json!({ "provider": "sandbox", "channel": "sms", "url": "http://127.0.0.1:1" });
        let provider = house.provider(&keys).unwrap();
        assert_eq!((provider.level(), provider.starts_per_second_max(5)), (expect, starts));
    }
    let house = House::build(Config::default()).await;
    house.file("secret", "secret");
    let mut keys = json!({ "provider": "sandbox", "channel": "sms", "url": "http://127.0.0.1:1" });
    let provider = house.provider(&keys).unwrap();
    assert_eq!((provider.name(), provider.batch_max(), provider.receipts()), ("sandbox", 1_000, false));
    keys["batch_max"] = 1.into();
    keys["receipt_secret"] = json!({ "file": "secret" });
    let provider = house.provider(&keys).unwrap();
    assert_eq!((provider.batch_max(), provider.receipts()), (1, true));
    let provider = house.provider(&smtp(&json!({}))).unwrap();
    assert_eq!((provider.name(), provider.batch_max(), provider.level()), ("smtp", 1, Level::None));
    assert!(!provider.receipts());
}
