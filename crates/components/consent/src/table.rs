//! What holds for millions of addresses, in 16 bytes each and without their texts.
//!
//! An address is known by a fingerprint of two keyed hashes. The first, its *place* (64 bits), finds it; the second,
//! its *check* (40 bits), confirms it. Collisions fall to the safe side because the two kinds of flags are read
//! differently: a block counts for every address of the same place, a consent only where the check agrees as well. So
//! two addresses that share a place share their blocks (with six million blocked, one address in 2^41 is suppressed by
//! mistake), and to be sent an advertisement on a stranger's consent takes agreement in all 104 bits: with six million
//! consents that is one address in 2^81. The keys are made at random for every table, so nobody can prepare a collision.
//!
//! An entry is one `u128`: place, check, flags. They lie sorted in one vector, which grows in place and leaves no holes;
//! a bucket each would cost half as much again in what an allocator cannot use. New entries wait in a small tree until
//! there are enough of them to be worth moving the others up.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::mem;

use crate::flags::{FLAG_BITS, Flags};

const FLAGS: u128 = (1 << FLAG_BITS) - 1;
/// Of the 64 bits below the place the flags leave 40 to the check.
const PLACE_SHIFT: u32 = 64;
/// New entries wait until they are a 64th of the settled ones, or this many: moving six million entries up takes some
/// ten milliseconds, in which a chunk that asks has to wait.
const WAITING_DIVISOR: usize = 64;
const WAITING_MIN: usize = 16_384;

/// The keys that fingerprints are made with.
pub struct Keys {
    place: RandomState,
    check: RandomState,
}

impl Keys {
    /// New random keys.
    pub fn random() -> Keys {
        Keys { place: RandomState::new(), check: RandomState::new() }
    }

    /// The fingerprint of an address in its normal form.
    pub fn fingerprint(&self, address: &str) -> Fingerprint {
        Fingerprint { place: self.place.hash_one(address), check: self.check.hash_one(address) }
    }
}

/// Stands for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Finds it.
    pub place: u64,
    /// Confirms it; its lowest bits are not kept.
    pub check: u64,
}

impl Fingerprint {
    /// Its entry without flags.
    fn key(self) -> u128 {
        (u128::from(self.place) << PLACE_SHIFT | u128::from(self.check)) & !FLAGS
    }
}

/// Flags by fingerprint.
#[derive(Default)]
pub struct Table {
    /// Sorted. An entry without flags is as good as none and goes when the next are settled.
    settled: Vec<u128>,
    /// Those that are not among the settled, by key.
    waiting: BTreeMap<u128, Flags>,
    /// Entries with flags.
    entries: usize,
}

impl Table {
    /// What holds for an address: its own flags, and the blocks of every address of its place.
    pub fn find(&self, address: Fingerprint) -> Flags {
        let (own, lowest) = (address.key(), u128::from(address.place) << PLACE_SHIFT);
        let settled = self.settled[self.first_from(lowest)..].iter().map(|entry| (entry & !FLAGS, flags_of(*entry)));
        let waiting = self.waiting.range(lowest..).map(|(key, flags)| (*key, *flags));
        let of_place = |(key, _): &(u128, Flags)| key >> PLACE_SHIFT == u128::from(address.place);
        let all = settled.take_while(of_place).chain(waiting.take_while(of_place));
        all.fold(Flags::default(), |found, (key, flags)| {
            found.or(if key == own { flags } else { flags.and(Flags::BLOCKS) })
        })
    }

    /// Makes those of an address's own flags that `mask` names be as in `flags`.
    pub fn set(&mut self, address: Fingerprint, mask: Flags, flags: Flags) {
        let own = address.key();
        let change = |known: Flags| known.without(mask).or(flags.and(mask));
        let at = self.first_from(own);
        let (before, after) = match self.settled.get_mut(at).filter(|entry| **entry & !FLAGS == own) {
            Some(entry) => {
                let before = flags_of(*entry);
                *entry = own | u128::from(change(before).0);
                (before, change(before))
            }
            None => {
                let before = self.waiting.get(&own).copied().unwrap_or_default();
                match change(before) {
                    Flags(0) => self.waiting.remove(&own),
                    after => self.waiting.insert(own, after),
                };
                (before, change(before))
            }
        };
        self.entries += usize::from(after != Flags(0));
        self.entries -= usize::from(before != Flags(0));
        if self.waiting.len() >= WAITING_MIN.max(self.settled.len() / WAITING_DIVISOR) {
            self.settle();
        }
    }

