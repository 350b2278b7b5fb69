//! What holds for millions of addresses, in 16 bytes each and without their texts.
//!
//! An address is known by a fingerprint of two keyed hashes. The first, its *place* (64 bits), finds it; the second,
//! its *check*, confirms it. Collisions fall to the safe side because the two kinds of flags are read differently: a
//! block counts for every address of the same place, a consent only where the check agrees as well. So two addresses
//! that share a place share their blocks (one may be suppressed with the other, about once in 2^64 / entries), and to
//! be sent an advertisement on a stranger's consent takes agreement in all 118 bits: with six million entries that is
//! one in 2^95 for each address asked. The keys are made at random for every table, so nobody can prepare a collision.
//!
//! An entry is one `u128`: the fingerprint without the bits that its bucket says, then the flags. Buckets are sorted
//! and small, so an insertion moves a few kilobytes at most and there is never a second copy of the whole.

use std::hash::{BuildHasher, RandomState};

use crate::flags::{FLAG_BITS, Flags};

/// 16,384 buckets: 384 KiB when empty, 366 entries each at six million.
const BUCKET_BITS: u32 = 14;
/// The bits of an entry below its place: what is left of the check, then the flags.
const BELOW_PLACE: u32 = 64 + BUCKET_BITS;
const FLAGS: u128 = (1 << FLAG_BITS) - 1;
/// A full bucket grows by an eighth: doubling would leave a quarter of all memory unused.
const GROWTH_DIVISOR: usize = 8;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Finds it.
    pub place: u64,
    /// Confirms it.
    pub check: u64,
}

impl Fingerprint {
    fn bucket(self) -> usize {
        (self.place >> (64 - BUCKET_BITS)) as usize
    }

    /// The lowest entry of its place.
    fn lowest(self) -> u128 {
        u128::from(self.place << BUCKET_BITS) << 64
    }

    /// Its entry without flags.
    fn entry(self) -> u128 {
        (self.lowest() | u128::from(self.check) << BUCKET_BITS) & !FLAGS
    }
}

/// Flags by fingerprint.
pub struct Table {
    buckets: Vec<Vec<u128>>,
    entries: usize,
}

impl Table {
    /// Nothing is known of anybody.
    pub fn new() -> Table {
        Table { buckets: vec![Vec::new(); 1 << BUCKET_BITS], entries: 0 }
    }

    /// What holds for an address: its own flags, and the blocks of every address of its place.
    pub fn find(&self, address: Fingerprint) -> Flags {
        let bucket = &self.buckets[address.bucket()];
        let (lowest, own) = (address.lowest(), address.entry());
        let from = bucket.partition_point(|entry| *entry < lowest);
        let same_place = bucket[from..].iter().take_while(|entry| **entry >> BELOW_PLACE == lowest >> BELOW_PLACE);
        same_place.fold(Flags::default(), |flags, entry| {
            let found = Flags((entry & FLAGS) as u32);
            flags.or(if entry & !FLAGS == own { found } else { found.and(Flags::BLOCKS) })
        })
    }

    /// Makes those of an address's own flags that `mask` names be as in `flags`.
    pub fn set(&mut self, address: Fingerprint, mask: Flags, flags: Flags) {
        let bucket = &mut self.buckets[address.bucket()];
        let own = address.entry();
        let at = bucket.partition_point(|entry| entry & !FLAGS < own);
        let known = bucket.get(at).filter(|entry| **entry & !FLAGS == own).map(|entry| Flags((entry & FLAGS) as u32));
        let after = known.unwrap_or_default().without(mask).or(flags.and(mask));
        match known {
            Some(_) if after == Flags::default() => {
                bucket.remove(at);
                self.entries -= 1;
            }
            Some(_) => bucket[at] = own | u128::from(after.0),
            None if after == Flags::default() => {}
            None => {
                if bucket.len() == bucket.capacity() {
                    bucket.reserve_exact(bucket.len() / GROWTH_DIVISOR + 1);
                }
                bucket.insert(at, own | u128::from(after.0));
                self.entries += 1;
            }
        }
    }

    /// How many addresses have a flag.
    pub fn entries(&self) -> usize {
        self.entries
    }
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

    fn histories() -> impl Strategy<Value = Vec<(u8, (Flags, Flags))>> {
        prop::collection::vec((0u8..40, facts()), 0..300)
    }

    /// A table and a plain map that were told the same.
    fn told(history: &[(u8, (Flags, Flags))], of: impl Fn(u8) -> Fingerprint) -> (Table, HashMap<u8, Flags>) {
        let (mut table, mut plain) = (Table::new(), HashMap::<u8, Flags>::new());
        for (address, (mask, flags)) in history {
            table.set(of(*address), *mask, *flags);
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
        let mut table = Table::new();
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
        let mut table = Table::new();
        let block = Flags::block(None, true);
        for bit in 0..64 {
            let (one, other) = (Fingerprint { place: 0, check: 5 }, Fingerprint { place: 1 << bit, check: 5 });
            table.set(one, block, block);
            assert_eq!((table.find(one), table.find(other)), (block, Flags::default()), "bit {bit}");
        }
    }
}
