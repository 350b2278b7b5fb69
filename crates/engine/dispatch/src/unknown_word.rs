//! `naru unknown …`: what may or may not have left, and settling it.

use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::clock::seoul;
use naru_core::failure::Failure;
use naru_core::text::Lang;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::campaign;
use crate::engine::Dispatch;
use crate::message::MessageId;
use crate::side::State;
use crate::unknown::{self, Page, Scope, Settled, Unknown};

/// Messages of one list.
const LIST_MAX: usize = 500;
/// Messages named in one saying: more are a campaign or a lane.
const NAMED_MAX: usize = 1_000;
/// Messages that were not settled, told one by one; the data has all of them.
const TOLD_MAX: usize = 20;

/// List messages of which nobody knows whether they left
///
/// The provider gave no answer and cannot be asked, or a stored frame is damaged. Nothing more is sent for them by
/// itself. SINCE is when anything of the message's frame last changed: it is unknown since then at the latest.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListArgs {
    /// Only those of this campaign, by its id or its name
    #[arg(long, value_name = "CAMPAIGN")]
    campaign: Option<String>,
    /// Only those of this lane
    #[arg(long, value_name = "NAME")]
    lane: Option<String>,
    /// How many, 500 at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[serde(default = "fifty")]
    limit: usize,
    /// Begin behind this message: the last one of the page before
    #[arg(long, value_name = "MESSAGE")]
    after: Option<String>,
}

fn fifty() -> usize {
    50
}

/// Say what became of unknown messages
///
/// For whoever has asked the provider, or looked into its reports. What is said is on the disk before it is answered, and
/// a lane that runs takes it over within a second. A later receipt still moves a message forward, never back.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettleArgs {
    /// Ids as `naru unknown list` shows them
    #[arg(value_name = "MESSAGE", required_unless_present_any = ["campaign", "lane"])]
    #[arg(conflicts_with_all = ["campaign", "lane"])]
    #[serde(default)]
    messages: Vec<String>,
    /// All of this campaign, by its id or its name
    #[arg(long, value_name = "CAMPAIGN")]
    campaign: Option<String>,
    /// All of this lane
    #[arg(long, value_name = "NAME")]
    lane: Option<String>,
    /// What became of them
    #[arg(long = "as", value_name = "STATE", value_enum)]
    #[serde(rename = "as")]
    state: Outcome,
}

/// What a person can have found out.
#[derive(Clone, Copy, Debug, clap::ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The provider took it
    Sent,
    /// It did not leave, or did not arrive, and will not
    Failed,
    /// It reached the recipient
    Delivered,
}

impl Outcome {
    fn state(self) -> State {
        match self {
            Outcome::Sent => State::Sent,
            Outcome::Failed => State::Failed,
            Outcome::Delivered => State::Delivered,
        }
    }
}

/// Lists them.
pub async fn list(ctx: Ctx, call: Call<ListArgs>) -> Result<Answer, Failure> {
    let ListArgs { campaign, lane, limit, after } = call.args.clone();
    if !(1..=LIST_MAX).contains(&limit) {
        return Err(Failure::usage("unknown-limit").arg("limit", limit).arg("max", LIST_MAX));
    }
    let stranger = |text: &String| Failure::not_found("message-unknown").arg("message", text);
    let after = after.as_ref().map(|text| text.parse::<MessageId>().map_err(|_| stranger(text))).transpose()?;
    let dispatch = ctx.need::<Dispatch>()?;
    let scope = scope(&dispatch, campaign, lane).await?;
    let page = unknown::list(ctx.store(), &scope, after, limit).await?;
    let say = |key: &str| ctx.say(call.lang, key, &[]);
    let mut answer = Answer::data(&page)?;
    if page.total == 0 {
        return Ok(answer.line(say("unknown-none")));
    }
    if !page.messages.is_empty() {
        let columns = ["message", "to", "purpose", "reason", "lane", "campaign", "since"];
        let columns = columns.map(|name| say(&format!("unknown-column-{name}"))).to_vec();
        answer = answer.table(columns, page.messages.iter().map(cells).collect());
    }
    Ok(told(&ctx, call.lang, &call.args, &page, answer))
}

