//! The lane, run as `serve` runs it, in a world that a seed decides: a store that keeps only what was committed, a
//! provider that refuses, throttles and forgets to answer, people who pause and cancel, and owners that die at any moment.
//!
//! A seed that fails prints itself; written into `REGRESSIONS` it is run by itself, first, ever after.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

mod disk;
mod plan;
mod random;
mod rules;
mod vendor;
mod watch;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::world::World;

/// Seeds of every test run.
const SEEDS: u64 = 150;
/// Seeds that once found something.
const REGRESSIONS: &[u64] = &[26];

/// What the seeds of a run must have seen, or they prove little.
const SEEN: [&str; 28] = [
    "first attempt",
    "later attempt",
    "repeat",
    "lookup",
    "answered one by one",
    "throttled",
    "not sent",
    "no answer",
    "refused as a whole",
    "found",
    "never arrived",
    "not told",
    "consent says no",
    "reported while held",
    "claim failed",
    "campaign paused",
    "campaign cancelled",
    "lane paused",
    "stopped",
    "crash",
    "restored doubts",
    "restored retries",
    "sent",
    "delivered",
    "failed",
    "expired",
    "suppressed",
    "cancelled",
];

fn play(seed: u64) -> BTreeMap<&'static str, u64> {
    let mut world = World::new(seed);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        eprintln!("seed {seed} failed {}", world.describe());
        resume_unwind(panic);
    }
    world.seen
}

#[test]
fn seeds_that_once_found_something_find_nothing() {
    for seed in REGRESSIONS {
        play(*seed);
    }
}

#[test]
fn no_seed_breaks_a_rule() {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for (what, times) in (0..SEEDS).flat_map(play) {
        *seen.entry(what).or_default() += times;
    }
    let missing: Vec<&str> = SEEN.into_iter().filter(|what| seen.get(what).is_none_or(|times| *times < 20)).collect();
    assert!(missing.is_empty(), "hardly seen: {missing:?} of {seen:#?}");
}
