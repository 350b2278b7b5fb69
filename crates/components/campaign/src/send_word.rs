//! `naru send`: a file of customers into a campaign.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use naru_component::answer::{Answer, Follow};
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::clock::{Millis, seoul};
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::text::Lang;
use naru_dispatch::campaign::NewCampaign;
use naru_dispatch::engine::Dispatch;
use naru_dispatch::frame::TemplateRef;
use naru_dispatch::import::{Begun, Done, Import, ImportKey};
use naru_dispatch::template::Template;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::file::detect::{Detected, detect};
use crate::file::moment::parse_moment;
use crate::file::plan::Plan;
use crate::file::reader::Reader;
use crate::intake::{self, Outcome, Source};
use crate::rejects;

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
    let dispatch = ctx.need::<Dispatch>()?;
    let newest = dispatch.templates().newest(&call.args.template).await?;
    let path = call.upload.clone().unwrap_or_else(|| PathBuf::from(&call.args.to));
    let (path, detected) = on_thread(move || detect(&path).map(|detected| (path, detected))).await?;
    let name = campaign_name(&call.args)?;
    let key = import_key(&detected, &newest.text.id, &name);
    let template = dispatch.import_template(key, newest).await?;
    let plan = Plan::new(&template, &call.args.map)?;
    let rejected = if call.args.dry_run { rejects::dry_path(&ctx) } else { rejects::path(&ctx, &key) };
    let source = Source { path, detected, plan, template, rejected, lang: call.lang };
    // Before the campaign is made: what cannot be read makes none.
    let data_dir = ctx.parts().data_dir.clone();
    let (reader, source) = on_thread(move || source.open(&data_dir).map(|reader| (reader, source))).await?;
    if call.args.dry_run {
        let (outcome, source) = read(&ctx, &call, reader, source, None).await?;
        return dry_answer(&ctx, call.lang, &outcome, &source);
    }
    let new = new_campaign(&dispatch, &call, &name, &source.template)?;
    let (begun, ending) = dispatch.import(key, new, template_ref(&source.template)).await?;
    let import = match begun {
        Begun::Open(import) => import,
        Begun::Finished(done) => return finished_answer(&ctx, &call, &name, done, &source.rejected),
    };
    let fed = read(&ctx, &call, reader, source, Some(import)).await;
    let done = match ending {
        Some(ending) => ending.wait().await,
        None => Err(Failure::bug("an import without an end")),
    };
    match (fed, done) {
        (Ok((outcome, source)), Ok(done)) => answer(&ctx, &dispatch, &call, &name, done, &outcome, &source).await,
        // What went wrong with the file says more than that the import has no end, and why the import ended says more
        // than that nobody took what was read.
        (Err(failure), _) if failure.code != "import-interrupted" => Err(failure),
        (_, Err(failure)) | (Err(failure), _) => Err(failure),
    }
}

async fn read(
    ctx: &Ctx,
    call: &Call<SendArgs>,
    reader: Reader,
    source: Source,
    import: Option<Import>,
) -> Result<(Outcome, Source), Failure> {
    let (ctx, progress) = (ctx.clone(), call.progress.clone());
    on_thread(move || intake::run(&ctx, &source, reader, import, &progress).map(|outcome| (outcome, source))).await
}

fn campaign_name(args: &SendArgs) -> Result<String, Failure> {
    let name = args.name.clone().unwrap_or_else(|| file_name(&args.to));
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(Failure::usage("campaign-name").arg("max", NAME_CHARS_MAX));
    }
    Ok(name)
}

fn new_campaign(
    dispatch: &Dispatch,
    call: &Call<SendArgs>,
    name: &str,
    template: &Template,
) -> Result<NewCampaign, Failure> {
    let now = dispatch.ctx().clock().now_ms();
    Ok(NewCampaign {
        id: Id::new(now),
        name: name.to_owned(),
        template: template.text.id.clone(),
        version: template.version,
        lane: dispatch.route(template.text.channel)?.to_owned(),
        purpose: template.text.purpose,
        stream: call.args.stream,
        hold: call.args.hold || call.args.at.is_some(),
        start_at: call.args.at.as_deref().map(|at| start_at(at, now)).transpose()?,
        source: file_name(&call.args.to),
        created_at: now,
        created_by: call.actor.name.clone(),
    })
}

/// When a campaign is to begin, as a person types it; a time that is over is a slip.
pub fn start_at(text: &str, now: Millis) -> Result<Millis, Failure> {
    let at = parse_moment(text).ok_or_else(|| Failure::usage("campaign-at").arg("text", text))?;
    if at <= now { Err(Failure::usage("campaign-at-over").arg("text", text).arg("now", seoul(now))) } else { Ok(at) }
}

/// Shown in lists and typed in commands.
const NAME_CHARS_MAX: usize = 100;

/// The template as frames name it.
pub fn template_ref(template: &Template) -> TemplateRef {
    TemplateRef { id: template.text.id.clone(), version: template.version, variables: template.variables.len() as u8 }
}

async fn answer(
    ctx: &Ctx,
    dispatch: &Arc<Dispatch>,
    call: &Call<SendArgs>,
    name: &str,
    done: Done,
    outcome: &Outcome,
    source: &Source,
) -> Result<Answer, Failure> {
    let (accepted, refused) = (done.accepted.to_string(), outcome.refused.to_string());
    let campaign = done.campaign.to_string();
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
    if let Some(at) = &call.args.at {
        answer = answer.line(ctx.say(call.lang, "send-waits-for", &[("name", name), ("at", at)]));
    } else if call.args.hold {
        answer = answer.line(ctx.say(call.lang, "send-waits", &args));
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

/// The same file for the same template under the same name is the same intake.
fn import_key(detected: &Detected, template: &str, name: &str) -> ImportKey {
    let mut hash = Sha256::new();
    hash.update(detected.sha256);
    for text in [template, name] {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

fn file_name(path: &str) -> String {
    Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Reading a file blocks: it has a thread of its own.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(Failure::bug)?
}
