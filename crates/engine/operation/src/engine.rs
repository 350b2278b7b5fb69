//! The engine as rooms and words use it: asking for operations, approving and ending them, taking them back; locks.
//!
//! None of this carries anything out: it reads, plans and stores. The [`crate::runner`] of whichever process holds the lease
//! does the rest, and is told where it is this one.

use std::sync::Arc;
use std::time::Duration;

use naru_component::ctx::Ctx;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_web::role::{Actor, Role, is_same_person};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::config::OperationConfig;
use crate::grant::{self, APPROVE, LOCK, Sight};
use crate::kind::{Kind, Kinds};
use crate::lock::{self, Lock};
use crate::operation::{self, Brief, Operation, State};
use crate::plan::{Plan, Target};
use crate::queue;
use crate::record::{self, Event};
use crate::rows::{self, New, OPEN_MAX, Planned, Shift};
use crate::runner::Runner;

/// Bytes of a request: names of apps and refs.
const REQUEST_BYTES_MAX: usize = 256 * 1024;
const HOUR_MS: Millis = 3_600_000;
/// What is under way at a shutdown or a drain is waited for so long, and then left to the next holder of the lease.
pub const LEAVE_MAX: Duration = Duration::from_secs(20);

/// The engine.
pub struct Operations {
    pub(crate) ctx: Ctx,
    pub(crate) config: OperationConfig,
    pub(crate) kinds: Arc<Kinds>,
    /// Told when there is something to do.
    pub(crate) tug: Arc<Notify>,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The kind.
    pub kind: String,
    /// What its kind plans from.
    pub request: Value,
    /// Why, for the record.
    pub reason: String,
    /// Why it is to go on in spite of a lock; none where it is not.
    pub break_glass: Option<String>,
    /// What stands for this very asking: asked twice with the same one, it is one operation.
    pub key: Option<String>,
}

/// What came of asking.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The operation.
    pub operation: Brief,
    /// What it is to change.
    pub plan: Plan,
    /// The operations that must end before it begins.
    pub before: Vec<Id>,
}

impl Operations {
    /// The engine of a house; it does nothing by itself yet.
    pub fn new(config: OperationConfig, ctx: &Ctx) -> Arc<Operations> {
        let (ctx, kinds) = (ctx.clone(), Kinds::of(ctx));
        Arc::new(Operations { ctx, config, kinds, tug: Arc::default() })
    }

    /// Refuses a configuration that cannot hold.
    pub fn check(&self) -> Result<(), Failure> {
        self.config.check()
    }

    /// Carries operations out from now on, until shutdown, while no other process does.
    pub fn run(self: &Arc<Operations>) {
        let runner = Runner::new(self.clone());
        self.ctx.lifecycle().spawn("operations", runner.work());
    }

    /// What would be done, without asking for it.
    pub async fn plan(&self, kind: &str, request: Value, actor: &Actor) -> Result<Plan, Failure> {
        let kind = self.kinds.named(kind)?;
        let planned = Planned::of(kind.plan(request).await?)?;
        self.may(actor, kind.name(), &planned.plan.targets)?;
        Ok(planned.plan)
    }

    /// Asks for an operation: it is planned, and stored once this returns.
    pub async fn ask(&self, ask: Ask, actor: &Actor) -> Result<Asked, Failure> {
        if let Some(id) = self.asked_before(&ask).await? {
            return self.asked(id).await;
        }
        let kind = self.kinds.named(&ask.kind)?;
        let planned = Planned::of(kind.plan(ask.request.clone()).await?)?;
        self.store(&*kind, &ask, planned, None, actor).await
    }

    /// What was asked for with the same key before: its answer was lost, and by now it may be refused.
    async fn asked_before(&self, ask: &Ask) -> Result<Option<Id>, Failure> {
        let key = ask.key.clone().unwrap_or_default();
        let read = self.ctx.store().read(move |conn| {
            let key = key.clone();
            Box::pin(async move { rows::asked_before(conn, &key).await })
        });
        Ok(read.await?)
    }

