//! What the lane does with an event, and what it wants done next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet, VecDeque};

use naru_core::clock::{Micros, seoul_day};
use naru_core::id::Id;

use super::{
    Action, CLAIM_AHEAD, Chunk, ChunkKey, Doubt, Event, FRAMES_MAX, HELD_MAX, Lane, Loaded, Mark, Now, Open, Options,
    Queue, Save, Saving, SideSave, Status,
};
use crate::consent::Permit;
use crate::side::State;

impl Lane {
    /// A lane that holds nothing yet. `day` and `day_used` are what the store says was started today.
    pub fn new(options: Options, day: i64, day_used: u64) -> Lane {
        Lane {
            options,
            queues: Default::default(),
            frames: Default::default(),
            by_id: Default::default(),
            next_no: 0,
            chunks: Default::default(),
            retries: Default::default(),
            doubts: Default::default(),
            in_flight: 0,
            unsent: 0,
            dirty: Vec::new(),
            next: Save::default(),
            ending: Vec::new(),
            done: Vec::new(),
            saving: None,
            day,
            day_used,
            throttles: 0,
            paused: false,
            stopped: false,
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
            Event::Work => self.queues.iter_mut().for_each(Queue::work),
            Event::Claimed { priority, frames, more } => self.claimed(now, priority, frames, more),
            Event::ClaimFailed { priority } => self.queues[priority].claiming = false,
            Event::Asked { chunk, denied } => self.asked(now, chunk, denied),
            Event::Saved => self.saved(),
            Event::Answered { chunk, slots, answer, roll } => self.answered(now, chunk, slots, answer, roll),
            Event::LookedUp { chunk, slots, found, roll } => self.looked_up(now, chunk, slots, found, roll),
            Event::Reported { frame, ends } => self.reported(frame, ends),
            Event::Pause(paused) => self.paused = paused,
            Event::PauseCampaign { campaign, paused } => self.pause_campaign(now, campaign, paused),
            Event::CancelCampaign { campaign } => self.cancel_campaign(campaign),
            Event::Stop => self.stop(now),
        }
    }

    /// Everything that can be done now.
    pub fn pump(&mut self, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        self.wake_retries(now);
        self.wake_doubts(now, &mut actions);
        if !self.paused && !self.stopped {
            self.start_requests(now, &mut actions);
            self.choose(now, &mut actions);
        }
        self.save(now, &mut actions);
        self.claim(&mut actions);
        actions
    }

    /// When something is to be done next without an event.
    pub fn wake_at(&self, now: Now) -> Option<Micros> {
        let on_mono = |at: i64| now.mono + (at - now.wall).max(0) as Micros * 1_000;
        let retry = self.retries.peek().map(|Reverse((at, ..))| on_mono(*at));
        let doubt = self.doubts.peek().map(|Reverse((at, _))| on_mono(*at));
        let can_start = !self.paused && !self.stopped && self.in_flight < self.options.in_flight_max;
        let start = self.queues.iter().find_map(|queue| queue.start.front()).filter(|_| can_start);
        let start = start
            .and_then(|key| self.chunks.get(key)?.unsent.front())
            .map(|slots| self.options.pace.ready_at(slots.len()));
        [retry, doubt, start].into_iter().flatten().min()
    }

    /// Whether the lane has this frame in memory, so that it alone may change its states.
    pub fn holds(&self, frame: &Id) -> bool {
        self.by_id.contains_key(frame)
    }

    /// The frames that the lane alone may change.
    pub fn frames_in_memory(&self) -> HashSet<Id> {
        self.by_id.keys().copied().collect()
    }

    /// Whether something changed that is not committed yet.
    pub fn has_unsaved(&self) -> bool {
        self.saving.is_some() || !self.dirty.is_empty() || !self.next.is_empty()
    }

    /// Whether nothing is on its way and nothing waits to be stored.
    pub fn is_quiet(&self) -> bool {
        self.in_flight == self.ghosts() && !self.has_unsaved()
    }

