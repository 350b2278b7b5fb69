//! The machine's actions, each carried out by a task of its own whose message comes back.

use std::sync::Arc;
use std::time::Duration;

use naru_core::failure::Kind;
use naru_core::id::Id;
use naru_core::lifecycle::Lifecycle;

use super::task::{ask, claim, read_frame, request_key, save_until_stored, send, tell_damage};
use super::{Message, Runner};
use crate::consent::Permit;
use crate::frame::Frame;
use crate::lane::{Action, ChunkKey, Event, Save};

/// Unpacked frames in memory, about 200 kB each; one that is gone is read again.
const FRAMES_MAX: usize = 96;
impl Runner {
    pub(super) fn carry_out(&mut self) {
        // Each round may free the next: consent answered at once leads to a save. Bounded by what a lane holds.
        loop {
            let actions = self.lane.pump(self.now());
            if actions.is_empty() {
                return;
            }
            actions.into_iter().for_each(|action| self.act(action));
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Claim { priority, after, limit } => {
                if self.merge.is_storing() {
                    self.waiting_claims.push(Action::Claim { priority, after, limit });
                } else {
                    self.claim(priority, after, limit);
                }
            }
            Action::Ask { outlet, chunk, slots, priority } => self.ask(outlet, chunk, slots, priority),
            Action::Save(save) => self.save(save),
            Action::Send { outlet, single, chunk, slots } => self.send(outlet, single, chunk, slots),
            Action::Lookup { outlet, single, chunk, slots } => self.lookup(outlet, single, chunk, slots),
            Action::Done { frame } => {
                self.frames.remove(&frame);
            }
        }
    }

    fn claim(&mut self, priority: usize, after: i64, limit: usize) {
        self.claims += 1;
        let (parts, messages) = (self.parts.clone(), self.messages.clone());
        self.parts.lifecycle.spawn("claim", async move {
            let message = match claim(&parts, priority, after, limit).await {
                Ok((frames, more)) => Message::Claimed { priority, frames, more },
                Err(error) => {
                    tracing::warn!(lane.name = parts.name, error = %error, "frames could not be claimed, trying again");
                    pause(&parts.lifecycle, Duration::from_millis(500)).await;
                    Message::ClaimFailed { priority }
                }
            };
            let _ = messages.send(message).await;
        });
    }

    fn ask(&mut self, outlet: usize, chunk: ChunkKey, slots: Vec<u16>, priority: usize) {
        if let Some(frame) = self.frames.get(&chunk.frame).cloned() {
            let denied = ask(&self.parts, outlet, &frame, &slots, priority);
            self.lane.apply(self.now(), Event::Asked { chunk, denied });
            return;
        }
        let (parts, messages) = (self.parts.clone(), self.messages.clone());
        self.parts.lifecycle.spawn("ask", async move {
            let all = |permit: Permit| slots.iter().map(|slot| (*slot, permit.clone())).collect();
            let denied = match read_frame(&parts, chunk.frame).await {
                Ok(frame) => ask(&parts, outlet, &frame, &slots, priority),
                // A database that does not answer says nothing about the frame: it is tried again.
                Err(failure) if failure.kind == Kind::Unavailable => all(Permit::Hold(parts.clock.now_ms() + 10_000)),
                // Whoever cannot be asked about is sent nothing.
                Err(failure) => all(Permit::Suppress(tell_damage(&parts, chunk.frame, &failure))),
            };
            let _ = messages.send(Message::Asked { chunk, denied }).await;
        });
    }

    fn save(&mut self, save: Save) {
        self.saves.0 += 1;
        self.gauges().count(&save);
        let (parts, messages) = (self.parts.clone(), self.messages.clone());
        let activity = self.parts.lifecycle.activity("outcomes being stored");
        self.parts.lifecycle.spawn("save", async move {
            let lost = save_until_stored(&parts, save).await;
            drop(activity);
            let _ = messages.send(Message::Saved { lost }).await;
        });
    }

    fn send(&mut self, outlet: usize, single: bool, chunk: ChunkKey, slots: Vec<u16>) {
        let (parts, messages, roll) = (self.parts.clone(), self.messages.clone(), self.roll());
        let frame = self.frames.get(&chunk.frame).cloned();
        let activity = self.parts.lifecycle.activity("requests on their way");
        self.parts.lifecycle.spawn("send", async move {
            let answer = send(&parts, outlet, frame, (chunk, single), &slots).await;
            drop(activity);
            let _ = messages.send(Message::Event(Event::Answered { chunk, slots, answer, roll })).await;
        });
    }

    fn lookup(&mut self, outlet: usize, single: bool, chunk: ChunkKey, slots: Vec<u16>) {
        let (parts, messages, roll) = (self.parts.clone(), self.messages.clone(), self.roll());
        self.parts.lifecycle.spawn("lookup", async move {
            let by = &parts.outlets[outlet];
            let key = request_key(&chunk, &slots, single);
            let found = match tokio::time::timeout(by.timeout, by.provider.lookup(&key)).await {
                Ok(found) => found,
                Err(_) => Err("lookup-timed-out".to_owned()),
            };
            let _ = messages.send(Message::Event(Event::LookedUp { chunk, slots, found, roll })).await;
        });
    }

    pub(super) fn merge_receipts(&mut self) {
        let now = self.now();
        self.merge.forget_merged(self.saves.1, &self.parts.lifecycle);
        if self.claims > 0 || !self.merge.is_due(now.mono) {
            return;
        }
        let (held, others) = self.merge.split(now.mono, |frame| self.lane.holds(frame));
        for (frame, ends) in held {
            self.lane.apply(now, Event::Reported { frame, ends });
        }
        // What the lane holds is in its next save where that changed anything, else in those that were given out.
        self.merge.held_in(self.saves.0 + u64::from(self.lane.has_changed()));
        if others.is_empty() {
            return self.merge.stored();
        }
        let (parts, messages) = (self.parts.clone(), self.messages.clone());
        let work = self.merge.store(others, now.wall);
        let activity = self.parts.lifecycle.activity("receipts being merged");
        self.parts.lifecycle.spawn("merge", async move {
            let merged = loop {
                match work().await {
                    Ok(merged) => break merged,
                    Err(error) => {
                        tracing::warn!(lane.name = parts.name, error = %error, "receipts could not be merged, trying again");
                        pause(&parts.lifecycle, Duration::from_millis(500)).await;
                    }
                }
            };
            drop(activity);
            let _ = messages.send(Message::Merged { merged }).await;
        });
    }

    pub(super) fn remember(&mut self, id: Id, frame: Arc<Frame>) {
        if self.frames.insert(id, frame).is_none() {
            self.recent.push_back(id);
        }
        while self.frames.len() > FRAMES_MAX {
            let Some(oldest) = self.recent.pop_front() else { break };
            self.frames.remove(&oldest);
        }
        if self.recent.len() > FRAMES_MAX * 4 {
            self.recent.retain(|id| self.frames.contains_key(id));
        }
    }

    /// A number nobody can foresee matters little here: jitter only has to differ between instances and moments.
    fn roll(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(self.parts.clock.monotonic_us()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.seed ^ (self.seed >> 29)
    }
}

async fn pause(lifecycle: &Lifecycle, time: Duration) {
    tokio::select! {
        () = lifecycle.stopped() => tokio::task::yield_now().await,
        () = tokio::time::sleep_until(tokio::time::Instant::now() + time) => {}
    }
}
