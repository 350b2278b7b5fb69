//! Carries operations out: one task of one process among all, under one lease.
//!
//! It looks at what is open, lets those begin whose turn it is, and works on steps that may go. Planning and working are
//! futures that it drives beside each other; whatever comes of them is stored under the lease before anything follows from
//! it. Cut off anywhere, the next holder finds each step begun or not: those that were begun are worked on again.

mod live;

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use naru_core::clock::{Micros, Millis};
use naru_core::failure::{Failure, Kind as FailureKind};
use naru_core::id::Id;
use naru_job::lease::{self, Lease, RENEW_EVERY, START_LEFT_US};
use naru_store::Result as Stored;
use serde_json::{Value, json};
use sqlx::AnyConnection;

use crate::course::{self, Next, StepState};
use crate::engine::{LEAVE_MAX, Operations};
use crate::grant::Sight;
use crate::kind::Outcome;
use crate::lock::{LOCKED, Lock};
use crate::operation::{self, Brief, State};
use crate::record::{self, Event};
use crate::rows::{self, Planned, Shift, StepSave};
use crate::{lock, queue};
use live::Live;

/// The lease under which all operations are carried out.
pub const LEASE: &str = "operations";
/// How often it looks without being told: others ask, approve and end.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a lease that somebody else holds is left alone.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Planning, or working on a step once, may take so long; a kind bounds its calls far below.
const WORK_MAX: Duration = Duration::from_secs(120);
/// After a failure that passes: doubled each time, up to the longest.
const RETRY_FIRST_MS: u64 = 500;
const RETRY_MAX_MS: u64 = 30_000;
/// Operations that are planned once more at once.
const PLANNED_AT_ONCE: usize = 16;
/// The longest that is waited because somebody asked for it.
const RETRY_AFTER_MAX_S: u64 = 300;

/// Carries operations out while it holds the lease.
pub(crate) struct Runner {
    operations: Arc<Operations>,
    lease: Option<Lease>,
    renewed: Micros,
    live: HashMap<Id, Live>,
    /// Operations whose turn it is and that are being planned once more.
    planning: HashSet<Id>,
    /// Operations that could not be planned just now, with when to try again and how often it was tried.
    replan: HashMap<Id, (Micros, u64)>,
    works: FuturesUnordered<BoxFuture<'static, Ended>>,
}

/// What came of planning or of working on a step.
enum Ended {
    Planned(Id, Result<Planned, Failure>),
    Worked(Id, usize, Result<Outcome, Failure>),
}

impl Runner {
    pub(crate) fn new(operations: Arc<Operations>) -> Runner {
        Runner {
            operations,
            lease: None,
            renewed: 0,
            live: HashMap::new(),
            planning: HashSet::new(),
            replan: HashMap::new(),
            works: FuturesUnordered::new(),
        }
    }

    /// Works until shutdown.
    pub(crate) async fn work(mut self) {
        let lifecycle = self.operations.ctx.lifecycle().clone();
        while !lifecycle.is_stopping() {
            let pass = self.operations.ctx.gate().enter("operations");
            if pass.is_some() && self.take().await {
                let activity = lifecycle.activity("operations");
                self.carry().await;
                self.forget();
                drop(activity);
            }
            drop(pass);
            if !lifecycle.is_stopping() {
                tokio::select! {
                    () = lifecycle.stopped() => {}
                    () = tokio::time::sleep_until(tokio::time::Instant::now() + ASK_EVERY) => {}
                }
            }
        }
    }

    async fn take(&mut self) -> bool {
        let ctx = &self.operations.ctx;
        match lease::take(ctx.store(), ctx.clock().as_ref(), ctx.instance(), LEASE).await {
            Ok(lease) => self.lease = lease,
            Err(error) => tracing::warn!(error = %error, "the lease of operations could not be asked for"),
        }
        self.renewed = ctx.clock().monotonic_us();
        self.lease.is_some()
    }

