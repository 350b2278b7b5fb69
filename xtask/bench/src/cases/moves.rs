//! A lane that passes to another instance in full work: its own is killed, or asked to stop.

use std::time::{Duration, Instant};

use naru_core::clock::SystemClock;
use serde_json::Value;

use crate::Result;
use crate::cases::Bench;
use crate::cases::instances::{CAP, bunching, cap_reach, is_held, tightest_ms, working};
use crate::house::LANES;
use crate::pair::Pair;
use crate::report::{Row, median, slowest};
use crate::wait::{pause, until};

const BATCH: u32 = 10;
/// A new owner starts other work within this.
const REACH_S: f64 = 10.0;
/// Lanes run so long before one is moved.
const WORK: Duration = Duration::from_secs(3);
/// What is added each time, so that kills are spread over the two seconds between two renewals of a lease.
const SHIFT: Duration = Duration::from_millis(400);
/// After a move: a second in which old and new starts would meet.
const AFTER: Duration = Duration::from_millis(1_500);
/// What a killed instance left in doubt is looked into after 30 s: until then the next kill would be a double one, and
/// what is doubled is not known.
const DOUBTS: Duration = Duration::from_secs(35);
/// What a lane has where nothing is configured.
const REST: &str = "`in_flight_max` 32, `timeout_ms` 30,000";
/// For the lane to go on.
const MOVED_MAX: Duration = Duration::from_secs(60);
/// How often the vendor's entries are looked through for that; their own stamps are what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// No lane at its cap is silent for so long, and no lane that moves is silent for less.
const GAP_US: u64 = 1_000_000;
/// One round: to share, to work, to move, to come back.
const ROUND_S: u64 = 80;

/// Kills the instance that carries a lane.
pub async fn failover(bench: &Bench) -> Result<Vec<Row>> {
    let (moves, told) = rounds(bench, End::Kill).await?;
    let first = Spread::of(&moves, |it| it.first_s);
    let taken = Spread::of(&moves, |it| it.taken_s);
    Ok(vec![Row {
        what: "an instance killed in full work: its lane's first request by the other one".into(),
        figure: first.told(),
        reach: reach(),
        reached: is_reached(&first, &moves),
        conditions: format!("from the kill; the lane started there after {}; {told}", taken.told()),
        ..Row::default()
    }])
}

/// Asks the instance that carries a lane to stop.
pub async fn drain(bench: &Bench) -> Result<Vec<Row>> {
    let (moves, told) = rounds(bench, End::Stop).await?;
    let first = Spread::of(&moves, |it| it.first_s);
    let ended = Spread::of(&moves, |it| it.ended_s);
    Ok(vec![
        Row {
            what: "an instance asked to stop in full work: SIGTERM to its end, with 0".into(),
            figure: ended.told(),
            conditions: "`web.stop_delay_s` 0; what was in flight has ended and is stored, the lease is given back"
                .into(),
            ..Row::default()
        },
        Row {
            what: "the same: its lane's first request by the other one".into(),
            figure: first.told(),
            reach: reach(),
            reached: is_reached(&first, &moves),
            conditions: format!("from SIGTERM; a lease that is given back rests for 1.5 s; {told}"),
            ..Row::default()
        },
    ])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Kill,
    Stop,
}

struct Move {
    /// Until its process was gone.
    ended_s: f64,
    /// Until the other instance said that the lane started.
    taken_s: f64,
    /// Until the vendor had the other one's first request.
    first_s: f64,
    /// As [`tightest_ms`].
    tightest_ms: f64,
}

async fn rounds(bench: &Bench, end: End) -> Result<(Vec<Move>, String)> {
    let rounds = bench.pick(1, 5);
    let mut pair = working(bench, BATCH, rounds * ROUND_S).await?;
    let mut moves = Vec::new();
    for round in 0..rounds {
        let start = Instant::now();
        moves.push(round_of(&mut pair, end, WORK + SHIFT * round as u32).await?);
        pair.start(0).await?;
        if end == End::Kill {
            pause((DOUBTS + WORK).saturating_sub(start.elapsed())).await;
        }
    }
    let (mut peak, mut doubled) = (0, 0);
    for vendor in &pair.vendors {
        let sums = vendor.sums().await?;
        (peak, doubled) = (sums.peak.max(peak), doubled + sums.doubled);
    }
    let told = format!(
        "{} moves, each while two instances carried a lane each at {CAP} requests/s of {BATCH} messages, {REST}; {peak} \
         requests in any sliding second at most before, across and after them, {doubled} doubled. {}; {}",
        moves.len(),
        bunching(tightest(&moves)),
        pair.told(),
    );
    pair.stop().await?;
    Ok((moves, told))
}

