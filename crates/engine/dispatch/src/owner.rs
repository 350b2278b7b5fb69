//! Who carries which lanes: one task an instance that takes leases, starts lanes under them, and lets go. Another one
//! renews what is held ([`leases`]).
//!
//! A lease that nobody has is taken; a lane is given up in good order when the gate closes, at a shutdown, or when another
//! instance has nothing to carry while this one carries much. Given back, a lease rests for as long as the starts under
//! it count for the provider, so that the cap holds across the move without anybody's clock being asked.

mod leases;
mod shares;
mod standby;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use naru_component::ctx::Ctx;
use naru_core::clock::{Micros, Millis};
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_job::gate::Pass;
use naru_job::lease::{self, Lease};
use naru_store::error::StoreError;
use sqlx::Row;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::campaign::CampaignState;
use crate::config::{DispatchConfig, LaneConfig};
use crate::consent::{Consent, NoAds};
use crate::gauge::LaneGauges;
use crate::lane::pace::{Caps, Pace};
use crate::lane::{Event, Lane, Now, Options};
use crate::notice::{self, Notice};
use crate::provider::{Provider, Providers};
use crate::receipt::{self, Mergers, Stored};
use crate::runner::{self, End, Leash, Order, Outlet, Running};
use crate::shard::{Shard, Shards};
use crate::templates::Templates;
use crate::{engine::Lanes, restore, share};

pub(crate) use leases::LOST;
use leases::Leases;
use shares::Share;
use standby::Standby;

/// After a restart nothing starts for so long after the last stored mark: the last owner's requests count for the
/// provider's second too. A lease that is given back rests as long.
pub(crate) const QUIET_MS: Millis = 1_500;
/// How often the owner looks around without being told: others change what it looks at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// As [`LOOK_EVERY`] where one process owns the store: it is told of everything, and tries again what failed.
const LOOK_EVERY_EMBEDDED: Duration = Duration::from_secs(5);
/// For each shard that an instance carries it leaves a free lease to others for this much longer.
const MODESTY_MS: Millis = 300;
/// Nobody waits longer than this.
const MODESTY_MAX_MS: Millis = 1_500;
/// An instance that was not heard of for so long is given nothing. Each says every two or three seconds that it is there;
/// and who takes over a dead one's lease, six seconds after a renewal that was due every two, heard of it four ago.
const HEARD_MS: Millis = 3_500;
/// Receipt frames on their way to a lane.
const RECEIPTS_AHEAD: usize = 256;
/// Receipt rows read at once.
const UNMERGED_PAGE: i64 = 500;
/// What this instance stored is passed on as it comes, and its row is gone soon. One that is still there after this was
/// not read at the start, or could not be removed: the database was away.
const OWN_MS: Millis = 10_000;
/// A receipt row that was passed on and is still there after this is passed on again, which changes nothing.
const IN_HAND_US: Micros = 60_000_000;

/// What the owner works with.
pub struct Parts {
    /// The house's own.
    pub ctx: Ctx,
    /// Lanes as configured.
    pub config: DispatchConfig,
    /// Their shards.
    pub shards: Shards,
    /// Rendering.
    pub templates: Templates,
    /// Makes their accounts.
    pub makers: Arc<dyn Providers>,
    /// Where running lanes are found.
    pub lanes: Lanes,
    /// Where their receipts go.
    pub mergers: Mergers,
    /// Told when there is something to do.
    pub tug: Arc<Notify>,
}

/// Takes, keeps and gives up lanes.
pub struct Owner {
    parts: Parts,
    leases: Leases,
    held: HashMap<Shard, Held>,
    /// Shards that could not be started, so that it is said once.
    failing: HashSet<Shard>,
    _alive: watch::Sender<bool>,
}

/// A shard that this instance carries.
struct Held {
    lease: Lease,
    /// The lanes that stand by for it, in order.
    standbys: Vec<Standby>,
    /// What the lane may use of its own account's caps, and of theirs.
    shares: Vec<Share>,
    running: Running,
    ended: oneshot::Receiver<End>,
    merger: mpsc::Sender<Stored>,
    /// Receipts that were found in the store and passed on, with when.
    in_hand: HashMap<Id, Micros>,
    /// Notices that are being acted on.
    noticed: Arc<std::sync::Mutex<HashSet<Id>>>,
    leaving: bool,
    _pass: Pass,
}

