//! Many random runs: deploys, rollbacks, ways back and locks at random, an Argo CD that fails at random, kills at random
//! calls. No deploy is lost or made twice, what runs is what the last one wanted, and no lock is lifted by a run.

use std::collections::BTreeMap;
use std::sync::Mutex;

use naru_core::failure::Kind;
use naru_core::id::Id;
use naru_operation::course::StepState;
use naru_operation::grant::Sight;
use naru_operation::operation::{self, State};
use naru_testkit::argocd::fault::Fault;
use naru_testkit::random::{Random, seeds};
use naru_testkit::wait::{PATIENCE, eventually};
use naru_web::role::{Actor, Role};
use serde_json::json;

use crate::shop::{APPS, Shop};

/// Runs at once where nothing else is said: most of one is waiting.
const AT_ONCE: u64 = 4;
/// What is asked for in one run.
const ASKED: u64 = 5;
/// Kills of one run.
const KILLS: u64 = 6;

#[test]
fn random_runs_end_in_order() {
    let next = Mutex::new(seeds("NARU_DEPLOY", 3));
    let at_once =
        std::env::var_os("NARU_DEPLOY_AT_ONCE").map_or(AT_ONCE, |text| text.to_str().unwrap().parse().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                // A lock is let go before the run that it gave out.
                while let Some(seed) = { next.lock().unwrap().next() } {
                    run(seed);
                }
            });
        }
    });
}

/// Says which seed it was that went wrong.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

fn run(seed: u64) {
    let _told = Told(seed);
    let mut random = Random::new(seed);
    let mut shop = Shop::new();
    let mut asked: Vec<Id> = Vec::new();
    let is_locked = random.below(3) == 0;
    if is_locked {
        let other = Actor::new("other", Role::Operate);
        shop.say_as(&other, "lock", json!({ "scope": "web@staging", "words": ["for", "1h", "theirs"] })).unwrap();
    }
    for _ in 0..ASKED {
        fail_somewhere(&shop, &mut random);
        asked.extend(ask(&shop, &mut random, &asked));
        if random.below(2) == 0 {
            kill_at_a_call(&mut shop, &mut random);
        }
    }
    for _ in 0..random.below(KILLS) {
        kill_at_a_call(&mut shop, &mut random);
    }
    // Whatever is still held is answered.
    shop.argocd.release();
    for id in &asked {
        shop.wait(eventually(&format!("seed {seed}: the end of {id}"), PATIENCE * 4, async || {
            let (operation, _) = operation::show(shop.store(), *id).await.unwrap().unwrap();
            shop.argocd.release();
            operation.brief.state.is_over().then_some(())
        }));
    }
    check(&shop, &asked);
    let locks = shop.say("queue", json!({})).unwrap().data["locks"].as_array().unwrap().len();
    assert_eq!(locks, usize::from(is_locked), "a lock was lifted, or left behind");
}

/// Argo CD fails at a call to come.
fn fail_somewhere(shop: &Shop, random: &mut Random) {
    let faults = [Fault::Status(503), Fault::Hold, Fault::DropBefore, Fault::DropAfter];
    let places = ["GET /api/v1/applications/api-staging", "POST /api/v1/applications/web-staging/sync"];
    if random.below(2) == 0 {
        shop.argocd.fault_at(random.pick(&places), random.pick(&faults));
    }
}

/// Asks for something; none where it was refused, which is one of a few reasons.
fn ask(shop: &Shop, random: &mut Random, before: &[Id]) -> Option<Id> {
    let said = match random.below(6) {
        0 => shop.say("rollback", json!({ "app": random.pick(&APPS) })),
        1 if !before.is_empty() => {
            let id = before[random.below(before.len() as u64) as usize];
            shop.say("op undo", json!({ "operation": id }))
        }
        2 => shop.say("unpin", json!({ "app": random.pick(&APPS) })),
        n => {
            let branch = random.pick(&["main", "feature/cart", "fix"]);
            shop.push(branch);
            let words: &[&str] = if n == 3 { &["web", "api"] } else { &[random.pick(&APPS)] };
            let words: Vec<&str> = words.iter().copied().chain([branch]).collect();
            shop.say("deploy", json!({ "words": words }))
        }
    };
    match said {
        Ok(answer) => Some(answer.data["operation"]["id"].as_str().unwrap().parse().unwrap()),
        Err(failure) => {
            let no =
                ["rollback-none", "pin-none", "operation-not-over", "operation-nothing-to-undo", "operation-undone"];
            // The branch of an app that nobody has pushed to has no image yet.
            let more = ["operation-locked", "registry-tag-absent"];
            let is_no = no.iter().chain(&more).any(|code| *code == failure.code);
            assert!(is_no || failure.kind == Kind::Unavailable, "{failure}");
            None
        }
    }
}

/// Kills naru some calls from now, or at the end of all it has to do, and starts it again.
fn kill_at_a_call(shop: &mut Shop, random: &mut Random) {
    let calls = shop.argocd.ledger().len() + random.below(8) as usize;
    shop.wait(eventually("some calls, or rest", PATIENCE, async || {
        let open = operation::open(shop.store(), &Sight::Everything, 1).await.unwrap();
        (open.is_empty() || shop.argocd.ledger().len() >= calls).then_some(())
    }));
    shop.kill();
    shop.argocd.release();
    shop.start();
}

/// Each app runs what the last operation on it wanted, where that is done, and every commit that a step tells of is there.
fn check(shop: &Shop, asked: &[Id]) {
    let log: Vec<String> = shop.charts.log("main").into_iter().map(|written| written.id).collect();
    let mut wanted: BTreeMap<&str, Option<String>> = BTreeMap::new();
    let mut all: Vec<_> =
        asked.iter().map(|id| shop.wait(operation::show(shop.store(), *id)).unwrap().unwrap()).collect();
    all.sort_by_key(|(operation, _)| operation.brief.ended_at);
    for (operation, steps) in all {
        // What goes wrong here passes by, so that all is done but what an answer was held back from for too long.
        let why = operation.brief.why.as_ref().map(|why| why.code.as_str());
        let is_late = operation.brief.state == State::Failed && why == Some("operation-step-late");
        assert!(operation.brief.state == State::Done || is_late, "{:#?} {steps:#?}", operation.brief);
        for (step, progress) in operation.plan.steps.iter().zip(&steps) {
            if let Some(commit) = progress.note["commit"].as_str() {
                assert!(log.iter().any(|id| id == commit), "{commit} is lost");
            }
            if step.verb == "rollout" && progress.state != StepState::Waiting {
                let app = APPS.iter().find(|app| step.subject.starts_with(**app)).unwrap();
                wanted.insert(app, (operation.brief.state == State::Done).then(|| step.after.clone()));
            }
        }
    }
    for (app, tag) in wanted {
        let Some(tag) = tag else { continue };
        assert_eq!(shop.image(app), format!("registry.test/shop/{app}:{tag}"), "{:#?}", shop.commits());
    }
}
