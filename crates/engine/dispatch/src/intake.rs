//! Taking single messages in: all that wait are packed together, stored in one commit, and answered after it.
//!
//! No linger: while one commit waits for the disk, the next frames fill up by themselves. A message with an idempotency
//! key is stored with its key in the same commit, so that the same call again finds either both or neither.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use naru_core::clock::Clock;
use naru_core::failure::{Failure, Kind};
use naru_core::id::Id;
use naru_core::lifecycle::Lifecycle;
use naru_store::Store;
use sqlx::AnyConnection;
use tokio::sync::{mpsc, oneshot};

use crate::find::Finder;
use crate::frame::{FrameBuilder, TemplateRef};
use crate::key::{self, KeyRow, Known};
use crate::message::{Message, MessageId};
use crate::rows::{self, NewFrame};
use crate::shard::{Shard, Shards};

/// Calls that may wait; beyond it a caller is told to come back, which is what keeps memory bounded.
const WAITING_MAX: usize = 10_000;
/// Calls of one commit at most.
const CALLS_MAX: usize = 2_000;
/// Groups on their way into the store: the next is packed while one is committed.
const GROUPS_MAX: usize = 2;
/// Messages of one call at most; more belong into a stream.
pub const CALL_MESSAGES_MAX: usize = 10_000;

/// Messages of one template on their way in.
#[derive(Clone, Debug)]
pub struct Part {
    /// The lane they will leave by.
    pub lane: String,
    /// Lower goes first.
    pub priority: usize,
    /// Their template.
    pub template: TemplateRef,
    /// Where each stands in the call, and itself.
    pub messages: Vec<(usize, Message)>,
}

/// One call: messages that are accepted together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// By template.
    pub parts: Vec<Part>,
    /// How many in all.
    pub count: usize,
    /// The idempotency key's hash and the body's, where the caller brought a key.
    pub key: Option<([u8; 16], [u8; 16])>,
}

/// Accepts batches.
#[derive(Clone)]
pub struct Intake {
    calls: mpsc::Sender<Call>,
}

struct Call {
    batch: Arc<Batch>,
    answer: oneshot::Sender<Result<Vec<MessageId>, Failure>>,
}

/// Told which shards have new frames, and of which priority.
pub type Woken = Arc<dyn Fn(&Shard, usize) + Send + Sync>;

impl Intake {
    /// Starts the task that packs.
    pub fn start(
        store: Store,
        finder: Finder,
        clock: Arc<dyn Clock>,
        lifecycle: &Lifecycle,
        shards: Shards,
        woken: Woken,
    ) -> Intake {
        let (calls, receiver) = mpsc::channel(WAITING_MAX);
        let packer = Packer { store, finder, clock, shards, woken };
        lifecycle.spawn("intake", packer.work(receiver));
        Intake { calls }
    }

    /// Stores a batch; answers after the commit, with one id a message in the order of the call.
    pub async fn accept(&self, batch: Batch) -> Result<Vec<MessageId>, Failure> {
        let (answer, answered) = oneshot::channel();
        let call = Call { batch: Arc::new(batch), answer };
        self.calls.try_send(call).map_err(|_| Failure::new(Kind::TooMany, "intake-full").retry_after(1))?;
        answered.await.map_err(|_| Failure::unavailable("intake-stopped"))?
    }
}

struct Packer {
    store: Store,
    finder: Finder,
    clock: Arc<dyn Clock>,
    shards: Shards,
    woken: Woken,
}

impl Packer {
    async fn work(self, mut calls: mpsc::Receiver<Call>) {
        let mut waiting = Vec::with_capacity(CALLS_MAX);
        let mut storing = FuturesUnordered::new();
        loop {
            let has_room = storing.len() < GROUPS_MAX;
            if has_room && !waiting.is_empty() {
                let (group, later) = one_of_each_key(std::mem::take(&mut waiting));
                waiting = later;
                storing.push(self.store_group(group));
                continue;
            }
            tokio::select! {
                Some(()) = storing.next() => {}
                count = calls.recv_many(&mut waiting, CALLS_MAX), if has_room => {
                    if count == 0 {
                        break;
                    }
                }
            }
        }
        storing.collect::<()>().await;
    }

    async fn store_group(&self, calls: Vec<Call>) {
        let now = self.clock.now_ms();
        let (frames, ids) = pack(&calls, now, &self.finder, &self.shards);
        let keys: Vec<KeyRow> =
            calls.iter().zip(&ids).filter_map(|(call, ids)| KeyRow::new(call.batch.key?, ids)).collect();
        let pack = Arc::new(Pack { frames, keys, is_tried: AtomicBool::new(false) });
        let mut stored = self.store(&calls, &pack, now).await;
        if stored.is_err() {
            // Once more: a commit whose answer was lost is repeated and not doubled, and a key that another instance
            // stored a moment ago is found.
            stored = self.store(&calls, &pack, now).await;
        }
        let known = match stored {
            Ok(known) => known,
            Err(failure) => return calls.into_iter().for_each(|call| drop(call.answer.send(Err(failure.clone())))),
        };
        if !known.is_empty() {
            // Some calls came before: they get their first answer, the others are packed again without them.
            return Box::pin(self.answer_known(calls, known)).await;
        }
        for frames in pack.frames.chunk_by(|a, b| (&a.shard, a.priority) == (&b.shard, b.priority)) {
            (self.woken)(&frames[0].shard, frames[0].priority);
        }
        for (call, ids) in calls.into_iter().zip(ids) {
            // A caller that went away has its messages accepted all the same.
            let _ = call.answer.send(Ok(ids));
        }
    }