    /// How it is.
    pub fn status(&self) -> Status {
        Status {
            in_flight: self.in_flight,
            held: self.queues.iter().map(Queue::held).sum(),
            frames: self.frames.len(),
            stalled: self.queues.iter().any(Queue::is_stalled),
            paused: self.paused,
            blocked_until: self.options.pace.blocked_until(),
            day_spent: self.options.per_day_max.is_some_and(|max| self.day_used >= max),
        }
    }

    /// Nothing starts before `until`: after a restart, for what the last owner may have started.
    pub fn block(&mut self, until: Micros) {
        self.options.pace.block(until);
    }

    fn ghosts(&self) -> usize {
        self.chunks.values().map(|chunk| chunk.ghost).sum()
    }

    fn claimed(&mut self, now: Now, priority: usize, frames: Vec<Loaded>, more: bool) {
        let queue = &mut self.queues[priority];
        queue.claiming = false;
        queue.dry = !more && !queue.work;
        for loaded in frames {
            self.queues[priority].after = self.queues[priority].after.max(loaded.seq);
            let paused = loaded.campaign.is_some_and(|campaign| self.paused_campaigns.contains(&campaign));
            if !self.by_id.contains_key(&loaded.id) && !paused {
                self.load(now, priority, loaded);
            }
        }
    }

    fn load(&mut self, now: Now, priority: usize, loaded: Loaded) {
        let no = self.next_no;
        self.next_no = self.next_no.wrapping_add(1);
        let mut open = Open {
            id: loaded.id,
            priority,
            campaign: loaded.campaign,
            keys: loaded.keys,
            expires: loaded.expires,
            side: loaded.side,
            cursor: 0,
            under_way: Vec::new(),
            ready: VecDeque::new(),
            retries: BTreeMap::new(),
            chunks: loaded.doubts.len(),
            dirty: false,
            in_ready: false,
        };
        let queue = &mut self.queues[priority];
        queue.frames += 1;
        for retry in loaded.retries {
            open.under_way(&retry.slots);
            retry.slots.iter().for_each(|slot| queue.keys.hold(open.key(*slot)));
            queue.retrying += retry.slots.len();
            let first = retry.slots[0];
            self.retries.push(Reverse((retry.due_at, no, first)));
            open.retries.insert(first, retry);
        }
        for doubt in loaded.doubts {
            open.under_way(&doubt.slots);
            doubt.slots.iter().for_each(|slot| queue.keys.hold(open.key(*slot)));
            let single = self.options.batch_max == 1;
            let ghost = if single { doubt.slots.len() } else { 1 };
            self.in_flight += ghost;
            self.doubts.push(Reverse((doubt.deadline.max(now.wall), doubt.key)));
            self.chunks.insert(doubt.key, Chunk::in_doubt(no, priority, doubt, single, ghost));
        }
        queue.scan.push_back(no);
        self.by_id.insert(open.id, no);
        self.frames.insert(no, open);
    }

    fn asked(&mut self, now: Now, key: ChunkKey, denied: Vec<(u16, Permit)>) {
        if self.was_stopped(now, key) {
            return;
        }
        let Some(chunk) = self.chunks.get_mut(&key) else { return };
        let (no, tries) = (chunk.no, chunk.tries);
        if !denied.is_empty() {
            chunk.open.retain(|slot| !denied.iter().any(|(gone, _)| gone == slot));
        }
        let open = chunk.open.clone();
        let mut held: BTreeMap<i64, Vec<u16>> = BTreeMap::new();
        for (slot, permit) in denied {
            match permit {
                Permit::Send => {}
                Permit::Suppress(code) => self.end(no, slot, State::Suppressed, code),
                Permit::Hold(until) => held.entry(until).or_default().push(slot),
            }
        }
        for (until, slots) in held {
            self.retry(no, slots, until, key.attempt, tries);
        }
        if open.is_empty() {
            self.unsent -= 1;
            self.drop_chunk(&key);
            return;
        }
        let single = self.options.batch_max == 1;
        let requests: VecDeque<Vec<u16>> =
            if single { open.iter().map(|slot| vec![*slot]).collect() } else { [open.clone()].into() };
        self.unsent += requests.len() - 1;
        self.count_day(now, open.len());
        let deadline = now.wall + self.options.timeout_ms as i64 + 2_000;
        if let Some(chunk) = self.chunks.get_mut(&key) {
            chunk.unsent = requests;
            (chunk.started_at, chunk.deadline) = (now.wall, deadline);
            self.next.marks.push(Mark { key, slots: open, tries: chunk.tries, started_at: now.wall, deadline });
        }
    }

