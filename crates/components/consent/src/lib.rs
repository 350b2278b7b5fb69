//! Who may be sent what and when: blocked addresses, consent to advertisements, the hours in which those rest.
//!
//! The law decides here (정보통신망법 §50): an advertisement needs prior consent, a refusal stops it, and from 21:00 to
//! 08:00 in Korea it needs a second consent of its own, e-mail excepted. What people said is kept as rows that are only
//! ever added to or dated ([`ledger`]); what follows from it for each address is a few bits in a compact table in memory
//! ([`table`], [`snapshot`]), which the engine asks once a chunk without waiting for anything.
//!
//! Must never know: a template, a campaign, a lane, a provider. A change must keep this: doubt suppresses or holds, it
//! never sends. Two addresses that share a fingerprint share their blocks and never their consents; a consent that is
//! older than a refusal stays withdrawn in whatever order the two arrive; before the rows are read nothing leaves.

mod check;
mod file;
mod flags;
mod ledger;
mod night;
mod snapshot;
mod table;
mod word;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use naru_component::Component;
use naru_component::ctx::Ctx;
use naru_core::failure::Failure;
use naru_dispatch::consent::Consent;
use naru_dispatch::message::Channel;
use naru_job::{Job, Place};
use serde::{Deserialize, Serialize};

use crate::night::{ChannelNight, DayTime, Nights};
use crate::snapshot::Snapshot;

/// The sentences of this crate.
pub const TEXTS: naru_core::text::Catalog = naru_core::text::Catalog {
    name: "consent",
    en: include_str!("../texts/en.ftl"),
    ko: include_str!("../texts/ko.ftl"),
};

/// `[consent]`: the hours, on Korean clocks, in which advertisements rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The first minute of the night, `HH:MM`.
    pub night_from: DayTime,
    /// The first minute after it. Equal to `night_from` means no night at all.
    pub night_until: DayTime,
    /// What differs on a channel. What is not said here keeps its default, key by key.
    #[serde(deserialize_with = "night::over_default")]
    pub channel: BTreeMap<Channel, ChannelNight>,
}

impl Default for Config {
    /// What the law says, and KakaoTalk's own earlier evening for brand messages.
    fn default() -> Config {
        let (from, until) = night::LAW;
        Config { night_from: from, night_until: until, channel: night::channels_default() }
    }
}

/// How often changes of other instances are looked for: the longest that they stay unknown here.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// Builds the room and offers its [`Consent`].
pub fn component(config: Config, ctx: &Ctx) -> Component {
    let nights = Nights::new(&config);
    let snapshot = Arc::new(Snapshot::new(ctx, nights.clone()));
    ctx.offer::<dyn Consent>(snapshot.clone());
    Component {
        schema: ledger::SCHEMA,
        words: word::all(&snapshot, &nights),
        jobs: vec![refresh(snapshot)],
        checks: check::all(&nights),
        ..Component::new("consent", TEXTS)
    }
}

/// Reads everything at its first run and afterwards what other instances have changed.
fn refresh(snapshot: Arc<Snapshot>) -> Job {
    let run = Arc::new(move || -> BoxFuture<'static, Result<(), Failure>> {
        let snapshot = snapshot.clone();
        Box::pin(async move { Ok(snapshot.refresh().await?) })
    });
    Job { name: "consent refresh", every: REFRESH_INTERVAL, place: Place::Everywhere, run }
}
