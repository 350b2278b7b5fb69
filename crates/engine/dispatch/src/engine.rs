//! The engine put together: what rooms call, and the lanes while `serve` runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock, RwLock};

use naru_component::ctx::Ctx;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::metric::Series;
use naru_job::instance::Instance;
use naru_job::lease::{self, Lease};
use naru_store::script::Script;
use naru_store::{Engine, Store};
use tokio::sync::Notify;

use crate::account;
use crate::campaign::{self, CampaignState, NewCampaign, Shifted};
use crate::cancel::{self, Rest};
use crate::config::{DispatchConfig, LaneConfig};
use crate::find::{Finder, Wanted};
use crate::frame::TemplateRef;
use crate::gauge;
use crate::health::OutletHealth;
use crate::import::{self, Begun, Ending, ImportKey};
use crate::intake::{Batch, Intake, Woken};
use crate::key::{self, Days};
use crate::lane::{OutletStatus, Status};
use crate::message::{Channel, MessageId};
use crate::notice::{self, Awaited, Noticed};
use crate::owner::{self, Owner};
use crate::prints::Prints;
use crate::provider::{Provider, Providers};
use crate::receipt::{Desk, Mergers, ReceiptSink, Receipts};
use crate::rows;
use crate::runner::Running;
use crate::shard::{Shard, Shards};
use crate::template::Template;
use crate::templates::Templates;

/// How often a cancel looks again at leases that pass from one owner to the next under its eyes.
const CANCEL_ROUNDS: usize = 10;
/// Leases looked at: far more than the shards and jobs of one shop.
const LEASES_MAX: i64 = 10_000;

/// The engine.
pub struct Dispatch {
    ctx: Ctx,
    config: DispatchConfig,
    templates: Templates,
    ready: OnceLock<Ready>,
    shards: Shards,
    lanes: Lanes,
    mergers: Mergers,
    /// Tells whoever owns lanes here that there is something to do.
    tug: Arc<Notify>,
    /// Counts what calls of the API brought.
    taken: Series,
}

/// Lanes that run here.
pub type Lanes = Arc<RwLock<HashMap<Shard, Running>>>;

/// What needs the tables to be there.
struct Ready {
    finder: Finder,
    prints: tokio::sync::Mutex<Prints>,
    intake: Option<Intake>,
}

/// A lane's name and the account it sends by.
pub type NamedProvider = (String, Arc<dyn Provider>);

/// A lane as pages and words show it.
#[derive(Clone, Debug)]
pub struct LaneView {
    /// Its name.
    pub name: String,
    /// Its configuration.
    pub config: LaneConfig,
    /// How it is, of all its shards that run here; none where it stands by.
    pub status: Option<Status>,
    /// How its account is, of all its shards that run here.
    pub outlet: Option<OutletStatus>,
    /// The lane that it stands by for.
    pub stands_by_for: Option<String>,
    /// Whether messages of that lane leave by it now.
    pub stands_in: bool,
    /// The instances that carry it, in order.
    pub carried_by: Vec<String>,
    /// Why its provider takes nothing, while it takes nothing.
    pub block: Option<String>,
    /// Whether a person paused it.
    pub paused: bool,
    /// Messages started today, in Asia/Seoul.
    pub today: u64,
}

impl Dispatch {
    /// The engine over the configured lanes. Nothing runs yet and no table is touched.
    pub fn new(config: DispatchConfig, ctx: &Ctx) -> Arc<Dispatch> {
        let templates = Templates::new(ctx.store().clone(), ctx.clock().clone());
        Arc::new(Dispatch {
            ctx: ctx.clone(),
            shards: Shards::of(&config),
            config,
            templates,
            ready: OnceLock::new(),
            lanes: Lanes::default(),
            mergers: Mergers::default(),
            tug: Arc::default(),
            taken: gauge::accepted(ctx.metrics(), "call"),
        })
    }

