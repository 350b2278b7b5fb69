//! What one seed plays: the lane's options, the frames that come, what people do, and what goes wrong how often.

use std::ops::Range;
use std::time::Duration;

use naru_core::clock::{Micros, Millis};
use naru_core::id::Id;
use naru_dispatch::lane::Options;
use naru_dispatch::lane::pace::{Caps, Pace};
use naru_dispatch::provider::Level;

use naru_testkit::random::Random;

pub const SECOND: Micros = 1_000_000;
/// Frames come, people act and machines die within this time.
const BUSY: Micros = 25 * SECOND;
const HOUR: Millis = 3_600_000;
/// The seeds whose clock is set, by what is left when they are divided by four.
const JUMPING: u64 = 3;
/// The seeds in which shares of caps move, by what is left when they are divided by three.
const SHARING: u64 = 1;
/// Midnight of the 23rd of November 2026 in Seoul.
pub const MIDNIGHT: Millis = 1_795_359_600_000;

pub struct Plan {
    /// The lane's own account, and in some runs one that stands by.
    pub outlets: Vec<OutletPlan>,
    pub wall_start: Millis,
    /// When somebody sets the machine's clock, and how far: below zero is back.
    pub jumps: Vec<(Micros, Millis)>,
    /// When the lane's part of its own account's caps becomes another one, in quarters.
    pub shares: Vec<(Micros, u32)>,
    /// What of the caps of the account that stands by others have left there, each time that it joins.
    pub left: Vec<u32>,
    pub frames: Vec<FramePlan>,
    pub campaigns: usize,
    pub orders: Vec<(Micros, Order)>,
    pub faults: Faults,
}

pub struct OutletPlan {
    pub options: Options,
    pub requests_per_second: Option<u32>,
    pub messages_per_second: Option<u32>,
    /// From when to when nobody is there.
    pub outage: Range<Micros>,
    /// Nobody takes the connection, or what is sent is never heard of again.
    pub refuses: bool,
    /// From when to when another lane has the account, if this one stands by.
    pub lent: Range<Micros>,
}

pub struct FramePlan {
    pub at: Micros,
    pub id: Id,
    pub priority: usize,
    pub campaign: Option<usize>,
    pub keys: Vec<u64>,
    /// Counted from when the frame comes.
    pub lives: Vec<Option<Millis>>,
}

/// What people and machines do to a lane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    Lane { paused: bool },
    Campaign { campaign: usize, paused: bool },
    Cancel { campaign: usize },
    Stop,
}

/// How often, in a thousand; times in microseconds.
#[derive(Clone)]
pub struct Faults {
    pub until: Micros,
    pub throttled: u64,
    pub unsent: u64,
    pub lost: u64,
    pub taken_and_lost: u64,
    pub refused_whole: u64,
    pub wrong_length: u64,
    pub busy: u64,
    pub refused: u64,
    pub lookup_fails: u64,
    pub claim_fails: u64,
    pub suppressed: u64,
    pub held: u64,
    pub crashes_max: u64,
    pub slow_commit: u64,
    pub renew_fails: u64,
    pub latency_max: Micros,
    pub claim_max: Micros,
    pub asked_max: Micros,
    pub timer_late_max: Micros,
    pub receipts: u64,
    pub asked_late: u64,
}

impl Plan {
    pub fn of(seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let r = &mut random;
        let campaigns = r.below(4) as usize;
        let frames = frames(r, campaigns);
        let total: usize = frames.iter().map(|frame| frame.keys.len()).sum();
        let own = outlet(r, total);
        let per_day_max = own.options.per_day_max;
        let before_midnight = if per_day_max.is_some() { r.below(20_000) } else { r.below(86_400_000) };
        let mut plan = Plan {
            outlets: vec![own],
            wall_start: MIDNIGHT - before_midnight as Millis,
            jumps: jumps(seed),
            shares: shares(seed),
            left: left(seed),
            frames,
            campaigns,
            orders: orders(r, campaigns),
            faults: faults(r),
        };
        if r.chance(400) {
            plan.outlets.push(outlet(r, total));
            plan.outlets.iter_mut().for_each(|outlet| outlet.fails(r));
        }
        let stops = plan.orders.iter().any(|(_, order)| *order == Order::Stop);
        let ends = stops || plan.faults.crashes_max > 0 || plan.faults.renew_fails > 0;
        let Plan { jumps, outlets, .. } = &mut plan;
        jumps.retain(|(_, by)| outlets.iter().all(|outlet| is_borne(*by, ends, &outlet.options.level)));
        plan
    }
}

