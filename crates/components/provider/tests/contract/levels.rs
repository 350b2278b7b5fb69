//! What stays unknown, level by level: the engine with this room's adapter, over HTTP, at a vendor that loses three
//! answers in ten after it did what was asked.

use std::collections::HashMap;
use std::sync::Arc;

use naru_core::clock::Millis;
use naru_core::masked::Address;
use naru_dispatch::account::Account;
use naru_dispatch::audit::audit;
use naru_dispatch::config::DispatchConfig;
use naru_dispatch::consent::{Consent, Permit};
use naru_dispatch::engine::Dispatch;
use naru_dispatch::frame::TemplateRef;
use naru_dispatch::intake::{Batch, Part};
use naru_dispatch::look::look;
use naru_dispatch::message::{Channel, Message, MessageId, Purpose};
use naru_dispatch::schema::SCHEMA;
use naru_dispatch::template::TemplateText;
use naru_provider::{Config, SandboxLevel};
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::{Value, json};

use crate::house::{House, lane};
use crate::vendors::{SandboxVendor, Vendor};

/// Messages of each purpose.
const MESSAGES: usize = 150;
/// Together they hit three requests in ten, each step of a group by itself.
const FAULTS: [&str; 3] = ["fail-after-accept=12", "reset-after-accept=12", "slow=12"];

/// Everybody may be sent everything.
struct Everybody;

impl Consent for Everybody {
    fn decide(&self, _: Millis, _: Purpose, _: Channel, to: &[Address]) -> Vec<Permit> {
        vec![Permit::Send; to.len()]
    }
}

struct Shop {
    vendor: SandboxVendor,
    house: House,
    dispatch: Arc<Dispatch>,
}

impl Shop {
    async fn open(level: SandboxLevel, options: Value, keys: Value) -> Shop {
        let mut all = json!({ "level": level });
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let vendor = SandboxVendor::with(all).await;
        let house = House::build(Config { sandbox_level: level, ..Config::default() }).await;
        house
            .ctx
            .store()
            .migrate(
                &[(naru_job::schema::NAME, naru_job::schema::SCHEMA), ("dispatch", SCHEMA)],
                house.ctx.clock().now_ms(),
            )
            .await
            .unwrap();
        house.ctx.offer::<dyn Consent>(Arc::new(Everybody));
        let mut own = vendor.config(&house);
        own.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let config = DispatchConfig { lane: [("test".to_owned(), lane(&own))].into(), ..DispatchConfig::default() };
        let dispatch = Dispatch::new(config, &house.ctx);
        dispatch.prepare().await.unwrap();
        for purpose in Purpose::ALL {
            let (id, body) = (purpose.name().to_owned(), "(광고) #{text} 무료거부 0801234567".to_owned());
            let text = TemplateText { id, channel: Channel::Sms, purpose, subject: None, body, long: true };
            dispatch.templates().push(text, "test", 0).await.unwrap();
        }
        Shop { vendor, house, dispatch }
    }

    async fn accept(&self, purpose: Purpose, count: usize) -> Vec<MessageId> {
        let first = purpose.priority() * 10_000;
        let message = |n: usize| Message {
            to: self.vendor.address(first + n),
            customer: None,
            expires_at: None,
            trace_id: None,
            values: vec![n.to_string()],
        };
        let part = Part {
            lane: "test".to_owned(),
            priority: purpose.priority(),
            template: TemplateRef { id: purpose.name().to_owned(), version: 1, variables: 1 },
            messages: (0..count).map(message).enumerate().collect(),
        };
        self.dispatch.accept(Batch { parts: vec![part], count, key: None }).await.unwrap()
    }

    async fn settled(&self) -> Account {
        eventually("everything is settled", PATIENCE * 4, async || {
            let audit = audit(self.house.ctx.store()).await.unwrap();
            assert!(audit.balances(), "{audit:?}");
            (audit.total.pending == 0).then_some(audit.total)
        })
        .await
    }

    async fn state(&self, id: MessageId) -> &'static str {
        look(self.house.ctx.store(), id).await.unwrap().state
    }

    /// How often the vendor took each message.
    async fn taken(&self) -> HashMap<String, usize> {
        let mut taken = HashMap::new();
        for (reference, _) in self.vendor.ledger().await {
            *taken.entry(reference).or_default() += 1;
        }
        taken
    }
}