    /// Asks for the operation that takes back what `id` has done.
    pub async fn undo(&self, id: Id, ask: Ask, actor: &Actor) -> Result<Asked, Failure> {
        if let Some(id) = self.asked_before(&ask).await? {
            return self.asked(id).await;
        }
        let (of, kind, planned) = self.undoing(id).await?;
        if !of.brief.state.is_over() {
            return Err(Failure::conflict("operation-not-over").arg("operation", operation::short(id)));
        }
        if planned.plan.steps.is_empty() {
            return Err(Failure::refused("operation-nothing-to-undo").arg("operation", operation::short(id)));
        }
        if let Some((other, state)) = operation::undone_by(self.ctx.store(), id).await?
            && (!state.is_over() || state == State::Done)
        {
            let failure = Failure::conflict("operation-undone").arg("operation", operation::short(id));
            return Err(failure.arg("by", operation::short(other)));
        }
        let ask = Ask { kind: of.brief.kind, request: Value::Null, ..ask };
        self.store(&*kind, &ask, planned, Some(id), actor).await
    }

    /// The operation `id`, its kind, and the plan that takes it back.
    pub(crate) async fn undoing(&self, id: Id) -> Result<(Operation, Arc<dyn Kind>, Planned), Failure> {
        let found = operation::show(self.ctx.store(), id).await?;
        let (of, steps) = found.ok_or_else(|| Failure::not_found("operation-unknown").arg("operation", id))?;
        let kind = self.kinds.named(&of.brief.kind)?;
        let states: Vec<_> = steps.iter().map(|step| step.state).collect();
        let notes: Vec<_> = steps.into_iter().map(|step| step.note).collect();
        let planned = Planned::of(kind.undo(&of.plan, &states, &notes))?;
        Ok((of, kind, planned))
    }

    async fn store(
        &self,
        kind: &dyn Kind,
        ask: &Ask,
        planned: Planned,
        undoes: Option<Id>,
        actor: &Actor,
    ) -> Result<Asked, Failure> {
        self.may(actor, kind.name(), &planned.plan.targets)?;
        let request = ask.request.to_string();
        if request.len() > REQUEST_BYTES_MAX {
            return Err(Failure::usage("operation-request-long").arg("max", REQUEST_BYTES_MAX));
        }
        let (reason, break_glass) = (short_text(&ask.reason)?, short_text(ask.break_glass.as_deref().unwrap_or(""))?);
        if ask.break_glass.is_some() && break_glass.is_empty() {
            return Err(Failure::usage("operation-break-glass-why"));
        }
        let approval = self.approval(kind, &planned.plan).to_owned();
        let state = if approval.is_empty() { State::Queued } else { State::Planned };
        let hours = if approval.is_empty() { self.config.queue_hours } else { self.config.approval_hours };
        let at = self.ctx.clock().now_ms();
        let new = New {
            id: Id::new(at),
            kind: kind.name(),
            request,
            planned: planned.clone(),
            state,
            actor: actor.name.clone(),
            reason,
            approval,
            break_glass,
            undoes,
            key: ask.key.clone().unwrap_or_default(),
            at,
            expires_at: at + Millis::from(hours) * HOUR_MS,
        };
        let stored = self.write(move |conn| {
            let new = new.clone();
            Box::pin(async move { insert(conn, &new).await })
        });
        let id = stored.await??;
        self.tug.notify_one();
        self.asked(id).await
    }

    /// The rule by which a second person approves a plan; empty where none does. What changes nothing needs nobody.
    pub(crate) fn approval(&self, kind: &dyn Kind, plan: &Plan) -> &str {
        let rule = || self.config.approval(kind.name(), &plan.targets).unwrap_or_default();
        if plan.steps.is_empty() { "" } else { rule() }
    }

    /// Refuses whoever may not do `what` to these targets; the failure names what is missing.
    fn may(&self, actor: &Actor, what: &str, targets: &[Target]) -> Result<(), Failure> {
        grant::check(&self.config.grant, actor, what, targets)
    }

