//! A world in memory with two kinds of operation on it. `shelf` puts values under names, several in an order, and can take
//! them back; `count` adds one to a number, a change that must not be done twice. Tests say what goes wrong at which call.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_operation::kind::{Kind, Outcome, Work};
use naru_operation::plan::{Plan, Step, Target, Undo};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// What happens at one call that works on a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// All goes well.
    None,
    /// It fails before anything was done, and may go well in a moment.
    Busy,
    /// It is done, and the answer is lost.
    Lost,
    /// It never answers, before anything was done.
    HangBefore,
    /// It is done, and never answers.
    HangAfter,
    /// It is not ready yet.
    NotYet,
    /// A person is waited for.
    ForPerson,
    /// It cannot be done.
    Refused,
    /// The code is wrong.
    Panic,
}

/// A change of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub operation: Id,
    pub number: usize,
    pub name: String,
    pub value: String,
}

#[derive(Default)]
pub struct World {
    state: Mutex<State>,
    /// Given a permit for each call that hangs: so tests know that it does.
    pub hanging: Arc<Calls>,
}

pub struct Calls(Semaphore);

impl Default for Calls {
    fn default() -> Calls {
        Calls(Semaphore::new(0))
    }
}

impl Calls {
    /// Whether any call hangs that no test has taken notice of.
    pub fn is_any(&self) -> bool {
        self.0.available_permits() > 0
    }

    /// Takes notice of all of them.
    pub fn forget(&self) {
        while let Ok(permit) = self.0.try_acquire() {
            permit.forget();
        }
    }