    /// Holds the lease until it is lost or given back.
    async fn carry(&mut self) {
        let ctx = self.operations.ctx.clone();
        let (tug, mut gate) = (self.operations.tug.clone(), ctx.gate().follow());
        let mut leaves_at = Micros::MAX;
        loop {
            let leaving = ctx.gate().is_closed() || ctx.lifecycle().is_stopping();
            leaves_at =
                if leaving { leaves_at.min(self.now_us() + LEAVE_MAX.as_micros() as Micros) } else { Micros::MAX };
            self.renew().await;
            let Some(lease) = &self.lease else { return };
            if leaving && (self.works.is_empty() || self.now_us() >= leaves_at) {
                if let Err(error) = lease::release(ctx.store(), lease, 0).await {
                    tracing::warn!(error = %error, "the lease of operations could not be given back, it ends by itself");
                }
                return;
            }
            if !leaving && let Err(failure) = self.look().await {
                tracing::warn!(error = %failure, "operations could not be looked at, trying again");
            }
            // A database that was silent for long: whoever holds it now has begun again what is under way here.
            if self.lease.as_ref().is_some_and(|lease| lease.until <= self.now_us()) {
                self.forget();
                continue;
            }
            let rest = self.rest();
            tokio::select! {
                Some(ended) = self.works.next() => self.take_in(ended).await,
                () = tug.notified(), if !leaving => {}
                Ok(()) = gate.changed() => {}
                () = ctx.lifecycle().stopped(), if !leaving => {}
                () = tokio::time::sleep_until(tokio::time::Instant::now() + rest) => {}
            }
        }
    }

    /// Nothing of what was under way is known any more but what is stored.
    fn forget(&mut self) {
        self.lease = None;
        self.live.clear();
        self.planning.clear();
        self.replan.clear();
        // Dropped between two calls of theirs: the next holder reads before it writes.
        self.works.clear();
    }

    async fn renew(&mut self) {
        let now = self.now_us();
        if now < self.renewed + RENEW_EVERY.as_micros() as Micros {
            return;
        }
        let ctx = &self.operations.ctx;
        let Some(lease) = &mut self.lease else { return };
        match lease::renew(ctx.store(), ctx.clock().as_ref(), std::slice::from_mut(lease)).await {
            Ok(lost) if lost.is_empty() => self.renewed = now,
            Ok(_) => {
                tracing::warn!("the lease of operations is somebody else's now");
                self.lease = None;
            }
            Err(error) => {
                tracing::warn!(error = %error, "the lease of operations could not be renewed");
                if lease.until <= now {
                    self.lease = None;
                }
            }
        }
    }

    fn now_us(&self) -> Micros {
        self.operations.ctx.clock().monotonic_us()
    }

    fn now_ms(&self) -> Millis {
        self.operations.ctx.clock().now_ms()
    }

    /// How long there is nothing to do by itself.
    fn rest(&self) -> Duration {
        let now = self.now_us();
        let due = self.live.values().filter_map(Live::due).min().unwrap_or(Micros::MAX);
        LOOK_EVERY.min(Duration::from_micros(due.saturating_sub(now).max(1_000)))
    }

    /// Does once what there is to do.
    async fn look(&mut self) -> Result<(), Failure> {
        let open = operation::open(self.operations.ctx.store(), &Sight::Everything, rows::OPEN_MAX).await?;
        let now = self.now_ms();
        for brief in open.iter().filter(|brief| brief.state != State::Running && brief.expires_at <= now) {
            self.lapse(brief).await?;
        }
        for brief in open.iter().filter(|brief| brief.state == State::Running) {
            self.follow(brief).await?;
        }
        self.live.retain(|id, _| open.iter().any(|brief| brief.id == *id));
        let entries = self.operations.ctx.store().read(move |conn| Box::pin(rows::queue(conn, now))).await?;
        // Those that a lock keeps out are told so.
        let is_told =
            |id: Id| open.iter().any(|it| it.id == id && it.why.as_ref().is_some_and(|why| why.code == LOCKED));
        let kept_out = entries.iter().filter(|entry| entry.kept_out && !is_told(entry.id)).map(|entry| entry.id);
        for id in queue::may_begin(&entries).into_iter().chain(kept_out) {
            if let Some(brief) = open.iter().find(|brief| brief.id == id && brief.expires_at > now) {
                self.plan_again(brief).await?;
            }
        }
        let ids: Vec<Id> = self.live.keys().copied().collect();
        for id in ids {
            self.go_on(id).await?;
        }
        Ok(())
    }

