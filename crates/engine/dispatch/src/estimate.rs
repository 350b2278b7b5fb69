//! What a campaign will cost and when it will be over, as far as caps and hours tell. An estimate: nothing holds to it.

use std::sync::Arc;

use naru_core::clock::{Millis, next_seoul_minute, seoul_day};
use naru_core::failure::Failure;
use naru_store::Store;
use naru_store::error::StoreError;
use sqlx::Row;

use crate::campaign::{Campaign, CampaignState};
use crate::config::LaneConfig;
use crate::consent::{Consent, Hours, NoAds};
use crate::engine::Dispatch;
use crate::lane::pace::SECOND_US;
use crate::message::Channel;
use crate::provider::Providers;

/// Stretches of time looked at: more than a year of nights.
const STRETCHES_MAX: usize = 400;

/// When a campaign will be over.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Messages of others that leave before it.
    pub before: u64,
    /// Messages a second at most; none where the lane has no cap.
    pub per_second: Option<f64>,
    /// When its first message may leave.
    pub begins: Millis,
    /// When its last one leaves; none where the lane has no cap, and where it would take more than a year.
    pub ends: Option<Millis>,
}

/// What bounds a lane's pace.
struct Bounds {
    per_second: f64,
    per_day: Option<u64>,
    /// Sent today.
    today: u64,
}

/// When a campaign would be over, were it begun at `from`.
pub async fn estimate(
    dispatch: &Dispatch,
    campaign: &Campaign,
    channel: Channel,
    from: Millis,
) -> Result<Estimate, Failure> {
    let ctx = dispatch.ctx();
    let now = ctx.clock().now_ms();
    let consent = ctx.find::<dyn Consent>().unwrap_or_else(|| Arc::new(NoAds));
    let hours = |at| consent.hours(at, campaign.purpose, channel);
    let before = before(ctx.store(), campaign).await?;
    let begins = hours(from).from;
    let Some(config) = dispatch.config().lane.get(&campaign.lane) else {
        return Ok(Estimate { before, per_second: None, begins, ends: None });
    };
    let batch = batch_max(dispatch, &campaign.lane, config);
    let Some(per_second) = per_second(config, batch) else {
        return Ok(Estimate { before, per_second: None, begins, ends: None });
    };
    let today = sent_today(ctx.store(), &campaign.lane, now).await?;
    let bounds = Bounds { per_second, per_day: config.messages_per_day_max, today };
    // Until then others leave.
    let gone = ((from - now).max(0) as f64 / 1_000.0 * per_second) as u64;
    let messages = before.saturating_sub(gone) + campaign.account.accepted;
    let ends = ends(now, begins, messages, &bounds, hours);
    Ok(Estimate { before, per_second: Some(per_second), begins, ends })
}

/// Won for a campaign's messages at its lane's price, of which `long` leave as LMS; none where the lane has no price.
pub fn cost(config: &LaneConfig, messages: u64, long: u64) -> Option<f64> {
    let price = config.price_krw?;
    let long_price = config.price_lms_krw.unwrap_or(price);
    Some(messages.saturating_sub(long) as f64 * price + long as f64 * long_price)
}

/// Messages that leave before a campaign that begins now: as urgent as it, or more, and held back by nobody.
async fn before(store: &Store, campaign: &Campaign) -> Result<u64, Failure> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM(s.pending), 0) AS BIGINT) FROM dispatch_side s
         LEFT JOIN dispatch_campaign c ON c.id = s.campaign
         WHERE s.open = 1 AND s.lane = $1 AND s.priority <= $2 AND (c.id IS NULL OR (c.state = $3 AND c.id <> $4))",
    )
    .bind(campaign.lane.as_str())
    .bind(campaign.purpose.priority() as i64)
    .bind(CampaignState::Running.name())
    .bind(campaign.id.0.to_vec())
    .fetch_one(store.reader())
    .await
    .map_err(StoreError::from)?;
    Ok(row.try_get::<i64, _>(0).map_err(StoreError::from)? as u64)
}

async fn sent_today(store: &Store, lane: &str, now: Millis) -> Result<u64, Failure> {
    let text = "SELECT CAST(COALESCE(SUM(day_used), 0) AS BIGINT) FROM dispatch_pace WHERE lane = $1 AND day = $2";
    let sent = sqlx::query_scalar::<_, i64>(text).bind(lane).bind(seoul_day(now)).fetch_one(store.reader()).await;
    Ok(sent.map_err(StoreError::from)? as u64)
}

