//! Who may what, by Slack's own ids of people and groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use naru_core::clock::{Clock, Micros};
use naru_core::failure::Failure;
use naru_slack::payload::Person;
use naru_slack::web::Web;
use naru_web::role::{Actor, Role};
use tokio::sync::Mutex;

use super::SlackConfig;

/// How long a group's people are taken to be the same.
const KNOWN_US: Micros = 5 * 60 * 1_000_000;

/// The roles of people.
pub struct People {
    web: Arc<Web>,
    roles: BTreeMap<Role, Vec<String>>,
    /// What people are called who sign in at the console too, by their ids.
    named: BTreeMap<String, String>,
    /// Ids of people and groups to whom something is granted.
    granted: Vec<String>,
    clock: Arc<dyn Clock>,
    groups: Mutex<BTreeMap<String, (Micros, Vec<String>)>>,
}

impl People {
    /// As configured.
    pub fn new(web: Arc<Web>, config: &SlackConfig, granted: Vec<String>, clock: Arc<dyn Clock>) -> People {
        let (roles, named) = (config.roles.clone(), config.people.clone());
        People { web, roles, named, granted, clock, groups: Mutex::default() }
    }

    /// Whoever pressed or typed something, with the greatest role that they have; whoever has none may look.
    pub async fn actor(&self, user: &Person) -> Result<Actor, Failure> {
        let mut role = Role::View;
        for (of, ids) in self.roles.iter().rev() {
            if self.is_among(&user.id, ids).await? {
                role = *of;
                break;
            }
        }
        let mut also = vec![user.id.clone()];
        for group in self.granted.iter().filter(|id| is_group(id)) {
            if self.group(group).await?.contains(&user.id) {
                also.push(group.clone());
            }
        }
        // A name is its owner's to change, an id is not; and whoever has a name at the console is the same person there.
        let name = self.named.get(&user.id).cloned().unwrap_or_else(|| format!("{} ({})", user.name, user.id));
        Ok(Actor { name, role, also })
    }

    async fn is_among(&self, user: &str, ids: &[String]) -> Result<bool, Failure> {
        if ids.iter().any(|id| id == user) {
            return Ok(true);
        }
        for group in ids.iter().filter(|id| is_group(id)) {
            if self.group(group).await?.iter().any(|id| id == user) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn group(&self, id: &str) -> Result<Vec<String>, Failure> {
        let mut groups = self.groups.lock().await;
        let now = self.clock.monotonic_us();
        if let Some((at, people)) = groups.get(id)
            && now < at + KNOWN_US
        {
            return Ok(people.clone());
        }
        let people = self.web.group_users(id).await?;
        groups.insert(id.to_owned(), (now, people.clone()));
        Ok(people)
    }
}

/// Ids of groups begin so, those of people do not.
fn is_group(id: &str) -> bool {
    id.starts_with('S')
}
