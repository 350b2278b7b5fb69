//! `/settings`: people, tokens, the sign-in record, and the configuration as it was read. For administrators.

use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::html;
use naru_component::ctx::Ctx;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_web::deed::Deed;
use naru_web::failed::{Failed, form_again, mendable};
use naru_web::page::part::{Column, Look, Tone, badge, button, empty, heading, prose, refusal, section, table, tabs};
use naru_web::page::{Markup, Reader, layout, moment, segment};
use naru_web::person::Person;
use naru_web::role::Role;
use naru_web::token::Token;
use naru_web::visit::Visit;
use naru_web::{link, person, record, token};
use serde::Deserialize;

use crate::house::{Address, Effective};

pub(super) fn routes() -> Router<Ctx> {
    Router::new()
        .route("/settings", get(async || Redirect::to("/settings/people")))
        .route("/settings/people", get(people).post(add_person))
        .route("/settings/people/{name}/link", post(new_link))
        .route("/settings/people/{name}/role", post(set_role))
        .route("/settings/people/{name}/disable", post(disable))
        .route("/settings/people/{name}/enable", post(enable))
        .route("/settings/tokens", get(tokens).post(add_token))
        .route("/settings/tokens/{name}/revoke", post(revoke))
        .route("/settings/sign-ins", get(sign_ins))
        .route("/settings/config", get(config))
}

/// Which of the pages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tab {
    People,
    Tokens,
    SignIns,
    Config,
}

impl Tab {
    const ALL: [(Tab, &'static str, &'static str); 4] = [
        (Tab::People, "/settings/people", "page-people"),
        (Tab::Tokens, "/settings/tokens", "page-tokens"),
        (Tab::SignIns, "/settings/sign-ins", "page-sign-ins"),
        (Tab::Config, "/settings/config", "page-config"),
    ];
}

/// A name and a role, as a form asks for them.
#[derive(Default, Deserialize)]
struct NewName {
    name: String,
    role: String,
}

impl NewName {
    fn deed(&self, word: &'static str) -> Deed {
        Deed::new(word, &[("name", &self.name), ("role", &self.role)])
    }
}

/// What a form that was refused is shown with again.
type Refused<'a> = Option<(&'a NewName, &'a Failure)>;

fn page(visit: &Visit, here: Tab, body: Markup) -> Markup {
    let reader = &visit.reader;
    let title = reader.say("page-settings", &[]);
    let ways: Vec<(&str, String, bool)> =
        Tab::ALL.iter().map(|(tab, href, key)| (*href, reader.say(key, &[]), *tab == here)).collect();
    let body = html! { (heading(&title, html! {})) (tabs(&title, &ways)) (body) };
    visit.page(&title, body)
}

/// Asks for a name and a role.
fn ask(reader: &Reader, action: &str, verb: &str, refused: Refused) -> Markup {
    let say = |key: &str| reader.say(key, &[]);
    let (name, chosen) = refused.map_or(("", "view"), |(form, _)| (form.name.as_str(), form.role.as_str()));
    html! {
        @if let Some((_, failure)) = refused { (refusal(reader, failure)) }
        form.row-form method="post" action=(action) {
            label { (say("page-name")) input name="name" required autocomplete="off" maxlength="64" value=(name); }
            label { (say("page-role")) (roles(reader, chosen)) }
            button.button.primary type="submit" { (say(verb)) }
        }
    }
}

fn roles(reader: &Reader, chosen: &str) -> Markup {
    html! {
        select name="role" aria-label=(reader.say("page-role", &[])) {
            @for role in Role::ALL {
                option value=(role.name()) selected[role.name() == chosen] { (layout::role(reader, role)) }
            }
        }
    }
}

fn role_of(form: &NewName) -> Result<Role, Failure> {
    form.role.parse().map_err(|_| Failure::usage("request-malformed"))
}

async fn people(State(ctx): State<Ctx>, visit: Visit) -> Result<Markup, Failed> {
    visit.must(Role::Admin)?;
    Ok(people_page(&ctx, &visit, html! {}, None).await?)
}

async fn people_page(ctx: &Ctx, visit: &Visit, news: Markup, refused: Refused<'_>) -> Result<Markup, Failure> {
    let reader = &visit.reader;
    let people = person::list(ctx.store()).await?;
    let say = |key: &str| reader.say(key, &[]);
    let own = visit.actor().map(|actor| actor.name.clone()).unwrap_or_default();
    let rows: Vec<Vec<Markup>> = people.iter().map(|it| person_row(reader, it, it.name == own)).collect();
    let columns = ["column-name", "column-role", "column-state", "column-created", "page-actions"];
    let columns = columns.map(|key| Column::of(&say(key)));
    let body = html! {
        (news)
        (section(&say("page-person-new"), ask(reader, "/settings/people", "button-person-add", refused)))
        (section(&say("page-people"), table(&columns, &rows)))
    };
    Ok(page(visit, Tab::People, body))
}

