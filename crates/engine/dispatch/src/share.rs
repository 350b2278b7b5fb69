//! Shares: which part of an account's caps each shard of its lane may use.
//!
//! The caps are cut into slices, [`EACH`] for every shard, and each slice is one shard's at any moment: so whoever has
//! which, they never sum above the caps. A shard that has little to send lends most of its own to those that have more.
//! A slice moves in three steps, each in the store: the owner of shard 0 says where it is to go; who has it hands it over
//! once nothing that is or will be on its way needs it; and it is used a second later, when nothing of that second counts
//! any more. A request in doubt that is larger than what is left to a shard waits until the shard has its own again, which is
//! large enough for any. The cap of a day is not among them: what was sent in it cannot be given back.

use crate::config::LaneConfig;
use crate::lane::pace::Caps;

/// Slices that are a shard's own.
pub const EACH: u16 = 8;
/// Of which it keeps so many at least, and as many as make two of each cap where it has two: what comes to an idle shard
/// leaves at once.
const KEPT: u16 = EACH / 4;

/// Where a slice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Counts from 0.
    pub no: u16,
    /// Whose it is.
    pub shard: u16,
    /// Whose it is to be.
    pub goes_to: Option<u16>,
    /// Whether it may be used yet, by the database's clock.
    pub usable: bool,
}

impl Slice {
    /// The shard whose own it is.
    fn home(no: u16) -> u16 {
        no / EACH
    }
}

/// The slices that are a shard's own.
pub fn own(shard: u16) -> std::ops::Range<u16> {
    shard * EACH..(shard + 1) * EACH
}

/// What of a lane's caps is in these slices; all of them where the lane is whole.
pub fn caps(config: &LaneConfig, slices: &[u16]) -> Caps {
    let of = |cap: u32| match config.shards {
        1 => cap,
        _ => slices.iter().map(|slice| units(cap, *slice, config.shards)).sum(),
    };
    Caps {
        requests: config.requests_per_second_max.map(of),
        messages: config.messages_per_second_max.map(of),
        in_flight: of(config.in_flight_max),
    }
}

/// What of a cap is in one slice: the parts of all slices add up to the cap.
fn units(cap: u32, slice: u16, shards: u16) -> u32 {
    let (cap, count) = (u64::from(cap), u64::from(shards) * u64::from(EACH));
    let until = |slice: u64| cap * slice / count;
    (until(u64::from(slice) + 1) - until(u64::from(slice))) as u32
}

/// How many of its own slices a shard never lends.
fn kept(config: &LaneConfig, shard: u16) -> u16 {
    let all = [config.requests_per_second_max, config.messages_per_second_max, Some(config.in_flight_max)];
    let own: Vec<u16> = own(shard).collect();
    let of = |cap: u32, slices: &[u16]| slices.iter().map(|slice| units(cap, *slice, config.shards)).sum::<u32>();
    let is_enough =
        |count: &u16| all.iter().flatten().all(|cap| of(*cap, &own[..usize::from(*count)]) >= of(*cap, &own).min(2));
    (KEPT..EACH).find(is_enough).unwrap_or(EACH)
}

