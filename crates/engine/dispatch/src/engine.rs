//! The engine put together: what rooms call, and the lanes while `serve` runs.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use naru_component::ctx::Ctx;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::metric::Series;
use naru_store::Engine;
use naru_store::error::StoreError;
use sqlx::Row;
use tokio::sync::{mpsc, oneshot};

use crate::account;
use crate::campaign::{self, CampaignState, NewCampaign};
use crate::cancel;
use crate::config::{DispatchConfig, LaneConfig};
use crate::consent::{Consent, NoAds};
use crate::find::Finder;
use crate::frame::TemplateRef;
use crate::gauge::{self, LaneGauges};
use crate::import::{self, Begins, Begun, Ending, ImportKey};
use crate::intake::{Batch, Intake, Woken};
use crate::key;
use crate::lane::pace::Pace;
use crate::lane::{Event, Lane, Options, Status};
use crate::message::{Channel, MessageId};
use crate::prints::Prints;
use crate::provider::{Provider, Providers};
use crate::receipt::{self, Mergers, ReceiptSink, Receipts};
use crate::restore;
use crate::runner::{self, Order, Running};
use crate::template::Template;
use crate::templates::Templates;

/// After a restart nothing starts for so long after the last stored mark: the last owner's requests count for the
/// provider's second too.
const QUIET_MS: Millis = 1_500;
/// Receipt frames on their way to a lane.
const RECEIPTS_AHEAD: usize = 256;
/// Receipt rows read at once at a start.
const UNMERGED_PAGE: i64 = 500;

/// The engine.
pub struct Dispatch {
    ctx: Ctx,
    config: DispatchConfig,
    templates: Templates,
    ready: OnceLock<Ready>,
    lanes: Lanes,
    mergers: Mergers,
    /// Counts what calls of the API brought.
    taken: Series,
}