    async fn lapse(&mut self, brief: &Brief) -> Result<(), Failure> {
        let (id, at) = (brief.id, self.now_ms());
        let from = brief.state;
        self.write(move |conn| {
            Box::pin(async move {
                let to = Shift { state: State::Lapsed, at, person: "", expires_at: at, why: None };
                if rows::shift(conn, id, &[from], to).await? {
                    record::add(conn, at, Some(id), Event::Lapsed, "", &json!({ "from": from.name() })).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Knows of an operation that runs, and of whoever wants it to end.
    async fn follow(&mut self, brief: &Brief) -> Result<(), Failure> {
        if let Some(live) = self.live.get_mut(&brief.id) {
            live.cancelled_by.clone_from(&brief.cancelled_by);
            return Ok(());
        }
        let Some((operation, steps)) = operation::show(self.operations.ctx.store(), brief.id).await? else {
            return Ok(());
        };
        // A kind that is no longer there leaves its operation open, and the page says why.
        match self.operations.kinds.named(&brief.kind) {
            Ok(kind) => drop(self.live.insert(brief.id, Live::new(operation, steps, kind, self.now_ms()))),
            Err(failure) => self.say_why(brief, &failure).await?,
        }
        Ok(())
    }

    async fn say_why(&mut self, brief: &Brief, failure: &Failure) -> Result<(), Failure> {
        if brief.why.as_ref() == Some(failure) {
            return Ok(());
        }
        let (id, failure) = (brief.id, failure.clone());
        self.write(move |conn| {
            let failure = failure.clone();
            Box::pin(async move { rows::say_why(conn, id, Some(&failure)).await })
        })
        .await
    }

    /// Plans an operation once more whose turn it is: what was shown may hold no longer.
    async fn plan_again(&mut self, brief: &Brief) -> Result<(), Failure> {
        let id = brief.id;
        let is_due = self.replan.get(&id).is_none_or(|(due, _)| *due <= self.now_us());
        if !is_due || self.planning.contains(&id) || self.planning.len() >= PLANNED_AT_ONCE {
            return Ok(());
        }
        let Some((operation, _)) = operation::show(self.operations.ctx.store(), id).await? else { return Ok(()) };
        if brief.break_glass.is_empty()
            && let Some(lock) = self.operations.lock_on(&operation.plan.targets, &brief.actor).await?
        {
            return self.say_why(brief, &lock.failure()).await;
        }
        let operations = self.operations.clone();
        let planned = async move {
            match operation.brief.undoes {
                Some(of) => operations.undoing(of).await.map(|(_, _, planned)| planned),
                None => {
                    let kind = operations.kinds.named(&operation.brief.kind)?;
                    Planned::of(kind.plan(operation.request.clone()).await?)
                }
            }
        };
        self.planning.insert(id);
        self.works.push(Box::pin(async move { Ended::Planned(id, bounded(planned).await) }));
        Ok(())
    }

    async fn take_in(&mut self, ended: Ended) {
        let stored = match ended {
            Ended::Planned(id, planned) => {
                self.planning.remove(&id);
                self.planned(id, planned).await
            }
            Ended::Worked(id, number, outcome) => self.worked(id, number, outcome).await,
        };
        if let Err(failure) = stored {
            tracing::warn!(error = %failure, "what came of an operation could not be stored, it is done once more");
        }
    }

    /// What was planned once more is what was shown, or is shown again, or cannot be planned.
    async fn planned(&mut self, id: Id, planned: Result<Planned, Failure>) -> Result<(), Failure> {
        let Some((operation, _)) = operation::show(self.operations.ctx.store(), id).await? else { return Ok(()) };
        let brief = &operation.brief;
        if brief.state != State::Queued {
            return Ok(());
        }
        let planned = match planned {
            Err(failure) if passes(&failure) => {
                let tries = self.replan.get(&id).map_or(0, |(_, tries)| *tries) + 1;
                self.replan.insert(id, (self.now_us() + retry_us(&failure, tries), tries));
                return self.say_why(brief, &failure).await;
            }
            Err(failure) => {
                self.replan.remove(&id);
                return self.end(id, &[State::Queued], State::Failed, "", Some(failure)).await;
            }
            Ok(planned) => planned,
        };
        self.replan.remove(&id);
        let kind = self.operations.kinds.named(&brief.kind)?;
        let approval = self.operations.approval(&*kind, &planned.plan).to_owned();
        let same = planned.hash == brief.hash;
        if !approval.is_empty() && (!same || brief.approved_by.is_empty()) {
            return self.show_again(id, planned, approval).await;
        }
        if !same && planned.plan.targets != operation.plan.targets {
            // It has its turn where its new targets have theirs.
            return self.store_plan(id, planned, approval).await;
        }
        self.begin(id, (!same).then_some(planned), brief.break_glass.clone()).await
    }

    /// The person who approved it saw another plan.
    async fn show_again(&mut self, id: Id, planned: Planned, approval: String) -> Result<(), Failure> {
        let at = self.now_ms();
        let expires_at = at + Millis::from(self.operations.config.approval_hours) * 3_600_000;
        self.write(move |conn| {
            let (planned, approval) = (planned.clone(), approval.clone());
            Box::pin(async move {
                let to = Shift { state: State::Planned, at, person: "", expires_at, why: None };
                if rows::shift(conn, id, &[State::Queued], to).await? {
                    rows::replan(conn, id, &planned, &approval).await?;
                    add_plan(conn, at, id, &planned).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn store_plan(&mut self, id: Id, planned: Planned, approval: String) -> Result<(), Failure> {
        let at = self.now_ms();
        self.write(move |conn| {
            let (planned, approval) = (planned.clone(), approval.clone());
            Box::pin(async move {
                match rows::replan(conn, id, &planned, &approval).await? {
                    true => add_plan(conn, at, id, &planned).await,
                    false => Ok(()),
                }
            })
        })
        .await
    }

    async fn begin(&mut self, id: Id, planned: Option<Planned>, break_glass: String) -> Result<(), Failure> {
        let at = self.now_ms();
        self.write(move |conn| {
            let (planned, break_glass) = (planned.clone(), break_glass.clone());
            Box::pin(async move {
                if let Some(planned) = planned
                    && rows::replan(conn, id, &planned, "").await?
                {
                    add_plan(conn, at, id, &planned).await?;
                }
                // One that was asked for earlier may have come to light while this one was planned.
                if !queue::may_begin(&rows::queue(conn, at).await?).contains(&id) {
                    return Ok(());
                }
                if let Some(lock) = lock_on(conn, id, at).await? {
                    if break_glass.is_empty() {
                        return Ok(());
                    }
                    // One that stood when it was asked for was recorded then.
                    if lock.from_at.max(lock.id.made_at()) > id.made_at() {
                        let data = json!({ "lock": lock, "why": break_glass });
                        record::add(conn, at, Some(id), Event::BrokeGlass, "", &data).await?;
                    }
                }
                let to = Shift { state: State::Running, at, person: "", expires_at: at, why: None };
                if rows::shift(conn, id, &[State::Queued], to).await? {
                    record::add(conn, at, Some(id), Event::Begun, "", &Value::Null).await?;
                }
                Ok(())
            })
        })
        .await?;
        // Its first steps begin at once, and not at the next look.
        self.operations.tug.notify_one();
        Ok(())
    }

    /// Begins the steps of a running operation that may go, or ends it.
    async fn go_on(&mut self, id: Id) -> Result<(), Failure> {
        let now = self.now_us();
        let can_start = self.lease.as_ref().is_some_and(|lease| lease.until > now + START_LEFT_US);
        // Plannings have room of their own: one that hangs holds no step up.
        let working = self.works.len().saturating_sub(self.planning.len());
        let room = (self.operations.config.steps_at_once as usize).saturating_sub(working);
        let Some(live) = self.live.get(&id) else { return Ok(()) };
        if !live.cancelled_by.is_empty() {
            let person = live.cancelled_by.clone();
            return match live.working.is_empty() {
                true => self.end(id, &[State::Running], State::Cancelled, &person, None).await,
                false => Ok(()),
            };
        }
        let numbers = match course::next(&live.operation.plan, &live.states()) {
            Next::Done => return self.end(id, &[State::Running], State::Done, "", None).await,
            Next::Failed(number) => {
                let why = live.steps[number].why.clone();
                return self.end(id, &[State::Running], State::Failed, "", why).await;
            }
            Next::Go(numbers) => numbers,
        };
        let may = |number: &usize| !live.working.contains(number) && live.is_due(*number, now);
        let numbers: Vec<usize> = numbers.into_iter().filter(may).take(room).collect();
        if numbers.is_empty() || !can_start {
            return Ok(());
        }
        self.intend(id, &numbers).await?;
        // Storing may have taken longer than what was left: they are begun, and the next look takes them up.
        let now = self.now_us();
        if self.lease.as_ref().is_none_or(|lease| lease.until <= now + START_LEFT_US) {
            return Ok(());
        }
        let Some(live) = self.live.get_mut(&id) else { return Ok(()) };
        for number in numbers {
            live.working.insert(number);
            let (kind, work) = (live.kind.clone(), live.work(number));
            let acting = async move { kind.act(work).await };
            self.works.push(Box::pin(async move { Ended::Worked(id, number, bounded(acting).await) }));
        }
        Ok(())
    }

    /// Stores that these steps begin, where they have not.
    async fn intend(&mut self, id: Id, numbers: &[usize]) -> Result<(), Failure> {
        let at = self.now_ms();
        let Some(live) = self.live.get(&id) else { return Ok(()) };
        let new: Vec<usize> =
            numbers.iter().copied().filter(|number| live.steps[*number].state == StepState::Waiting).collect();
        if new.is_empty() {
            return Ok(());
        }
        let saves: Vec<(StepSave, Value)> =
            new.iter().map(|number| (live.save(*number, StepState::Begun, at), live.told(*number))).collect();
        self.write(move |conn| {
            let saves = saves.clone();
            Box::pin(async move {
                for (save, told) in saves {
                    rows::save_step(conn, &save).await?;
                    record::add(conn, at, Some(id), Event::StepBegun, "", &told).await?;
                }
                Ok(())
            })
        })
        .await?;
        if let Some(live) = self.live.get_mut(&id) {
            for number in new {
                live.steps[number].state = StepState::Begun;
                live.steps[number].begun_at = Some(at);
            }
        }
        Ok(())
    }

    /// Stores what came of working on a step.
    async fn worked(&mut self, id: Id, number: usize, outcome: Result<Outcome, Failure>) -> Result<(), Failure> {
        let (at, now) = (self.now_ms(), self.now_us());
        let Some(live) = self.live.get_mut(&id) else { return Ok(()) };
        live.working.remove(&number);
        // Should this not be stored, the step is worked on again a moment later.
        live.wait(number, now + RETRY_FIRST_MS * 1_000);
        let turn = live.judge(number, outcome, at);
        if !turn.is_news {
            live.wait(number, now + turn.again_us);
            live.steps[number].tries = turn.save.tries;
            live.steps[number].begun_at = Some(turn.save.begun_at);
            return Ok(());
        }
        let (save, told) = (turn.save.clone(), live.told_of(number, &turn.save));
        let event = match turn.save.state {
            StepState::Done => Some(Event::StepDone),
            StepState::Failed => Some(Event::StepFailed),
            StepState::Waiting | StepState::Begun => None,
        };
        self.write(move |conn| {
            let (save, told) = (save.clone(), told.clone());
            Box::pin(async move {
                rows::save_step(conn, &save).await?;
                if let Some(event) = event {
                    record::add(conn, at, Some(id), event, "", &told).await?;
                }
                Ok(())
            })
        })
        .await?;
        if let Some(live) = self.live.get_mut(&id) {
            live.apply(number, turn.save);
            live.wait(number, now + turn.again_us);
        }
        Ok(())
    }

    async fn end(
        &mut self,
        id: Id,
        from: &'static [State],
        state: State,
        person: &str,
        why: Option<Failure>,
    ) -> Result<(), Failure> {
        let (at, person) = (self.now_ms(), person.to_owned());
        let event = match state {
            State::Done => Event::Done,
            State::Cancelled => Event::Cancelled,
            _ => Event::Failed,
        };
        self.write(move |conn| {
            let (person, why) = (person.clone(), why.clone());
            Box::pin(async move {
                let to = Shift { state, at, person: &person, expires_at: at, why: why.as_ref() };
                if rows::shift(conn, id, from, to).await? {
                    record::add(conn, at, Some(id), event, &person, &json!({ "why": why })).await?;
                }
                Ok(())
            })
        })
        .await?;
        self.live.remove(&id);
        // Whoever waited for its targets may begin.
        self.operations.tug.notify_one();
        Ok(())
    }

    /// Runs `job` while the lease is ours: whoever lost it writes nothing more.
    async fn write<F>(&mut self, job: F) -> Result<(), Failure>
    where
        F: for<'c> Fn(&'c mut AnyConnection) -> BoxFuture<'c, Stored<()>> + Send + Sync + 'static,
    {
        let Some(lease) = &self.lease else { return Err(Failure::unavailable("operation-lease-lost")) };
        let fence = lease.fence;
        let job = Arc::new(job);
        let held = self.operations.ctx.store().write(move |conn| {
            let job = job.clone();
            Box::pin(async move {
                if !lease::hold(conn, LEASE, fence).await? {
                    return Ok(false);
                }
                job(conn).await?;
                Ok(true)
            })
        });
        if held.await? {
            return Ok(());
        }
        tracing::warn!("the lease of operations is somebody else's now");
        self.lease = None;
        Err(Failure::unavailable("operation-lease-lost"))
    }
}

async fn add_plan(conn: &mut AnyConnection, at: Millis, id: Id, planned: &Planned) -> Stored<()> {
    let data = json!({ "hash": planned.hash, "plan": planned.plan });
    record::add(conn, at, Some(id), Event::PlannedAgain, "", &data).await
}

/// The lock that keeps an operation out at the moment of its beginning.
async fn lock_on(conn: &mut AnyConnection, id: Id, now: Millis) -> Stored<Option<Lock>> {
    let locks = lock::standing(conn, now).await?;
    if locks.is_empty() {
        return Ok(None);
    }
    let (actor, targets) = rows::who_and_what(conn, id).await?;
    Ok(lock::keeping(&locks, &actor, &targets, now).cloned())
}

/// Bounds a kind's work in time, and makes of its panics failures.
async fn bounded<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match tokio::time::timeout(WORK_MAX, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(Failure::bug(format!("a step panicked: {text}")))
        }
        Err(_) => Err(Failure::unavailable("operation-step-silent").arg("seconds", WORK_MAX.as_secs())),
    }
}

/// Whether it may be otherwise in a moment.
pub(crate) fn passes(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Unavailable | FailureKind::TooMany)
}

/// How long to leave alone what failed for the `tries`th time.
pub(crate) fn retry_us(failure: &Failure, tries: u64) -> Micros {
    let grown = RETRY_FIRST_MS << tries.saturating_sub(1).min(10);
    // Whoever asks for a day is asked again sooner: what waits has a deadline.
    let asked = failure.retry_after_s.unwrap_or(0).min(RETRY_AFTER_MAX_S).saturating_mul(1_000);
    grown.min(RETRY_MAX_MS).max(asked) * 1_000
}
