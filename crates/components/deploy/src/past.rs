//! What naru has deployed, read from its operations: nothing of it is stored a second time.

use std::collections::BTreeMap;

use naru_core::failure::Failure;
use naru_operation::course::StepState;
use naru_operation::operation::{self, Brief, Last, Operation, Progress, State, Which};
use naru_store::Store;

use crate::kind;
use crate::release::{Release, Wanted};

/// Operations that are looked through for releases of an app.
const LOOKED_MAX: usize = 200;
/// Targets of one catalogue: each app in a few environments.
const TARGETS_MAX: usize = 10_000;

/// Operations on a target that are looked through for its last release: those that failed before they rolled it out.
const DEPTH: usize = 5;

/// What naru deployed of an app in an environment.
pub struct Past {
    /// The newest first, each image of a commit once in a row.
    pub releases: Vec<Wanted>,
    /// Whether a deploy after the newest of them has written something, and did not come to its end.
    pub is_unsettled: bool,
}

/// What naru deployed of an app in an environment.
pub async fn releases(store: &Store, app: &str, env: &str) -> Result<Past, Failure> {
    let target = format!("{app}@{env}");
    let mut past = Past { releases: Vec::new(), is_unsettled: false };
    let which = Which { on: Some(&target), kind: Some(kind::NAME), ..Which::ALL };
    let mut briefs = operation::list(store, which, LOOKED_MAX).await?;
    briefs.retain(|brief| brief.undoes.is_none() && brief.started_at.is_some());
    // As they ran, and not as they were asked for.
    briefs.sort_by_key(|brief| std::cmp::Reverse(brief.started_at));
    for brief in briefs.iter().filter(|brief| brief.state.is_over()) {
        if operation::undone_by(store, brief.id).await?.is_some_and(|(_, state)| state == State::Done) {
            continue;
        }
        let Some((operation, steps)) = operation::show(store, brief.id).await? else { continue };
        match standing(brief, &operation, &steps, &target) {
            Standing::Untouched => continue,
            Standing::Begun => {
                past.is_unsettled |= past.releases.is_empty();
                continue;
            }
            Standing::Released => {}
        }
        let digest = digest(&operation, &steps, &target);
        let found = Release::read(operation.request)?.apps.into_iter().find(|wanted| wanted.target() == target);
        let Some(mut wanted) = found else { continue };
        wanted.digest = digest.or(wanted.digest);
        let is_same = |last: &&mut Wanted| (&last.commit, &last.image_tag) == (&wanted.commit, &wanted.image_tag);
        match past.releases.last_mut().filter(is_same) {
            // Where there was nothing to do, the one before it tells by which digest it runs.
            Some(last) => last.digest = last.digest.take().or(wanted.digest),
            None => past.releases.push(wanted),
        }
    }
    Ok(past)
}

/// The digest that a target was rolled out by, as its plan knew it or as it was found when the image was built.
fn digest(of: &Operation, steps: &[Progress], target: &str) -> Option<String> {
    let rollout = of.plan.steps.iter().find(|step| step.verb == "rollout" && step.subject == target)?;
    let planned = rollout.args["digest"].as_str();
    let image = format!("{}:{}", rollout.args["image"].as_str()?, rollout.args["tag"].as_str()?);
    let note = steps.iter().map(|step| &step.note).find(|note| note["image"] == image);
    planned.or(note.and_then(|note| note["digest"].as_str())).map(str::to_owned)
}

/// The last release of every target that naru deployed.
pub async fn all(store: &Store) -> Result<BTreeMap<String, (Wanted, Brief)>, Failure> {
    let mut found: BTreeMap<String, (Wanted, Brief)> = BTreeMap::new();
    for last in operation::last_of_kind(store, kind::NAME, DEPTH, TARGETS_MAX).await? {
        if found.contains_key(&last.target) || !is_released(store, &last).await? {
            continue;
        }
        let release = Release::read(last.request)?;
        if let Some(wanted) = release.apps.into_iter().find(|wanted| wanted.target() == last.target) {
            found.insert(last.target, (wanted, last.operation));
        }
    }
    Ok(found)
}

/// The last release of a target, with the digest that it runs by where that is known.
pub async fn last(store: &Store, target: &str) -> Result<Option<(Wanted, Brief)>, Failure> {
    let Some((mut wanted, brief)) = all(store).await?.remove(target) else { return Ok(None) };
    if let Some((operation, steps)) = operation::show(store, brief.id).await? {
        wanted.digest = digest(&operation, &steps, target).or(wanted.digest);
    }
    Ok(Some((wanted, brief)))
}

async fn is_released(store: &Store, last: &Last) -> Result<bool, Failure> {
    if last.operation.state == State::Done {
        return Ok(true);
    }
    let Some((operation, steps)) = operation::show(store, last.operation.id).await? else { return Ok(false) };
    Ok(standing(&last.operation, &operation, &steps, &last.target) == Standing::Released)
}

/// How far an operation came with one of its targets.
#[derive(PartialEq, Eq)]
enum Standing {
    Untouched,
    Begun,
    Released,
}

/// Of a release of several apps some may run although it failed.
fn standing(brief: &Brief, of: &Operation, steps: &[Progress], target: &str) -> Standing {
    if brief.state == State::Done {
        return Standing::Released;
    }
    let state = |number: usize| steps.get(number).map_or(StepState::Waiting, |step| step.state);
    let mut rollouts = of.plan.steps.iter().enumerate().filter(|(_, it)| it.verb == "rollout" && it.subject == target);
    let Some((number, rollout)) = rollouts.next() else { return Standing::Untouched };
    let is_write = |number: &&usize| matches!(of.plan.steps[**number].verb.as_str(), "commit" | "merge" | "spec");
    let is_begun = |number: usize| state(number) != StepState::Waiting;
    let wrote = rollout.needs.iter().filter(is_write).any(|write| is_begun(*write));
    match state(number) {
        StepState::Done => Standing::Released,
        _ if wrote || is_begun(number) => Standing::Begun,
        _ => Standing::Untouched,
    }
}
