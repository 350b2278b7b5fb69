//! The lane, run as `serve` runs it, in a world that a seed decides: a store that keeps only what was committed, a
//! provider that refuses, throttles and forgets to answer, people who pause and cancel, and owners that die at any moment.
//!
//! A seed that fails prints itself; written into `REGRESSIONS` it is run by itself, first, ever after.

#![allow(clippy::unwrap_used, reason = "what helps a test is a test")]

mod disk;
mod plan;
mod random;
mod vendor;
mod watch;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::world::World;

/// Seeds of every test run.
const SEEDS: u64 = 3000;
/// Seeds that once found something.
const REGRESSIONS: &[u64] = &[26];

fn play(seed: u64) {
    let mut world = World::new(seed);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        eprintln!("seed {seed} failed {}", world.describe());
        resume_unwind(panic);
    }
}

#[test]
fn seeds_that_once_found_something_find_nothing() {
    REGRESSIONS.iter().for_each(|seed| play(*seed));
}

#[test]
fn no_seed_breaks_a_rule() {
    (0..SEEDS).for_each(play);
}
