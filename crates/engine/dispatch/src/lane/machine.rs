//! What the lane does with an event, and what it wants done next.

use std::cmp::Reverse;
use std::collections::HashSet;

use naru_core::clock::{Micros, Millis};
use naru_core::id::Id;

use super::outlet::Outlet;
use super::pace::Caps;
use super::{Action, Chunk, ChunkKey, Event, LEASE_LEFT_US, Lane, Now, Options, OutletStatus, Queue, Save, Status};
use crate::history::Tally;
use crate::side::State;

impl Lane {
    /// A lane that holds nothing yet: its own account, then those that stand by. None may be used before it has joined.
    pub fn new(outlets: Vec<Options>) -> Lane {
        Lane {
            outlets: outlets.into_iter().map(Outlet::new).collect(),
            queues: Default::default(),
            frames: Default::default(),
            by_id: Default::default(),
            next_no: 0,
            chunks: Default::default(),
            retries: Default::default(),
            doubts: Default::default(),
            dirty: Vec::new(),
            changed: Vec::new(),
            next: Save::default(),
            ending: Vec::new(),
            done: Vec::new(),
            saving: None,
            changed_at: None,
            urgent: false,
            commit_us: 0,
            tally: Tally::default(),
            paused: false,
            stopped: false,
            leased_until: Micros::MAX,
            paused_campaigns: Default::default(),
            cancelled_campaigns: Default::default(),
        }
    }

    /// Takes one event and answers what is to be done.
    pub fn step(&mut self, now: Now, event: Event) -> Vec<Action> {
        self.apply(now, event);
        self.pump(now)
    }

    /// Takes an event without looking for work: a runner that has several calls [`Lane::pump`] once.
    pub fn apply(&mut self, now: Now, event: Event) {
        match event {
            Event::Tick => {}
            Event::Work { priority } => self.queues[priority].work(),
            Event::Restored { priority, frames } => self.restored(now, priority, frames),
            Event::Claimed { priority, frames, more } => self.claimed(now, priority, frames, more),
            Event::ClaimFailed { priority } => {
                self.queues[priority].claim_over();
            }
            Event::Asked { chunk, denied } => self.asked(now, chunk, denied),
            Event::Saved => self.saved(now),
            Event::Answered { chunk, slots, answer, roll } => self.answered(now, chunk, slots, answer, roll),
            Event::LookedUp { chunk, slots, found, roll } => self.looked_up(now, chunk, slots, found, roll),
            Event::Reported { frame, ends } => self.reported(frame, ends),
            Event::Pause(paused) => self.pause(now, paused),
            Event::PauseCampaign { campaign, paused: true } => self.pause_campaign(now, campaign),
            Event::PauseCampaign { campaign, paused: false } => self.resume_campaign(campaign),
            Event::CancelCampaign { campaign } => self.cancel_campaign(now, campaign),
            Event::Leased { until } => self.leased_until = until,
            Event::Joined { outlet, day, day_used, quiet_until } => self.join(outlet, day, day_used, quiet_until),
            Event::Parted { outlet } => self.part(now, outlet),
            Event::Capped { outlet, caps } => self.cap(outlet, caps),
            Event::Stop => self.stop(now),
        }
    }

    /// Everything that can be done now.
    pub fn pump(&mut self, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        self.wake_doubts(now);
        if self.may_start() && self.has_lease(now) {
            self.start_requests(now, &mut actions);
            self.wake_doubts(now);
        }
        // Both may have put something aside that is due at once.
        self.wake_retries(now);
        if self.may_start() && self.has_lease(now) {
            self.choose(now, &mut actions);
        }
        self.save(now, &mut actions);
        self.claim(&mut actions);
        actions
    }

    /// When something is to be done next without an event.
    pub fn wake_at(&self, now: Now) -> Option<Micros> {
        let on_mono = |at: Millis| now.mono + (at - now.wall).max(0) as Micros * 1_000;
        let retry = self.retries.peek().map(|Reverse((at, ..))| on_mono(*at));
        let doubt = self.doubts.peek().filter(|_| !self.stopped).map(|Reverse((at, _))| on_mono(*at));
        let may_start = self.may_start() && self.has_lease(now);
        let (start, choice) = if may_start { (self.next_start_at(), self.next_choice_at(now)) } else { (None, None) };
        let save = self.save_due_at().filter(|_| self.saving.is_none());
        [retry, doubt, start, choice, save].into_iter().flatten().min()
    }

    /// Whether the lane has this frame in memory, so that it alone may change its states.
    pub fn holds(&self, frame: &Id) -> bool {
        self.by_id.contains_key(frame)
    }

    /// The frames that the lane alone may change.
    pub fn frames_in_memory(&self) -> HashSet<Id> {
        self.by_id.keys().copied().collect()
    }

    /// Whether something changed that is in no save yet.
    pub fn has_changed(&self) -> bool {
        !self.dirty.is_empty() || !self.next.is_empty()
    }

    /// Whether something changed that is not committed yet.
    pub fn has_unsaved(&self) -> bool {
        self.saving.is_some() || self.has_changed()
    }