    /// Makes intake possible; after the migrations, by a process that may write.
    pub async fn prepare(&self) -> Result<(), Failure> {
        let store = self.ctx.store();
        rows_of_shards(store, &self.shards).await?;
        let finder = Finder::open(store).await?;
        let (clock, lifecycle) = (self.ctx.clock().clone(), self.ctx.lifecycle());
        let intake = Intake::start(store.clone(), finder, clock, lifecycle, self.shards.clone(), self.woken());
        let _ = self.ready.set(Ready { finder, prints: Default::default(), intake: Some(intake) });
        Ok(())
    }

    /// For words that only read, beside a process that writes.
    pub async fn prepare_reading(&self) -> Result<(), Failure> {
        let finder = Finder::read(self.ctx.store()).await?;
        let _ = self.ready.set(Ready { finder, prints: Default::default(), intake: None });
        Ok(())
    }

    /// Starts receipts and carries lanes: from here on messages leave.
    pub async fn run(self: &Arc<Self>) -> Result<(), Failure> {
        // Every account is made before any lane starts: a wrong key stops the start, not half of it.
        self.config.check()?;
        self.providers()?;
        let lanes: HashMap<String, LaneConfig> = self.config.lane.clone().into_iter().collect();
        let unknown = gauge::receipts_unknown(self.ctx.metrics());
        let receipts = Receipts::start(self.desk(), self.ctx.lifecycle(), lanes, unknown);
        self.ctx.offer::<dyn ReceiptSink>(Arc::new(receipts));
        for (lane, messages) in self.stranded().await? {
            tracing::warn!(lane.name = lane, messages, "messages wait for a lane that is not configured any more");
        }
        let mut owner = Owner::new(owner::Parts {
            ctx: self.ctx.clone(),
            config: self.config.clone(),
            shards: self.shards.clone(),
            templates: self.templates.clone(),
            makers: self.ctx.need::<dyn Providers>()?,
            lanes: self.lanes.clone(),
            mergers: self.mergers.clone(),
            tug: self.tug.clone(),
        });
        // What is free is carried before anybody is told that naru serves.
        owner.look().await;
        self.ctx.lifecycle().spawn("lanes", owner.work());
        Ok(())
    }

    /// Checks what only the configuration and the rooms together can tell: a lane without an adapter, a route that leads
    /// nowhere, a secret that is not there.
    pub fn check(&self) -> Result<(), Failure> {
        self.config.check()?;
        self.providers()?;
        self.config.route.keys().try_for_each(|channel| self.route(*channel).map(drop))
    }

    /// Makes every lane's provider, which checks the lane's configuration.
    pub fn providers(&self) -> Result<Vec<NamedProvider>, Failure> {
        let makers = self.ctx.need::<dyn Providers>()?;
        let make = |(name, config): (&String, &LaneConfig)| Ok((name.clone(), makers.provider(name, config)?));
        self.config.lane.iter().map(make).collect()
    }

    /// The templates.
    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    /// The configuration.
    pub fn config(&self) -> &DispatchConfig {
        &self.config
    }

    /// The rooms' context.
    pub fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    /// The lane that messages of a channel leave by.
    pub fn route(&self, channel: Channel) -> Result<&str, Failure> {
        let routed = self.config.route.get(&channel).and_then(|lanes| lanes.first()).map(String::as_str);
        let named = || self.config.lane.iter().find(|(_, lane)| lane.channel == channel).map(|(name, _)| name.as_str());
        let lane = routed.or_else(named).ok_or_else(|| Failure::refused("route-missing").arg("channel", channel))?;
        match self.config.lane.get(lane) {
            Some(config) if config.channel == channel => Ok(lane),
            Some(_) => Err(Failure::usage("route-channel").arg("lane", lane).arg("channel", channel)),
            None => Err(Failure::usage("route-unknown").arg("lane", lane).arg("channel", channel)),
        }
    }