/// Where each slice should be, in order: at home, or, of a shard that has little to send, with those that have more, to
/// each as many. What is well where it is stays there.
pub fn plan(config: &LaneConfig, slices: &[Slice], busy: &[bool]) -> Vec<u16> {
    let mut wanted: Vec<u16> = slices.iter().map(|slice| Slice::home(slice.no)).collect();
    let is_busy = |shard: u16| busy.get(usize::from(shard)).copied().unwrap_or(false);
    let lenders: Vec<bool> = (0..config.shards).map(|shard| !is_busy(shard)).collect();
    let takers: Vec<u16> = (0..config.shards).filter(|shard| is_busy(*shard)).collect();
    if takers.is_empty() || takers.len() == lenders.len() {
        return wanted;
    }
    let kept: Vec<u16> = (0..config.shards).map(|shard| kept(config, shard)).collect();
    let is_lent = |slice: &Slice| {
        let home = usize::from(Slice::home(slice.no));
        lenders.get(home).copied().unwrap_or(false) && slice.no % EACH >= kept[home]
    };
    let lent: Vec<usize> = (0..slices.len()).filter(|at| is_lent(&slices[*at])).collect();
    let mut room: Vec<usize> = (0..takers.len())
        .map(|taker| lent.len() / takers.len() + usize::from(taker < lent.len() % takers.len()))
        .collect();
    let mut homeless = Vec::new();
    for at in lent {
        let is_at = slices[at].goes_to.unwrap_or(slices[at].shard);
        match takers.iter().position(|taker| *taker == is_at).filter(|taker| room[*taker] > 0) {
            Some(taker) => {
                room[taker] -= 1;
                wanted[at] = is_at;
            }
            None => homeless.push(at),
        }
    }
    for at in homeless {
        if let Some(taker) = room.iter().position(|room| *room > 0) {
            room[taker] -= 1;
            wanted[at] = takers[taker];
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::Channel;

    fn lane(shards: u16, requests: u32, messages: u32, in_flight: u32) -> LaneConfig {
        let keys = serde_json::json!({
            "provider": "sandbox", "channel": Channel::Sms, "shards": shards, "requests_per_second_max": requests,
            "messages_per_second_max": messages, "in_flight_max": in_flight,
        });
        serde_json::from_value(keys).unwrap()
    }

    fn at_home(shards: u16) -> Vec<Slice> {
        let slice = |no| Slice { no, shard: Slice::home(no), goes_to: None, usable: true };
        (0..shards * EACH).map(slice).collect()
    }

    fn used_by(slices: &[Slice], shard: u16) -> Vec<u16> {
        slices.iter().filter(|slice| slice.shard == shard).map(|slice| slice.no).collect()
    }

    proptest! {
        #[test]
        fn shares_add_up_and_nobody_is_left_without(
            shards in 2u16..12,
            more in (0u32..400, 0u32..4_000, 0u32..100),
            rounds in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 12), 1..12),
        ) {
            let least = u32::from(shards);
            let config = lane(shards, least + more.0, least + more.1, least + more.2);
            let whole = caps(&LaneConfig { shards: 1, ..config.clone() }, &[]);
            let mut slices = at_home(shards);
            for busy in rounds {
                let wanted = plan(&config, &slices, &busy);
                slices.iter_mut().zip(&wanted).for_each(|(slice, to)| slice.shard = *to);
                prop_assert_eq!(&plan(&config, &slices, &busy), &wanted, "what was just moved is moved again");
                let shares: Vec<Caps> = (0..shards).map(|shard| caps(&config, &used_by(&slices, shard))).collect();
                prop_assert_eq!(shares.iter().copied().reduce(Caps::join), Some(whole));
                for (shard, share) in shares.iter().enumerate() {
                    let home: Vec<u16> = own(shard as u16).collect();
                    let home = caps(&config, &home);
                    let enough = |one: Option<u32>, of: Option<u32>| one >= of.map(|of| of.min(2));
                    prop_assert!(enough(share.requests, home.requests) && enough(share.messages, home.messages));
                    prop_assert!(share.in_flight >= home.in_flight.min(2) && share.in_flight >= 1);
                    if busy[shard] {
                        prop_assert!(share.messages >= home.messages, "{share:?} of {home:?} though it has much to send");
                    }
                }
            }
        }
    }

    #[test]
    fn who_has_much_to_send_gets_what_others_do_not_need() {
        let config = lane(4, 400, 4_000, 80);
        let mut slices = at_home(4);
        let wanted = plan(&config, &slices, &[true, false, true, false]);
        slices.iter_mut().zip(wanted).for_each(|(slice, to)| slice.shard = to);
        let requests: Vec<_> = (0..4).map(|shard| caps(&config, &used_by(&slices, shard)).requests.unwrap()).collect();
        assert_eq!(requests, [175, 25, 175, 25]);
    }
}
