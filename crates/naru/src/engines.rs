//! The engines: built after all rooms, since they take what rooms offer, and started when the house stands.

use naru_component::Component;
use naru_component::ctx::Ctx;
use naru_core::failure::Failure;
use naru_dispatch::config::DispatchConfig;

/// Builds the components that the engines export of themselves.
pub fn components(_dispatch: DispatchConfig, _ctx: &Ctx) -> Result<Vec<Component>, Failure> {
    Ok(Vec::new())
}

/// Starts what engines do by themselves. Called once, by `serve`, after the tables are there and the doors are bound.
pub async fn start(_ctx: &Ctx) -> Result<(), Failure> {
    Ok(())
}