    /// Stores single messages; answers after they are on the disk.
    pub async fn accept(&self, batch: Batch) -> Result<Vec<MessageId>, Failure> {
        self.ctx.store().check_intake()?;
        let intake = self.ready()?.intake.as_ref().ok_or_else(|| Failure::unavailable("store-read-only"))?;
        let count = batch.parts.iter().map(|part| part.messages.len()).sum::<usize>();
        let ids = intake.accept(batch).await?;
        self.taken.add(count as i64);
        Ok(ids)
    }

    /// What the call of this key and body was answered, where it came before.
    pub async fn answered(&self, (key, body): ([u8; 16], [u8; 16])) -> Result<Option<Vec<MessageId>>, Failure> {
        let now = self.ctx.clock().now_ms();
        let known = self.ctx.store().read(move |conn| {
            Box::pin(async move { key::known(&mut Script::on(conn), &Days::default(), &[key], now).await })
        });
        let known = known.await?;
        known.get(&key).map(|known| known.answer(&body)).transpose()
    }

    /// The template that a file's messages are made with: the newest, or the version the file was begun with.
    pub async fn import_template(&self, key: ImportKey, newest: Arc<Template>) -> Result<Arc<Template>, Failure> {
        match import::row::version(self.ctx.store(), key).await? {
            Some(version) => self.templates.version(&newest.text.id, version).await,
            None => Ok(newest),
        }
    }

    /// Begins taking a file in, or goes on with it.
    pub async fn import(
        &self,
        key: ImportKey,
        new: NewCampaign,
        template: TemplateRef,
    ) -> Result<(Begun, Option<Ending>), Failure> {
        self.ctx.store().check_intake()?;
        let parts = import::Parts {
            store: self.ctx.store().clone(),
            finder: self.ready()?.finder,
            woken: self.woken(),
            begun: self.tug.clone(),
            shards: self.shards.clone(),
            lifecycle: self.ctx.lifecycle().clone(),
            clock: self.ctx.clock().clone(),
            taken: gauge::accepted(self.ctx.metrics(), "file"),
            instance: self.ctx.instance().name().to_owned(),
        };
        import::begin(&parts, key, new, template).await
    }

    /// Stops a campaign for now; answers once nothing more of it starts anywhere. Said again, as whoever got no answer
    /// does, it waits for the same.
    pub async fn pause(&self, campaign: Id) -> Result<(), Failure> {
        let moved =
            self.shift(campaign, &[CampaignState::Running, CampaignState::Paused], CampaignState::Paused).await?;
        self.noticed(moved.awaited).await.map(drop)
    }

    /// Lets a campaign go on.
    pub async fn resume(&self, campaign: Id) -> Result<(), Failure> {
        const FROM: &[CampaignState] = &[CampaignState::Paused, CampaignState::Held, CampaignState::Running];
        let moved = self.shift(campaign, FROM, CampaignState::Running).await?;
        self.noticed(moved.awaited).await.map(drop)
    }

    /// As [`Dispatch::resume`], of a campaign that waits for a word: one that began meanwhile, or was paused, is left alone.
    pub async fn start(&self, campaign: Id) -> Result<(), Failure> {
        let moved = self.shift(campaign, &[CampaignState::Held], CampaignState::Running).await?;
        self.noticed(moved.awaited).await.map(drop)
    }

    /// Says when a campaign that waits begins by itself; with `None` it waits for a person again.
    pub async fn schedule(&self, campaign: Id, at: Option<Millis>) -> Result<(), Failure> {
        let store = self.ctx.store();
        let set =
            store.write(move |conn| Box::pin(async move { campaign::schedule(conn, campaign, at).await })).await?;
        if set {
            return Ok(());
        }
        let unknown = || Failure::not_found("campaign-unknown").arg("campaign", campaign);
        let shown = campaign::show(store, campaign).await?.ok_or_else(unknown)?;
        Err(Failure::conflict("campaign-not-held").arg("name", shown.name).arg("state", shown.state.name()))
    }

