//! What an operation is to change: steps in an order, each with a before and an after, and with what takes it back.

use naru_core::failure::Failure;
use naru_core::id::write_hex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Steps of one plan: a night of a thousand apps with three steps each, and some room.
pub const STEPS_MAX: usize = 4_000;
/// Bytes of a stored plan; the database, the page and every restart read it whole.
pub const PLAN_BYTES_MAX: usize = 4 << 20;
/// Targets of one plan.
pub const TARGETS_MAX: usize = 2_000;

/// What is to change, in neutral words: the same for every reader, and what its hash is made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What it is, in a few words: `web → staging`.
    pub title: String,
    /// What it needs for itself alone while it is carried out.
    pub targets: Vec<Target>,
    /// What is done. None: everything is as it is wanted.
    pub steps: Vec<Step>,
    /// What whoever looks at it should know besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Failure>,
}

/// Something that one operation at a time may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its name: `web@staging`.
    pub name: String,
    /// What it belongs to: a lock on one of these holds it too, as does one on its name.
    pub scopes: Vec<String>,
}

/// One change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What is done, by the kind's own name: `commit`, `sync`, `scale`.
    pub verb: String,
    /// To what.
    pub subject: String,
    /// How it is now.
    pub before: String,
    /// How it is to be.
    pub after: String,
    /// Steps that must be done before, by their place: earlier ones.
    #[serde(default)]
    pub needs: Vec<usize>,
    /// How long it may take from its beginning; 0 is as long as it wants.
    #[serde(default)]
    pub deadline_s: u64,
    /// What its kind needs to do it.
    #[serde(default)]
    pub args: Value,
    /// What takes it back; none where nothing can, or nothing needs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
}

/// A step backwards: its subject is the step's, and its after the step's before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    /// What is done.
    pub verb: String,
    /// What its kind needs to do it. What the step noted while it was done is handed over beside it.
    pub args: Value,
}

impl Target {
    /// What a lock on `scope` is on: an app in an environment belongs to both.
    pub fn of_scope(scope: &str) -> Target {
        let scopes = scope.split_once('@').map(|(app, env)| vec![app.to_owned(), env.to_owned()]);
        Target { name: scope.trim().to_owned(), scopes: scopes.unwrap_or_default() }
    }

    /// Whether a lock on `scope` holds it.
    pub fn is_within(&self, scope: &str) -> bool {
        self.name == scope || self.scopes.iter().any(|own| own == scope)
    }
}

impl Plan {
    /// Refuses what cannot be carried out or stored: our own fault, or a release far larger than any.
    pub fn check(&self) -> Result<(), Failure> {
        if self.steps.len() > STEPS_MAX || self.targets.len() > TARGETS_MAX {
            let failure = Failure::refused("operation-too-large").arg("steps", self.steps.len());
            return Err(failure.arg("targets", self.targets.len()).arg("max", STEPS_MAX));
        }
        for (number, step) in self.steps.iter().enumerate() {
            if let Some(needed) = step.needs.iter().find(|needed| **needed >= number) {
                return Err(Failure::bug(format!("step {number} needs step {needed}, which is not before it")));
            }
        }
        Ok(())
    }

    /// As it is stored.
    pub fn to_text(&self) -> Result<String, Failure> {
        let text = serde_json::to_string(self).map_err(Failure::bug)?;
        if text.len() > PLAN_BYTES_MAX {
            let failure = Failure::refused("operation-too-large").arg("steps", self.steps.len());
            return Err(failure.arg("targets", self.targets.len()).arg("max", STEPS_MAX));
        }
        Ok(text)
    }
}

/// What stands for a stored plan: two of the same hash change the same.
pub fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let mut hex = [0; 64];
    write_hex(&digest, &mut hex).to_owned()
}
