//! `/unknown`: messages of which nobody knows whether they left, and a person's word on what became of them.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Query, State as Of};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::html;
use naru_component::ctx::Ctx;
use naru_core::failure::Failure;
use naru_web::deed::Deed;
use naru_web::failed::{Failed, form_again, mendable};
use naru_web::page::part::{Column, Tone, empty, heading, notice, refusal, section, table};
use naru_web::page::{Markup, Reader, count, moment};
use naru_web::role::Role;
use naru_web::visit::{SignedIn, Visit};
use serde::Deserialize;

use crate::campaign;
use crate::engine::Dispatch;
use crate::message::MessageId;
use crate::side::State;
use crate::unknown::{self, Page, Scope, Settled, Unknown};
use crate::unknown_word::scope;

/// Messages of one page: as many as a person looks through.
const PAGE: usize = 50;
/// Refusals told one by one.
const REFUSED_MAX: usize = 10;
/// What a person can have found out.
const OUTCOMES: [State; 3] = [State::Sent, State::Delivered, State::Failed];

pub(super) fn routes() -> Router<Ctx> {
    Router::new().route("/unknown", get(show).post(settle))
}

/// Which messages, and from where on.
#[derive(Clone, Default, Deserialize)]
struct Which {
    lane: Option<String>,
    campaign: Option<String>,
    after: Option<String>,
}

impl Which {
    /// The address of these messages, from `after` on.
    fn href(&self, after: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("lane", &self.lane), ("campaign", &self.campaign)] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        if let Some(after) = after {
            query.append_pair("after", after);
        }
        match query.finish() {
            empty if empty.is_empty() => "/unknown".to_owned(),
            query => format!("/unknown?{query}"),
        }
    }
}

async fn show(Of(ctx): Of<Ctx>, visit: Visit, _: SignedIn, Query(which): Query<Which>) -> Result<Markup, Failed> {
    Ok(page(&ctx, &visit, &which, &[], html! {}).await?)
}

/// The page, with the messages chosen that are `chosen` already.
async fn page(ctx: &Ctx, visit: &Visit, which: &Which, chosen: &[String], news: Markup) -> Result<Markup, Failure> {
    let dispatch = ctx.need::<Dispatch>()?;
    let reader = &visit.reader;
    let stranger = |text: &String| Failure::not_found("message-unknown").arg("message", text);
    let after = which.after.as_ref().map(|text| text.parse::<MessageId>().map_err(|_| stranger(text))).transpose()?;
    let scope = scope(&dispatch, which.campaign.clone(), which.lane.clone()).await?;
    let page = unknown::list(ctx.store(), &scope, after, PAGE).await?;
    let names = campaigns(ctx, &page).await?;
    let title = reader.say("unknown-title", &[]);
    let may = visit.actor().is_ok_and(|actor| actor.role >= Role::Operate);
    let body = html! {
        (heading(&title, html! {}))
        (news)
        @if page.total == 0 {
            (empty(&reader.say("unknown-page-none", &[]), &reader.say("unknown-page-none.hint", &[])))
        } @else {
            (section(&told(reader, &page), html! {
                p.quiet { (reader.say("unknown-what", &[])) }
                (lanes(reader, which, &page))
                form method="post" action=(which.href(which.after.as_deref())) {
                    (messages(reader, &page, &names, may, chosen))
                    @if may && !page.messages.is_empty() { (outcomes(reader, "unknown-settle-chosen", None)) }
                }
                @if let Some(next) = &page.next {
                    p { a.button href=(which.href(Some(next))) { (reader.say("unknown-next", &[])) } }
                }
            }))
            @if may && page.total > page.damaged { (all(reader, which, &page)) }
        }
    };
    Ok(visit.page(&title, body))
}

fn told(reader: &Reader, page: &Page) -> String {
    let total = reader.say("unknown-count", &[("n", &count(page.total))]);
    match page.damaged {
        0 => total,
        n => format!("{total} · {}", reader.say("unknown-count-damaged", &[("n", &count(n))])),
    }
}

