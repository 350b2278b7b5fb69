//! Who may do what: tokens, accounts and policy lines.

use super::json::fits;

/// An account behind a token.
pub struct Account {
    pub name: String,
    pub lines: Vec<Line>,
}

/// `p, ACCOUNT, applications, sync, shop/*, allow`, without its first two words.
pub struct Line {
    resource: String,
    action: String,
    object: String,
    is_deny: bool,
}

impl Line {
    pub fn read(line: &str) -> Line {
        let words: Vec<&str> = line.split(',').map(str::trim).collect();
        let [resource, action, object, effect] = words[..] else { panic!("a policy line has four words: {line}") };
        let own = str::to_owned;
        Line { resource: own(resource), action: own(action), object: own(object), is_deny: effect == "deny" }
    }
}

impl Account {
    /// A line that denies wins over those that allow.
    pub fn may(&self, resource: &str, action: &str, object: &str) -> bool {
        let own = self
            .lines
            .iter()
            .filter(|line| fits(&line.resource, resource) && fits(&line.action, action) && fits(&line.object, object));
        let said: Vec<bool> = own.map(|line| line.is_deny).collect();
        !said.is_empty() && !said.contains(&true)
    }
}
