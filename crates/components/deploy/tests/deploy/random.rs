//! Many random runs: deploys, rollbacks, ways back and locks at random, an Argo CD, a GitLab and a Git server that fail at
//! random, kills at random calls. No deploy is lost or made twice, what runs is what the last one wanted, and no lock is
//! lifted by a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use naru_core::failure::Kind;
use naru_core::id::Id;
use naru_operation::course::StepState;
use naru_operation::grant::Sight;
use naru_operation::operation::{self, State};
use naru_testkit::argocd::fault::Fault;
use naru_testkit::gitlab::Fault as GitlabFault;
use naru_testkit::random::{Random, seeds};
use naru_testkit::wait::{PATIENCE, eventually};
use naru_web::role::{Actor, Role};
use serde_json::json;

use crate::shop::{APPS, Shop, developer};

/// Runs at once where nothing else is said: most of one is waiting.
const AT_ONCE: u64 = 4;
/// What is asked for in one run.
const ASKED: u64 = 5;
/// Kills of one run.
const KILLS: u64 = 6;
/// What may be locked.
const SCOPES: [&str; 5] = ["web@staging", "api@staging", "api", "staging", "all"];

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

/// Somebody else, whose locks keep the developer out.
fn other() -> Actor {
    Actor::new("other", Role::Operate)
}

/// Locks that stand, by the id of each.
type Locks = BTreeMap<String, (String, Actor)>;

fn run(seed: u64) {
    let _told = Told(seed);
    let mut random = Random::new(seed);
    let mut shop = Shop::new();
    let mut asked: Vec<Id> = Vec::new();
    let mut locks = Locks::new();
    for _ in 0..ASKED {
        fail_somewhere(&shop, &mut random);
        lock_or_unlock(&shop, &mut random, &mut locks);
        asked.extend(ask(&shop, &mut random, &asked));
        if random.below(2) == 0 {
            kill_at_a_call(&mut shop, &mut random);
        }
    }
    for _ in 0..random.below(KILLS) {
        kill_at_a_call(&mut shop, &mut random);
    }
    // Whatever is still held is answered, and what a lock keeps back is all that is left.
    let is_left = |states: &[(State, Option<String>)]| {
        states.iter().all(|(state, why)| state.is_over() || why.as_deref() == Some("operation-locked"))
    };
    settle(&shop, seed, &asked, is_left);
    assert_eq!(standing(&shop), locks.keys().cloned().collect(), "a lock was lifted, or left behind");
    for (scope, owner) in locks.values() {
        shop.say_as(owner, "unlock", json!({ "scope": scope })).unwrap();
    }
    settle(&shop, seed, &asked, |states| states.iter().all(|(state, _)| state.is_over()));
    assert_eq!(standing(&shop), BTreeSet::new(), "a run left a lock behind");
    check(&shop, &asked);
}

/// Answers what is held until all that was asked for stands as it is meant to.
fn settle(shop: &Shop, seed: u64, asked: &[Id], is_it: impl Fn(&[(State, Option<String>)]) -> bool) {
    shop.wait(eventually(&format!("seed {seed}: its end"), PATIENCE * 4, async || {
        shop.argocd.release();
        shop.gitlab.release();
        let mut states = Vec::new();
        for id in asked {
            let brief = operation::show(shop.store(), *id).await.unwrap().unwrap().0.brief;
            states.push((brief.state, brief.why.map(|why| why.code)));
        }
        is_it(&states).then_some(())
    }));
}

/// The ids of the locks that there are.
fn standing(shop: &Shop) -> BTreeSet<String> {
    let queue = shop.say("queue", json!({})).unwrap();
    queue.data["locks"].as_array().unwrap().iter().map(|lock| lock["id"].as_str().unwrap().to_owned()).collect()
}

