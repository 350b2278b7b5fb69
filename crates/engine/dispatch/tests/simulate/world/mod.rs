//! One run: time, and everything that happens to a lane in it. Does with the lane's actions what the runner does.

mod lease;
mod outside;
mod people;
mod receipts;
mod runner;

use std::collections::{BTreeMap, HashMap, HashSet};

use naru_core::clock::{Micros, Millis};
use naru_core::id::Id;
use naru_dispatch::consent::Permit;
use naru_dispatch::lane::{Action, ChunkKey, Event, Lane, Loaded, Now, Save};
use naru_dispatch::side::State;

use self::receipts::{ByFrame, Merge};
use crate::disk::{Campaign, Disk, End};
use crate::plan::{Order, Plan, SECOND};
use crate::vendor::Vendor;
use crate::watch::Watch;
use naru_testkit::random::Random;

/// Where a machine's monotonic clock stands at the beginning.
pub const MONO_START: Micros = 3_600 * SECOND;
/// A run that is not over by then has stalled: the longest waits are those of a doubt that is looked into until it is
/// forgotten, and of a day's cap that is used up for a few days.
const END: Micros = 30 * 3_600 * SECOND;
const END_WITH_DAYS: Micros = 60 * 86_400 * SECOND;
/// Steps within one second of the run; more is a lane that spins.
const STEPS_MAX: usize = 10_000;

enum Happening {
    Wake,
    Accepted {
        frame: usize,
    },
    Stored {
        intake: u64,
        frame: usize,
        seq: i64,
    },
    Renew {
        life: u64,
    },
    Renewed {
        life: u64,
        asked: Micros,
    },
    Lapses {
        life: u64,
    },
    Stale,
    Work {
        life: u64,
        priority: usize,
    },
    Read {
        life: u64,
        priority: usize,
        after: i64,
        limit: usize,
    },
    Claimed {
        life: u64,
        priority: usize,
        frames: Vec<Loaded>,
        more: bool,
    },
    ClaimFailed {
        life: u64,
        priority: usize,
    },
    Asked {
        life: u64,
        chunk: ChunkKey,
        denied: Vec<(u16, Permit)>,
    },
    Commit {
        life: u64,
    },
    Saved {
        life: u64,
        save: Save,
    },
    Arrives {
        request: usize,
    },
    Ends {
        request: usize,
    },
    Report {
        end: End,
    },
    MergeStored {
        life: u64,
        frames: ByFrame,
    },
    Ordered {
        order: Order,
    },
    Told {
        life: u64,
        order: Order,
    },
    CancelRest {
        life: u64,
        campaign: usize,
        held: HashSet<Id>,
    },
    Crash {
        life: u64,
    },
    Restart,
    Shared {
        quarters: u32,
    },
    /// All of the account that stands by is the lane's.
    SharedBack {
        life: u64,
    },
    /// The lease of the account that stands by was taken, or its own lane wants it.
    Joins {
        life: u64,
    },
    Parts {
        life: u64,
    },
}

pub struct World {
    plan: Plan,
    random: Random,
    now: Micros,
    queue: BTreeMap<(Micros, u64), Happening>,
    count: u64,
    disk: Disk,
    vendor: Vendor,
    watch: Watch,
    /// What of its own account's caps is the lane's.
    quarters: u32,
    lane: Option<Lane>,
    life: u64,
    /// The one timer there is.
    timer: (Micros, u64),
    crashes: u64,
    /// Until when consent holds messages back.
    nights: HashMap<(Id, u16), Millis>,
    /// The save that is on its way to the disk.
    saving: Option<Save>,
    merge: Merge,
    claims: usize,
    waiting_claims: Vec<Action>,
    saves: (u64, u64),
    receipts: u64,
    /// Counts the intake's lives: what it had not stored when it died is gone.
    intake: u64,
    /// The last place that was given before its commit, where that fault is planted.
    place: i64,
    /// When the lease ends by the database's clock.
    lease_ends: Micros,
    /// An owner that lost its lease and does not know it.
    stale: Option<(u64, Lane)>,
    frames_left: usize,
    reports_left: usize,
    orders_left: usize,
    steps: (Micros, usize),
    /// What happened how often.
    pub seen: BTreeMap<&'static str, u64>,
}

impl World {
    pub fn new(seed: u64) -> World {
        let plan = Plan::of(seed);
        let mut world = World {
            random: Random::new(!seed),
            now: 0,
            queue: BTreeMap::new(),
            count: 0,
            disk: Disk { campaigns: vec![Campaign::Running; plan.campaigns], ..Disk::default() },
            vendor: Vendor::default(),
            watch: Watch::new(&plan),
            quarters: 4,
            lane: None,
            life: 0,
            timer: (0, 0),
            crashes: 0,
            nights: HashMap::new(),
            saving: None,
            merge: Merge::default(),
            claims: 0,
            waiting_claims: Vec::new(),
            saves: (0, 0),
            receipts: 0,
            intake: 0,
            place: 0,
            lease_ends: 0,
            stale: None,
            frames_left: plan.frames.len(),
            reports_left: 0,
            orders_left: plan.orders.len(),
            steps: (0, 0),
            seen: BTreeMap::new(),
            plan,
        };
        for frame in 0..world.plan.frames.len() {
            world.at(world.plan.frames[frame].at, Happening::Accepted { frame });
        }
        for (at, order) in world.plan.orders.clone() {
            world.at(at, Happening::Ordered { order });
        }
        for (at, quarters) in world.plan.shares.clone() {
            world.at(at, Happening::Shared { quarters });
        }
        world.at(0, Happening::Restart);
        world
    }