    /// Lets campaigns go whose time has come.
    pub async fn start_due(&self) -> Result<(), Failure> {
        for campaign in campaign::due(self.ctx.store(), self.ctx.clock().now_ms()).await? {
            if self.start_where_due(campaign).await? {
                tracing::info!(campaign.id = %campaign, "a campaign's time has come");
            }
        }
        Ok(())
    }

    /// Lets a campaign go if it still waits for a time that has come: somebody may have moved it, or let it go, since it was
    /// found.
    async fn start_where_due(&self, id: Id) -> Result<bool, Failure> {
        let now = self.ctx.clock().now_ms();
        let moved = self.ctx.store().write(move |conn| {
            Box::pin(async move {
                if !campaign::is_due(conn, id, now).await? {
                    return Ok(None);
                }
                campaign::shift(conn, id, &[CampaignState::Held], CampaignState::Running, now).await
            })
        });
        match moved.await?.filter(|moved| moved.was == CampaignState::Held) {
            Some(moved) => self.noticed(moved.awaited).await.map(|_| true),
            None => Ok(false),
        }
    }

    /// As [`Dispatch::cancel`], of a campaign that has not begun to leave: one that has is left alone.
    pub async fn discard(&self, campaign: Id) -> Result<(), Failure> {
        const FROM: &[CampaignState] = &[CampaignState::Loading, CampaignState::Held, CampaignState::Cancelled];
        self.cancel_from(campaign, FROM).await
    }

    /// Ends a campaign: what has not left will not, and of its file nothing more is taken in. Said again, it finishes
    /// what was cut off.
    pub async fn cancel(&self, campaign: Id) -> Result<(), Failure> {
        const FROM: &[CampaignState] = &[
            CampaignState::Loading,
            CampaignState::Held,
            CampaignState::Running,
            CampaignState::Paused,
            CampaignState::Cancelled,
        ];
        self.cancel_from(campaign, FROM).await
    }

    async fn cancel_from(&self, campaign: Id, from: &'static [CampaignState]) -> Result<(), Failure> {
        let mut awaited = self.shift(campaign, from, CampaignState::Cancelled).await?.awaited;
        // A lease that passes on meanwhile is looked at again; bounded, since nobody takes it for less than seconds.
        for _ in 0..CANCEL_ROUNDS {
            let free = self.noticed(awaited).await?;
            awaited = Vec::new();
            for mut left in free {
                if !self.cancel_where_free(&left.shard, campaign).await? {
                    left.fence = lease::standing(self.ctx.store(), &left.shard.lease()).await?.map(|lease| lease.fence);
                    awaited.push(left);
                }
            }
            if awaited.is_empty() {
                return Ok(());
            }
        }
        Err(Failure::unavailable("lane-silent").arg("lane", &awaited[0].shard).retry_after(5))
    }

    /// Waits until all have taken notice; answers those whom nobody owns, or somebody who began later.
    async fn noticed(&self, awaited: Vec<Awaited>) -> Result<Vec<Awaited>, Failure> {
        self.tug.notify_one();
        let mut free = Vec::new();
        for one in awaited {
            let is_ours = |shard: &Shard| self.lanes().contains_key(shard);
            if notice::wait(self.ctx.store(), &one, is_ours).await? == Noticed::Free {
                free.push(one);
            }
        }
        Ok(free)
    }

    /// Where reports are stored.
    pub(crate) fn desk(&self) -> Desk {
        Desk {
            store: self.ctx.store().clone(),
            clock: self.ctx.clock().clone(),
            instance: self.ctx.instance().clone(),
            shards: self.shards.clone(),
            mergers: self.mergers.clone(),
        }
    }

