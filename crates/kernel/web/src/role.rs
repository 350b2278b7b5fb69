//! Who acts, and what they may do: the only role system there is. Pages, words and tokens all ask here.

use std::fmt;
use std::str::FromStr;

use naru_core::failure::{Failure, Kind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a person or a token may do. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    View,
    /// Send messages and campaigns, push templates; say when a campaign begins that has not.
    Send,
    /// Pause, resume, cancel, settle; consent and suppression.
    Operate,
    /// People, tokens, everything.
    Admin,
}

impl Role {
    /// Every role, smallest first.
    pub const ALL: [Role; 4] = [Role::View, Role::Send, Role::Operate, Role::Admin];

    /// Its name in commands and pages.
    pub fn name(self) -> &'static str {
        match self {
            Role::View => "view",
            Role::Send => "send",
            Role::Operate => "operate",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Role, String> {
        Role::ALL
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or_else(|| format!("no such role: {name} (view, send, operate, admin)"))
    }
}

/// Whoever asks for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// A person's or a token's name; `local` for whoever may read the data folder.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

impl Actor {
    /// The person at the machine itself: whoever can open the socket or the data owns both.
    pub fn local() -> Actor {
        Actor { name: "local".to_owned(), role: Role::Admin }
    }

    /// Refuses where the role is too small, naming the one that is missing.
    pub fn must(&self, role: Role) -> Result<(), Failure> {
        if self.role >= role {
            return Ok(());
        }
        Err(Failure::new(Kind::Forbidden, "role-too-small").arg("role", self.role).arg("needed", role))
    }
}
