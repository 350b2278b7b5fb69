//! The rules, checked at every step against what was stored and what the provider took.

use std::collections::{HashMap, HashSet, VecDeque};

use naru_core::clock::{Micros, seoul_day};
use naru_core::id::Id;
use naru_dispatch::consent::Permit;
use naru_dispatch::lane::pace::Caps;
use naru_dispatch::lane::{Action, ChunkKey, LEASE_LEFT_US, Now, Save};
use naru_dispatch::message::Purpose;
use naru_dispatch::provider::Level;
use naru_dispatch::side::State;

use crate::disk::Disk;
use crate::plan::{OutletPlan, Plan};
use crate::vendor::{RequestKey, Vendor};
use crate::world::MONO_START;

/// What a provider may count as a second.
const PROVIDER_SECOND: Micros = 1_005_000;
/// A start is at most this much later than the save of its mark was given out.
const START_WITHIN: Micros = 495_000;
/// Or, where the commit was slow, this much later than it came back.
const START_AFTER_SAVE: Micros = 100_000;

type Message = (Id, u16);

/// What has been seen of one run.
#[derive(Default)]
pub struct Watch {
    /// The messages of one priority and key, in the order of acceptance.
    by_key: HashMap<(usize, u64), Vec<Message>>,
    /// Messages that left at least once.
    left: HashSet<Message>,
    /// Messages of which nobody knew at some moment what became of them.
    doubted: HashSet<Message>,
    /// Those of them of which nobody could find out.
    lost: HashSet<Message>,
    /// Messages that a receipt called failed or expired.
    pub told_lost: HashSet<Message>,
    sent: HashSet<RequestKey>,
    /// The life in which a chunk was first marked.
    marked: HashMap<ChunkKey, u64>,
    /// When the last mark of a chunk was given out, and when it came back.
    marks: HashMap<ChunkKey, (Micros, Micros)>,
    permitted: HashSet<(ChunkKey, u16)>,
    not_before: HashMap<Message, i64>,
    pub outlets: [OutletWatch; 2],
    /// The latest the clock has shown.
    latest: i64,
    pub paused: bool,
    pub stopped: bool,
    pub kept_back: HashSet<usize>,
    /// Campaigns that were ever kept back: others may have overtaken them.
    pub ever_kept_back: HashSet<usize>,
    pub leased_until: Micros,
    /// Frames that their callers were told are accepted.
    pub acknowledged: HashSet<Id>,
}

/// What has been seen of one account.
#[derive(Default)]
pub struct OutletWatch {
    starts: VecDeque<(Micros, usize)>,
    by_day: HashMap<i64, u64>,
    /// The latest day in which anything was counted: one before it does not open again when the clock is set back.
    day: i64,
    pub joined: bool,
    pub quiet_until: Micros,
    pub throttled_until: Micros,
    /// What may be on its way now.
    caps: Caps,
    /// What might be before, and until when it counts: not known while something needs it.
    earlier: Vec<(Caps, Option<Micros>)>,
}

impl Watch {
    pub fn new(plan: &Plan) -> Watch {
        let mut watch = Watch::default();
        watch.outlets.iter_mut().zip(&plan.outlets).for_each(|(outlet, plan)| outlet.caps = plan.part(4));
        watch
    }

    pub fn doubt(&mut self, messages: impl Iterator<Item = Message>, level: Level) {
        for message in messages {
            self.doubted.insert(message);
            if level == Level::None {
                self.lost.insert(message);
            }
        }
    }

    pub fn accepted(&mut self, disk: &Disk, frame: Id) {
        let row = &disk.frames[&frame];
        for (slot, key) in row.keys.iter().enumerate() {
            self.by_key.entry((row.priority, *key)).or_default().push((frame, slot as u16));
        }
    }

    /// A new owner knows what is stored.
    pub fn restarted(&mut self, plan: &Plan, disk: &Disk) {
        (self.paused, self.stopped) = (false, false);
        self.kept_back.clear();
        self.outlets.iter_mut().for_each(|outlet| (outlet.joined, outlet.throttled_until) = (false, 0));
        self.not_before.clear();
        for ((frame, _), retry) in &disk.retries {
            self.not_before.extend(retry.slots.iter().map(|slot| ((*frame, *slot), retry.due_at)));
        }
        let mut holders = HashMap::new();
        for frame in disk.order.values() {
            let row = &disk.frames[frame];
            for slot in disk.under_way(frame) {
                let other = holders.insert((row.priority, row.keys[usize::from(slot)]), (frame, slot));
                assert!(other.is_none(), "slot {slot} of {frame} and {other:?} hold the same key");
            }
        }
        for (key, row) in &disk.chunks {
            self.doubt(row.slots.iter().map(|slot| (key.frame, *slot)), plan.outlets[row.outlet].options.level);
        }
    }