    /// How many addresses have a flag.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Moves what waits among the settled, from the back, so that each entry moves once and no second copy is made.
    fn settle(&mut self) {
        self.settled.retain(|entry| entry & FLAGS != 0);
        let mut unmoved = self.settled.len();
        let mut free = unmoved + self.waiting.len();
        self.settled.reserve_exact(self.waiting.len());
        self.settled.resize(free, 0);
        for (key, flags) in mem::take(&mut self.waiting).into_iter().rev() {
            while unmoved > 0 && self.settled[unmoved - 1] > key {
                free -= 1;
                unmoved -= 1;
                self.settled[free] = self.settled[unmoved];
            }
            free -= 1;
            self.settled[free] = key | u128::from(flags.0);
        }
    }

    /// The first settled entry that is not below `key`. Keys are spread evenly, so where one lies can be computed to
    /// within the square root of what is left; three steps come within a dozen entries among millions.
    fn first_from(&self, key: u128) -> usize {
        let entries = &self.settled;
        let expected_between = |one: u128, other: u128| {
            (((one.abs_diff(other) >> PLACE_SHIFT) * entries.len() as u128) >> PLACE_SHIFT) as usize
        };
        let mut at = expected_between(key, 0);
        for _ in 0..3 {
            let Some(found) = entries.get(at) else { break };
            let distance = expected_between(key, *found);
            at = if *found < key { at + distance } else { at.saturating_sub(distance) };
        }
        at = at.min(entries.len());
        while at > 0 && entries[at - 1] >= key {
            at -= 1;
        }
        while at < entries.len() && entries[at] < key {
            at += 1;
        }
        at
    }
}

