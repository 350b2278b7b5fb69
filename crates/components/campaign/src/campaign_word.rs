//! `naru campaign …`: what is being sent, and steering it.

use naru_component::answer::{Answer, Follow};
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::clock::seoul;
use naru_core::failure::Failure;
use naru_core::text::Lang;
use naru_dispatch::campaign::search::{Sought, search};
use naru_dispatch::campaign::{self, Campaign, CampaignState};
use naru_dispatch::component::account_fields;
use naru_dispatch::engine::Dispatch;
use naru_dispatch::lane_word::trouble;
use naru_web::role::{Actor, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::send_word::start_at;

/// Campaigns of one list.
pub const LIST_MAX: usize = 500;

/// List campaigns, newest first
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListArgs {
    /// How many, 500 at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[serde(default = "twenty")]
    limit: usize,
}

fn twenty() -> usize {
    20
}

/// Show how far a campaign is and what became of its messages
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ShowArgs {
    /// Its id or its name
    campaign: String,
    /// Stay and show the progress until the last message has its outcome
    #[arg(long)]
    #[serde(default)]
    watch: bool,
}

/// Stop a campaign for now
///
/// Requests that are on their way end; nothing else of it starts until `naru campaign resume`.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PauseArgs {
    /// Its id or its name
    campaign: String,
}

/// Let a paused campaign go on, or one that waits begin
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ResumeArgs {
    /// Its id or its name
    campaign: String,
}

/// Say when a campaign that waits begins
///
/// One that was sent with `--hold` or `--at` and has not begun. It begins within seconds of that time, by whichever
/// instance runs.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleArgs {
    /// Its id or its name
    campaign: String,
    /// When, such as "2026-11-24 09:00" in Asia/Seoul
    #[arg(long, value_name = "TIME", required_unless_present = "off", conflicts_with = "off")]
    #[serde(default)]
    at: Option<String>,
    /// Not by itself: it waits for `naru campaign resume`
    #[arg(long)]
    #[serde(default)]
    off: bool,
}

/// End a campaign: what has not left will not
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CancelArgs {
    /// Its id or its name
    campaign: String,
}

/// Lists.
pub async fn list(ctx: Ctx, call: Call<ListArgs>) -> Result<Answer, Failure> {
    let limit = within(call.args.limit, LIST_MAX)?;
    let campaigns = search(ctx.store(), &Sought::default(), limit).await?.campaigns;
    let rows = campaigns.iter().map(|campaign| {
        vec![
            campaign.id.to_string(),
            campaign.name.clone(),
            state(&ctx, call.lang, campaign.state),
            campaign.account.accepted.to_string(),
            campaign.account.done().to_string(),
            campaign.account.failed.to_string(),
            seoul(campaign.created_at),
        ]
    });
    let columns = ["id", "name", "state", "accepted", "done", "failed", "created"];
    let columns = columns.map(|name| ctx.say(call.lang, &format!("campaign-column-{name}"), &[])).to_vec();
    let data: Vec<Value> = campaigns.iter().map(data).collect();
    if data.is_empty() {
        return Ok(Answer::data(data)?.line(ctx.say(call.lang, "campaign-none", &[])));
    }
    Ok(Answer::data(data)?.table(columns, rows.collect()))
}

/// How many lines were asked for, or that nobody is shown so many.
pub fn within(limit: usize, max: usize) -> Result<usize, Failure> {
    if (1..=max).contains(&limit) {
        return Ok(limit);
    }
    Err(Failure::usage("limit-range").arg("limit", limit).arg("max", max))
}

/// Shows one.
pub async fn show(ctx: Ctx, call: Call<ShowArgs>) -> Result<Answer, Failure> {
    let campaign = campaign::resolve(ctx.store(), &call.args.campaign).await?;
    let account = &campaign.account;
    let say = |key: &str| ctx.say(call.lang, key, &[]);
    // A campaign that does not go on says why.
    let trouble = if account.pending > 0 { trouble(&ctx, call.lang, &campaign.lane).await? } else { None };
    let stands = trouble.map_or_else(String::new, |trouble| format!(" ({trouble})"));
    let mut fields = vec![
        (say("field-campaign"), format!("{} ({})", campaign.name, campaign.id)),
        (say("field-state"), state(&ctx, call.lang, campaign.state)),
        (say("field-template"), format!("{} v{}", campaign.template, campaign.version)),
        (say("field-lane"), format!("{}{stands}", campaign.lane)),
        (say("field-created"), format!("{} ({})", seoul(campaign.created_at), campaign.created_by)),
        (say("field-refused"), campaign.refused.to_string()),
    ];
    fields.extend(account_fields(&ctx, call.lang, account));
    let mut answer = Answer::data(data(&campaign))?
        .progress(format!("{}{stands}", campaign.name), account.done(), account.accepted)
        .fields(fields);
    if call.args.watch && !is_done(&campaign) {
        let args = json!({ "campaign": campaign.id.to_string() });
        answer.follow = Some(Follow { word: "campaign show".to_owned(), args });
    }
    Ok(answer)
}