impl Owner {
    /// An owner of nothing yet.
    pub fn new(parts: Parts) -> Owner {
        let leases = Leases::new(&parts.ctx);
        // Gone with the owner, and so is whoever renews for it.
        let (alive, over) = watch::channel(false);
        parts.ctx.lifecycle().spawn("leases", leases.clone().work(over));
        Owner { parts, leases, held: HashMap::new(), failing: HashSet::new(), _alive: alive }
    }

    /// Carries lanes until shutdown, and lets them all go then.
    pub async fn work(mut self) {
        let lifecycle = self.parts.ctx.lifecycle().clone();
        let activity = lifecycle.activity("lanes");
        let (tug, mut gate) = (self.parts.tug.clone(), self.parts.ctx.gate().follow());
        let alone = self.is_embedded() && !self.has_shares();
        let every = if alone { LOOK_EVERY_EMBEDDED } else { LOOK_EVERY };
        loop {
            let is_stopping = lifecycle.is_stopping();
            self.look().await;
            if is_stopping && self.held.is_empty() {
                break;
            }
            tokio::select! {
                () = tug.notified() => {}
                Ok(()) = gate.changed() => {}
                () = lifecycle.stopped(), if !is_stopping => {}
                () = tokio::time::sleep_until(tokio::time::Instant::now() + every) => {}
            }
        }
        drop(activity);
    }

    /// Does once what there is to do: what must not wait comes first.
    pub async fn look(&mut self) {
        self.forget_ended().await;
        let is_open = !self.parts.ctx.gate().is_closed() && !self.parts.ctx.lifecycle().is_stopping();
        if is_open {
            self.take_free().await;
            self.stand_by().await;
            self.share().await;
            self.move_shares().await;
        } else {
            self.held.values_mut().for_each(Held::leave_soon);
        }
        self.tell().await;
    }

    fn is_embedded(&self) -> bool {
        self.parts.ctx.store().engine() == naru_store::Engine::Sqlite
    }

