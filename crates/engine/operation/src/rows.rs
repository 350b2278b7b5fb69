//! Statements that change operations, each within a transaction of its caller.

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::Result;
use naru_store::error::StoreError;
use serde_json::Value;
use sqlx::{AnyConnection, Row};

use crate::course::StepState;
use crate::lock;
use crate::operation::State;
use crate::plan::{Plan, Target};
use crate::queue::Entry;

/// Operations that have not ended at once: more than a shop of 1,000 apps asks for in a day.
pub(crate) const OPEN_MAX: usize = 1_000;

/// An id as it is stored.
pub(crate) fn id_column(bytes: Vec<u8>) -> Result<Id> {
    Id::from_bytes(&bytes).ok_or_else(|| StoreError::Damaged { what: "an operation's id".to_owned() })
}

/// An operation that is asked for.
#[derive(Clone)]
pub(crate) struct New {
    pub id: Id,
    pub kind: &'static str,
    pub request: String,
    pub planned: Planned,
    pub state: State,
    pub actor: String,
    pub reason: String,
    pub approval: String,
    pub break_glass: String,
    pub undoes: Option<Id>,
    /// What stands for this very asking; empty where nothing does.
    pub key: String,
    pub at: Millis,
    pub expires_at: Millis,
}

/// A plan as it is stored.
#[derive(Clone)]
pub(crate) struct Planned {
    pub plan: Plan,
    pub text: String,
    pub hash: String,
}

impl Planned {
    pub(crate) fn of(plan: Plan) -> std::result::Result<Planned, Failure> {
        plan.check()?;
        let text = plan.to_text()?;
        let hash = crate::plan::hash(&text);
        Ok(Planned { plan, text, hash })
    }
}

pub(crate) async fn insert(conn: &mut AnyConnection, new: &New) -> Result<()> {
    sqlx::query(
        "INSERT INTO operation_run (id, kind, request, title, plan, hash, steps, state, actor, reason, approval,
             approved_by, break_glass, undoes, cancelled_by, why, created_at, queued_at, started_at, ended_at, expires_at,
             asked_key)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '', $12, $13, '', '', $14, $15, NULL, NULL, $16, $17)",
    )
    .bind(new.id.0.to_vec())
    .bind(new.kind)
    .bind(new.request.clone())
    .bind(new.planned.plan.title.clone())
    .bind(new.planned.text.clone())
    .bind(new.planned.hash.clone())
    .bind(new.planned.plan.steps.len() as i64)
    .bind(new.state.name())
    .bind(new.actor.clone())
    .bind(new.reason.clone())
    .bind(new.approval.clone())
    .bind(new.break_glass.clone())
    .bind(new.undoes.map(|id| id.0.to_vec()))
    .bind(new.at)
    .bind((new.state == State::Queued).then_some(new.at))
    .bind(new.expires_at)
    .bind(new.key.clone())
    .execute(&mut *conn)
    .await?;
    insert_targets(conn, new.id, &new.planned.plan.targets).await
}

