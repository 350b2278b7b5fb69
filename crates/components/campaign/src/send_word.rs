//! `naru send`: a file of customers into a campaign.

use std::path::{Path, PathBuf};

use naru_component::answer::{Answer, Follow};
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::clock::{Millis, seoul};
use naru_core::failure::Failure;
use naru_core::text::Lang;
use naru_dispatch::campaign::{self, CampaignState};
use naru_dispatch::engine::Dispatch;
use naru_dispatch::import::Done;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::file::moment::parse_moment;
use crate::intake::{Outcome, Source};
use crate::rejects;
use crate::taking::{Begin, Order, Ready, Taking};

/// Send a campaign to the customers in a file
///
/// Takes CSV (UTF-8 or as Korean Excel writes it), XLSX, or NDJSON. The fields `to`, `customer` and `expires_at` are
/// found by the names such columns usually have; the other columns fill the template's variables of the same name.
/// Bad rows are refused one by one into rejected.csv, and the good ones go. Returns when every good row is on the disk.
/// The same file, template and name again goes on where an interrupted run stopped, and never sends a row twice.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SendArgs {
    /// The template, by its id
    #[arg(long, value_name = "ID")]
    template: String,
    /// The file of customers
    #[arg(long, value_name = "FILE")]
    to: String,
    /// What the campaign is called; the file's name where absent
    #[arg(long, value_name = "CAMPAIGN")]
    name: Option<String>,
    /// Which column fills a field or a variable, such as to=휴대폰 (can be repeated)
    #[arg(long, value_name = "FIELD=COLUMN")]
    #[serde(default)]
    map: Vec<String>,
    /// Begin to send while the file is still being read
    #[arg(long)]
    #[serde(default)]
    stream: bool,
    /// Take the file in and wait: nothing leaves before `naru campaign resume`
    #[arg(long, conflicts_with = "stream")]
    #[serde(default)]
    hold: bool,
    /// Take the file in and begin at this time, such as "2026-11-24 09:00" in Asia/Seoul
    #[arg(long, value_name = "TIME", conflicts_with = "stream")]
    #[serde(default)]
    at: Option<String>,
    /// Read and check the file, show the first messages, and send nothing
    #[arg(long)]
    #[serde(default)]
    dry_run: bool,
    /// Stay and show the progress until the last message has its outcome
    #[arg(long)]
    #[serde(default)]
    watch: bool,
}

/// Does it.
pub async fn send(ctx: Ctx, call: Call<SendArgs>) -> Result<Answer, Failure> {
    let args = &call.args;
    let order = Order {
        template: args.template.clone(),
        name: args.name.clone(),
        maps: args.map.clone(),
        file: args.to.clone(),
        path: call.upload.clone().unwrap_or_else(|| PathBuf::from(&args.to)),
        lang: call.lang,
    };
    let ready = Ready::new(&ctx, order, args.dry_run).await?;
    if args.dry_run {
        let (outcome, source) = ready.look(&ctx, call.progress.clone()).await?;
        return dry_answer(&ctx, call.lang, &outcome, &source);
    }
    let at = args.at.as_deref().map(|at| start_at(at, ctx.clock().now_ms())).transpose()?;
    let begin = Begin { stream: args.stream, hold: args.hold, at, by: call.actor.name.clone() };
    let (name, rejected) = (ready.name.clone(), ready.source.rejected.clone());
    match ready.begin(&ctx, begin).await? {
        Taking::Before(done) => finished_answer(&ctx, &call, &name, done, &rejected),
        Taking::Open(open) => {
            let (done, outcome, source) = open.read(&ctx, call.progress.clone()).await?;
            answer(&ctx, &call, &name, done, &outcome, &source).await
        }
    }
}

/// When a campaign is to begin, as a person types it; a time that is over is a slip.
pub fn start_at(text: &str, now: Millis) -> Result<Millis, Failure> {
    let at = parse_moment(text).ok_or_else(|| Failure::usage("campaign-at").arg("text", text))?;
    if at <= now { Err(Failure::usage("campaign-at-over").arg("text", text).arg("now", seoul(now))) } else { Ok(at) }
}

