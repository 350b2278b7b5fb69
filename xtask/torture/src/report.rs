//! The table at the end.

use std::collections::BTreeMap;

use naru_core::clock::Millis;

use crate::round::Round;
use crate::world::{CAP, LIMIT};

/// Sums over rounds.
#[derive(Default)]
pub struct Sums {
    rounds: usize,
    faults: BTreeMap<&'static str, usize>,
    rows: BTreeMap<&'static str, usize>,
    peak: u64,
    takeovers_ms: Vec<Millis>,
}

impl Sums {
    /// Adds a round.
    pub fn add(&mut self, round: &Round) {
        self.rounds += 1;
        for (name, count) in crate::faults::counts(&round.faults) {
            *self.faults.entry(name).or_default() += count;
        }
        let verdict = &round.verdict;
        let rows = [
            ("promised", verdict.promised),
            ("taken", verdict.taken),
            ("stood in", round.stood_in as usize),
            ("lost", verdict.lost.len()),
            ("stored twice", verdict.stored_twice.len()),
            ("doubled", verdict.doubled.len()),
            ("doubled, declared", verdict.doubled_declared),
            ("inversions", verdict.inversions.len()),
            ("misstated", verdict.misstated.len()),
            ("left at rest", verdict.unrested.len()),
            ("left at rest, in doubt", verdict.unrested_declared),
            ("in doubt at a fault", round.faults.iter().map(|fault| fault.doubts.len()).sum()),
            ("unknown before", round.before.unknown as usize),
            ("unknown after", verdict.unknown),
            ("unknown, undeclared", verdict.unknown_undeclared.len()),
        ];
        for (name, count) in rows {
            *self.rows.entry(name).or_default() += count;
        }
        self.peak = self.peak.max(verdict.peak);
        self.takeovers_ms.extend(&round.takeovers_ms);
        self.takeovers_ms.sort_unstable();
    }

    /// All of it, a line each.
    pub fn table(&self) -> String {
        let row = |name: &str| self.rows.get(name).copied().unwrap_or_default();
        let mut lines = vec![("rounds", self.rounds.to_string())];
        let kills: Vec<String> = self.faults.iter().map(|(name, count)| format!("{count} {name}")).collect();
        lines.push(("kills and frosts", kills.join(", ")));
        lines.push(("messages promised", row("promised").to_string()));
        let stood_in = row("stood in");
        lines.push(("taken by vendors", format!("{} ({stood_in} by the one that stands by)", row("taken"))));
        lines.push(("lost", row("lost").to_string()));
        lines.push(("stored twice", row("stored twice").to_string()));
        lines.push(("doubled", format!("{} (and {} within none's window)", row("doubled"), row("doubled, declared"))));
        lines.push(("inversions", row("inversions").to_string()));
        lines.push(("not as naru says", row("misstated").to_string()));
        let (unrested, begun) = (row("left at rest"), row("left at rest, in doubt"));
        lines.push(("left at rest", format!("{unrested} (and {begun} in doubt before, at level key)")));
        lines.push(("requests in a second", format!("{} at most (cap {CAP}, checked at {LIMIT})", self.peak)));
        lines.push(("in doubt at faults", row("in doubt at a fault").to_string()));
        let (before, after) = (row("unknown before"), row("unknown after"));
        lines.push(("unknown", format!("{before} at the last kill, {after} at the end")));
        lines.push(("unknown without need", row("unknown, undeclared").to_string()));
        lines.push(("time to takeover", self.takeovers()));
        lines.iter().map(|(name, value)| format!("{name:<22}{value}\n")).collect()
    }

    fn takeovers(&self) -> String {
        let seconds = |ms: Millis| ms as f64 / 1e3;
        match self.takeovers_ms.as_slice() {
            [] => "-".to_owned(),
            [.., last] => {
                let middle = self.takeovers_ms[self.takeovers_ms.len() / 2];
                format!("{:.1} s in the middle, {:.1} s at most", seconds(middle), seconds(*last))
            }
        }
    }
}
