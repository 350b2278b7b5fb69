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

/// Whether two names are one person's. In a chat a name is its owner's to change, and the id that stands behind it in
/// brackets is not.
pub fn is_same_person(one: &str, other: &str) -> bool {
    fn id(name: &str) -> Option<&str> {
        let (_, id) = name.strip_suffix(')')?.rsplit_once('(')?;
        let is_id = id.len() > 1 && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        is_id.then_some(id)
    }
    one == other || id(one).is_some_and(|own| id(other) == Some(own))
}

/// Whoever asks for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// A person's or a token's name; `local` for whoever may read the data folder.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What else they are known by where something is granted: a chat's ids of theirs and of their groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
}

impl Actor {
    /// Whoever is known by a name alone.
    pub fn new(name: impl Into<String>, role: Role) -> Actor {
        Actor { name: name.into(), role, also: Vec::new() }
    }

    /// Whether it is who is called so.
    pub fn is(&self, who: &str) -> bool {
        self.name == who || self.also.iter().any(|also| also == who)
    }

    /// The person at the machine itself: whoever can open the socket or the data owns both.
    pub fn local() -> Actor {
        Actor::new("local", Role::Admin)
    }

    /// Refuses where the role is too small, naming the one that is missing.
    pub fn must(&self, role: Role) -> Result<(), Failure> {
        if self.role >= role {
            return Ok(());
        }
        Err(Failure::new(Kind::Forbidden, "role-too-small").arg("role", self.role).arg("needed", role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_of_a_chat_is_known_by_the_id() {
        let check =
            |one: &str, other: &str, expect: bool| assert_eq!(is_same_person(one, other), expect, "{one} {other}");
        check("one (U1)", "another (U1)", true);
        check("one (U1)", "one (U2)", false);
        check("one", "one", true);
        check("one (lead)", "other (lead)", false);
        check("one ()", "other ()", false);
    }
}
