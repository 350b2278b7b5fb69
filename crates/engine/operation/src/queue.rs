//! Whose turn it is: operations that share a target go one after the other, in the order in which they were let go.
//!
//! An operation takes all of its targets at once or none, and never before an earlier one that shares one of them: so none
//! waits for another in a ring, and none is overtaken for ever.

use std::collections::HashSet;

use naru_core::id::Id;

/// An operation that runs or waits, in the order of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub id: Id,
    /// What it needs for itself alone, by name.
    pub targets: Vec<String>,
    /// Whether it has begun.
    pub running: bool,
    /// Whether a lock keeps it out for now: it holds nobody up, least of all whoever set the lock.
    pub kept_out: bool,
}

/// Those that may begin now. What runs holds its targets wherever it stands.
pub fn may_begin(entries: &[Entry]) -> Vec<Id> {
    let mut held: HashSet<&str> = entries
        .iter()
        .filter(|entry| entry.running)
        .flat_map(|entry| entry.targets.iter().map(String::as_str))
        .collect();
    let mut found = Vec::new();
    for entry in entries.iter().filter(|entry| !entry.running && !entry.kept_out) {
        if entry.targets.iter().all(|target| !held.contains(target.as_str())) {
            found.push(entry.id);
        }
        held.extend(entry.targets.iter().map(String::as_str));
    }
    found
}

/// The operations that must end before this one begins, first come first.
pub fn before(entries: &[Entry], id: Id) -> Vec<Id> {
    let Some(place) = entries.iter().position(|entry| entry.id == id) else { return Vec::new() };
    let mut wanted: HashSet<&str> = entries[place].targets.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    let earlier = entries[..place].iter().rev();
    for entry in entries[place + 1..].iter().filter(|entry| entry.running).rev().chain(earlier) {
        if entry.kept_out && !entry.running {
            continue;
        }
        if entry.targets.iter().any(|target| wanted.contains(target.as_str())) {
            wanted.extend(entry.targets.iter().map(String::as_str));
            found.push(entry.id);
        }
    }
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u8, targets: &str, running: bool) -> Entry {
        Entry { id: id(n), targets: targets.split(' ').map(str::to_owned).collect(), running, kept_out: false }
    }

    fn id(n: u8) -> Id {
        Id([n; 16])
    }

    #[test]
    fn what_a_lock_keeps_out_holds_nobody_up() {
        let kept = Entry { kept_out: true, ..entry(1, "a b", false) };
        let entries = [kept, entry(2, "a", false), entry(3, "b", false)];
        assert_eq!(may_begin(&entries), [id(2), id(3)]);
        assert_eq!(before(&entries, id(2)), []);
        // Once it is let in it waits for those that have begun meanwhile.
        let entries = [entry(1, "a b", false), entry(2, "a", true)];
        assert_eq!(may_begin(&entries), []);
    }

    #[test]
    fn nobody_overtakes_on_a_target_and_others_go_at_once() {
        let entries = [
            entry(1, "web@staging", true),
            entry(2, "web@staging api@staging", false),
            entry(3, "api@staging", false),
            entry(4, "shop@staging", false),
            entry(5, "shop@staging", false),
        ];
        // api is free, but 2 waits for it before 3 does.
        assert_eq!(may_begin(&entries), [id(4)]);
        assert_eq!(before(&entries, id(3)), [id(1), id(2)]);
        assert_eq!(before(&entries, id(5)), [id(4)]);
        assert_eq!(before(&entries, id(1)), []);
        assert_eq!(before(&entries, id(9)), []);
    }

    #[test]
    fn what_runs_holds_its_targets_wherever_it_stands() {
        let entries = [entry(1, "web@staging", false), entry(2, "web@staging", true)];
        assert_eq!(may_begin(&entries), []);
        assert_eq!(before(&entries, id(1)), [id(2)]);
    }
}