fn person_row(reader: &Reader, it: &Person, own: bool) -> Vec<Markup> {
    let (state, tone) = match (it.disabled, it.has_password) {
        (true, _) => ("disabled", Tone::Ended),
        (false, true) => ("active", Tone::Good),
        (false, false) => ("invited", Tone::Idle),
    };
    let to = |verb: &str| format!("/settings/people/{}/{verb}", segment(&it.name));
    let say = |key: &str| reader.say(key, &[]);
    let action = |verb: &str, look: Look| button(&to(verb), &say(&format!("button-person-{verb}")), look);
    vec![
        html! { (it.name) },
        html! {
            // Whoever takes their own role away could not give it back.
            @if own { (layout::role(reader, it.role)) } @else {
                form.row-form method="post" action=(to("role")) {
                    (roles(reader, it.role.name()))
                    button.button type="submit" { (say("button-person-role")) }
                }
            }
        },
        badge(tone, &say(&format!("person-state-{state}"))),
        html! { (moment::ago(reader, it.created_at)) span.sub { (it.created_by) } },
        html! {
            div.actions {
                @if it.disabled { (action("enable", Look::Plain)) } @else {
                    (action("link", Look::Plain))
                    @if !own { (action("disable", Look::Danger)) }
                }
            }
        },
    ]
}

async fn add_person(State(ctx): State<Ctx>, visit: Visit, Form(form): Form<NewName>) -> Result<Response, Failed> {
    let actor = visit.act(Role::Admin, form.deed("user add"))?;
    let role = role_of(&form)?;
    match person::add(ctx.store(), ctx.clock().now_ms(), actor, &form.name, role).await {
        Ok(name) => Ok(linked(&ctx, &visit, &name).await?.into_response()),
        Err(failure) => {
            let failure = mendable(failure)?;
            Ok(form_again(&failure, people_page(&ctx, &visit, html! {}, Some((&form, &failure))).await?))
        }
    }
}

async fn new_link(State(ctx): State<Ctx>, visit: Visit, Path(name): Path<String>) -> Result<Markup, Failed> {
    visit.act(Role::Admin, Deed::new("user link", &[("name", &name)]))?;
    Ok(linked(&ctx, &visit, &name).await?)
}

/// Shows a sign-in link, this once.
async fn linked(ctx: &Ctx, visit: &Visit, name: &str) -> Result<Markup, Failure> {
    let path = link::create(ctx.store(), ctx.clock().now_ms(), name).await?;
    let url = format!("{}{path}", ctx.need::<Address>()?.0);
    let minutes = (link::LIFE_MS / 60_000).to_string();
    let note = visit.reader.say("link-note", &[("name", name), ("minutes", &minutes)]);
    people_page(ctx, visit, once(&visit.reader, &note, &url), None).await
}

/// Something that is shown now and never again.
fn once(reader: &Reader, note: &str, text: &str) -> Markup {
    section(&reader.say("page-shown-once", &[]), html! { p { (prose(note)) } p.shown-once { (text) } })
}

async fn set_role(
    State(ctx): State<Ctx>,
    visit: Visit,
    Path(name): Path<String>,
    Form(form): Form<OnlyRole>,
) -> Result<Response, Failed> {
    visit.act(Role::Admin, Deed::new("user role", &[("name", &name), ("role", &form.role)]))?;
    not_oneself(&visit, &name)?;
    let role = form.role.parse().map_err(|_| Failure::usage("request-malformed"))?;
    person::set_role(ctx.store(), &name, role).await?;
    Ok(Redirect::to("/settings/people").into_response())
}

#[derive(Deserialize)]
struct OnlyRole {
    role: String,
}

async fn disable(State(ctx): State<Ctx>, visit: Visit, Path(name): Path<String>) -> Result<Response, Failed> {
    visit.act(Role::Admin, Deed::new("user disable", &[("name", &name)]))?;
    not_oneself(&visit, &name)?;
    person::disable(ctx.store(), &name).await?;
    Ok(Redirect::to("/settings/people").into_response())
}

async fn enable(State(ctx): State<Ctx>, visit: Visit, Path(name): Path<String>) -> Result<Response, Failed> {
    visit.act(Role::Admin, Deed::new("user enable", &[("name", &name)]))?;
    person::enable(ctx.store(), &name).await?;
    Ok(Redirect::to("/settings/people").into_response())
}

/// Nobody locks themselves out of a page; in the terminal, beside the data, one may.
fn not_oneself(visit: &Visit, name: &str) -> Result<(), Failure> {
    let actor = visit.must(Role::Admin)?;
    if actor.name == name { Err(Failure::refused("person-oneself").arg("name", name)) } else { Ok(()) }
}

async fn tokens(State(ctx): State<Ctx>, visit: Visit) -> Result<Markup, Failed> {
    visit.must(Role::Admin)?;
    Ok(tokens_page(&ctx, &visit, html! {}, None).await?)
}