    /// What somebody sees.
    pub fn sight(&self, actor: &Actor) -> Sight {
        Sight::of(&self.config.grant, actor)
    }

    /// How it is configured.
    pub fn config(&self) -> &OperationConfig {
        &self.config
    }

    async fn asked(&self, id: Id) -> Result<Asked, Failure> {
        let found = operation::show(self.ctx.store(), id).await?;
        let (operation, _) = found.ok_or_else(|| Failure::not_found("operation-unknown").arg("operation", id))?;
        Ok(Asked { operation: operation.brief, plan: operation.plan, before: self.before(id).await? })
    }

    /// The operations that must end before `id` begins.
    pub async fn before(&self, id: Id) -> Result<Vec<Id>, Failure> {
        let now = self.ctx.clock().now_ms();
        let entries = self.ctx.store().read(move |conn| Box::pin(rows::queue(conn, now))).await?;
        Ok(queue::before(&entries, id))
    }

    /// Lets an operation go that waits for a second person. `seen`: the hash of the plan that they saw.
    pub async fn approve(&self, id: Id, seen: Option<&str>, actor: &Actor) -> Result<(), Failure> {
        let (operation, _) = self.named(id).await?;
        let brief = &operation.brief;
        self.may(actor, APPROVE, &operation.plan.targets)?;
        let told = |failure: Failure| failure.arg("operation", operation::short(id)).arg("state", brief.state.name());
        if brief.state != State::Planned {
            return Err(told(Failure::conflict("operation-not-planned")));
        }
        if is_same_person(&brief.actor, &actor.name) {
            return Err(told(Failure::refused("operation-own-approval")).arg("rule", &brief.approval));
        }
        if seen.is_some_and(|seen| seen.is_empty() || !brief.hash.starts_with(seen)) {
            return Err(told(Failure::conflict("operation-plan-changed")));
        }
        let (at, person, hash) = (self.ctx.clock().now_ms(), actor.name.clone(), brief.hash.clone());
        if brief.expires_at <= at {
            return Err(told(Failure::conflict("operation-not-planned")));
        }
        let expires_at = at + Millis::from(self.config.queue_hours) * HOUR_MS;
        let approved = self.write(move |conn| {
            let (person, hash) = (person.clone(), hash.clone());
            Box::pin(async move {
                let to = Shift { state: State::Queued, at, person: &person, expires_at, why: None };
                // What was looked at, and not what it was planned as meanwhile.
                let approved =
                    rows::is_planned_so(conn, id, &hash).await? && rows::shift(conn, id, &[State::Planned], to).await?;
                if approved {
                    record::add(conn, at, Some(id), Event::Approved, &person, &json!({ "hash": hash })).await?;
                }
                Ok(approved)
            })
        });
        if !approved.await? {
            return Err(told(Failure::conflict("operation-not-planned")));
        }
        self.tug.notify_one();
        Ok(())
    }

    /// Ends an operation before its end: one that has not begun at once, one that runs after the steps that are under way.
    pub async fn cancel(&self, id: Id, actor: &Actor) -> Result<(), Failure> {
        let (operation, _) = self.named(id).await?;
        // Whoever asked for something may think again.
        if !is_same_person(&operation.brief.actor, &actor.name) {
            self.may(actor, &operation.brief.kind, &operation.plan.targets)?;
        }
        let (at, person) = (self.ctx.clock().now_ms(), actor.name.clone());
        let ended = self.write(move |conn| {
            let person = person.clone();
            Box::pin(async move {
                let to = Shift { state: State::Cancelled, at, person: &person, expires_at: at, why: None };
                if rows::shift(conn, id, &[State::Planned, State::Queued], to).await? {
                    record::add(conn, at, Some(id), Event::Cancelled, &person, &Value::Null).await?;
                    return Ok(true);
                }
                rows::ask_to_end(conn, id, &person).await
            })
        });
        if !ended.await? {
            return Err(Failure::conflict("operation-over").arg("operation", operation::short(id)));
        }
        self.tug.notify_one();
        Ok(())
    }

