//! `consent show`.

use clap::Args;
use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::clock::{Millis, seoul};
use naru_core::failure::Failure;
use naru_core::text::Lang;
use naru_dispatch::address::normalise;
use naru_dispatch::consent::Permit;
use naru_dispatch::message::{Channel, Purpose};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::flags::Flags;
use crate::ledger::facts::{BLOCKS, CONSENTS};
use crate::ledger::history::{self, BlockRow, GivenRow};
use crate::night::Nights;

/// Show what an address may be sent, and why
///
/// Lists its blocks and its consents to advertisements, the withdrawn and the lifted ones too, youngest first.
#[derive(Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowArgs {
    /// Phone number or e-mail address; a push token with `--channel push`
    address: String,
    /// Only this channel [default: every channel of such an address]
    #[arg(long, value_parser = super::channel_parser())]
    channel: Option<Channel>,
}

/// Says `consent show`.
pub async fn show(ctx: Ctx, nights: Nights, call: Call<ShowArgs>) -> Result<Answer, Failure> {
    let ShowArgs { address, channel } = call.args;
    let address = super::address(&address, channel)?;
    let reader = ctx.store().reader();
    let blocks = history::blocks(reader, address.reveal()).await?;
    let given = history::given(reader, address.reveal()).await?;
    let flags = BLOCKS.of_address(reader, address.reveal()).await?;
    let flags = flags.or(CONSENTS.of_address(reader, address.reveal()).await?);
    let now = ctx.clock().now_ms();
    let reaches = |it: &Channel| match channel {
        Some(channel) => *it == channel,
        // A phone number would pass for a push token as well.
        None => *it != Channel::Push && normalise(*it, address.reveal()).as_ref() == Some(&address),
    };
    let holds: Vec<Holds> =
        Channel::ALL.into_iter().filter(reaches).map(|it| Holds::of(flags, it, &nights, now)).collect();

    let data = json!({
        "address": address.to_string(),
        "now": holds.iter().map(Holds::data).collect::<serde_json::Value>(),
        "blocks": blocks,
        "consents": given,
    });
    let say = |key: &str| ctx.say(call.lang, key, &[]);
    let mut answer = Answer::data(data)?
        .line(address.to_string())
        .table(holds_columns(say), holds.iter().map(|it| it.row(&ctx, call.lang)).collect());
    if blocks.is_empty() && given.is_empty() {
        return Ok(answer.line(say("consent-show-nothing")));
    }
    if !blocks.is_empty() {
        let columns = ["blocked-at", "channel", "scope", "why", "who", "lifted-at", "lifted-by"];
        answer = answer.table(columns.map(|it| say(&format!("consent-show-{it}"))).into(), rows(&blocks, block_row));
    }
    if !given.is_empty() {
        let columns = ["given-at", "channel", "night", "evidence", "who", "stored-at", "withdrawn-at"];
        answer = answer.table(columns.map(|it| say(&format!("consent-show-{it}"))).into(), rows(&given, given_row));
    }
    Ok(answer)
}

/// What holds on one channel at this moment.
struct Holds {
    channel: Channel,
    permits: [Permit; Purpose::ALL.len()],
}

impl Holds {
    fn of(flags: Flags, channel: Channel, nights: &Nights, now: Millis) -> Holds {
        let night_ends_at = nights.of(channel).and_then(|night| night.ends_at(now));
        Holds { channel, permits: Purpose::ALL.map(|purpose| flags.permit(purpose, channel, night_ends_at)) }
    }

    fn data(&self) -> serde_json::Value {
        let mut data = json!({ "channel": self.channel });
        for (purpose, permit) in Purpose::ALL.iter().zip(&self.permits) {
            data[purpose.name()] = match permit {
                Permit::Send => json!("send"),
                Permit::Suppress(code) => json!(code),
                Permit::Hold(until) => json!({ "hold_until": until }),
            };
        }
        data
    }

    fn row(&self, ctx: &Ctx, lang: Lang) -> Vec<String> {
        let cells = self.permits.iter().map(|permit| match permit {
            Permit::Send => ctx.say(lang, "consent-show-send", &[]),
            Permit::Suppress("suppressed") => ctx.say(lang, "consent-show-suppressed", &[]),
            Permit::Suppress(_) => ctx.say(lang, "consent-show-no-consent", &[]),
            Permit::Hold(until) => ctx.say(lang, "consent-show-hold", &[("until", &seoul(*until))]),
        });
        std::iter::once(self.channel.to_string()).chain(cells).collect()
    }
}

fn holds_columns(say: impl Fn(&str) -> String) -> Vec<String> {
    let purposes = Purpose::ALL.map(|purpose| say(&format!("consent-show-{purpose}")));
    std::iter::once(say("consent-show-channel")).chain(purposes).collect()
}

fn rows<T>(all: &[T], row: impl Fn(&T) -> Vec<String>) -> Vec<Vec<String>> {
    all.iter().map(row).collect()
}

fn block_row(row: &BlockRow) -> Vec<String> {
    let lifted_by = row.lifted_by.clone().unwrap_or_default();
    let (blocked_at, lifted_at) = (seoul(row.blocked_at), row.lifted_at.map(seoul).unwrap_or_default());
    let [channel, scope, why, who] = [&row.channel, &row.scope, &row.why, &row.who].map(String::clone);
    vec![blocked_at, channel, scope, why, who, lifted_at, lifted_by]
}

fn given_row(row: &GivenRow) -> Vec<String> {
    let (given_at, stored_at) = (seoul(row.given_at), seoul(row.stored_at));
    let withdrawn_at = row.withdrawn_at.map(seoul).unwrap_or_default();
    let [channel, evidence, who] = [&row.channel, &row.evidence, &row.who].map(String::clone);
    vec![given_at, channel, u8::from(row.night).to_string(), evidence, who, stored_at, withdrawn_at]
}
