//! Frames on their way in from the store and, once all of them is stored, out of memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use naru_core::clock::Millis;
use naru_core::id::Id;

use super::{
    Action, CLAIM_AHEAD, Chunk, ChunkKey, Doubt, FRAMES_MAX, Group, HELD_MAX, Lane, Loaded, Now, Open, Queue, Retry,
};
use crate::side::State;

impl Lane {
    /// Frames with something under way: their keys are held at once, their other slots wait until they are claimed.
    pub(super) fn restored(&mut self, now: Now, priority: usize, frames: Vec<Loaded>) {
        for loaded in frames {
            if self.by_id.contains_key(&loaded.id) {
                continue;
            }
            let campaign = loaded.campaign;
            let no = self.load(now, priority, loaded);
            if campaign.is_some_and(|campaign| self.cancelled_campaigns.contains(&campaign)) {
                self.cancel_frame(now, no);
            }
        }
    }

    pub(super) fn claimed(&mut self, now: Now, priority: usize, frames: Vec<Loaded>, more: bool) {
        let queue = &mut self.queues[priority];
        let gone = std::mem::take(&mut queue.gone);
        if queue.claim_over() {
            return;
        }
        queue.dry = !more && !queue.work;
        for loaded in frames {
            self.queues[priority].after = self.queues[priority].after.max(loaded.seq);
            // A paused campaign's frames are claimed again when it goes on. Those of a cancelled one that are not in
            // memory are ended in the store.
            let kept_back = loaded.campaign.is_some_and(|campaign| {
                self.paused_campaigns.contains(&campaign) || self.cancelled_campaigns.contains(&campaign)
            });
            if kept_back || gone.contains(&loaded.id) {
                continue;
            }
            let no = match self.by_id.get(&loaded.id) {
                Some(no) => *no,
                None => self.load(now, priority, loaded),
            };
            self.place(no);
        }
    }

    fn load(&mut self, now: Now, priority: usize, loaded: Loaded) -> u32 {
        let no = self.next_no;
        self.next_no = self.next_no.wrapping_add(1);
        self.by_id.insert(loaded.id, no);
        let open = Open::new(priority, loaded.id, loaded.campaign, loaded.keys, loaded.expires, loaded.side);
        self.frames.insert(no, open);
        for retry in loaded.retries {
            self.hold(no, &retry.slots);
            self.wait_for(no, retry);
        }
        for doubt in loaded.doubts {
            self.hold(no, &doubt.slots);
            self.load_doubt(now, no, priority, doubt);
        }
        no
    }

    /// Slots that were under way before: their keys are busy, and nobody looks at them again.
    fn hold(&mut self, no: u32, slots: &[u16]) {
        let Some(open) = self.frames.get_mut(&no) else { return };
        open.under_way.resize(open.side.count(), false);
        for slot in slots {
            self.queues[open.priority].keys.hold(open.key(*slot));
            if let Some(flag) = open.under_way.get_mut(usize::from(*slot)) {
                *flag = true;
            }
        }
    }

    fn load_doubt(&mut self, now: Now, no: u32, priority: usize, doubt: Doubt) {
        let outlet = doubt.outlet.and_then(|outlet| self.outlets.get_mut(outlet));
        let single = doubt.single.unwrap_or_else(|| outlet.as_ref().is_some_and(|outlet| outlet.is_single()));
        let ghost = if single { doubt.slots.len() } else { 1 };
        if let Some(outlet) = outlet {
            outlet.in_flight += ghost;
            outlet.ghosts += ghost;
        }
        self.queues[priority].doubtful += doubt.slots.len();
        self.doubts.push(Reverse((doubt.deadline.max(now.wall), doubt.key)));
        if let Some(open) = self.frames.get_mut(&no) {
            open.chunks += 1;
        }
        self.chunks.insert(doubt.key, Chunk::in_doubt(no, priority, doubt, single, ghost));
    }

    /// Keeps a retry until it is due.
    pub(super) fn wait_for(&mut self, no: u32, retry: Retry) {
        let Some(first) = retry.slots.first().copied() else { return };
        let Some(open) = self.frames.get_mut(&no) else { return };
        self.queues[open.priority].retrying += retry.slots.len();
        self.retries.push(Reverse((retry.due_at, no, first)));
        open.retries.insert(first, retry);
    }

    /// Gives a frame its turn among those whose slots are looked at.
    fn place(&mut self, no: u32) {
        let Some(open) = self.frames.get_mut(&no).filter(|open| !open.placed) else { return };
        open.placed = true;
        let queue = &mut self.queues[open.priority];
        queue.placed += 1;
        if open.cursor < open.side.count() {
            queue.scan.push_back(no);
        }
    }

    /// Takes the turn back: the frame is claimed again.
    pub(super) fn unplace(&mut self, no: u32) {
        let Some(open) = self.frames.get_mut(&no).filter(|open| open.placed) else { return };
        open.placed = false;
        let queue = &mut self.queues[open.priority];
        queue.placed -= 1;
        queue.scan.retain(|other| *other != no);
    }

    pub(super) fn forget_if_done(&mut self, no: u32) {
        let done = self.frames.get(&no).is_some_and(|open| open.is_idle() && !open.side.has_pending());
        if done && let Some(frame) = self.forget(no) {
            self.done.push(frame);
        }
    }

    /// Takes a frame out of memory; whatever it held must be stored.
    pub(super) fn forget(&mut self, no: u32) -> Option<Id> {
        self.unplace(no);
        let open = self.frames.remove(&no)?;
        self.by_id.remove(&open.id);
        let queue = &mut self.queues[open.priority];
        if queue.claiming {
            queue.gone.insert(open.id);
        }
        Some(open.id)
    }

