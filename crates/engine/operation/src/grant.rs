//! Who may ask for what, and who may approve it: by kind, by app and by environment.
//!
//! Without a grant in the configuration the role alone decides: whoever operates may do all of it. With grants a role is
//! not enough, and whoever has the grant needs none: a developer may look at everything and deploy what is theirs. Whoever
//! runs naru (admin) is never kept out.

use naru_core::failure::{Failure, Kind};
use naru_web::role::{Actor, Role};
use serde::{Deserialize, Serialize};

use crate::lock::EVERYTHING;
use crate::plan::Target;

/// What may be granted besides operations of a kind: letting go what somebody else asked for.
pub const APPROVE: &str = "approve";
/// Setting locks and lifting one's own.
pub const LOCK: &str = "lock";

/// `[[operation.grant]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Names of people and of tokens; in a chat the ids of people and of groups.
    pub who: Vec<String>,
    /// Kinds of operations, `approve`, `lock`.
    pub may: Vec<String>,
    /// Apps, environments, apps in one (`web@staging`), or `all`.
    pub on: Vec<String>,
}

impl Grant {
    fn covers(&self, target: &Target) -> bool {
        self.on.iter().any(|scope| scope == EVERYTHING || target.is_within(scope))
    }
}

/// Refuses whoever may not do `what` to each of these targets, and says which grant is missing.
pub fn check(grants: &[Grant], actor: &Actor, what: &str, targets: &[Target]) -> Result<(), Failure> {
    if actor.role >= Role::Admin {
        return Ok(());
    }
    if grants.is_empty() || targets.is_empty() {
        return actor.must(Role::Operate);
    }
    let own = || grants.iter().filter(|grant| grant.who.iter().any(|who| actor.is(who)));
    let of_kind = |grant: &&Grant| grant.may.iter().any(|may| may == what);
    let is_granted = |target: &Target| own().filter(of_kind).any(|grant| grant.covers(target));
    match targets.iter().find(|target| !is_granted(target)) {
        None => Ok(()),
        Some(target) => {
            let failure = Failure::new(Kind::Forbidden, "operation-grant-missing").arg("may", what);
            Err(failure.arg("on", &target.name).arg("who", &actor.name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_names_people_kinds_and_places() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let grant = |who: &[&str], may: &[&str], on: &[&str]| Grant { who: texts(who), may: texts(may), on: texts(on) };
        let grants = [
            grant(&["S0PAY"], &["deploy", LOCK], &["pay", "web@staging"]),
            grant(&["lead"], &["deploy", APPROVE], &["all"]),
            grant(&["U0QA"], &["deploy"], &["staging"]),
        ];
        let target = |name: &str| {
            let (app, env) = name.split_once('@').unwrap();
            Target { name: name.to_owned(), scopes: texts(&[app, env]) }
        };
        let person = |name: &str, also: &[&str]| Actor { also: texts(also), ..Actor::new(name, Role::View) };
        let pay = person("one (U1)", &["U1", "S0PAY"]);
        let check = |actor: &Actor, what: &str, names: &[&str], missing: Option<&str>| {
            let targets: Vec<Target> = names.iter().map(|name| target(name)).collect();
            let refused = check(&grants, actor, what, &targets).err();
            assert_eq!(refused.map(|failure| failure.args["on"].clone()).as_deref(), missing, "{what} {names:?}");
        };
        check(&pay, "deploy", &["pay@production", "web@staging"], None);
        check(&pay, "deploy", &["web@staging", "web@production"], Some("web@production"));
        check(&pay, LOCK, &["pay@staging"], None);
        check(&pay, APPROVE, &["pay@staging"], Some("pay@staging"));
        check(&pay, "night", &["pay@staging"], Some("pay@staging"));
        check(&person("two (U0QA)", &["U0QA"]), "deploy", &["web@staging"], None);
        check(&person("lead", &[]), APPROVE, &["web@production"], None);
        check(&person("S0PAY-like", &[]), "deploy", &["pay@staging"], Some("pay@staging"));
        check(&Actor::new("admin", Role::Admin), APPROVE, &["web@production"], None);
        check(&Actor::new("operator", Role::Operate), "deploy", &["web@staging"], Some("web@staging"));
    }

    #[test]
    fn without_grants_the_role_decides() {
        let targets = [Target { name: "web@staging".to_owned(), scopes: Vec::new() }];
        assert!(check(&[], &Actor::new("one", Role::Operate), "deploy", &targets).is_ok());
        let refused = check(&[], &Actor::new("one", Role::Send), "deploy", &targets).unwrap_err();
        assert_eq!((refused.code.as_str(), refused.args["needed"].as_str()), ("role-too-small", "operate"));
    }
}
