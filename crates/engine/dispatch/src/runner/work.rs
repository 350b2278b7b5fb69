//! What a lane's one task does: waits for the next event, tells the machine, has its actions carried out, says how it is.

use std::sync::atomic::Ordering;
use std::time::Duration;

use naru_core::clock::Micros;
use naru_store::Engine;
use tokio::sync::{mpsc, oneshot};

use super::{End, Message, Order, Parts, Runner};
use crate::gauge::LaneGauges;
use crate::health::Said;
use crate::history::{self, Noted, Tally};
use crate::lane::pace::Caps;
use crate::lane::{Event, Now};
use crate::owner;
use crate::receipt::Stored;

/// Messages handled before actions are carried out once.
const GROUP_MAX: usize = 1_024;
/// How often the lane looks around without being told.
const TICK: Duration = Duration::from_secs(1);
/// How often what came to which state is noted for charts.
const NOTE_EVERY: Duration = Duration::from_secs(2);
/// How often it looks for frames that another instance took in: a sign-in code taken in elsewhere waits no longer.
const LOOK_ELSEWHERE: Duration = Duration::from_millis(250);
impl Runner {
    pub(super) async fn work(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut messages: mpsc::Receiver<Message>,
        mut receipts: mpsc::Receiver<Stored>,
    ) -> End {
        let _activity = self.parts.lifecycle.activity("a lane's requests");
        let mut group = Vec::with_capacity(GROUP_MAX);
        let mut until = self.parts.leash.until.clone();
        until.mark_changed();
        let tick = if self.parts.store.engine() == Engine::Postgres { LOOK_ELSEWHERE } else { TICK };
        // What is in the store waits for no event.
        self.carry_out();
        loop {
            let now = self.now();
            let wake =
                self.lane.wake_at(now).map_or(tick, |at| Duration::from_micros(at.saturating_sub(now.mono)).min(tick));
            tokio::select! {
                biased;
                _ = messages.recv_many(&mut group, GROUP_MAX) => group.drain(..).for_each(|message| self.take(message)),
                Some(order) = orders.recv() => self.obey(order),
                () = self.news.told.notified() => self.hear(),
                Some(stored) = receipts.recv(), if self.merge.has_room() => self.merge.take(stored),
                Ok(()) = until.changed() => {
                    let until = *until.borrow_and_update();
                    self.lost |= until == owner::LOST;
                    self.lane.apply(self.now(), Event::Leased { until });
                }
                () = self.parts.lifecycle.stopped(), if !self.leaving => self.leave(),
                () = tokio::time::sleep_until(tokio::time::Instant::now() + wake) => {}
            }
            self.look_around();
            self.merge_receipts();
            self.carry_out();
            self.tell_within_caps();
            let health = self.watch.look(self.lane.status(), &self.lane.outlets());
            for (outlet, health) in self.parts.outlets.iter().zip(&health.outlets) {
                outlet.gauges.show_outlet(health);
            }
            let tally = self.lane.take_tally();
            self.gauges().show(&health.status);
            self.count(tally);
            self.health.send_replace(health);
            if self.lost {
                tracing::error!(lane.name = self.parts.name, "another owner has taken the lane, this one stops");
                return End::Lost;
            }
            self.note_history();
            if self.leaving && self.lane.is_quiet() && self.merge.is_idle() {
                self.note_last().await;
                return End::Left;
            }
            if !self.lane.has_lease(self.now()) {
                self.parts.leash.short.notify_one();
            }
        }
    }

    fn count(&mut self, tally: Tally) {
        tally.values().for_each(|moved| self.gauges().ended(moved));
        if !tally.is_empty() {
            self.history.add(self.now().wall, tally);
        }
    }

    /// Notes every two seconds what came to which state.
    fn note_history(&mut self) {
        let now = self.now();
        if now.mono < self.note_at {
            return;
        }
        self.note_at = now.mono + NOTE_EVERY.as_micros() as Micros;
        let lines = self.history.take();
        if lines.is_empty() {
            return;
        }
        let parts = self.parts.clone();
        self.parts.lifecycle.spawn("history", async move { note(&parts, lines).await });
    }

    async fn note_last(&mut self) {
        let lines = self.history.take();
        if !lines.is_empty() {
            note(&self.parts, lines).await;
        }
    }

    fn leave(&mut self) {
        self.leaving = true;
        self.lane.apply(self.now(), Event::Stop);
    }

    /// Where several processes share a database, another one's frames are announced to nobody here.
    fn look_around(&mut self) {
        let now = self.now();
        if self.parts.store.engine() == Engine::Postgres && now.mono >= self.look_at {
            self.look_at = now.mono + LOOK_ELSEWHERE.as_micros() as Micros;
            self.news.of.iter().for_each(|news| news.store(true, Ordering::Relaxed));
            self.hear();
        }
    }