    /// Lanes that have ended: those that were left give their lease back.
    async fn forget_ended(&mut self) {
        let mut over = Vec::new();
        for (shard, held) in &mut self.held {
            match held.ended.try_recv() {
                Ok(end) => over.push((shard.clone(), Some(end))),
                Err(oneshot::error::TryRecvError::Closed) => over.push((shard.clone(), None)),
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
        }
        for (shard, end) in over {
            self.write(&self.parts.lanes).remove(&shard);
            self.write(&self.parts.mergers).remove(&shard);
            let Some(held) = self.held.remove(&shard) else { continue };
            self.leases.forget(&held.lease);
            match end {
                Some(End::Left) => {
                    for lease in held.standbys.iter().filter_map(|standby| standby.lease.as_ref()) {
                        self.give_back(&shard, lease).await;
                    }
                    self.give_back(&shard, &held.lease).await;
                    tracing::info!(lane.name = %shard, "lane given up");
                }
                Some(End::Lost) => {}
                None => tracing::error!(lane.name = %shard, "a lane has ended in disorder, it is started anew"),
            }
        }
    }

    async fn give_back(&self, shard: &Shard, lease: &Lease) {
        if let Err(error) = lease::release(self.parts.ctx.store(), lease, QUIET_MS).await {
            tracing::warn!(lane.name = %shard, error = %error, "a lease could not be given back, it ends by itself");
        }
    }

    /// Takes what nobody has. A lane that stands by for another is carried only while it has messages of its own.
    async fn take_free(&mut self) {
        for shard in self.parts.shards.all().collect::<Vec<_>>() {
            let stands_by = self.parts.config.stands_by_for(&shard.lane).is_some();
            if self.held.contains_key(&shard) || self.stands_by_here(&shard) {
                continue;
            }
            if stands_by && !self.has_own_work(&shard).await {
                continue;
            }
            match self.take(&shard).await {
                Ok(()) => drop(self.failing.remove(&shard)),
                Err(failure) => {
                    if self.failing.insert(shard.clone()) {
                        tracing::error!(lane.name = %shard, error = %failure, "a lane could not be started, trying again");
                    }
                }
            }
        }
    }

    async fn take(&mut self, shard: &Shard) -> Result<(), Failure> {
        let ctx = self.parts.ctx.clone();
        if !self.is_embedded()
            && let Some(standing) = lease::standing(ctx.store(), &shard.lease()).await?
        {
            // Whoever carries less comes first.
            let patience = (MODESTY_MS * self.held.len() as Millis).min(MODESTY_MAX_MS);
            if standing.holder != ctx.instance().name() && standing.left_ms > -patience {
                return Ok(());
            }
        }
        let Some(pass) = ctx.gate().enter(&format!("lane {shard}")) else { return Ok(()) };
        let taken = lease::take(ctx.store(), ctx.clock().as_ref(), ctx.instance(), &shard.lease()).await?;
        let Some(lease) = taken else { return Ok(()) };
        let fence = lease.fence;
        match self.start(shard, lease.clone(), pass).await {
            Ok(held) => {
                tracing::info!(lane.name = %shard, lane.fence = fence, "lane started");
                self.held.insert(shard.clone(), held);
                Ok(())
            }
            Err(failure) => {
                self.leases.forget(&lease);
                // Others may have more luck.
                let _ = lease::release(ctx.store(), &lease, QUIET_MS).await;
                Err(failure)
            }
        }
    }

    async fn start(&self, shard: &Shard, lease: Lease, pass: Pass) -> Result<Held, Failure> {
        let leased = self.leases.keep(&lease);
        let ctx = &self.parts.ctx;
        let standbys = self.parts.config.stand_by_for(&shard.lane).iter();
        let standbys: Vec<Shard> = standbys.map(|lane| Shard::new(lane, shard.no)).collect();
        let mut outlets = Vec::with_capacity(1 + standbys.len());
        let mut all = Vec::with_capacity(outlets.capacity());
        let mut shares = Vec::with_capacity(outlets.capacity());
        for of in [shard].into_iter().chain(&standbys) {
            let mut share = Share::default();
            let used = self.used(of, &mut share).await?;
            shares.push(share);
            let (outlet, options) = self.outlet(of, &used)?;
            outlets.push(outlet);
            all.push(options);
        }
        let config = self.parts.config.lane.get(&*shard.lane).ok_or_else(|| Failure::bug("a shard of no lane"))?;
        let pace = self.pace_of(shard).await?;
        let now = Now { mono: ctx.clock().monotonic_us(), wall: ctx.clock().now_ms() };
        let mut lane = Lane::new(all);
        lane.apply(now, joined(ctx, 0, &pace));
        if pace.paused {
            lane.apply(now, Event::Pause(true));
        }
        let parts = runner::Parts {
            shard: shard.clone(),
            name: shard.to_string(),
            channel: config.channel,
            store: ctx.store().clone(),
            clock: ctx.clock().clone(),
            lifecycle: ctx.lifecycle().clone(),
            consent: ctx.find::<dyn Consent>().unwrap_or_else(|| Arc::new(NoAds)),
            outlets,
            templates: self.parts.templates.clone(),
            fence: lease.fence,
            leash: Leash { until: leased, short: self.leases.short(), owner: self.parts.tug.clone() },
        };
        let (merger, receipts) = mpsc::channel(RECEIPTS_AHEAD);
        restore::restore(&parts, &mut lane).await?;
        let (running, ended) = runner::start(parts, lane, receipts);
        self.write(&self.parts.mergers).insert(shard.clone(), merger.clone());
        self.write(&self.parts.lanes).insert(shard.clone(), running.clone());
        self.pass_on_unmerged(shard.clone(), merger.clone());
        Ok(Held {
            lease,
            shares,
            standbys: standbys.into_iter().map(Standby::of).collect(),
            running,
            ended,
            merger,
            in_hand: HashMap::new(),
            noticed: Arc::default(),
            leaving: false,
            _pass: pass,
        })
    }

    /// An account, and what the lane is told about it.
    fn outlet(&self, shard: &Shard, used: &[u16]) -> Result<(Outlet, Options), Failure> {
        let config = self.parts.config.lane.get(&*shard.lane).ok_or_else(|| Failure::bug("a shard of no lane"))?;
        // An account of its own: what an adapter keeps of a cap is the shard's part too.
        let caps = share::caps(config, used);
        let own: Vec<u16> = share::own(shard.no).collect();
        let home = share::caps(config, &own).messages;
        let config = config.part(shard.no, caps);
        let provider = self.parts.makers.provider(&shard.lane, &config)?;
        let options = Options { home, ..options(&config, &caps, provider.as_ref()) };
        let outlet = Outlet {
            lane: shard.lane.to_string(),
            allow_list: self.allow_list(&config)?,
            timeout: Duration::from_millis(config.timeout_ms),
            gauges: LaneGauges::new(self.parts.ctx.metrics(), shard),
            provider,
        };
        Ok((outlet, options))
    }

    async fn pace_of(&self, shard: &Shard) -> Result<StoredPace, Failure> {
        let row = sqlx::query(
            "SELECT p.day, p.day_used, p.marked_at, s.paused FROM dispatch_pace p
             JOIN dispatch_shard s ON s.lane = p.lane AND s.shard = p.shard WHERE p.lane = $1 AND p.shard = $2",
        )
        .bind(shard.lane.to_string())
        .bind(shard.column())
        .fetch_one(self.parts.ctx.store().reader())
        .await
        .map_err(StoreError::from)?;
        let read = || -> Result<StoredPace, sqlx::Error> {
            Ok(StoredPace {
                day: row.try_get(0)?,
                day_used: row.try_get::<i64, _>(1)? as u64,
                marked_at: row.try_get(2)?,
                paused: row.try_get::<i64, _>(3)? == 1,
            })
        };
        Ok(read().map_err(StoreError::from)?)
    }

    /// Where another instance carries less by two or more, one shard goes over.
    async fn share(&mut self) {
        if self.is_embedded() || self.held.len() < 2 || self.held.values().any(|held| held.leaving) {
            return;
        }
        let carried = self.held.keys().filter(|shard| self.is_shared_out(shard)).count();
        let least = match self.least_elsewhere().await {
            Ok(least) => least,
            Err(error) => return tracing::warn!(error = %error, "it could not be seen what other instances carry"),
        };
        if least.is_some_and(|least| least + 2 <= carried)
            && let Some(last) = self.held.keys().filter(|shard| self.is_shared_out(shard)).max().cloned()
            && let Some(held) = self.held.get_mut(&last)
        {
            held.leave_soon();
        }
    }

    /// How many shards the living instance with the fewest carries, this one aside.
    async fn least_elsewhere(&self) -> Result<Option<usize>, StoreError> {
        let ctx = &self.parts.ctx;
        let leases: Vec<String> =
            self.parts.shards.all().filter(|shard| self.is_shared_out(shard)).map(|shard| shard.lease()).collect();
        let places: Vec<String> = (2..leases.len() + 2).map(|place| format!("${place}")).collect();
        let text = format!(
            "SELECT CAST(COUNT(l.name) AS BIGINT) FROM job_instance i
             LEFT JOIN job_lease l ON l.holder = i.name AND l.expires_at > {now} AND l.name IN ({places})
             WHERE i.seen_at > {now} - {HEARD_MS} AND i.state = 'open' AND i.name <> $1
             GROUP BY i.name ORDER BY 1 LIMIT 1",
            now = ctx.store().engine().now(),
            places = places.join(", "),
        );
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(text)).bind(ctx.instance().name().to_owned());
        let query = leases.into_iter().fold(query, |query, lease| query.bind(lease));
        let least: Option<i64> = query.fetch_optional(ctx.store().reader()).await?;
        Ok(least.map(|least| least as usize))
    }