async fn insert_targets(conn: &mut AnyConnection, id: Id, targets: &[Target]) -> Result<()> {
    for target in targets {
        for scope in std::iter::once(&target.name).chain(&target.scopes) {
            let insert = sqlx::query(
                "INSERT INTO operation_target (operation, target, scope) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            );
            insert.bind(id.0.to_vec()).bind(target.name.clone()).bind(scope.clone()).execute(&mut *conn).await?;
        }
    }
    Ok(())
}

/// The operation that was asked for with this key before.
pub(crate) async fn asked_before(conn: &mut AnyConnection, key: &str) -> Result<Option<Id>> {
    if key.is_empty() {
        return Ok(None);
    }
    let known = sqlx::query_scalar("SELECT id FROM operation_run WHERE asked_key = $1 AND asked_key <> ''");
    let known: Option<Vec<u8>> = known.bind(key.to_owned()).fetch_optional(conn).await?;
    known.map(id_column).transpose()
}

/// How many have not ended.
pub(crate) async fn count_open(conn: &mut AnyConnection) -> Result<i64> {
    let text = "SELECT COUNT(*) FROM operation_run WHERE ended_at IS NULL";
    Ok(sqlx::query_scalar(text).fetch_one(conn).await?)
}

/// Writes another plan over an operation that has not begun.
pub(crate) async fn replan(conn: &mut AnyConnection, id: Id, planned: &Planned, approval: &str) -> Result<bool> {
    // One that was cancelled meanwhile keeps what it was.
    let set = sqlx::query(
        "UPDATE operation_run SET title = $1, plan = $2, hash = $3, steps = $4, approval = $5, why = ''
         WHERE id = $6 AND state IN ('planned', 'queued')",
    )
    .bind(planned.plan.title.clone())
    .bind(planned.text.clone())
    .bind(planned.hash.clone())
    .bind(planned.plan.steps.len() as i64)
    .bind(approval.to_owned())
    .bind(id.0.to_vec())
    .execute(&mut *conn)
    .await?;
    if set.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("DELETE FROM operation_target WHERE operation = $1").bind(id.0.to_vec()).execute(&mut *conn).await?;
    insert_targets(conn, id, &planned.plan.targets).await?;
    Ok(true)
}

/// Whether an operation waits for a person with this plan; until the end of the transaction it stays so.
pub(crate) async fn is_planned_so(conn: &mut AnyConnection, id: Id, hash: &str) -> Result<bool> {
    let held = sqlx::query("UPDATE operation_run SET hash = hash WHERE id = $1 AND hash = $2 AND state = 'planned'");
    Ok(held.bind(id.0.to_vec()).bind(hash.to_owned()).execute(conn).await?.rows_affected() == 1)
}

/// The operation that takes `of` back, or has.
pub(crate) async fn undoing(conn: &mut AnyConnection, of: Id) -> Result<Option<Id>> {
    let found: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT id FROM operation_run WHERE undoes = $1 AND (ended_at IS NULL OR state = 'done') LIMIT 1",
    )
    .bind(of.0.to_vec())
    .fetch_optional(conn)
    .await?;
    found.map(id_column).transpose()
}

/// Moves an operation from one state to another; `false` where it is not in that state any more.
pub(crate) async fn shift(conn: &mut AnyConnection, id: Id, from: &[State], to: Shift<'_>) -> Result<bool> {
    let Shift { state, at, person, expires_at, why } = to;
    let from = from.iter().map(|state| format!("'{}'", state.name())).collect::<Vec<_>>().join(", ");
    let set = match state {
        State::Planned => "queued_at = NULL, approved_by = $3, expires_at = $5",
        State::Queued => "queued_at = $2, approved_by = $3, expires_at = $5",
        State::Running => "started_at = $2",
        State::Cancelled => "ended_at = $2, cancelled_by = $3",
        State::Done | State::Failed | State::Lapsed => "ended_at = $2",
    };
    // Each parameter stands in the text, whichever of them counts: PostgreSQL refuses one that does not.
    let text = format!(
        "UPDATE operation_run SET state = $1, why = $4, {set}
         WHERE id = $6 AND state IN ({from}) AND $2 = $2 AND $3 = $3 AND $5 = $5"
    );
    let done = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(state.name())
        .bind(at)
        .bind(person.to_owned())
        .bind(failure_text(why))
        .bind(expires_at)
        .bind(id.0.to_vec())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Where an operation goes.
#[derive(Clone, Copy)]
pub(crate) struct Shift<'a> {
    pub state: State,
    pub at: Millis,
    /// Who approved or ended it.
    pub person: &'a str,
    pub expires_at: Millis,
    pub why: Option<&'a Failure>,
}

/// Notes why an operation cannot be planned yet.
pub(crate) async fn say_why(conn: &mut AnyConnection, id: Id, why: Option<&Failure>) -> Result<()> {
    sqlx::query("UPDATE operation_run SET why = $1 WHERE id = $2")
        .bind(failure_text(why))
        .bind(id.0.to_vec())
        .execute(conn)
        .await?;
    Ok(())
}

