//! Objects as they change, as one stream that goes on whatever happens to the connection.
//!
//! Everything is listed, then watched from the list's state. A connection that ends is opened again from the last state
//! that was told, so nothing is missed and nothing is listed anew; bookmarks keep that state young while nothing
//! happens. A server forgets old states after some minutes: it then says so (410), and everything is listed again.
//! Between two connections that told nothing the wait doubles, so neither a list nor a watch is asked for in a hurry.

use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use http_body_util::BodyExt;
use naru_core::failure::Failure;
use naru_wire::lines::{Line, Lines};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::call::{Call, Refused};
use crate::calls::list::{ListQuery, in_namespace, selected};
use crate::client::Client;
use crate::object::GroupKind;
use crate::refusal::{About, Told};

/// What a watch tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// All there are; whatever is not among them is gone.
    Seen(Vec<Value>),
    /// One that is new or different.
    Changed(Value),
    /// One that is gone, as it last was.
    Deleted(Value),
    /// Nothing is seen for now; it goes on by itself with [`Event::Seen`].
    Lost(Failure),
}

/// What one connection tells.
enum Heard {
    Event(Event),
    Bookmark,
    /// The state to go on from is forgotten.
    Expired,
    Failed(Failure),
}

#[derive(Deserialize)]
struct Change {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    object: Value,
}

/// The server ends a watch in time; what is silent for longer is dead.
const GRACE: Duration = Duration::from_secs(30);

impl Client {
    /// Watches the objects of `query`. It ends only by being dropped.
    pub fn watch(&self, kind: &GroupKind, query: ListQuery) -> impl Stream<Item = Event> + Send + use<> {
        let (client, kind) = (self.clone(), kind.clone());
        async_stream::stream! {
            let mut quiet = 0;
            loop {
                let mut version = match client.list(&kind, &query).await {
                    Ok(list) => {
                        yield Event::Seen(list.items);
                        list.resource_version
                    }
                    Err(failure) => {
                        tracing::warn!(cluster.name = client.cluster(), k8s.kind = %kind, error = %failure, "objects cannot be listed");
                        yield Event::Lost(failure);
                        quiet += 1;
                        client.pause(quiet).await;
                        continue;
                    }
                };
                let mut is_known = true;
                while is_known {
                    let from = version.clone();
                    let mut told = pin!(client.connection(&kind, &query, &from));
                    while let Some((heard, at)) = told.next().await {
                        version = at.unwrap_or(version);
                        match heard {
                            Heard::Event(event) => { quiet = 0; yield event }
                            Heard::Bookmark => quiet = 0,
                            Heard::Expired => is_known = false,
                            Heard::Failed(failure) => {
                                tracing::warn!(cluster.name = client.cluster(), k8s.kind = %kind, error = %failure, "objects cannot be watched");
                                yield Event::Lost(failure);
                                is_known = false;
                            }
                        }
                    }
                    quiet += 1;
                    client.pause(quiet).await;
                }
            }
        }
    }

    /// What one connection tells up to its end, each with the state that it is.
    fn connection<'a>(
        &'a self,
        kind: &'a GroupKind,
        query: &'a ListQuery,
        from: &'a str,
    ) -> impl Stream<Item = (Heard, Option<String>)> + Send + 'a {
        async_stream::stream! {
            let due = Instant::now() + Duration::from_secs(self.watch_s()) + GRACE;
            let (mut body, about) = match self.open_watch(kind, query, from).await {
                Ok(open) => open,
                Err(failure) => { yield (failed(failure), None); return }
            };
            let mut lines = Lines::default();
            // A connection that ends or dies is opened again; that it ended is no news.
            while let Ok(Some(Ok(frame))) = timeout_at(due, body.frame()).await {
                let Some(bytes) = frame.data_ref() else { continue };
                lines.push(bytes);
                while let Some(line) = lines.pull() {
                    let (heard, at) = self.heard(&line, &about);
                    let is_last = matches!(heard, Heard::Expired | Heard::Failed(_));
                    yield (heard, at);
                    if is_last {
                        return;
                    }
                }
            }
        }
    }

    async fn open_watch(
        &self,
        kind: &GroupKind,
        query: &ListQuery,
        from: &str,
    ) -> Result<(kube::client::Body, About), Failure> {
        let served = self.served(kind).await?;
        in_namespace(kind, &served, &query.namespace)?;
        let place = kind.named(query.namespace.clone(), "");
        let call = Call::get(served.list_path(&query.namespace), served.about("watch", &place, ""));
        let call = selected(call, query)
            .query("watch", "true")
            .query("allowWatchBookmarks", "true")
            .query("timeoutSeconds", self.watch_s().to_string())
            .query("resourceVersion", from);
        match self.open_stream(&call).await {
            Ok(response) => Ok((response.into_body(), call.about)),
            Err(Refused { failure, resource_gone }) => {
                if resource_gone {
                    // The list that follows finds it by the version that it has now, or says that it is gone.
                    self.discover(kind).await?;
                }
                Err(failure)
            }
        }
    }

    fn heard(&self, line: &Line, about: &About) -> (Heard, Option<String>) {
        let unreadable = |why: &str| (Heard::Failed(self.unreadable(why)), None);
        let Line::Whole(line) = line else { return unreadable("a line of the watch is too long") };
        let change: Change = match serde_json::from_slice(line) {
            Ok(change) => change,
            Err(error) => return unreadable(&error.to_string()),
        };
        let at = change.object["metadata"]["resourceVersion"].as_str().map(str::to_owned);
        let heard = match change.kind.as_str() {
            "ADDED" | "MODIFIED" => Heard::Event(Event::Changed(change.object)),
            "DELETED" => Heard::Event(Event::Deleted(change.object)),
            "BOOKMARK" => Heard::Bookmark,
            "ERROR" => {
                let told = Told::of_event(change.object).unwrap_or_default();
                failed(self.refusal(told.status(), Some(&told), None, about))
            }
            kind => return unreadable(&format!("an event `{kind}`")),
        };
        (heard, at)
    }
}

fn failed(failure: Failure) -> Heard {
    if failure.code == "k8s-expired" { Heard::Expired } else { Heard::Failed(failure) }
}
