//! Chance that can be had again: the same seed throws the same numbers.

use std::time::Duration;

/// Throws numbers (SplitMix64).
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice of a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Dice of their own for part `n` of what these are for.
    pub fn part(&self, n: u64) -> Dice {
        let mut dice = Dice(self.0 ^ n.wrapping_mul(0xD134_2543_DE82_EF95));
        Dice(dice.throw())
    }

    /// Any number.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.throw() % (high - low + 1)
    }

    /// A place in a list of `count`.
    pub fn pick(&mut self, count: usize) -> usize {
        (self.throw() % count as u64) as usize
    }

    /// Whether something that happens so often of a hundred times happens now.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.throw() % 100 < percent
    }

    /// A time from `low` to `high` milliseconds.
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_throws_the_same_again_and_its_parts_differ() {
        let throws = |mut dice: Dice| [dice.throw(), dice.throw(), dice.throw()];
        let dice = Dice::new(7);
        assert_eq!(throws(dice.clone()), throws(Dice::new(7)));
        assert_ne!(throws(dice.part(1)), throws(dice.part(2)));
        let mut dice = dice;
        assert!((0..1_000).all(|_| (3..=5).contains(&dice.between(3, 5))));
    }
}
