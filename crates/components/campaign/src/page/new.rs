//! A campaign from an uploaded file: it is taken in and waits, so that it is looked at before anything leaves.
//!
//! The answer comes as soon as the file is understood and its campaign made; rows are read while the campaign's page
//! shows how far it is. A person who leaves does not end that, and the same file again goes on where it stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use futures_util::StreamExt;
use futures_util::future::ready;
use futures_util::stream::once;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use maud::html;
use naru_component::ctx::Ctx;
use naru_component::word::Progress;
use naru_core::failure::{Failure, Kind};
use naru_dispatch::engine::Dispatch;
use naru_dispatch::import::Done;
use naru_web::deed::Deed;
use naru_web::failed::{Failed, form_again, mendable};
use naru_web::page::Markup;
use naru_web::page::part::{heading, prose, refusal, section};
use naru_web::role::Role;
use naru_web::upload::{self, Upload};
use naru_web::visit::Visit;
use serde::Deserialize;

use crate::taking::{Begin, Open, Order, Ready, Taking};

/// Where it is: no id begins with a hyphen.
pub const PATH: &str = "/campaigns/-new";
/// Templates that are offered; any other can be typed.
const TEMPLATES: usize = 200;
/// Of a form with a file over the bound so much is read before it is answered.
const HEARD_BYTES_MAX: u64 = 4 * upload::SPOOL_BYTES_MAX;
/// Fields of the form: three that are typed, and the file.
const FIELDS_MAX: usize = 4;
/// All that comes before the file, and what comes along with its beginning.
const BEFORE_FILE_BYTES_MAX: usize = 4 << 20;
/// Bytes of a field that is typed.
const FIELD_BYTES_MAX: usize = 16 << 10;

/// The routes.
pub fn routes() -> Router<Ctx> {
    // The file has a bound of its own.
    Router::new().route(PATH, get(begin).post(take).layer(DefaultBodyLimit::disable()))
}

/// What was typed.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    template: String,
    name: String,
    maps: String,
}

/// A form as it came.
struct Sent {
    typed: Typed,
    /// What the file is called, and its bytes.
    file: Option<(String, Result<Upload, Failure>)>,
}

async fn begin(State(ctx): State<Ctx>, visit: Visit, Query(typed): Query<Typed>) -> Result<Markup, Failed> {
    visit.must(Role::Send)?;
    Ok(form(&ctx, &visit, &typed, None).await?)
}

/// Takes the file in, and leads to its campaign.
async fn take(State(ctx): State<Ctx>, visit: Visit, request: Request) -> Result<Response, Failed> {
    // Before the body is read.
    let by = visit.must(Role::Send)?.name.clone();
    let hears_out = is_heard_out(request.headers());
    let (request, in_file) = bounded(request, hears_out);
    let form = Multipart::from_request(request, &ctx).await;
    let form = form.map_err(|error| Failure::usage("request-malformed").cause(&error))?;
    let Sent { typed, file } = read(&ctx, form, hears_out, &in_file).await?;
    let (file, upload) = match file {
        Some((file, Ok(upload))) => (file, upload),
        Some((_, Err(failure))) => return again(&ctx, &visit, &typed, failure).await,
        None => return again(&ctx, &visit, &typed, Failure::refused("upload-none")).await,
    };
    let (shown, spooled) = (file.clone(), upload.path.display().to_string());
    let order = Order {
        template: typed.template.trim().to_owned(),
        name: Some(typed.name.trim().to_owned()).filter(|name| !name.is_empty()),
        maps: maps(&typed.maps),
        file,
        path: upload.path.clone(),
        lang: visit.reader.lang,
    };
    let begun = async {
        let ready = Ready::new(&ctx, order, false).await?;
        let name = ready.name.clone();
        match ready.begin(&ctx, Begin { stream: false, hold: true, at: None, by }).await? {
            Taking::Open(open) => Ok(open),
            Taking::Before(done) => Err(repeated(&name, done)),
        }
    };
    visit.act(Role::Send, Deed::new("send", &[("template", &typed.template), ("name", &typed.name)]))?;
    match begun.await {
        Ok(open) => {
            let campaign = open.campaign();
            read_on(&ctx, *open, upload);
            Ok(Redirect::to(&format!("/campaigns/{campaign}")).into_response())
        }
        Err(mut failure) => {
            // Where it lies here is nothing to whoever sent it.
            failure.args.values_mut().filter(|value| **value == spooled).for_each(|value| value.clone_from(&shown));
            again(&ctx, &visit, &typed, failure).await
        }
    }
}

/// Reads the file to its end, whoever waits for it.
fn read_on(ctx: &Ctx, open: Open, upload: Upload) {
    let work_ctx = ctx.clone();
    ctx.lifecycle().spawn("uploaded file", async move {
        let campaign = open.campaign();
        if let Err(failure) = open.read(&work_ctx, Progress::default()).await {
            tracing::warn!(campaign.id = %campaign, error = %failure, "an uploaded file was not read to its end");
        }
        drop(upload);
    });
}

fn repeated(name: &str, done: Done) -> Failure {
    let failure = Failure::conflict("campaign-repeated").arg("name", name).arg("accepted", done.accepted);
    failure.arg("refused", done.refused).arg("campaign", done.campaign)
}

