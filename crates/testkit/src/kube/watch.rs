//! A watch: what changed since a state, and then as it changes, until it is cut or its time is over.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::fault::Entry;
use super::kind::Kind;
use super::list::selector;
use super::path::ResourcePlace;
use super::refusal::Refusal;
use super::selector::Selector;
use super::world::{Change, World};
use super::{Shared, Signal};

/// What no client waits out.
const LONGEST_S: u64 = 600;

struct Watch {
    shared: Arc<Shared>,
    kind: Kind,
    namespace: String,
    selector: Selector,
    bookmarks: bool,
    /// The last state that was told.
    at: u64,
    until: Instant,
    signal: tokio::sync::watch::Receiver<Signal>,
    seen: Signal,
    over: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.world().watchers -= 1;
    }
}

/// Begins one; the world is held by whoever asks.
pub fn open(
    shared: &Arc<Shared>,
    world: &mut World,
    kind: Kind,
    place: ResourcePlace,
    entry: &Entry,
) -> Result<Response, Refusal> {
    let from = entry.parameter("resourceVersion").unwrap_or_default();
    let at = match from {
        "" | "0" => 0,
        from => from.parse().map_err(|_| Refusal::bad(format!("invalid resource version: {from}")))?,
    };
    let seconds = entry.parameter("timeoutSeconds").and_then(|seconds| seconds.parse().ok()).unwrap_or(LONGEST_S);
    let selector = selector(entry)?;
    let signal = shared.signal.subscribe();
    let seen = *signal.borrow();
    let mut watch = Watch {
        shared: shared.clone(),
        kind,
        namespace: place.namespace,
        selector,
        bookmarks: entry.parameter("allowWatchBookmarks") == Some("true"),
        at: if at == 0 { world.version } else { at },
        until: Instant::now() + Duration::from_secs(seconds.min(LONGEST_S)),
        signal,
        seen,
        over: false,
    };
    let mut first = Vec::new();
    if at == 0 {
        first = watch.all(world);
    } else if at < world.forgotten {
        first = vec![error(&Refusal::expired(&format!("too old resource version: {at} ({})", world.forgotten)))];
        watch.over = true;
    }
    world.watchers += 1;
    let body = stream::unfold((watch, first), async |(mut watch, mut lines)| {
        loop {
            if !lines.is_empty() {
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                return Some((Ok::<_, std::io::Error>(Bytes::from(text)), (watch, Vec::new())));
            }
            if watch.over {
                return None;
            }
            lines = watch.next().await?;
        }
    });
    Ok(Response::new(Body::from_stream(body)))
}

impl Watch {
    /// What is to be told next; nothing at its end.
    async fn next(&mut self) -> Option<Vec<Value>> {
        loop {
            let lines = {
                let shared = self.shared.clone();
                let world = shared.world();
                self.since(&world)
            };
            if !lines.is_empty() {
                return Some(lines);
            }
            let signal = *self.signal.borrow_and_update();
            let seen = std::mem::replace(&mut self.seen, signal);
            let is_cut = signal.cuts != seen.cuts;
            if signal.bookmarks != seen.bookmarks && self.bookmarks {
                self.over = is_cut;
                return Some(vec![self.bookmark()]);
            }
            if is_cut {
                return None;
            }
            match timeout_at(self.until, self.signal.changed()).await {
                Ok(Ok(())) => {}
                // The stand-in is gone.
                Ok(Err(_)) => return None,
                Err(_) => {
                    self.over = true;
                    return Some(if self.bookmarks { vec![self.bookmark()] } else { Vec::new() });
                }
            }
        }
    }

    fn since(&mut self, world: &World) -> Vec<Value> {
        let changes = world.history.iter().filter(|change| change.version > self.at);
        let lines = changes.filter_map(|change| self.line(change)).collect();
        self.at = world.version;
        lines
    }

    /// What begins or ceases to be selected is told as made or deleted.
    fn line(&self, change: &Change) -> Option<Value> {
        if change.key.0 != self.kind.resource() || !(self.namespace.is_empty() || change.key.1 == self.namespace) {
            return None;
        }
        let selected = |object: &Option<Value>| object.clone().filter(|object| self.selector.takes(object));
        let (event, object) = match (selected(&change.before), selected(&change.after)) {
            (None, Some(after)) => ("ADDED", after),
            (Some(_), Some(after)) => ("MODIFIED", after),
            (Some(mut before), None) => {
                before["metadata"]["resourceVersion"] = json!(change.version.to_string());
                ("DELETED", before)
            }
            (None, None) => return None,
        };
        Some(json!({ "type": event, "object": self.typed(object) }))
    }

    fn all(&self, world: &World) -> Vec<Value> {
        let is_meant = |key: &super::world::Key| {
            key.0 == self.kind.resource() && (self.namespace.is_empty() || key.1 == self.namespace)
        };
        let found = world.objects.iter().filter(|(key, it)| is_meant(key) && self.selector.takes(&it.object));
        found.map(|(_, it)| json!({ "type": "ADDED", "object": self.typed(it.object.clone()) })).collect()
    }

    fn typed(&self, mut object: Value) -> Value {
        object["apiVersion"] = json!(self.kind.api_version());
        object["kind"] = json!(self.kind.kind);
        object
    }

    fn bookmark(&self) -> Value {
        let object = self.typed(json!({ "metadata": { "resourceVersion": self.at.to_string() } }));
        json!({ "type": "BOOKMARK", "object": object })
    }
}

fn error(refusal: &Refusal) -> Value {
    json!({ "type": "ERROR", "object": refusal.body() })
}