    /// Waits until one hangs.
    pub async fn one(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

#[derive(Default)]
struct State {
    values: BTreeMap<String, String>,
    writes: Vec<Write>,
    faults: VecDeque<Fault>,
    broken: Vec<String>,
    calls: usize,
    hung: bool,
}

impl World {
    /// What happens at the next calls.
    pub fn fail(&self, faults: &[Fault]) {
        self.state.lock().unwrap().faults.extend(faults);
    }

    /// Nothing fails from now on.
    pub fn clear_faults(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// From now on nothing can be put under this name.
    pub fn break_name(&self, name: &str) {
        self.state.lock().unwrap().broken.push(name.to_owned());
    }

    /// Somebody else changes it by hand.
    pub fn set(&self, name: &str, value: &str) {
        self.state.lock().unwrap().values.insert(name.to_owned(), value.to_owned());
    }

    pub fn value(&self, name: &str) -> String {
        self.state.lock().unwrap().values.get(name).cloned().unwrap_or_default()
    }

    pub fn writes(&self) -> Vec<Write> {
        self.state.lock().unwrap().writes.clone()
    }

    /// How often a step was worked on.
    pub fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }

    /// Whether any call ever hung.
    pub fn hangs(&self) -> bool {
        self.state.lock().unwrap().hung
    }

    fn next_fault(&self) -> Fault {
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        state.faults.pop_front().unwrap_or(Fault::None)
    }

    /// Puts a value where another is, and notes it; nothing where it is there already.
    fn put(&self, work: &Work, name: &str, value: &str) -> Result<(), Failure> {
        let mut state = self.state.lock().unwrap();
        if state.broken.iter().any(|broken| broken == name) {
            return Err(Failure::refused("role-too-small").arg("role", "view").arg("needed", name));
        }
        if state.values.get(name).is_none_or(|there| there != value) {
            state.values.insert(name.to_owned(), value.to_owned());
            let (name, value) = (name.to_owned(), value.to_owned());
            state.writes.push(Write { operation: work.operation, number: work.number, name, value });
        }
        Ok(())
    }

    async fn act(&self, work: Work) -> Result<Outcome, Failure> {
        let fault = self.next_fault();
        let busy = || Failure::unavailable("operation-step-silent").arg("seconds", 1);
        match fault {
            Fault::Busy => return Err(busy()),
            Fault::Panic => panic!("on purpose"),
            Fault::HangBefore => return self.hang().await,
            Fault::NotYet => {
                let note = json!({ "looked": work.note["looked"].as_u64().unwrap_or(0) + 1 });
                return Ok(Outcome::NotYet { why: busy(), note, again: Duration::from_millis(1) });
            }
            Fault::ForPerson => {
                return Ok(Outcome::WaitsForPerson { why: busy(), note: Value::Null, again: Duration::from_millis(1) });
            }
            Fault::Refused => return Err(Failure::refused("operation-limit").arg("max", 1)),
            Fault::None | Fault::Lost | Fault::HangAfter => {}
        }
        let args = match work.step.verb.as_str() {
            "back" => &work.step.args["undo"],
            _ => &work.step.args,
        };
        let (name, value) = (args["name"].as_str().unwrap(), args["value"].as_str().unwrap());
        self.put(&work, name, value)?;
        match fault {
            Fault::Lost => Err(busy()),
            Fault::HangAfter => self.hang().await,
            _ => Ok(Outcome::Done { note: json!({ "put": value, "by": work.actor, "needed": work.needed }) }),
        }
    }

    async fn hang(&self) -> Result<Outcome, Failure> {
        self.state.lock().unwrap().hung = true;
        self.hanging.0.add_permits(1);
        std::future::pending().await
    }
}

/// Puts values under names in the order they are given; each is a target within `shelf/…`.
pub struct Shelf(pub Arc<World>);

/// `[[name, value], …]`, each after the one before.
pub fn in_order(wanted: &[(&str, &str)]) -> Value {
    json!({ "wanted": wanted, "ordered": true })
}

/// As [`in_order`], all at once.
pub fn at_once(wanted: &[(&str, &str)]) -> Value {
    json!({ "wanted": wanted, "ordered": false })
}

impl Kind for Shelf {
    fn name(&self) -> &'static str {
        "shelf"
    }

    fn plan(&self, request: Value) -> BoxFuture<'static, Result<Plan, Failure>> {
        let world = self.0.clone();
        Box::pin(async move {
            let wanted: Vec<(String, String)> = serde_json::from_value(request["wanted"].clone()).unwrap();
            let deadline_s = request["deadline_s"].as_u64().unwrap_or(0);
            let mut steps: Vec<Step> = Vec::new();
            for (name, value) in wanted.iter().filter(|(name, value)| world.value(name) != *value) {
                let before = world.value(name);
                let ordered = request["ordered"] == json!(true) && !steps.is_empty();
                steps.push(Step {
                    verb: "put".to_owned(),
                    subject: name.clone(),
                    needs: if ordered { vec![steps.len() - 1] } else { Vec::new() },
                    deadline_s,
                    args: json!({ "name": name, "value": value }),
                    undo: Some(Undo { verb: "back".to_owned(), args: json!({ "name": name, "value": before }) }),
                    after: value.clone(),
                    before,
                });
            }
            let target = |(name, _): &(String, String)| Target {
                name: name.clone(),
                scopes: name.split('@').map(str::to_owned).collect(),
            };
            let title = wanted.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ");
            Ok(Plan { title, targets: wanted.iter().map(target).collect(), steps, notes: Vec::new() })
        })
    }

    fn act(&self, work: Work) -> BoxFuture<'static, Result<Outcome, Failure>> {
        let world = self.0.clone();
        Box::pin(async move { world.act(work).await })
    }
}

/// Adds one: what it has done it knows by the step's own name, as a commit is known by what stands in it.
pub struct Count(pub Arc<World>);

impl Kind for Count {
    fn name(&self) -> &'static str {
        "count"
    }

    fn plan(&self, request: Value) -> BoxFuture<'static, Result<Plan, Failure>> {
        let name = request.as_str().unwrap().to_owned();
        Box::pin(async move {
            let step = Step { verb: "add".to_owned(), subject: name.clone(), ..Step::default() };
            let targets = vec![Target { name: name.clone(), scopes: Vec::new() }];
            Ok(Plan { title: name, targets, steps: vec![step], notes: Vec::new() })
        })
    }

    fn act(&self, work: Work) -> BoxFuture<'static, Result<Outcome, Failure>> {
        let world = self.0.clone();
        Box::pin(async move {
            let done = world.writes().iter().any(|w| w.operation == work.operation && w.number == work.number);
            if !done {
                let next = world.value(&work.step.subject).parse::<u64>().unwrap_or(0) + 1;
                let args = json!({ "name": work.step.subject, "value": next.to_string() });
                return world.act(Work { step: Step { args, ..work.step.clone() }, ..work }).await;
            }
            Ok(Outcome::Done { note: Value::Null })
        })
    }
}
