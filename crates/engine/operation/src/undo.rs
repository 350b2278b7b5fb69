//! The plan that takes back what an operation has done: its steps in turn, each with what it noted.

use serde_json::{Value, json};

use crate::course::StepState;
use crate::plan::{Plan, Step};

/// The steps that were begun and can be taken back, the last first. A step that was begun and did not end may have done what
/// it was to do: taking it back reads first, as every step does.
pub fn plan(of: &Plan, states: &[StepState], notes: &[Value]) -> Plan {
    let begun = |number: &usize| states.get(*number).is_some_and(|state| *state != StepState::Waiting);
    let mut places = vec![None; of.steps.len()];
    let mut steps: Vec<Step> = Vec::new();
    for number in (0..of.steps.len()).rev().filter(begun) {
        let step = &of.steps[number];
        let Some(undo) = &step.undo else { continue };
        let note = notes.get(number).cloned().unwrap_or_default();
        places[number] = Some(steps.len());
        steps.push(Step {
            verb: undo.verb.clone(),
            subject: step.subject.clone(),
            before: step.after.clone(),
            after: step.before.clone(),
            needs: behind(of, number).into_iter().filter_map(|later| places[later]).collect(),
            deadline_s: step.deadline_s,
            args: json!({ "undo": undo.args, "note": note }),
            undo: None,
        });
    }
    Plan { title: format!("↩ {}", of.title), targets: of.targets.clone(), steps, notes: Vec::new() }
}

/// Steps that build on this one, also by way of steps that leave nothing to take back.
fn behind(of: &Plan, number: usize) -> Vec<usize> {
    let mut found = vec![false; of.steps.len()];
    found[number] = true;
    for later in number + 1..of.steps.len() {
        found[later] = of.steps[later].needs.iter().any(|needed| found[*needed]);
    }
    (number + 1..of.steps.len()).filter(|later| found[*later]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Undo;

    fn step(name: &str, needs: &[usize], can: bool) -> Step {
        let undo = can.then(|| Undo { verb: "back".to_owned(), args: json!(name) });
        let (before, after) = (format!("{name} before"), format!("{name} after"));
        Step { subject: name.to_owned(), before, after, needs: needs.to_vec(), undo, ..Step::default() }
    }

    #[test]
    fn what_was_begun_is_taken_back_and_what_builds_on_it_first() {
        let of = Plan {
            title: "release".to_owned(),
            targets: Vec::new(),
            // c builds on a by way of b, which leaves nothing.
            steps: vec![step("a", &[], true), step("b", &[0], false), step("c", &[1], true), step("d", &[2], true)],
            notes: Vec::new(),
        };
        let states = [StepState::Done, StepState::Done, StepState::Begun, StepState::Waiting];
        let back = plan(&of, &states, &[json!("noted")]);
        assert_eq!(back.title, "↩ release");
        let told: Vec<_> = back
            .steps
            .iter()
            .map(|step| {
                format!(
                    "{} {}: {} -> {} {:?} {}",
                    step.verb, step.subject, step.before, step.after, step.needs, step.args
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                r#"back c: c after -> c before [] {"note":null,"undo":"c"}"#,
                r#"back a: a after -> a before [0] {"note":"noted","undo":"a"}"#,
            ]
        );
        assert!(back.check().is_ok());
    }
}