    /// Notes what the clock shows.
    pub fn sees(&mut self, now: Now) {
        self.latest = self.latest.max(now.wall);
    }

    pub fn retry_not_before(&mut self, message: Message, at: i64) {
        self.not_before.insert(message, at);
    }

    pub fn asked(&mut self, disk: &Disk, now: Now, chunk: ChunkKey, slots: &[u16], denied: &[(u16, Permit)]) {
        self.in_order(disk, &chunk, slots);
        let row = &disk.frames[&chunk.frame];
        for slot in slots {
            let expires_at = row.expires.get(usize::from(*slot)).copied().unwrap_or(i64::MAX);
            assert!(expires_at > now.wall, "{chunk:?} holds slot {slot}, which is too old");
            let due = self.not_before.remove(&(chunk.frame, *slot));
            assert!(due.is_none_or(|due| due <= self.latest), "{chunk:?} holds slot {slot} before it is due");
            if denied.iter().all(|(other, _)| other != slot) {
                self.permitted.insert((chunk, *slot));
            }
        }
    }

    pub fn saving(&mut self, now: Now, save: &Save) {
        self.marks.extend(save.marks.iter().map(|mark| (mark.key, (now.mono, Micros::MAX))));
    }

    pub fn saved(&mut self, now: Now, save: &Save) {
        save.marks.iter().for_each(|mark| self.marks.entry(mark.key).or_default().1 = now.mono);
    }

    /// Checks what a commit is about to change.
    pub fn committing(&mut self, disk: &Disk, save: &Save, life: u64) {
        for side in &save.sides {
            let before = &disk.frames[&side.frame].side.states;
            for (slot, (from, to)) in before.iter().zip(&side.row.states).enumerate() {
                let (from, to) = (State::ALL[usize::from(*from)], State::ALL[usize::from(*to)]);
                assert!(
                    rank(to) > rank(from) || from == to,
                    "slot {slot} of {} goes from {from:?} to {to:?}",
                    side.frame
                );
            }
        }
        for day in &save.days {
            self.outlets[day.outlet].day = self.outlets[day.outlet].day.max(day.day);
        }
        for mark in &save.marks {
            let known = self.marked.insert(mark.key, life);
            assert!(known.is_none() || disk.chunks.contains_key(&mark.key), "{:?} is used again", mark.key);
            if let Some(first_life) = known {
                self.marked.insert(mark.key, first_life);
            }
        }
    }

    /// Checks what a commit left.
    pub fn committed(&self, disk: &Disk, save: &Save) {
        let sides = save.sides.iter().map(|side| side.frame);
        let chunks = save.marks.iter().map(|mark| mark.key).chain(save.ended.iter().copied());
        let rows =
            save.retries.iter().map(|(frame, _)| *frame).chain(save.retries_gone.iter().map(|(frame, _)| *frame));
        let touched: HashSet<Id> = sides.chain(chunks.map(|key| key.frame)).chain(rows).collect();
        for frame in touched {
            let slots = disk.under_way(&frame);
            let once: HashSet<u16> = slots.iter().copied().collect();
            assert_eq!(once.len(), slots.len(), "a slot of {frame} is under way twice: {slots:?}");
            for (id, slot) in self.left.iter().filter(|(id, _)| *id == frame) {
                let lost = disk.state(id, *slot) == State::Pending && !once.contains(slot);
                assert!(!lost, "slot {slot} of {frame} left before and nothing stored says so");
            }
        }
    }

