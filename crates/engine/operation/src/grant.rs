//! Who may ask for what, and who may approve it: by kind, by app and by environment.
//!
//! Without a grant in the configuration the role alone decides: whoever operates may do all of it. With grants a role is
//! not enough, and whoever has the grant needs none: a developer may look at everything and deploy what is theirs. Once
//! anybody is granted to `view` something, others see only what they have a grant on. Whoever runs naru (admin) is never
//! kept out.

use std::collections::BTreeSet;

use naru_core::failure::{Failure, Kind};
use naru_web::role::{Actor, Role};
use serde::{Deserialize, Serialize};

use crate::lock::EVERYTHING;
use crate::plan::Target;

/// What may be granted besides operations of a kind: letting go what somebody else asked for.
pub const APPROVE: &str = "approve";
/// Setting locks and lifting one's own.
pub const LOCK: &str = "lock";
/// Looking at it. Where nobody is granted this, everybody may look at everything.
pub const VIEW: &str = "view";

/// `[[operation.grant]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Names of people and of tokens; in a chat the ids of people and of groups.
    pub who: Vec<String>,
    /// Kinds of operations, `approve`, `lock`, `view`.
    pub may: Vec<String>,
    /// Apps, environments, apps in one (`web@staging`), or `all`.
    pub on: Vec<String>,
}

impl Grant {
    fn covers(&self, target: &Target) -> bool {
        self.on.iter().any(|scope| scope == EVERYTHING || target.is_within(scope))
    }
}

/// What somebody sees: of apps and environments, and of what happens to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All of it.
    Everything,
    /// What these scopes name, of the person of this name.
    Only {
        /// Whose sight it is.
        person: String,
        /// Apps, environments, apps in one.
        scopes: BTreeSet<String>,
    },
}

impl Sight {
    /// Of a person by these grants: whoever may do something to an app sees it.
    pub fn of(grants: &[Grant], actor: &Actor) -> Sight {
        let grants_sight = grants.iter().any(|grant| grant.may.iter().any(|may| may == VIEW));
        if !grants_sight || actor.role >= Role::Admin {
            return Sight::Everything;
        }
        let own = grants.iter().filter(|grant| grant.who.iter().any(|who| actor.is(who)));
        let scopes: BTreeSet<String> = own.flat_map(|grant| grant.on.clone()).collect();
        match scopes.contains(EVERYTHING) {
            true => Sight::Everything,
            false => Sight::Only { person: actor.name.clone(), scopes },
        }
    }

    /// Whether an app in an environment is seen.
    pub fn covers(&self, app: &str, env: &str) -> bool {
        let is_seen = |scopes: &BTreeSet<String>| {
            scopes.contains(app) || scopes.contains(env) || scopes.contains(&format!("{app}@{env}"))
        };
        matches!(self, Sight::Everything) || matches!(self, Sight::Only { scopes, .. } if is_seen(scopes))
    }

    /// Whether a lock on `scope` is seen: one on everything, an app, an environment, or an app in one.
    pub fn covers_scope(&self, scope: &str) -> bool {
        let (app, env) = scope.split_once('@').unwrap_or((scope, scope));
        scope == EVERYTHING || self.covers(app, env)
    }

    /// Refuses whoever sees none of these targets.
    pub fn must(&self, targets: &[Target]) -> Result<(), Failure> {
        let Sight::Only { person, scopes } = self else { return Ok(()) };
        let is_seen = |target: &Target| scopes.iter().any(|scope| target.is_within(scope));
        match targets.first() {
            Some(first) if !targets.iter().any(is_seen) => Err(missing(VIEW, &first.name, person)),
            _ => Ok(()),
        }
    }

    /// Refuses whoever does not see everything.
    pub fn must_be_whole(&self) -> Result<(), Failure> {
        match self {
            Sight::Everything => Ok(()),
            Sight::Only { person, .. } => Err(missing(VIEW, EVERYTHING, person)),
        }
    }

    /// What tells one sight from another where a drawing is shared by those who see the same.
    pub fn key(&self) -> String {
        match self {
            Sight::Everything => String::new(),
            Sight::Only { scopes, .. } => scopes.iter().cloned().collect::<Vec<_>>().join(" "),
        }
    }
}

fn missing(may: &str, on: &str, who: &str) -> Failure {
    Failure::new(Kind::Forbidden, "operation-grant-missing").arg("may", may).arg("on", on).arg("who", who)
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
        Some(target) => Err(missing(what, &target.name, &actor.name)),
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
    fn who_sees_what_is_granted_once_it_is_granted_to_anybody() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let grant = |who: &str, may: &str, on: &str| Grant { who: texts(&[who]), may: texts(&[may]), on: texts(&[on]) };
        let deploys = [grant("one", "deploy", "web@staging")];
        let (one, two) = (Actor::new("one", Role::View), Actor::new("two", Role::Operate));
        assert_eq!(Sight::of(&deploys, &two), Sight::Everything);
        let with_sight = [deploys.to_vec(), vec![grant("auditor", VIEW, "all"), grant("two", VIEW, "pay")]].concat();
        let of = |actor: &Actor| Sight::of(&with_sight, actor);
        assert_eq!(of(&Actor::new("auditor", Role::View)), Sight::Everything);
        assert_eq!(of(&Actor::new("admin", Role::Admin)), Sight::Everything);
        let seen = |actor: &Actor| {
            let places = [("web", "staging"), ("web", "production"), ("pay", "production")];
            places.map(|(app, env)| of(actor).covers(app, env))
        };
        assert_eq!((seen(&one), seen(&two)), ([true, false, false], [false, false, true]));
        assert_eq!(seen(&Actor::new("nobody", Role::Operate)), [false; 3]);
        assert_eq!(
            ["all", "pay", "web", "pay@staging"].map(|scope| of(&two).covers_scope(scope)),
            [true, true, false, true]
        );
        let target =
            |name: &str| Target { name: name.to_owned(), scopes: name.split('@').map(str::to_owned).collect() };
        assert!(of(&one).must(&[target("pay@staging"), target("web@staging")]).is_ok());
        let refused = of(&one).must(&[target("pay@staging")]).unwrap_err();
        assert_eq!((refused.args["may"].as_str(), refused.args["on"].as_str()), (VIEW, "pay@staging"));
        assert_eq!(of(&one).must_be_whole().unwrap_err().args["on"], "all");
    }

    #[test]
    fn without_grants_the_role_decides() {
        let targets = [Target { name: "web@staging".to_owned(), scopes: Vec::new() }];
        assert!(check(&[], &Actor::new("one", Role::Operate), "deploy", &targets).is_ok());
        let refused = check(&[], &Actor::new("one", Role::Send), "deploy", &targets).unwrap_err();
        assert_eq!((refused.code.as_str(), refused.args["needed"].as_str()), ("role-too-small", "operate"));
    }
}