    /// Whether nothing is on its way and nothing waits to be stored.
    pub fn is_quiet(&self) -> bool {
        self.outlets.iter().all(|outlet| outlet.in_flight == outlet.ghosts) && !self.has_unsaved()
    }

    /// How it is.
    pub fn status(&self) -> Status {
        Status {
            in_flight: self.outlets.iter().map(|outlet| outlet.in_flight).sum(),
            unsent: self.outlets.iter().map(|outlet| outlet.unsent.requests).sum(),
            busy: self.queues.iter().map(|queue| queue.keys.busy()).sum(),
            held: self.queues.iter().map(Queue::held).sum(),
            frames: self.frames.len(),
            stalled: self.queues.iter().any(|queue| queue.is_stalled() || queue.is_full()),
            waiting: self.is_waiting(),
            paused: self.paused,
            leased_until: self.leased_until,
        }
    }

    /// How each of its outlets is.
    pub fn outlets(&self) -> Vec<OutletStatus> {
        (0..self.outlets.len()).filter_map(|no| self.outlet(no)).collect()
    }

    /// How one of its outlets is.
    pub fn outlet(&self, no: usize) -> Option<OutletStatus> {
        let outlet = self.outlets.get(no)?;
        let mut status = outlet.status();
        let waits = |chunk: &Chunk| chunk.doubt.iter().any(|slots| !outlet.may_repeat(slots.len()));
        status.wants = !outlet.may_repeat(usize::MAX)
            && self.chunks.values().any(|chunk| chunk.outlet == Some(no) && waits(chunk));
        status.idle &= self.saving.is_none() && self.next.days.iter().all(|day| day.outlet != no);
        Some(status)
    }

    /// The outlet by which a started chunk left.
    pub fn outlet_of(&self, chunk: &ChunkKey) -> Option<usize> {
        self.chunks.get(chunk)?.outlet
    }

    /// The messages that came to a state since this was asked last.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    fn join(&mut self, no: usize, day: i64, day_used: u64, quiet_until: Micros) {
        let Some(outlet) = self.outlets.get_mut(no) else { return };
        (outlet.joined, outlet.day, outlet.day_used) = (true, day, day_used);
        outlet.options.pace.block(quiet_until);
    }

    fn part(&mut self, now: Now, no: usize) {
        let Some(outlet) = self.outlets.get_mut(no) else { return };
        outlet.joined = false;
        self.give_back_from(now, no);
    }

    fn cap(&mut self, no: usize, caps: Caps) {
        let Some(outlet) = self.outlets.get_mut(no) else { return };
        outlet.options.pace.set(caps.requests, caps.messages);
        outlet.options.in_flight_max = caps.in_flight as usize;
    }

    /// Whether all that is or will be on its way by an outlet is within its caps as they are now: once they have become
    /// smaller, whether the rest may be somebody else's.
    pub fn is_within_caps(&self, no: usize) -> bool {
        let Some(outlet) = self.outlets.get(no) else { return true };
        let (_, messages) = outlet.options.pace.caps();
        // A request that is in doubt may be made again as it was.
        let fits = |chunk: &Chunk| chunk.single || messages.is_none_or(|max| chunk.open.len() <= max as usize);
        outlet.in_flight <= outlet.options.in_flight_max
            && self.chunks.values().filter(|chunk| chunk.outlet == Some(no)).all(fits)
    }

    /// Whether there are messages that could leave now but for the caps.
    fn is_waiting(&self) -> bool {
        self.may_start() && self.queues.iter().any(|queue| !queue.ready.is_empty() || !queue.scan.is_empty())
    }

    /// Whether enough of the lease is left to start something.
    pub fn has_lease(&self, now: Now) -> bool {
        now.mono.saturating_add(LEASE_LEFT_US) <= self.leased_until
    }

    pub(super) fn may_start(&self) -> bool {
        !self.paused && !self.stopped
    }

    fn reported(&mut self, frame: Id, ends: Vec<(u16, State, String)>) {
        let Some(no) = self.by_id.get(&frame).copied() else { return };
        let Some(open) = self.frames.get_mut(&no) else { return };
        let mut moved = false;
        for (slot, state, code) in ends {
            if open.side.advance(slot, state, &code) {
                self.tally.entry(open.campaign).or_default().add(state, 1);
                moved = true;
            }
        }
        if moved {
            self.make_dirty(no);
        }
    }

    /// A message's end: states change now, the key is free once that is stored. A report that came first stands.
    pub(super) fn end(&mut self, no: u32, slot: u16, state: State, code: &str) {
        let Some(open) = self.frames.get_mut(&no) else { return };
        if open.side.state(slot) == State::Pending {
            open.side.advance(slot, state, code);
            self.tally.entry(open.campaign).or_default().add(state, 1);
        }
        open.ending += 1;
        self.urgent |= self.queues[open.priority].keys.is_waited_for(open.key(slot));
        self.ending.push((no, slot));
        self.make_dirty(no);
    }

    pub(super) fn make_dirty(&mut self, no: u32) {
        if let Some(open) = self.frames.get_mut(&no)
            && !open.dirty
        {
            open.dirty = true;
            self.dirty.push(no);
        }
    }
}
