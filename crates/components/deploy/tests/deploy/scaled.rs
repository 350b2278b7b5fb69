//! A second kind of operation stands on the same estate and the same engine: it scales an app.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use naru_argocd::application::AppRef;
use naru_component::ctx::Ctx;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_estate::estate::Estate;
use naru_estate::scale::{self, Scale};
use naru_operation::engine::{Ask, Operations};
use naru_operation::kind::{Kind, Kinds, Outcome, Work};
use naru_operation::operation::State;
use naru_operation::plan::{Plan, Step, Target, Undo};
use serde_json::{Value, json};

use crate::shop::{Shop, developer};

struct Scaling(Ctx);

impl Kind for Scaling {
    fn name(&self) -> &'static str {
        "scaling"
    }

    fn plan(&self, request: Value) -> BoxFuture<'static, Result<Plan, Failure>> {
        let ctx = self.0.clone();
        Box::pin(async move {
            let app = AppRef { project: "shop".to_owned(), name: "api-staging".to_owned(), namespace: None };
            let wanted = request["replicas"].as_u64().unwrap() as u32;
            let mut steps = Vec::new();
            for found in scale::workloads(&*ctx.need::<Estate>()?, &app).await? {
                if found.replicas == wanted {
                    continue;
                }
                let to = |replicas: u32| {
                    let scale = Scale { app: app.clone(), workload: found.workload.clone(), replicas, settle_s: 3 };
                    serde_json::to_value(scale).unwrap()
                };
                steps.push(Step {
                    verb: "scale".to_owned(),
                    subject: found.workload.name.clone(),
                    before: found.replicas.to_string(),
                    after: wanted.to_string(),
                    deadline_s: 60,
                    args: to(wanted),
                    undo: Some(Undo { verb: "scale".to_owned(), args: to(found.replicas) }),
                    ..Step::default()
                });
            }
            let target =
                Target { name: "api@staging".to_owned(), scopes: vec!["api".to_owned(), "staging".to_owned()] };
            Ok(Plan { title: format!("api at {wanted}"), targets: vec![target], steps, notes: Vec::new() })
        })
    }

    fn act(&self, work: Work) -> BoxFuture<'static, Result<Outcome, Failure>> {
        let ctx = self.0.clone();
        Box::pin(async move { scale::scale(&*ctx.need::<Estate>()?, &work).await })
    }
}

fn scaled(shop: &Shop, replicas: u32) -> Id {
    Kinds::of(shop.ctx()).add(Arc::new(Scaling(shop.ctx().clone())));
    let ask = Ask { kind: "scaling".to_owned(), request: json!({ "replicas": replicas }), ..Ask::default() };
    shop.wait(async { shop.ctx().need::<Operations>().unwrap().ask(ask, &developer()).await }).unwrap().operation.id
}

fn replicas(shop: &Shop) -> u64 {
    shop.argocd
        .world(|world| world.live("api-staging", "Deployment", "api").unwrap()["spec"]["replicas"].as_u64().unwrap())
}

fn leave_to_people(shop: &Shop) {
    shop.argocd.world(|world| world.change_app("api-staging", &json!({ "spec": { "syncPolicy": null } })));
}

#[test]
fn an_app_is_scaled_and_scaled_back() {
    let mut shop = Shop::new();
    leave_to_people(&shop);
    let id = scaled(&shop, 5);
    shop.until_waiting(id, "scale-settling");
    // What is watched is watched on after a restart, and written once.
    shop.restart();
    Kinds::of(shop.ctx()).add(Arc::new(Scaling(shop.ctx().clone())));
    shop.until(id, State::Done);
    assert_eq!(replicas(&shop), 5);
    assert_eq!(shop.argocd.calls("POST /api/v1/applications/api-staging/resource").len(), 1);
    let answer = shop.say("op undo", json!({ "operation": id })).unwrap();
    shop.until(answer.data["operation"]["id"].as_str().unwrap().parse().unwrap(), State::Done);
    assert_eq!(replicas(&shop), 2);
    let again = scaled(&shop, 2);
    assert_eq!(shop.until(again, State::Done).plan.steps, []);
}

#[test]
fn what_argo_cd_heals_is_told_and_not_fought() {
    let shop = Shop::new();
    let id = scaled(&shop, 5);
    shop.until_waiting(id, "scale-settling");
    shop.argocd.settle();
    let operation = shop.until(id, State::Failed);
    let why = operation.brief.why.unwrap();
    assert_eq!((why.code.as_str(), why.args["now"].as_str()), ("scale-set-back", "2"));
    assert_eq!(replicas(&shop), 2);
    assert_eq!(shop.argocd.calls("POST /api/v1/applications/api-staging/resource").len(), 1);
}