    /// Stores frames and keys, or nothing and answers which keys are known.
    async fn store(&self, calls: &[Call], pack: &Arc<Pack>, now: i64) -> Result<HashMap<[u8; 16], Known>, Failure> {
        let asked: Vec<[u8; 16]> = calls.iter().filter_map(|call| call.batch.key).map(|(key, _)| key).collect();
        let (pack, asked) = (pack.clone(), Arc::new(asked));
        let job = self.store.write(move |conn| {
            let (pack, asked) = (pack.clone(), asked.clone());
            Box::pin(async move {
                if asked.is_empty() {
                    return rows::insert_frames(conn, &pack.frames).await.map(|()| HashMap::new());
                }
                if pack.is_stored(conn).await? {
                    return Ok(HashMap::new());
                }
                let known = key::known(conn, &asked).await?;
                if known.is_empty() {
                    rows::insert_frames(conn, &pack.frames).await?;
                    key::insert(conn, &pack.keys, now).await?;
                }
                Ok(known)
            })
        });
        Ok(job.await?)
    }

    async fn answer_known(&self, calls: Vec<Call>, known: HashMap<[u8; 16], Known>) {
        let mut others = Vec::new();
        for call in calls {
            match call.batch.key.and_then(|(key, body)| known.get(&key).map(|known| known.answer(&body))) {
                Some(answer) => drop(call.answer.send(answer)),
                None => others.push(call),
            }
        }
        if !others.is_empty() {
            self.store_group(others).await;
        }
    }
}

/// What one commit stores.
struct Pack {
    frames: Vec<NewFrame>,
    keys: Vec<KeyRow>,
    /// Whether it was tried before: only then it can be there already, under the keys that it brought itself.
    is_tried: AtomicBool,
}

impl Pack {
    /// Whether an earlier try was committed and only its answer was lost.
    async fn is_stored(&self, conn: &mut AnyConnection) -> naru_store::Result<bool> {
        match self.frames.first() {
            Some(frame) if self.is_tried.swap(true, Ordering::Relaxed) => rows::has_frame(conn, frame.id).await,
            _ => Ok(false),
        }
    }
}

/// Two calls with one key in one group would both be new: the second waits for the next.
fn one_of_each_key(calls: Vec<Call>) -> (Vec<Call>, Vec<Call>) {
    let mut seen = std::collections::HashSet::new();
    calls.into_iter().partition(|call| call.batch.key.is_none_or(|(key, _)| seen.insert(key)))
}

/// Packs all messages, and answers the ids call by call.
fn pack(calls: &[Call], now: i64, finder: &Finder, shards: &Shards) -> (Vec<NewFrame>, Vec<Vec<MessageId>>) {
    let mut ids: Vec<Vec<MessageId>> =
        calls.iter().map(|call| vec![MessageId { frame: Id::default(), slot: 0 }; call.batch.count]).collect();
    let mut open: BTreeMap<(&str, u16, usize), Packing> = BTreeMap::new();
    let mut frames = Vec::new();
    for (call_index, call) in calls.iter().enumerate() {
        for part in &call.batch.parts {
            let count = shards.count(&part.lane);
            for (place, message) in &part.messages {
                let no = if count == 1 { 0 } else { Shard::of_key(message.key(), count) };
                let packing = open
                    .entry((part.lane.as_str(), no, part.priority))
                    .or_insert_with(|| Packing::new(Shard::new(&part.lane, no), part.priority, now));
                let id = packing.push(&part.template, message, finder, &mut frames);
                ids[call_index][*place] = id;
            }
        }
    }
    open.into_values().for_each(|mut packing| packing.cut(&mut frames));
    // Every writer locks shards in one order, so that two of them never wait for each other.
    frames.sort_by(|a, b| a.shard.cmp(&b.shard));
    (frames, ids)
}

/// Frames of one shard and priority as they fill.
struct Packing {
    shard: Shard,
    priority: usize,
    now: i64,
    id: Id,
    builder: FrameBuilder,
    prints: Vec<u8>,
}

impl Packing {
    fn new(shard: Shard, priority: usize, now: i64) -> Packing {
        let builder = FrameBuilder::new(Vec::new());
        Packing { shard, priority, now, id: Id::new(now), builder, prints: Vec::new() }
    }

    fn push(
        &mut self,
        template: &TemplateRef,
        message: &Message,
        finder: &Finder,
        out: &mut Vec<NewFrame>,
    ) -> MessageId {
        if !self.try_push(template, message) {
            self.cut(out);
            // Callers check a message's size before: it fits an empty frame.
            self.try_push(template, message);
        }
        self.prints.extend_from_slice(&finder.print(message.to.reveal()));
        MessageId { frame: self.id, slot: (self.builder.count() - 1) as u16 }
    }

    fn try_push(&mut self, template: &TemplateRef, message: &Message) -> bool {
        self.builder.template(template).is_some_and(|index| {
            let values = message.values.iter().map(String::as_str);
            let (customer, trace) = (message.customer.as_deref(), message.trace_id.as_deref());
            self.builder.push(index, message.to.reveal(), customer, message.expires_at, trace, values)
        })
    }

    fn cut(&mut self, out: &mut Vec<NewFrame>) {
        if self.builder.is_empty() {
            return;
        }
        let count = self.builder.count();
        let mut builder = std::mem::replace(&mut self.builder, FrameBuilder::new(Vec::new()));
        out.push(NewFrame {
            id: std::mem::replace(&mut self.id, Id::new(self.now)),
            shard: self.shard.clone(),
            priority: self.priority,
            campaign: None,
            count,
            body: builder.finish(),
            prints: std::mem::take(&mut self.prints),
            accepted_at: self.now,
        });
    }
}
