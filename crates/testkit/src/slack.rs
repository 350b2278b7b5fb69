//! A stand-in for Slack: its Web API, Socket Mode, and the people who type and click.
//!
//! It follows Slack's documented rules where a client can break them: tokens and scopes, forms, bounds of messages, one
//! post a second in a channel, tiers by the minute and `Retry-After`, sockets that are renewed, envelopes that are
//! delivered again until they are acknowledged. And it keeps a ledger that its client cannot touch: what was called,
//! how each message came to look, what was said by whom, and when and with what it was acknowledged.

pub mod ledger;

mod api;
mod block;
mod book;
mod limit;
mod person;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::slack::book::Book;
use crate::slack::ledger::{Ack, Call, Posted};
use crate::wait::{PATIENCE, eventually};

/// The bot's token.
pub const BOT_TOKEN: &str = "xoxb-1-stand-in";
/// The app's token.
pub const APP_TOKEN: &str = "xapp-1-stand-in";
/// What requests over HTTP are signed with.
pub const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
/// Where the bot is, and all people; it is in no other channel.
pub const CHANNEL: &str = "C0DEPLOYS";
/// A channel without the bot.
pub const OTHER_CHANNEL: &str = "C0OTHER";
/// A channel that was archived.
pub const OLD_CHANNEL: &str = "C0OLD";

/// A running stand-in. Dropping it ends it.
pub struct Slack {
    desk: Arc<Desk>,
    runtime: Option<Runtime>,
}

/// What all its parts share.
struct Desk {
    book: Mutex<Book>,
    /// Something in the book has changed that others may wait for.
    changed: Notify,
    api: SocketAddr,
    sockets: SocketAddr,
}

impl Slack {
    /// Starts one with two people and three channels.
    pub async fn start() -> Slack {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a machine has room for a thread");
        let begun = runtime.spawn(async {
            let bind = || TcpListener::bind("127.0.0.1:0");
            let (api, sockets) = (bind().await?, bind().await?);
            let desk = Arc::new(Desk {
                book: Mutex::default(),
                changed: Notify::new(),
                api: api.local_addr()?,
                sockets: sockets.local_addr()?,
            });
            Ok::<_, std::io::Error>((desk, api, sockets))
        });
        let (desk, api, sockets) = begun.await.expect("it does not panic").expect("loopback has free ports");
        runtime.spawn(api::serve(api, desk.clone()));
        runtime.spawn(wire::serve(sockets, desk.clone()));
        Slack { desk, runtime: Some(runtime) }
    }

    /// The Web API's address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}/api", self.desk.api)
    }

    /// Every call that was taken, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.desk.book().calls.clone()
    }

    /// The calls of one method that were taken.
    pub fn calls_of(&self, method: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.method == method).collect()
    }

    /// Every message of a channel as it looks now, oldest first.
    pub fn messages(&self, channel: &str) -> Vec<Posted> {
        let book = self.desk.book();
        book.messages.values().filter(|message| message.channel == channel).cloned().collect()
    }

    /// How often a method was answered with 429.
    pub fn throttled_calls(&self) -> usize {
        self.desk.book().throttled_calls
    }

    /// How often a method was called while it was throttled.
    pub fn early_calls(&self) -> usize {
        self.desk.book().early_calls
    }

    /// Throttles as Slack does: posts by channel and second, the other methods by tier and minute.
    pub fn keep_limits(&self) {
        self.desk.book().limits.are_kept = true;
    }

    /// Answers the next `times` calls of `method` with 429 and this `Retry-After`.
    pub fn throttle(&self, method: &str, times: u32, retry_after_s: u64) {
        self.desk.book().limits.throttled.insert(method.to_owned(), (times, retry_after_s));
    }

    /// Answers the next `times` calls of `method` with 503.
    pub fn fail(&self, method: &str, times: u32) {
        self.desk.book().failing.insert(method.to_owned(), times);
    }

    /// Takes calls of `method` and leaves their answers until [`Slack::release`].
    pub fn hold(&self, method: &str) {
        self.desk.book().held.insert(method.to_owned());
    }

    /// Answers calls of `method` again, those that waited first.
    pub fn release(&self, method: &str) {
        self.desk.book().held.remove(method);
        self.desk.changed.notify_waiters();
    }

    /// How many calls of `method` wait for their answer.
    pub fn waiting(&self, method: &str) -> usize {
        self.desk.book().waiting.get(method).copied().unwrap_or_default()
    }

    /// Whether Socket Mode is switched off for the app.
    pub fn switch_off_sockets(&self, is_off: bool) {
        self.desk.book().sockets_off = is_off;
    }

    /// Takes a scope away from the bot.
    pub fn without_scope(&self, scope: &str) {
        self.desk.book().scopes.retain(|has| has != scope);
    }

    /// Removes a message, as a person may.
    pub fn delete(&self, channel: &str, ts: &str) {
        self.desk.book().messages.remove(&(channel.to_owned(), ts.to_owned()));
    }

    /// Completes when so many sockets are open.
    pub async fn sockets(&self, count: usize) {
        eventually(&format!("{count} open sockets"), PATIENCE, async || {
            (self.desk.book().links.len() == count).then_some(())
        })
        .await;
    }

    /// For each hello so far, how many other sockets were open then.
    pub fn hellos(&self) -> Vec<usize> {
        self.desk.book().hellos.clone()
    }

    /// How often something was said while no socket was open.
    pub fn gaps(&self) -> usize {
        self.desk.book().gaps
    }

    /// How many pings came.
    pub fn pings(&self) -> usize {
        self.desk.book().pings
    }

    /// Every acknowledgement, by socket or HTTP, oldest first.
    pub fn acks(&self) -> Vec<Ack> {
        self.desk.book().acks.clone()
    }

    /// The acknowledgements of what has this key.
    pub fn acks_of(&self, key: &str) -> Vec<Ack> {
        self.acks().into_iter().filter(|ack| ack.key == key).collect()
    }

    /// The keys of all that was said and clicked, oldest first.
    pub fn keys(&self) -> Vec<String> {
        self.desk.book().envelopes.iter().map(|envelope| envelope.key.clone()).collect()
    }
}

impl Drop for Slack {
    fn drop(&mut self) {
        // Also inside a test's own runtime, where waiting for another one is refused.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

impl Desk {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Completes when the book is so.
    async fn until(&self, is: impl Fn(&Book) -> bool) {
        loop {
            // Made before the look, so that a change between the two is not missed.
            let changed = self.changed.notified();
            if is(&self.book()) {
                return;
            }
            changed.await;
        }
    }
}
