//! When an operation is over, and whether it was the one that was asked for.
//!
//! After a sync is asked for, the server writes `.operation` and clears the state of the operation before, but a reader
//! may still see that one, and somebody else's may come between. So an end counts where `.operation` is gone, the phase is
//! terminal, and the operation carries the asker's mark; where there is no mark, where it started no earlier than asked.

use naru_core::clock::Millis;

use crate::application::{Application, Info, revisions_of};
use crate::status::{Health, OperationState, Phase};

/// An operation that is waited for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// When it was asked for, by our clock; only used where there is no mark.
    pub at: Millis,
    /// What was written into its `infos`. Without one, whatever ends next is meant.
    pub mark: Option<Info>,
    /// What is to be synced, one for each source; nothing for an empty one.
    pub revisions: Vec<String>,
}

/// What an Application says of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It has not begun or is not over.
    Running {
        /// What it says of itself.
        message: String,
    },
    /// It ended otherwise than well.
    Failed {
        /// In one word.
        phase: Phase,
        /// Why.
        message: String,
    },
    /// Another operation has ended since, and ours is not to be seen.
    Overtaken,
    /// It ended well, and something else is compared with: a commit that came after, or a read that came early. Whether
    /// it descends from what was wanted only Git knows.
    Elsewhere {
        /// What is compared with now, one for each source.
        revisions: Vec<String>,
    },
    /// It ended well and what was wanted is synced; what it does now is another matter.
    Synced {
        /// `Suspended` waits for a person.
        health: Health,
    },
}

/// Judges what an Application says of an operation.
pub fn judge(app: &Application, asked: &Asked) -> Judged {
    let state = app.status.operation_state.as_ref();
    let running = || Judged::Running { message: state.map(|state| state.message.clone()).unwrap_or_default() };
    let (Some(state), None) = (state, &app.operation) else { return running() };
    if !state.phase.is_terminal() {
        return running();
    }
    match &asked.mark {
        Some(mark) if !state.operation.info.contains(mark) => {
            // An operation from before is one that ours has not replaced yet.
            return if started_since(state, asked.at) { Judged::Overtaken } else { running() };
        }
        None if !started_since(state, asked.at) => return running(),
        _ => {}
    }
    if state.phase != Phase::Succeeded {
        return Judged::Failed { phase: state.phase, message: state.message.clone() };
    }
    let found = app.revisions();
    let synced = revisions_of(&state.sync_result.revision, &state.sync_result.revisions);
    if is_wanted(&asked.revisions, &found) && is_wanted(&asked.revisions, &synced) {
        return Judged::Synced { health: app.status.health.status };
    }
    let off = if is_wanted(&asked.revisions, &synced) { found } else { synced };
    Judged::Elsewhere { revisions: off.into_iter().map(str::to_owned).collect() }
}

/// A moment is told in whole seconds, so the second in which was asked counts.
fn started_since(state: &OperationState, at: Millis) -> bool {
    state.started_at.is_some_and(|started| started.as_second() >= at.div_euclid(1_000))
}

fn is_wanted(wanted: &[String], found: &[&str]) -> bool {
    wanted.iter().enumerate().all(|(at, wanted)| wanted.is_empty() || found.get(at) == Some(&wanted.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// 2026-11-23 00:00:10.500 UTC.
    const AT: Millis = 1_795_392_010_500;

    fn check(operation: Value, state: Value, mark: Option<&str>, expect: Judged) {
        let app = json!({
            "operation": operation,
            "status": { "operationState": state, "sync": { "revision": "new" }, "health": { "status": "Progressing" } },
        });
        let asked = Asked { at: AT, mark: mark.map(|id| Info::new("naru", id)), revisions: vec!["new".to_owned()] };
        assert_eq!(judge(&serde_json::from_value(app).unwrap(), &asked), expect, "{operation} {state}");
    }

    fn state(phase: &str, started: &str, revision: &str, id: &str) -> Value {
        json!({
            "phase": phase, "message": "m", "startedAt": format!("2026-11-23T00:00:{started}Z"),
            "syncResult": { "revision": revision }, "operation": { "info": [{ "name": "naru", "value": id }] },
        })
    }

    fn running(message: &str) -> Judged {
        Judged::Running { message: message.to_owned() }
    }

    #[test]
    fn the_operation_before_is_not_taken_for_ours() {
        check(json!(null), state("Succeeded", "09", "new", "a"), None, running("m"));
        check(json!(null), state("Succeeded", "09", "new", "a"), Some("b"), running("m"));
        check(json!({}), state("Succeeded", "11", "new", "a"), Some("a"), running("m"));
        check(json!({}), json!(null), Some("a"), running(""));
        check(json!(null), json!(null), Some("a"), running(""));
    }

    #[test]
    fn what_runs_is_not_over() {
        for phase in ["Running", "Terminating", "Pausing"] {
            check(json!(null), state(phase, "11", "new", "a"), Some("a"), running("m"));
        }
    }

    #[test]
    fn an_end_is_told_as_it_is() {
        let synced = || Judged::Synced { health: Health::Progressing };
        check(json!(null), state("Succeeded", "10", "new", "a"), None, synced());
        // A marked one is ours whatever the controller's clock says.
        check(json!(null), state("Succeeded", "01", "new", "a"), Some("a"), synced());
        check(json!(null), state("Succeeded", "11", "new", "z"), Some("a"), Judged::Overtaken);
        let elsewhere = Judged::Elsewhere { revisions: vec!["old".to_owned()] };
        check(json!(null), state("Succeeded", "11", "old", "a"), Some("a"), elsewhere);
        for (word, phase) in [("Failed", Phase::Failed), ("Error", Phase::Error)] {
            let failed = Judged::Failed { phase, message: "m".to_owned() };
            check(json!(null), state(word, "11", "new", "a"), Some("a"), failed);
        }
    }
}