    pub(super) fn frames_of(&self, campaign: Id) -> Vec<u32> {
        let mut list: Vec<u32> =
            self.frames.iter().filter(|(_, open)| open.campaign == Some(campaign)).map(|(no, _)| *no).collect();
        list.sort_unstable();
        list
    }

    /// Tells what was forgotten and asks for more where it runs low.
    pub(super) fn claim(&mut self, actions: &mut Vec<Action>) {
        actions.extend(self.done.drain(..).map(|frame| Action::Done { frame }));
        if self.stopped {
            return;
        }
        for (priority, queue) in self.queues.iter_mut().enumerate() {
            let low = queue.scan.len() < CLAIM_AHEAD / 2 && !queue.is_full() && !queue.is_stalled();
            if low && !queue.claiming && !queue.dry {
                queue.claiming = true;
                queue.work = false;
                actions.push(Action::Claim { priority, after: queue.after, limit: CLAIM_AHEAD });
            }
        }
    }
}

impl Queue {
    pub(super) fn held(&self) -> usize {
        self.keys.waiting() + self.retrying + self.doubtful
    }

    /// Too much is held for new messages to be looked at.
    pub(super) fn is_stalled(&self) -> bool {
        self.held() >= HELD_MAX
    }

    /// Too many frames are in memory for more to be claimed; those that are there go on.
    pub(super) fn is_full(&self) -> bool {
        self.placed >= FRAMES_MAX
    }

    pub(super) fn claim_again(&mut self) {
        self.after = 0;
        self.again = self.claiming;
        self.work();
    }

    /// A claim that is under way may have read before what is new: it is made again.
    pub(super) fn work(&mut self) {
        self.dry = false;
        self.work = true;
    }

    /// A claim came back; answers whether what it gives is out of date.
    pub(super) fn claim_over(&mut self) -> bool {
        self.claiming = false;
        self.gone.clear();
        std::mem::take(&mut self.again)
    }
}

impl Open {
    fn new(
        priority: usize,
        id: Id,
        campaign: Option<Id>,
        keys: Vec<u64>,
        expires: Vec<Millis>,
        side: crate::side::Side,
    ) -> Open {
        Open {
            id,
            priority,
            campaign,
            keys,
            expires,
            side,
            cursor: 0,
            under_way: Vec::new(),
            ready: VecDeque::new(),
            retries: BTreeMap::new(),
            chunks: 0,
            ending: 0,
            dirty: false,
            saving: false,
            in_ready: false,
            placed: false,
        }
    }

    pub(super) fn key(&self, slot: u16) -> u64 {
        self.keys.get(usize::from(slot)).copied().unwrap_or_default()
    }

    pub(super) fn is_expired(&self, slot: u16, at: Millis) -> bool {
        self.expires.get(usize::from(slot)).is_some_and(|expires_at| *expires_at <= at)
    }

    /// Whether nothing can come of asking about this slot or sending it again.
    pub(super) fn is_over(&self, slot: u16, at: Millis) -> bool {
        self.side.state(slot) != State::Pending || self.is_expired(slot, at)
    }

    /// No slot is under way, no key held, nothing to store.
    pub(super) fn is_idle(&self) -> bool {
        let settled = !self.dirty && !self.saving && self.ending == 0;
        settled && self.chunks == 0 && self.ready.is_empty() && self.retries.is_empty()
    }

    /// Slots whose turn has come for the first time.
    pub(super) fn make_ready(&mut self, slot: u16) {
        match self.ready.back_mut() {
            Some(group) if group.attempt == 0 && group.row.is_none() => group.slots.push(slot),
            _ => self.ready.push_back(Group { slots: vec![slot], attempt: 0, tries: 0, row: None }),
        }
    }
}

impl Chunk {
    /// Slots that were chosen together and are being asked about.
    pub(super) fn chosen(no: u32, priority: usize, outlet: usize, single: bool, group: &Group) -> Chunk {
        Chunk {
            no,
            priority,
            outlet: Some(outlet),
            single,
            open: group.slots.clone(),
            tries: group.tries,
            row: group.row,
            unsent: VecDeque::new(),
            repeats: VecDeque::new(),
            started_at: 0,
            deadline: 0,
            start_by: 0,
            day: 0,
            doubt: Vec::new(),
            resolves: 0,
            put_back: false,
            why: String::new(),
            ghost: 0,
            changed: false,
        }
    }

    fn in_doubt(no: u32, priority: usize, doubt: Doubt, single: bool, ghost: usize) -> Chunk {
        let (requests, outlet) = (requests(single, &doubt.slots), doubt.outlet);
        let group = Group { slots: doubt.slots, attempt: doubt.key.attempt, tries: doubt.tries, row: None };
        Chunk {
            started_at: doubt.started_at,
            deadline: doubt.deadline,
            day: naru_core::clock::seoul_day(doubt.started_at),
            doubt: requests.into(),
            why: if outlet.is_some() { "restart" } else { "account-gone" }.to_owned(),
            ghost,
            outlet,
            ..Chunk::chosen(no, priority, 0, single, &group)
        }
    }
}

/// A chunk's requests: one a slot for single sends.
pub(super) fn requests(single: bool, slots: &[u16]) -> VecDeque<Vec<u16>> {
    if single { slots.iter().map(|slot| vec![*slot]).collect() } else { [slots.to_vec()].into() }
}

/// How a chunk is named.
pub(super) fn chunk_key(frame: Id, group: &Group) -> ChunkKey {
    ChunkKey { frame, first: group.slots[0], attempt: group.attempt }
}
