//! What the rows come to for each address, read by the page: of all that changed after a number, of all consents in the
//! order of their addresses, or of one address.
//!
//! A fact says how things stand when it is read, not what a change did, so reading one twice or late does no harm. The
//! database joins the addresses of a page that share a fact into one text: a row for each would take five times as long.

use naru_dispatch::message::Channel;
use naru_store::Result;
use naru_store::error::StoreError;
use naru_store::reader::Reader;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::flags::Flags;

/// Rows of one page: their addresses and fingerprints take a megabyte.
const PAGE_ROWS: i64 = 10_000;

/// How one thing stands for some addresses.
#[derive(Debug)]
pub struct Fact {
    /// What is spoken of.
    pub mask: Flags,
    /// How it stands.
    pub flags: Flags,
    joined: String,
}

impl Fact {
    /// Whom it holds for. No normal form has a space in it.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.joined.split(' ')
    }
}

/// A table whose changes can be followed.
pub struct Feed {
    page_end: &'static str,
    changed: &'static str,
    of_address: &'static str,
}

/// How each refusal of some addresses stands. That is a value of the row and not a join, as in `given.rs`.
macro_rules! block_facts {
    ($which:literal) => {
        concat!(
            "SELECT channel, fact, string_agg(address, ' ') FROM (
                SELECT address, channel, CASE WHEN (SELECT COUNT(*) FROM consent_block s WHERE s.address = k.address
                    AND s.channel = k.channel AND s.scope = k.scope AND s.lifted_at IS NULL) > 0
                    THEN scope ELSE 'no-' || scope END AS fact
                FROM (SELECT DISTINCT address, channel, scope FROM consent_block WHERE ",
            $which,
            ") AS k) AS f GROUP BY channel, fact"
        )
    };
}

/// What the consents of one address to one channel come to. The youngest counts, and of two of one moment the one
/// without the night: the greatest of these numbers, whose last bit then says which it was.
macro_rules! youngest {
    () => {
        "MAX(given_at * 2 + 1 - night) % 2"
    };
}

/// How each consent of some addresses stands.
macro_rules! consent_facts {
    ($which:literal) => {
        concat!(
            "SELECT channel, fact, string_agg(address, ' ') FROM (
                SELECT address, channel, CASE (SELECT ",
            youngest!(),
            " FROM consent_ad s WHERE s.address = k.address AND s.channel = k.channel AND s.withdrawn_at IS NULL)
                    WHEN 0 THEN 'night' WHEN 1 THEN 'day' ELSE 'none' END AS fact
                FROM (SELECT DISTINCT address, channel FROM consent_ad WHERE ",
            $which,
            ") AS k) AS f GROUP BY channel, fact"
        )
    };
}

/// Refusals.
pub const BLOCKS: Feed = Feed {
    page_end: "SELECT change FROM consent_block WHERE change > $1 ORDER BY change LIMIT 1 OFFSET $2",
    changed: block_facts!("change > $1 AND change <= $2"),
    of_address: block_facts!("address = $1"),
};

/// Consents.
pub const CONSENTS: Feed = Feed {
    page_end: "SELECT change FROM consent_ad WHERE change > $1 ORDER BY change LIMIT 1 OFFSET $2",
    changed: consent_facts!("change > $1 AND change <= $2"),
    of_address: consent_facts!("address = $1"),
};

const SCAN_END: &str = "SELECT address FROM consent_ad WHERE address > $1 ORDER BY address LIMIT 1 OFFSET $2";
const SCAN_LAST: &str = "SELECT MAX(address) FROM consent_ad WHERE address > $1";
/// Along the primary key, which takes a fifth of the time that looking each address up there takes.
const SCAN: &str = concat!(
    "SELECT channel, fact, string_agg(address, ' ') FROM (
        SELECT address, channel, CASE ",
    youngest!(),
    " WHEN 0 THEN 'night' ELSE 'day' END AS fact
        FROM consent_ad WHERE address > $1 AND address <= $2 AND withdrawn_at IS NULL
        GROUP BY address, channel) AS f GROUP BY channel, fact"
);

/// The consents of the addresses after `after`, a page at most, and the address up to which it reaches; `None` at the
/// end. For who knows nothing yet: that there is no consent is not told.
pub async fn scan(reader: &Reader, after: &str) -> Result<Option<(Vec<Fact>, String)>> {
    let end: Option<String> = sqlx::query_scalar(SCAN_END).bind(after).bind(PAGE_ROWS).fetch_optional(reader).await?;
    let end = match end {
        Some(end) => end,
        None => match sqlx::query_scalar(SCAN_LAST).bind(after).fetch_one(reader).await? {
            Some(last) => last,
            None => return Ok(None),
        },
    };
    let rows = sqlx::query(SCAN).bind(after).bind(end.as_str()).fetch_all(reader).await?;
    Ok(Some((facts(&rows)?, end)))
}

/// The number of the last committed change.
pub async fn head(reader: &Reader) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT number FROM consent_change WHERE id = 1").fetch_one(reader).await?)
}

impl Feed {
    /// How all that changed after `after` and up to `head` stands, a page at most; and up to where the page reaches.
    pub async fn page(&self, reader: &Reader, after: i64, head: i64) -> Result<(Vec<Fact>, i64)> {
        let end: Option<i64> =
            sqlx::query_scalar(self.page_end).bind(after).bind(PAGE_ROWS).fetch_optional(reader).await?;
        let end = end.map_or(head, |end| end.min(head));
        let rows = sqlx::query(self.changed).bind(after).bind(end).fetch_all(reader).await?;
        Ok((facts(&rows)?, end))
    }

    /// How things stand for one address.
    pub async fn of_address(&self, reader: &Reader, address: &str) -> Result<Flags> {
        let rows = sqlx::query(self.of_address).bind(address).fetch_all(reader).await?;
        Ok(facts(&rows)?.iter().fold(Flags::default(), |flags, fact| flags.or(fact.flags)))
    }
}

fn facts(rows: &[AnyRow]) -> Result<Vec<Fact>> {
    rows.iter().filter_map(|row| fact(row).transpose()).collect()
}

/// `None` for a channel that only a newer naru knows: this one cannot send there.
fn fact(row: &AnyRow) -> Result<Option<Fact>> {
    let (channel, fact): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let channel = match channel.as_str() {
        "all" => None,
        name => match name.parse::<Channel>() {
            Ok(channel) => Some(channel),
            Err(()) => return Ok(None),
        },
    };
    let (mask, flags) = meaning(channel, &fact)
        .ok_or_else(|| StoreError::Damaged { what: format!("a row of consent says {fact:?} on {channel:?}") })?;
    Ok(Some(Fact { mask, flags, joined: row.try_get(2)? }))
}

/// The flags that a fact speaks of, and how they stand.
fn meaning(channel: Option<Channel>, fact: &str) -> Option<(Flags, Flags)> {
    let block = |ads_only| Flags::block(channel, ads_only);
    let consent = |night| channel.map(|channel| Flags::consent(channel, night));
    let nothing = Flags::default();
    Some(match fact {
        "ads" => (block(true), block(true)),
        "no-ads" => (block(true), nothing),
        "all" => (block(false), block(false)),
        "no-all" => (block(false), nothing),
        "none" => (consent(true)?, nothing),
        "day" => (consent(true)?, consent(false)?),
        "night" => (consent(true)?, consent(true)?),
        _ => return None,
    })
}
