//! The vendor itself: what all of its connections share.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use naru_core::clock::{Clock, Micros, Millis};
use naru_core::lifecycle::Lifecycle;
use serde_json::{Value, json};

use crate::Options;
use crate::arrival::{Arrivals, Arrived};
use crate::book::{Book, Taken};
use crate::fault::{FaultShare, Faults};
use crate::journal::{Journal, Line, Past};
use crate::ledger::Stamp;
use crate::name::hash;
use crate::receipt::Receipts;

/// What all connections share.
pub struct Vendor {
    /// The flags it was started with.
    pub options: Options,
    /// Ends it.
    pub lifecycle: Lifecycle,
    /// The receipts it owes, if anybody wants them.
    pub receipts: Option<Receipts>,
    clock: Arc<dyn Clock>,
    start_us: Micros,
    /// How old the vendor was when this process started.
    age_us: Micros,
    start_ms: Millis,
    journal: Option<Arc<Journal>>,
    faults: RwLock<Faults>,
    book: Mutex<Book>,
    arrivals: Mutex<Arrivals>,
    in_flight: AtomicU32,
    in_flight_peak: AtomicU32,
}

impl Vendor {
    /// A vendor that has not been called yet, or that goes on where an earlier process was.
    pub fn new(
        options: Options,
        receipts: Option<Receipts>,
        lifecycle: Lifecycle,
        clock: Arc<dyn Clock>,
        kept: Option<(Journal, Past)>,
    ) -> Arc<Vendor> {
        let (start_us, now_ms) = (clock.monotonic_us(), clock.now_ms());
        let (journal, past) = kept.map(|(journal, past)| (Arc::new(journal), past)).unzip();
        let start_ms = past.as_ref().map_or(now_ms, |past| past.start_ms);
        let mut book = Book::new(options.key_life_s.saturating_mul(1_000_000), tag(start_ms, 0));
        let mut arrivals = Arrivals::new(options.requests_per_second, options.messages_per_second);
        let (owed, last) = past.map(|past| past.relive(&mut book, &mut arrivals)).unwrap_or_default();
        // Stamps never run backwards, whatever the wall clock does.
        let age_us = ((now_ms - start_ms).max(0) as Micros * 1_000).max(last);
        let stamp = Stamp { at: age_us, request: 0 };
        for first in owed {
            let taken = Taken { generation: book.generation(), first, count: 1, stamp };
            receipts.iter().for_each(|receipts| drop(receipts.owe(taken, &Faults::new(options.seed, &[]))));
        }
        journal.iter().for_each(|journal| book.keep(journal.clone()));
        Arc::new(Vendor {
            faults: RwLock::new(Faults::new(options.seed, &options.fault)),
            book: Mutex::new(book),
            arrivals: Mutex::new(arrivals),
            age_us,
            journal,
            in_flight: AtomicU32::new(0),
            in_flight_peak: AtomicU32::new(0),
            options,
            lifecycle,
            receipts,
            clock,
            start_us,
            start_ms,
        })
    }

    /// Microseconds since the vendor started.
    pub fn now(&self) -> Micros {
        self.age_us + self.clock.monotonic_us().saturating_sub(self.start_us)
    }

    /// Waits until what was done so far is on the disk, where it is kept; answers whether it is.
    pub async fn synced(&self) -> bool {
        let Some(journal) = self.journal.clone() else { return true };
        let synced = tokio::task::spawn_blocking(move || journal.sync()).await;
        matches!(synced, Ok(Ok(())))
    }

    /// Writes down that receipts were taken.
    pub fn reported(&self, generation: u32, entries: &[u32]) {
        if let Some(journal) = &self.journal {
            journal.write(&Line::Reported(generation, entries.into()));
        }
    }

    /// A moment counted from the start, on the wall clock.
    pub fn wall_ms(&self, at: Micros) -> Millis {
        self.start_ms + (at / 1_000) as Millis
    }

    /// The start on the wall clock, in microseconds.
    pub fn start_wall_us(&self) -> u64 {
        self.start_ms.unsigned_abs() * 1_000
    }

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        *self.faults.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts other faults in force.
    pub fn set_faults(&self, shares: &[FaultShare]) {
        *self.faults.write().unwrap_or_else(PoisonError::into_inner) = Faults::new(self.options.seed, shares);
    }

    /// All it remembers; held briefly.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// Stamps a request that has just come in.
    pub fn arrive(&self) -> Arrival<'_> {
        let in_flight = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.in_flight_peak.fetch_max(in_flight, Ordering::Relaxed);
        let free = self.options.in_flight.is_none_or(|max| in_flight <= max);
        let mut arrivals = lock(&self.arrivals);
        // The clock is read under the lock, so that stamps are in order.
        let now = self.now();
        if let Some(journal) = &self.journal {
            journal.write(&Line::Arrived(now));
        }
        let arrived = arrivals.arrive(now, free);
        Arrival { vendor: self, arrived, counted: false }
    }

    /// Waits, but not beyond the end of the sandbox.
    pub async fn pause(&self, delay: Duration) {
        if !delay.is_zero() {
            let _ = tokio::time::timeout(delay, self.lifecycle.stopped()).await;
        }
    }

    /// Forgets everything that came in so far.
    pub fn empty(&self) {
        let generation = {
            let mut book = self.book();
            let generation = book.generation().wrapping_add(1);
            book.empty(tag(self.start_ms, generation));
            generation
        };
        if let Some(receipts) = &self.receipts {
            receipts.empty(generation);
        }
        lock(&self.arrivals).empty();
        self.in_flight_peak.store(self.in_flight.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// What `GET /ledger` answers.
    pub fn summary(&self) -> Value {
        let (accepted, doubled, (busy, refused)) = {
            let book = self.book();
            (book.ledger().len(), book.ledger().doubled(), book.turned_away())
        };
        let [requests, throttled, requests_peak, messages_peak] = lock(&self.arrivals).totals();
        json!({
            "requests": requests,
            "in_flight_peak": self.in_flight_peak.load(Ordering::Relaxed),
            "messages": { "accepted": accepted, "busy": busy, "refused": refused },
            "throttled": throttled,
            "doubled": doubled,
            "requests_per_second_peak": requests_peak,
            "messages_per_second_peak": messages_peak,
            "receipts": self.receipts.as_ref().map_or_else(Receipts::summary_of_none, Receipts::summary),
        })
    }
}

/// A request being handled; dropping it says that it is over.
pub struct Arrival<'a> {
    vendor: &'a Vendor,
    arrived: Arrived,
    counted: bool,
}

impl Arrival<'_> {
    /// The request's number since the ledger was last emptied, and its moment.
    pub fn stamp(&self) -> Stamp {
        Stamp { at: self.arrived.at, request: u32::try_from(self.arrived.request).unwrap_or(u32::MAX) }
    }

    /// Says how many messages it brought; answers whether the limits let it in.
    pub fn count(&mut self, messages: usize) -> bool {
        self.counted = true;
        lock(&self.vendor.arrivals).count(self.arrived, messages as u64)
    }

    /// Counts it as throttled.
    pub fn throttled(&self) {
        lock(&self.vendor.arrivals).throttled();
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        if !self.counted {
            self.count(0);
        }
        self.vendor.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Locks; a panic elsewhere does not stop the vendor.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first half of ids: another one for each start and each emptying, so that a late receipt is known as such.
pub fn tag(start_ms: Millis, generation: u32) -> u32 {
    hash(&format!("{start_ms} {generation}")) as u32
}
