//! Who may be sent what, as a test says it.

use std::sync::Mutex;

use naru_core::clock::Millis;
use naru_core::masked::Address;
use naru_dispatch::consent::{Consent, Permit};
use naru_dispatch::message::{Channel, Purpose};

type Rule = Box<dyn Fn(Millis, Purpose, &str) -> Permit + Send>;

/// A consent list that follows one rule and notes how often it was asked.
pub struct People {
    rule: Mutex<Rule>,
    asked: Mutex<Vec<String>>,
}

impl Default for People {
    fn default() -> People {
        People { rule: Mutex::new(Box::new(|_, _, _| Permit::Send)), asked: Mutex::default() }
    }
}

impl People {
    /// From now on `rule` decides.
    pub fn rule(&self, rule: impl Fn(Millis, Purpose, &str) -> Permit + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    /// Every address that was asked about, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Consent for People {
    fn decide(&self, now: Millis, purpose: Purpose, _: Channel, to: &[Address]) -> Vec<Permit> {
        self.asked.lock().unwrap().extend(to.iter().map(|address| address.reveal().to_owned()));
        let rule = self.rule.lock().unwrap();
        to.iter().map(|address| rule(now, purpose, address.reveal())).collect()
    }
}
