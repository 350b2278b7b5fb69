//! What `serve` writes while it runs: JSON lines for machines, plain lines where a person watches.

mod once;

use std::fmt;
use std::sync::Arc;

use naru_core::clock::{Clock, seoul};
use naru_core::failure::Failure;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::environment::Environment;
use once::Once;

/// Starts the log on standard error. `filter` is what `serve --log` says, such as `info` or `naru_dispatch=debug`.
pub fn start(filter: &str, environment: &Environment, clock: Arc<dyn Clock>) -> Result<(), Failure> {
    let levels =
        EnvFilter::try_new(filter).map_err(|e| Failure::usage("log-filter-wrong").arg("filter", filter).cause(&e))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(levels).with_writer(std::io::stderr);
    let started = if environment.err_terminal {
        let person = subscriber.with_ansi(environment.colour).with_target(false).with_timer(Seoul(clock.clone()));
        let person = person.map_event_format(|lines| Once::new(lines, clock));
        tracing::subscriber::set_global_default(person.finish())
    } else {
        let machine = subscriber.fmt_fields(JsonFields::new()).event_format(Once::new(JsonLines(clock.clone()), clock));
        tracing::subscriber::set_global_default(machine.finish())
    };
    started.map_err(Failure::bug)?;
    // A panic in a task ends that task alone: without this line nobody would learn of it.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a task panicked, this is a bug of naru")));
    Ok(())
}

/// The hour of the day in Korea.
struct Seoul(Arc<dyn Clock>);

impl FormatTime for Seoul {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&seoul(self.0.now_ms())["YYYY-MM-DD ".len()..])
    }
}

/// One flat JSON object a line: the event's own fields and those of the spans around it (`trace_id`) side by side.
struct JsonLines(Arc<dyn Clock>);

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Map::new();
        for span in ctx.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
                && let Ok(Value::Object(fields)) = serde_json::from_str(&fields.fields)
            {
                line.extend(fields);
            }
        }
        event.record(&mut Fields(&mut line));
        let at = jiff::Timestamp::from_millisecond(self.0.now_ms()).unwrap_or_default();
        line.insert("at".to_owned(), format!("{at:.3}").into());
        line.insert("level".to_owned(), event.metadata().level().as_str().to_ascii_lowercase().into());
        line.insert("target".to_owned(), event.metadata().target().into());
        writeln!(writer, "{}", Value::Object(line))
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use naru_core::clock::{Micros, Millis};

    use super::*;

    struct Still;

    impl Clock for Still {
        fn now_ms(&self) -> Millis {
            1_795_361_400_123
        }

        fn monotonic_us(&self) -> Micros {
            0
        }
    }

    /// What was written.
    #[derive(Clone, Default)]
    pub(super) struct Kept(pub(super) Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_flat_json_with_the_trace_of_its_request() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines(Arc::new(Still)));
        tracing::subscriber::with_default(subscriber.finish(), || {
            let span = tracing::info_span!("request", trace_id = "6b02d6f8");
            span.in_scope(|| tracing::info!(lane.name = "mail", n = 3, "lane paused"));
        });
        let lines = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            lines,
            "{\"at\":\"2026-11-22T15:30:00.123Z\",\"lane.name\":\"mail\",\"level\":\"info\",\"message\":\"lane paused\",\
             \"n\":3,\"target\":\"naru::log::tests\",\"trace_id\":\"6b02d6f8\"}\n"
        );
    }
}
