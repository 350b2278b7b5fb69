//! `naru message …`: what became of one message.

use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::clock::seoul;
use naru_core::failure::Failure;
use naru_core::masked::mask;
use naru_core::text::Lang;
use naru_dispatch::address::normalise;
use naru_dispatch::engine::Dispatch;
use naru_dispatch::look::{MessageView, look};
use naru_dispatch::message::{Channel, MessageId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::campaign_word::within;

/// Messages of one look-up.
const FOUND_MAX: usize = 200;

/// Show what became of one message
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ShowArgs {
    /// Its id, such as 0192f0c1a2b34c5d6e7f8091a2b3c4d5-17
    message: String,
}

/// Find the messages to an address, newest first
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FindArgs {
    /// A phone number, an e-mail address or a push token
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// How many, 200 at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[serde(default = "twenty")]
    limit: usize,
}

fn twenty() -> usize {
    20
}

/// Shows one.
pub async fn show(ctx: Ctx, call: Call<ShowArgs>) -> Result<Answer, Failure> {
    let id: MessageId = call
        .args
        .message
        .parse()
        .map_err(|_| Failure::not_found("message-unknown").arg("message", &call.args.message))?;
    let view = look(ctx.store(), id).await?;
    Answer::data(&view).map(|answer| answer.fields(fields(&ctx, call.lang, &view)))
}

/// Finds.
pub async fn find(ctx: Ctx, call: Call<FindArgs>) -> Result<Answer, Failure> {
    // An e-mail address has its sign; whatever reads as a phone number is one; the rest can only be a token.
    let forms = [Channel::Email, Channel::Sms, Channel::Push];
    let found = forms.into_iter().find_map(|channel| normalise(channel, &call.args.to).map(|to| (channel, to)));
    let no_address = || Failure::usage("find-address").arg("address", mask(&call.args.to));
    let (channel, to) = found.ok_or_else(no_address)?;
    let limit = within(call.args.limit, FOUND_MAX)?;
    let ids = ctx.need::<Dispatch>()?.find(&to, limit).await?;
    if ids.is_empty() && channel == Channel::Push {
        // Anything reads as a token, so one that nobody was sent to is rather a slip of the finger.
        return Err(no_address());
    }
    let mut views = Vec::with_capacity(ids.len());
    for id in ids {
        views.push(look(ctx.store(), id).await?);
    }
    if views.is_empty() {
        let address = to.to_string();
        return Ok(Answer::data(&views)?.line(ctx.say(call.lang, "find-none", &[("address", &address)])));
    }
    let rows = views.iter().map(|view| {
        vec![
            view.id.clone(),
            state(&ctx, call.lang, view),
            view.template.clone(),
            view.lane.clone(),
            seoul(view.accepted_at),
        ]
    });
    let columns = ["id", "state", "template", "lane", "accepted"];
    let columns = columns.map(|name| ctx.say(call.lang, &format!("message-column-{name}"), &[])).to_vec();
    Ok(Answer::data(&views)?.table(columns, rows.collect()))
}

fn state(ctx: &Ctx, lang: Lang, view: &MessageView) -> String {
    let state = ctx.say(lang, &format!("state-{}", view.state), &[]);
    match &view.code {
        Some(code) => format!("{state} ({code})"),
        None => state,
    }
}

fn fields(ctx: &Ctx, lang: Lang, view: &MessageView) -> Vec<(String, String)> {
    let optional = [
        ("field-customer", view.customer.clone()),
        ("field-campaign", view.campaign.clone()),
        ("field-expires", view.expires_at.map(seoul)),
        ("field-due", view.due_at.map(seoul)),
        ("field-tries", view.tries.map(|tries| tries.to_string())),
        ("field-trace", view.trace_id.clone()),
    ];
    let mut list = vec![
        ("field-message", Some(view.id.clone())),
        ("field-to", Some(view.to.clone())),
        ("field-state", Some(state(ctx, lang, view))),
        ("field-template", Some(format!("{} v{}", view.template, view.version))),
        ("field-lane", Some(view.lane.clone())),
        ("field-accepted", Some(seoul(view.accepted_at))),
    ];
    list.extend(optional);
    list.into_iter().filter_map(|(key, value)| Some((ctx.say(lang, key, &[]), value?))).collect()
}