    /// Checks one request before it leaves; answers what kind it is.
    pub fn starts(
        &mut self,
        plan: &Plan,
        disk: &Disk,
        now: Now,
        action: &Action,
        life: u64,
        flying: (usize, usize),
    ) -> &'static str {
        let (outlet, chunk, slots, lookup) = match action {
            Action::Send { outlet, chunk, slots, .. } => (*outlet, chunk, slots, false),
            Action::Lookup { outlet, chunk, slots, .. } => (*outlet, chunk, slots, true),
            _ => return "nothing",
        };
        let (account, seen) = (&plan.outlets[outlet], &mut self.outlets[outlet]);
        assert!(seen.joined, "{action:?} starts at an account that is not the lane's");
        assert!(!self.paused && !self.stopped, "{action:?} starts while the lane is stopped");
        assert!(now.mono >= seen.quiet_until, "{action:?} starts too soon after a restart");
        assert!(now.mono + LEASE_LEFT_US <= self.leased_until, "{action:?} starts at the end of the lease");
        assert!(now.mono >= seen.throttled_until, "{action:?} starts before the provider's pause is over");
        // All that earlier owners left takes at most half.
        let (own, others) = flying;
        let max = seen.caps.in_flight as usize;
        let counted = own + others.min(max / 2);
        assert!(counted < max, "{action:?} starts while {own} and {others} are in flight");
        seen.within_caps(now, if lookup { 0 } else { slots.len() });
        let row = disk.chunks.get(chunk).unwrap_or_else(|| panic!("{action:?} starts before its mark is stored"));
        assert_eq!(row.outlet, outlet, "{action:?} is marked for another account");
        assert!(
            slots.iter().all(|slot| row.slots.contains(slot)),
            "{action:?} is not what was marked: {:?}",
            row.slots
        );
        let (given, saved) = self.marks[chunk];
        let late = now.mono > (given + START_WITHIN).max(saved.saturating_add(START_AFTER_SAVE));
        assert!(!late, "{action:?} starts {} us after its mark", now.mono - given);
        if lookup {
            return "lookup";
        }
        // As the clock shows that the mark was made by.
        let since = plan.jumps.iter().filter(|(at, _)| (given..=now.mono).contains(&(MONO_START + at)));
        let over_by = now.wall - since.map(|(_, by)| by).sum::<i64>() + account.options.timeout_ms as i64;
        assert!(row.deadline > over_by, "{action:?} may still be on its way at its deadline");
        let key = request_key(account, chunk, slots);
        let repeat = !self.sent.insert(key) || self.marked[chunk] < life;
        if !repeat {
            self.first_start(account, outlet, disk, now, chunk, slots);
        }
        self.in_order(disk, chunk, slots);
        self.left.extend(slots.iter().map(|slot| (chunk.frame, *slot)));
        match (repeat, chunk.attempt) {
            (true, _) => "repeat",
            (false, 0) => "first attempt",
            (false, _) => "later attempt",
        }
    }

    fn first_start(
        &mut self,
        account: &OutletPlan,
        outlet: usize,
        disk: &Disk,
        now: Now,
        chunk: &ChunkKey,
        slots: &[u16],
    ) {
        let campaign = disk.frames[&chunk.frame].campaign;
        assert!(campaign.is_none_or(|campaign| !self.kept_back.contains(&campaign)), "{chunk:?} of a stopped campaign");
        for slot in slots {
            assert!(self.permitted.contains(&(*chunk, *slot)), "{chunk:?} sends slot {slot} without consent");
        }
        let seen = &mut self.outlets[outlet];
        seen.day = seen.day.max(seoul_day(now.wall));
        let day = seen.by_day.entry(seen.day).or_default();
        *day += slots.len() as u64;
        assert!(account.options.per_day_max.is_none_or(|max| *day <= max), "{day} messages in a day");
    }

    /// A message is chosen, and leaves, after the ends of all earlier ones of its key are stored, and alone.
    fn in_order(&self, disk: &Disk, chunk: &ChunkKey, slots: &[u16]) {
        let row = &disk.frames[&chunk.frame];
        let keys: HashSet<u64> = slots.iter().map(|slot| row.keys[usize::from(*slot)]).collect();
        assert_eq!(keys.len(), slots.len(), "{chunk:?} holds two messages of one key: {slots:?}");
        for slot in slots {
            let me = (chunk.frame, *slot);
            let of_key = &self.by_key[&(row.priority, row.keys[usize::from(*slot)])];
            let mine = of_key.iter().position(|other| *other == me).expect("every stored message is there");
            for (place, other) in of_key.iter().enumerate().filter(|(_, other)| **other != me) {
                if disk.state(&other.0, other.1) != State::Pending {
                    continue;
                }
                assert!(!self.left.contains(other), "{me:?} leaves while {other:?} of its key is under way");
                assert!(place > mine || self.may_pass(disk, me, *other), "{me:?} overtakes {other:?}");
            }
        }
    }

    /// A stopped campaign is overtaken by others, not within itself.
    fn may_pass(&self, disk: &Disk, me: Message, other: Message) -> bool {
        let (mine, its) = (disk.frames[&me.0].campaign, disk.frames[&other.0].campaign);
        mine != its && [mine, its].into_iter().flatten().any(|campaign| self.ever_kept_back.contains(&campaign))
    }

    /// What a stop in good order leaves: only what is really in doubt.
    pub fn stopped_well(&self, plan: &Plan, disk: &Disk, life: u64) {
        for (key, row) in disk.chunks.iter().filter(|(key, _)| self.marked[*key] == life) {
            let account = &plan.outlets[row.outlet];
            let requests = if account.options.batch_max == 1 {
                row.slots.iter().map(|s| vec![*s]).collect()
            } else {
                vec![row.slots.clone()]
            };
            for slots in requests {
                assert!(
                    self.sent.contains(&request_key(account, key, &slots)),
                    "{key:?} is in doubt and never left: {slots:?}"
                );
            }
        }
    }

    /// The end: every message in one state that fits what the provider took.
    pub fn ended(&self, disk: &Disk, vendor: &Vendor) {
        for frame in &self.acknowledged {
            assert!(disk.frames.contains_key(frame), "{frame} was acknowledged and is lost");
        }
        let mut taken_before: HashMap<(usize, u64), Vec<(Message, Micros)>> = HashMap::new();
        for frame in disk.order.values() {
            let row = &disk.frames[frame];
            assert!(disk.side(frame).account().balances());
            for slot in 0..row.keys.len() as u16 {
                let message = (*frame, slot);
                let taken = vendor.taken.get(&message).map_or(&[][..], Vec::as_slice);
                self.end_fits(disk, message, taken.len());
                let Some(first) = taken.first() else { continue };
                let before = taken_before.entry((row.priority, row.keys[usize::from(slot)])).or_default();
                for (other, at) in before.iter() {
                    assert!(
                        at < first || self.may_pass(disk, message, *other),
                        "{message:?} was taken before {other:?}"
                    );
                }
                before.push((message, *first));
            }
        }
    }

    fn end_fits(&self, disk: &Disk, message: Message, taken: usize) {
        let state = disk.state(&message.0, message.1);
        let ad = disk.frames[&message.0].priority == Purpose::Ad.priority();
        let doubted = self.doubted.contains(&message);
        // Where nothing can be found out, what was sent again after a doubt may have been taken before.
        let unsure = self.lost.contains(&message);
        assert!(taken <= 1 || (unsure && !ad), "{message:?} was taken {taken} times");
        let fits = match state {
            State::Pending => false,
            State::Sent | State::Delivered => taken > 0,
            State::Unknown => doubted,
            State::Failed | State::Expired => taken == 0 || unsure || self.told_lost.contains(&message),
            State::Suppressed | State::Cancelled => taken == 0 || unsure,
        };
        assert!(fits, "{message:?} ended {state:?} and was taken {taken} times");
    }
}