type Lanes = Arc<RwLock<HashMap<String, Running>>>;

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
    /// How it is, while it runs here.
    pub status: Option<Status>,
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
            config,
            templates,
            ready: OnceLock::new(),
            lanes: Lanes::default(),
            mergers: Mergers::default(),
            taken: gauge::accepted(ctx.metrics(), "call"),
        })
    }

    /// Makes intake possible; after the migrations, by a process that may write.
    pub async fn prepare(&self) -> Result<(), Failure> {
        let store = self.ctx.store();
        let names: Vec<String> = self.config.lane.keys().cloned().collect();
        let embedded = store.engine() == Engine::Sqlite;
        let job = store.write(move |conn| {
            let names = names.clone();
            Box::pin(async move {
                for name in &names {
                    sqlx::query(
                        "INSERT INTO dispatch_shard (lane, shard, seq, fence, holder, expires_at, day, day_used,
                             marked_at, paused) VALUES ($1, 0, 0, 0, '', 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING",
                    )
                    .bind(name.as_str())
                    .execute(&mut *conn)
                    .await?;
                }
                // One process owns an embedded store, so whoever ran an import before is gone.
                if embedded { import::row::free_all(conn).await } else { Ok(()) }
            })
        });
        job.await?;
        let finder = Finder::open(store).await?;
        let (clock, lifecycle) = (self.ctx.clock().clone(), self.ctx.lifecycle());
        let intake = Intake::start(store.clone(), finder, clock, lifecycle, self.woken());
        let _ = self.ready.set(Ready { finder, prints: Default::default(), intake: Some(intake) });
        Ok(())
    }

    /// For words that only read, beside a process that writes.
    pub async fn prepare_reading(&self) -> Result<(), Failure> {
        let finder = Finder::read(self.ctx.store()).await?;
        let _ = self.ready.set(Ready { finder, prints: Default::default(), intake: None });
        Ok(())
    }

    /// Starts receipts and every lane: from here on messages leave.
    pub async fn run(self: &Arc<Self>) -> Result<(), Failure> {
        let lanes: HashMap<String, LaneConfig> = self.config.lane.clone().into_iter().collect();
        let unknown = gauge::receipts_unknown(self.ctx.metrics());
        let (clock, lifecycle) = (self.ctx.clock().clone(), self.ctx.lifecycle());
        let receipts =
            Receipts::start(self.ctx.store().clone(), clock, lifecycle, lanes, self.mergers.clone(), unknown);
        self.ctx.offer::<dyn ReceiptSink>(Arc::new(receipts));
        for (lane, messages) in self.stranded().await? {
            tracing::warn!(lane.name = lane, messages, "messages wait for a lane that is not configured any more");
        }
        // Every account is made before any lane starts: a wrong key stops the start, not half of it.
        let providers = self.providers()?;
        for (name, provider) in providers {
            self.start_lane(&name, provider).await?;
        }
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

    /// Whether lanes run in this process.
    pub fn is_running(&self) -> bool {
        !self.lanes().is_empty()
    }

    /// Stores single messages; answers after they are on the disk.
    pub async fn accept(&self, batch: Batch) -> Result<Vec<MessageId>, Failure> {
        let intake = self.ready()?.intake.as_ref().ok_or_else(|| Failure::unavailable("store-read-only"))?;
        let count = batch.parts.iter().map(|part| part.messages.len()).sum::<usize>();
        let ids = intake.accept(batch).await?;
        self.taken.add(count as i64);
        Ok(ids)
    }

    /// What the call of this key and body was answered, where it came before.
    pub async fn answered(&self, (key, body): ([u8; 16], [u8; 16])) -> Result<Option<Vec<MessageId>>, Failure> {
        let mut conn = self.ctx.store().reader().acquire().await.map_err(StoreError::from)?;
        let known = key::known(&mut conn, &[key]).await?;
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
        let parts = import::Parts {
            store: self.ctx.store().clone(),
            finder: self.ready()?.finder,
            woken: self.woken(),
            begun: self.begins(),
            lifecycle: self.ctx.lifecycle().clone(),
            clock: self.ctx.clock().clone(),
            taken: gauge::accepted(self.ctx.metrics(), "file"),
        };
        import::begin(&parts, key, new, template).await
    }

    /// Stops a campaign for now; answers once its lane starts nothing more of it.
    pub async fn pause(&self, campaign: Id) -> Result<(), Failure> {
        let lane = self.shift(campaign, &[CampaignState::Running], CampaignState::Paused).await?;
        self.tell(&lane, Event::PauseCampaign { campaign, paused: true }).await;
        Ok(())
    }

    /// Lets a campaign go on.
    pub async fn resume(&self, campaign: Id) -> Result<(), Failure> {
        let lane = self.shift(campaign, &[CampaignState::Paused], CampaignState::Running).await?;
        self.tell(&lane, Event::PauseCampaign { campaign, paused: false }).await;
        Ok(())
    }

    /// Ends a campaign: what has not left will not, and of its file nothing more is taken in. Said again, it finishes
    /// what was cut off.
    pub async fn cancel(&self, campaign: Id) -> Result<(), Failure> {
        const FROM: &[CampaignState] =
            &[CampaignState::Loading, CampaignState::Running, CampaignState::Paused, CampaignState::Cancelled];
        let lane = self.shift(campaign, FROM, CampaignState::Cancelled).await?;
        let Some(running) = self.lanes().get(&lane).cloned() else {
            let (store, clock) = (self.ctx.store(), self.ctx.clock().as_ref());
            return cancel::without_lane(store, clock, &lane, self.config.lane.contains_key(&lane), campaign).await;
        };
        let (done, answered) = oneshot::channel();
        running.order(Order::Cancel(campaign, done)).await;
        answered.await.map_err(|_| Failure::unavailable("lane-not-running").arg("lane", lane))?
    }

    /// Messages to an address, newest first.
    pub async fn find(&self, to: &naru_core::masked::Address, limit: usize) -> Result<Vec<MessageId>, Failure> {
        let ready = self.ready()?;
        ready.finder.find(self.ctx.store(), &ready.prints, to, limit).await
    }

    /// Lanes that are not configured any more and messages that wait for them: nothing else would ever be said of them.
    pub async fn stranded(&self) -> Result<Vec<(String, u64)>, Failure> {
        let lanes = account::pending_by_lane(self.ctx.store()).await?;
        let gone = |lane: &String, pending: u64| pending > 0 && !self.config.lane.contains_key(lane);
        Ok(lanes.into_iter().filter(|(lane, pending)| gone(lane, *pending)).collect())
    }

    /// Every configured lane.
    pub async fn lane_views(&self) -> Result<Vec<LaneView>, Failure> {
        let today = naru_core::clock::seoul_day(self.ctx.clock().now_ms());
        let mut views = Vec::with_capacity(self.config.lane.len());
        for (name, config) in &self.config.lane {
            let row = sqlx::query("SELECT paused, day, day_used FROM dispatch_shard WHERE lane = $1 AND shard = 0")
                .bind(name.as_str())
                .fetch_optional(self.ctx.store().reader())
                .await
                .map_err(StoreError::from)?;
            let read = |row: &sqlx::any::AnyRow| -> Result<(i64, i64, i64), sqlx::Error> {
                Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
            };
            let (paused, day, used) = row.as_ref().map_or(Ok((0, 0, 0)), read).map_err(StoreError::from)?;
            let health = self.lanes().get(name).map(Running::health);
            let (status, block) = health.map_or((None, None), |health| (Some(health.status), health.block));
            let today = if day == today { used as u64 } else { 0 };
            let (name, config, paused) = (name.clone(), config.clone(), paused == 1);
            views.push(LaneView { name, config, status, block, paused, today });
        }
        Ok(views)
    }

    fn ready(&self) -> Result<&Ready, Failure> {
        self.ready.get().ok_or_else(|| Failure::bug("the engine was not prepared"))
    }

    fn lanes(&self) -> std::sync::RwLockReadGuard<'_, HashMap<String, Running>> {
        self.lanes.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn woken(&self) -> Woken {
        let lanes = self.lanes.clone();
        Arc::new(move |lane: &str, priority| {
            let lanes = lanes.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            if let Some(running) = lanes.get(lane) {
                running.wake(priority);
            }
        })
    }

    fn begins(&self) -> Begins {
        let lanes = self.lanes.clone();
        Arc::new(move |lane: &str, campaign| {
            let running = lanes.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(lane).cloned();
            Box::pin(tell(running, Event::PauseCampaign { campaign, paused: false }))
        })
    }

    async fn tell(&self, lane: &str, event: Event) {
        let running = self.lanes().get(lane).cloned();
        tell(running, event).await;
    }

    async fn shift(&self, id: Id, from: &'static [CampaignState], to: CampaignState) -> Result<String, Failure> {
        let now = self.ctx.clock().now_ms();
        let moved = self
            .ctx
            .store()
            .write(move |conn| Box::pin(async move { campaign::shift(conn, id, from, to, now).await }))
            .await?;
        match moved {
            None => Err(Failure::not_found("campaign-unknown").arg("campaign", id)),
            Some((lane, was)) if from.contains(&was) => {
                tracing::info!(campaign.id = %id, campaign.state = to.name(), "a person moved the campaign on");
                Ok(lane)
            }
            Some((_, was)) => {
                Err(Failure::conflict("campaign-state").arg("state", was.name()).arg("wanted", to.name()))
            }
        }
    }

    async fn start_lane(&self, name: &str, provider: Arc<dyn Provider>) -> Result<(), Failure> {
        let Some(config) = self.config.lane.get(name) else { return Ok(()) };
        let store = self.ctx.store().clone();
        let owned = self.own(name).await?;
        let (now, mono) = (self.ctx.clock().now_ms(), self.ctx.clock().monotonic_us());
        let options = options(config, provider.as_ref());
        let batch_max = options.batch_max;
        let mut lane = Lane::new(options, owned.day, owned.day_used);
        let quiet = (owned.marked_at + QUIET_MS - now).clamp(0, QUIET_MS);
        lane.block(mono + quiet as u64 * 1_000);
        if owned.paused {
            lane.apply(crate::lane::Now { mono, wall: now }, Event::Pause(true));
        }
        let parts = runner::Parts {
            name: name.to_owned(),
            channel: config.channel,
            store: store.clone(),
            clock: self.ctx.clock().clone(),
            lifecycle: self.ctx.lifecycle().clone(),
            consent: self.ctx.find::<dyn Consent>().unwrap_or_else(|| Arc::new(NoAds)),
            allow_list: self.allow_list(config)?,
            templates: self.templates.clone(),
            batch_max,
            timeout: Duration::from_millis(config.timeout_ms),
            fence: owned.fence,
            gauges: LaneGauges::new(self.ctx.metrics(), name),
            provider,
        };
        let (merger, receipts) = mpsc::channel(RECEIPTS_AHEAD);
        restore::restore(&parts, &mut lane).await?;
        let running = runner::start(parts, lane, receipts);
        self.mergers.write().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(name.to_owned(), merger.clone());
        self.lanes.write().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(name.to_owned(), running);
        self.pass_on_unmerged(name.to_owned(), merger);
        tracing::info!(lane.name = name, lane.fence = owned.fence, "lane started");
        Ok(())
    }

    /// Receipts that an earlier life stored are merged first.
    fn pass_on_unmerged(&self, lane: String, merger: mpsc::Sender<receipt::Stored>) {
        let store = self.ctx.store().clone();
        self.ctx.lifecycle().spawn("unmerged receipts", async move {
            let mut after = Id::default();
            loop {
                let page = match receipt::unmerged(&store, &lane, UNMERGED_PAGE, after).await {
                    Ok(page) => page,
                    Err(error) => {
                        tracing::error!(lane.name = lane, error = %error, "stored receipts could not be read");
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

    /// Takes the lane: the fence grows, and whoever held it before can write no more.
    async fn own(&self, lane: &str) -> Result<Owned, Failure> {
        let (lane, pid, now) = (lane.to_owned(), std::process::id().to_string(), self.ctx.clock().now_ms());
        let row = self.ctx.store().write(move |conn| {
            let (lane, pid) = (lane.clone(), pid.clone());
            Box::pin(async move {
                let row = sqlx::query(
                    "UPDATE dispatch_shard SET fence = fence + 1, holder = $1, expires_at = $2
                     WHERE lane = $3 AND shard = 0 RETURNING fence, day, day_used, marked_at, paused",
                )
                .bind(pid)
                .bind(now)
                .bind(lane)
                .fetch_one(&mut *conn)
                .await?;
                Ok(Owned {
                    fence: row.try_get(0)?,
                    day: row.try_get(1)?,
                    day_used: row.try_get::<i64, _>(2)? as u64,
                    marked_at: row.try_get(3)?,
                    paused: row.try_get::<i64, _>(4)? == 1,
                })
            })
        });
        Ok(row.await?)
    }

    /// The only recipients of a lane, unless it is the sandbox or the shop is in production.
    fn allow_list(&self, config: &LaneConfig) -> Result<Option<HashSet<String>>, Failure> {
        let everybody = self.config.production || config.provider == "sandbox";
        (!everybody).then(|| self.config.allowed()).transpose()
    }
}

/// Says something to a lane, where it runs, and waits until it was taken.
async fn tell(running: Option<Running>, event: Event) {
    let Some(running) = running else { return };
    let (done, taken) = oneshot::channel();
    running.order(Order::Event(event, done)).await;
    let _ = taken.await;
}

struct Owned {
    fence: i64,
    day: i64,
    day_used: u64,
    marked_at: Millis,
    paused: bool,
}

fn options(config: &LaneConfig, provider: &dyn Provider) -> Options {
    let batch = config.batch_max.map_or(usize::MAX, |max| max as usize);
    Options {
        batch_max: provider.batch_max().min(batch).min(crate::frame::MESSAGES_MAX),
        pace: Pace::new(config.requests_per_second_max, config.messages_per_second_max),
        in_flight_max: config.in_flight_max as usize,
        per_day_max: config.messages_per_day_max,
        tries_max: config.attempts_max.min(1_000) as u16,
        retry_base_ms: config.retry_base_ms,
        retry_max_ms: config.retry_max_ms,
        timeout_ms: config.timeout_ms,
        level: provider.level(),
    }
}
