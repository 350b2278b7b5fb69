//! `[operation]`.

use naru_core::failure::Failure;
use serde::{Deserialize, Serialize};

use crate::grant::Grant;
use crate::lock::EVERYTHING;
use crate::plan::Target;

/// How operations are approved, and how long they wait.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperationConfig {
    /// What a second person approves: an environment or an app, or one of them for one kind, as in `deploy production`.
    pub approve: Vec<String>,
    /// How long an operation waits for that person.
    pub approval_hours: u32,
    /// How long an operation waits for its turn.
    pub queue_hours: u32,
    /// How long a lock lasts that says nothing of its end.
    pub lock_hours: u32,
    /// How long any lock may last.
    pub lock_hours_max: u32,
    /// Steps that are worked on at once, of all operations together.
    pub steps_at_once: u32,
    /// Who may do what to what. None: the role alone decides.
    pub grant: Vec<Grant>,
}

impl Default for OperationConfig {
    fn default() -> OperationConfig {
        OperationConfig {
            approve: vec!["production".to_owned()],
            approval_hours: 24,
            queue_hours: 12,
            lock_hours: 8,
            lock_hours_max: 24 * 14,
            steps_at_once: 32,
            grant: Vec::new(),
        }
    }
}

impl OperationConfig {
    /// Refuses what cannot hold.
    pub fn check(&self) -> Result<(), Failure> {
        let wrong = |key: &str, why: &str| {
            Err(Failure::usage("operation-config-wrong").arg("key", format!("operation.{key}")).arg("why", why))
        };
        for (key, value) in [
            ("approval_hours", self.approval_hours),
            ("queue_hours", self.queue_hours),
            ("lock_hours", self.lock_hours),
            ("steps_at_once", self.steps_at_once),
        ] {
            if value == 0 {
                return wrong(key, "0");
            }
        }
        if self.lock_hours > self.lock_hours_max {
            return wrong("lock_hours", "> lock_hours_max");
        }
        // It would grant nothing, whoever wrote it.
        if self.grant.iter().any(|grant| grant.who.is_empty() || grant.may.is_empty() || grant.on.is_empty()) {
            return wrong("grant", "[]");
        }
        match self.approve.iter().find(|rule| !(1..=2).contains(&rule.split_whitespace().count())) {
            Some(rule) => wrong("approve", &format!("{rule:?}")),
            None => Ok(()),
        }
    }

    /// Which rule asks for a second person, where one does.
    pub fn approval(&self, kind: &str, targets: &[Target]) -> Option<&str> {
        let holds = |rule: &&String| {
            let mut words = rule.split_whitespace();
            let (first, second) = (words.next().unwrap_or_default(), words.next());
            let scope = second.unwrap_or(first);
            (second.is_none() || first == kind)
                && (scope == EVERYTHING || targets.iter().any(|target| target.is_within(scope)))
        };
        self.approve.iter().find(holds).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_asks_for_a_second_person_where_kind_and_scope_are_its() {
        let check = |rules: &[&str], kind: &str, expect: Option<&str>| {
            let approve = rules.iter().map(|rule| (*rule).to_owned()).collect();
            let config = OperationConfig { approve, ..OperationConfig::default() };
            let target = |name: &str, env: &str| Target { name: name.to_owned(), scopes: vec![env.to_owned()] };
            let targets = [target("web@staging", "staging"), target("web@production", "production")];
            assert_eq!(config.approval(kind, &targets), expect, "{rules:?}");
            assert!(config.check().is_ok());
        };
        check(&["production"], "deploy", Some("production"));
        check(&["deploy production"], "deploy", Some("deploy production"));
        check(&["deploy production"], "night", None);
        check(&["qa"], "deploy", None);
        check(&["all"], "deploy", Some("all"));
        check(&["deploy all"], "night", None);
        check(&["web@staging"], "deploy", Some("web@staging"));
        check(&[], "deploy", None);
    }

    #[test]
    fn what_cannot_hold_is_refused_with_its_key() {
        let check = |config: OperationConfig, key: &str| {
            assert_eq!(config.check().unwrap_err().args["key"], format!("operation.{key}"));
        };
        let good = OperationConfig::default;
        check(OperationConfig { steps_at_once: 0, ..good() }, "steps_at_once");
        check(OperationConfig { lock_hours: 999, ..good() }, "lock_hours");
        let empty = Grant { who: vec!["one".to_owned()], may: Vec::new(), on: vec!["all".to_owned()] };
        check(OperationConfig { grant: vec![empty], ..good() }, "grant");
        check(OperationConfig { approve: vec!["a b c".to_owned()], ..good() }, "approve");
    }
}
