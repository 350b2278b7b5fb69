//! Finding the frames that may hold an address or a trace id: three keyed bytes each, newest first.
//!
//! Who reads the table without the key learns nothing of the addresses, and one in 16 million others matches by chance,
//! so a frame that matches is unpacked and looked at. With two bytes a day's look would unpack 200 frames for nothing.
//! Few messages bring a trace id, so its bytes stand among those of the addresses and only where there is one.

use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::masked::Address;
use naru_store::Store;
use naru_store::error::StoreError;
use sqlx::Row;
use tokio::sync::Mutex;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::frame::{Frame, Head};
use crate::message::MessageId;
use crate::prints::Prints;
use crate::rows;

/// Bytes of a fingerprint.
pub const PRINT_BYTES: usize = 3;
/// Rows of one page of the scan.
const PAGE: i64 = 2_000;

/// The secret that fingerprints are keyed with.
#[derive(Clone, Copy)]
pub struct Finder(u64);

/// What a message is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Where it went, in its normal form.
    Address(Address),
    /// The trace id that its caller brought.
    Trace(String),
}

impl Wanted {
    fn is_of(&self, head: &Head) -> bool {
        match self {
            Wanted::Address(to) => head.to == to.reveal(),
            Wanted::Trace(trace) => head.trace_id == Some(trace.as_str()),
        }
    }
}

impl Finder {
    /// Reads the secret, made at the first start.
    pub async fn open(store: &Store) -> Result<Finder, Failure> {
        let mut fresh = vec![0u8; 8];
        getrandom::fill(&mut fresh).map_err(Failure::bug)?;
        let bytes: Vec<u8> = store
            .write(move |conn| {
                let fresh = fresh.clone();
                Box::pin(async move {
                    sqlx::query("INSERT INTO dispatch_secret (name, value) VALUES ('find', $1) ON CONFLICT DO NOTHING")
                        .bind(fresh)
                        .execute(&mut *conn)
                        .await?;
                    let read = "SELECT value FROM dispatch_secret WHERE name = 'find'";
                    Ok(sqlx::query_scalar(read).fetch_one(&mut *conn).await?)
                })
            })
            .await?;
        Finder::from_bytes(&bytes)
    }

    /// Reads the secret where nothing may be written.
    pub async fn read(store: &Store) -> Result<Finder, Failure> {
        let bytes: Vec<u8> = sqlx::query_scalar("SELECT value FROM dispatch_secret WHERE name = 'find'")
            .fetch_optional(store.reader())
            .await
            .map_err(StoreError::from)?
            .unwrap_or_else(|| vec![0; 8]);
        Finder::from_bytes(&bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Finder, Failure> {
        let bytes = bytes.try_into().map_err(|_| Failure::bug("the secret of `find` has another length"))?;
        Ok(Finder(u64::from_le_bytes(bytes)))
    }

    /// The fingerprint of an address in its normal form.
    pub fn print(&self, to: &str) -> [u8; PRINT_BYTES] {
        let [a, b, c, ..] = xxh3_64_with_seed(to.as_bytes(), self.0).to_le_bytes();
        [a, b, c]
    }

    /// The fingerprint of a trace id: another one than that of an address with the same text.
    pub fn print_of_trace(&self, trace: &str) -> [u8; PRINT_BYTES] {
        Finder(!self.0).print(trace)
    }

    /// Messages that are wanted, newest first, older than `before`, at most `limit`.
    pub async fn find(
        &self,
        store: &Store,
        prints: &Mutex<Prints>,
        wanted: &Wanted,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<MessageId>, Failure> {
        let print = match wanted {
            Wanted::Address(to) => self.print(to.reveal()),
            Wanted::Trace(trace) => self.print_of_trace(trace),
        };
        let (candidates, floor) = {
            let mut prints = prints.lock().await;
            prints.refresh(store).await?;
            prints.look(print)
        };
        let look = Look { store, wanted, before, limit };
        let newest = before.map_or(Id([0xFF; 16]), |before| before.frame);
        let mut found = Vec::new();
        for frame in candidates.into_iter().filter(|frame| *frame <= newest) {
            if found.len() >= limit {
                break;
            }
            found.extend(look.inside(frame).await?);
        }
        if floor != Id::default() && found.len() < limit {
            look.scan(print, floor.min(newest), &mut found).await?;
        }
        found.truncate(limit);
        Ok(found)
    }
}

/// One search.
struct Look<'a> {
    store: &'a Store,
    wanted: &'a Wanted,
    before: Option<MessageId>,
    limit: usize,
}

impl Look<'_> {
    /// Goes through the frames up to `last` in the store.
    async fn scan(&self, print: [u8; PRINT_BYTES], last: Id, found: &mut Vec<MessageId>) -> Result<(), Failure> {
        // Longer and so greater than the id itself, and less than any other that is greater.
        let mut before = [last.0.as_slice(), &[0]].concat();
        loop {
            let text = "SELECT frame, prints FROM dispatch_find WHERE frame < $1 ORDER BY frame DESC LIMIT $2";
            let page = sqlx::query(text).bind(before.clone()).bind(PAGE).fetch_all(self.store.reader()).await;
            let page = page.map_err(StoreError::from)?;
            for row in &page {
                let prints: Vec<u8> = row.try_get(1).map_err(StoreError::from)?;
                before = row.try_get(0).map_err(StoreError::from)?;
                if prints.chunks_exact(PRINT_BYTES).any(|one| one == print) {
                    found.extend(self.inside(rows::id_column(before.clone())?).await?);
                    if found.len() >= self.limit {
                        return Ok(());
                    }
                }
            }
            if (page.len() as i64) < PAGE {
                return Ok(());
            }
        }
    }

    async fn inside(&self, id: Id) -> Result<Vec<MessageId>, Failure> {
        let body: Option<Vec<u8>> = sqlx::query_scalar("SELECT body FROM dispatch_frame WHERE id = $1")
            .bind(id.0.to_vec())
            .fetch_optional(self.store.reader())
            .await
            .map_err(StoreError::from)?;
        // A frame that cannot be read is the audit's to report; here it holds nothing that can be shown.
        let Some(frame) = body.and_then(|body| Frame::read(&body).ok()) else { return Ok(Vec::new()) };
        let slots = (0..frame.count() as u16).rev();
        let mine = slots.filter(|slot| frame.head(*slot).is_some_and(|head| self.wanted.is_of(&head)));
        let mine = mine.map(|slot| MessageId { frame: id, slot });
        Ok(mine.filter(|id| self.before.is_none_or(|before| *id < before)).collect())
    }
}