fn cells(message: &Unknown) -> Vec<String> {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        message.id.clone(),
        or_none(&message.to),
        message.purpose.map_or("-", |purpose| purpose.name()).to_owned(),
        or_none(&message.code),
        message.lane.clone(),
        or_none(&message.campaign),
        seoul(message.since),
    ]
}

/// How many there are in all, and how to go on.
fn told(ctx: &Ctx, lang: Lang, args: &ListArgs, page: &Page, answer: Answer) -> Answer {
    let (total, damaged, shown) = (page.total.to_string(), page.damaged.to_string(), page.messages.len().to_string());
    let mut answer = answer.line(ctx.say(lang, "unknown-total", &[("total", &total)]));
    if page.damaged > 0 {
        answer = answer.warn(ctx.say(lang, "unknown-total-damaged", &[("damaged", &damaged)]));
    }
    let Some(next) = &page.next else { return answer };
    let mut command = format!("naru unknown list --after {next}");
    for (flag, value) in [("campaign", &args.campaign), ("lane", &args.lane)] {
        if let Some(value) = value {
            command += &format!(" --{flag} {}", quoted(value));
        }
    }
    answer.line(ctx.say(lang, "unknown-more", &[("shown", &shown), ("command", &command)]))
}

/// As a shell reads it back.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if value.chars().all(plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
}

/// Settles them.
pub async fn settle(ctx: Ctx, call: Call<SettleArgs>) -> Result<Answer, Failure> {
    let SettleArgs { messages, campaign, lane, state } = call.args;
    if messages.is_empty() == (campaign.is_none() && lane.is_none()) {
        return Err(Failure::usage("unknown-settle-which"));
    }
    if messages.len() > NAMED_MAX {
        return Err(Failure::usage("unknown-settle-many").arg("found", messages.len()).arg("max", NAMED_MAX));
    }
    let dispatch = ctx.need::<Dispatch>()?;
    let state = state.state();
    let settled = if messages.is_empty() {
        let scope = scope(&dispatch, campaign, lane).await?;
        unknown::settle_all(&dispatch, &scope, state).await?
    } else {
        unknown::settle_named(&dispatch, &messages, state).await?
    };
    // One message that cannot be settled is one failure.
    match settled.refused.as_slice() {
        [(_, failure)] if settled.count() == 0 => Err(failure.clone()),
        _ => answered(&ctx, call.lang, &settled, state),
    }
}

fn answered(ctx: &Ctx, lang: Lang, settled: &Settled, state: State) -> Result<Answer, Failure> {
    let refused: Vec<Value> = settled
        .refused
        .iter()
        .map(|(id, failure)| json!({ "id": id, "code": failure.code, "detail": failure.to_string() }))
        .collect();
    let data = json!({
        "settled": settled.count(), "as": state.name(), "lanes": settled.lanes,
        "refused": refused, "damaged": settled.damaged,
    });
    let (count, named) = (settled.count().to_string(), ctx.say(lang, &format!("state-{}", state.name()), &[]));
    let said = ctx.say(lang, "unknown-settled", &[("count", &count), ("state", &named)]);
    let mut answer = Answer::data(data)?.line(said);
    for (_, failure) in settled.refused.iter().take(TOLD_MAX) {
        answer = answer.refuse(ctx, lang, failure);
    }
    if settled.refused.len() > TOLD_MAX {
        let more = (settled.refused.len() - TOLD_MAX).to_string();
        answer = answer.warn(ctx.say(lang, "unknown-settle-more", &[("count", &more)]));
    }
    if settled.damaged > 0 {
        let failure = Failure::conflict("unknown-settle-damaged").arg("count", settled.damaged);
        answer = answer.refuse(ctx, lang, &failure);
    }
    Ok(answer)
}

/// What is meant, if it is there.
pub(crate) async fn scope(
    dispatch: &Dispatch,
    campaign: Option<String>,
    lane: Option<String>,
) -> Result<Scope, Failure> {
    let campaign = match campaign {
        Some(text) => Some(campaign::resolve(dispatch.ctx().store(), &text).await?.id),
        None => None,
    };
    if let Some(lane) = &lane
        && !unknown::knows_lane(dispatch, lane).await?
    {
        let known: Vec<&str> = dispatch.config().lane.keys().map(String::as_str).collect();
        return Err(Failure::not_found("lane-unknown").arg("lane", lane).arg("known", known.join(", ")));
    }
    Ok(Scope { campaign, lane })
}
