//! Runs a lane: carries the machine's actions out and brings what happened back to it.
//!
//! One task owns the machine and never waits for anything but its next event; claims, saves, sends and merges run in
//! tasks of their own and come back as messages. Rendering happens in the sending task, from the stored frame, so that
//! a request made again after a crash is the same to the byte.

mod task;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use naru_core::clock::{Clock, Micros};
use naru_core::failure::{Failure, Kind};
use naru_core::id::Id;
use naru_core::lifecycle::Lifecycle;
use naru_store::{Engine, Store};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::cancel::Rest;
use crate::consent::{Consent, Permit};
use crate::frame::Frame;
use crate::gauge::LaneGauges;
use crate::health::{Health, OutletHealth, Said, Watch};
use crate::history::{self, History, Noted, Tally};
use crate::lane::pace::Caps;
use crate::lane::{Action, ChunkKey, Event, Lane, Loaded, Now, Save};
use crate::merge::{Merge, Merged};
use crate::message::Channel;
use crate::owner;
use crate::provider::Provider;
use crate::receipt::Stored;
use crate::rows::OutletName;
use crate::shard::Shard;
use crate::templates::Templates;

use task::{ask, claim, read_frame, save_until_stored, send, tell_damage};
pub use task::{load, request_key};

/// Messages to the runner that may wait. Senders are its own tasks, bounded by what is in flight.
const MESSAGES_MAX: usize = 65_536;
/// Messages handled before actions are carried out once.
const GROUP_MAX: usize = 1_024;
/// Unpacked frames in memory, about 200 kB each; one that is gone is read again.
const FRAMES_MAX: usize = 96;
/// How often the lane looks around without being told.
const TICK: Duration = Duration::from_secs(1);
/// How often what came to which state is noted for charts.
const NOTE_EVERY: Duration = Duration::from_secs(2);
/// How often it looks for frames that another instance took in: a sign-in code taken in elsewhere waits no longer.
const LOOK_ELSEWHERE: Duration = Duration::from_millis(250);

/// What the runner needs.
pub struct Parts {
    /// What it carries.
    pub shard: Shard,
    /// That as logs name it.
    pub name: String,
    /// Its medium.
    pub channel: Channel,
    /// The database.
    pub store: Store,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Start and end of tasks.
    pub lifecycle: Lifecycle,
    /// Where messages leave: its own account, then those that stand by.
    pub outlets: Vec<Outlet>,
    /// Who may be sent what.
    pub consent: Arc<dyn Consent>,
    /// Rendering.
    pub templates: Templates,
    /// This owner's fence.
    pub fence: i64,
    /// How long the lane is this owner's.
    pub leash: Leash,
}

/// One account that the lane sends by.
pub struct Outlet {
    /// The lane that it is configured as.
    pub lane: String,
    /// What is spoken to.
    pub provider: Arc<dyn Provider>,
    /// The only recipients, where set.
    pub allow_list: Option<HashSet<String>>,
    /// After this a request counts as unknown.
    pub timeout: Duration,
    /// Numbers for `/metrics`.
    pub gauges: LaneGauges,
}

impl Parts {
    /// The outlets as rows name them.
    pub fn outlet_names(&self) -> Vec<OutletName> {
        self.outlets.iter().map(|outlet| (outlet.lane.clone(), i64::from(outlet.provider.version()))).collect()
    }

    /// What of the lane is in the store.
    pub fn rest(&self) -> Rest<'_> {
        Rest { store: &self.store, clock: self.clock.as_ref(), shard: &self.shard, fence: self.fence }
    }

    /// Whether the lease lasts: a process that froze after the lane decided sends nothing when it goes on.
    fn is_leased(&self) -> bool {
        self.clock.monotonic_us() < *self.leash.until.borrow()
    }
}

/// How long a lane is its owner's.
#[derive(Clone)]
pub struct Leash {
    /// When its lease ends, on the monotonic clock.
    pub until: watch::Receiver<Micros>,
    /// Told when it ends soon.
    pub short: Arc<Notify>,
    /// Told when the lane has ended, or is within caps that it was given.
    pub owner: Arc<Notify>,
}

/// How a running lane ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In good order: nothing is on its way and everything is stored.
    Left,
    /// Another owner has it.
    Lost,
}

/// Said to a running lane from outside.
pub enum Order {
    /// Something the machine knows, answered once it was taken.
    Event(Event, oneshot::Sender<()>),
    /// Other caps of an outlet; answered once all that is or will be on its way there is within them.
    Cap(usize, Caps, oneshot::Sender<()>),
    /// Cancels what is not in memory too.
    Cancel(Id, oneshot::Sender<Result<(), Failure>>),
    /// Ends the lane in good order.
    Leave,
}

/// A running lane.
#[derive(Clone)]
pub struct Running {
    orders: mpsc::Sender<Order>,
    news: Arc<News>,
    health: watch::Receiver<Health>,
    outlets: Arc<[String]>,
}

/// Which priorities may have new frames. However often it is told before the lane looks: one look is enough.
#[derive(Default)]
struct News {
    of: [AtomicBool; 3],
    told: Notify,
}

