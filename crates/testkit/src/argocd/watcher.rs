//! Those who read the stream, and what they are told.

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::world::{World, project_of};

/// Whoever reads the stream.
pub struct Watcher {
    pub projects: Vec<String>,
    pub lines: UnboundedSender<Value>,
}

impl World {
    pub(super) fn watch(&mut self, watcher: Watcher, with_all: bool) {
        self.tell();
        if with_all {
            for app in self.apps.values() {
                watcher.send("ADDED", &app.object);
            }
        }
        self.watchers.push(watcher);
    }

    pub(super) fn watchers(&mut self) -> usize {
        self.watchers.retain(|watcher| !watcher.lines.is_closed());
        self.watchers.len()
    }

    pub(super) fn cut_watchers(&mut self) {
        self.watchers.clear();
    }

    /// Sends a line to all who watch, as the server does where it fails.
    pub fn tell_error(&mut self, http_code: u16, grpc_code: u16, message: &str) {
        for watcher in &self.watchers {
            let error = json!({ "http_code": http_code, "grpc_code": grpc_code, "message": message });
            // Whoever has gone needs none.
            let _ = watcher.lines.send(json!({ "error": error }));
        }
    }

    /// Gives what changed another version, and tells those who watch.
    pub(super) fn tell(&mut self) {
        let mut events = Vec::new();
        for app in self.apps.values_mut() {
            if app.object != app.told {
                self.writes += 1;
                app.object["metadata"]["resourceVersion"] = json!(self.writes.to_string());
                let kind = if app.told.is_null() { "ADDED" } else { "MODIFIED" };
                app.told = app.object.clone();
                events.push((kind, app.object.clone()));
            }
        }
        events.extend(self.deleted.drain(..).map(|object| ("DELETED", object)));
        for (kind, object) in events {
            if self.drop_events > 0 {
                self.drop_events -= 1;
                continue;
            }
            self.watchers.iter().for_each(|watcher| watcher.send(kind, &object));
        }
    }
}

impl Watcher {
    fn send(&self, kind: &str, object: &Value) {
        if self.projects.is_empty() || self.projects.iter().any(|project| project == project_of(object)) {
            // Whoever has gone needs none.
            let _ = self.lines.send(json!({ "result": { "type": kind, "application": object } }));
        }
    }
}
