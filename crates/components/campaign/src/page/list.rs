//! The list of campaigns: looked for by name and state, page by page. All of it stands in the page's address, so that a
//! link shows others the same.

use axum::extract::{Query, State};
use maud::html;
use naru_component::ctx::Ctx;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_dispatch::campaign::search::{Found, Sought, search};
use naru_dispatch::campaign::{Campaign, CampaignState};
use naru_dispatch::page::slices;
use naru_web::failed::Failed;
use naru_web::page::chart::stacked;
use naru_web::page::part::{Column, empty, heading, table};
use naru_web::page::{Markup, Reader, count, moment};
use naru_web::role::Role;
use naru_web::visit::{SignedIn, Visit};
use serde::Deserialize;

use super::{new, state_badge};

/// Campaigns of one page.
const PAGE: usize = 50;
/// As long as a name may be.
const NAME_CHARS_MAX: usize = 100;

/// What the address of the page says.
#[derive(Default, Deserialize)]
pub struct Asks {
    #[serde(default)]
    name: String,
    #[serde(default)]
    state: String,
    /// The oldest campaign of the page before.
    #[serde(default)]
    before: String,
}

impl Asks {
    fn sought(&self) -> Result<Sought, Failure> {
        let malformed = || Failure::usage("request-malformed");
        let state = CampaignState::ALL.into_iter().find(|state| state.name() == self.state);
        let before = Some(self.before.as_str()).filter(|before| !before.is_empty());
        Ok(Sought {
            name: self.name.trim().chars().take(NAME_CHARS_MAX).collect(),
            state: if self.state.is_empty() { None } else { Some(state.ok_or_else(malformed)?) },
            before: before.map(str::parse::<Id>).transpose().map_err(|_| malformed())?,
        })
    }
}

/// The address of what is sought, from `before` on.
fn href(sought: &Sought, before: Option<Id>) -> String {
    let before = before.map(|id| id.to_string());
    let state = sought.state.map(CampaignState::name);
    let name = Some(sought.name.as_str()).filter(|name| !name.is_empty());
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in [("name", name), ("state", state), ("before", before.as_deref())] {
        query.extend_pairs(value.map(|value| (key, value)));
    }
    match query.finish() {
        none if none.is_empty() => "/campaigns".to_owned(),
        query => format!("/campaigns?{query}"),
    }
}

/// Shows it.
pub async fn show(
    State(ctx): State<Ctx>,
    visit: Visit,
    _: SignedIn,
    Query(asks): Query<Asks>,
) -> Result<Markup, Failed> {
    let reader = &visit.reader;
    let sought = asks.sought()?;
    let found = search(ctx.store(), &sought, PAGE).await?;
    let title = reader.say("page-campaigns", &[]);
    let body = html! {
        (heading(&title, html! {
            @if visit.must(Role::Send).is_ok() { a.button.primary href=(new::PATH) { (reader.say("page-campaign-new", &[])) } }
        }))
        (form(reader, &sought))
        @if found.campaigns.is_empty() { (nothing(reader, &sought, &found)) } @else { (rows(reader, &found)) }
        (ways(reader, &sought, &found))
    };
    Ok(visit.page(&title, body))
}

fn form(reader: &Reader, sought: &Sought) -> Markup {
    let say = |key: &str| reader.say(key, &[]);
    html! {
        form.row-form method="get" action="/campaigns" role="search" {
            label {
                (say("page-campaigns-name"))
                input type="search" name="name" value=(sought.name) maxlength=(NAME_CHARS_MAX) autocomplete="off";
            }
            label {
                (say("field-state"))
                select name="state" {
                    option value="" { (say("page-campaigns-any")) }
                    @for state in CampaignState::ALL {
                        option value=(state.name()) selected[sought.state == Some(state)] {
                            (say(&format!("campaign-state-{}", state.name())))
                        }
                    }
                }
            }
            button.button type="submit" { (say("page-campaigns-go")) }
        }
    }
}

fn rows(reader: &Reader, found: &Found) -> Markup {
    let row = |campaign: &Campaign| {
        vec![
            html! { a href={ "/campaigns/" (campaign.id) } { (campaign.name) } },
            state_badge(reader, campaign),
            html! { (count(campaign.account.accepted)) },
            stacked(reader, &campaign.name, &slices(reader, &campaign.account)),
            moment::ago(reader, campaign.created_at),
        ]
    };
    let say = |key: &str| reader.say(key, &[]);
    let columns = [
        Column::of(&say("field-campaign")),
        Column::of(&say("field-state")),
        Column::number(&say("state-accepted")),
        Column::of(&say("page-progress")),
        Column::of(&say("field-created")),
    ];
    table(&columns, &found.campaigns.iter().map(row).collect::<Vec<_>>())
}

fn nothing(reader: &Reader, sought: &Sought, found: &Found) -> Markup {
    let is_plain = sought.name.is_empty() && sought.state.is_none();
    let key = match (is_plain, sought.before, found.next) {
        (_, _, Some(_)) => "page-campaigns-not-yet",
        (true, Some(_), None) => "page-campaigns-no-older",
        (true, None, None) => "page-campaigns-none",
        (false, _, None) => "page-campaigns-no-match",
    };
    empty(&reader.say(key, &[]), &reader.say(&format!("{key}.hint"), &[]))
}

/// To the newest of what is sought, and to older ones.
fn ways(reader: &Reader, sought: &Sought, found: &Found) -> Markup {
    let way = |to: &str, key: &str| html! { a.button href=(to) { (reader.say(key, &[])) } };
    html! {
        @if sought.before.is_some() || found.next.is_some() {
            div.actions {
                @if sought.before.is_some() { (way(&href(sought, None), "page-newest")) }
                @if let Some(next) = found.next { (way(&href(sought, Some(next)), "page-older")) }
            }
        }
    }
}
