//! Deploys, as the engine carries them out.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use naru_component::ctx::Ctx;
use naru_core::failure::Failure;
use naru_estate::estate::Estate;
use naru_estate::{merge, step};
use naru_operation::course::StepState;
use naru_operation::kind::{Kind, Outcome, Work};
use naru_operation::plan::Plan;
use serde_json::Value;

use crate::release::Release;
use crate::{Config, pin, plan};

/// The kind's name.
pub const NAME: &str = "deploy";

/// The kind.
pub struct Deploy {
    ctx: Ctx,
    config: Arc<Config>,
}

impl Deploy {
    /// In this house; the estate is looked for when it is needed.
    pub fn new(config: Arc<Config>, ctx: Ctx) -> Deploy {
        Deploy { ctx, config }
    }
}

impl Kind for Deploy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn plan(&self, request: Value) -> BoxFuture<'static, Result<Plan, Failure>> {
        let (ctx, config) = (self.ctx.clone(), self.config.clone());
        Box::pin(async move {
            let release = Release::read(request)?;
            let replaced = pin::replaced(ctx.store(), &release, &config).await?;
            let mut plan = plan::plan(&*ctx.need::<Estate>()?, release).await?;
            plan.notes.extend(replaced);
            Ok(plan)
        })
    }

    fn act(&self, work: Work) -> BoxFuture<'static, Result<Outcome, Failure>> {
        let ctx = self.ctx.clone();
        Box::pin(async move {
            let estate = ctx.need::<Estate>()?;
            match work.step.verb.as_str() {
                "drain" => step::drain(&estate, &work).await,
                "image" => step::image(&estate, &work).await,
                "commit" => step::commit(&estate, &work).await,
                "merge" => merge::merge(&estate, &work).await,
                "spec" => step::spec(&estate, &work).await,
                "rollout" => step::rollout(&estate, &work).await,
                other => Err(Failure::bug(format!("a deploy has no step {other:?}"))),
            }
        })
    }

    fn undo(&self, of: &Plan, states: &[StepState], notes: &[Value]) -> Plan {
        plan::back(of, states, notes)
    }
}