    /// A campaign may have been stopped while consent was asked: its chunk does not start.
    fn was_stopped(&mut self, now: Now, key: ChunkKey) -> bool {
        let Some(chunk) = self.chunks.get(&key) else { return true };
        let (no, tries, slots) = (chunk.no, chunk.tries, chunk.open.clone());
        let campaign = self.frames.get(&no).and_then(|open| open.campaign);
        if campaign.is_some_and(|campaign| self.cancelled_campaigns.contains(&campaign)) {
            slots.into_iter().for_each(|slot| self.end(no, slot, State::Cancelled, ""));
        } else if self.stopped || campaign.is_some_and(|campaign| self.paused_campaigns.contains(&campaign)) {
            self.retry(no, slots, now.wall, key.attempt, tries);
        } else {
            return false;
        }
        self.unsent -= 1;
        self.drop_chunk(&key);
        true
    }

    fn count_day(&mut self, now: Now, messages: usize) {
        let today = seoul_day(now.wall);
        if today != self.day {
            (self.day, self.day_used) = (today, 0);
        }
        self.day_used += messages as u64;
        self.next.day = Some((self.day, self.day_used));
    }

    fn start_requests(&mut self, now: Now, actions: &mut Vec<Action>) {
        for priority in 0..self.queues.len() {
            while let Some(key) = self.queues[priority].start.front().copied() {
                let Some(slots) = self.chunks.get_mut(&key).and_then(|chunk| chunk.unsent.front()) else {
                    self.queues[priority].start.pop_front();
                    continue;
                };
                if self.in_flight >= self.options.in_flight_max || self.options.pace.ready_at(slots.len()) > now.mono {
                    return;
                }
                let Some(chunk) = self.chunks.get_mut(&key) else { continue };
                let Some(slots) = chunk.unsent.pop_front() else { continue };
                self.options.pace.start(now.mono, slots.len());
                self.in_flight += 1;
                self.unsent -= 1;
                actions.push(Action::Send { chunk: key, slots });
            }
        }
    }

    /// One save at a time: while it is committed the next one gathers.
    fn save(&mut self, now: Now, actions: &mut Vec<Action>) {
        if self.saving.is_some() || (self.next.is_empty() && self.dirty.is_empty()) {
            return;
        }
        let mut save = std::mem::take(&mut self.next);
        let frames = std::mem::take(&mut self.dirty);
        for no in &frames {
            if let Some(open) = self.frames.get_mut(no) {
                open.dirty = false;
                save.sides.push(SideSave { frame: open.id, row: open.side.row(), account: open.side.account() });
            }
        }
        for (key, chunk) in self.chunks.iter_mut().filter(|(_, chunk)| chunk.changed) {
            chunk.changed = false;
            save.left.push((*key, chunk.open.clone()));
        }
        if !save.marks.is_empty() {
            save.day = Some((self.day.max(seoul_day(now.wall)), self.day_used));
        }
        let marks = save.marks.iter().map(|mark| mark.key).collect();
        self.saving = Some(Saving { marks, ended: std::mem::take(&mut self.ending), frames });
        actions.push(Action::Save(save));
    }

    fn saved(&mut self) {
        let Some(saving) = self.saving.take() else { return };
        for key in saving.marks {
            if let Some(chunk) = self.chunks.get(&key) {
                self.queues[chunk.priority].start.push_back(key);
            }
        }
        let mut touched = saving.frames;
        for (no, slot) in saving.ended {
            self.release(no, slot);
            touched.push(no);
        }
        touched.sort_unstable();
        touched.dedup();
        touched.into_iter().for_each(|no| self.forget_if_done(no));
    }

