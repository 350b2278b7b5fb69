//! Many random courses: operations, locks and cancels at random, kills at random calls. Nothing is lost, doubled, overtaken
//! or left behind.

use std::collections::BTreeMap;
use std::sync::Mutex;

use naru_core::id::Id;
use naru_operation::operation::{self, State};
use naru_testkit::database::Engine;
use naru_testkit::random::{Random, seeds};
use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::Value;

use crate::app::{TestApp, one, other};
use crate::world::{Fault, in_order};

/// Courses at once: most of one is waiting for the next try.
const AT_ONCE: usize = 8;
/// Operations of one run.
const OPERATIONS: usize = 8;
const NAMES: [&str; 4] = ["a@x", "b@x", "c@y", "d@y"];

#[test]
fn random_courses_end_in_order() {
    let next = Mutex::new(seeds("NARU_OPERATE", 12));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                // A lock is let go before the course that it gave out.
                while let Some(seed) = { next.lock().unwrap().next() } {
                    course(seed);
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

fn course(seed: u64) {
    let _told = Told(seed);
    let mut random = Random::new(seed);
    let mut app = TestApp::new(Engine::Sqlite);
    let mut asked: Vec<(Id, Vec<(&str, String)>)> = Vec::new();
    for n in 0..OPERATIONS {
        for _ in 0..random.below(4) {
            let faults = [
                Fault::None,
                Fault::NotYet,
                Fault::Busy,
                Fault::Lost,
                Fault::HangBefore,
                Fault::HangAfter,
                Fault::Refused,
            ];
            app.world.fail(&[faults[random.below(faults.len() as u64) as usize]]);
        }
        let wanted: Vec<(&str, String)> =
            NAMES.iter().filter(|_| random.below(2) == 0).map(|name| (*name, format!("v{seed}-{n}"))).collect();
        if wanted.is_empty() {
            continue;
        }
        let pairs: Vec<(&str, &str)> = wanted.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let by = if random.below(2) == 0 { one() } else { other() };
        match random.below(8) {
            0 => drop(app.wait(app.operations.lock(NAMES[random.below(4) as usize], "", None, None, &other()))),
            1 => drop(app.wait(app.operations.unlock(NAMES[random.below(4) as usize], &other()))),
            _ => {}
        }
        match app.try_ask(in_order(&pairs), &by) {
            Ok(it) => asked.push((it.operation.id, wanted.clone())),
            Err(failure) => assert_eq!(failure.code, "operation-locked", "seed {seed}"),
        }
        if random.below(6) == 0
            && let Some((id, _)) = asked.get(random.below(asked.len() as u64) as usize)
        {
            let _ = app.wait(app.operations.cancel(*id, &one()));
        }
        if random.below(2) == 0 {
            app.restart();
        }
    }
    for name in NAMES {
        let _ = app.wait(app.operations.unlock(name, &other()));
    }
    // What hangs is killed until nothing does any more.
    let mut last: BTreeMap<Id, State> = BTreeMap::new();
    for _ in 0..200 {
        let all = asked.iter().map(|(id, _)| (*id, app.state(*id)));
        let states: BTreeMap<Id, State> = all.filter(|(_, state)| !state.is_over()).collect();
        if states.is_empty() {
            break;
        }
        if states == last && app.world.hanging.is_any() {
            app.kill();
            // Before the next life, whose calls may hang as well.
            app.world.hanging.forget();
            app.start();
        }
        let shown: Vec<_> = states.keys().map(|id| app.show(*id)).collect();
        let what = format!("seed {seed}: a change, or a call that hangs: {shown:#?}");
        app.wait(eventually(&what, PATIENCE, async || {
            let is_hanging = app.world.hanging.is_any();
            let mut changed = false;
            for (id, state) in &states {
                let (now, _) = operation::show(app.store(), *id).await.unwrap().unwrap();
                changed |= now.brief.state != *state;
            }
            (is_hanging || changed).then_some(())
        }));
        last = states;
    }
    check(&app, &asked, seed);
}

/// On each name, what was written is what the operations wanted that were let go, in the order in which they began: that
/// of asking, but for those that a lock kept out meanwhile.
fn check(app: &TestApp, asked: &[(Id, Vec<(&str, String)>)], seed: u64) {
    let began = |id: Id| app.show(id).0.brief.started_at.unwrap();
    for (id, _) in asked {
        assert!(app.state(*id).is_over(), "seed {seed}: {id} has not ended");
    }
    for name in NAMES {
        let writes: Vec<i64> =
            app.world.writes().iter().filter(|w| w.name == name).map(|w| began(w.operation)).collect();
        let mut sorted = writes.clone();
        sorted.sort_unstable();
        assert_eq!(writes, sorted, "seed {seed}: {name} was written out of order");
    }
    for (id, wanted) in asked {
        let (operation, steps) = app.show(*id);
        if operation.brief.state == State::Done {
            let written: Vec<Value> = steps.iter().map(|step| step.note["put"].clone()).collect();
            assert!(
                written.iter().all(|value| *value == Value::String(wanted[0].1.clone())),
                "seed {seed}: {written:?}"
            );
        }
    }
}