/// The lanes that have such messages, each a way to its own.
fn lanes(reader: &Reader, which: &Which, page: &Page) -> Markup {
    let one = |lane: &str| Which { lane: Some(lane.to_owned()), campaign: which.campaign.clone(), after: None };
    let everything = Which { lane: None, campaign: which.campaign.clone(), after: None };
    html! {
        @if which.lane.is_some() { p { a href=(everything.href(None)) { (reader.say("unknown-all-lanes", &[])) } } }
        @else if page.lanes.len() > 1 {
            ul.plain { @for (lane, n) in &page.lanes { li {
                a href=(one(lane).href(None)) { (lane) } " " span.quiet { (count(*n)) }
            } } }
        }
    }
}

/// What the campaigns of a page are called, by id.
async fn campaigns(ctx: &Ctx, page: &Page) -> Result<BTreeMap<String, String>, Failure> {
    let mut names = BTreeMap::new();
    for id in page.messages.iter().filter_map(|it| it.campaign.as_ref()) {
        if !names.contains_key(id) {
            let known = id.parse().map_err(Failure::bug)?;
            let known = campaign::show(ctx.store(), known).await?;
            names.insert(id.clone(), known.map_or_else(|| id.clone(), |campaign| campaign.name));
        }
    }
    Ok(names)
}

fn messages(reader: &Reader, page: &Page, names: &BTreeMap<String, String>, may: bool, chosen: &[String]) -> Markup {
    let row = |it: &Unknown| {
        let none = || "-".to_owned();
        let campaign = it.campaign.as_ref().map(|id| {
            html! { a href={ "/campaigns/" (id) } { (names.get(id).unwrap_or(id)) } }
        });
        vec![
            html! {
                @if may {
                    label.choice {
                        input type="checkbox" name="message" value=(it.id) checked[chosen.contains(&it.id)];
                        code { (it.id) }
                    }
                } @else { code { (it.id) } }
            },
            html! { (it.to.clone().unwrap_or_else(none)) },
            html! { (it.code.clone().unwrap_or_else(none)) },
            html! { (it.lane) },
            campaign.unwrap_or_else(|| html! { "-" }),
            moment::ago(reader, it.since),
        ]
    };
    let rows: Vec<Vec<Markup>> = page.messages.iter().map(row).collect();
    let columns = ["message", "to", "reason", "lane", "campaign", "since"];
    table(&columns.map(|name| Column::of(&reader.say(&format!("unknown-column-{name}"), &[]))), &rows)
}

/// A button for each thing that a person can have found out.
fn outcomes(reader: &Reader, label: &str, sure: Option<&str>) -> Markup {
    html! {
        @if let Some(sure) = sure {
            label.choice { input type="checkbox" name="sure" value="yes" required; (sure) }
        }
        fieldset.settle {
            legend { (reader.say(label, &[])) }
            @for state in OUTCOMES {
                button.button type="submit" name="as" value=(state.name()) {
                    (reader.say(&format!("state-{}", state.name()), &[]))
                }
            }
        }
    }
}

/// All that the page is about, not only what is shown of it.
fn all(reader: &Reader, which: &Which, page: &Page) -> Markup {
    let n = count(page.total - page.damaged);
    let body = html! {
        form method="post" action=(which.href(None)) {
            input type="hidden" name="all" value=(page.total - page.damaged);
            (outcomes(reader, "unknown-settle-as", Some(&reader.say("unknown-sure", &[("n", &n)]))))
        }
    };
    section(&reader.say("unknown-settle-all", &[("n", &n)]), body)
}

/// What a form says.
#[derive(Default)]
struct Said {
    messages: Vec<String>,
    state: Option<State>,
    /// How many the page said there are.
    all: Option<u64>,
    sure: bool,
}

