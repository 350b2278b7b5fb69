//! Which messages go next: the oldest whose key is free, most urgent purpose first, from one frame at a time.

use naru_core::clock::Micros;

use super::frames::chunk_key;
use super::outlet::Outlet;
use super::{Action, Chunk, Group, Lane, Now, Retry};
use crate::side::State;

/// Frames looked at in one go: bounds a step when everything there is waits.
const LOOKS_MAX: usize = 64;

impl Lane {
    /// By the first outlet that is well; by those before it as much as finds out whether they are well again.
    pub(super) fn choose(&mut self, now: Now, actions: &mut Vec<Action>) {
        for outlet in 0..self.outlets.len() {
            if self.outlets[outlet].joined {
                self.choose_for(now, outlet, actions);
            }
            if self.outlets[outlet].is_well() {
                return;
            }
        }
    }

    fn choose_for(&mut self, now: Now, no: usize, actions: &mut Vec<Action>) {
        loop {
            let outlet = &self.outlets[no];
            if !outlet.has_room() || outlet.choice_opens_at(now.mono) > now.mono {
                return;
            }
            // What finds out whether anybody is there is not urgent where another outlet carries meanwhile, and nobody's
            // message is risked as long as a doubt may tell as well.
            let tries = outlet.breaker.is_open() && self.outlets.iter().any(Outlet::is_well);
            let waits = tries && outlet.breaker.has_just_opened();
            if waits && self.chunks.values().any(|chunk| chunk.outlet == Some(no)) {
                return;
            }
            let size = outlet.size_max().min(outlet.day_left(now));
            if size == 0 {
                return;
            }
            let look = |priority: usize| if tries { self.queues.len() - 1 - priority } else { priority };
            let order: [usize; 3] = [look(0), look(1), look(2)];
            let found = order.into_iter().find_map(|priority| self.choose_from(now, priority, size));
            let Some((frame, group)) = found else { return };
            self.begin_chunk(no, frame, group, actions);
        }
    }

    /// When the next look for messages pays, where there are any and it is not now.
    pub(super) fn next_choice_at(&self, now: Now) -> Option<Micros> {
        if self.queues.iter().all(|queue| queue.ready.is_empty() && queue.scan.is_empty()) {
            return None;
        }
        let well = self.outlets.iter().position(Outlet::is_well).map_or(self.outlets.len(), |first| first + 1);
        let used = self.outlets[..well].iter().filter(|outlet| outlet.joined && outlet.has_room());
        // Should others not have started by then, their start is what opens it.
        used.map(|outlet| outlet.choice_opens_at(0)).filter(|at| *at > now.mono).min()
    }

    fn choose_from(&mut self, now: Now, priority: usize, size: usize) -> Option<(u32, Group)> {
        self.choose_ready(now, priority, size).or_else(|| self.choose_new(now, priority, size))
    }

    /// Slots that waited for an earlier message or for a retry: older than anything that nobody looked at.
    fn choose_ready(&mut self, now: Now, priority: usize, size: usize) -> Option<(u32, Group)> {
        for _ in 0..LOOKS_MAX {
            let no = *self.queues[priority].ready.front()?;
            let paused = self.campaign_of(no).is_some_and(|campaign| self.paused_campaigns.contains(&campaign));
            let Some(open) = self.frames.get_mut(&no) else {
                self.queues[priority].ready.pop_front();
                continue;
            };
            let group = if paused { None } else { open.ready.pop_front() };
            let Some(group) = group else {
                // A paused campaign's frames line up again when it goes on.
                open.in_ready = false;
                self.queues[priority].ready.pop_front();
                continue;
            };
            let group = self.take_from(now, no, group, size);
            if !group.slots.is_empty() {
                return Some((no, group));
            }
        }
        None
    }