    /// What is stored for the lanes that are carried here: notices, receipts that others took, and those that were left.
    async fn tell(&mut self) {
        let ctx = self.parts.ctx.clone();
        for (shard, held) in &mut self.held {
            match notice::read(ctx.store(), shard).await {
                Ok(notices) => notices.into_iter().for_each(|notice| held.notice(&ctx, shard, notice)),
                Err(error) => {
                    tracing::warn!(lane.name = %shard, error = %error, "notices could not be read, trying again")
                }
            }
            if let Err(error) = held.pass_on_left(&ctx, shard).await {
                tracing::warn!(lane.name = %shard, error = %error, "receipts could not be read, trying again");
            }
        }
    }

    /// Receipts that were stored before the lane started are merged first.
    fn pass_on_unmerged(&self, shard: Shard, merger: mpsc::Sender<Stored>) {
        let store = self.parts.ctx.store().clone();
        self.parts.ctx.lifecycle().spawn("unmerged receipts", async move {
            let mut after = Id::default();
            loop {
                let page = match receipt::unmerged(&store, &shard, UNMERGED_PAGE, after, None).await {
                    Ok(page) => page,
                    Err(error) => {
                        tracing::error!(lane.name = %shard, error = %error, "stored receipts could not be read");
                        return;
                    }
                };
                let Some(last) = page.last() else { return };
                after = last.row;
                for stored in page {
                    if merger.send(stored).await.is_err() {
                        return;
                    }
                }
            }
        });
    }

    /// The only recipients of a lane, unless it is the sandbox or the shop is in production.
    fn allow_list(&self, config: &LaneConfig) -> Result<Option<HashSet<String>>, Failure> {
        let everybody = self.parts.config.production || config.provider == "sandbox";
        (!everybody).then(|| self.parts.config.allowed()).transpose()
    }

