//! Counters and gauges, printed in the Prometheus text format (version 0.0.4).
//!
//! Labels are lane and outcome names, never an address or an id: each distinct label set is a series kept for ever.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// One series: a number that may be added to or set.
#[derive(Clone, Default, Debug)]
pub struct Series(Arc<AtomicI64>);

impl Series {
    /// Adds `n`.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Sets the value; for gauges.
    pub fn set(&self, n: i64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The value now.
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Family {
    help: &'static str,
    counter: bool,
    series: BTreeMap<String, Series>,
}

/// All series of the process.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<&'static str, Family>>>);

impl Metrics {
    /// The counter `name` (ending in `_total`) with these labels.
    pub fn counter(&self, name: &'static str, help: &'static str, labels: &[(&str, &str)]) -> Series {
        self.series(name, help, true, labels)
    }

    /// The gauge `name` with these labels.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: &[(&str, &str)]) -> Series {
        self.series(name, help, false, labels)
    }

    fn series(&self, name: &'static str, help: &'static str, counter: bool, labels: &[(&str, &str)]) -> Series {
        let mut families = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let family = families.entry(name).or_default();
        (family.help, family.counter) = (help, counter);
        family.series.entry(label_text(labels)).or_default().clone()
    }

    /// Everything, as Prometheus reads it.
    pub fn render(&self) -> String {
        let families = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut text = String::new();
        for (name, family) in families.iter() {
            let kind = if family.counter { "counter" } else { "gauge" };
            let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
            for (labels, series) in &family.series {
                let _ = writeln!(text, "{name}{labels} {}", series.value());
            }
        }
        text
    }
}

fn label_text(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let escape = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let list: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    format!("{{{}}}", list.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_render_as_prometheus_reads_them() {
        let metrics = Metrics::default();
        metrics.counter("naru_sent_total", "Messages sent", &[("lane", "a\"b")]).add(3);
        metrics.counter("naru_sent_total", "Messages sent", &[("lane", "a\"b")]).add(2);
        metrics.gauge("naru_up", "Whether it is up", &[]).set(1);
        let expect = "# HELP naru_sent_total Messages sent\n# TYPE naru_sent_total counter\n\
                      naru_sent_total{lane=\"a\\\"b\"} 5\n# HELP naru_up Whether it is up\n# TYPE naru_up gauge\nnaru_up 1\n";
        assert_eq!(metrics.render(), expect);
    }
}