impl Running {
    /// Says something to the lane.
    pub async fn order(&self, order: Order) {
        // A lane that ended reads everything from the store when it comes back.
        let _ = self.orders.send(order).await;
    }

    /// Asks it to end in good order; answers whether it was asked.
    pub fn leave(&self) -> bool {
        self.orders.try_send(Order::Leave).is_ok()
    }

    /// Tells it that the store may hold new frames of a priority; never waits.
    pub fn wake(&self, priority: usize) {
        self.news.of[priority].store(true, Ordering::Release);
        self.news.told.notify_one();
    }

    /// How it is.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// The lane by whose account messages leave now.
    pub fn leaves_by(&self) -> Option<String> {
        let health = self.health.borrow();
        let well = health.outlets.iter().position(|outlet| outlet.status.joined && !outlet.status.open)?;
        self.outlets.get(well).cloned()
    }

    /// How the account of `lane` is, where it is one of its outlets.
    pub fn outlet(&self, lane: &str) -> Option<OutletHealth> {
        let no = self.outlets.iter().position(|outlet| outlet == lane)?;
        self.health.borrow().outlets.get(no).cloned()
    }
}

/// What the runner's own tasks bring back.
enum Message {
    Claimed { priority: usize, frames: Vec<(Loaded, Arc<Frame>)>, more: bool },
    ClaimFailed { priority: usize },
    Asked { chunk: ChunkKey, denied: Vec<(u16, Permit)> },
    Saved { lost: bool },
    Event(Event),
    Merged { merged: Option<Merged> },
}

/// Starts a lane, which was told what an earlier owner left of it, and tells how it ended.
pub fn start(parts: Parts, lane: Lane, receipts: mpsc::Receiver<Stored>) -> (Running, oneshot::Receiver<End>) {
    let (end, ended) = oneshot::channel();
    let (orders, order_receiver) = mpsc::channel(1_024);
    let (messages, message_receiver) = mpsc::channel(MESSAGES_MAX);
    let (health_sender, health) = watch::channel(Health::default());
    let outlets: Arc<[String]> = parts.outlets.iter().map(|outlet| outlet.lane.clone()).collect();
    let (parts, news) = (Arc::new(parts), Arc::new(News::default()));
    let runner = Runner {
        merge: Merge::new(parts.store.clone(), parts.shard.clone(), parts.fence),
        parts: parts.clone(),
        lane,
        messages,
        news: news.clone(),
        frames: HashMap::new(),
        recent: VecDeque::new(),
        claims: 0,
        waiting_claims: Vec::new(),
        saves: (0, 0),
        seed: 0,
        look_at: 0,
        history: History::default(),
        note_at: 0,
        leaving: false,
        lost: false,
        capped: Vec::new(),
        watch: Watch::new(&parts.name, &outlets),
        health: health_sender,
    };
    let told = parts.leash.owner.clone();
    parts.lifecycle.spawn("lane", async move {
        let how = runner.work(order_receiver, message_receiver, receipts).await;
        // An owner that is gone asks no more.
        let _ = end.send(how);
        told.notify_one();
    });
    (Running { orders, news, health, outlets }, ended)
}

/// A chart that lacks a bar is no reason to hold anything up.
async fn note(parts: &Parts, lines: Vec<Noted>) {
    if let Err(error) = history::note(&parts.store, &parts.shard, lines).await {
        tracing::warn!(lane.name = parts.name, error = %error, "what was sent could not be noted for charts");
    }
}

struct Runner {
    parts: Arc<Parts>,
    lane: Lane,
    merge: Merge,
    messages: mpsc::Sender<Message>,
    news: Arc<News>,
    frames: HashMap<Id, Arc<Frame>>,
    recent: VecDeque<Id>,
    claims: usize,
    /// Claims that wait for a merge of frames that the lane does not hold.
    waiting_claims: Vec<Action>,
    /// Saves given out and saves that came back.
    saves: (u64, u64),
    seed: u64,
    /// When the store is looked into without being told.
    look_at: Micros,
    /// What came to which state and is not noted yet.
    history: History,
    /// When that is noted next.
    note_at: Micros,
    /// Nothing more is started; it ends when all is quiet.
    leaving: bool,
    /// Another owner has the lane.
    lost: bool,
    /// Who waits for which outlet to be within the caps it was given.
    capped: Vec<(usize, oneshot::Sender<()>)>,
    watch: Watch,
    health: watch::Sender<Health>,
}

impl Runner {
    async fn work(
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

    fn now(&self) -> Now {
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
    fn gauges(&self) -> &LaneGauges {
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

    fn carry_out(&mut self) {
        // Each round may free the next: consent answered at once leads to a save. Bounded by what a lane holds.
        loop {
            let actions = self.lane.pump(self.now());
            if actions.is_empty() {
                return;
            }
            actions.into_iter().for_each(|action| self.act(action));
        }
    }

    fn act(&mut self, action: Action) {
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

    fn merge_receipts(&mut self) {
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

    fn remember(&mut self, id: Id, frame: Arc<Frame>) {
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