    fn write<'a, T>(&self, lock: &'a std::sync::RwLock<T>) -> std::sync::RwLockWriteGuard<'a, T> {
        lock.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Held {
    fn leave_soon(&mut self) {
        // Where its orders are full it is told at the next look.
        self.leaving = self.leaving || self.running.leave();
    }

    /// Has the lane act on the state in which the campaign is now, and removes the notice after that.
    fn notice(&mut self, ctx: &Ctx, shard: &Shard, notice: Notice) {
        if !lock(&self.noticed).insert(notice.id) {
            return;
        }
        let (running, store, noticed, shard) =
            (self.running.clone(), ctx.store().clone(), self.noticed.clone(), shard.clone());
        ctx.lifecycle().spawn("notice", async move {
            let done = match act(&running, &shard, &notice).await {
                Ok(()) => notice::take(&store, &shard, notice.id).await.map_err(Failure::from),
                Err(failure) => Err(failure),
            };
            if let Err(failure) = done {
                tracing::warn!(lane.name = %shard, campaign.id = %notice.campaign, error = %failure,
                    "a campaign's change could not be carried out, trying again");
            }
            lock(&noticed).remove(&notice.id);
        });
    }

    async fn pass_on_left(&mut self, ctx: &Ctx, shard: &Shard) -> naru_store::Result<()> {
        let now = ctx.clock().monotonic_us();
        self.in_hand.retain(|_, since| *since + IN_HAND_US > now);
        let without = Some((ctx.instance().name(), ctx.clock().now_ms() - OWN_MS));
        let page = receipt::unmerged(ctx.store(), shard, UNMERGED_PAGE, Id::default(), without).await?;
        for stored in page {
            if self.in_hand.contains_key(&stored.row) {
                continue;
            }
            let row = stored.row;
            // A full channel is a lane that is behind: it is passed on at the next look.
            if self.merger.try_send(stored).is_err() {
                break;
            }
            self.in_hand.insert(row, now);
        }
        Ok(())
    }
}

fn lock(set: &std::sync::Mutex<HashSet<Id>>) -> std::sync::MutexGuard<'_, HashSet<Id>> {
    set.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

async fn act(running: &Running, shard: &Shard, notice: &Notice) -> Result<(), Failure> {
    let gone = || Failure::unavailable("lane-not-running").arg("lane", shard);
    let campaign = notice.campaign;
    let paused = match notice.state {
        Some(CampaignState::Paused) => true,
        Some(CampaignState::Running) => false,
        Some(CampaignState::Cancelled) => {
            let (done, answered) = oneshot::channel();
            running.order(Order::Cancel(campaign, done)).await;
            return answered.await.map_err(|_| gone())?;
        }
        // Nothing of it has left or will.
        Some(CampaignState::Loading | CampaignState::Held | CampaignState::Done) | None => return Ok(()),
    };
    let (done, taken) = oneshot::channel();
    running.order(Order::Event(Event::PauseCampaign { campaign, paused }, done)).await;
    taken.await.map_err(|_| gone())
}

/// An outlet may be used from now on; nothing starts for a while after its last stored mark, whoever made that.
fn joined(ctx: &Ctx, outlet: usize, pace: &StoredPace) -> Event {
    let quiet_ms = (pace.marked_at + QUIET_MS - ctx.clock().now_ms()).clamp(0, QUIET_MS);
    let quiet_until = ctx.clock().monotonic_us() + quiet_ms as Micros * 1_000;
    Event::Joined { outlet, day: pace.day, day_used: pace.day_used, quiet_until }
}

struct StoredPace {
    day: i64,
    day_used: u64,
    marked_at: Millis,
    paused: bool,
}

fn options(config: &LaneConfig, caps: &Caps, provider: &dyn Provider) -> Options {
    let batch = config.batch_max.map_or(usize::MAX, |max| max as usize);
    Options {
        batch_max: provider.batch_max().min(batch).min(crate::frame::MESSAGES_MAX),
        pace: Pace::new(caps.requests.map(|max| provider.starts_per_second_max(max)), caps.messages),
        home: caps.messages,
        in_flight_max: caps.in_flight as usize,
        per_day_max: config.messages_per_day_max,
        tries_max: config.attempts_max.min(1_000) as u16,
        retry_base_ms: config.retry_base_ms,
        retry_max_ms: config.retry_max_ms,
        timeout_ms: config.timeout_ms,
        level: provider.level(),
    }
}