fn flags_of(entry: u128) -> Flags {
    Flags((entry & FLAGS) as u32)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use naru_dispatch::consent::Permit;
    use naru_dispatch::message::{Channel, Purpose};
    use proptest::prelude::*;

    use super::*;

    /// Facts that a person or a file can bring about, as the mask they decide and the flags they set.
    fn facts() -> impl Strategy<Value = (Flags, Flags)> {
        let channel = prop::sample::select(Channel::ALL.to_vec());
        let consent = (channel.clone(), prop::option::of(any::<bool>())).prop_map(|(channel, given)| {
            let flags = given.map_or(Flags::default(), |night| Flags::consent(channel, night));
            (Flags::consent(channel, true), flags)
        });
        let block =
            (prop::option::of(channel), any::<bool>(), any::<bool>()).prop_map(|(channel, ads_only, lifted)| {
                let flags = Flags::block(channel, ads_only);
                (flags, if lifted { Flags::default() } else { flags })
            });
        prop_oneof![consent, block]
    }

    /// What was told of whom, and whether it was settled then.
    type History = Vec<(u8, (Flags, Flags), bool)>;

    fn histories() -> impl Strategy<Value = History> {
        prop::collection::vec((0u8..40, facts(), prop::bool::weighted(0.1)), 0..300)
    }

    /// A table and a plain map that were told the same.
    fn told(history: &History, of: impl Fn(u8) -> Fingerprint) -> (Table, HashMap<u8, Flags>) {
        let (mut table, mut plain) = (Table::default(), HashMap::<u8, Flags>::new());
        for (address, (mask, flags), settles) in history {
            table.set(of(*address), *mask, *flags);
            if *settles {
                table.settle();
            }
            let known = plain.entry(*address).or_default();
            *known = known.without(*mask).or(*flags);
        }
        (table, plain)
    }

    fn permits(flags: Flags) -> Vec<Permit> {
        let nights = [None, Some(8)];
        let cases = Purpose::ALL.into_iter().flat_map(|purpose| Channel::ALL.map(|channel| (purpose, channel)));
        cases.flat_map(|(purpose, channel)| nights.map(|night| flags.permit(purpose, channel, night))).collect()
    }

    /// Less is allowed or the same.
    fn at_most(found: &Permit, expect: &Permit) -> bool {
        found == expect || *found == Permit::Suppress("suppressed")
    }

    proptest! {
        #[test]
        fn the_table_says_what_a_plain_map_says(history in histories()) {
            let keys = Keys::random();
            let of = |address: u8| keys.fingerprint(&address.to_string());
            let (table, plain) = told(&history, of);
            for address in 0..50 {
                prop_assert_eq!(table.find(of(address)), plain.get(&address).copied().unwrap_or_default());
            }
            prop_assert_eq!(table.entries(), plain.values().filter(|flags| **flags != Flags::default()).count());
        }

        /// The place is cut to `bits` bits, so that most addresses share theirs with others.
        #[test]
        fn addresses_that_collide_are_suppressed_and_never_allowed(history in histories(), bits in 0u32..4) {
            let keys = Keys::random();
            let weak = |address: u8| {
                let strong = keys.fingerprint(&address.to_string());
                Fingerprint { place: strong.place & !(u64::MAX >> bits), check: strong.check }
            };
            let (table, plain) = told(&history, weak);
            for address in 0..50u8 {
                let expect = permits(plain.get(&address).copied().unwrap_or_default());
                let found = permits(table.find(weak(address)));
                prop_assert!(found.iter().zip(&expect).all(|(found, expect)| at_most(found, expect)), "{}", address);
                // It is a block of a neighbour and nothing else that takes something away.
                let neighbours = plain.iter().filter(|(other, _)| weak(**other).place == weak(address).place);
                let blocks = neighbours.fold(Flags::default(), |all, (_, flags)| all.or(flags.and(Flags::BLOCKS)));
                let own = plain.get(&address).copied().unwrap_or_default();
                prop_assert_eq!(table.find(weak(address)), own.or(blocks));
            }
        }
    }

    #[test]
    fn a_stranger_of_the_same_place_has_no_consent() {
        let mut table = Table::default();
        let known = Fingerprint { place: 7, check: 1 << 63 };
        let stranger = Fingerprint { place: 7, check: 1 << 62 };
        let consent = Flags::consent(Channel::Sms, true);
        table.set(known, consent, consent);
        assert_eq!((table.find(known), table.find(stranger)), (consent, Flags::default()));

        let block = Flags::block(None, false);
        table.set(stranger, block, block);
        assert_eq!((table.find(known), table.find(stranger)), (consent.or(block), block));
        assert_eq!(table.find(Fingerprint { place: 8, check: 1 << 63 }), Flags::default());

        table.set(stranger, block, Flags::default());
        assert_eq!((table.find(known), table.find(stranger), table.entries()), (consent, Flags::default(), 1));
    }

    #[test]
    fn places_keep_apart_to_their_last_bit() {
        let block = Flags::block(None, true);
        for (bit, place) in (0..64).flat_map(|bit| [0, u64::MAX].map(|place| (bit, place))) {
            let mut table = Table::default();
            let one = Fingerprint { place, check: 5 << 32 };
            let other = Fingerprint { place: place ^ 1 << bit, check: 5 << 32 };
            table.set(one, block, block);
            for _ in 0..2 {
                assert_eq!((table.find(one), table.find(other)), (block, Flags::default()), "{place} {bit}");
                table.settle();
            }
        }
    }

    #[test]
    fn a_hundred_thousand_addresses_are_found_and_forgotten() {
        let (keys, mut table) = (Keys::random(), Table::default());
        let flags = |n: u32| Flags::consent(Channel::ALL[n as usize % 5], n.is_multiple_of(3));
        let of = |n: u32| keys.fingerprint(&format!("010{n:08}"));
        let all = Flags((1 << FLAG_BITS) - 1);
        for n in 0..100_000 {
            table.set(of(n), all, flags(n));
        }
        assert_eq!(table.entries(), 100_000);
        for n in 0..100_000 {
            assert_eq!((table.find(of(n)), table.find(of(n + 100_000))), (flags(n), Flags::default()), "{n}");
        }
        for n in (0..100_000).filter(|n| n % 2 == 1) {
            table.set(of(n), all, Flags::default());
        }
        table.settle();
        assert_eq!((table.entries(), table.settled.len()), (50_000, 50_000));
        for n in 0..100_000 {
            let expect = if n % 2 == 0 { flags(n) } else { Flags::default() };
            assert_eq!(table.find(of(n)), expect, "{n}");
        }
    }
}