/// Sends messages of every purpose through the faults, and returns them with what came of them.
async fn carried(level: SandboxLevel) -> (Shop, Vec<(Purpose, MessageId)>, Account) {
    let options = json!({ "fault": FAULTS, "slow_ms": 4_000 });
    let keys =
        json!({ "batch_max": 5, "timeout_ms": 1_000, "attempts_max": 30, "retry_base_ms": 10, "retry_max_ms": 50 });
    let shop = Shop::open(level, options, keys).await;
    let mut sent = Vec::new();
    for purpose in Purpose::ALL {
        sent.extend(shop.accept(purpose, MESSAGES).await.into_iter().map(|id| (purpose, id)));
    }
    shop.dispatch.run().await.unwrap();
    let account = shop.settled().await;
    (shop, sent, account)
}

async fn nothing_is_doubled_or_unknown(level: SandboxLevel) {
    let (shop, sent, account) = carried(level).await;
    let all = sent.len() as u64;
    assert_eq!(account, Account { accepted: all, sent: all, ..Account::default() });
    let summary = shop.vendor.summary().await;
    assert_eq!((&summary["messages"]["accepted"], &summary["doubled"]), (&json!(all), &json!(0)), "{summary}");
    let taken = shop.taken().await;
    assert!(sent.iter().all(|(_, id)| taken.get(&id.to_string()) == Some(&1)));
    let least = all / 5 * if level == SandboxLevel::TwoPhase { 2 } else { 1 };
    assert!(summary["requests"].as_u64().unwrap() > least, "no fault came between: {summary}");
}

#[tokio::test]
async fn at_level_two_phase_nothing_is_doubled_or_unknown() {
    nothing_is_doubled_or_unknown(SandboxLevel::TwoPhase).await;
}

#[tokio::test]
async fn at_level_key_nothing_is_doubled_or_unknown() {
    nothing_is_doubled_or_unknown(SandboxLevel::Key).await;
}

#[tokio::test]
async fn at_level_lookup_nothing_is_doubled_or_unknown() {
    nothing_is_doubled_or_unknown(SandboxLevel::Lookup).await;
}

#[tokio::test]
async fn at_level_none_auth_and_info_are_doubled_rather_than_lost_and_ads_stay_unknown() {
    let (shop, sent, account) = carried(SandboxLevel::None).await;
    let taken = shop.taken().await;
    let (mut unknown, mut doubled) = (0, 0);
    for (purpose, id) in sent {
        let times = taken.get(&id.to_string()).copied().unwrap_or_default();
        let state = shop.state(id).await;
        // Each of these faults loses the answer to what was taken.
        assert!(times >= 1, "{id} was lost");
        if purpose == Purpose::Ad {
            assert_eq!(times, 1, "an advertisement was sent twice");
            assert!(["sent", "unknown"].contains(&state), "{id} is {state}");
            unknown += u64::from(state == "unknown");
        } else {
            assert_eq!(state, "sent", "{id}");
            doubled += u64::from(times > 1);
        }
    }
    assert!(unknown > 0 && doubled > 0, "no fault hit: {unknown} unknown, {doubled} doubled");
    assert_eq!((account.unknown, shop.vendor.summary().await["doubled"].as_u64()), (unknown, Some(doubled)));
}

#[tokio::test]
async fn at_level_two_phase_the_vendor_never_counts_more_requests_than_the_cap() {
    const CAP: u32 = 20;
    // Answers that come late together make the calls after them come together.
    let options = json!({ "fault": ["slow=30", "reset-after-accept=5"], "slow_ms": 700 });
    let keys = json!({ "batch_max": 5, "timeout_ms": 3_000, "requests_per_second_max": CAP, "retry_base_ms": 10 });
    let shop = Shop::open(SandboxLevel::TwoPhase, options, keys).await;
    let ids = shop.accept(Purpose::Info, 200).await;
    shop.dispatch.run().await.unwrap();
    assert_eq!(shop.settled().await.sent, ids.len() as u64);
    let summary = shop.vendor.summary().await;
    let peak = summary["requests_per_second_peak"].as_u64().unwrap();
    // The vendor counts arrivals: on a machine that is busy some of them come later than they left, and so together.
    assert!(peak <= u64::from(CAP) * 5 / 4 && peak > u64::from(CAP) / 2, "{summary}");
    assert_eq!(&summary["doubled"], &json!(0), "{summary}");
}
