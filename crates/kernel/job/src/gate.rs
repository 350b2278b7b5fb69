//! The gate of one instance: while it is closed nothing new begins, and what has begun goes on.
//!
//! A drain closes it and waits until nobody is inside; a deploy can so wait for a batch. Unlike a shutdown it opens again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

/// Shared by all that begin work. Cloning is cheap.
#[derive(Clone, Default)]
pub struct Gate(Arc<Inner>);

#[derive(Default)]
struct Inner {
    closed: watch::Sender<bool>,
    inside: Mutex<BTreeMap<String, usize>>,
}

impl Gate {
    /// Closes or opens it; whoever is inside stays.
    pub fn close(&self, closed: bool) {
        self.0.closed.send_if_modified(|was| std::mem::replace(was, closed) != closed);
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        *self.0.closed.borrow()
    }

    /// Follows it.
    pub fn follow(&self) -> watch::Receiver<bool> {
        self.0.closed.subscribe()
    }

    /// Lets something in, named for whoever waits for its end; `None` while the gate is closed.
    pub fn enter(&self, name: &str) -> Option<Pass> {
        // Under the lock that names are read under: whoever sees the gate closed and nobody inside can rely on it.
        let mut inside = self.inside();
        if self.is_closed() {
            return None;
        }
        *inside.entry(name.to_owned()).or_default() += 1;
        Some(Pass { gate: self.clone(), name: name.to_owned() })
    }

    /// The names of all that are inside, with their counts.
    pub fn names(&self) -> Vec<(String, usize)> {
        self.inside().iter().map(|(name, count)| (name.clone(), *count)).collect()
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.inside.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// While one lives, somebody is inside.
pub struct Pass {
    gate: Gate,
    name: String,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.gate.inside();
        if let Some(count) = inside.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_gate_lets_nobody_in_and_keeps_those_inside() {
        let gate = Gate::default();
        let first = gate.enter("lane sms").unwrap();
        gate.close(true);
        assert!(gate.enter("lane sms").is_none());
        assert_eq!(gate.names(), [("lane sms".to_owned(), 1)]);
        drop(first);
        assert_eq!(gate.names(), []);
        gate.close(false);
        assert!(gate.enter("lane sms").is_some());
    }
}