async fn round_of(pair: &mut Pair, end: End, work: Duration) -> Result<Move> {
    let lane = pair.share().await?;
    // What came before this move is not read again.
    let from = pair.vendors[lane].sums().await?.accepted;
    pause(work).await;
    let clock = SystemClock::shared();
    let serve = pair.take(0)?;
    let (at_ms, start) = (clock.now_ms(), Instant::now());
    match end {
        End::Kill => serve.kill(),
        End::Stop => serve.stop().await?,
    }
    let ended_s = start.elapsed().as_secs_f64();
    let at_us = at_ms as u64 * 1_000;
    let moved = async || {
        pause(LOOK_EVERY).await;
        Ok(after_gap(&pair.vendors[lane].arrivals(from).await?, at_us))
    };
    let first = until("the other instance's first request", MOVED_MAX, moved).await?;
    pair.carries(1, LANES.len()).await?;
    pause(AFTER).await;
    let arrivals = pair.vendors[lane].arrivals(from).await?;
    let since_s = |us: u64| (us as f64 - at_us as f64) / 1e6;
    let taken = started_us(&pair.serve(1)?.log(), LANES[lane].0).ok_or("no log tells of the lane's new start")?;
    Ok(Move { ended_s, taken_s: since_s(taken), first_s: since_s(first), tightest_ms: tightest_ms(&arrivals) })
}

/// The arrival after the first long silence since `from`: one owner's last is followed by the next one's first.
fn after_gap(arrivals: &[u64], from: u64) -> Option<u64> {
    let mut pairs = arrivals.windows(2).filter(|pair| pair[1] > from);
    pairs.find(|pair| pair[1] - pair[0] > GAP_US).map(|pair| pair[1])
}

/// When a lane was last started, as the log of an instance tells.
fn started_us(log: &str, lane: &str) -> Option<u64> {
    let lines = log.lines().rev().filter(|line| line.contains("lane started"));
    let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.find(|line| line["lane.name"] == lane)?;
    let at: jiff::Timestamp = line["at"].as_str()?.parse().ok()?;
    u64::try_from(at.as_microsecond()).ok()
}

fn tightest(moves: &[Move]) -> f64 {
    moves.iter().map(|it| it.tightest_ms).fold(f64::INFINITY, f64::min)
}

fn reach() -> String {
    format!("{REACH_S:.0} s, {}", cap_reach())
}

fn is_reached(first: &Spread, moves: &[Move]) -> Option<bool> {
    Some(first.slowest <= REACH_S && is_held(tightest(moves)))
}

struct Spread {
    median: f64,
    slowest: f64,
}

impl Spread {
    fn of(moves: &[Move], part: impl Fn(&Move) -> f64) -> Spread {
        let parts: Vec<f64> = moves.iter().map(part).collect();
        Spread { slowest: slowest(&parts), median: median(parts) }
    }

    fn told(&self) -> String {
        format!("{:.2} s, slowest {:.2} s", self.median, self.slowest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_next_owner_follows_the_longest_silence() {
        assert_eq!(after_gap(&[1, 2_000_000, 2_600_000, 4_000_000, 9_000_000], 2_500_000), Some(4_000_000));
        assert_eq!(after_gap(&[1, 2_000_000, 2_900_000], 2_500_000), None);
        let log =
            "{\"at\":\"1970-01-01T00:00:01.5Z\",\"message\":\"lane started\",\"lane.name\":\"a\"}\nlane started\n";
        assert_eq!((started_us(log, "a"), started_us(log, "b")), (Some(1_500_000), None));
    }
}
