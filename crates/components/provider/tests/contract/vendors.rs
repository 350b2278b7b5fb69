//! The vendors the suite runs against: the sandbox at each of its levels, and a real mail server.

use std::marker::PhantomData;
use std::time::Duration;

use naru_core::clock::SystemClock;
use naru_core::lifecycle::Lifecycle;
use naru_core::masked::Address;
use naru_provider::{Config, SandboxLevel};
use naru_sandbox::Options;
use naru_testkit::smtp::SmtpServer;
use serde_json::{Value, json};

use crate::house::{House, http};

/// What can be asked of a vendor.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// None from here on.
    None,
    /// The next request is turned away without a word on when to come back.
    Throttle,
    /// The next request is turned away, and told when to come back where the protocol has words for it.
    ThrottleWithTime,
    /// Each message is refused for good.
    Refuse,
    /// Everything is taken, and the answer does not come.
    Silence,
    /// Everything is taken, and the connection is cut instead of an answer.
    Cut,
}

/// A vendor with a ledger of its own.
pub trait Vendor: Sized {
    /// What a refusal for good is called.
    const REFUSED: &str;
    /// When to come back, as [`Trouble::ThrottleWithTime`] has it.
    const COME_BACK: Option<Duration>;
    /// What the house is told of the sandbox.
    const LEVEL: SandboxLevel = SandboxLevel::Key;

    async fn start() -> Self;
    fn config(&self, house: &House) -> Value;
    fn address(&self, n: usize) -> Address;
    async fn trouble(&self, trouble: Trouble);
    /// Prepares for a mixed lot, and returns whom to send it to: some are taken, some must come again, some are refused.
    async fn mixed(&self) -> Vec<Address>;
    /// Reference and address of every message taken, in order.
    async fn ledger(&self) -> Vec<(String, String)>;
}

pub struct SandboxVendor {
    pub address: String,
    lifecycle: Lifecycle,
}

/// Under this seed a fault of 50 % lets the first request pass and hits the second, and lets the third pass: with the
/// two calls of level two-phase the faults of requests come between the phases.
pub const SEED_OF_THE_SECOND: u64 = 951_870;

impl SandboxVendor {
    pub async fn with(options: Value) -> SandboxVendor {
        let options: Options = serde_json::from_value(options).unwrap();
        let lifecycle = Lifecycle::default();
        let sandbox = naru_sandbox::start(options, lifecycle.clone(), SystemClock::shared()).await.unwrap();
        SandboxVendor { address: sandbox.address().to_string(), lifecycle }
    }

    pub async fn faults(&self, faults: Value) {
        let (status, body) = http(&self.address, "PUT", "/faults", "", &faults.to_string()).await;
        assert_eq!(status, 200, "{body}");
    }

    /// Requests are counted from 0 again, and what was sent is forgotten.
    pub async fn empty(&self) {
        assert_eq!(http(&self.address, "DELETE", "/ledger", "", "").await.0, 200);
    }

    /// A call as any client of the vendor makes it.
    pub async fn call(&self, method: &str, path: &str) -> (u16, Value) {
        let (status, body) = http(&self.address, method, path, "authorization: Bearer sandbox\r\n", "").await;
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    pub async fn summary(&self) -> Value {
        let (_, body) = http(&self.address, "GET", "/ledger", "", "").await;
        serde_json::from_str(&body).unwrap()
    }
}

impl Drop for SandboxVendor {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

impl Vendor for SandboxVendor {
    const REFUSED: &str = "unknown-number";
    const COME_BACK: Option<Duration> = Some(Duration::from_secs(1));

    async fn start() -> SandboxVendor {
        SandboxVendor::with(json!({ "slow_ms": 600_000 })).await
    }

    fn config(&self, _house: &House) -> Value {
        json!({ "provider": "sandbox", "channel": "sms", "url": format!("http://{}", self.address) })
    }

    fn address(&self, n: usize) -> Address {
        Address::new(format!("010{n:08}"))
    }

    async fn trouble(&self, trouble: Trouble) {
        self.faults(match trouble {
            Trouble::None => json!({}),
            Trouble::Throttle => json!({ "throttle-bare": 100 }),
            Trouble::ThrottleWithTime => json!({ "throttle": 100 }),
            Trouble::Refuse => json!({ "refuse": 100 }),
            Trouble::Silence => json!({ "slow": 100 }),
            Trouble::Cut => json!({ "reset-after-accept": 100 }),
        })
        .await;
    }

    async fn mixed(&self) -> Vec<Address> {
        self.faults(json!({ "busy": 20, "refuse": 20 })).await;
        (0..300).map(|n| self.address(n)).collect()
    }