/// Asks a running operation to end early; `false` where it does not run.
pub(crate) async fn ask_to_end(conn: &mut AnyConnection, id: Id, person: &str) -> Result<bool> {
    let asked = sqlx::query("UPDATE operation_run SET cancelled_by = $1 WHERE id = $2 AND state = 'running'");
    Ok(asked.bind(person.to_owned()).bind(id.0.to_vec()).execute(conn).await?.rows_affected() == 1)
}

/// What is stored of a step's progress.
#[derive(Clone)]
pub(crate) struct StepSave {
    pub operation: Id,
    pub number: usize,
    pub state: StepState,
    pub tries: u64,
    pub begun_at: Millis,
    pub ended_at: Option<Millis>,
    pub note: Value,
    pub why: Option<Failure>,
}

pub(crate) async fn save_step(conn: &mut AnyConnection, save: &StepSave) -> Result<()> {
    sqlx::query(
        "INSERT INTO operation_step (operation, number, state, tries, begun_at, ended_at, note, why)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (operation, number) DO UPDATE SET state = excluded.state, tries = excluded.tries,
             begun_at = excluded.begun_at, ended_at = excluded.ended_at, note = excluded.note, why = excluded.why",
    )
    .bind(save.operation.0.to_vec())
    .bind(save.number as i64)
    .bind(save.state.name())
    .bind(save.tries as i64)
    .bind(save.begun_at)
    .bind(save.ended_at)
    .bind(save.note.to_string())
    .bind(failure_text(save.why.as_ref()))
    .execute(conn)
    .await?;
    Ok(())
}

fn failure_text(failure: Option<&Failure>) -> String {
    failure.and_then(|failure| serde_json::to_string(failure).ok()).unwrap_or_default()
}

/// The queue: what runs or waits for its turn, in its order.
pub(crate) async fn queue(conn: &mut AnyConnection, now: Millis) -> Result<Vec<Entry>> {
    let rows = sqlx::query(
        "SELECT r.id, r.state, t.target, r.break_glass FROM operation_run r
         LEFT JOIN (SELECT DISTINCT operation, target FROM operation_target) t ON t.operation = r.id
         WHERE r.ended_at IS NULL AND r.queued_at IS NOT NULL ORDER BY r.queued_at, r.id",
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut minding: Vec<Id> = Vec::new();
    let mut entries: Vec<Entry> = Vec::new();
    for row in rows {
        let id = id_column(row.try_get(0)?)?;
        let running = row.try_get::<String, _>(1)? == State::Running.name();
        let target: Option<String> = row.try_get(2)?;
        match entries.last_mut().filter(|entry| entry.id == id) {
            Some(entry) => entry.targets.extend(target),
            None => {
                if !running && row.try_get::<String, _>(3)?.is_empty() {
                    minding.push(id);
                }
                entries.push(Entry { id, targets: target.into_iter().collect(), running, kept_out: false });
            }
        }
    }
    let locks = lock::standing(conn, now).await?;
    if locks.is_empty() {
        return Ok(entries);
    }
    for entry in entries.iter_mut().filter(|entry| minding.contains(&entry.id)) {
        let (actor, targets) = who_and_what(conn, entry.id).await?;
        entry.kept_out = lock::keeping(&locks, &actor, &targets, now).is_some();
    }
    Ok(entries)
}

/// Who asked for an operation, and what it needs for itself.
pub(crate) async fn who_and_what(conn: &mut AnyConnection, id: Id) -> Result<(String, Vec<Target>)> {
    let actor = sqlx::query_scalar("SELECT actor FROM operation_run WHERE id = $1");
    let actor: String = actor.bind(id.0.to_vec()).fetch_one(&mut *conn).await?;
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT target, scope FROM operation_target WHERE operation = $1 ORDER BY target, scope")
            .bind(id.0.to_vec())
            .fetch_all(conn)
            .await?;
    let mut targets: Vec<Target> = Vec::new();
    for (name, scope) in rows {
        match targets.last_mut().filter(|target| target.name == name) {
            Some(target) => target.scopes.push(scope),
            None => targets.push(Target { name, scopes: vec![scope] }),
        }
    }
    Ok((actor, targets))
}
