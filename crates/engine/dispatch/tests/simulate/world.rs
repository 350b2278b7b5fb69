//! One run: time, and everything that happens to a lane in it. Does with the lane's actions what the runner does.

use std::collections::{BTreeMap, HashMap, HashSet};

use naru_core::clock::{Micros, Millis};
use naru_core::id::Id;
use naru_dispatch::consent::Permit;
use naru_dispatch::lane::{Action, ChunkKey, Event, Lane, Loaded, Now, Save};
use naru_dispatch::provider::{Answer, Verdict};
use naru_dispatch::side::{Side, State};

use crate::disk::{Campaign, Disk, End, FrameRow, SlotEnd, campaign_id};
use crate::plan::{Order, Plan, SECOND};
use crate::random::Random;
use crate::vendor::{Fate, Request, Vendor};
use crate::watch::{Watch, request_key};

/// Where a machine's monotonic clock stands at the beginning.
const MONO_START: Micros = 3_600 * SECOND;
/// A run that is not over by then has stalled: the longest waits are those of a doubt that is looked into ever more
/// seldom, and of a day's cap that is used up for a few days.
const END: Micros = 2 * 3_600 * SECOND;
const END_WITH_DAYS: Micros = 60 * 86_400 * SECOND;
/// Nothing starts for so long after the last stored mark.
const QUIET_MS: Millis = 1_500;
/// A frame is merged at most this often.
const MERGE_PACE: Micros = SECOND;
/// Steps within one second of the run; more is a lane that spins.
const STEPS_MAX: usize = 10_000;

type ByFrame = HashMap<Id, Vec<SlotEnd>>;

enum Happening {
    Wake,
    Accepted { frame: usize },
    Work { life: u64 },
    Read { life: u64, priority: usize, after: i64, limit: usize },
    Claimed { life: u64, priority: usize, frames: Vec<Loaded>, more: bool },
    ClaimFailed { life: u64, priority: usize },
    Asked { life: u64, chunk: ChunkKey, denied: Vec<(u16, Permit)> },
    Commit { life: u64 },
    Saved { life: u64, save: Save },
    Arrives { request: usize },
    Ends { request: usize },
    Report { end: End },
    MergeStored { life: u64, frames: ByFrame },
    Ordered { order: Order },
    Told { life: u64, order: Order },
    CancelRest { life: u64, campaign: usize, held: HashSet<Id> },
    Crash { life: u64 },
    Restart,
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
    frames_left: usize,
    reports_left: usize,
    orders_left: usize,
    steps: (Micros, usize),
    /// What happened how often.
    pub seen: BTreeMap<&'static str, u64>,
}

