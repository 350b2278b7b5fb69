//! The pages of templates: a list, one template with its versions, what changed between two, editing, a test.
//!
//! What is saved goes the way of `naru template push`, so a page refuses what a file is refused for. A version that
//! somebody else saved meanwhile is never written over unseen: the form carries the version it began with.

mod changes;
mod draft;
mod test;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::html;
use naru_component::ctx::Ctx;
use naru_dispatch::engine::Dispatch;
use naru_dispatch::message::Channel;
use naru_dispatch::template::Template;
use naru_dispatch::templates::TemplateRow;
use naru_web::deed::Deed;
use naru_web::failed::{Failed, mendable};
use naru_web::page::part::{Tone, empty, fields, heading, notice, section};
use naru_web::page::{Markup, Reader, moment, segment};
use naru_web::role::Role;
use naru_web::visit::{SignedIn, Visit};
use serde::Deserialize;

use self::draft::Draft;
use super::length;

/// Templates or versions of one page.
const PAGE: usize = 50;
/// As large as the file of a template may be.
const FORM_BYTES_MAX: usize = 256 * 1024;
/// No id begins with a hyphen.
const NEW: &str = "/templates/-new";

/// Fields of a form as they came: the names of a template's variables are among them.
type Pairs = Vec<(String, String)>;

/// The routes.
pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/templates", get(list))
        .route(NEW, get(begin).post(make))
        .route("/templates/{id}", get(show))
        .route("/templates/{id}/edit", get(edit).post(save))
        .route("/templates/{id}/difference", get(changes::difference))
        .route("/templates/{id}/test", post(test::send).get(test::back))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}

#[derive(Deserialize)]
struct From {
    /// The last id of the page before.
    #[serde(default)]
    after: String,
}

async fn list(
    State(ctx): State<Ctx>,
    visit: Visit,
    _: SignedIn,
    Query(From { after }): Query<From>,
) -> Result<Markup, Failed> {
    let reader = &visit.reader;
    let say = |key: &str| reader.say(key, &[]);
    let mut rows = ctx.need::<Dispatch>()?.templates().page(&after, PAGE + 1).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let title = say("page-templates");
    let body = html! {
        (heading(&title, html! {
            @if visit.must(Role::Send).is_ok() { a.button.primary href=(NEW) { (say("page-template-new")) } }
        }))
        @if rows.is_empty() {
            (empty(&say("page-templates-none"), &say("page-templates-none.hint")))
        } @else { div.scroll { table {
            thead { tr {
                th scope="col" { (say("field-template")) }
                th scope="col" { (say("field-channel")) }
                th scope="col" { (say("field-purpose")) }
                th.number scope="col" { (say("page-template-version")) }
                th scope="col" { (say("page-template-pushed")) }
                th scope="col" { (say("page-by")) }
            } }
            tbody { @for row in &rows { tr {
                th scope="row" { a href={ "/templates/" (segment(&row.text.id)) } { (row.text.id) } }
                td { (say(&format!("channel-{}", row.text.channel))) }
                td { (say(&format!("purpose-{}", row.text.purpose))) }
                td.number { (row.version) }
                td { (moment::ago(reader, row.pushed_at)) }
                td { (row.pushed_by) }
            } } }
        } } }
        @if more && let Some(last) = rows.last() {
            div.actions { a.button href={ "/templates?after=" (segment(&last.text.id)) } { (say("page-more")) } }
        }
    };
    Ok(visit.page(&title, body))
}

#[derive(Deserialize)]
struct Shown {
    version: Option<u32>,
    /// The oldest version of the page before.
    before: Option<u32>,
    /// The version that a form has just saved, or found unchanged.
    saved: Option<u32>,
    same: Option<u32>,
}

async fn show(
    State(ctx): State<Ctx>,
    visit: Visit,
    _: SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<Shown>,
) -> Result<Markup, Failed> {
    let reader = &visit.reader;
    let dispatch = ctx.need::<Dispatch>()?;
    let newest = dispatch.templates().newest(&id).await?;
    let template = match asked.version {
        Some(version) => dispatch.templates().version(&id, version).await?,
        None => newest.clone(),
    };
    let mut versions = dispatch.templates().versions(&id, asked.before, PAGE + 1).await?;
    let more = versions.len() > PAGE;
    versions.truncate(PAGE);
    let may_send = visit.must(Role::Send).is_ok();
    let told = |key: &str, version: u32| reader.say(key, &[("version", &version.to_string())]);
    let version = template.version.to_string();
    let body = html! {
        (heading(&id, html! {
            @if may_send {
                a.button.primary href={ "/templates/" (segment(&id)) "/edit" } { (reader.say("page-template-edit", &[])) }
            }
        }))
        @if let Some(saved) = asked.saved { (notice(Tone::Good, &told("page-template-saved", saved))) }
        @if let Some(same) = asked.same { (notice(Tone::Idle, &told("page-template-same", same))) }
        (section(&reader.say("page-template-text", &[("version", &version)]), text(reader, &template)))
        (section(&reader.say("page-template-versions", &[]), html! {
            (versions_table(reader, &id, &versions))
            @if more && let Some(last) = versions.last() {
                div.actions {
                    a.button href={ "/templates/" (segment(&id)) "?before=" (last.version) } {
                        (reader.say("page-older", &[]))
                    }
                }
            }
        }))
        @if may_send { (test::part(reader, &dispatch, &newest, &test::Filled::default(), None)) }
    };
    Ok(visit.page(&id, body))
}

