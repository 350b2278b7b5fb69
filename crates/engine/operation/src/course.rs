//! Which steps of a plan may begin, and how the whole ends: pure, so that every course can be looked at.

use serde::{Deserialize, Serialize};

use crate::plan::Plan;

/// Where one step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Not begun.
    Waiting,
    /// Its intent is stored: it may have been done.
    Begun,
    /// Done, and read back.
    Done,
    /// Not to be done.
    Failed,
}

impl StepState {
    /// Every state.
    pub const ALL: [StepState; 4] = [StepState::Waiting, StepState::Begun, StepState::Done, StepState::Failed];

    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            StepState::Waiting => "waiting",
            StepState::Begun => "begun",
            StepState::Done => "done",
            StepState::Failed => "failed",
        }
    }
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// These steps may be worked on: begun ones, and ones whose needs are done.
    Go(Vec<usize>),
    /// All is done.
    Done,
    /// A step has failed and no other is under way.
    Failed(usize),
}

/// Looks at a plan's steps. The first failure begins no further step, and those under way go on to their end.
pub fn next(plan: &Plan, states: &[StepState]) -> Next {
    let failed = states.iter().position(|state| *state == StepState::Failed);
    let may_go = |number: &usize| match states[*number] {
        StepState::Begun => true,
        StepState::Waiting => {
            failed.is_none() && plan.steps[*number].needs.iter().all(|needed| states[*needed] == StepState::Done)
        }
        StepState::Done | StepState::Failed => false,
    };
    let go: Vec<usize> = (0..plan.steps.len()).filter(may_go).collect();
    match (go.is_empty(), failed) {
        (false, _) => Next::Go(go),
        (true, Some(number)) => Next::Failed(number),
        // Needs only look backwards, so where nothing may go and nothing failed, everything is done.
        (true, None) => Next::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::StepState::{Begun, Done, Failed, Waiting};
    use super::*;
    use crate::plan::Step;

    fn plan(needs: &[&[usize]]) -> Plan {
        let step = |needs: &&[usize]| Step { needs: needs.to_vec(), ..Step::default() };
        Plan { steps: needs.iter().map(step).collect(), ..Plan::default() }
    }

    #[test]
    fn steps_go_as_far_as_their_needs_and_the_first_failure_begins_nothing_more() {
        let check = |states: &[StepState], expect: Next| {
            assert_eq!(next(&plan(&[&[], &[0], &[], &[1, 2]]), states), expect, "{states:?}");
        };
        check(&[Waiting, Waiting, Waiting, Waiting], Next::Go(vec![0, 2]));
        check(&[Begun, Waiting, Done, Waiting], Next::Go(vec![0]));
        check(&[Done, Begun, Done, Waiting], Next::Go(vec![1]));
        check(&[Done, Done, Done, Waiting], Next::Go(vec![3]));
        check(&[Done, Failed, Begun, Waiting], Next::Go(vec![2]));
        check(&[Failed, Waiting, Waiting, Waiting], Next::Failed(0));
        check(&[Done, Failed, Done, Waiting], Next::Failed(1));
        check(&[Done, Done, Done, Done], Next::Done);
        assert_eq!(next(&plan(&[]), &[]), Next::Done);
    }
}
