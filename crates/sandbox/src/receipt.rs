//! Receipts: what became of each accepted message, posted to whoever sent it.
//!
//! They are due some time after the acceptance, go out signed, up to a thousand a call, and are tried again until they
//! are taken or given up, which is counted. While too many wait, sends wait too: nothing is dropped to make room.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Uri;
use naru_core::masked::Secret;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore, oneshot, watch};

use crate::book::Taken;
use crate::client::Client;
use crate::fault::{Fault, Faults};
use crate::flag::DelayRange;
use crate::ledger::Stamp;
use crate::posting::Posting;
use crate::vendor::{Vendor, lock};

/// Receipts that may wait, at four bytes each; what comes on top is at most what the open connections carry.
const WAITING_MAX: usize = 4_000_000;
/// Calls at a time: enough to keep a receiver that commits in groups busy.
const CALLS_MAX: usize = 16;
/// How long a receiver may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer waits for its early receipts to be posted.
const EARLY_WAIT_MAX: Duration = Duration::from_secs(5);
/// What shuffled receipts are late by, at most: enough to come in any order.
const SHUFFLE_MS: u64 = 2_000;
/// How long after a receipt its double comes.
const DOUBLE_AFTER_MS: u64 = 50;

/// Where receipts go and how.
pub struct Settings {
    /// An `http://` address.
    pub url: Uri,
    /// What they are signed with.
    pub secret: Secret,
    /// Receipts a call.
    pub per_call: usize,
    /// How long after its acceptance a message is delivered.
    pub delay: DelayRange,
}

/// The receipts that are owed.
pub struct Receipts {
    /// Where they go and how.
    pub settings: Settings,
    /// Makes the calls.
    pub client: Client,
    queue: Mutex<Queue>,
    /// Receipts in the queue and in calls.
    waiting: watch::Sender<usize>,
    due_changed: Notify,
    calls: Arc<Semaphore>,
}

#[derive(Default)]
struct Queue {
    /// Which of the ledger's lives the entries belong to.
    generation: u32,
    /// Entries by the millisecond they are due.
    due: BTreeMap<u64, VecDeque<u32>>,
    totals: Totals,
}

/// Receipts so far, doubles counted as receipts of their own.
#[derive(Clone, Copy, Default)]
pub struct Totals {
    /// In calls that were made.
    pub sent: u64,
    /// Never posted, as a fault would have it, or given up.
    pub lost: u64,
    /// In calls that were taken.
    pub acknowledged: u64,
    /// Posted for a second time, as a fault would have it.
    pub doubled: u64,
}

impl Receipts {
    /// Nothing owed yet.
    pub fn new(settings: Settings) -> Receipts {
        Receipts {
            settings,
            queue: Mutex::default(),
            waiting: watch::Sender::new(0),
            due_changed: Notify::new(),
            calls: Arc::new(Semaphore::new(CALLS_MAX)),
            client: Client::new(CALL_TIMEOUT, CALLS_MAX),
        }
    }

    /// The part of `GET /ledger` about receipts.
    pub fn summary(&self) -> Value {
        let totals = lock(&self.queue).totals;
        totals.summary(*self.waiting.borrow())
    }

    /// The same where nobody wants receipts.
    pub fn summary_of_none() -> Value {
        Totals::default().summary(0)
    }

    /// Waits while too many receipts do.
    pub async fn room(&self) {
        if *self.waiting.borrow() >= WAITING_MAX {
            // An error means that the sender is gone, which this value itself keeps alive.
            let _ = self.waiting.subscribe().wait_for(|waiting| *waiting < WAITING_MAX).await;
        }
    }

    /// Forgets receipts of entries from before `generation`.
    pub fn empty(&self, generation: u32) {
        self.catch_up(&mut lock(&self.queue), generation);
    }