    /// Frees the key of a message whose end is stored; the next of the key becomes ready.
    fn release(&mut self, no: u32, slot: u16) {
        let Some(open) = self.frames.get(&no) else { return };
        let (priority, key) = (open.priority, open.key(slot));
        while let Some((next_no, next_slot)) = self.queues[priority].keys.release(key) {
            let Some(next) = self.frames.get_mut(&next_no) else { continue };
            if next.side.state(next_slot) != State::Pending {
                continue;
            }
            next.make_ready(next_slot);
            if !next.in_ready {
                next.in_ready = true;
                self.queues[priority].ready.push_back(next_no);
            }
            return;
        }
    }

    pub(super) fn forget_if_done(&mut self, no: u32) {
        let done = self.frames.get(&no).is_some_and(Open::is_done);
        if !done || self.ending.iter().any(|(other, _)| *other == no) {
            return;
        }
        if let Some(open) = self.frames.remove(&no) {
            self.by_id.remove(&open.id);
            let queue = &mut self.queues[open.priority];
            queue.frames -= 1;
            queue.scan.retain(|other| *other != no);
            self.done.push(open.id);
        }
    }

    fn reported(&mut self, frame: Id, ends: Vec<(u16, State, String)>) {
        let Some(no) = self.by_id.get(&frame).copied() else { return };
        let Some(open) = self.frames.get_mut(&no) else { return };
        let mut moved = false;
        for (slot, state, code) in ends {
            moved |= open.side.advance(slot, state, &code);
        }
        if moved {
            self.make_dirty(no);
        }
    }

    /// A message's end: states change now, the key is free once that is stored.
    pub(super) fn end(&mut self, no: u32, slot: u16, state: State, code: &str) {
        if let Some(open) = self.frames.get_mut(&no) {
            open.side.advance(slot, state, code);
        }
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

    /// What is marked and not started is given back, so that a stop in good order leaves nothing in doubt.
    fn stop(&mut self, now: Now) {
        self.stopped = true;
        let mut frames: Vec<u32> = self.chunks.values().map(|chunk| chunk.no).collect();
        frames.sort_unstable();
        frames.dedup();
        frames.into_iter().for_each(|no| self.give_back_unsent(no, now.wall));
    }

    fn pause_campaign(&mut self, now: Now, campaign: Id, paused: bool) {
        if !paused {
            self.paused_campaigns.remove(&campaign);
            // Its frames were dropped unseen: claim from the beginning, those in memory are recognised.
            self.queues.iter_mut().for_each(Queue::claim_again);
            return;
        }
        self.paused_campaigns.insert(campaign);
        let mine = self.frames_of(campaign);
        for no in mine {
            self.give_back_unsent(no, now.wall);
            let Some(open) = self.frames.get(&no) else { continue };
            if open.cursor == 0 && open.chunks == 0 && open.retries.is_empty() && !open.dirty {
                self.drop_frame(no);
            }
        }
    }

    fn cancel_campaign(&mut self, campaign: Id) {
        self.paused_campaigns.remove(&campaign);
        self.cancelled_campaigns.insert(campaign);
        for no in self.frames_of(campaign) {
            self.cancel_unsent(no);
            let Some(open) = self.frames.get_mut(&no) else { continue };
            let flying: HashSet<u16> = self
                .chunks
                .values()
                .filter(|chunk| chunk.no == no)
                .flat_map(|chunk| chunk.open.iter().copied())
                .collect();
            let retries = std::mem::take(&mut open.retries);
            let retrying: usize = retries.values().map(|retry| retry.slots.len()).sum();
            let ready: Vec<super::Group> = open.ready.drain(..).collect();
            let rows = ready.iter().filter_map(|group| group.row).chain(retries.keys().copied()).collect::<Vec<u16>>();
            // These hold their key. Slots that wait behind another are skipped when their turn comes, and slots that
            // nobody looked at hold nothing.
            let ready = ready.into_iter().flat_map(|group| group.slots);
            let holders: Vec<u16> =
                ready.chain(retries.values().flat_map(|retry| retry.slots.iter().copied())).collect();
            for slot in (0..open.side.count() as u16).filter(|slot| !flying.contains(slot)) {
                if open.side.state(slot) == State::Pending {
                    open.side.advance(slot, State::Cancelled, "");
                }
            }
            open.cursor = open.side.count();
            let (id, priority) = (open.id, open.priority);
            self.ending.extend(holders.into_iter().map(|slot| (no, slot)));
            self.queues[priority].retrying -= retrying;
            self.queues[priority].scan.retain(|other| *other != no);
            rows.into_iter().for_each(|first| self.next.retry_gone(id, first));
            self.make_dirty(no);
        }
    }

    fn frames_of(&self, campaign: Id) -> Vec<u32> {
        let mut list: Vec<u32> =
            self.frames.iter().filter(|(_, open)| open.campaign == Some(campaign)).map(|(no, _)| *no).collect();
        list.sort_unstable();
        list
    }

    fn drop_frame(&mut self, no: u32) {
        if let Some(open) = self.frames.remove(&no) {
            self.by_id.remove(&open.id);
            let queue = &mut self.queues[open.priority];
            queue.frames -= 1;
            queue.scan.retain(|other| *other != no);
        }
    }

    fn claim(&mut self, actions: &mut Vec<Action>) {
        for frame in self.done.drain(..) {
            actions.push(Action::Done { frame });
        }
        if self.stopped {
            return;
        }
        for (priority, queue) in self.queues.iter_mut().enumerate() {
            if !queue.claiming && !queue.dry && queue.scan.len() < CLAIM_AHEAD / 2 && !queue.is_stalled() {
                queue.claiming = true;
                queue.work = false;
                actions.push(Action::Claim { priority, after: queue.after, limit: CLAIM_AHEAD });
            }
        }
    }
}

impl Queue {
    pub(super) fn held(&self) -> usize {
        self.keys.waiting() + self.retrying
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.held() >= HELD_MAX || self.frames >= FRAMES_MAX
    }