impl Said {
    fn read(body: &str) -> Said {
        let mut said = Said::default();
        for (name, value) in form_urlencoded::parse(body.as_bytes()) {
            match &*name {
                "message" => said.messages.push(value.into_owned()),
                "as" => said.state = OUTCOMES.into_iter().find(|state| state.name() == value),
                "all" => said.all = Some(value.parse().unwrap_or(0)),
                "sure" => said.sure = true,
                _ => {}
            }
        }
        said
    }
}

async fn settle(Of(ctx): Of<Ctx>, visit: Visit, Query(which): Query<Which>, body: String) -> Result<Response, Failed> {
    visit.must(Role::Operate)?;
    let said = Said::read(&body);
    let state = said.state.ok_or_else(|| Failure::usage("request-malformed"))?;
    visit.act(Role::Operate, deed(&which, &said, state))?;
    let settled = match carry_out(&ctx, &which, &said, state).await {
        Ok(settled) => settled,
        Err(failure) => {
            let failure = mendable(failure)?;
            let why = refusal(&visit.reader, &failure);
            return Ok(form_again(&failure, page(&ctx, &visit, &which, &said.messages, why).await?));
        }
    };
    let news = news(&visit.reader, &settled, state);
    match settled.refused.first() {
        Some((_, failure)) if settled.count() == 0 => {
            Ok(form_again(failure, page(&ctx, &visit, &which, &said.messages, news).await?))
        }
        // What was chosen is gone from the page it stood on.
        _ => Ok(page(&ctx, &visit, &Which { after: None, ..which }, &[], news).await?.into_response()),
    }
}

fn deed(which: &Which, said: &Said, state: State) -> Deed {
    let messages = said.messages.join(",");
    let named = said.all.is_none();
    let about = [
        ("as", Some(state.name())),
        ("lane", which.lane.as_deref().filter(|_| !named)),
        ("campaign", which.campaign.as_deref().filter(|_| !named)),
        ("messages", named.then_some(messages.as_str())),
    ];
    let about: Vec<(&str, &str)> = about.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    Deed::new("unknown settle", &about)
}

async fn carry_out(ctx: &Ctx, which: &Which, said: &Said, state: State) -> Result<Settled, Failure> {
    let dispatch = ctx.need::<Dispatch>()?;
    let Some(shown) = said.all else {
        if said.messages.is_empty() {
            return Err(Failure::usage("unknown-none-chosen"));
        }
        return unknown::settle_named(&dispatch, &said.messages, state).await;
    };
    if !said.sure {
        return Err(Failure::usage("unknown-not-sure"));
    }
    let scope: Scope = scope(&dispatch, which.campaign.clone(), which.lane.clone()).await?;
    let now = unknown::list(ctx.store(), &scope, None, 1).await?;
    if now.total - now.damaged != shown {
        return Err(Failure::conflict("unknown-changed").arg("n", count(now.total - now.damaged)));
    }
    unknown::settle_all(&dispatch, &scope, state).await
}

/// What became of it: a lane that runs takes it over within a second.
fn news(reader: &Reader, settled: &Settled, state: State) -> Markup {
    let named = reader.say(&format!("state-{}", state.name()), &[]);
    let done = reader.say("unknown-settled", &[("count", &count(settled.count())), ("state", &named)]);
    html! {
        @if settled.count() > 0 { (notice(Tone::Good, &done)) }
        @for (_, failure) in settled.refused.iter().take(REFUSED_MAX) { (refusal(reader, failure)) }
        @if settled.refused.len() > REFUSED_MAX {
            (notice(Tone::Bad, &reader.say("unknown-settle-more", &[
                ("count", &count((settled.refused.len() - REFUSED_MAX) as u64)),
            ])))
        }
        @if settled.damaged > 0 {
            (refusal(reader, &Failure::conflict("unknown-settle-damaged").arg("count", settled.damaged)))
        }
    }
}
