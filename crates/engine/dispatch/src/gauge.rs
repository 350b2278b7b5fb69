//! A lane's numbers for `/metrics`.

use naru_core::metric::{Metrics, Series};

use crate::lane::{Save, Status};

/// Counters and gauges of one lane.
#[derive(Clone)]
pub struct LaneGauges {
    saves: Series,
    marks: Series,
    started: Series,
    in_flight: Series,
    held: Series,
    blocked: Series,
}

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
            in_flight: metrics.gauge("naru_lane_requests_in_flight", "Requests without an answer", &label),
            held: metrics.gauge(
                "naru_lane_messages_held",
                "Messages behind an earlier one of their customer or waiting for a retry",
                &label,
            ),
            blocked: metrics.gauge(
                "naru_lane_stalled",
                "1 while too many messages are held for new ones to be taken",
                &label,
            ),
        }
    }

    /// Counts a save.
    pub fn count(&self, save: &Save) {
        self.saves.add(1);
        self.marks.add(save.marks.len() as i64);
        self.started.add(save.marks.iter().map(|mark| mark.slots.len() as i64).sum());
    }

    /// Shows the status.
    pub fn show(&self, status: &Status) {
        self.in_flight.set(status.in_flight as i64);
        self.held.set(status.held as i64);
        self.blocked.set(i64::from(status.stalled));
    }
}
