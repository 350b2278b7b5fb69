//! Numbers for `/metrics`: of each lane, and of what is in the store.

use std::sync::Mutex;

use naru_core::metric::{Metrics, Series};

use crate::account::Account;
use crate::component::STATES_SHOWN;
use crate::health::Health;
use crate::lane::Save;
use crate::provider::Answer;

/// Counters and gauges of one lane.
#[derive(Clone)]
pub struct LaneGauges {
    saves: Series,
    marks: Series,
    started: Series,
    /// Requests by how they ended, as [`ENDS`] has them.
    ended: [Series; ENDS.len()],
    in_flight: Series,
    held: Series,
    stalled: Series,
    blocked: Series,
    receipts_unknown: Series,
}

/// How a request can end.
const ENDS: [&str; 5] = ["answered", "refused", "throttled", "unsent", "unknown"];

impl LaneGauges {
    /// Registers them.
    pub fn new(metrics: &Metrics, lane: &str) -> LaneGauges {
        let label = [("lane", lane)];
        LaneGauges {
            saves: metrics.counter("naru_lane_commits_total", "Commits of outcomes and started marks", &label),
            marks: metrics.counter("naru_lane_chunks_total", "Chunks marked as started", &label),
            started: metrics.counter(
                "naru_lane_messages_started_total",
                "Messages marked as started, tries included",
                &label,
            ),
            ended: ENDS.map(|end| {
                let help = "Requests by how they ended";
                metrics.counter("naru_lane_requests_total", help, &[("lane", lane), ("end", end)])
            }),
            in_flight: metrics.gauge("naru_lane_requests_in_flight", "Requests without an answer", &label),
            held: metrics.gauge(
                "naru_lane_messages_held",
                "Messages behind an earlier one of their customer or waiting for a retry",
                &label,
            ),
            stalled: metrics.gauge(
                "naru_lane_stalled",
                "1 while too many messages are held for new ones to be taken",
                &label,
            ),
            blocked: metrics.gauge("naru_lane_blocked", "1 while the provider takes nothing", &label),
            receipts_unknown: receipts_unknown(metrics),
        }
    }

    /// Counts a save.
    pub fn count(&self, save: &Save) {
        self.saves.add(1);
        self.marks.add(save.marks.len() as i64);
        self.started.add(save.marks.iter().map(|mark| mark.slots.len() as i64).sum());
    }

    /// Counts a request that ended.
    pub fn answered(&self, answer: &Answer) {
        let end = match answer {
            Answer::Each(_) => 0,
            Answer::Refused { .. } => 1,
            Answer::Throttled { .. } => 2,
            Answer::Unsent { .. } => 3,
            Answer::Unknown { .. } => 4,
        };
        self.ended[end].add(1);
    }

    /// Counts receipts of no message of ours.
    pub fn receipts_unknown(&self, count: usize) {
        self.receipts_unknown.add(count as i64);
    }

    /// Shows how the lane is.
    pub fn show(&self, health: &Health) {
        let status = &health.status;
        self.in_flight.set(status.in_flight as i64);
        self.held.set(status.held as i64);
        self.stalled.set(i64::from(status.stalled));
        self.blocked.set(i64::from(health.block.is_some()));
    }
}

/// Receipts for ids that are not ours, whichever lane they came for.
pub fn receipts_unknown(metrics: &Metrics) -> Series {
    metrics.counter("naru_receipts_unknown_total", "Receipts for ids that are not ours", &[])
}

/// Messages taken in `by` file or call.
pub fn accepted(metrics: &Metrics, by: &str) -> Series {
    let help = "Messages that were stored and acknowledged; a call that is repeated counts again";
    metrics.counter("naru_messages_accepted_total", help, &[("by", by)])
}

/// The messages in the store, by lane and state.
#[derive(Default)]
pub struct StoreGauges(Mutex<Vec<Series>>);

impl StoreGauges {
    /// Shows the accounts of all lanes; one that has nothing any more is shown with nothing.
    pub fn show<'a>(&self, metrics: &Metrics, lanes: impl Iterator<Item = (&'a String, &'a Account)>) {
        let mut shown = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        shown.drain(..).for_each(|series| series.set(0));
        for (lane, account) in lanes {
            for state in STATES_SHOWN {
                let labels = [("lane", lane.as_str()), ("state", state.name())];
                let series = metrics.gauge("naru_messages", "Messages in the store by lane and state", &labels);
                series.set(account.of(state) as i64);
                shown.push(series);
            }
        }
    }
}
