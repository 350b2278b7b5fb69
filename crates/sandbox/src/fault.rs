//! What a vendor does wrong, how often, and which request or message it hits.
//!
//! A fault is decided by a hash of the seed, its name and what it is about (the request's number, the message's
//! number, its reference or its address), never by a random source: the same calls with the same seed meet the same
//! faults.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// 429 with `Retry-After`; nothing is accepted.
    Throttle,
    /// 429 without `Retry-After`; nothing is accepted.
    ThrottleBare,
    /// 503; nothing is accepted.
    FailBeforeAccept,
    /// 500, and all is accepted.
    FailAfterAccept,
    /// The connection is closed without an answer, and all is accepted.
    ResetAfterAccept,
    /// The answer comes late.
    Slow,
    /// A message is answered `busy` the first time its reference is seen.
    Busy,
    /// A message is answered `unknown-number`, every time its address is seen.
    Refuse,
    /// No receipt is ever posted for a message.
    LoseReceipt,
    /// A message's receipt is posted twice.
    DoubleReceipt,
    /// A message's receipt is posted before the send is answered.
    EarlyReceipt,
    /// A message's receipt comes at a moment of its own, out of order.
    ShuffleReceipts,
    /// A message's receipt says `failed`.
    FailReceipt,
    /// A message's receipt says `expired`.
    ExpireReceipt,
}

const FAULTS: usize = Fault::ExpireReceipt as usize + 1;

impl Fault {
    /// Its name in flags and in `PUT /faults`.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn named(name: &str) -> Result<Fault, String> {
        Fault::from_str(name, false).map_err(|_| {
            let known: Vec<String> = Fault::value_variants().iter().map(|fault| fault.name()).collect();
            format!("no fault is called {name:?}; there are {}", known.join(", "))
        })
    }
}

/// A fault and how often it happens; written `NAME=PERCENT`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FaultShare {
    /// What goes wrong.
    pub fault: Fault,
    /// How often, from 0 to 100.
    pub percent: f64,
}

impl FaultShare {
    /// Reads a fault's name and checks the percentage.
    pub fn new(name: &str, percent: f64) -> Result<FaultShare, String> {
        let fault = Fault::named(name)?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(format!("{name} is {percent}: expected a percentage from 0 to 100"));
        }
        Ok(FaultShare { fault, percent })
    }
}

impl FromStr for FaultShare {
    type Err = String;

    fn from_str(text: &str) -> Result<FaultShare, String> {
        let (name, percent) = text.split_once('=').ok_or("expected NAME=PERCENT, such as throttle=5")?;
        let percent = percent.parse().map_err(|_| format!("{percent:?} is not a percentage from 0 to 100"))?;
        FaultShare::new(name, percent)
    }
}

impl TryFrom<String> for FaultShare {
    type Error = String;

    fn try_from(text: String) -> Result<FaultShare, String> {
        text.parse()
    }
}

impl From<FaultShare> for String {
    fn from(share: FaultShare) -> String {
        share.to_string()
    }
}

impl fmt::Display for FaultShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.fault.name(), self.percent)
    }
}

/// The faults in force.
#[derive(Clone, Copy)]
pub(crate) struct Faults {
    seed: u64,
    /// A hash below it is hit; the highest value means always.
    below: [u64; FAULTS],
}

impl Faults {
    pub(crate) fn new(seed: u64, shares: &[FaultShare]) -> Faults {
        let mut below = [0; FAULTS];
        for share in shares {
            // The cast saturates: 100 % becomes the highest value.
            below[share.fault as usize] = (share.percent / 100.0 * u64::MAX as f64) as u64;
        }
        Faults { seed, below }
    }

    /// Whether `fault` can happen at all.
    pub(crate) fn on(&self, fault: Fault) -> bool {
        self.below[fault as usize] > 0
    }

    /// Whether `fault` hits `subject`.
    pub(crate) fn hits(&self, fault: Fault, subject: u64) -> bool {
        let below = self.below[fault as usize];
        below > 0 && (below == u64::MAX || self.draw(fault, subject) < below)
    }

    /// The number drawn for `fault` and `subject`: evenly spread, and the same each time.
    pub(crate) fn draw(&self, fault: Fault, subject: u64) -> u64 {
        let mut bytes = [fault as u8; 9];
        bytes[..8].copy_from_slice(&subject.to_le_bytes());
        xxh3_64_with_seed(&bytes, self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(seed: u64, text: &str, fault: Fault) -> Vec<u64> {
        let faults = Faults::new(seed, &[text.parse().unwrap()]);
        (0..10_000).filter(|subject| faults.hits(fault, *subject)).collect()
    }

    #[test]
    fn a_share_is_met_and_repeats_with_its_seed() {
        let hit = hits(1, "throttle=5", Fault::Throttle);
        assert!((400..600).contains(&hit.len()), "5 % of 10,000 is not {}", hit.len());
        assert_eq!(hit, hits(1, "throttle=5", Fault::Throttle));
        assert_ne!(hit, hits(2, "throttle=5", Fault::Throttle));
        assert_eq!(hits(1, "throttle=100", Fault::Throttle).len(), 10_000);
        assert_eq!(hits(1, "throttle=0", Fault::Throttle).len(), 0);
        assert_eq!(hits(1, "throttle=100", Fault::Busy).len(), 0);
    }

    #[test]
    fn two_faults_hit_different_requests() {
        let both = Faults::new(1, &["slow=10".parse().unwrap(), "throttle=10".parse().unwrap()]);
        let together = (0..10_000).filter(|n| both.hits(Fault::Slow, *n) && both.hits(Fault::Throttle, *n)).count();
        assert!((50..150).contains(&together), "10 % of 10 % of 10,000 is not {together}");
    }

    #[test]
    fn shares_print_as_they_are_written_and_wrong_ones_say_why() {
        for text in ["throttle=5", "reset-after-accept=0.1"] {
            assert_eq!(text.parse::<FaultShare>().unwrap().to_string(), text);
        }
        for (text, why) in [
            ("throttle", "expected NAME=PERCENT"),
            ("throttle=often", "not a percentage"),
            ("throttle=101", "from 0 to 100"),
            ("throttle=NaN", "from 0 to 100"),
            ("trottle=5", "there are throttle, throttle-bare, "),
        ] {
            let error = text.parse::<FaultShare>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
