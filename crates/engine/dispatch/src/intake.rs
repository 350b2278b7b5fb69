//! Taking single messages in: all that wait are packed together, stored in one commit, and answered after it.
//!
//! No linger: while one commit waits for the disk, the next group gathers by itself. It is cut only when the writer is
//! ready for it, since a commit costs the same for one call as for all that wait. A message with an idempotency key is
//! stored with its key in the same commit, so that the same call again finds either both or neither.

mod pack;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use naru_core::clock::{Clock, Millis};
use naru_core::failure::{Failure, Kind};
use naru_core::lifecycle::Lifecycle;
use naru_store::Store;
use naru_store::script::Script;
use tokio::sync::{mpsc, oneshot};

use crate::find::Finder;
use crate::frame::TemplateRef;
use crate::key::{self, Days, KeyRow, Known};
use crate::message::{Message, MessageId};
use crate::rows::{self, NewFrame};
use crate::shard::{Shard, Shards};

/// Calls that may wait; beyond it a caller is told to come back, which is what keeps memory bounded.
const WAITING_MAX: usize = 10_000;
/// Calls of one commit at most.
const CALLS_MAX: usize = 2_000;
/// Messages of one commit at most, unless its first call has more: to pack them keeps the writer for some 20 ms.
const MESSAGES_MAX: usize = 20_000;
/// Messages of one call at most; more belong into a stream.
pub const CALL_MESSAGES_MAX: usize = 10_000;

/// Messages of one template that follow each other in a call.
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
    /// In the order of the call.
    pub parts: Vec<Part>,
    /// How many in all.
    pub count: usize,
    /// The idempotency key's hash and the body's, where the caller brought a key.
    pub key: Option<([u8; 16], [u8; 16])>,
}

/// Accepts batches.
#[derive(Clone)]
pub struct Intake {
    waiting: Arc<Mutex<Waiting>>,
    bell: mpsc::Sender<()>,
}

/// Calls that no group has taken yet.
#[derive(Default)]
struct Waiting {
    calls: Vec<Call>,
    /// Whether a group is on its way that will take them.
    is_rung: bool,
}

struct Call {
    batch: Batch,
    answer: oneshot::Sender<Result<Vec<MessageId>, Failure>>,
}

/// Told which shards have new frames, and of which priority.
pub type Woken = Arc<dyn Fn(&Shard, usize) + Send + Sync>;

impl Intake {
    /// Starts the task that stores.
    pub fn start(
        store: Store,
        finder: Finder,
        clock: Arc<dyn Clock>,
        lifecycle: &Lifecycle,
        shards: Shards,
        woken: Woken,
    ) -> Intake {
        let (bell, rung) = mpsc::channel(1);
        let waiting = Arc::<Mutex<Waiting>>::default();
        let desk = Desk { waiting: waiting.clone(), days: Arc::default(), finder, shards, clock };
        lifecycle.spawn("intake", Packer { store, desk, woken }.work(rung));
        Intake { waiting, bell }
    }

    /// Stores a batch; answers after the commit, with one id a message in the order of the call.
    pub async fn accept(&self, batch: Batch) -> Result<Vec<MessageId>, Failure> {
        let (answer, answered) = oneshot::channel();
        if self.wait(Call { batch, answer })? {
            // Full means rung; closed means stopped, and then nobody answers.
            let _ = self.bell.try_send(());
        }
        answered.await.map_err(|_| Failure::unavailable("intake-stopped"))?
    }

    /// Puts a call in line; answers whether somebody has to be told.
    fn wait(&self, call: Call) -> Result<bool, Failure> {
        let mut waiting = lock(&self.waiting);
        if waiting.calls.len() >= WAITING_MAX {
            return Err(Failure::new(Kind::TooMany, "intake-full").retry_after(1));
        }
        waiting.calls.push(call);
        Ok(!std::mem::replace(&mut waiting.is_rung, true))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

struct Packer {
    store: Store,
    desk: Desk,
    woken: Woken,
}

impl Packer {
    async fn work(self, mut rung: mpsc::Receiver<()>) {
        // One is with the writer and one waits for it; those before them are only being answered.
        let mut groups = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(more) = groups.next() => {
                    if more {
                        groups.push(self.store_group());
                    }
                }
                rung = rung.recv() => match rung {
                    Some(()) => groups.push(self.store_group()),
                    None => break,
                },
            }
        }
        groups.for_each(async |_| {}).await;
    }

    /// Stores what waits when the writer is ready for it, and answers it; answers whether some had to stay behind.
    async fn store_group(&self) -> bool {
        let group = Arc::new(Group { desk: self.desk.clone(), gathered: Mutex::default() });
        loop {
            let mut stored = self.store(&group).await;
            if stored.is_err() {
                // Once more: a commit whose answer was lost is repeated and not doubled, and a key that another instance
                // stored a moment ago is found.
                stored = self.store(&group).await;
            }
            let Gathered { calls, ids, pack, more } = group.take();
            match stored {
                Err(failure) => {
                    calls.into_iter().for_each(|call| drop(call.answer.send(Err(failure.clone()))));
                    return more;
                }
                Ok(known) if known.is_empty() => {
                    self.answer(calls, ids, &pack);
                    return more;
                }
                // Some calls came before: they get their first answer, the others are packed again without them.
                Ok(known) => {
                    let others = answer_known(calls, &known);
                    if others.is_empty() {
                        return more;
                    }
                    group.put(others, more);
                }
            }
        }
    }

