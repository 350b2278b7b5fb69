//! What came to which state when: counts by ten seconds, for charts and rates.
//!
//! Noted by whoever carries a lane, every two seconds and as it ends; a killed process takes the last of them with it. So
//! this is what a chart shows and never what a message is accounted by.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use naru_core::clock::Millis;
use naru_core::id::Id;
use naru_store::script::{Bound, Script};
use naru_store::{Result, Store, many};
use sqlx::{AnyConnection, Row};

use crate::account::Account;
use crate::shard::Shard;
use crate::side::State;

/// What is counted together.
pub const STEP_MS: Millis = 10_000;

/// Messages that came to a state, by the campaign they are of.
pub type Tally = HashMap<Option<Id>, Account>;

/// The states that are counted, as columns; what is pending came to nothing yet.
const COUNTED: [State; 7] =
    [State::Sent, State::Delivered, State::Failed, State::Expired, State::Suppressed, State::Cancelled, State::Unknown];

/// What a lane has not noted yet.
#[derive(Debug, Default)]
pub struct History {
    waiting: BTreeMap<(Millis, Option<Id>), Account>,
}

impl History {
    /// Counts what came to a state around `now`.
    pub fn add(&mut self, now: Millis, tally: Tally) {
        for (campaign, account) in tally {
            self.waiting.entry((step(now), campaign)).or_default().join(&account);
        }
    }

    /// What is to be noted; nothing is left.
    pub fn take(&mut self) -> Vec<Noted> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().map(|((at, campaign), account)| Noted { at, campaign, account }).collect()
    }
}

/// One line of what is noted.
#[derive(Clone, Debug)]
pub struct Noted {
    at: Millis,
    campaign: Option<Id>,
    account: Account,
}

/// The beginning of the ten seconds that `at` is in.
pub fn step(at: Millis) -> Millis {
    at.div_euclid(STEP_MS) * STEP_MS
}

/// Adds to what is noted of a shard. Whoever adds twice after a commit whose answer was lost draws a bar too high.
pub async fn note(store: &Store, shard: &Shard, lines: Vec<Noted>) -> Result<()> {
    let shard = shard.clone();
    let noted = store.write(move |conn| {
        let (shard, lines) = (shard.clone(), lines.clone());
        Box::pin(async move {
            // Lines of its own: shards that added to the same ones could wait for each other in a circle.
            let text = |before, rows| {
                let sums = COUNTED.map(|state| format!("{0} = dispatch_history.{0} + excluded.{0}", state.name()));
                format!(
                    "INSERT INTO dispatch_history (at, lane, shard, campaign, {}) VALUES {}
                     ON CONFLICT (at, lane, shard, campaign) DO UPDATE SET {}",
                    COUNTED.map(State::name).join(", "),
                    many::values(before, rows, 4 + COUNTED.len()),
                    sums.join(", "),
                )
            };
            let bind = |bound: &mut Bound, line: &Noted| {
                bound
                    .bind(line.at)
                    .bind(shard.lane.to_string())
                    .bind(shard.column())
                    .bind(line.campaign.map_or_else(Vec::new, |id| id.0.to_vec()));
                COUNTED.iter().for_each(|state| {
                    bound.bind(line.account.of(*state) as i64);
                });
            };
            let mut script = Script::on(conn);
            script.add(&lines, 4 + COUNTED.len(), text, bind).await?;
            script.end().await
        })
    });
    noted.await
}

/// What came to which state on each lane in a time, by `width` of it from its beginning on. What an instance whose clock
/// is ahead has noted is not of that time yet.
pub async fn by_lane(
    store: &Store,
    time: Range<Millis>,
    width: Millis,
) -> Result<BTreeMap<String, Vec<(Millis, Account)>>> {
    let text = format!(
        "SELECT lane, (at - $1) / $2, {} FROM dispatch_history WHERE at >= $1 AND at < $3 GROUP BY 1, 2 ORDER BY 1, 2",
        sums()
    );
    let text = sqlx::AssertSqlSafe(text);
    let query = sqlx::query(text).bind(time.start).bind(width).bind(time.end);
    let rows = query.fetch_all(store.reader()).await?;
    let mut lanes: BTreeMap<String, Vec<(Millis, Account)>> = BTreeMap::new();
    for row in &rows {
        let at = time.start + row.try_get::<i64, _>(1)? * width;
        lanes.entry(row.try_get(0)?).or_default().push((at, account(row, 2)?));
    }
    Ok(lanes)
}

/// What came to which state of a campaign: from its first to its last, in at most `columns`, with how long each is.
pub async fn of_campaign(store: &Store, campaign: Id, columns: u32) -> Result<(Millis, Vec<(Millis, Account)>)> {
    let ends = sqlx::query("SELECT MIN(at), MAX(at) FROM dispatch_history WHERE campaign = $1");
    let ends = ends.bind(campaign.0.to_vec()).fetch_one(store.reader()).await?;
    let (Some(first), Some(last)) = (ends.try_get::<Option<i64>, _>(0)?, ends.try_get::<Option<i64>, _>(1)?) else {
        return Ok((STEP_MS, Vec::new()));
    };
    let steps = (last - first) / STEP_MS + 1;
    let width = (steps + i64::from(columns) - 1) / i64::from(columns.max(1)) * STEP_MS;
    let text =
        format!("SELECT (at - $1) / $2, {} FROM dispatch_history WHERE campaign = $3 GROUP BY 1 ORDER BY 1", sums());
    let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(first).bind(width).bind(campaign.0.to_vec());
    let rows = query.fetch_all(store.reader()).await?;
    let column = |row: &sqlx::any::AnyRow| Ok((first + row.try_get::<i64, _>(0)? * width, account(row, 1)?));
    Ok((width, rows.iter().map(column).collect::<Result<_>>()?))
}

/// Lets go of some of what is older than `before`; answers how many moments.
pub(crate) async fn remove_some(conn: &mut AnyConnection, before: Millis) -> Result<u64> {
    let text = "DELETE FROM dispatch_history WHERE at IN
         (SELECT DISTINCT at FROM dispatch_history WHERE at < $1 ORDER BY at LIMIT 50)";
    Ok(sqlx::query(text).bind(before).execute(conn).await?.rows_affected())
}

fn sums() -> String {
    COUNTED.map(|state| format!("CAST(SUM({}) AS BIGINT)", state.name())).join(", ")
}

fn account(row: &sqlx::any::AnyRow, first: usize) -> Result<Account> {
    let mut account = Account::default();
    for (at, state) in COUNTED.into_iter().enumerate() {
        account.add(state, row.try_get::<i64, _>(first + at)? as u64);
    }
    Ok(account)
}