impl OutletWatch {
    /// Other caps from now on.
    pub fn capped(&mut self, caps: Caps) {
        self.earlier.push((std::mem::replace(&mut self.caps, caps), None));
    }

    /// It joins with these caps; what was before, others have had since.
    pub fn joins_with(&mut self, caps: Caps) {
        self.earlier.clear();
        self.caps = caps;
    }

    /// Everything is within the caps as they are: what was before counts for another second.
    pub fn is_within(&mut self, now: Now, flying: usize) {
        assert!(
            flying <= self.caps.in_flight as usize,
            "{flying} are in flight of {:?}, and nothing needs more",
            self.caps
        );
        self.earlier.retain(|(_, until)| until.is_none_or(|until| until > now.mono));
        for (_, until) in &mut self.earlier {
            until.get_or_insert(now.mono + PROVIDER_SECOND);
        }
    }

    fn within_caps(&mut self, now: Now, messages: usize) {
        while self.starts.front().is_some_and(|(at, _)| at + PROVIDER_SECOND <= now.mono) {
            self.starts.pop_front();
        }
        self.starts.push_back((now.mono, messages));
        let sum: usize = self.starts.iter().map(|(_, messages)| messages).sum();
        let counting = self.earlier.iter().filter(|(_, until)| until.is_none_or(|until| until > now.mono));
        let all: Vec<Caps> = counting.map(|(caps, _)| *caps).chain([self.caps]).collect();
        let most =
            |of: fn(&Caps) -> Option<u32>| all.iter().map(|caps| of(caps).map_or(usize::MAX, |max| max as usize)).max();
        assert!(Some(self.starts.len()) <= most(|caps| caps.requests), "{} requests in a second", self.starts.len());
        assert!(Some(sum) <= most(|caps| caps.messages), "{sum} messages in a second");
    }
}

/// What names a request to a provider.
pub fn request_key(account: &OutletPlan, chunk: &ChunkKey, slots: &[u16]) -> RequestKey {
    let first = if account.options.batch_max == 1 { slots[0] } else { chunk.first };
    (chunk.frame, first, chunk.attempt)
}

/// How far along a state is.
fn rank(state: State) -> u8 {
    match state {
        State::Pending => 0,
        State::Unknown => 1,
        State::Sent => 2,
        State::Failed | State::Expired => 3,
        State::Suppressed | State::Cancelled => 4,
        State::Delivered => 5,
    }
}