    fn answer(&self, calls: Vec<Call>, ids: Vec<Vec<MessageId>>, pack: &Pack) {
        for frames in pack.frames.chunk_by(|a, b| (&a.shard, a.priority) == (&b.shard, b.priority)) {
            (self.woken)(&frames[0].shard, frames[0].priority);
        }
        for (call, ids) in calls.into_iter().zip(ids) {
            // A caller that went away has its messages accepted all the same.
            let _ = call.answer.send(Ok(ids));
        }
    }

    /// Stores frames and keys, or nothing and answers which keys are known.
    async fn store(&self, group: &Arc<Group>) -> Result<HashMap<[u8; 16], Known>, Failure> {
        let group = group.clone();
        let job = self.store.write_script(move |script| {
            let pack = group.pack();
            Box::pin(async move { pack.store(script).await })
        });
        Ok(job.await?)
    }
}

/// Gives those of `calls` that came before their first answer; returns the others.
fn answer_known(calls: Vec<Call>, known: &HashMap<[u8; 16], Known>) -> Vec<Call> {
    let mut others = Vec::new();
    for call in calls {
        match call.batch.key.and_then(|(key, body)| known.get(&key).map(|known| known.answer(&body))) {
            Some(answer) => drop(call.answer.send(answer)),
            None => others.push(call),
        }
    }
    others
}

/// Takes calls from the line and packs them.
#[derive(Clone)]
struct Desk {
    waiting: Arc<Mutex<Waiting>>,
    days: Arc<Days>,
    finder: Finder,
    shards: Shards,
    clock: Arc<dyn Clock>,
}

impl Desk {
    fn gather(&self) -> Gathered {
        let (calls, more) = {
            let mut waiting = lock(&self.waiting);
            let (group, later) = one_group(std::mem::take(&mut waiting.calls));
            let more = !later.is_empty();
            (waiting.calls, waiting.is_rung) = (later, more);
            (group, more)
        };
        self.pack(calls, more)
    }

    fn pack(&self, calls: Vec<Call>, more: bool) -> Gathered {
        let now = self.clock.now_ms();
        let batches: Vec<&Batch> = calls.iter().map(|call| &call.batch).collect();
        let (frames, ids) = pack::pack(&batches, now, &self.finder, &self.shards);
        let keys = batches.iter().zip(&ids).filter_map(|(batch, ids)| KeyRow::new(batch.key?, ids)).collect();
        let pack = Arc::new(Pack { frames, keys, now, days: self.days.clone(), is_tried: AtomicBool::new(false) });
        Gathered { calls, ids, pack, more }
    }
}

/// What one commit holds at most. Two calls with one key in one group would both be new: the second waits for the next.
fn one_group(calls: Vec<Call>) -> (Vec<Call>, Vec<Call>) {
    let (mut seen, mut count, mut messages) = (HashSet::new(), 0, 0);
    calls.into_iter().partition(|call| {
        count += 1;
        messages += call.batch.count;
        let fits = count == 1 || (count <= CALLS_MAX && messages <= MESSAGES_MAX);
        fits && call.batch.key.is_none_or(|(key, _)| seen.insert(key))
    })
}

/// Calls that share a commit: gathered when the writer first comes to them, and the same ones when it comes again.
struct Group {
    desk: Desk,
    gathered: Mutex<Option<Gathered>>,
}

struct Gathered {
    calls: Vec<Call>,
    ids: Vec<Vec<MessageId>>,
    pack: Arc<Pack>,
    /// Whether calls stayed behind that nobody rings for again.
    more: bool,
}

impl Group {
    fn pack(&self) -> Arc<Pack> {
        lock(&self.gathered).get_or_insert_with(|| self.desk.gather()).pack.clone()
    }

    /// Also where the writer never came: who waits then is told so.
    fn take(&self) -> Gathered {
        lock(&self.gathered).take().unwrap_or_else(|| self.desk.gather())
    }

    fn put(&self, calls: Vec<Call>, more: bool) {
        *lock(&self.gathered) = Some(self.desk.pack(calls, more));
    }
}

/// What one commit stores.
struct Pack {
    frames: Vec<NewFrame>,
    keys: Vec<KeyRow>,
    now: Millis,
    days: Arc<Days>,
    /// Whether it was tried before: only then it can be there already, under the keys that it brought itself.
    is_tried: AtomicBool,
}

impl Pack {
    async fn store(&self, script: &mut Script<'_>) -> naru_store::Result<HashMap<[u8; 16], Known>> {
        let nothing = HashMap::new();
        if self.keys.is_empty() {
            return rows::add_frames(script, &self.frames).await.map(|()| nothing);
        }
        if self.is_stored(script).await? {
            return Ok(nothing);
        }
        let keys: Vec<[u8; 16]> = self.keys.iter().map(KeyRow::key).collect();
        let known = key::known(script, &self.days, &keys, self.now).await?;
        if known.is_empty() {
            rows::add_frames(script, &self.frames).await?;
            key::add(script, &self.days, &self.keys, self.now).await?;
        }
        Ok(known)
    }

    /// Whether an earlier try was committed and only its answer was lost.
    async fn is_stored(&self, script: &mut Script<'_>) -> naru_store::Result<bool> {
        match self.frames.first() {
            Some(frame) if self.is_tried.swap(true, Ordering::Relaxed) => {
                self.days.forget();
                rows::has_frame(script.conn().await?, frame.id).await
            }
            _ => Ok(false),
        }
    }
}
