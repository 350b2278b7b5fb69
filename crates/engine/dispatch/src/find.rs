//! Finding the frames that may hold an address: three keyed bytes a message, newest first.
//!
//! Who reads the table without the key learns nothing of the addresses, and one in 16 million others matches by chance,
//! so a frame that matches is unpacked and looked at. With two bytes a day's look would unpack 200 frames for nothing.

use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::masked::Address;
use naru_store::Store;
use naru_store::error::StoreError;
use sqlx::Row;
use tokio::sync::Mutex;
use xxhash_rust::xxh3::xxh3_64_with_seed;

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

    /// Messages to `to`, newest first, at most `limit`.
    pub async fn find(
        &self,
        store: &Store,
        prints: &Mutex<Prints>,
        to: &Address,
        limit: usize,
    ) -> Result<Vec<MessageId>, Failure> {
        let print = self.print(to.reveal());
        let (candidates, floor) = {
            let mut prints = prints.lock().await;
            prints.refresh(store).await?;
            prints.look(print)
        };
        let mut found = Vec::new();
        for frame in candidates {
            if found.len() >= limit {
                break;
            }
            found.extend(look_inside(store, frame, to).await?);
        }
        if floor != Id::default() && found.len() < limit {
            scan(store, print, floor, to, limit, &mut found).await?;
        }
        found.truncate(limit);
        Ok(found)
    }
}

/// Goes through the frames up to `last` in the store.
async fn scan(
    store: &Store,
    print: [u8; PRINT_BYTES],
    last: Id,
    to: &Address,
    limit: usize,
    found: &mut Vec<MessageId>,
) -> Result<(), Failure> {
    // Longer and so greater than the id itself, and less than any other that is greater.
    let mut before = [last.0.as_slice(), &[0]].concat();
    loop {
        let text = "SELECT frame, prints FROM dispatch_find WHERE frame < $1 ORDER BY frame DESC LIMIT $2";
        let page = sqlx::query(text).bind(before.clone()).bind(PAGE).fetch_all(store.reader()).await;
        let page = page.map_err(StoreError::from)?;
        for row in &page {
            let prints: Vec<u8> = row.try_get(1).map_err(StoreError::from)?;
            before = row.try_get(0).map_err(StoreError::from)?;
            if prints.chunks_exact(PRINT_BYTES).any(|one| one == print) {
                found.extend(look_inside(store, rows::id_column(before.clone())?, to).await?);
                if found.len() >= limit {
                    return Ok(());
                }
            }
        }
        if (page.len() as i64) < PAGE {
            return Ok(());
        }
    }
}

async fn look_inside(store: &Store, id: Id, to: &Address) -> Result<Vec<MessageId>, Failure> {
    let body: Option<Vec<u8>> = sqlx::query_scalar("SELECT body FROM dispatch_frame WHERE id = $1")
        .bind(id.0.to_vec())
        .fetch_optional(store.reader())
        .await
        .map_err(StoreError::from)?;
    // A frame that cannot be read is the audit's to report; here it holds nothing that can be shown.
    let Some(frame) = body.and_then(|body| crate::frame::Frame::read(&body).ok()) else { return Ok(Vec::new()) };
    let slots = (0..frame.count() as u16).rev();
    let mine = slots.filter(|slot| frame.head(*slot).is_some_and(|head| head.to == to.reveal()));
    Ok(mine.map(|slot| MessageId { frame: id, slot }).collect())
}
