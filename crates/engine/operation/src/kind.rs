//! What the engine asks of a kind of operation. Kinds stand in rooms; this is all the engine knows of them.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use naru_component::ctx::Ctx;
use naru_core::failure::Failure;
use naru_core::id::Id;
use serde_json::Value;

use crate::course::StepState;
use crate::plan::{Plan, Step};
use crate::undo;

/// Plans operations of one kind and carries out their steps.
pub trait Kind: Send + Sync {
    /// Its name, as it is stored with each operation: `deploy`.
    fn name(&self) -> &'static str;

    /// Reads the world and lists what is to change so that it is as `request` wants it. Changes nothing. The same request in
    /// the same world gives the same plan, and in a world that is as wanted one without steps.
    fn plan(&self, request: Value) -> BoxFuture<'static, Result<Plan, Failure>>;

    /// Works on a step. Reads before it writes: it is called again after [`Outcome::NotYet`], after a failure that passes,
    /// and after a crash of which nobody knows how far it had come. Bounded in time.
    fn act(&self, work: Work) -> BoxFuture<'static, Result<Outcome, Failure>>;

    /// The plan that takes back what was done of `of`: each step that was begun, the last first, unless what the kind does has
    /// another order. `notes` are what the steps noted.
    fn undo(&self, of: &Plan, states: &[StepState], notes: &[Value]) -> Plan {
        undo::plan(of, states, notes)
    }
}

/// A step that is to be worked on.
#[derive(Clone, Debug)]
pub struct Work {
    /// The operation.
    pub operation: Id,
    /// Who asked for it.
    pub actor: String,
    /// Who approved it; empty where nobody had to.
    pub approved_by: String,
    /// The step's place in the plan. With the operation's id it names the step for ever.
    pub number: usize,
    /// The step.
    pub step: Step,
    /// What was noted of it last; null before.
    pub note: Value,
    /// What was noted of the steps that it needs, in the order of its needs.
    pub needed: Vec<Value>,
}

/// What came of working on a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The world is as the step wants it: it was read back.
    Done {
        /// What later steps, and whoever takes it back, need to know.
        note: Value,
    },
    /// It is under way, and to be looked at again.
    NotYet {
        /// What it waits for, as a failure is told: the last of these is why a step that took too long has failed.
        why: Failure,
        /// What to remember.
        note: Value,
        /// When to look again.
        again: Duration,
    },
    /// A person has to do something first. The step's deadline begins anew once they have.
    WaitsForPerson {
        /// For what.
        why: Failure,
        /// What to remember.
        note: Value,
        /// When to look again.
        again: Duration,
    },
}

/// The kinds that rooms bring.
#[derive(Default)]
pub struct Kinds(Mutex<Vec<Arc<dyn Kind>>>);

impl Kinds {
    /// Those of this house; a room adds its own where it is built.
    pub fn of(ctx: &Ctx) -> Arc<Kinds> {
        ctx.find::<Kinds>().unwrap_or_else(|| {
            let kinds = Arc::new(Kinds::default());
            ctx.offer(kinds.clone());
            kinds
        })
    }

    /// Adds one.
    pub fn add(&self, kind: Arc<dyn Kind>) {
        self.all().push(kind);
    }

    /// The one of this name.
    pub fn named(&self, name: &str) -> Result<Arc<dyn Kind>, Failure> {
        let found = self.all().iter().find(|kind| kind.name() == name).cloned();
        found.ok_or_else(|| Failure::refused("operation-kind-gone").arg("kind", name))
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<dyn Kind>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