/// Somebody locks something, or somebody lifts a lock: their own, and nobody else's.
fn lock_or_unlock(shop: &Shop, random: &mut Random, locks: &mut Locks) {
    let who = if random.below(2) == 0 { other() } else { developer() };
    let scope = random.pick(&SCOPES);
    if random.below(3) == 0 {
        let said = shop.say_as(&who, "lock", json!({ "scope": scope, "words": ["for", "1h", "theirs"] }));
        match said {
            Ok(answer) => {
                let id = answer.data["id"].as_str().unwrap().to_owned();
                // One's own lock on the same is set anew.
                locks.retain(|_, (before, owner)| (before.as_str(), &owner.name) != (scope, &who.name));
                locks.insert(id, (scope.to_owned(), who));
            }
            Err(failure) => assert_eq!(failure.code, "operation-locked", "{failure}"),
        }
        return;
    }
    if random.below(3) == 0 {
        let is_own = locks.values().any(|(on, owner)| on == scope && owner.name == who.name);
        let said = shop.say_as(&who, "unlock", json!({ "scope": scope }));
        match said {
            Ok(_) => {
                assert!(is_own, "{} lifted what is not theirs on {scope}", who.name);
                locks.retain(|_, (on, owner)| on != scope || owner.name != who.name);
            }
            Err(failure) => {
                let no = ["operation-lock-none", "operation-lock-others"];
                assert!(!is_own && no.contains(&failure.code.as_str()), "{failure}");
            }
        }
    }
}

/// Argo CD or GitLab fails at a call to come.
fn fail_somewhere(shop: &Shop, random: &mut Random) {
    let faults = [Fault::Status(503), Fault::DropBefore, Fault::DropAfter, Fault::Hold];
    let syncs = ["POST /api/v1/applications/web-staging/sync", "POST /api/v1/applications/api-staging/sync"];
    match random.below(4) {
        // A look that is held would hold whoever asks.
        0 => shop.argocd.fault_at("GET /api/v1/applications/api-staging", random.pick(&faults[..3])),
        1 => shop.argocd.fault_at(random.pick(&syncs), random.pick(&faults)),
        2 => {
            let faults = [GitlabFault::Status(502), GitlabFault::LoseAnswer];
            shop.gitlab.fault(random.pick(&["/v2/", "/pipelines"]), random.pick(&faults), 1);
        }
        _ => {}
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

/// Kills naru some calls from now, while Argo CD holds a call or Git a push, or at the end of all it has to do; and starts it
/// again.
fn kill_at_a_call(shop: &mut Shop, random: &mut Random) {
    let calls = shop.argocd.ledger().len() + random.below(8) as usize;
    let charts = shop.charts.clone();
    let pushes = (random.below(4) == 0).then(|| charts.hold_pushes());
    let pushed = pushes.as_ref().map_or(0, |pushes| pushes.count());
    shop.wait(eventually("some calls, or rest", PATIENCE, async || {
        let open = operation::open(shop.store(), &Sight::Everything, 50).await.unwrap();
        let rests = open.iter().all(|it| it.why.as_ref().is_some_and(|why| why.code == "operation-locked"));
        let is_held = shop.argocd.holding() > 0 || pushes.as_ref().is_some_and(|pushes| pushes.count() > pushed);
        (rests || is_held || shop.argocd.ledger().len() >= calls).then_some(())
    }));
    shop.kill();
    // What was pushed before may be taken after.
    drop(pushes);
    shop.argocd.release();
    shop.start();
}

/// Each app runs what the last operation on it wanted, where that is done, every commit that a step tells of is there, and no
/// step was synced twice.
fn check(shop: &Shop, asked: &[Id]) {
    let mut synced: BTreeMap<String, usize> = BTreeMap::new();
    for call in shop.argocd.ledger() {
        let is_done = call.status == 200 && !matches!(call.fault, Some(Fault::DropBefore | Fault::Status(_)));
        if call.method == "POST" && call.path.ends_with("/sync") && is_done {
            let infos = call.body["infos"].as_array().unwrap();
            let mark = infos.iter().find(|info| info["name"] == "naru").unwrap()["value"].as_str().unwrap();
            *synced.entry(mark.to_owned()).or_default() += 1;
        }
    }
    for (mark, times) in synced {
        assert_eq!(times, 1, "the step {mark} was synced more than once");
        let operation: Id = mark.split('/').next().unwrap().parse().unwrap();
        assert!(asked.contains(&operation), "{mark} is a sync that nobody asked for");
    }
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