    /// Takes a shard that nobody carries, to write its states; whoever takes it gives it back at once.
    pub(crate) async fn take_free(&self, shard: &Shard) -> Result<Option<Lease>, Failure> {
        if self.lanes().contains_key(shard) {
            return Ok(None);
        }
        // Under a name of its own: the lane of this very instance must not begin under the same lease.
        let person = Instance::named(&format!("{} (word)", self.ctx.instance()));
        Ok(lease::take_resting(self.ctx.store(), self.ctx.clock().as_ref(), &person, &shard.lease()).await?)
    }

    /// Gives back what [`Dispatch::take_free`] took: the owner before may have started something a moment ago.
    pub(crate) async fn give_back(&self, lease: &Lease) -> Result<(), Failure> {
        Ok(lease::release(self.ctx.store(), lease, owner::QUIET_MS).await?)
    }

    /// Cancels what of a campaign is in a shard that nobody owns; answers whether nobody did.
    async fn cancel_where_free(&self, shard: &Shard, campaign: Id) -> Result<bool, Failure> {
        let (store, clock) = (self.ctx.store(), self.ctx.clock().as_ref());
        let Some(lease) = self.take_free(shard).await? else { return Ok(false) };
        let rest = Rest { store, clock, shard, fence: lease.fence };
        let is_configured = self.config.lane.contains_key(&*shard.lane);
        let cancelled = cancel::without_lane(&rest, is_configured, campaign).await;
        self.give_back(&lease).await?;
        cancelled.map(|()| true)
    }

    /// Messages to an address, newest first.
    pub async fn find(&self, to: &naru_core::masked::Address, limit: usize) -> Result<Vec<MessageId>, Failure> {
        self.find_before(&Wanted::Address(to.clone()), None, limit).await
    }