    /// Owes the receipts of new entries from now on; returns those that are to be posted first.
    pub fn owe(&self, taken: Taken, faults: &Faults) -> Vec<u32> {
        let entries = taken.first..taken.first + taken.count;
        let due_ms = taken.stamp.at / 1_000 + self.delay_ms(taken.stamp, faults);
        let mut queue = lock(&self.queue);
        if !self.catch_up(&mut queue, taken.generation) {
            return Vec::new();
        }
        let touched = [Fault::LoseReceipt, Fault::DoubleReceipt, Fault::EarlyReceipt, Fault::ShuffleReceipts];
        let mut early = Vec::new();
        if touched.into_iter().any(|fault| faults.on(fault)) {
            let added = entries.map(|entry| queue.add_touched(entry, due_ms, faults, &mut early)).sum::<usize>();
            self.waiting.send_modify(|waiting| *waiting += added);
        } else {
            self.waiting.send_modify(|waiting| *waiting += entries.len());
            queue.due.entry(due_ms).or_default().extend(entries);
        }
        drop(queue);
        self.due_changed.notify_one();
        early
    }

    /// Posts due receipts until the sandbox stops.
    pub async fn post_when_due(vendor: Arc<Vendor>) {
        let Some(receipts) = &vendor.receipts else { return };
        while !vendor.lifecycle.is_stopping() {
            let now_ms = vendor.now() / 1_000;
            // One that is owed meanwhile leaves a permit behind, so that the wait below ends at once.
            match receipts.next_due(now_ms) {
                Ok((generation, entries)) => drop(receipts.post(&vendor, generation, entries).await),
                Err(Some(due_ms)) => {
                    let wait = tokio::time::timeout(Duration::from_millis(due_ms - now_ms), receipts.changed(&vendor));
                    let _ = wait.await;
                }
                Err(None) => receipts.changed(&vendor).await,
            }
        }
        let waiting = *receipts.waiting.borrow();
        if waiting > 0 {
            tracing::warn!(receipts = waiting, "sandbox stopped before it had posted all receipts");
        }
    }

    /// Posts receipts before their time and waits for the first try. They are posted even if nobody waits any longer.
    pub async fn post_early(vendor: &Arc<Vendor>, generation: u32, entries: Vec<u32>) {
        let poster = vendor.clone();
        let all_tried = vendor.lifecycle.spawn("sandbox early receipts", async move {
            let Some(receipts) = &poster.receipts else { return };
            for call in entries.chunks(receipts.settings.per_call) {
                let _ = receipts.post(&poster, generation, call.to_vec()).await.await;
            }
        });
        let _ = tokio::time::timeout(EARLY_WAIT_MAX, all_tried).await;
    }

    /// Whether entries of that life of the ledger are still owed receipts.
    pub fn is_owed(&self, generation: u32) -> bool {
        lock(&self.queue).generation == generation
    }

    /// Changes the totals, unless the ledger was emptied since.
    pub fn count(&self, generation: u32, change: impl FnOnce(&mut Totals)) {
        let mut queue = lock(&self.queue);
        if queue.generation == generation {
            change(&mut queue.totals);
        }
    }

    /// Says that so many receipts wait no longer.
    pub fn done(&self, receipts: usize) {
        self.waiting.send_modify(|waiting| *waiting -= receipts);
    }

    async fn changed(&self, vendor: &Vendor) {
        tokio::select! {
            () = self.due_changed.notified() => {}
            () = vendor.lifecycle.stopped() => {}
        }
    }

    /// Takes a call's worth of due entries, or says when the next one is.
    fn next_due(&self, now_ms: u64) -> Result<(u32, Vec<u32>), Option<u64>> {
        let mut queue = lock(&self.queue);
        let mut entries = Vec::new();
        while let Some(mut first) = queue.due.first_entry()
            && *first.key() <= now_ms
            && entries.len() < self.settings.per_call
        {
            let room = self.settings.per_call - entries.len();
            let list = first.get_mut();
            entries.extend(list.drain(..room.min(list.len())));
            if list.is_empty() {
                first.remove();
            }
        }
        match entries.is_empty() {
            true => Err(queue.due.first_key_value().map(|(due_ms, _)| *due_ms)),
            false => Ok((queue.generation, entries)),
        }
    }

