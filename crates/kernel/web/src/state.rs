//! What the front shares between requests: the house's parts, counts of sign-in tries, tokens seen just now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use naru_core::clock::{Clock, Micros, Millis};
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use naru_core::text::Texts;
use naru_store::Store;
use tokio::sync::Semaphore;

use crate::feed::Feeds;
use crate::live::STREAMS_MAX;
use crate::role::{Actor, Role};
use crate::throttle::Throttle;
use crate::{secret, token};

/// Shared by all requests. Cloning is cheap.
#[derive(Clone)]
pub struct Web(Arc<Inner>);

/// What the front is made of.
pub struct Parts {
    /// The database, open for writing and with [`crate::schema::SCHEMA`] applied.
    pub store: Store,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Start and end of tasks.
    pub lifecycle: Lifecycle,
    /// The sentences of all crates.
    pub texts: Arc<Texts>,
    /// The places of all rooms in the menu, in order.
    pub menu: Vec<MenuItem>,
}

/// A place in the menu.
#[derive(Clone, Copy, Debug)]
pub struct MenuItem {
    /// Key of its text.
    pub text: &'static str,
    /// Where it leads.
    pub href: &'static str,
    /// Who sees it.
    pub role: Role,
}

struct Inner {
    parts: Parts,
    throttle: Throttle,
    tokens: Mutex<HashMap<Vec<u8>, Checked>>,
    streams: Arc<Semaphore>,
    feeds: Feeds,
}

struct Checked {
    actor: Actor,
    at: Micros,
}

/// A token that was good is taken to be good for so long: a program that sends message by message would otherwise
/// spend more on asking who it is than on its messages. A revoked one is refused a second later at most.
const TOKEN_TRUSTED_US: Micros = 1_000_000;
/// Tokens remembered; a shop has a handful.
const TOKENS_MAX: usize = 256;

impl Web {
    /// Makes the front.
    pub fn new(parts: Parts) -> Web {
        let streams = Arc::new(Semaphore::new(STREAMS_MAX));
        Web(Arc::new(Inner {
            parts,
            throttle: Throttle::default(),
            tokens: Mutex::default(),
            streams,
            feeds: Feeds::default(),
        }))
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.0.parts.store
    }

    /// All sentences.
    pub fn texts(&self) -> &Arc<Texts> {
        &self.0.parts.texts
    }

    /// The wall clock.
    pub fn now(&self) -> Millis {
        self.0.parts.clock.now_ms()
    }

    /// Whose token `bearer` is.
    pub async fn authenticate(&self, bearer: &str) -> Result<Actor, Failure> {
        let hash = secret::hash(bearer);
        let now = self.monotonic();
        if let Some(checked) = self.tokens().get(&hash)
            && now.saturating_sub(checked.at) < TOKEN_TRUSTED_US
        {
            return Ok(checked.actor.clone());
        }
        let actor = token::find(self.store(), self.now(), &hash).await?;
        let mut tokens = self.tokens();
        if tokens.len() >= TOKENS_MAX {
            tokens.clear();
        }
        tokens.insert(hash, Checked { actor: actor.clone(), at: now });
        Ok(actor)
    }

    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.0.parts.lifecycle
    }

    pub(crate) fn menu(&self) -> &[MenuItem] {
        &self.0.parts.menu
    }

    pub(crate) fn monotonic(&self) -> Micros {
        self.0.parts.clock.monotonic_us()
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }

    pub(crate) fn streams(&self) -> &Arc<Semaphore> {
        &self.0.streams
    }

    pub(crate) fn feeds(&self) -> &Feeds {
        &self.0.feeds
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, Checked>> {
        self.0.tokens.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
