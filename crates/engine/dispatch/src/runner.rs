//! Runs a lane: carries the machine's actions out and brings what happened back to it.
//!
//! One task owns the machine and never waits for anything but its next event; claims, saves, sends and merges run in
//! tasks of their own and come back as messages. Rendering happens in the sending task, from the stored frame, so that
//! a request made again after a crash is the same to the byte.

mod act;
mod task;
mod work;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use naru_core::clock::{Clock, Micros};
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::lifecycle::Lifecycle;
use naru_store::Store;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::cancel::Rest;
use crate::consent::{Consent, Permit};
use crate::frame::Frame;
use crate::gauge::LaneGauges;
use crate::health::{Health, OutletHealth, Watch};
use crate::history::History;
use crate::lane::pace::Caps;
use crate::lane::{Action, ChunkKey, Event, Lane, Loaded};
use crate::merge::{Merge, Merged};
use crate::message::Channel;
use crate::provider::Provider;
use crate::receipt::Stored;
use crate::rows::OutletName;
use crate::shard::Shard;
use crate::templates::Templates;

pub use task::{load, request_key};

/// Messages to the runner that may wait. Senders are its own tasks, bounded by what is in flight.
const MESSAGES_MAX: usize = 65_536;

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
