//! How many messages of a campaign ended with which code.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use naru_core::id::Id;
use naru_store::{Result, Store};
use sqlx::Row;

use crate::side::count_codes;

/// Codes counted apart at most; a provider that makes one up for every message has the rest counted as one.
const CODES_MAX: usize = 1_000;

/// By code, and what had one beyond as many as are counted. Looks at every frame of the campaign in which something has
/// one.
pub async fn of_campaign(store: &Store, campaign: Id) -> Result<(BTreeMap<String, u64>, u64)> {
    let counted = store.read(move |conn| {
        Box::pin(async move {
            let query = sqlx::query("SELECT codes FROM dispatch_side WHERE campaign = $1 AND codes <> ''");
            let mut rows = query.bind(campaign.0.to_vec()).fetch(conn);
            let (mut counts, mut others) = (BTreeMap::new(), 0);
            while let Some(row) = rows.try_next().await? {
                for (code, count) in count_codes(&row.try_get::<String, _>(0)?) {
                    if counts.len() < CODES_MAX || counts.contains_key(code) {
                        *counts.entry(code.to_owned()).or_default() += count;
                    } else {
                        others += count;
                    }
                }
            }
            Ok((counts, others))
        })
    });
    counted.await
}