impl OutletPlan {
    /// So many quarters of its caps, at least one of each.
    pub fn part(&self, quarters: u32) -> Caps {
        let part = |cap: u32| (cap * quarters / 4).max(1);
        Caps {
            requests: self.requests_per_second.map(part),
            messages: self.messages_per_second.map(part),
            in_flight: part(self.options.in_flight_max as u32),
        }
    }

    fn fails(&mut self, r: &mut Random) {
        if r.chance(700) {
            let from = r.below(BUSY);
            self.outage = from..from + r.pick(&[2 * SECOND, 20 * SECOND, 120 * SECOND]);
        }
        if r.chance(500) {
            let from = r.below(BUSY);
            self.lent = from..from + r.below(20 * SECOND);
        }
        self.refuses = r.chance(500);
    }
}

fn outlet(r: &mut Random, total: usize) -> OutletPlan {
    let single = r.chance(400);
    let requests = r.chance(600).then(|| r.between(if single { 10 } else { 2 }, 60) as u32);
    let messages = r.chance(600).then(|| r.between(20, 300) as u32);
    let timeout_ms = r.between(500, 8_000);
    let kind = r.below(3);
    let life = |r: &mut Random| Duration::from_millis(if r.chance(300) { timeout_ms * 4 } else { 86_400_000 });
    let level = match kind {
        0 => Level::Key { life: life(r) },
        1 => Level::Lookup { life: life(r) },
        _ => Level::None,
    };
    let per_day_max = r.chance(150).then(|| (total as u64 * r.between(30, 70) / 100).max(20));
    let options = Options {
        batch_max: if single { 1 } else { r.between(10, 50) as usize },
        pace: Pace::new(requests, messages),
        home: messages,
        in_flight_max: r.between(1, 16) as usize,
        per_day_max,
        tries_max: r.between(2, 8) as u16,
        retry_base_ms: r.between(50, 1_000),
        retry_max_ms: r.between(2_000, 20_000),
        timeout_ms,
        level,
    };
    OutletPlan {
        options,
        requests_per_second: requests,
        messages_per_second: messages,
        outage: 0..0,
        refuses: false,
        lent: 0..0,
    }
}

/// In one seed of four, the clock of a machine that boots with a wrong one, is set right, and perhaps again. Drawn by
/// itself, so that seeds keep what else they play.
fn jumps(seed: u64) -> Vec<(Micros, Millis)> {
    if seed % 4 != JUMPING {
        return Vec::new();
    }
    let r = &mut Random::new(seed ^ 0xC10C);
    let count = r.between(1, 4);
    let mut jumps: Vec<_> = (0..count)
        .map(|_| {
            let far = r.pick(&[2_000, 60_000, HOUR, 4 * HOUR, 26 * HOUR]);
            let by = r.between(far as u64 / 2, far as u64) as Millis;
            (r.below(BUSY), if r.chance(500) { by } else { -by })
        })
        .collect();
    jumps.sort_unstable();
    jumps
}

/// In one seed of three other shards take and give back parts of the caps, up to every few hundred milliseconds. Drawn by
/// itself, as [`jumps`].
fn shares(seed: u64) -> Vec<(Micros, u32)> {
    if seed % 3 != SHARING {
        return Vec::new();
    }
    let r = &mut Random::new(seed ^ 0x5A4E);
    let mut shares: Vec<_> = (0..r.pick(&[2, 4, 60])).map(|_| (r.below(BUSY), r.between(1, 4) as u32)).collect();
    // All of it is the lane's again in the end, so that it comes to an end in time.
    shares.push((BUSY, 4));
    shares.sort_unstable();
    shares
}

/// In the same seeds the other account has been whoever's meanwhile.
fn left(seed: u64) -> Vec<u32> {
    if seed % 3 != SHARING {
        return Vec::new();
    }
    let r = &mut Random::new(seed ^ 0x1EF7);
    (0..8).map(|_| r.between(1, 4) as u32).collect()
}

