//! The pages of the house itself: what runs where, and its settings.

mod running;
mod settings;

use axum::Router;
use naru_component::ctx::Ctx;

/// The routes.
pub fn routes() -> Router<Ctx> {
    running::routes().merge(settings::routes())
}