    fn hear(&mut self) {
        let now = self.now();
        for priority in 0..self.news.of.len() {
            if self.news.of[priority].swap(false, Ordering::Acquire) {
                self.lane.apply(now, Event::Work { priority });
            }
        }
    }

    pub(super) fn now(&self) -> Now {
        Now { mono: self.parts.clock.monotonic_us(), wall: self.parts.clock.now_ms() }
    }

    fn take(&mut self, message: Message) {
        let now = self.now();
        match message {
            Message::Claimed { priority, frames, more } => {
                self.claims -= 1;
                let (loaded, bodies): (Vec<_>, Vec<_>) = frames.into_iter().unzip();
                for (loaded, body) in loaded.iter().zip(bodies) {
                    self.remember(loaded.id, body);
                }
                self.lane.apply(now, Event::Claimed { priority, frames: loaded, more });
            }
            Message::ClaimFailed { priority } => {
                self.claims -= 1;
                self.lane.apply(now, Event::ClaimFailed { priority });
            }
            Message::Asked { chunk, denied } => self.lane.apply(now, Event::Asked { chunk, denied }),
            Message::Saved { lost } => {
                self.saves.1 += 1;
                self.lost |= lost;
                self.lane.apply(now, Event::Saved);
            }
            Message::Event(event) => {
                let said = self.said(&event, now);
                self.lane.apply(now, event);
                if let Some((outlet, said, rests)) = said {
                    let half_open = self.lane.outlet(outlet).is_some_and(|status| status.half_open);
                    self.watch.hear(outlet, said, rests, half_open);
                }
            }
            Message::Merged { merged } => {
                self.lost |= merged.is_none();
                let merged = merged.unwrap_or_default();
                self.gauges().merged(&merged);
                self.history.add(now.wall, merged.moved);
                self.merge.stored();
                let waiting = std::mem::take(&mut self.waiting_claims);
                waiting.into_iter().for_each(|action| self.act(action));
            }
        }
    }

    /// What an event tells of an outlet's provider, and whether that one rests.
    fn said(&mut self, event: &Event, now: Now) -> Option<(usize, Said, bool)> {
        let (Event::Answered { chunk, .. } | Event::LookedUp { chunk, .. }) = event else { return None };
        let outlet = self.lane.outlet_of(chunk)?;
        if let Event::Answered { answer, .. } = event {
            self.parts.outlets.get(outlet)?.gauges.answered(answer);
        }
        let rests = self.lane.outlet(outlet)?.blocked_until > now.mono;
        Some((outlet, Said::by(event)?, rests))
    }

    /// The lane's own numbers.
    pub(super) fn gauges(&self) -> &LaneGauges {
        &self.parts.outlets[0].gauges
    }

    fn obey(&mut self, order: Order) {
        let now = self.now();
        match order {
            Order::Event(event, done) => {
                self.lane.apply(now, event);
                let _ = done.send(());
            }
            Order::Leave => self.leave(),
            Order::Cap(outlet, caps, done) => self.cap(now, outlet, caps, done),
            Order::Cancel(campaign, done) => {
                self.lane.apply(now, Event::CancelCampaign { campaign });
                let held = self.lane.frames_in_memory();
                let parts = self.parts.clone();
                self.parts.lifecycle.spawn("cancel", async move {
                    let _ = done.send(parts.rest().cancel(campaign, held).await);
                });
            }
        }
    }

    fn cap(&mut self, now: Now, no: usize, caps: Caps, done: oneshot::Sender<()>) {
        let Some(outlet) = self.parts.outlets.get(no) else { return };
        outlet.provider.keep_within(&caps);
        let requests = caps.requests.map(|max| outlet.provider.starts_per_second_max(max));
        self.lane.apply(now, Event::Capped { outlet: no, caps: Caps { requests, ..caps } });
        self.capped.retain(|(other, _)| *other != no);
        self.capped.push((no, done));
    }

    /// Answers those who wait for an outlet to be within its caps.
    fn tell_within_caps(&mut self) {
        let (within, others) = self.capped.drain(..).partition(|(outlet, _)| self.lane.is_within_caps(*outlet));
        self.capped = others;
        let within: Vec<(usize, oneshot::Sender<()>)> = within;
        for (_, done) in within {
            // Who asked and is gone has given the lane up.
            let _ = done.send(());
            self.parts.leash.owner.notify_one();
        }
    }
}

/// A chart that lacks a bar is no reason to hold anything up.
async fn note(parts: &Parts, lines: Vec<Noted>) {
    if let Err(error) = history::note(&parts.store, &parts.shard, lines).await {
        tracing::warn!(lane.name = parts.name, error = %error, "what was sent could not be noted for charts");
    }
}
