//! What the engine asks of a provider adapter. Adapters stand in a component; this is all the engine knows of them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use naru_core::clock::Millis;
use naru_core::masked::Address;

use crate::lane::pace::Caps;
use crate::message::MessageId;

/// How an outcome that is not known can be found out, declared by the adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Create, fill, then commit; every step can be read, and what was not committed can be deleted.
    TwoPhase {
        /// How long the provider remembers what was created.
        life: Duration,
    },
    /// A repeat with the same key within this time cannot send twice.
    Key {
        /// How long the provider remembers a key.
        life: Duration,
    },
    /// The provider can be asked by our own reference.
    Lookup {
        /// For how long: after it, that nothing is found says nothing.
        life: Duration,
    },
    /// Nothing helps.
    None,
}

/// One message as it leaves, rendered.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Travels as the client's reference, so that a receipt finds its slot.
    pub id: MessageId,
    /// The recipient.
    pub to: Address,
    /// Subject or title, where the channel has one.
    pub subject: Option<String>,
    /// The body.
    pub text: String,
}

/// One call to a provider: what one request carries.
#[derive(Clone, Debug)]
pub struct Request {
    /// The idempotency key: the same for every repeat of this request.
    pub key: String,
    /// 1 to [`Provider::batch_max`] messages.
    pub messages: Vec<Outgoing>,
    /// After this the outcome counts as unknown.
    pub timeout: Duration,
}

/// What the provider said of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken: from here on it is `sent`.
    Taken,
    /// Never to be tried again, with the provider's code in kebab-case.
    Refused(String),
    /// Not taken now; may be tried again, not before the given time where one was named.
    Retry {
        /// The provider's code in kebab-case.
        code: String,
        /// How long to wait, where the provider said so.
        after: Option<Duration>,
    },
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// One verdict a message, in order.
    Each(Vec<Verdict>),
    /// Nothing was taken and the provider asks for a pause of the whole account.
    Throttled {
        /// `Retry-After`, where it was sent.
        after: Option<Duration>,
    },
    /// Nothing can have been taken (connection refused, DNS, TLS before the body, 503 said before reading).
    Unsent {
        /// Why, in kebab-case.
        code: String,
    },
    /// Bytes may have been taken and no answer came (read time-out, reset after write, 5xx).
    Unknown {
        /// Why, in kebab-case.
        code: String,
    },
    /// Every message refused for good.
    Refused {
        /// Why, in kebab-case.
        code: String,
    },
}

/// A provider account that can be sent to.
pub trait Provider: Send + Sync {
    /// The adapter's name: `sandbox`, `smtp`.
    fn name(&self) -> &'static str;

    /// Counts up when the bytes it makes of the same message change.
    fn version(&self) -> u32;

    /// Messages one request can carry; 1 means single sends.
    fn batch_max(&self) -> usize;

    /// How unknown outcomes can be found out.
    fn level(&self) -> Level;

    /// How many sends and look-ups may start in a second where the account may be called so often. An adapter that makes
    /// more than one call for either keeps the rest of the cap for those that follow, and paces them itself: so the
    /// provider never counts more than the cap, whenever they leave.
    fn starts_per_second_max(&self, requests_per_second_max: u32) -> u32 {
        requests_per_second_max
    }

    /// Other caps from now on: the account is shared with others. An adapter that paces calls itself keeps them.
    fn keep_within(&self, _caps: &Caps) {}

    /// Whether it reports deliveries later; without receipts `sent` is the end.
    fn receipts(&self) -> bool;

    /// Sends. Never panics, never repeats by itself; dropping the future may leave the outcome unknown.
    fn send(&self, request: Request) -> BoxFuture<'_, Answer>;

    /// Asks what became of an earlier request: `None` where it never arrived, or was not committed and never will be.
    /// Only at [`Level::Lookup`] and [`Level::TwoPhase`], or where the adapter can do it besides.
    fn lookup<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<Verdict>>, String>>;

    /// Whether the account answers, for `doctor`: sends nothing to anybody.
    fn check(&self) -> BoxFuture<'_, Result<(), String>>;
}

/// What a provider reports of one message after it took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Our reference; a text that is no id of ours is counted and dropped.
    pub reference: String,
    /// How it ended.
    pub end: ReportEnd,
    /// The provider's code in kebab-case.
    pub code: String,
    /// When it happened there.
    pub at: Millis,
}

/// The ends a receipt can tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportEnd {
    /// It reached the recipient.
    Delivered,
    /// It will not.
    Failed,
    /// The provider gave up in time.
    Expired,
}

/// Makes providers for lanes: offered by the component that holds the adapters.
pub trait Providers: Send + Sync {
    /// The adapters there are, for errors and `config show`.
    fn names(&self) -> Vec<&'static str>;

    /// The provider of lane `lane`, made from the lane's own keys in the configuration.
    fn provider(
        &self,
        lane: &str,
        config: &crate::config::LaneConfig,
    ) -> Result<Arc<dyn Provider>, naru_core::failure::Failure>;
}