/// As the engine's: gathers receipts and merges them once a second.
#[derive(Default)]
struct Merge {
    waiting: Vec<u64>,
    merging: Vec<u64>,
    storing: bool,
    merged: Vec<(u64, Vec<u64>)>,
    save_needed: u64,
    due: Micros,
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
            watch: Watch::default(),
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
        world.at(0, Happening::Restart);
        world
    }

    /// Plays until everything has ended; panics with what rule was broken.
    pub fn run(&mut self) {
        while !self.is_over() {
            let Some(((at, _), happening)) = self.queue.pop_first() else { panic!("nothing is left to happen") };
            let end = if self.plan.options.per_day_max.is_some() { END_WITH_DAYS } else { END };
            assert!(at < end, "stalled");
            self.now = at;
            if at >= self.steps.0 + SECOND {
                self.steps = (at, 0);
            }
            self.steps.1 += 1;
            assert!(self.steps.1 < STEPS_MAX, "the lane spins");
            self.happens(happening);
            self.merge_receipts();
            self.carry_out();
        }
        self.watch.ended(&self.plan, &self.disk, &self.vendor);
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
            self.plan.options,
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
            Happening::Work { life } => self.tell_life(life, Event::Work),
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
        }
    }

    fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    // Time.

    fn clock(&self) -> Now {
        Now { mono: MONO_START + self.now, wall: self.plan.wall_start + (self.now / 1_000) as Millis }
    }

    fn at(&mut self, at: Micros, happening: Happening) {
        self.count += 1;
        self.queue.insert((at, self.count), happening);
    }

    fn within(&mut self, most: Micros, happening: Happening) {
        let at = self.now + self.random.below(most);
        self.at(at, happening);
    }

    // The runner.

    fn tell(&mut self, event: Event) {
        self.see(match &event {
            Event::Answered { answer: Answer::Each(_), .. } => "answered one by one",
            Event::Answered { answer: Answer::Throttled { .. }, .. } => "throttled",
            Event::Answered { answer: Answer::Unsent { .. }, .. } => "not sent",
            Event::Answered { answer: Answer::Unknown { .. }, .. } => "no answer",
            Event::Answered { answer: Answer::Refused { .. }, .. } => "refused as a whole",
            Event::LookedUp { found: Ok(Some(_)), .. } => "found",
            Event::LookedUp { found: Ok(None), .. } => "never arrived",
            Event::LookedUp { found: Err(_), .. } => "not told",
            Event::ClaimFailed { .. } => "claim failed",
            Event::PauseCampaign { .. } => "campaign paused",
            Event::CancelCampaign { .. } => "campaign cancelled",
            Event::Pause(_) => "lane paused",
            Event::Stop => "stopped",
            _ => "other",
        });
        let now = self.clock();
        if let Some(lane) = &mut self.lane {
            lane.apply(now, event);
        }
    }

    fn tell_life(&mut self, life: u64, event: Event) {
        if life == self.life {
            self.tell(event);
        }
    }

    fn carry_out(&mut self) {
        let now = self.clock();
        let mut pumps = 0;
        while let Some(lane) = &mut self.lane {
            pumps += 1;
            assert!(pumps < STEPS_MAX, "there is always more to do");
            let actions = lane.pump(now);
            if actions.is_empty() {
                break;
            }
            actions.into_iter().for_each(|action| self.act(action));
        }
        let Some(lane) = &self.lane else { return };
        if self.watch.stopped && lane.is_quiet() && !self.merge.storing {
            self.watch.stopped_well(&self.plan, &self.disk, self.life);
            return self.end_life();
        }
        let flying = self.vendor.requests.iter().filter(|r| r.life == self.life && !r.answered).count();
        let counted = lane.status().in_flight;
        assert!(counted >= flying && (self.life > 1 || counted == flying), "{flying} are in flight");
        let wake = lane.wake_at(now);
        assert!(wake.is_none_or(|at| at > now.mono), "wants to be woken now, after all was done");
        let tick = if lane.status().day_spent { 60 * SECOND } else { SECOND };
        let wait = wake.map_or(tick, |at| (at - now.mono).min(tick));
        self.queue.remove(&self.timer);
        let at = self.now + wait + self.random.below(self.plan.faults.timer_late_max);
        self.at(at, Happening::Wake);
        self.timer = (at, self.count);
    }

    fn act(&mut self, action: Action) {
        let life = self.life;
        match action {
            Action::Claim { priority, after, limit } => {
                if self.merge.storing {
                    self.waiting_claims.push(Action::Claim { priority, after, limit });
                } else {
                    self.claims += 1;
                    self.within(SECOND / 50, Happening::Read { life, priority, after, limit });
                }
            }
            Action::Ask { chunk, slots, .. } => self.ask(chunk, &slots),
            Action::Save(save) => self.save(save),
            Action::Send { .. } | Action::Lookup { .. } => self.start(action),
            Action::Done { frame } => {
                assert!(!self.disk.is_open(&frame), "{frame} is forgotten before its states are stored");
            }
        }
    }

    fn ask(&mut self, chunk: ChunkKey, slots: &[u16]) {
        let faults = self.plan.faults.clone();
        let wall = self.clock().wall;
        let mut denied = Vec::new();
        for slot in slots {
            let until = self.nights.get(&(chunk.frame, *slot)).copied().filter(|until| *until > wall);
            let night = self.now < faults.until && self.random.chance(faults.held);
            let until = until.or_else(|| night.then(|| wall + self.random.between(1, 5_000) as Millis));
            if let Some(until) = until {
                self.nights.insert((chunk.frame, *slot), until);
                denied.push((*slot, Permit::Hold(until)));
            } else if self.random.chance(faults.suppressed) {
                denied.push((*slot, Permit::Suppress("opted-out")));
            }
        }
        if !denied.is_empty() {
            self.see("consent says no");
        }
        self.watch.asked(&self.disk, self.clock(), chunk, slots, &denied);
        if self.random.chance(faults.asked_late) {
            let life = self.life;
            return self.within(faults.asked_max, Happening::Asked { life, chunk, denied });
        }
        self.tell(Event::Asked { chunk, denied });
    }

    fn save(&mut self, save: Save) {
        assert!(self.saving.is_none(), "two saves at a time");
        self.saves.0 += 1;
        self.watch.saving(self.clock(), &save);
        self.saving = Some(save);
        let slow = self.random.chance(self.plan.faults.slow_commit);
        let life = self.life;
        self.within(if slow { 4 * SECOND } else { SECOND / 25 }, Happening::Commit { life });
    }

    fn commit(&mut self, life: u64) {
        if life != self.life {
            return;
        }
        let Some(save) = self.saving.take() else { return };
        self.store(&save);
        self.within(SECOND / 200, Happening::Saved { life, save });
    }

    fn store(&mut self, save: &Save) {
        self.watch.committing(&self.disk, save, self.life);
        let wall = self.clock().wall;
        self.disk.store(save, wall);
        self.watch.committed(&self.disk, save);
    }

    fn read(&mut self, life: u64, priority: usize, after: i64, limit: usize) {
        if life != self.life {
            return;
        }
        if self.now < self.plan.faults.until && self.random.chance(self.plan.faults.claim_fails) {
            return self.within(SECOND / 2, Happening::ClaimFailed { life, priority });
        }
        let (frames, more) = self.disk.claim(priority, after, limit);
        self.within(self.plan.faults.claim_max, Happening::Claimed { life, priority, frames, more });
    }

    // The provider.

    fn start(&mut self, action: Action) {
        let now = self.clock();
        let outstanding = |r: &&Request| if r.life == self.life { !r.answered } else { !r.lookup && r.ends > self.now };
        let flying = self.vendor.requests.iter().filter(outstanding).count();
        let kind = self.watch.starts(&self.plan, &self.disk, now, &action, self.life, flying);
        self.see(kind);
        let (chunk, slots, lookup) = match action {
            Action::Send { chunk, slots } => (chunk, slots, false),
            Action::Lookup { chunk, slots } => (chunk, slots, true),
            _ => return,
        };
        let key = request_key(&self.plan, &chunk, &slots);
        let on_its_way = |r: &&Request| r.key == key && !r.lookup && r.arrives.is_some_and(|at| at > self.now);
        let early = self.vendor.requests.iter().find(on_its_way);
        assert!(early.is_none(), "{key:?} is asked about or sent again while it may still arrive");
        let (r, timeout) = (&mut self.random, self.plan.options.timeout_ms * 1_000);
        let (arrives, ends, fate) = if lookup {
            (None, self.now + r.below(timeout), Fate::Answered)
        } else {
            Vendor::fate(r, &self.plan.faults, self.now, timeout)
        };
        let request = self.vendor.requests.len();
        let life = self.life;
        let new = Request { key, chunk, slots, life, lookup, arrives, ends, fate, verdicts: None, answered: false };
        self.vendor.requests.push(new);
        if let Some(at) = arrives {
            self.at(at, Happening::Arrives { request });
        }
        self.at(ends, Happening::Ends { request });
    }

    fn arrives(&mut self, request: usize) {
        let one = &self.vendor.requests[request];
        // What had not left the machine when it died may not have left at all.
        if one.arrives.is_none() {
            return;
        }
        let frame = one.key.0;
        let (faults, level) = (&self.plan.faults, self.plan.options.level);
        let taken = self.vendor.arrive(&mut self.random, faults, level, self.now, request);
        for slot in taken {
            self.report_later(frame, slot);
        }
    }

    /// Receipts: none, one or several, at once or late, in any order.
    fn report_later(&mut self, frame: Id, slot: u16) {
        if !self.random.chance(self.plan.faults.receipts) {
            return;
        }
        for _ in 0..self.random.pick(&[1, 1, 1, 1, 2, 3]) {
            let r = &mut self.random;
            let (state, code) = r.pick(&[
                (State::Delivered, ""),
                (State::Delivered, ""),
                (State::Delivered, ""),
                (State::Failed, "switched-off"),
                (State::Expired, "given-up"),
            ]);
            if state != State::Delivered {
                self.watch.told_lost.insert((frame, slot));
            }
            // Now and then with one for a slot that is not there.
            let slot = if r.chance(20) { u16::MAX } else { slot };
            let at = self.now + r.pick(&[1, 10_000, SECOND, 20 * SECOND]);
            self.reports_left += 1;
            self.at(at, Happening::Report { end: (frame, (slot, state, code.to_owned())) });
        }
    }

    fn ends(&mut self, request: usize) {
        let one = &mut self.vendor.requests[request];
        if one.life != self.life || self.lane.is_none() {
            return;
        }
        one.answered = true;
        let (chunk, slots, lookup, key) = (one.chunk, one.slots.clone(), one.lookup, one.key);
        let roll = self.random.next();
        if lookup {
            let failed = self.now < self.plan.faults.until && self.random.chance(self.plan.faults.lookup_fails);
            let found = if failed { Err("lookup-failed".to_owned()) } else { Ok(self.vendor.lookup(&key)) };
            self.watch_verdicts(&chunk, &slots, found.as_ref().ok().and_then(Option::as_deref));
            return self.tell(Event::LookedUp { chunk, slots, found, roll });
        }
        let answer = self.vendor.answer(request);
        match &answer {
            Answer::Each(verdicts) if verdicts.len() == slots.len() => {
                self.watch_verdicts(&chunk, &slots, Some(verdicts));
            }
            Answer::Throttled { after: Some(after) } => {
                let until = self.clock().mono + after.as_micros() as Micros;
                self.watch.throttled_until = self.watch.throttled_until.max(until);
            }
            Answer::Unknown { .. } | Answer::Each(_) => {
                self.watch.doubted.extend(slots.iter().map(|slot| (chunk.frame, *slot)));
            }
            _ => {}
        }
        self.tell(Event::Answered { chunk, slots, answer, roll });
    }

    /// A message that is to be tried again later is not tried before.
    fn watch_verdicts(&mut self, chunk: &ChunkKey, slots: &[u16], verdicts: Option<&[Verdict]>) {
        let wall = self.clock().wall;
        for (slot, verdict) in slots.iter().zip(verdicts.unwrap_or_default()) {
            if let Verdict::Retry { after: Some(after), .. } = verdict {
                self.watch.retry_not_before((chunk.frame, *slot), wall + after.as_millis() as Millis);
            }
        }
    }

    // Receipts.

    fn report(&mut self, end: End) {
        self.reports_left -= 1;
        self.receipts += 1;
        self.disk.receipts.insert(self.receipts, vec![end]);
        if self.lane.is_some() {
            self.merge.waiting.push(self.receipts);
        }
    }

    fn merge_receipts(&mut self) {
        let now = self.clock();
        let saved = self.saves.1;
        let (ready, later) = std::mem::take(&mut self.merge.merged).into_iter().partition(|(save, _)| *save <= saved);
        self.merge.merged = later;
        let ready: Vec<(u64, Vec<u64>)> = ready;
        ready.into_iter().flat_map(|(_, rows)| rows).for_each(|row| drop(self.disk.receipts.remove(&row)));
        let Some(lane) = &mut self.lane else { return };
        if self.claims > 0 || self.merge.storing || self.merge.waiting.is_empty() || now.mono < self.merge.due {
            return;
        }
        self.merge.due = now.mono + MERGE_PACE;
        self.merge.merging = std::mem::take(&mut self.merge.waiting);
        let mut frames = ByFrame::new();
        for (frame, end) in self.merge.merging.iter().flat_map(|row| self.disk.receipts[row].clone()) {
            frames.entry(frame).or_default().push(end);
        }
        let (held, others): (ByFrame, ByFrame) = frames.into_iter().partition(|(frame, _)| lane.holds(frame));
        for (frame, ends) in held {
            *self.seen.entry("reported while held").or_default() += 1;
            lane.apply(now, Event::Reported { frame, ends });
        }
        self.merge.save_needed = self.saves.0 + u64::from(lane.has_changed());
        self.merge.storing = true;
        if others.is_empty() {
            return self.merge.stored();
        }
        let life = self.life;
        self.within(SECOND / 20, Happening::MergeStored { life, frames: others });
    }

    fn merge_stored(&mut self, life: u64, frames: ByFrame) {
        if life != self.life {
            return;
        }
        for (frame, ends) in &frames {
            assert!(self.lane.as_ref().is_some_and(|lane| !lane.holds(frame)), "{frame} is changed by two");
            self.disk.merge(frame, ends);
        }
        self.merge.stored();
        let waiting = std::mem::take(&mut self.waiting_claims);
        waiting.into_iter().for_each(|action| self.act(action));
    }

    // People and machines.

    fn accept(&mut self, frame: usize) {
        let plan = &self.plan.frames[frame];
        let wall = self.plan.wall_start + (self.now / 1_000) as Millis;
        let expires = if plan.lives.iter().all(Option::is_none) {
            Vec::new()
        } else {
            plan.lives.iter().map(|life| life.map_or(Millis::MAX, |life| wall + life)).collect()
        };
        // A cancelled campaign takes no more.
        let campaign = plan.campaign.filter(|campaign| self.disk.campaigns[*campaign] != Campaign::Cancelled);
        let row = FrameRow {
            seq: self.disk.order.len() as i64 + 1,
            priority: plan.priority,
            campaign,
            keys: plan.keys.clone(),
            expires,
            side: Side::new(plan.keys.len()).row(),
        };
        let id = plan.id;
        self.disk.insert(id, row);
        self.watch.accepted(&self.disk, id);
        self.frames_left -= 1;
        let life = self.life;
        self.within(SECOND / 100, Happening::Work { life });
    }

    fn ordered(&mut self, order: Order) {
        self.orders_left -= 1;
        match order {
            Order::Lane { paused } => self.disk.lane_paused = paused,
            Order::Campaign { campaign, .. } | Order::Cancel { campaign }
                if self.disk.campaigns[campaign] == Campaign::Cancelled =>
            {
                return;
            }
            Order::Campaign { campaign, paused } => {
                if paused {
                    self.watch.ever_kept_back.insert(campaign);
                }
                self.disk.campaigns[campaign] = if paused { Campaign::Paused } else { Campaign::Running };
            }
            Order::Cancel { campaign } => {
                self.watch.ever_kept_back.insert(campaign);
                self.disk.campaigns[campaign] = Campaign::Cancelled;
            }
            Order::Stop => {}
        }
        let life = self.life;
        // Orders reach the lane in the order in which they were given.
        self.at(self.now + SECOND / 100, Happening::Told { life, order });
    }

    fn told(&mut self, life: u64, order: Order) {
        if life != self.life || self.lane.is_none() {
            return;
        }
        match order {
            Order::Lane { paused } => {
                self.watch.paused = paused;
                self.tell(Event::Pause(paused));
            }
            Order::Campaign { campaign, paused } => self.tell_campaign(campaign, paused),
            Order::Cancel { campaign } => self.tell_cancel(campaign),
            Order::Stop => {
                self.watch.stopped = true;
                self.tell(Event::Stop);
            }
        }
    }

    fn tell_campaign(&mut self, campaign: usize, paused: bool) {
        if paused {
            self.watch.kept_back.insert(campaign);
        } else {
            self.watch.kept_back.remove(&campaign);
        }
        self.tell(Event::PauseCampaign { campaign: campaign_id(campaign), paused });
    }

    fn tell_cancel(&mut self, campaign: usize) {
        self.watch.kept_back.insert(campaign);
        self.tell(Event::CancelCampaign { campaign: campaign_id(campaign) });
        let held = self.lane.as_ref().map(Lane::frames_in_memory).unwrap_or_default();
        let life = self.life;
        self.within(SECOND / 10, Happening::CancelRest { life, campaign, held });
    }

    fn crash(&mut self) {
        self.crashes += 1;
        self.see("crash");
        // What was on its way to the disk is there or it is not.
        if let Some(save) = self.saving.take().filter(|_| self.random.chance(500)) {
            self.store(&save);
        }
        for index in 0..self.vendor.requests.len() {
            let unborn = self.vendor.requests[index].arrives.is_some_and(|at| at > self.now);
            if self.vendor.requests[index].life == self.life && unborn && self.random.chance(300) {
                self.vendor.requests[index].arrives = None;
            }
        }
        self.end_life();
    }

    fn end_life(&mut self) {
        self.lane = None;
        self.life += 1;
        self.saving = None;
        let wait = self.random.pick(&[SECOND / 100, SECOND / 2, 3 * SECOND]);
        self.at(self.now + wait, Happening::Restart);
    }

    /// A new owner: what is stored and nothing else.
    fn restart(&mut self) {
        self.life += 1;
        let now = self.clock();
        let mut lane = Lane::new(self.plan.options.clone(), self.disk.day, self.disk.day_used);
        let quiet_ms = (self.disk.marked_at + QUIET_MS - now.wall).clamp(0, QUIET_MS);
        lane.block(now.mono + quiet_ms as Micros * 1_000);
        for priority in 0..3 {
            let frames = self.disk.left_overs(priority);
            let doubts = frames.iter().any(|frame| !frame.doubts.is_empty());
            let retries = frames.iter().any(|frame| !frame.retries.is_empty());
            *self.seen.entry("restored doubts").or_default() += u64::from(doubts);
            *self.seen.entry("restored retries").or_default() += u64::from(retries);
            lane.apply(now, Event::Restored { priority, frames });
        }
        self.lane = Some(lane);
        self.watch.restarted(&self.disk, now.mono + quiet_ms as Micros * 1_000);
        (self.claims, self.saves) = (0, (0, 0));
        self.waiting_claims.clear();
        self.merge = Merge { waiting: self.disk.receipts.keys().copied().collect(), ..Merge::default() };
        if self.disk.lane_paused {
            self.watch.paused = true;
            self.tell(Event::Pause(true));
        }
        for campaign in 0..self.plan.campaigns {
            match self.disk.campaigns[campaign] {
                Campaign::Running => {}
                Campaign::Paused => self.tell_campaign(campaign, true),
                Campaign::Cancelled => self.tell_cancel(campaign),
            }
        }
        self.die_some_time();
    }

    fn die_some_time(&mut self) {
        if self.crashes < self.plan.faults.crashes_max && self.now < self.plan.faults.until {
            let life = self.life;
            self.within(15 * SECOND, Happening::Crash { life });
        }
    }
}

impl Merge {
    fn stored(&mut self) {
        self.storing = false;
        let rows = std::mem::take(&mut self.merging);
        if !rows.is_empty() {
            self.merged.push((self.save_needed, rows));
        }
    }
}