    /// Leaves what an operation did that ended halfway as it is: nobody is asked about it any more.
    pub async fn keep(&self, id: Id, actor: &Actor) -> Result<(), Failure> {
        let (operation, _) = self.named(id).await?;
        let brief = &operation.brief;
        if !is_same_person(&brief.actor, &actor.name) {
            self.may(actor, &brief.kind, &operation.plan.targets)?;
        }
        if !brief.state.is_broken_off() {
            let failure = Failure::conflict("operation-not-broken-off").arg("operation", operation::short(id));
            return Err(failure.arg("state", brief.state.name()));
        }
        if record::kept_by(self.ctx.store(), id).await?.is_some() {
            return Ok(());
        }
        let (at, person) = (self.ctx.clock().now_ms(), actor.name.clone());
        let kept = self.write(move |conn| {
            let person = person.clone();
            Box::pin(async move { record::add(conn, at, Some(id), Event::Kept, &person, &Value::Null).await })
        });
        kept.await
    }

    async fn named(&self, id: Id) -> Result<(Operation, Arc<dyn Kind>), Failure> {
        let found = operation::show(self.ctx.store(), id).await?;
        let (operation, _) = found.ok_or_else(|| Failure::not_found("operation-unknown").arg("operation", id))?;
        let kind = self.kinds.named(&operation.brief.kind)?;
        Ok((operation, kind))
    }

    /// Locks `scope` for `hours`, or for as long as the configuration says, from now or from `from_at` on.
    pub async fn lock(
        &self,
        scope: &str,
        reason: &str,
        from_at: Option<Millis>,
        last_ms: Option<Millis>,
        actor: &Actor,
    ) -> Result<Lock, Failure> {
        self.may(actor, LOCK, &[Target::of_scope(scope)])?;
        let now = self.ctx.clock().now_ms();
        let from_at = from_at.unwrap_or(now).max(now);
        let max_ms = Millis::from(self.config.lock_hours_max) * HOUR_MS;
        let last_ms = last_ms.unwrap_or(Millis::from(self.config.lock_hours) * HOUR_MS);
        if !(1..=max_ms).contains(&last_ms) || from_at > now + max_ms {
            return Err(Failure::usage("operation-lock-long").arg("hours", self.config.lock_hours_max));
        }
        let scope = scope.trim();
        if scope.is_empty() || scope.chars().count() > lock::SCOPE_CHARS_MAX {
            return Err(Failure::usage("operation-lock-scope").arg("max", lock::SCOPE_CHARS_MAX));
        }
        let lock = Lock {
            id: Id::new(now),
            scope: scope.to_owned(),
            person: actor.name.clone(),
            reason: short_text(reason)?,
            from_at,
            until_at: from_at + last_ms,
        };
        let stored = lock.clone();
        self.write(move |conn| {
            let lock = stored.clone();
            Box::pin(async move { set(conn, &lock, now).await })
        })
        .await??;
        Ok(lock)
    }

    /// Lifts the locks on `scope` that are the actor's own; those of others only for an admin.
    pub async fn unlock(&self, scope: &str, actor: &Actor) -> Result<Vec<Lock>, Failure> {
        self.may(actor, LOCK, &[Target::of_scope(scope)])?;
        let now = self.ctx.clock().now_ms();
        let found: Vec<Lock> =
            lock::list(self.ctx.store(), now).await?.into_iter().filter(|lock| lock.scope == scope.trim()).collect();
        if found.is_empty() {
            return Err(Failure::not_found("operation-lock-none").arg("scope", scope.trim()));
        }
        let may: Vec<Lock> = found
            .iter()
            .filter(|lock| is_same_person(&lock.person, &actor.name) || actor.role >= Role::Admin)
            .cloned()
            .collect();
        if may.is_empty() {
            return Err(Failure { code: "operation-lock-others".to_owned(), ..found[0].failure() });
        }
        let (person, locks) = (actor.name.clone(), may.clone());
        self.write(move |conn| {
            let (person, locks) = (person.clone(), locks.clone());
            Box::pin(async move {
                for lock in locks {
                    if lock::lift(conn, lock.id).await? {
                        record::add(conn, now, None, Event::Unlocked, &person, &json!(lock)).await?;
                    }
                }
                Ok(())
            })
        })
        .await?;
        self.tug.notify_one();
        Ok(may)
    }