fn batch_max(dispatch: &Dispatch, lane: &str, config: &LaneConfig) -> usize {
    let own = config.batch_max.map_or(usize::MAX, |max| max as usize);
    let providers = dispatch.ctx().find::<dyn Providers>();
    let provider = providers.and_then(|providers| providers.provider(lane, config).ok());
    provider.map_or(1, |provider| provider.batch_max()).min(own)
}

/// Messages a second that the caps let through.
fn per_second(config: &LaneConfig, batch_max: usize) -> Option<f64> {
    let requests = config.requests_per_second_max.map(|max| f64::from(max) * batch_max as f64);
    let messages = config.messages_per_second_max.map(f64::from);
    let least = [requests, messages].into_iter().flatten().reduce(f64::min)?;
    // A second of ours is a little longer than one.
    Some(least * 1_000_000.0 / SECOND_US as f64)
}

/// When the last of `messages` leaves, from `begins` on.
fn ends(
    now: Millis,
    begins: Millis,
    messages: u64,
    bounds: &Bounds,
    hours: impl Fn(Millis) -> Hours,
) -> Option<Millis> {
    let (mut at, mut left) = (begins, messages as f64);
    let midnight = |at| next_seoul_minute(at, 0);
    let mut sent = if begins < midnight(now) { bounds.today as f64 } else { 0.0 };
    for _ in 0..STRETCHES_MAX {
        let open = hours(at);
        if open.from >= midnight(at) {
            sent = 0.0;
        }
        at = at.max(open.from);
        let tomorrow = midnight(at);
        let until = open.until.unwrap_or(Millis::MAX).min(tomorrow);
        let room = bounds.per_day.map_or(f64::INFINITY, |max| (max as f64 - sent).max(0.0));
        let by_time = bounds.per_second * (until - at) as f64 / 1_000.0;
        let leave = left.min(room).min(by_time);
        if leave >= left {
            return Some(at + (left / bounds.per_second * 1_000.0).ceil() as Millis);
        }
        left -= leave;
        sent += leave;
        at = if leave >= room { tomorrow } else { until };
        if at == tomorrow {
            sent = 0.0;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 00:00 in Seoul.
    const MIDNIGHT: Millis = 1_795_273_200_000;
    const HOUR: Millis = 3_600_000;
    const DAY: Millis = 24 * HOUR;

    fn always(at: Millis) -> Hours {
        Hours { from: at, until: None }
    }

    /// From 08:00 to 21:00.
    fn by_day(at: Millis) -> Hours {
        let day = (at - MIDNIGHT).div_euclid(DAY) * DAY + MIDNIGHT;
        let day = if at >= day + 21 * HOUR { day + DAY } else { day };
        Hours { from: at.max(day + 8 * HOUR), until: Some(day + 21 * HOUR) }
    }

    fn bounds(per_second: f64, per_day: Option<u64>, today: u64) -> Bounds {
        Bounds { per_second, per_day, today }
    }

    #[test]
    fn what_leaves_evenly_takes_its_time() {
        let at = MIDNIGHT + 10 * HOUR;
        assert_eq!(ends(at, at, 36_000, &bounds(10.0, None, 0), always), Some(at + HOUR));
        assert_eq!(ends(at, at, 0, &bounds(10.0, None, 0), always), Some(at));
    }

    #[test]
    fn advertisements_rest_at_night() {
        let at = MIDNIGHT + 20 * HOUR;
        let rest = bounds(10.0, None, 0);
        assert_eq!(ends(at, at, 36_000, &rest, by_day), Some(at + HOUR));
        assert_eq!(ends(at, at, 72_000, &rest, by_day), Some(MIDNIGHT + DAY + 9 * HOUR));
        let night = MIDNIGHT + 22 * HOUR;
        assert_eq!(ends(night, night, 36_000, &rest, by_day), Some(MIDNIGHT + DAY + 9 * HOUR));
    }

    #[test]
    fn a_days_messages_are_spent_and_the_next_day_goes_on() {
        let at = MIDNIGHT + 10 * HOUR;
        let spent = bounds(10.0, Some(50_000), 40_000);
        // 10,000 today, 50,000 tomorrow from 08:00 on, and an hour's on the day after.
        assert_eq!(ends(at, at, 96_000, &spent, by_day), Some(MIDNIGHT + 2 * DAY + 9 * HOUR));
        // Begun tomorrow, what was sent today does not count.
        let tomorrow = MIDNIGHT + DAY + 10 * HOUR;
        assert_eq!(ends(at, tomorrow, 36_000, &spent, by_day), Some(tomorrow + HOUR));
    }

    #[test]
    fn more_than_a_year_is_not_told() {
        assert_eq!(ends(MIDNIGHT, MIDNIGHT, 1_000_000, &bounds(10.0, Some(100), 0), always), None);
    }
}
