//! Random histories: what the engine is told agrees with a naive reading of everything that was said.

use naru_core::clock::Millis;
use naru_dispatch::consent::Permit;
use naru_dispatch::message::{Channel, Purpose};
use naru_testkit::database::Engine;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;

use crate::house::{HOUR_MS, House, NO_CONSENT, NOON, SUPPRESSED};

/// Histories for each engine; each step of one is a commit.
const CASES: u32 = 24;
const STEPS_MAX: usize = 24;
const ADDRESSES: usize = 5;

#[derive(Clone, Debug)]
enum Step {
    Block { who: usize, channel: Option<Channel>, ads_only: bool },
    Unblock { who: usize, channel: Option<Channel> },
    Import(Vec<(usize, Channel, i64, bool)>),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..ADDRESSES;
    let channels = || prop::sample::select(Channel::ALL.to_vec());
    let any_channel = || prop::option::of(channels());
    let step = prop_oneof![
        2 => (who(), any_channel(), any::<bool>())
            .prop_map(|(who, channel, ads_only)| Step::Block { who, channel, ads_only }),
        2 => (who(), any_channel()).prop_map(|(who, channel)| Step::Unblock { who, channel }),
        // Ages in milliseconds, few and small: consents of one moment, and of the moment of a block.
        4 => prop::collection::vec((who(), channels(), 0i64..4, any::<bool>()), 1..8).prop_map(Step::Import),
        1 => (0i64..3).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..STEPS_MAX)
}

/// Everything that was said, in plain lists.
#[derive(Default)]
struct Naive {
    blocks: Vec<NaiveBlock>,
    given: Vec<(String, Channel, Millis, bool)>,
}

struct NaiveBlock {
    address: String,
    channel: Option<Channel>,
    ads_only: bool,
    at: Millis,
    lifted: bool,
}

impl Naive {
    fn permit(&self, to: &str, purpose: Purpose, channel: Channel, night_ends_at: Option<Millis>) -> Permit {
        let on_it = |block: &&NaiveBlock| block.address == to && block.channel.is_none_or(|it| it == channel);
        let mut standing = self.blocks.iter().filter(on_it).filter(|block| !block.lifted);
        if standing.any(|block| !block.ads_only || purpose == Purpose::Ad) {
            return SUPPRESSED;
        }
        if purpose != Purpose::Ad {
            return Permit::Send;
        }
        let refused_at = self.blocks.iter().filter(on_it).map(|block| block.at).max().unwrap_or(Millis::MIN);
        let consents = self.given.iter().filter(|(by, on, at, _)| by == to && *on == channel && *at > refused_at);
        match (consents.map(|(_, _, at, night)| (*at, !night)).max(), night_ends_at) {
            (None, _) => NO_CONSENT,
            (Some((_, true)), Some(morning)) => Permit::Hold(morning),
            _ => Permit::Send,
        }
    }
}

/// The address of a person on a channel: a phone number, an e-mail address or a token. No two cases share one.
fn address(case: usize, who: usize, channel: Channel) -> String {
    match channel {
        Channel::Email => format!("customer{who}@case{case}.example.com"),
        Channel::Push => format!("token-{case}-{who}"),
        _ => format!("010{case:04}{who:04}"),
    }
}

/// What a person's refusal names: the address of its channel, or all three, the token always with its channel.
fn refused(case: usize, who: usize, channel: Option<Channel>) -> Vec<(String, Option<Channel>)> {
    match channel {
        Some(it) => vec![(address(case, who, it), channel)],
        None => [(Channel::Sms, None), (Channel::Email, None), (Channel::Push, Some(Channel::Push))]
            .map(|(of, channel)| (address(case, who, of), channel))
            .into(),
    }
}

async fn take(house: &House, naive: &mut Naive, case: usize, step: &Step) {
    let now = house.ctx.clock().now_ms();
    match step {
        Step::Block { who, channel, ads_only } => {
            let scope = if *ads_only { "ads" } else { "all" };
            for (address, channel) in refused(case, *who, *channel) {
                let args = json!({ "address": address, "channel": channel, "scope": scope });
                house.say("consent block", args).await;
                naive.blocks.push(NaiveBlock { address, channel, ads_only: *ads_only, at: now, lifted: false });
            }
        }
        Step::Unblock { who, channel } => {
            for (address, channel) in refused(case, *who, *channel) {
                house.say("consent unblock", json!({ "address": address, "channel": channel })).await;
                for block in naive.blocks.iter_mut().filter(|block| block.address == address) {
                    block.lifted |= channel.is_none() || block.channel == channel;
                }
            }
        }
        Step::Import(rows) => {
            let mut lines = Vec::new();
            for (who, channel, age, night) in rows {
                let (address, at) = (address(case, *who, *channel), now - age);
                let given_at = jiff::Timestamp::from_millisecond(at).unwrap();
                lines.push(format!("{address},{channel},{},{given_at}", u8::from(*night)));
                naive.given.push((address, *channel, at, *night));
            }
            let answer = house.give(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
            assert_eq!(answer.data["refused"], 0, "{:?}", answer.data);
        }
        Step::Wait(ms) => house.clock.set(now + ms),
    }
}

fn compare(house: &House, naive: &Naive, case: usize) -> Result<(), TestCaseError> {
    for (who, channel) in (0..ADDRESSES).flat_map(|who| Channel::ALL.map(|channel| (who, channel))) {
        let to = address(case, who, channel);
        for (now, morning) in [(NOON, None), (NOON + 11 * HOUR_MS, Some(NOON + 20 * HOUR_MS))] {
            let morning = morning.filter(|_| channel != Channel::Email);
            for purpose in Purpose::ALL {
                let found = house.permit_at(now, purpose, channel, &to);
                prop_assert_eq!(found, naive.permit(&to, purpose, channel, morning), "{} {} {}", to, channel, purpose);
            }
        }
    }
    Ok(())
}

fn decisions_agree_with_a_naive_map(engine: Engine) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (house, other) = runtime.block_on(async {
        let house = House::new(engine).await;
        let other = house.another().await;
        (house, other)
    });
    let case = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let result = runner.run(&steps(), |steps| {
        case.set(case.get() + 1);
        runtime.block_on(async {
            let mut naive = Naive::default();
            for step in &steps {
                take(&house, &mut naive, case.get(), step).await;
                compare(&house, &naive, case.get())?;
            }
            other.refresh().await;
            compare(&other, &naive, case.get())?;
            let fresh = house.another().await;
            fresh.refresh().await;
            compare(&fresh, &naive, case.get())
        })
    });
    result.unwrap_or_else(|e| panic!("{e}"));
    // A value of the runtime must not outlive it.
    let _inside = runtime.enter();
    drop((house, other));
}

#[test]
fn decisions_agree_with_a_naive_map_on_sqlite() {
    decisions_agree_with_a_naive_map(Engine::Sqlite);
}

#[test]
fn decisions_agree_with_a_naive_map_on_postgres() {
    decisions_agree_with_a_naive_map(Engine::Postgres);
}
