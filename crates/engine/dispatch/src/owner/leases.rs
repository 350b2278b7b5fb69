//! The leases of one instance, renewed by a task that does nothing else: whatever keeps the owner busy, such as a lane with
//! much to restore, costs no other lane its lease.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use naru_component::ctx::Ctx;
use naru_core::clock::Micros;
use naru_job::lease::{self, Lease};
use naru_store::Engine;
use tokio::sync::{Notify, watch};

use crate::lane::LEASE_LEFT_US;

/// How a lane is told that its lease is another's.
pub(crate) const LOST: Micros = 0;

/// Leases that are held, and how long.
#[derive(Clone)]
pub(crate) struct Leases(Arc<Inner>);

struct Inner {
    ctx: Ctx,
    held: Mutex<HashMap<String, Held>>,
    /// Told when one of them runs short.
    short: Arc<Notify>,
}

/// What one lane is carried under.
struct Held {
    /// Its own lease, then those of the accounts that stand by for it. All are renewed in one commit, and one that is lost
    /// is a lane that was not renewed: it ends.
    leases: Vec<Lease>,
    until: watch::Sender<Micros>,
}

impl Held {
    fn until(&self) -> Micros {
        self.leases.iter().map(|lease| lease.until).min().unwrap_or(LOST)
    }
}

impl Leases {
    pub(crate) fn new(ctx: &Ctx) -> Leases {
        Leases(Arc::new(Inner { ctx: ctx.clone(), held: Mutex::default(), short: Arc::default() }))
    }

    /// Renews from now on; answers how long it lasts, as that changes.
    pub(crate) fn keep(&self, lease: &Lease) -> watch::Receiver<Micros> {
        let (until, leased) = watch::channel(lease.until);
        self.held().insert(lease.name.clone(), Held { leases: vec![lease.clone()], until });
        leased
    }

    /// Renews one more for the lane of `lease`.
    pub(crate) fn add(&self, lease: &Lease, other: &Lease) {
        if let Some(held) = self.held().get_mut(&lease.name) {
            held.leases.push(other.clone());
            held.until.send_replace(held.until());
        }
    }

    /// Renews one less for the lane of `lease`.
    pub(crate) fn take_off(&self, lease: &Lease, other: &Lease) {
        if let Some(held) = self.held().get_mut(&lease.name) {
            held.leases.retain(|kept| kept.name != other.name);
            held.until.send_replace(held.until());
        }
    }

    /// Renews a lane's leases no more.
    pub(crate) fn forget(&self, lease: &Lease) {
        self.held().remove(&lease.name);
    }

    /// Told when a lease runs short.
    pub(crate) fn short(&self) -> Arc<Notify> {
        self.0.short.clone()
    }

    /// Renews all in one commit, every two seconds or when one of them runs short, until `over`.
    pub(crate) async fn work(self, mut over: watch::Receiver<bool>) {
        // One process on an embedded store has them for good.
        if self.0.ctx.store().engine() == Engine::Sqlite {
            return;
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(tokio::time::Instant::now() + lease::RENEW_EVERY) => {}
                () = self.0.short.notified() => {
                    if !self.is_short() {
                        continue;
                    }
                }
                // Gone with the owner, too.
                _ = over.changed() => return,
            }
            self.renew().await;
        }
    }

    async fn renew(&self) {
        let mut leases: Vec<Lease> = self.held().values().flat_map(|held| held.leases.clone()).collect();
        let lost = match lease::renew(self.0.ctx.store(), self.0.ctx.clock().as_ref(), &mut leases).await {
            Ok(lost) => lost,
            Err(error) => return tracing::warn!(error = %error, "leases could not be renewed, trying again"),
        };
        for held in self.held().values_mut() {
            for lease in &mut held.leases {
                let mine = |renewed: &&Lease| renewed.name == lease.name && renewed.fence == lease.fence;
                if let Some(renewed) = leases.iter().find(mine) {
                    lease.until = if lost.contains(&renewed.name) { LOST } else { renewed.until };
                }
            }
            held.until.send_replace(held.until());
        }
    }

    fn is_short(&self) -> bool {
        let least = self.0.ctx.clock().monotonic_us().saturating_add(LEASE_LEFT_US);
        self.held().values().map(Held::until).any(|until| until != LOST && until < least)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.0.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