    async fn ledger(&self) -> Vec<(String, String)> {
        let (_, lines) = http(&self.address, "GET", "/ledger/entries?from=0&limit=10000", "", "").await;
        let entry = |line: &str| {
            let entry: Value = serde_json::from_str(line).unwrap();
            (entry["ref"].as_str().unwrap().to_owned(), entry["to"].as_str().unwrap().to_owned())
        };
        lines.lines().map(entry).collect()
    }
}

/// A level as a type, so that the suite can be run at it.
pub trait Offer {
    const LEVEL: SandboxLevel;
}

pub struct Nothing;
pub struct Lookup;
pub struct TwoPhase;

impl Offer for Nothing {
    const LEVEL: SandboxLevel = SandboxLevel::None;
}

impl Offer for Lookup {
    const LEVEL: SandboxLevel = SandboxLevel::Lookup;
}

impl Offer for TwoPhase {
    const LEVEL: SandboxLevel = SandboxLevel::TwoPhase;
}

/// The sandbox told to offer something else than keys.
pub struct SandboxAt<O>(SandboxVendor, PhantomData<O>);

impl<O: Offer> Vendor for SandboxAt<O> {
    const REFUSED: &str = SandboxVendor::REFUSED;
    const COME_BACK: Option<Duration> = SandboxVendor::COME_BACK;
    const LEVEL: SandboxLevel = O::LEVEL;

    async fn start() -> SandboxAt<O> {
        let options = json!({ "slow_ms": 600_000, "level": O::LEVEL, "seed": SEED_OF_THE_SECOND });
        SandboxAt(SandboxVendor::with(options).await, PhantomData)
    }

    fn config(&self, house: &House) -> Value {
        self.0.config(house)
    }

    fn address(&self, n: usize) -> Address {
        self.0.address(n)
    }

    async fn trouble(&self, trouble: Trouble) {
        let fault = match trouble {
            Trouble::Throttle => "throttle-bare",
            Trouble::ThrottleWithTime => "throttle",
            Trouble::Silence => "slow",
            Trouble::Cut => "reset-after-accept",
            Trouble::None | Trouble::Refuse => return self.0.trouble(trouble).await,
        };
        if O::LEVEL != SandboxLevel::TwoPhase {
            return self.0.trouble(trouble).await;
        }
        // Where it decides: at the call that sends. What it does to the call before stands in a file of its own.
        assert!(self.ledger().await.is_empty(), "the ledger would be lost");
        self.0.empty().await;
        self.0.faults(json!({ fault: 50 })).await;
    }

    async fn mixed(&self) -> Vec<Address> {
        self.0.mixed().await
    }

    async fn ledger(&self) -> Vec<(String, String)> {
        self.0.ledger().await
    }
}

pub struct MailVendor {
    pub server: SmtpServer,
}

impl Vendor for MailVendor {
    const REFUSED: &str = "smtp-550";
    // SMTP has no words for it.
    const COME_BACK: Option<Duration> = None;

    async fn start() -> MailVendor {
        MailVendor { server: SmtpServer::start().await }
    }

    fn config(&self, _house: &House) -> Value {
        json!({
            "provider": "smtp",
            "channel": "email",
            "url": format!("smtp://127.0.0.1:{}", self.server.port),
            "from": "가게 <shop@example.com>",
        })
    }

    fn address(&self, n: usize) -> Address {
        Address::new(format!("customer{n}@example.com"))
    }

    async fn trouble(&self, trouble: Trouble) {
        let (name, times) = match trouble {
            Trouble::None => ("busy", 0),
            Trouble::Throttle => ("leave", 1),
            Trouble::ThrottleWithTime => ("busy", 1),
            Trouble::Refuse => ("refuse", 1_000),
            Trouble::Silence => ("silent", 1),
            Trouble::Cut => ("drop", 1),
        };
        self.server.fault(name, times).await;
    }

    async fn mixed(&self) -> Vec<Address> {
        ["a", "busy-1+b", "refuse+c", "d", "busy-data-1+e", "refuse-data+f", "g"]
            .map(|name| Address::new(format!("{name}@example.com")))
            .to_vec()
    }

    async fn ledger(&self) -> Vec<(String, String)> {
        let entry = |mail: naru_testkit::smtp::Mail| {
            let id = mail.message_id.strip_prefix('<').and_then(|id| id.strip_suffix("@example.com>"));
            (id.expect("the Message-ID holds the message's id").to_owned(), mail.to.join(","))
        };
        self.server.ledger().await.into_iter().map(entry).collect()
    }
}

/// A vendor, the house, and the house's account with the vendor.
pub struct Account<V> {
    pub vendor: V,
    pub house: House,
    pub provider: std::sync::Arc<dyn naru_dispatch::provider::Provider>,
}

impl<V: Vendor> Account<V> {
    pub async fn open() -> Account<V> {
        Account::open_with(Config { sandbox_level: V::LEVEL, ..Config::default() }).await
    }

    pub async fn open_with(config: Config) -> Account<V> {
        let (vendor, house) = (V::start().await, House::build(config).await);
        let provider = house.provider(&vendor.config(&house)).unwrap();
        Account { vendor, house, provider }
    }
}
