//! What every room is given: the house's own parts, and what other rooms offer.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use naru_core::clock::Clock;
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use naru_core::metric::Metrics;
use naru_core::text::{Lang, Texts};
use naru_job::Process;
use naru_job::gate::Gate;
use naru_job::instance::Instance;
use naru_store::Store;

/// Shared by all rooms. Cloning is cheap.
#[derive(Clone)]
pub struct Ctx(Arc<Inner>);

struct Inner {
    parts: Parts,
    texts: Mutex<Option<Arc<Texts>>>,
    offers: Mutex<HashMap<TypeId, Box<dyn Any + Send + Sync>>>,
}

/// The house's own parts.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Start and end of tasks.
    pub lifecycle: Lifecycle,
    /// Counters and gauges.
    pub metrics: Metrics,
    /// This process among those on one database.
    pub instance: Instance,
    /// What a drain closes.
    pub gate: Gate,
    /// Where files live.
    pub data_dir: PathBuf,
    /// What relative paths in the configuration count from.
    pub config_dir: PathBuf,
}

impl Ctx {
    /// Makes the context that rooms are built with.
    pub fn new(parts: Parts) -> Ctx {
        Ctx(Arc::new(Inner { parts, texts: Mutex::default(), offers: Mutex::default() }))
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.0.parts.store
    }

    /// Where time comes from.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.parts.clock
    }

    /// Start and end of tasks.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.0.parts.lifecycle
    }

    /// Counters and gauges.
    pub fn metrics(&self) -> &Metrics {
        &self.0.parts.metrics
    }

    /// This process among those on one database.
    pub fn instance(&self) -> &Instance {
        &self.0.parts.instance
    }

    /// What a drain closes: whoever begins work enters by it.
    pub fn gate(&self) -> &Gate {
        &self.0.parts.gate
    }

    /// This process, as jobs and leases know it.
    pub fn process(&self) -> Process {
        let Parts { store, clock, lifecycle, instance, gate, .. } = self.parts();
        Process {
            store: store.clone(),
            clock: clock.clone(),
            lifecycle: lifecycle.clone(),
            instance: instance.clone(),
            gate: gate.clone(),
        }
    }

    /// The house's own parts.
    pub fn parts(&self) -> &Parts {
        &self.0.parts
    }

    /// Offers `value` to all rooms under the type `T`, usually a trait of a lower floor. The last offer counts.
    pub fn offer<T: ?Sized + Send + Sync + 'static>(&self, value: Arc<T>) {
        self.offers().insert(TypeId::of::<T>(), Box::new(value));
    }

    /// What was offered as `T`.
    pub fn find<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.offers().get(&TypeId::of::<T>()).and_then(|value| value.downcast_ref::<Arc<T>>()).cloned()
    }

    /// What was offered as `T`, which is part of every naru: its absence is our fault.
    pub fn need<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Arc<T>, Failure> {
        self.find().ok_or_else(|| Failure::bug(format!("nothing offers {}", std::any::type_name::<T>())))
    }

    /// Hands over the joined sentences, once all rooms are known.
    pub fn set_texts(&self, texts: Arc<Texts>) {
        *self.texts_slot() = Some(texts);
    }

    /// A sentence in the reader's language.
    pub fn say(&self, lang: Lang, key: &str, args: &[(&str, &str)]) -> String {
        let texts = self.texts_slot().clone();
        texts.map_or_else(|| key.to_owned(), |texts| texts.say(lang, key, args))
    }

    /// All sentences; none before they were handed over.
    pub fn texts(&self) -> Option<Arc<Texts>> {
        self.texts_slot().clone()
    }

    fn offers(&self) -> std::sync::MutexGuard<'_, HashMap<TypeId, Box<dyn Any + Send + Sync>>> {
        self.0.offers.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn texts_slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<Texts>>> {
        self.0.texts.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
