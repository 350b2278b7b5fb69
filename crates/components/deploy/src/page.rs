//! The page of apps: what naru deployed last of each, by whom, and what is pinned.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State as Of};
use axum::routing::get;
use maud::html;
use naru_component::Concern;
use naru_component::ctx::Ctx;
use naru_core::failure::Failure;
use naru_estate::catalogue::Catalogue;
use naru_estate::estate::Estate;
use naru_operation::engine::Operations;
use naru_operation::grant::Sight;
use naru_operation::operation::Brief;
use naru_web::failed::Failed;
use naru_web::page::part::{Column, Tone, badge, empty, heading, table};
use naru_web::page::{Markup, Reader, moment};
use naru_web::role::Role;
use naru_web::visit::{SignedIn, Visit};
use serde::Deserialize;

use crate::release::Wanted;
use crate::{Config, past, pin};

/// Places of one page.
const PAGE: usize = 100;
/// Digits of a commit that people are shown.
const COMMIT_SHOWN: usize = 8;
/// Pins that the overview names.
const DUE_NAMED: usize = 5;

pub(crate) fn routes() -> Router<Ctx> {
    Router::new().route("/apps", get(show))
}

#[derive(Default, Deserialize)]
struct Asks {
    /// A part of an app's name.
    #[serde(default)]
    name: String,
    /// An environment.
    #[serde(default)]
    env: String,
    /// The last place of the page before.
    #[serde(default)]
    after: String,
}

/// An app somewhere.
struct Row {
    app: String,
    env: String,
    last: Option<(Wanted, Brief)>,
}

async fn show(
    Of(ctx): Of<Ctx>,
    visit: Visit,
    SignedIn(actor): SignedIn,
    Query(asks): Query<Asks>,
) -> Result<Markup, Failed> {
    let reader = &visit.reader;
    let title = reader.say("apps-title", &[]);
    let catalogue = match ctx.need::<Estate>()?.catalogue().await {
        Ok(catalogue) => catalogue,
        // Nobody has told naru of apps yet, or what they told cannot be read.
        Err(failure) => {
            let hint = reader.texts.hint(reader.lang, &failure).unwrap_or_default();
            let body =
                html! { (heading(&title, html! {})) (empty(&reader.texts.detail(reader.lang, &failure), &hint)) };
            return Ok(visit.page(&title, body));
        }
    };
    let all = past::all(ctx.store()).await?;
    let config = ctx.need::<Config>()?;
    let sight = ctx.need::<Operations>()?.sight(&actor);
    let (rows, next) = rows(&catalogue, all, &asks, &sight);
    let body = html! {
        (heading(&title, html! {}))
        (search(reader, &catalogue, &asks))
        @if rows.is_empty() {
            (empty(&reader.say("apps-none", &[]), &reader.say("apps-none.hint", &[])))
        } @else {
            (listed(reader, &config, &rows))
        }
        @if let Some(next) = next {
            div.actions { a.button href=(href(&asks, &next)) { (reader.say("apps-more", &[])) } }
        }
    };
    Ok(visit.page(&title, body))
}

/// Those that are asked for, and the place that the next page begins behind.
fn rows(
    catalogue: &Catalogue,
    mut all: BTreeMap<String, (Wanted, Brief)>,
    asks: &Asks,
    sight: &Sight,
) -> (Vec<Row>, Option<String>) {
    let places = catalogue.app.iter().flat_map(|(app, entry)| entry.env.keys().map(move |env| (app, env)));
    let after = asks.after.split_once('@').unwrap_or((&asks.after, ""));
    let is_meant = |app: &str, env: &str| {
        let is_env = asks.env.is_empty() || env == asks.env;
        app.contains(asks.name.trim()) && is_env && (app, env) > after && sight.covers(app, env)
    };
    let mut found: Vec<Row> = Vec::new();
    for (app, env) in places.filter(|(app, env)| is_meant(app, env)) {
        if found.len() == PAGE {
            let next = found.last().map(|row| format!("{}@{}", row.app, row.env));
            return (found, next);
        }
        let last = all.remove(&format!("{app}@{env}"));
        found.push(Row { app: app.clone(), env: env.clone(), last });
    }
    (found, None)
}

fn href(asks: &Asks, after: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("name", asks.name.as_str()), ("env", &asks.env), ("after", after)] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    format!("/apps?{}", query.finish())
}

fn search(reader: &Reader, catalogue: &Catalogue, asks: &Asks) -> Markup {
    let say = |key: &str| reader.say(key, &[]);
    html! {
        form.row-form method="get" action="/apps" role="search" {
            label { (say("apps-name")) input type="search" name="name" value=(asks.name) maxlength="100"; }
            label {
                (say("apps-env"))
                select name="env" {
                    option value="" { (say("apps-env-all")) }
                    @for env in catalogue.envs() {
                        option value=(env) selected[env == asks.env] { (env) }
                    }
                }
            }
            button.button type="submit" { (say("apps-search")) }
        }
    }
}

fn listed(reader: &Reader, config: &Config, rows: &[Row]) -> Markup {
    let cells = |row: &Row| {
        let target = format!("{}@{}", row.app, row.env);
        let Some((wanted, brief)) = &row.last else {
            let never = html! { span.quiet { (reader.say("apps-never", &[])) } };
            return vec![html! { (row.app) }, html! { (row.env) }, never, html! {}, html! {}, html! {}];
        };
        let commit = wanted.commit.get(..COMMIT_SHOWN).unwrap_or(&wanted.commit);
        vec![
            html! { a href={ "/operations?" (query_of(&target)) } { (row.app) } },
            html! { (row.env) },
            html! { a href={ "/operations/" (brief.id) } { (wanted.git_ref) } span.sub { code { (commit) } } },
            html! { (brief.actor) },
            html! { @if let Some(at) = brief.ended_at { (moment::ago(reader, at)) } },
            html! { @if let Some(pin) = pin::pin(wanted, brief, config) { (pinned(reader, &pin)) } },
        ]
    };
    let columns = ["app", "env", "ref", "actor", "at", "pin"];
    let columns = columns.map(|name| Column::of(&reader.say(&format!("apps-column-{name}"), &[])));
    table(&columns, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn query_of(target: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("on", target).finish()
}

fn pinned(reader: &Reader, pin: &pin::Pin) -> Markup {
    let (tone, key) = match pin.until <= reader.now {
        true => (Tone::Held, "apps-pin-due"),
        false => (Tone::Idle, "apps-pinned"),
    };
    html! { (badge(tone, &reader.say(key, &[]))) span.sub { (moment::at(pin.until)) } }
}

/// Pins whose time has come: their owners were asked, and nothing changes by itself.
pub(crate) async fn concerns(ctx: &Ctx, reader: &Reader, config: &Arc<Config>) -> Result<Vec<Concern>, Failure> {
    let due = pin::due(ctx, config).await?;
    let of = |pin: &pin::Pin| {
        let args = [("target", pin.target.as_str()), ("owner", &pin.owner), ("ref", &pin.git_ref)];
        let text = reader.say("concern-pin-due", &args);
        Concern { tone: Tone::Held, text, href: Some("/apps"), role: Role::View }
    };
    Ok(due.iter().take(DUE_NAMED).map(of).collect())
}
