//! A running operation in memory: its plan, how far its steps are, and which are being worked on.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use naru_core::clock::{Micros, Millis};
use naru_core::failure::Failure;
use serde_json::{Value, json};

use super::{passes, retry_us};
use crate::course::StepState;
use crate::kind::{Kind, Outcome, Work};
use crate::operation::{Operation, Progress};
use crate::rows::StepSave;

/// How long a person is waited for at most.
const PERSON_MS_MAX: Millis = 7 * 24 * 3_600_000;
/// What tells a step that waits for a person from others, in what it waits for.
const WAITS_FOR: &str = "waits_for";
const PERSON: &str = "person";

/// A running operation.
pub(super) struct Live {
    pub operation: Operation,
    pub steps: Vec<Progress>,
    pub kind: Arc<dyn Kind>,
    /// Who wants it to end early; empty where nobody does.
    pub cancelled_by: String,
    /// Steps that are being worked on.
    pub working: HashSet<usize>,
    /// Steps that are left alone until then.
    waits: HashMap<usize, Micros>,
}

/// What follows from a step's having been worked on.
pub(super) struct Turn {
    pub save: StepSave,
    /// Whether there is anything that is not stored yet, but for how often it was tried.
    pub is_news: bool,
    /// How long it is left alone, where it goes on.
    pub again_us: Micros,
}

impl Live {
    pub fn new(operation: Operation, mut steps: Vec<Progress>, kind: Arc<dyn Kind>, at: Millis) -> Live {
        // What a person was waited for with goes on from now: nobody looked meanwhile when they did it.
        let waits = |step: &Progress| step.why.as_ref().is_some_and(|why| why.args.contains_key(WAITS_FOR));
        for step in steps.iter_mut().filter(|step| step.state == StepState::Begun && waits(step)) {
            step.begun_at = Some(at);
        }
        let cancelled_by = operation.brief.cancelled_by.clone();
        Live { operation, steps, kind, cancelled_by, working: HashSet::new(), waits: HashMap::new() }
    }

    pub fn states(&self) -> Vec<StepState> {
        self.steps.iter().map(|step| step.state).collect()
    }

    /// When the next of its steps that wait is to be worked on.
    pub fn due(&self) -> Option<Micros> {
        self.waits.iter().filter(|(number, _)| !self.working.contains(number)).map(|(_, at)| *at).min()
    }

    pub fn is_due(&self, number: usize, now: Micros) -> bool {
        self.waits.get(&number).is_none_or(|at| *at <= now)
    }

    pub fn wait(&mut self, number: usize, until: Micros) {
        if self.steps[number].state == StepState::Begun {
            self.waits.insert(number, until);
        } else {
            self.waits.remove(&number);
        }
    }

    /// What the kind is given to work on.
    pub fn work(&self, number: usize) -> Work {
        let (brief, step) = (&self.operation.brief, &self.operation.plan.steps[number]);
        Work {
            operation: brief.id,
            actor: brief.actor.clone(),
            approved_by: brief.approved_by.clone(),
            number,
            step: step.clone(),
            note: self.steps[number].note.clone(),
            needed: step.needs.iter().map(|needed| self.steps[*needed].note.clone()).collect(),
        }
    }

    /// A step as it is stored in `state`.
    pub fn save(&self, number: usize, state: StepState, at: Millis) -> StepSave {
        let step = &self.steps[number];
        StepSave {
            operation: self.operation.brief.id,
            number,
            state,
            tries: step.tries,
            begun_at: step.begun_at.unwrap_or(at),
            ended_at: matches!(state, StepState::Done | StepState::Failed).then_some(at),
            note: step.note.clone(),
            why: None,
        }
    }

    /// A step as the record tells it.
    pub fn told(&self, number: usize) -> Value {
        let step = &self.operation.plan.steps[number];
        let (verb, subject) = (&step.verb, &step.subject);
        json!({ "step": number, "verb": verb, "subject": subject, "before": step.before, "after": step.after })
    }

    /// As [`Live::told`], with what came of it.
    pub fn told_of(&self, number: usize, save: &StepSave) -> Value {
        let mut told = self.told(number);
        told["note"] = save.note.clone();
        if let Some(why) = &save.why {
            told["why"] = json!(why);
        }
        told
    }

    /// What follows from an outcome.
    pub fn judge(&self, number: usize, outcome: Result<Outcome, Failure>, at: Millis) -> Turn {
        let step = &self.steps[number];
        let mut save = self.save(number, StepState::Begun, at);
        save.tries += 1;
        let mut waits_for_person = false;
        let (why, again_us) = match outcome {
            Ok(Outcome::Done { note }) => {
                save = StepSave { state: StepState::Done, ended_at: Some(at), note, ..save };
                return Turn { save, is_news: true, again_us: 0 };
            }
            Ok(Outcome::NotYet { why, note, again }) => {
                save.note = note;
                (why, again.as_micros() as Micros)
            }
            Ok(Outcome::WaitsForPerson { why, note, again }) => {
                waits_for_person = true;
                save.note = note;
                (why.arg(WAITS_FOR, PERSON), again.as_micros() as Micros)
            }
            Err(failure) if passes(&failure) => {
                let again_us = retry_us(&failure, save.tries);
                (failure, again_us)
            }
            Err(failure) => {
                save = StepSave { state: StepState::Failed, ended_at: Some(at), why: Some(failure), ..save };
                return Turn { save, is_news: true, again_us: 0 };
            }
        };
        let planned = &self.operation.plan.steps[number];
        let started_at = self.operation.brief.started_at.unwrap_or(at);
        let is_late = match waits_for_person {
            true => at >= started_at + PERSON_MS_MAX,
            false => at >= save.begun_at + planned.deadline_s as Millis * 1_000,
        };
        if planned.deadline_s > 0 && is_late {
            let late = Failure::refused("operation-step-late").arg("subject", &planned.subject);
            let mut late = late.arg("seconds", planned.deadline_s).arg("last", &why.code);
            // What was last seen is told by its own sentence, which has its own arguments.
            for (name, value) in why.args {
                late.args.entry(name).or_insert(value);
            }
            late.causes = why.causes;
            save = StepSave { state: StepState::Failed, ended_at: Some(at), why: Some(late), ..save };
            return Turn { save, is_news: true, again_us: 0 };
        }
        let is_news = step.why.as_ref() != Some(&why) || step.note != save.note;
        if waits_for_person {
            save.begun_at = at;
        }
        save.why = Some(why);
        Turn { save, is_news, again_us }
    }

    /// Takes over what was stored.
    pub fn apply(&mut self, number: usize, save: StepSave) {
        let StepSave { state, tries, begun_at, ended_at, note, why, .. } = save;
        self.steps[number] = Progress { state, tries, ended_at, note, why, begun_at: Some(begun_at) };
    }
}
