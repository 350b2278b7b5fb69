//! naru's own view, read from its tables as they are stored, and the vendor's.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use naru_dispatch::frame::Frame;
use naru_dispatch::rows::slots_from_bytes;
use naru_dispatch::side::{Side, SideRow, State};
use serde::Deserialize;
use sqlx::{AnyConnection, Connection, Row};

use crate::Result;
use crate::wait::until;
use crate::world::WHILE_KILLED;

/// A message as naru has it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The campaign's name; empty for calls.
    pub campaign: String,
    /// Whom it goes to.
    pub to: String,
    /// What became of it.
    pub state: State,
}

/// An acceptance as the vendor has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// The id of the message.
    #[serde(rename = "ref")]
    pub reference: String,
}

/// How much is left to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Messages without an outcome.
    pub pending: i64,
    /// Messages that nobody knows about.
    pub unknown: i64,
    /// Requests started and not ended.
    pub chunks: i64,
    /// Receipts stored and not merged.
    pub receipts: i64,
    /// Notices that no owner has acted on.
    pub notices: i64,
}

/// Reads one answer from the database, however often it is killed meanwhile.
async fn ask<T, F: Future<Output = std::result::Result<T, sqlx::Error>>>(
    store: &str,
    what: &str,
    read: impl Fn(AnyConnection) -> F,
) -> Result<T> {
    sqlx::any::install_default_drivers();
    // A reader that may write would mend, when it closes, what a killed owner left for its successor to mend.
    let store = if store.starts_with("sqlite:") { format!("{store}?mode=ro") } else { store.to_owned() };
    let store = store.as_str();
    until(what, WHILE_KILLED, || async {
        let asked = async { read(AnyConnection::connect(store).await?).await };
        // A frozen process may hold what is asked for.
        Ok(tokio::time::timeout(Duration::from_secs(20), asked).await.ok().and_then(std::result::Result::ok))
    })
    .await
}

/// The messages of requests that are started and not ended: all that a kill at this moment puts in doubt.
pub async fn doubts(store: &str) -> Result<HashSet<String>> {
    ask(store, "the requests in doubt", |mut conn| async move {
        let rows = sqlx::query("SELECT frame, slots FROM dispatch_chunk").fetch_all(&mut conn).await?;
        let mut ids = HashSet::new();
        for row in rows {
            let (frame, slots): (Vec<u8>, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            ids.extend(slots_from_bytes(&slots).into_iter().map(|slot| id(&frame, slot)));
        }
        Ok(ids)
    })
    .await
}

/// How much is left to be done.
pub async fn left(store: &str) -> Result<Left> {
    ask(store, "the account", |mut conn| async move {
        let text = "SELECT
            (SELECT CAST(coalesce(sum(pending), 0) AS BIGINT) FROM dispatch_side),
            (SELECT CAST(coalesce(sum(unknown), 0) AS BIGINT) FROM dispatch_side),
            (SELECT CAST(count(*) AS BIGINT) FROM dispatch_chunk),
            (SELECT CAST(count(*) AS BIGINT) FROM dispatch_receipt),
            (SELECT CAST(count(*) AS BIGINT) FROM dispatch_notice)";
        let row = sqlx::query(text).fetch_one(&mut conn).await?;
        Ok(Left {
            pending: row.try_get(0)?,
            unknown: row.try_get(1)?,
            chunks: row.try_get(2)?,
            receipts: row.try_get(3)?,
            notices: row.try_get(4)?,
        })
    })
    .await
}

/// Every message.
pub async fn messages(store: &str) -> Result<Vec<Message>> {
    let rows = ask(store, "the messages", |mut conn| async move {
        let text = "SELECT f.id, f.body, s.states, s.codes, s.checksum, coalesce(c.name, '') FROM dispatch_frame f
            JOIN dispatch_side s ON s.frame = f.id LEFT JOIN dispatch_campaign c ON c.id = f.campaign";
        let rows = sqlx::query(text).fetch_all(&mut conn).await?;
        let read = |row: &sqlx::any::AnyRow| -> std::result::Result<_, sqlx::Error> {
            let side = SideRow { states: row.try_get(2)?, codes: row.try_get(3)?, checksum: row.try_get(4)? };
            Ok((row.try_get::<Vec<u8>, _>(0)?, row.try_get::<Vec<u8>, _>(1)?, side, row.try_get::<String, _>(5)?))
        };
        rows.iter().map(read).collect::<std::result::Result<Vec<_>, _>>()
    })
    .await?;
    let mut messages = Vec::new();
    for (frame_id, body, side, campaign) in rows {
        let frame = Frame::read(&body).map_err(|e| format!("frame {}: {e}", id(&frame_id, 0)))?;
        let side = Side::read(&side).ok_or_else(|| format!("frame {}: its states are damaged", id(&frame_id, 0)))?;
        messages.extend(frame.heads().zip(0..).map(|(head, slot)| Message {
            id: id(&frame_id, slot),
            campaign: campaign.clone(),
            to: head.to.to_owned(),
            state: side.state(slot),
        }));
    }
    Ok(messages)
}

/// Everything that vendors took, in the order it came: on one machine they have one clock.
pub async fn entries(vendors: &[String]) -> Result<Vec<Entry>> {
    let mut all = Vec::new();
    for vendor in vendors {
        all.extend(entries_of(vendor).await?);
    }
    all.sort_by_key(|entry| entry.at_us);
    Ok(all)
}

async fn entries_of(vendor: &str) -> Result<Vec<Entry>> {
    let client = reqwest::Client::builder().no_proxy().build().map_err(|e| e.to_string())?;
    let text = async { client.get(format!("http://{vendor}/ledger/entries")).send().await?.text().await };
    let text = text.await.map_err(|e| format!("the vendor's ledger: {e}"))?;
    text.lines().map(|line| serde_json::from_str(line).map_err(|e| format!("a line of the ledger: {e}"))).collect()
}

/// As naru prints it and the vendor is told it.
fn id(frame: &[u8], slot: u16) -> String {
    let mut text = String::with_capacity(38);
    for byte in frame {
        let _ = write!(text, "{byte:02x}");
    }
    let _ = write!(text, "-{slot}");
    text
}