    /// As much of a group as can start and fits one chunk.
    fn take_from(&mut self, now: Now, no: u32, mut group: Group, size: usize) -> Group {
        let rest = group.slots.split_off(size.min(group.slots.len()));
        let taken = group.slots.len();
        let slots = std::mem::take(&mut group.slots);
        group.slots = slots.into_iter().filter(|slot| self.can_start(now, no, *slot)).collect();
        let Some(open) = self.frames.get_mut(&no) else { return group };
        let split = group.slots.len() < taken || !rest.is_empty();
        if let Some(first) = group.row.filter(|_| split) {
            // The row is replaced by one for each part, and what ended is in none: after a restart it would hold a key
            // that is another's by then.
            self.next.retry_gone(open.id, first);
            for slots in [&group.slots, &rest].into_iter().filter(|slots| !slots.is_empty()) {
                let (slots, attempt, tries) = (slots.clone(), group.attempt, group.tries);
                self.next.retries.push((open.id, Retry { slots, due_at: now.wall, attempt, tries }));
            }
        }
        let row = |slots: &[u16]| group.row.and(slots.first().copied());
        if !rest.is_empty() {
            let row = row(&rest);
            open.ready.push_front(Group { slots: rest, attempt: group.attempt, tries: group.tries, row });
        }
        group.row = row(&group.slots);
        group
    }

    /// Whether a slot that holds its key can start; one that cannot, because a report came first or it is too late,
    /// gives the key back.
    fn can_start(&mut self, now: Now, no: u32, slot: u16) -> bool {
        let over = self.frames.get(&no).is_none_or(|open| open.is_over(slot, now.wall));
        if over {
            self.end(no, slot, State::Expired, "expired");
        }
        !over
    }

    fn choose_new(&mut self, now: Now, priority: usize, size: usize) -> Option<(u32, Group)> {
        for _ in 0..LOOKS_MAX {
            if self.queues[priority].is_stalled() {
                return None;
            }
            let no = *self.queues[priority].scan.front()?;
            let slots = self.look_at(now, no, size);
            if self.frames.get(&no).is_none_or(|open| open.cursor >= open.side.count()) {
                self.queues[priority].scan.pop_front();
                // A frame of which nothing was left to look at, such as one whose reports came first.
                self.forget_if_done(no);
            }
            if !slots.is_empty() {
                return Some((no, Group { slots, attempt: 0, tries: 0, row: None }));
            }
        }
        None
    }

    /// Goes through slots that nobody looked at until `size` can start.
    fn look_at(&mut self, now: Now, no: u32, size: usize) -> Vec<u16> {
        let Some(open) = self.frames.get_mut(&no) else { return Vec::new() };
        let keys = &mut self.queues[open.priority].keys;
        let mut slots = Vec::with_capacity(size.min(open.side.count() - open.cursor));
        let mut expired = Vec::new();
        while slots.len() < size && open.cursor < open.side.count() {
            let slot = open.cursor as u16;
            open.cursor += 1;
            let under_way = open.under_way.get(usize::from(slot)).copied().unwrap_or(false);
            if under_way || open.side.state(slot) != State::Pending || !keys.take(open.key(slot), (no, slot)) {
                continue;
            }
            if open.is_expired(slot, now.wall) { expired.push(slot) } else { slots.push(slot) }
        }
        expired.into_iter().for_each(|slot| self.end(no, slot, State::Expired, "expired"));
        slots
    }

    fn begin_chunk(&mut self, outlet: usize, no: u32, group: Group, actions: &mut Vec<Action>) {
        let Some(open) = self.frames.get_mut(&no) else { return };
        open.chunks += 1;
        let (key, priority) = (chunk_key(open.id, &group), open.priority);
        let single = self.outlets[outlet].is_single();
        self.chunks.insert(key, Chunk::chosen(no, priority, outlet, single, &group));
        self.outlets[outlet].count_unsent(group.slots.len());
        self.outlets[outlet].asking += group.slots.len();
        actions.push(Action::Ask { outlet, chunk: key, slots: group.slots, priority });
    }
}