    /// The lock that keeps `actor` from these targets, where one does.
    pub async fn lock_on(&self, targets: &[Target], actor: &str) -> Result<Option<Lock>, Failure> {
        let now = self.ctx.clock().now_ms();
        let locks = lock::list(self.ctx.store(), now).await?;
        Ok(lock::keeping(&locks, actor, targets, now).cloned())
    }

    async fn write<T, F>(&self, job: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut sqlx::AnyConnection) -> futures_util::future::BoxFuture<'c, naru_store::Result<T>>
            + Send
            + Sync
            + 'static,
    {
        Ok(self.ctx.store().write(job).await?)
    }
}

/// Stores an operation unless a lock keeps it out, or too many are there.
async fn insert(conn: &mut sqlx::AnyConnection, new: &New) -> naru_store::Result<Result<Id, Failure>> {
    if let Some(id) = rows::asked_before(conn, &new.key).await? {
        return Ok(Ok(id));
    }
    let locks = lock::standing(conn, new.at).await?;
    let kept = lock::keeping(&locks, &new.actor, &new.planned.plan.targets, new.at);
    if let Some(lock) = kept.filter(|_| new.break_glass.is_empty()) {
        return Ok(Err(lock.failure()));
    }
    if let Some(of) = new.undoes
        && let Some(by) = rows::undoing(conn, of).await?
    {
        let failure = Failure::conflict("operation-undone").arg("operation", operation::short(of));
        return Ok(Err(failure.arg("by", operation::short(by))));
    }
    if rows::count_open(conn).await? >= OPEN_MAX as i64 {
        let failure = Failure::new(naru_core::failure::Kind::TooMany, "operation-too-many");
        return Ok(Err(failure.arg("max", OPEN_MAX).retry_after(60)));
    }
    rows::insert(conn, new).await?;
    let plan = &new.planned.plan;
    let data = json!({
        "kind": new.kind, "title": plan.title, "reason": new.reason, "hash": new.planned.hash, "plan": plan,
        "approval": new.approval, "undoes": new.undoes,
    });
    record::add(conn, new.at, Some(new.id), Event::Asked, &new.actor, &data).await?;
    if let Some(lock) = kept {
        let data = json!({ "lock": lock, "why": new.break_glass });
        record::add(conn, new.at, Some(new.id), Event::BrokeGlass, &new.actor, &data).await?;
    }
    Ok(Ok(new.id))
}

/// Sets a lock unless somebody else has one there.
async fn set(conn: &mut sqlx::AnyConnection, lock: &Lock, now: Millis) -> naru_store::Result<Result<(), Failure>> {
    let standing = lock::standing(conn, now).await?;
    let overlaps = |other: &&Lock| other.from_at < lock.until_at && lock.from_at < other.until_at;
    let mut others =
        standing.iter().filter(|other| other.scope == lock.scope && !is_same_person(&other.person, &lock.person));
    if let Some(other) = others.find(overlaps) {
        return Ok(Err(other.failure()));
    }
    if standing.len() >= lock::LOCKS_MAX {
        let failure = Failure::new(naru_core::failure::Kind::TooMany, "operation-locks-too-many");
        return Ok(Err(failure.arg("max", lock::LOCKS_MAX)));
    }
    lock::insert(conn, lock, now).await?;
    let event = Event::Locked;
    record::add(conn, now, None, event, &lock.person, &json!(lock)).await?;
    Ok(Ok(()))
}

/// A text that a person typed, within its bound.
fn short_text(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.chars().count() > lock::REASON_CHARS_MAX {
        return Err(Failure::usage("operation-reason-long").arg("max", lock::REASON_CHARS_MAX));
    }
    Ok(text.to_owned())
}