    fn claim_again(&mut self) {
        self.after = 0;
        self.work();
    }

    /// A claim that is under way may have read before what is new: it is made again.
    fn work(&mut self) {
        self.dry = false;
        self.work = true;
    }
}

impl Open {
    pub(super) fn key(&self, slot: u16) -> u64 {
        self.keys.get(usize::from(slot)).copied().unwrap_or_default()
    }

    /// Nothing to send, nothing to store, no key held.
    fn is_done(&self) -> bool {
        !self.dirty && self.chunks == 0 && self.ready.is_empty() && self.retries.is_empty() && !self.side.has_pending()
    }

    fn under_way(&mut self, slots: &[u16]) {
        self.under_way.resize(self.side.count(), false);
        for slot in slots {
            if let Some(flag) = self.under_way.get_mut(usize::from(*slot)) {
                *flag = true;
            }
        }
    }

    fn make_ready(&mut self, slot: u16) {
        match self.ready.back_mut() {
            Some(group) if group.attempt == 0 && group.row.is_none() => group.slots.push(slot),
            _ => self.ready.push_back(super::Group { slots: vec![slot], attempt: 0, tries: 0, row: None }),
        }
    }
}

impl Chunk {
    fn in_doubt(no: u32, priority: usize, doubt: Doubt, single: bool, ghost: usize) -> Chunk {
        let requests =
            if single { doubt.slots.iter().map(|slot| vec![*slot]).collect() } else { vec![doubt.slots.clone()] };
        Chunk {
            no,
            priority,
            open: doubt.slots,
            tries: doubt.tries,
            unsent: VecDeque::new(),
            started_at: doubt.started_at,
            deadline: doubt.deadline,
            doubt: requests,
            resolves: 0,
            why: "restart".to_owned(),
            ghost,
            changed: false,
        }
    }
}
