//! Numbers for `/metrics`: of each lane, and of what waits in the store.

use std::collections::BTreeMap;
use std::sync::Mutex;

use naru_core::metric::{Metrics, Series};

use crate::account::Account;
use crate::health::OutletHealth;
use crate::lane::{Save, Status};
use crate::merge::Merged;
use crate::provider::Answer;
use crate::shard::Shard;
use crate::side::State;

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
    /// Messages by the state they came to.
    outcomes: [Series; OUTCOMES.len()],
}

/// States that a message comes to.
const OUTCOMES: [State; 7] =
    [State::Sent, State::Delivered, State::Failed, State::Expired, State::Suppressed, State::Cancelled, State::Unknown];

/// How a request can end.
const ENDS: [&str; 5] = ["answered", "refused", "throttled", "unsent", "unknown"];

impl LaneGauges {
    /// Registers them, under the lane's name; a shard that is not its first has its number behind it.
    pub fn new(metrics: &Metrics, shard: &Shard) -> LaneGauges {
        let lane = &*shard.to_string();
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
            outcomes: OUTCOMES.map(|state| {
                let help = "Messages by the state they came to, each state that a message comes to counted";
                metrics.counter("naru_lane_messages_ended_total", help, &[("lane", lane), ("state", state.name())])
            }),
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

    /// Counts what receipts for frames that the lane does not hold came to.
    pub fn merged(&self, merged: &Merged) {
        self.receipts_unknown.add(merged.unknown as i64);
        merged.moved.values().for_each(|moved| self.ended(moved));
    }

    /// Counts messages by the state they came to.
    pub fn ended(&self, moved: &Account) {
        for (series, state) in self.outcomes.iter().zip(OUTCOMES) {
            series.add(moved.of(state) as i64);
        }
    }

    /// Shows how the lane is.
    pub fn show(&self, status: &Status) {
        self.held.set(status.held as i64);
        self.stalled.set(i64::from(status.stalled));
    }

    /// Shows how its account is.
    pub fn show_outlet(&self, health: &OutletHealth) {
        self.in_flight.set(health.status.in_flight as i64);
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

/// The messages that wait in the store, by lane.
#[derive(Default)]
pub struct PendingGauges(Mutex<BTreeMap<String, Series>>);

impl PendingGauges {
    /// Shows what waits for each lane; one for which nothing waits any more is shown with 0.
    pub fn show(&self, metrics: &Metrics, lanes: &BTreeMap<String, u64>) {
        let mut shown = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for lane in lanes.keys() {
            let made = || metrics.gauge("naru_messages_pending", "Messages that are not sent yet", &[("lane", lane)]);
            shown.entry(lane.clone()).or_insert_with(made);
        }
        for (lane, series) in shown.iter() {
            series.set(lanes.get(lane).copied().unwrap_or_default() as i64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_for_which_nothing_waits_any_more_is_shown_with_nothing() {
        let (gauges, metrics) = (PendingGauges::default(), Metrics::default());
        let lanes = |lanes: &[(&str, u64)]| lanes.iter().map(|(lane, n)| ((*lane).to_owned(), *n)).collect();
        gauges.show(&metrics, &lanes(&[("mail", 1), ("sms", 2)]));
        gauges.show(&metrics, &lanes(&[("sms", 3)]));
        let shown = metrics.render();
        assert!(shown.contains("{lane=\"mail\"} 0\n") && shown.contains("{lane=\"sms\"} 3\n"), "{shown}");
    }
}
