//! `/`: what wants a person, and how everything is, at a glance. Rooms bring the parts; this page puts them together.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use futures_util::future::BoxFuture;
use maud::html;
use naru_component::ctx::Ctx;
use naru_component::{Component, Concern, Concerns, Panel};
use naru_core::failure::Failure;
use naru_web::failed::Failed;
use naru_web::feed::{self, Parts};
use naru_web::page::part::{Tone, badge, heading, notice, prose, section};
use naru_web::page::{Markup, Reader};
use naru_web::role::Role;
use naru_web::visit::{Resume, SignedIn, Visit};

use crate::house::House;

/// What all rooms bring to the overview.
#[derive(Clone)]
struct Overview {
    ctx: Ctx,
    panels: Arc<[Panel]>,
    concerns: Arc<[Concerns]>,
}

/// The element of what wants a person; it stands before all panels.
const CONCERNS: &str = "concerns";

/// The routes.
pub fn routes(house: &House) -> Router {
    let of = |components: &[Component]| {
        let mut panels: Vec<Panel> = components.iter().flat_map(|component| component.panels.clone()).collect();
        panels.sort_by_key(|panel| panel.order);
        let concerns: Vec<Concerns> = components.iter().flat_map(|component| component.concerns.clone()).collect();
        (panels.into(), concerns.into())
    };
    let (panels, concerns) = of(&house.components);
    let overview = Overview { ctx: house.ctx.clone(), panels, concerns };
    Router::new().route("/", get(show)).route("/overview/live", get(live)).with_state(overview)
}

async fn show(State(overview): State<Overview>, visit: Visit, SignedIn(actor): SignedIn) -> Result<Markup, Failed> {
    let title = visit.reader.say("page-overview", &[]);
    let parts = overview.draw(&visit.reader, actor.role).await;
    let body = html! {
        (heading(&title, html! {}))
        (feed::live("/overview/live", parts))
    };
    Ok(visit.page(&title, body))
}

async fn live(
    State(overview): State<Overview>,
    visit: Visit,
    SignedIn(actor): SignedIn,
    Resume(seen): Resume,
) -> Result<Response, Failed> {
    let draw = move |reader: Reader| -> BoxFuture<'static, Result<Option<Parts>, Failure>> {
        let overview = overview.clone();
        Box::pin(async move { Ok(Some(overview.draw(&reader, actor.role).await)) })
    };
    // Drawn once for all of a role: what wants a person may be for some alone.
    let name = format!("overview {}", actor.role);
    Ok(visit.web().feed(&name, &visit.reader, seen, Arc::new(draw))?)
}

impl Overview {
    async fn draw(&self, reader: &Reader, role: Role) -> Parts {
        let mut parts = vec![(CONCERNS, self.concerns(reader, role).await)];
        // One after the other: a page that somebody looks at takes one reader of the database and not all.
        for panel in self.panels.iter() {
            let html = (panel.draw)(self.ctx.clone(), reader.clone()).await;
            // One room that cannot tell keeps no other from it.
            parts.push((panel.id, html.unwrap_or_else(|failure| untold(reader, &failure))));
        }
        parts
    }

    async fn concerns(&self, reader: &Reader, role: Role) -> Markup {
        let mut concerns = Vec::new();
        for find in self.concerns.iter() {
            match find(self.ctx.clone(), reader.clone()).await {
                Ok(some) => concerns.extend(some.into_iter().filter(|concern| role >= concern.role)),
                Err(failure) => concerns.push(Concern {
                    tone: Tone::Bad,
                    text: reader.texts.detail(reader.lang, &failure),
                    href: None,
                    role: Role::View,
                }),
            }
        }
        // The gravest first.
        concerns.sort_by_key(|concern| !matches!(concern.tone, Tone::Bad));
        let body = html! {
            @if concerns.is_empty() {
                p { (badge(Tone::Good, &reader.say("page-all-well", &[]))) }
            } @else {
                ul.concerns { @for concern in &concerns { li { (drawn(concern)) } } }
            }
        };
        section(&reader.say("page-concerns", &[]), body)
    }
}

fn drawn(concern: &Concern) -> Markup {
    let text = html! { (prose(&concern.text)) };
    html! {
        p class={ "notice " (concern.tone.class()) } {
            @match concern.href { Some(href) => a href=(href) { (text) }, None => (text) }
        }
    }
}

fn untold(reader: &Reader, failure: &Failure) -> Markup {
    let hint = reader.texts.hint(reader.lang, failure).unwrap_or_default();
    html! {
        section.card {
            (notice(Tone::Bad, &reader.texts.detail(reader.lang, failure)))
            @if !hint.is_empty() { p { (prose(&hint)) } }
        }
    }
}