/// Pauses.
pub async fn pause(ctx: Ctx, call: Call<PauseArgs>) -> Result<Answer, Failure> {
    let campaign = campaign::resolve(ctx.store(), &call.args.campaign).await?;
    ctx.need::<Dispatch>()?.pause(campaign.id).await?;
    steered(&ctx, call.lang, "campaign-paused", &campaign).await
}

/// Whether somebody may say what becomes of a campaign. Who sends campaigns says so of one that has not begun; what leaves
/// already is steered by who operates.
pub fn may_steer(actor: &Actor, campaign: &Campaign) -> Result<(), Failure> {
    // A discard that was cut off is finished by whoever began it.
    let is_discarded = campaign.state == CampaignState::Cancelled && campaign.started_at.is_none();
    let waits = matches!(campaign.state, CampaignState::Loading | CampaignState::Held);
    actor.must(if waits || is_discarded { Role::Send } else { Role::Operate })
}

/// Lets it go on, as far as the role reaches: what was judged a moment ago may have begun to leave meanwhile.
pub async fn let_go(dispatch: &Dispatch, actor: &Actor, campaign: &Campaign) -> Result<(), Failure> {
    may_steer(actor, campaign)?;
    match actor.role >= Role::Operate {
        true => dispatch.resume(campaign.id).await,
        false => dispatch.start(campaign.id).await,
    }
}

/// Ends it, as far as the role reaches.
pub async fn end(dispatch: &Dispatch, actor: &Actor, campaign: &Campaign) -> Result<(), Failure> {
    may_steer(actor, campaign)?;
    match actor.role >= Role::Operate {
        true => dispatch.cancel(campaign.id).await,
        false => dispatch.discard(campaign.id).await,
    }
}

/// Resumes.
pub async fn resume(ctx: Ctx, call: Call<ResumeArgs>) -> Result<Answer, Failure> {
    let campaign = campaign::resolve(ctx.store(), &call.args.campaign).await?;
    let_go(&*ctx.need::<Dispatch>()?, &call.actor, &campaign).await?;
    steered(&ctx, call.lang, "campaign-resumed", &campaign).await
}

/// Says when it begins.
pub async fn schedule(ctx: Ctx, call: Call<ScheduleArgs>) -> Result<Answer, Failure> {
    let campaign = campaign::resolve(ctx.store(), &call.args.campaign).await?;
    may_steer(&call.actor, &campaign)?;
    let at = call.args.at.as_deref().map(|at| start_at(at, ctx.clock().now_ms())).transpose()?;
    ctx.need::<Dispatch>()?.schedule(campaign.id, at).await?;
    let at = at.map(seoul).unwrap_or_default();
    let key = if call.args.off { "send-waits" } else { "send-waits-for" };
    let now = campaign::resolve(ctx.store(), &campaign.id.to_string()).await?;
    Ok(Answer::data(data(&now))?.line(ctx.say(call.lang, key, &[("name", &campaign.name), ("at", &at)])))
}

/// Cancels.
pub async fn cancel(ctx: Ctx, call: Call<CancelArgs>) -> Result<Answer, Failure> {
    let campaign = campaign::resolve(ctx.store(), &call.args.campaign).await?;
    end(&*ctx.need::<Dispatch>()?, &call.actor, &campaign).await?;
    steered(&ctx, call.lang, "campaign-cancelled", &campaign).await
}

async fn steered(ctx: &Ctx, lang: Lang, key: &str, campaign: &Campaign) -> Result<Answer, Failure> {
    let now = campaign::resolve(ctx.store(), &campaign.id.to_string()).await?;
    Ok(Answer::data(data(&now))?.line(ctx.say(lang, key, &[("name", &campaign.name)])))
}

/// A campaign's state in the reader's language.
pub fn state(ctx: &Ctx, lang: Lang, state: CampaignState) -> String {
    ctx.say(lang, &format!("campaign-state-{}", state.name()), &[])
}

/// Whether nothing more will happen by itself.
pub fn is_done(campaign: &Campaign) -> bool {
    matches!(campaign.state, CampaignState::Done | CampaignState::Cancelled) && campaign.account.pending == 0
}

/// A campaign as programs get it.
pub fn data(campaign: &Campaign) -> Value {
    let mut data = serde_json::to_value(campaign).unwrap_or_default();
    data["done"] = json!(is_done(campaign));
    data["balances"] = json!(campaign.account.balances());
    data
}