/// What else a jump does is told under the limits in RELIABILITY.md, and not played. Forward between two owners: what the
/// first left in doubt looks over before it is. Back by as long as a provider remembers: a doubt looks fresh when it is
/// forgotten. Back by most of a day: a doubt of an earlier owner that takes all there may be in flight keeps the lane waiting
/// for so long, a mark a second, that there are no numbers left for its tries.
fn is_borne(by: Millis, ends: bool, level: &Level) -> bool {
    let life = match level {
        Level::Key { life } | Level::Lookup { life } | Level::TwoPhase { life } => life.as_millis() as Millis,
        Level::None => Millis::MAX,
    };
    // There are four at most.
    if by > 0 { !ends } else { -by <= (life / 8).min(HOUR) }
}

/// Of the customers 10 % have 3 to 20 messages over several frames.
fn frames(r: &mut Random, campaigns: usize) -> Vec<FramePlan> {
    let count = r.pick(&[4, 15, 40, 90]) as usize;
    let expiring = r.pick(&[0, 0, 100, 500]);
    let mut frames: Vec<FramePlan> = (0..count)
        .map(|index| {
            let campaign = (campaigns > 0 && r.chance(700)).then(|| r.below(campaigns as u64) as usize);
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(index as u64 + 1).to_be_bytes());
            FramePlan {
                at: if r.chance(500) { 0 } else { r.below(BUSY) },
                id: Id(id),
                // A campaign has one purpose.
                priority: campaign.map_or_else(|| r.below(3) as usize, |campaign| 2 - campaign % 2),
                campaign,
                keys: Vec::new(),
                lives: Vec::new(),
            }
        })
        .collect();
    let customers = r.between(40, 250);
    for customer in 0..customers {
        let messages = if r.chance(100) { r.between(3, 20) } else { 1 };
        for _ in 0..messages {
            let frame = r.below(count as u64) as usize;
            frames[frame].keys.push(customer.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let life = r.chance(expiring).then(|| r.between(100, 60_000) as Millis);
            frames[frame].lives.push(life);
        }
    }
    frames.retain(|frame| !frame.keys.is_empty());
    frames.sort_by_key(|frame| frame.at);
    frames
}

fn orders(r: &mut Random, campaigns: usize) -> Vec<(Micros, Order)> {
    let mut orders = Vec::new();
    for campaign in 0..campaigns {
        let longest = r.pick(&[SECOND / 2, 15 * SECOND]);
        for _ in 0..r.below(6) {
            let at = r.below(BUSY);
            orders.push((at, Order::Campaign { campaign, paused: true }));
            orders.push((at + r.below(longest), Order::Campaign { campaign, paused: false }));
        }
        if r.chance(300) {
            orders.push((r.below(BUSY), Order::Cancel { campaign }));
        }
        // However the pauses fell over one another, all of it goes on in the end.
        orders.push((BUSY * 2, Order::Campaign { campaign, paused: false }));
    }
    if r.chance(300) {
        let at = r.below(BUSY);
        orders.push((at, Order::Lane { paused: true }));
        orders.push((at + r.below(10 * SECOND), Order::Lane { paused: false }));
    }
    if r.chance(300) {
        orders.push((r.below(BUSY), Order::Stop));
    }
    orders
}

/// Some seeds run smoothly, some have a little of everything, some are hard.
fn faults(r: &mut Random) -> Faults {
    let hard = r.pick(&[0, 1, 1, 3]);
    let mut rate = |most: u64| if hard == 0 || r.chance(300) { 0 } else { r.below(most * hard + 1) };
    let faults = Faults {
        until: BUSY * 2,
        throttled: rate(30),
        unsent: rate(30),
        lost: rate(40),
        taken_and_lost: rate(60),
        refused_whole: rate(10),
        wrong_length: rate(10),
        busy: rate(80),
        refused: rate(50),
        lookup_fails: rate(200),
        claim_fails: rate(100),
        suppressed: rate(30),
        held: rate(50),
        crashes_max: 0,
        slow_commit: rate(30),
        renew_fails: 0,
        latency_max: 0,
        claim_max: 0,
        asked_max: 0,
        timer_late_max: 0,
        receipts: 0,
        asked_late: rate(200),
    };
    Faults {
        crashes_max: r.below(6),
        renew_fails: r.pick(&[0, 0, 300, 900]),
        latency_max: r.pick(&[5_000, 100_000, 400_000, 2_000_000]),
        claim_max: r.pick(&[20_000, 100_000, 3_000_000]),
        asked_max: r.pick(&[1_000, 100_000, 1_000_000]),
        timer_late_max: r.pick(&[100, 2_000, 20_000]),
        receipts: r.pick(&[0, 500, 1_000]),
        ..faults
    }
}