async fn tokens_page(ctx: &Ctx, visit: &Visit, news: Markup, refused: Refused<'_>) -> Result<Markup, Failure> {
    let reader = &visit.reader;
    let tokens = token::list(ctx.store()).await?;
    let say = |key: &str| reader.say(key, &[]);
    let row = |it: &Token| {
        let revoke = format!("/settings/tokens/{}/revoke", segment(&it.name));
        vec![
            html! { (it.name) },
            html! { (layout::role(reader, it.role)) },
            match it.used_at {
                Some(at) => moment::ago(reader, at),
                None => html! { (say("token-unused")) },
            },
            html! { (moment::ago(reader, it.created_at)) span.sub { (it.created_by) } },
            html! { div.actions { (button(&revoke, &say("button-token-revoke"), Look::Danger)) } },
        ]
    };
    let rows: Vec<Vec<Markup>> = tokens.iter().map(row).collect();
    let columns = ["column-name", "column-role", "column-used", "column-created", "page-actions"];
    let columns = columns.map(|key| Column::of(&say(key)));
    let body = html! {
        (news)
        (section(&say("page-token-new"), ask(reader, "/settings/tokens", "button-token-add", refused)))
        @if rows.is_empty() {
            (empty(&say("tokens-none"), &say("page-tokens-hint")))
        } @else {
            (section(&say("page-tokens"), table(&columns, &rows)))
        }
    };
    Ok(page(visit, Tab::Tokens, body))
}

async fn add_token(State(ctx): State<Ctx>, visit: Visit, Form(form): Form<NewName>) -> Result<Response, Failed> {
    let actor = visit.act(Role::Admin, form.deed("token add"))?;
    let role = role_of(&form)?;
    match token::add(ctx.store(), ctx.clock().now_ms(), actor, &form.name, role).await {
        Ok(token) => {
            let note = visit.reader.say("token-note", &[("name", &form.name), ("role", role.name())]);
            let news = once(&visit.reader, &note, token.reveal());
            Ok(tokens_page(&ctx, &visit, news, None).await?.into_response())
        }
        Err(failure) => {
            let failure = mendable(failure)?;
            Ok(form_again(&failure, tokens_page(&ctx, &visit, html! {}, Some((&form, &failure))).await?))
        }
    }
}

async fn revoke(State(ctx): State<Ctx>, visit: Visit, Path(name): Path<String>) -> Result<Response, Failed> {
    visit.act(Role::Admin, Deed::new("token revoke", &[("name", &name)]))?;
    token::revoke(ctx.store(), &name).await?;
    Ok(Redirect::to("/settings/tokens").into_response())
}

#[derive(Deserialize)]
struct Before {
    /// The last entry of the page before.
    #[serde(default)]
    before: String,
}

async fn sign_ins(
    State(ctx): State<Ctx>,
    visit: Visit,
    Query(Before { before }): Query<Before>,
) -> Result<Markup, Failed> {
    visit.must(Role::Admin)?;
    let reader = &visit.reader;
    let before = before.parse::<Id>().ok();
    let entries = record::recent(ctx.store(), before).await?;
    let say = |key: &str| reader.say(key, &[]);
    let row = |it: &record::Entry| {
        let tone = if it.outcome == "refused" { Tone::Bad } else { Tone::Good };
        vec![
            moment::at(it.at),
            html! { @if it.person.is_empty() { "-" } @else { (it.person) } },
            badge(tone, &say(&format!("sign-in-{}", it.outcome))),
            html! { (it.peer) },
            html! { (it.agent) },
        ]
    };
    let rows: Vec<Vec<Markup>> = entries.iter().map(row).collect();
    let columns = ["settings-when", "column-name", "page-outcome", "page-peer", "page-agent"];
    let columns = columns.map(|key| Column::of(&say(key)));
    let more = entries.last().filter(|_| entries.len() as i64 == record::ENTRIES_MAX);
    let body = html! {
        @if rows.is_empty() {
            @let none = if before.is_some() { "page-sign-ins-no-older" } else { "page-sign-ins-none" };
            (empty(&say(none), &say(&format!("{none}.hint"))))
        } @else {
            (section(&say("page-sign-ins"), table(&columns, &rows)))
            @if let Some(last) = more {
                p { a.button href={ "/settings/sign-ins?before=" (last.id) } { (say("settings-older")) } }
            }
        }
    };
    Ok(page(&visit, Tab::SignIns, body))
}

async fn config(State(ctx): State<Ctx>, visit: Visit) -> Result<Markup, Failed> {
    visit.must(Role::Admin)?;
    let reader = &visit.reader;
    let shown = ctx.need::<Effective>()?;
    let body = html! {
        p.quiet { (reader.say("page-config-what", &[])) }
        pre.source tabindex="0" aria-label=(reader.say("page-config", &[])) { (shown.0) }
    };
    Ok(page(&visit, Tab::Config, section(&reader.say("page-config", &[]), body)))
}
