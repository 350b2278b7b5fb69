//! A warning that is tried again and again is written once a minute: a database that is gone for an hour would fill the log
//! with what everybody says about it several times a second.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use naru_core::clock::{Clock, Micros};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How long the same words are not written again.
const SILENCE_US: Micros = 60_000_000;
/// Lines that are remembered; with more than that nothing is the same any more.
const KNOWN_MAX: usize = 1_000;

/// Leaves out warnings and errors that were written a moment ago, word for word; what differs in one value is written.
pub struct Once<F> {
    inner: F,
    clock: Arc<dyn Clock>,
    /// When a line was written, by its hash.
    written: Mutex<HashMap<u64, Micros>>,
}

impl<F> Once<F> {
    /// Around `inner`, which writes.
    pub fn new(inner: F, clock: Arc<dyn Clock>) -> Once<F> {
        Once { inner, clock, written: Mutex::default() }
    }

    fn is_news(&self, event: &Event<'_>) -> bool {
        if *event.metadata().level() > Level::WARN {
            return true;
        }
        let mut words = Words(DefaultHasher::new());
        event.metadata().callsite().hash(&mut words.0);
        event.record(&mut words);
        let (line, now) = (words.0.finish(), self.clock.monotonic_us());
        let mut written = self.written.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if written.get(&line).is_some_and(|at| at + SILENCE_US > now) {
            return false;
        }
        if written.len() >= KNOWN_MAX {
            written.retain(|_, at| *at + SILENCE_US > now);
        }
        if written.len() < KNOWN_MAX {
            written.insert(line, now);
        }
        true
    }
}

impl<S, N, F> FormatEvent<S, N> for Once<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if self.is_news(event) { self.inner.format_event(ctx, writer, event) } else { Ok(()) }
    }
}

/// The fields of a line; those of the request around it are no part of what it says.
struct Words(DefaultHasher);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        field.name().hash(&mut self.0);
        format!("{value:?}").hash(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use naru_core::clock::Millis;

    use super::*;
    use crate::log::tests::Kept;

    #[derive(Default)]
    struct Hand(AtomicU64);

    impl Clock for Hand {
        fn now_ms(&self) -> Millis {
            0
        }

        fn monotonic_us(&self) -> Micros {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn the_same_warning_is_written_once_a_minute_and_another_one_at_once() {
        let (kept, hand) = (Kept::default(), Arc::new(Hand::default()));
        let (writer, clock) = (kept.clone(), hand.clone());
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .map_event_format(|inner| Once::new(inner, clock));
        tracing::subscriber::with_default(subscriber.finish(), || {
            let warn = |lane: &str| tracing::warn!(lane.name = lane, "not stored, trying again");
            for lane in ["a", "a", "b", "a", "b"] {
                warn(lane);
            }
            (0..2).for_each(|_| tracing::info!("each of these is news"));
            hand.0.store(SILENCE_US, Ordering::Relaxed);
            (0..2).for_each(|_| warn("a"));
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let warned = |lane: &str| format!("WARN not stored, trying again lane.name=\"{lane}\"");
        let news = "INFO each of these is news".to_owned();
        assert_eq!(lines, [warned("a"), warned("b"), news.clone(), news, warned("a")]);
    }
}