/// A line each, also as a hint for the terminal writes it.
fn maps(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.trim().trim_start_matches("--map").trim());
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// A request of which so much comes before its file and no more: the heads of fields have no bound of their own, and are
/// held in memory until they end. What comes beyond is passed over, or the request ends there where nobody is heard out.
/// The flag says that the file has begun.
fn bounded(request: Request, hears_out: bool) -> (Request, Arc<AtomicBool>) {
    let in_file = Arc::new(AtomicBool::new(false));
    let (flag, mut bytes) = (in_file.clone(), 0);
    let request = request.map(|body| {
        let none_begun = || std::io::Error::other("no file has begun");
        let over = Arc::new(AtomicBool::new(false));
        let was_over = over.clone();
        let pieces = body.into_data_stream().filter_map(move |piece| {
            bytes += piece.as_ref().map_or(0, Bytes::len);
            let is_over = bytes > BEFORE_FILE_BYTES_MAX && !flag.load(Ordering::Relaxed);
            over.store(is_over, Ordering::Relaxed);
            ready(match piece.map_err(std::io::Error::other) {
                Ok(_) if is_over && hears_out => None,
                Ok(_) if is_over => Some(Err(none_begun())),
                piece => Some(piece),
            })
        });
        let end = once(async move { was_over.load(Ordering::Relaxed).then(|| Err(none_begun())) });
        Body::from_stream(pieces.chain(end.filter_map(ready)))
    });
    (request, in_file)
}

/// What was typed comes before the file: a field behind it is not read any more.
async fn read(ctx: &Ctx, mut form: Multipart, hears_out: bool, in_file: &AtomicBool) -> Result<Sent, Failure> {
    // Half a gigabyte later it would be known as well, and the room would be gone.
    ctx.store().check_intake()?;
    let mut sent = Sent { typed: Typed::default(), file: None };
    let mut fields = 0;
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        fields += 1;
        if fields > FIELDS_MAX {
            return Err(Failure::usage("request-malformed"));
        }
        match name.as_str() {
            "template" => sent.typed.template = text(field).await?,
            "name" => sent.typed.name = text(field).await?,
            "maps" => sent.typed.maps = text(field).await?,
            "file" => {
                let file = field.file_name().unwrap_or_default().to_owned();
                // A form without a chosen file sends one without a name.
                if !file.is_empty() {
                    in_file.store(true, Ordering::Relaxed);
                    let upload = match upload::spool(&ctx.parts().data_dir, field).await {
                        Err(failure) if failure.kind != Kind::TooLarge => return Err(failure),
                        upload => upload,
                    };
                    let refused = upload.is_err();
                    sent.file = Some((file, upload));
                    // Who has not said all of it yet would not hear the answer.
                    while refused && hears_out && form.next_field().await.is_ok_and(|field| field.is_some()) {}
                }
                break;
            }
            _ => return Err(Failure::usage("request-malformed")),
        }
    }
    Ok(sent)
}

/// Whether so little is to come that it is worth the wait.
fn is_heard_out(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length <= HEARD_BYTES_MAX)
}

async fn text(mut field: Field<'_>) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > FIELD_BYTES_MAX {
            return Err(Failure::new(Kind::TooLarge, "body-too-large"));
        }
    }
    String::from_utf8(bytes).map_err(|_| Failure::usage("request-malformed"))
}

fn broken(error: MultipartError) -> Failure {
    Failure::refused("upload-broken").cause(&error)
}

/// The form once more, with what was typed and why it was refused.
async fn again(ctx: &Ctx, visit: &Visit, typed: &Typed, failure: Failure) -> Result<Response, Failed> {
    let failure = mendable(failure)?;
    Ok(form_again(&failure, form(ctx, visit, typed, Some(&failure)).await?))
}

async fn form(ctx: &Ctx, visit: &Visit, typed: &Typed, failure: Option<&Failure>) -> Result<Markup, Failure> {
    let reader = &visit.reader;
    let say = |key: &str| reader.say(key, &[]);
    let templates = ctx.need::<Dispatch>()?.templates().page("", TEMPLATES).await?;
    let title = say("page-campaign-new");
    let before = failure.and_then(|failure| failure.args.get("campaign"));
    let body = html! {
        (heading(&title, html! { a.button href="/campaigns" { (say("page-campaigns")) } }))
        (section(&say("page-campaign-file"), html! {
            form.form.narrow method="post" enctype="multipart/form-data" action=(PATH) {
                @if let Some(failure) = failure { (refusal(reader, failure)) }
                @if let Some(campaign) = before { p { a href={ "/campaigns/" (campaign) } { (say("page-campaign-before")) } } }
                label {
                    span { (say("field-template")) }
                    input name="template" list="templates" value=(typed.template) required maxlength="100"
                        autocapitalize="none" spellcheck="false" autocomplete="off";
                }
                datalist #templates { @for row in &templates { option value=(row.text.id) {} } }
                label {
                    span { (say("page-campaign-name")) }
                    input name="name" value=(typed.name) maxlength="100" autocomplete="off" aria-describedby="name-help";
                }
                p.help #name-help { (say("page-campaign-name-help")) }
                label {
                    span { (say("page-campaign-maps")) }
                    // A line end right behind the tag would be swallowed.
                    textarea name="maps" rows="2" aria-describedby="maps-help" { "\n" (typed.maps) }
                }
                p.help #maps-help { (prose(&say("page-campaign-maps-help"))) }
                label {
                    span { (say("page-campaign-rows")) }
                    input type="file" name="file" required accept=".csv,.xlsx,.ndjson,.jsonl,.txt,.tsv"
                        aria-describedby="file-help";
                }
                p.help #file-help { (say("page-campaign-rows-help")) }
                div.actions { button.button.primary type="submit" { (say("page-campaign-take")) } }
                p.help { (say("page-campaign-take-help")) }
            }
        }))
    };
    Ok(visit.page(&title, body))
}
