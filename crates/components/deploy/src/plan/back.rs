//! The plan that takes a release back.

use naru_operation::course::StepState;
use naru_operation::plan::{Plan, Step};
use serde_json::{Value, json};

/// The plan that takes back: what the last wave wrote first, and each write is rolled out before the one before it.
pub fn back(of: &Plan, states: &[StepState], notes: &[Value]) -> Plan {
    let begun = |number: usize| states.get(number).is_some_and(|state| *state != StepState::Waiting);
    let mut steps: Vec<Step> = Vec::new();
    let mut last: Vec<usize> = Vec::new();
    for number in (0..of.steps.len()).rev() {
        let write = &of.steps[number];
        if !matches!(write.verb.as_str(), "commit" | "merge" | "spec") || !begun(number) {
            continue;
        }
        let Some(undone) = backward(write, notes.get(number), last.clone()) else { continue };
        let place = steps.len();
        steps.push(undone);
        let rollouts = of.steps.iter().filter(|step| step.verb == "rollout" && step.needs.contains(&number));
        let mut of_this = Vec::new();
        for rollout in rollouts {
            if let Some(undone) = backward(rollout, None, vec![place]) {
                of_this.push(steps.len());
                steps.push(undone);
            }
        }
        last = if of_this.is_empty() { vec![place] } else { of_this };
    }
    Plan { title: format!("↩ {}", of.title), targets: of.targets.clone(), steps, notes: Vec::new() }
}

fn backward(step: &Step, note: Option<&Value>, needs: Vec<usize>) -> Option<Step> {
    let undo = step.undo.as_ref()?;
    Some(Step {
        verb: undo.verb.clone(),
        subject: step.subject.clone(),
        before: step.after.clone(),
        after: step.before.clone(),
        needs,
        deadline_s: step.deadline_s,
        args: json!({ "undo": undo.args, "note": note }),
        undo: None,
    })
}