    /// Plays until everything has ended; panics with what rule was broken.
    pub fn run(&mut self) {
        while !self.is_over() {
            let Some(((at, _), happening)) = self.queue.pop_first() else { panic!("nothing is left to happen") };
            let days = self.plan.outlets.iter().any(|outlet| outlet.options.per_day_max.is_some());
            let end = if days { END_WITH_DAYS } else { END };
            // What waits for a moment waits until the clock shows it.
            let back: Millis = self.plan.jumps.iter().map(|(_, by)| (-by).max(0)).sum();
            assert!(at < end + back as Micros * 1_000, "stalled");
            self.now = at;
            self.watch.sees(self.clock());
            if at >= self.steps.0 + SECOND {
                self.steps = (at, 0);
            }
            self.steps.1 += 1;
            assert!(self.steps.1 < STEPS_MAX, "the lane spins");
            self.happens(happening);
            self.merge_receipts();
            self.carry_out();
        }
        self.watch.ended(&self.disk, &self.vendor);
        for state in State::ALL {
            let account = |id: &Id| self.disk.side(id).account().of(state);
            let ended: u64 = self.disk.order.values().map(account).sum();
            *self.seen.entry(state.name()).or_default() += ended;
        }
    }

    /// Where the run stands, for a failure.
    pub fn describe(&self) -> String {
        let pending = self.disk.order.values().filter(|id| self.disk.is_open(id)).count();
        format!(
            "at {} us of life {}: {:?}; open frames {pending}, chunks {}, retries {}; options {:?}",
            self.now,
            self.life,
            self.lane.as_ref().map(Lane::status),
            self.disk.chunks.len(),
            self.disk.retries.len(),
            self.plan.outlets.iter().map(|outlet| (&outlet.options, &outlet.outage)).collect::<Vec<_>>(),
        )
    }

    fn is_over(&self) -> bool {
        let Some(lane) = &self.lane else { return false };
        let came = self.frames_left + self.reports_left + self.orders_left == 0 && self.disk.receipts.is_empty();
        if !came || !lane.is_quiet() || self.claims > 0 || self.disk.order.values().any(|id| self.disk.is_open(id)) {
            return false;
        }
        let status = lane.status();
        let rows = self.disk.chunks.len() + self.disk.retries.len();
        [status.in_flight, status.unsent, status.busy, status.held, status.frames, rows] == [0; 6]
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Wake => self.tell(Event::Tick),
            Happening::Accepted { frame } => self.accept(frame),
            Happening::Stored { intake, frame, seq } => self.stored(intake, frame, seq),
            Happening::Renew { life } => self.renew(life),
            Happening::Renewed { life, asked } => self.renewed(life, asked),
            Happening::Lapses { life } => self.lapses(life),
            Happening::Stale => self.stale_acts(),
            Happening::Work { life, priority } => self.tell_life(life, Event::Work { priority }),
            Happening::Read { life, priority, after, limit } => self.read(life, priority, after, limit),
            Happening::Claimed { life, priority, frames, more } => {
                if life == self.life {
                    self.claims -= 1;
                    self.tell(Event::Claimed { priority, frames, more });
                }
            }
            Happening::ClaimFailed { life, priority } => {
                if life == self.life {
                    self.claims -= 1;
                    self.tell(Event::ClaimFailed { priority });
                }
            }
            Happening::Asked { life, chunk, denied } => self.tell_life(life, Event::Asked { chunk, denied }),
            Happening::Commit { life } => self.commit(life),
            Happening::Saved { life, save } => {
                if life == self.life {
                    self.saves.1 += 1;
                    self.watch.saved(self.clock(), &save);
                    self.tell(Event::Saved);
                }
            }
            Happening::Arrives { request } => self.arrives(request),
            Happening::Ends { request } => self.ends(request),
            Happening::Report { end } => self.report(end),
            Happening::MergeStored { life, frames } => self.merge_stored(life, frames),
            Happening::Ordered { order } => self.ordered(order),
            Happening::Told { life, order } => self.told(life, order),
            Happening::CancelRest { life, campaign, held } => {
                if life == self.life {
                    self.disk.cancel_rest(campaign, &held);
                }
            }
            Happening::Crash { life } => {
                if life == self.life && self.lane.is_some() {
                    self.crash();
                }
            }
            Happening::Restart => self.restart(),
            Happening::Shared { quarters } => self.shared(quarters),
            Happening::SharedBack { life } => self.shared_back(life),
            Happening::Joins { life } => self.joins(life),
            Happening::Parts { life } => self.parts(life),
        }
    }

    fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn clock(&self) -> Now {
        let set: Millis = self.plan.jumps.iter().filter(|(at, _)| *at <= self.now).map(|(_, by)| by).sum();
        Now { mono: MONO_START + self.now, wall: self.plan.wall_start + set + (self.now / 1_000) as Millis }
    }

    fn at(&mut self, at: Micros, happening: Happening) {
        self.count += 1;
        self.queue.insert((at, self.count), happening);
    }

    fn within(&mut self, most: Micros, happening: Happening) {
        let at = self.now + self.random.below(most);
        self.at(at, happening);
    }
}
