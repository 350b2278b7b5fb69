//! Finding the frames that may hold an address: two keyed bytes a message, scanned newest first.
//!
//! Who reads the table without the key learns nothing of the addresses, and one in 65,536 others matches by chance, so
//! a frame that matches is unpacked and looked at.

use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::masked::Address;
use naru_store::Store;
use naru_store::error::StoreError;
use sqlx::Row;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::message::MessageId;
use crate::rows;

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
    pub fn print(&self, to: &str) -> [u8; 2] {
        let hash = xxh3_64_with_seed(to.as_bytes(), self.0);
        [hash as u8, (hash >> 8) as u8]
    }

    /// Messages to `to`, newest first, at most `limit`.
    pub async fn find(&self, store: &Store, to: &Address, limit: usize) -> Result<Vec<MessageId>, Failure> {
        let print = self.print(to.reveal());
        let mut found = Vec::new();
        let mut before = vec![0xFF; 16];
        loop {
            let page =
                sqlx::query("SELECT frame, prints FROM dispatch_find WHERE frame < $1 ORDER BY frame DESC LIMIT $2")
                    .bind(before.clone())
                    .bind(PAGE)
                    .fetch_all(store.reader())
                    .await
                    .map_err(StoreError::from)?;
            for row in &page {
                let prints: Vec<u8> = row.try_get(1).map_err(StoreError::from)?;
                let frame: Vec<u8> = row.try_get(0).map_err(StoreError::from)?;
                if prints.chunks_exact(2).any(|pair| pair == print) {
                    found.extend(look_inside(store, rows::id_column(frame.clone())?, to).await?);
                    if found.len() >= limit {
                        found.truncate(limit);
                        return Ok(found);
                    }
                }
                before = frame;
            }
            if (page.len() as i64) < PAGE {
                return Ok(found);
            }
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