    /// Starts a call as soon as one may be made; the returned channel ends with its first try.
    async fn post(&self, vendor: &Arc<Vendor>, generation: u32, entries: Vec<u32>) -> oneshot::Receiver<()> {
        let (tried, first_try) = oneshot::channel();
        let permit = tokio::select! {
            permit = self.calls.clone().acquire_owned() => permit.ok(),
            () = vendor.lifecycle.stopped() => None,
        };
        if let Some(permit) = permit {
            let call = Posting { vendor: vendor.clone(), generation, entries, permit };
            vendor.lifecycle.spawn("sandbox receipts call", call.make(tried));
        }
        first_try
    }

    /// Brings the queue to `generation` if that is newer; whether it is the queue's now.
    fn catch_up(&self, queue: &mut Queue, generation: u32) -> bool {
        if generation > queue.generation {
            let forgotten: usize = queue.due.values().map(VecDeque::len).sum();
            *queue = Queue { generation, ..Queue::default() };
            self.done(forgotten);
        }
        generation == queue.generation
    }

    /// How long after its acceptance a message is delivered, unless it is shuffled.
    pub fn delay_ms(&self, stamp: Stamp, faults: &Faults) -> u64 {
        // Messages are numbered from 0; requests get numbers of their own.
        let subject = u64::from(stamp.request) | 1 << 63;
        self.settings.delay.pick(faults.draw(Fault::ShuffleReceipts, subject))
    }
}

impl Queue {
    /// Adds the receipt of an entry as the faults want it; returns how many times it was added.
    fn add_touched(&mut self, entry: u32, due_ms: u64, faults: &Faults, early: &mut Vec<u32>) -> usize {
        let subject = u64::from(entry);
        if faults.hits(Fault::LoseReceipt, subject) {
            self.totals.lost += 1;
            return 0;
        }
        let shuffled = faults.hits(Fault::ShuffleReceipts, subject);
        let extra = if shuffled { faults.draw(Fault::ShuffleReceipts, subject) % SHUFFLE_MS } else { 0 };
        let due_ms = due_ms + extra;
        if faults.hits(Fault::EarlyReceipt, subject) {
            early.push(entry);
        } else {
            self.due.entry(due_ms).or_default().push_back(entry);
        }
        if !faults.hits(Fault::DoubleReceipt, subject) {
            return 1;
        }
        self.totals.doubled += 1;
        self.due.entry(due_ms + DOUBLE_AFTER_MS).or_default().push_back(entry);
        2
    }
}

impl Totals {
    fn summary(self, waiting: usize) -> Value {
        let Totals { sent, lost, acknowledged, doubled } = self;
        json!({
            "sent": sent,
            "lost": lost,
            "acknowledged": acknowledged,
            "doubled": doubled,
            "waiting": waiting,
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn sends_wait_while_too_many_receipts_do() {
        let settings = Settings {
            url: Uri::from_static("http://127.0.0.1:1/"),
            secret: Secret::new("s"),
            per_call: 1_000,
            delay: DelayRange { min_ms: 0, max_ms: 0 },
        };
        let (receipts, faults) = (Receipts::new(settings), Faults::new(1, &[]));
        let stamp = Stamp { at: 0, request: 0 };
        let taken = |generation, count| Taken { generation, first: 0, count, stamp };
        receipts.owe(taken(0, WAITING_MAX as u32 - 1), &faults);
        assert!(receipts.room().now_or_never().is_some());
        receipts.owe(taken(0, 1), &faults);
        assert!(receipts.room().now_or_never().is_none());
        receipts.empty(1);
        assert!(receipts.room().now_or_never().is_some());
        receipts.owe(taken(0, 1), &faults);
        assert_eq!(receipts.summary()["waiting"], 0, "entries from before the emptying are owed nothing");
    }
}
