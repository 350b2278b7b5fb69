//! The lane, run as `serve` runs it, in a world that a seed decides: a store that keeps only what was committed, a
//! provider that refuses, throttles and forgets to answer, people who pause and cancel, and owners that die at any moment.
//!
//! A seed that fails prints itself; written into `REGRESSIONS` it is run by itself, first, ever after.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

/// Whether a fault is planted: see `every_planted_fault_is_found`.
#[cfg(feature = "plants")]
macro_rules! planted {
    ($fault:ident) => {
        naru_dispatch::plant::is(naru_dispatch::plant::Plant::$fault)
    };
}
#[cfg(not(feature = "plants"))]
macro_rules! planted {
    ($fault:ident) => {
        false
    };
}

mod disk;
mod plan;
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
const REGRESSIONS: &[u64] = &[26, 130];

/// What the seeds of a run must have seen, or they prove little.
const SEEN: [&str; 34] = [
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
    "renewal failed",
    "taken over",
    "kept out by the fence",
    "failed over",
    "parted",
    "shared",
];

/// The seeds of this run: more of them for `cargo xtask simulate --seeds N`.
fn seeds() -> std::ops::Range<u64> {
    naru_testkit::random::seeds("NARU_SIMULATE", SEEDS)
}

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
    for (what, times) in seeds().flat_map(play) {
        *seen.entry(what).or_default() += times;
    }
    let missing: Vec<&str> = SEEN.into_iter().filter(|what| seen.get(what).is_none_or(|times| *times < 20)).collect();
    // A few seeds alone see little.
    assert!(missing.is_empty() || seeds().count() < SEEDS as usize, "hardly seen: {missing:?} of {seen:#?}");
}

/// Each rule is worth something only if breaking it is seen: a run that finds nothing here would find nothing anywhere.
#[cfg(feature = "plants")]
#[test]
fn every_planted_fault_is_found() {
    use naru_dispatch::plant::{Plant, plant};

    std::panic::set_hook(Box::new(|_| {}));
    let mut unseen = Vec::new();
    for fault in Plant::ALL {
        plant(Some(fault));
        let found = (0..SEEDS).find(|seed| catch_unwind(AssertUnwindSafe(|| World::new(*seed).run())).is_err());
        match found {
            Some(seed) => println!("{fault:?} was found by seed {seed}"),
            None => unseen.push(fault),
        }
    }
    plant(None);
    drop(std::panic::take_hook());
    assert!(unseen.is_empty(), "not found: {unseen:?}");
}