async fn answer(
    ctx: &Ctx,
    call: &Call<SendArgs>,
    name: &str,
    done: Done,
    outcome: &Outcome,
    source: &Source,
) -> Result<Answer, Failure> {
    let (accepted, refused) = (done.accepted.to_string(), outcome.refused.to_string());
    let campaign = done.campaign.to_string();
    let dispatch = ctx.need::<Dispatch>()?;
    // By this instance or by another.
    let lane = dispatch.route(source.template.text.channel)?;
    let is_carried = !dispatch.carried_by(lane).await?.is_empty();
    let data = json!({
        "campaign": campaign, "name": name, "accepted": done.accepted, "refused": outcome.refused,
        "template": source.template.text.id, "version": source.template.version,
        "running": is_carried,
    });
    let args = [
        ("name", name),
        ("accepted", accepted.as_str()),
        ("refused", refused.as_str()),
        ("campaign", campaign.as_str()),
    ];
    let mut answer = Answer::data(data)?.line(ctx.say(call.lang, "send-accepted", &args));
    answer = with_refusals(ctx, call.lang, answer, outcome, source);
    answer = answer.line(ctx.say(call.lang, "send-campaign", &args));
    // As it is stored: an upload that was cut off waits as it was told to then.
    let stored = campaign::show(ctx.store(), done.campaign).await?.filter(|it| it.state == CampaignState::Held);
    if let Some(held) = stored {
        answer = answer.line(match held.start_at {
            Some(at) => ctx.say(call.lang, "send-waits-for", &[("name", name), ("at", &seoul(at))]),
            None => ctx.say(call.lang, "send-waits", &args),
        });
    }
    if !is_carried {
        answer = answer.warn(ctx.say(call.lang, "send-no-serve", &[]));
    } else if call.args.watch {
        answer.follow = Some(Follow { word: "campaign show".to_owned(), args: json!({ "campaign": campaign }) });
    }
    Ok(answer)
}

fn finished_answer(
    ctx: &Ctx,
    call: &Call<SendArgs>,
    name: &str,
    done: Done,
    rejected: &Path,
) -> Result<Answer, Failure> {
    let (accepted, refused) = (done.accepted.to_string(), done.refused.to_string());
    let campaign = done.campaign.to_string();
    let data = json!({
        "campaign": campaign, "name": name, "accepted": done.accepted, "refused": done.refused, "repeated": true,
    });
    let failure = Failure::conflict("send-repeated").arg("name", name).arg("accepted", accepted);
    let failure = failure.arg("refused", refused).arg("campaign", campaign);
    let mut answer = Answer::data(data)?.refuse(ctx, call.lang, &failure);
    // Whoever asks again may not have had the first answer.
    answer.file = rejects::answer_file(rejected).filter(|_| done.refused > 0);
    Ok(answer)
}

fn dry_answer(ctx: &Ctx, lang: Lang, outcome: &Outcome, source: &Source) -> Result<Answer, Failure> {
    let samples: Vec<_> = outcome
        .samples
        .iter()
        .map(|(to, subject, text)| json!({ "to": to, "subject": subject, "text": text }))
        .collect();
    let data = json!({
        "dry_run": true, "accepted": outcome.accepted, "refused": outcome.refused,
        "bytes": outcome.size_bytes, "samples": samples,
    });
    let (accepted, refused) = (outcome.accepted.to_string(), outcome.refused.to_string());
    let args = [("accepted", accepted.as_str()), ("refused", refused.as_str())];
    let mut answer = Answer::data(data)?.line(ctx.say(lang, "send-dry", &args));
    answer = with_refusals(ctx, lang, answer, outcome, source);
    if !outcome.samples.is_empty() {
        answer = answer.line(ctx.say(lang, "send-samples", &[]));
    }
    for (to, subject, text) in &outcome.samples {
        let mut fields = vec![(ctx.say(lang, "field-to", &[]), to.clone())];
        fields.extend(subject.clone().map(|subject| (ctx.say(lang, "field-subject", &[]), subject)));
        fields.push((ctx.say(lang, "field-text", &[]), text.clone()));
        answer = answer.fields(fields);
    }
    Ok(answer)
}

fn with_refusals(ctx: &Ctx, lang: Lang, mut answer: Answer, outcome: &Outcome, source: &Source) -> Answer {
    let Some(texts) = ctx.texts().filter(|_| outcome.refused > 0) else {
        answer.no_file = Some(rejects::NAME.to_owned());
        return answer;
    };
    let rows = outcome
        .refusals
        .iter()
        .map(|refusal| vec![refusal.line.to_string(), refusal.code.to_owned(), texts.detail(lang, &refusal.failure())]);
    let columns = ["line", "code", "detail"].map(|name| ctx.say(lang, &format!("refused-{name}"), &[]));
    answer = answer.table(columns.to_vec(), rows.collect());
    answer.file = rejects::answer_file(&source.rejected);
    answer
}