    /// Messages that are wanted, newest first, older than `before` where one is named.
    pub async fn find_before(
        &self,
        wanted: &Wanted,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<MessageId>, Failure> {
        let ready = self.ready()?;
        ready.finder.find(self.ctx.store(), &ready.prints, wanted, before, limit).await
    }

    /// Lanes that are not configured any more and messages that wait for them: nothing else would ever be said of them.
    pub async fn stranded(&self) -> Result<Vec<(String, u64)>, Failure> {
        Ok(self.stranded_of(&account::pending_by_lane(self.ctx.store()).await?))
    }

    /// Those of [`Dispatch::stranded`] among what waits.
    pub fn stranded_of(&self, pending: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
        let gone = |(lane, pending): &(&String, &u64)| **pending > 0 && !self.config.lane.contains_key(*lane);
        pending.iter().filter(gone).map(|(lane, pending)| (lane.clone(), *pending)).collect()
    }

    /// Every configured lane; asks the store the same few things however many there are.
    pub async fn lane_views(&self) -> Result<Vec<LaneView>, Failure> {
        let today = naru_core::clock::seoul_day(self.ctx.clock().now_ms());
        let paces = rows::paces(self.ctx.store(), today).await?;
        let holders = self.holders().await?;
        let mut views = Vec::with_capacity(self.config.lane.len());
        for (name, config) in &self.config.lane {
            let carrier = self.config.stands_by_for(name).filter(|_| !self.is_carried_alone(name)).unwrap_or(name);
            let running: Vec<Running> =
                self.shards.of_lane(carrier).filter_map(|it| self.lanes().get(&it).cloned()).collect();
            let status = running.iter().map(|it| it.health().status).reduce(Status::join).filter(|_| carrier == name);
            let outlet = running.iter().filter_map(|it| it.outlet(name)).reduce(OutletHealth::join);
            let (outlet, block) = outlet.map_or((None, None), |health| (Some(health.status), health.block));
            let stands_in = carrier != name && running.iter().any(|it| it.leaves_by().is_some_and(|by| by == *name));
            let stands_by_for = (carrier != name).then(|| carrier.to_owned());
            let (name, config) = (name.clone(), config.clone());
            let carried_by = self.carriers(&name, &holders);
            let (paused, today) = paces.get(&name).copied().unwrap_or_default();
            views.push(LaneView {
                name,
                config,
                status,
                outlet,
                stands_by_for,
                stands_in,
                carried_by,
                block,
                paused,
                today,
            });
        }
        Ok(views)
    }

    /// Whether a lane that stands by for another has messages of its own, which it carries first.
    fn is_carried_alone(&self, lane: &str) -> bool {
        self.shards.of_lane(lane).any(|shard| self.lanes().contains_key(&shard))
    }

    /// The instances that carry a lane; none where nothing of it leaves.
    pub async fn carried_by(&self, lane: &str) -> Result<Vec<String>, Failure> {
        Ok(self.carriers(lane, &self.holders().await?))
    }

    fn carriers(&self, lane: &str, holders: &HashMap<String, String>) -> Vec<String> {
        let own = self.ctx.instance().name();
        let holder = |shard: Shard| {
            let is_here = self.lanes().contains_key(&shard);
            if is_here { Some(own.to_owned()) } else { holders.get(&shard.lease()).cloned() }
        };
        self.shards.of_lane(lane).filter_map(holder).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Who holds which lease, where somebody else can: on an embedded store there is nobody else.
    async fn holders(&self) -> Result<HashMap<String, String>, Failure> {
        if self.ctx.store().engine() == Engine::Sqlite {
            return Ok(HashMap::new());
        }
        let held = lease::list(self.ctx.store(), LEASES_MAX).await?;
        Ok(held.into_iter().map(|held| (held.name, held.standing.holder)).collect())
    }

    fn ready(&self) -> Result<&Ready, Failure> {
        self.ready.get().ok_or_else(|| Failure::bug("the engine was not prepared"))
    }

    fn lanes(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Shard, Running>> {
        self.lanes.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn woken(&self) -> Woken {
        let lanes = self.lanes.clone();
        Arc::new(move |shard: &Shard, priority| {
            let lanes = lanes.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            if let Some(running) = lanes.get(shard) {
                running.wake(priority);
            }
        })
    }

    async fn shift(&self, id: Id, from: &'static [CampaignState], to: CampaignState) -> Result<Shifted, Failure> {
        let now = self.ctx.clock().now_ms();
        let moved = self
            .ctx
            .store()
            .write(move |conn| Box::pin(async move { campaign::shift(conn, id, from, to, now).await }))
            .await?;
        match moved {
            None => Err(Failure::not_found("campaign-unknown").arg("campaign", id)),
            Some(moved) if from.contains(&moved.was) => {
                tracing::info!(campaign.id = %id, campaign.state = to.name(), "the campaign moves on");
                Ok(moved)
            }
            Some(moved) => {
                Err(Failure::conflict("campaign-state").arg("state", moved.was.name()).arg("wanted", to.name()))
            }
        }
    }
}

/// Makes the rows of every configured shard. A customer's messages must stay in one shard, so a lane is split otherwise
/// only while nothing of it waits.
async fn rows_of_shards(store: &Store, shards: &Shards) -> Result<(), Failure> {
    let engine = store.engine();
    let embedded = engine == Engine::Sqlite;
    let shards = shards.clone();
    let made = store.write(move |conn| {
        let shards = shards.clone();
        Box::pin(async move {
            // One process owns an embedded store, so whoever ran an import before is gone.
            if embedded {
                import::row::free_all(conn).await?;
            }
            for (lane, count) in shards.counts() {
                if rows::is_split_otherwise(conn, lane, count).await? {
                    return Ok(Err(Failure::refused("lane-shards-busy").arg("lane", lane).arg("shards", count)));
                }
                for shard in shards.of_lane(lane) {
                    rows::make_shard(conn, &shard, count).await?;
                }
                rows::make_slices(conn, engine, lane, count).await?;
            }
            Ok(Ok(()))
        })
    });
    made.await?
}
