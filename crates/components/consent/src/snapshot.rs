//! What the engine asks: the rows' meaning for every address, in memory, one step behind the database at most.
//!
//! There is one way in: [`Snapshot::read_on`] reads what changed after the last number it has seen: after a write of this
//! process that write, each second what other instances wrote. Only the first time are consents read along their
//! addresses, which is faster, and then what changed meanwhile. Blocks are read before consents, so nothing is ever
//! allowed on the strength of a consent whose refusal was not read yet.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use naru_component::ctx::Ctx;
use naru_core::clock::Millis;
use naru_core::lifecycle::Lifecycle;
use naru_core::masked::Address;
use naru_core::metric::Series;
use naru_dispatch::consent::{Consent, Hours, Permit};
use naru_dispatch::message::{Channel, Purpose};
use naru_store::{Result, Store};
use tokio::sync::Mutex;

use crate::ledger::facts::{self, BLOCKS, CONSENTS, Fact, Feed};
use crate::night::Nights;
use crate::table::{Fingerprint, Keys, Table};

/// Until the rows are read a message waits this long before it is asked for again.
const UNREAD_RETRY_MS: Millis = 200;
/// Entries that are written under one lock, so that a chunk that asks meanwhile does not wait for a whole page.
const LOCKED_ENTRIES_MAX: usize = 1_000;

/// The engine's view of who may be sent what.
pub struct Snapshot {
    store: Store,
    lifecycle: Lifecycle,
    nights: Nights,
    keys: Keys,
    known: RwLock<Known>,
    /// Tells the entries of the table.
    addresses: Series,
    /// Held while reading on, so that facts are applied in the order in which they were read.
    seen: Mutex<Seen>,
}

struct Known {
    table: Table,
    /// Whether all blocks are in the table.
    blocks: bool,
    /// Whether all consents are, too.
    consents: bool,
}

/// How far each table is read.
struct Seen {
    /// The last change.
    blocks: i64,
    consents: Read,
}

enum Read {
    /// The first time: all addresses up to `to` as they were or became after the change `since`.
    Scanned { to: String, since: Option<i64> },
    /// All up to this change.
    Followed(i64),
}

impl Snapshot {
    /// Nothing is read yet: everything is held until [`Snapshot::refresh`] has run.
    pub fn new(ctx: &Ctx, nights: Nights) -> Snapshot {
        let help = "Addresses with a block or a consent, as the lanes know them";
        Snapshot {
            store: ctx.store().clone(),
            lifecycle: ctx.lifecycle().clone(),
            nights,
            keys: Keys::random(),
            known: RwLock::new(Known { table: Table::default(), blocks: false, consents: false }),
            addresses: ctx.metrics().gauge("naru_consent_addresses", help, &[]),
            seen: Mutex::new(Seen { blocks: 0, consents: Read::Scanned { to: String::new(), since: None } }),
        }
    }

    /// Reads everything, or what has changed since.
    pub async fn refresh(&self) -> Result<()> {
        self.read_on(&mut *self.seen.lock().await).await
    }

    /// Reads what this process has just written, where the snapshot is in use: a command without `serve` decides
    /// nothing and need not read millions of rows.
    pub async fn follow(&self) -> Result<()> {
        let mut seen = self.seen.lock().await;
        match seen.consents {
            Read::Followed(_) => self.read_on(&mut seen).await,
            Read::Scanned { .. } => Ok(()),
        }
    }

    async fn read_on(&self, seen: &mut Seen) -> Result<()> {
        let reader = self.store.reader();
        loop {
            let head = facts::head(reader).await?;
            while seen.blocks < head {
                seen.blocks = self.read_changes(&BLOCKS, seen.blocks, head).await?;
            }
            self.known_mut().blocks = true;
            match &mut seen.consents {
                // The first reading takes seconds where there are millions; shutdown does not wait for it.
                Read::Scanned { .. } if self.lifecycle.is_stopping() => return Ok(()),
                Read::Scanned { to, since } => {
                    let since = *since.get_or_insert(head);
                    match facts::scan(reader, to).await? {
                        Some((facts, end)) => {
                            facts.iter().for_each(|fact| self.apply(fact));
                            *to = end;
                        }
                        None => seen.consents = Read::Followed(since),
                    }
                }
                Read::Followed(last) if *last < head => {
                    *last = self.read_changes(&CONSENTS, *last, head).await?;
                }
                Read::Followed(_) => {
                    let mut known = self.known_mut();
                    known.consents = true;
                    self.addresses.set(known.table.entries() as i64);
                    return Ok(());
                }
            }
        }
    }

    async fn read_changes(&self, feed: &Feed, after: i64, head: i64) -> Result<i64> {
        let (facts, end) = feed.page(self.store.reader(), after, head).await?;
        facts.iter().for_each(|fact| self.apply(fact));
        Ok(end)
    }

    fn apply(&self, fact: &Fact) {
        let addresses: Vec<Fingerprint> = fact.addresses().map(|address| self.keys.fingerprint(address)).collect();
        for some in addresses.chunks(LOCKED_ENTRIES_MAX) {
            let mut known = self.known_mut();
            some.iter().for_each(|address| known.table.set(*address, fact.mask, fact.flags));
        }
    }

    // A panic inside the table is impossible short of memory's end; its last state is still the best that is known.
    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Consent for Snapshot {
    fn decide(&self, now: Millis, purpose: Purpose, channel: Channel, to: &[Address]) -> Vec<Permit> {
        let night_ends_at = self.nights.of(channel).and_then(|night| night.ends_at(now));
        let known = self.known();
        let read = known.blocks && (known.consents || purpose != Purpose::Ad);
        if !read {
            return vec![Permit::Hold(now + UNREAD_RETRY_MS); to.len()];
        }
        let decide = |address: &Address| {
            let flags = known.table.find(self.keys.fingerprint(address.reveal()));
            flags.permit(purpose, channel, night_ends_at)
        };
        to.iter().map(decide).collect()
    }

    fn hours(&self, at: Millis, purpose: Purpose, channel: Channel) -> Hours {
        match self.nights.of(channel).filter(|_| purpose == Purpose::Ad) {
            Some(night) => {
                let (from, until) = night.day(at);
                Hours { from, until: Some(until) }
            }
            None => Hours { from: at, until: None },
        }
    }
}
