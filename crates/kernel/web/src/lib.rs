//! Pages, people, sessions, roles and live updates: everything between a request and a room's handler.
//!
//! A room writes handlers that take a [`visit::Visit`] and answer `Result<Markup, Failed>`. The front
//! ([`front`]) has by then found out who asks and in which language, has refused what another site sent, and turns a
//! failure into a page or JSON on the way out, so no room does any of that by itself. Pages are plain forms and work
//! with scripts off; the one script of the house only makes them live. State that must survive a restart (people,
//! sessions, links, tokens) is in the store and nowhere else; secrets are stored as hashes only.
//!
//! Must never know: what a message, a campaign or a component is. A change must keep this: nothing inline in a page
//! (the content security policy forbids it), every sentence in both languages, and every queue and table bounded.

pub mod deed;
pub mod failed;
pub mod feed;
pub mod front;
pub mod link;
pub mod live;
pub mod page;
pub mod person;
pub mod record;
pub mod role;
pub mod schema;
pub mod session;
pub mod state;
pub mod token;
pub mod upload;
pub mod visit;

mod asset;
mod cookie;
mod name;
mod password;
mod secret;
mod sign_in;
mod throttle;

/// The sentences of this crate.
pub const TEXTS: naru_core::text::Catalog =
    naru_core::text::Catalog { name: "web", en: include_str!("../texts/en.ftl"), ko: include_str!("../texts/ko.ftl") };
