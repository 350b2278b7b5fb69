//! The engines and the estate: built after all rooms, since they take what rooms offer, and started when the house stands.

use std::time::Duration;

use naru_component::Component;
use naru_component::ctx::Ctx;
use naru_core::failure::Failure;
use naru_dispatch::config::DispatchConfig;
use naru_dispatch::engine::Dispatch;
use naru_estate::config::{EstateConfig, Outside};
use naru_operation::config::OperationConfig;
use naru_operation::engine::Operations;

/// Builds the components that the engines and the estate export of themselves.
pub fn components(
    dispatch: DispatchConfig,
    operation: OperationConfig,
    estate: EstateConfig,
    outside: Outside,
    ctx: &Ctx,
) -> Vec<Component> {
    vec![
        naru_dispatch::component::component(dispatch, ctx),
        naru_operation::component::component(operation, ctx),
        naru_estate::component::component(estate, outside, ctx),
    ]
}

/// Checks what only the engines and the rooms together can tell of the configuration.
pub fn check(ctx: &Ctx) -> Result<(), Failure> {
    ctx.need::<Dispatch>()?.check()?;
    ctx.need::<Operations>()?.check()
}

/// Makes the engines ready to take work in; the tables are there and this process owns the data.
pub async fn prepare(ctx: &Ctx) -> Result<(), Failure> {
    ctx.need::<Dispatch>()?.prepare().await
}

/// Makes the engines ready to be looked at beside whoever owns the data.
pub async fn prepare_reading(ctx: &Ctx) -> Result<(), Failure> {
    ctx.need::<Dispatch>()?.prepare_reading().await
}

/// Starts what engines do by themselves. Called once, by `serve`, when nothing that can be refused is left.
pub async fn start(ctx: &Ctx) -> Result<(), Failure> {
    ctx.need::<Dispatch>()?.run().await?;
    ctx.need::<Operations>()?.run();
    Ok(())
}

/// How long what an engine has begun takes to end at the most: a request that a provider does not answer, or a step.
pub fn longest(dispatch: &DispatchConfig) -> Duration {
    let request = Duration::from_millis(dispatch.lane.values().map(|lane| lane.timeout_ms).max().unwrap_or(0));
    request.max(naru_operation::engine::LEAVE_MAX)
}