fn text(reader: &Reader, template: &Template) -> Markup {
    let (say, text) = (|key: &str| reader.say(key, &[]), &template.text);
    let blank = vec![""; template.variables.len()];
    let mut rows = vec![
        (say("field-channel"), html! { (say(&format!("channel-{}", text.channel))) }),
        (say("field-purpose"), html! { (say(&format!("purpose-{}", text.purpose))) }),
    ];
    if !template.variables.is_empty() {
        let names = html! { @for name in &template.variables { code { "#{" (name) "}" } " " } };
        rows.push((say("field-variables"), names));
    }
    if text.channel == Channel::Sms {
        let key = if text.long { "page-template-long" } else { "page-template-short" };
        rows.push((say("page-template-form"), html! { (say(key)) }));
    }
    rows.extend(text.subject.as_ref().map(|subject| (say("field-subject"), html! { (subject) })));
    html! {
        (fields(&rows))
        pre.wording { "\n" (text.body) }
        @if let Ok(measure) = template.measure(&blank) {
            p.help {
                (length(reader, text.channel == Channel::Sms, &measure))
                @if !blank.is_empty() { " · " (say("page-template-without")) }
            }
        }
    }
}

fn versions_table(reader: &Reader, id: &str, versions: &[TemplateRow]) -> Markup {
    let say = |key: &str| reader.say(key, &[]);
    let id = segment(id);
    html! { div.scroll { table {
        thead { tr {
            th scope="col" { (say("page-template-version")) }
            th scope="col" { (say("page-template-pushed")) }
            th scope="col" { (say("page-by")) }
            th scope="col" { (say("page-template-change")) }
        } }
        tbody { @for row in versions { tr {
            th scope="row" { a href={ "/templates/" (id) "?version=" (row.version) } { "v" (row.version) } }
            td { (moment::at(row.pushed_at)) }
            td { (row.pushed_by) }
            td { @if row.version > 1 {
                a href={ "/templates/" (id) "/difference?from=" (row.version - 1) "&to=" (row.version) } {
                    (reader.say("page-template-since", &[("version", &(row.version - 1).to_string())]))
                }
            } @else { (say("page-template-first")) } }
        } } }
    } } }
}

async fn begin(visit: Visit) -> Result<Response, Failed> {
    visit.must(Role::Send)?;
    Ok(draft::page(&visit, NEW, &Draft::default(), None))
}

async fn make(State(ctx): State<Ctx>, visit: Visit, Form(pairs): Form<Pairs>) -> Result<Response, Failed> {
    take(&ctx, &visit, NEW, Draft::read(None, pairs)).await
}

async fn edit(State(ctx): State<Ctx>, visit: Visit, Path(id): Path<String>) -> Result<Response, Failed> {
    visit.must(Role::Send)?;
    let newest = ctx.need::<Dispatch>()?.templates().newest(&id).await?;
    Ok(draft::page(&visit, &edit_path(&id), &Draft::of(&newest), None))
}

async fn save(
    State(ctx): State<Ctx>,
    visit: Visit,
    Path(id): Path<String>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Failed> {
    take(&ctx, &visit, &edit_path(&id), Draft::read(Some(&id), pairs)).await
}

fn edit_path(id: &str) -> String {
    format!("/templates/{}/edit", segment(id))
}

/// Shows a draft, or saves it; what cannot be saved is shown again with the reason.
async fn take(ctx: &Ctx, visit: &Visit, path: &str, mut draft: Draft) -> Result<Response, Failed> {
    let actor = visit.must(Role::Send)?;
    if !draft.is_to_save {
        return Ok(draft::page(visit, path, &draft, None));
    }
    visit.act(Role::Send, Deed::new("template push", &[("template", &draft.id)]))?;
    let dispatch = ctx.need::<Dispatch>()?;
    let saved = match draft.text() {
        Ok(text) => dispatch.templates().push_onto(text, draft.onto, &actor.name, ctx.clock().now_ms()).await,
        Err(failure) => Err(failure),
    };
    match saved {
        Ok((version, is_new)) => {
            let what = if is_new { "saved" } else { "same" };
            let to = format!("/templates/{}?{what}={version}", segment(&draft.id));
            Ok(Redirect::to(&to).into_response())
        }
        Err(failure) => {
            let failure = mendable(failure)?;
            // Whoever has read that there is a newer version may save over it.
            let newest = failure.args.get("newest").filter(|_| failure.code == "template-changed");
            draft.onto = newest.and_then(|newest| newest.parse().ok()).unwrap_or(draft.onto);
            Ok(draft::page(visit, path, &draft, Some(&failure)))
        }
    }
}
