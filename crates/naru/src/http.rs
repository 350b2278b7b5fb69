//! The house over HTTP, the same at both doors: the network and the socket in the data folder.
//!
//! From the outside in: a trace id and a count for each request ([`trace`]); the front of `naru-web`, which finds out
//! who asks; then the rooms' own routes, every word as `POST /v1/WORD[/VERB]` ([`words`]), their description
//! ([`openapi`]), what machines look at ([`probe`]) and the page of all rooms together ([`overview`]).

pub mod listen;

mod openapi;
mod overview;
mod probe;
mod trace;
mod words;

#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use naru_component::MenuEntry;
use naru_web::front::Door;
use naru_web::state::{MenuItem, Parts, Web};
use tower::ServiceBuilder;
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::house::House;
use crate::slack;

pub use naru_web::upload::empty_spool;

/// Between two pieces of a body; whoever pauses longer has gone.
const BODY_SILENCE_MAX: Duration = Duration::from_secs(60);

/// The front of a house that is open for writing.
pub fn front(house: &House) -> Web {
    let parts = house.ctx.parts();
    let mut menu: Vec<&MenuEntry> = house.components.iter().flat_map(|component| component.menu).collect();
    menu.sort_by_key(|entry| entry.order);
    Web::new(Parts {
        store: parts.store.clone(),
        clock: parts.clock.clone(),
        lifecycle: parts.lifecycle.clone(),
        texts: house.texts.clone(),
        menu: menu.into_iter().map(|entry| MenuItem { text: entry.text, href: entry.href, role: entry.role }).collect(),
    })
}

/// Everything that is served at `door`.
pub fn router(house: &House, web: &Web, door: Door) -> Router {
    let ctx = &house.ctx;
    let own = words::routes(house, door).merge(openapi::routes(house)).merge(probe::routes(ctx));
    let own = own.merge(overview::routes(house)).merge(slack::http::routes(ctx));
    let rooms = house.components.iter().map(|component| component.routes.clone().with_state(ctx.clone()));
    let rooms = rooms.fold(own, Router::merge);
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(trace::Traced::new(ctx), trace::trace))
        .layer(RequestBodyTimeoutLayer::new(BODY_SILENCE_MAX));
    web.front(door, rooms).layer(layers)
}
