//! Applications as they change, as one stream that goes on whatever happens to the connection.
//!
//! The server drops events of a reader that is slow, and a connection that died silently says nothing, so everything is
//! listed again every few minutes over a connection of its own and the stream is opened anew. The new one is asked for
//! before the list is, so that little can happen between the two that is in neither: what does is told with the next
//! list. Events that came before the list are told after it; what they are behind, the events after them mend.

use std::pin::pin;

use futures_util::{Stream, StreamExt};
use naru_core::failure::Failure;
use naru_wire::lines::{Line, Lines};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use crate::application::Application;
use crate::calls::apps::ListQuery;
use crate::client::{Call, Client};
use crate::refusal::{About, Told};

/// What a watch tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// All there are; whatever is not among them is gone.
    Seen(Vec<Application>),
    /// One that is new or different.
    Changed(Box<Application>),
    /// One that is gone, as it last was.
    Deleted(Box<Application>),
    /// Nothing is seen for now; it goes on by itself with [`Event::Seen`].
    Lost(Failure),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Result(Box<Change>),
    Error(Told),
}

#[derive(Deserialize)]
struct Change {
    #[serde(rename = "type")]
    kind: String,
    application: Application,
}

impl Client {
    /// Watches the Applications of `query`. It ends only by being dropped.
    pub fn watch(&self, query: ListQuery) -> impl Stream<Item = Event> + Send + use<> {
        let client = self.clone();
        async_stream::stream! {
            let mut quiet = 0;
            loop {
                let mut events = pin!(client.events(&query));
                let mut list = pin!(client.list(&query));
                let mut early = None;
                let seen = loop {
                    tokio::select! {
                        biased;
                        event = events.next(), if early.is_none() => early = Some(event),
                        seen = &mut list => break seen,
                    }
                };
                match seen {
                    Ok(all) => yield Event::Seen(all),
                    Err(failure) => {
                        tracing::warn!(error = %failure, "applications cannot be listed");
                        yield Event::Lost(failure);
                        quiet += 1;
                        client.pause(quiet).await;
                        continue;
                    }
                }
                let due = Instant::now() + client.relist();
                loop {
                    let event = match early.take() {
                        Some(event) => event,
                        None => tokio::select! {
                            event = events.next() => event,
                            () = sleep_until(due) => { quiet = 0; break }
                        },
                    };
                    match event {
                        Some(Ok(event)) => { quiet = 0; yield event }
                        Some(Err(failure)) => {
                            tracing::warn!(error = %failure, "applications cannot be watched");
                            yield Event::Lost(failure);
                        }
                        None => {
                            quiet += 1;
                            client.pause(quiet).await;
                            break;
                        }
                    }
                }
            }
        }
    }

    /// The events of one connection, up to its end or its first failure.
    fn events<'a>(&'a self, query: &'a ListQuery) -> impl Stream<Item = Result<Event, Failure>> + Send + 'a {
        let about = About::right("applications, get, */*");
        let call = Call::get("/api/v1/stream/applications".to_owned(), about);
        // A version to begin at, however old, spares every Application as an event of its own.
        let mut fields = vec!["result.type".to_owned()];
        fields.extend(query.fields.iter().map(|field| format!("result.application.{field}")));
        let call = ListQuery { fields: Vec::new(), ..query.clone() }.on(call, "").query("resourceVersion", "0");
        let call = if query.fields.is_empty() { call } else { call.query("fields", fields.join(",")) };
        async_stream::stream! {
            let mut response = match self.open_stream(&call).await {
                Ok(response) => response,
                Err(failure) => { yield Err(failure); return }
            };
            let mut lines = Lines::default();
            loop {
                match response.chunk().await {
                    Ok(Some(bytes)) => lines.push(&bytes),
                    // A connection that ends is opened again; that it ended is no news.
                    Ok(None) | Err(_) => return,
                }
                while let Some(line) = lines.pull() {
                    match self.event(&line, &call.about) {
                        Ok(Some(event)) => yield Ok(event),
                        Ok(None) => {}
                        Err(failure) => { yield Err(failure); return }
                    }
                }
            }
        }
    }

    fn event(&self, line: &Line, about: &About) -> Result<Option<Event>, Failure> {
        let Line::Whole(line) = line else { return Err(self.bad_answer("a line of the stream is too long")) };
        match serde_json::from_slice(line).map_err(|e| self.bad_answer(&e.to_string()))? {
            Answer::Result(change) => Ok(match change.kind.as_str() {
                "ADDED" | "MODIFIED" => Some(Event::Changed(Box::new(change.application))),
                "DELETED" => Some(Event::Deleted(Box::new(change.application))),
                _ => None,
            }),
            Answer::Error(told) => Err(told.refusal(about, self.url())),
        }
    }
}
