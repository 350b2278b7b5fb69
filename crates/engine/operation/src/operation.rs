//! Operations as they are stored: what is asked for, how it is planned, and how far it has come.

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::error::StoreError;
use naru_store::{Result, Store};
use serde::Serialize;
use serde_json::Value;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::course::StepState;
use crate::grant::Sight;
use crate::plan::Plan;
use crate::rows::id_column;

/// Operations of one list.
pub const LIST_MAX: usize = 200;
/// Digits by which a person names an operation: a UUIDv7 tells its millisecond in the first twelve.
pub const SHORT_DIGITS: usize = 12;
const PREFIX_DIGITS_MIN: usize = 6;

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for a second person.
    Planned,
    /// It waits for its turn.
    Queued,
    /// Its steps are being carried out.
    Running,
    /// All is as it was wanted.
    Done,
    /// A step failed.
    Failed,
    /// A person ended it.
    Cancelled,
    /// It waited too long.
    Lapsed,
}

impl State {
    /// Every state.
    pub const ALL: [State; 7] =
        [State::Planned, State::Queued, State::Running, State::Done, State::Failed, State::Cancelled, State::Lapsed];

    /// Its stored name.
    pub fn name(self) -> &'static str {
        match self {
            State::Planned => "planned",
            State::Queued => "queued",
            State::Running => "running",
            State::Done => "done",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
            State::Lapsed => "lapsed",
        }
    }

    /// Whether it has ended.
    pub fn is_over(self) -> bool {
        !matches!(self, State::Planned | State::Queued | State::Running)
    }

    /// Whether it has ended before all was done, and what it did stands by itself.
    pub fn is_broken_off(self) -> bool {
        matches!(self, State::Failed | State::Cancelled)
    }

    pub(crate) fn from_name(name: &str) -> Result<State> {
        let found = State::ALL.into_iter().find(|state| state.name() == name);
        found.ok_or_else(|| StoreError::Damaged { what: format!("an operation in state {name:?}") })
    }
}

/// An operation without its plan: what lists show.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Brief {
    /// Its id.
    pub id: Id,
    /// Its kind.
    pub kind: String,
    /// What it is, in a few words.
    pub title: String,
    /// Where it stands.
    pub state: State,
    /// Who asked for it.
    pub actor: String,
    /// Why, as they said.
    pub reason: String,
    /// The rule by which a second person approves it; empty where none does.
    pub approval: String,
    /// Who did; empty where nobody has.
    pub approved_by: String,
    /// Why it goes on in spite of a lock; empty where it does not.
    pub break_glass: String,
    /// The operation that this one takes back.
    pub undoes: Option<Id>,
    /// Who asked it to end early; empty where nobody has.
    pub cancelled_by: String,
    /// Why it failed, or why it cannot be planned yet.
    pub why: Option<Failure>,
    /// How many steps it has.
    pub steps: u64,
    /// How many of them are done.
    pub steps_done: u64,
    /// What its plan is known by.
    pub hash: String,
    /// When it was asked for.
    pub created_at: Millis,
    /// When it came into the queue.
    pub queued_at: Option<Millis>,
    /// When it began; where a person was waited for, when they had done their part.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// When it lapses where it has not begun.
    pub expires_at: Millis,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Operation {
    /// All but the plan.
    #[serde(flatten)]
    pub brief: Brief,
    /// What its kind planned it from.
    pub request: Value,
    /// What is to change.
    pub plan: Plan,
}

/// How far one step has come.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// Where it stands.
    pub state: StepState,
    /// How often it was worked on.
    pub tries: u64,
    /// When it began.
    pub begun_at: Option<Millis>,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// What was noted of it.
    pub note: Value,
    /// What it waits for, or why it failed.
    pub why: Option<Failure>,
}

impl Progress {
    /// A step that has not begun.
    pub const WAITING: Progress =
        Progress { state: StepState::Waiting, tries: 0, begun_at: None, ended_at: None, note: Value::Null, why: None };
}

/// The last operation on a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Last {
    /// The target.
    pub target: String,
    /// The operation.
    pub operation: Brief,
    /// What was asked for.
    pub request: Value,
}

/// The first digits of an id: enough for people.
pub fn short(id: Id) -> String {
    id.to_string()[..SHORT_DIGITS].to_owned()
}

const BRIEF: &str =
    "SELECT r.id, r.kind, r.title, r.state, r.actor, r.reason, r.approval, r.approved_by, r.break_glass,
    r.undoes, r.cancelled_by, r.why, r.steps,
    (SELECT COUNT(*) FROM operation_step s WHERE s.operation = r.id AND s.state = 'done'), r.hash, r.created_at,
    r.queued_at, r.started_at, r.ended_at, r.expires_at";
/// Columns of [`BRIEF`].
const BRIEF_COLUMNS: usize = 20;

/// Parameters of a list that stand before those of its conditions.
const BOUND_BEFORE: usize = 2;

/// The condition that a sight is, with its parameters from `$first` on.
fn seen(sight: &Sight, first: usize) -> (String, Vec<String>) {
    let Sight::Only { scopes, .. } = sight else { return (String::new(), Vec::new()) };
    let places: Vec<String> = (0..scopes.len()).map(|place| format!("${}", first + place)).collect();
    if places.is_empty() {
        return ("AND 1 = 0".to_owned(), Vec::new());
    }
    let of = format!("SELECT t.operation FROM operation_target t WHERE t.scope IN ({})", places.join(", "));
    (format!("AND r.id IN ({of})"), scopes.iter().cloned().collect())
}

/// One operation with its steps.
pub async fn show(store: &Store, id: Id) -> std::result::Result<Option<(Operation, Vec<Progress>)>, Failure> {
    let read = store.read(move |conn| {
        Box::pin(async move {
            let text = format!("{BRIEF}, r.request, r.plan FROM operation_run r WHERE r.id = $1");
            let row = sqlx::query(sqlx::AssertSqlSafe(text)).bind(id.0.to_vec()).fetch_optional(&mut *conn).await?;
            let Some(row) = row else { return Ok(None) };
            let operation = operation(&row)?;
            let steps = progress(conn, &operation).await?;
            Ok(Some((operation, steps)))
        })
    });
    Ok(read.await?)
}

/// Operations that have not ended, the first in the queue first, then those that wait for a person.
pub async fn open(store: &Store, sight: &Sight, limit: usize) -> std::result::Result<Vec<Brief>, Failure> {
    let (seen, scopes) = seen(sight, 2);
    let text = format!(
        "{BRIEF} FROM operation_run r WHERE r.ended_at IS NULL {seen}
         ORDER BY CASE WHEN r.queued_at IS NULL THEN 1 ELSE 0 END, r.queued_at, r.id LIMIT $1"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(limit as i64);
    let query = scopes.into_iter().fold(query, |query, scope| query.bind(scope));
    let rows = query.fetch_all(store.reader()).await.map_err(StoreError::from)?;
    Ok(rows.iter().map(brief).collect::<Result<Vec<Brief>>>()?)
}

/// Which operations are listed.
#[derive(Clone, Copy, Debug)]
pub struct Which<'a> {
    /// Those on what this names: an app, an environment, an app in one.
    pub on: Option<&'a str>,
    /// Those of a kind.
    pub kind: Option<&'a str>,
    /// Those that are older than this one.
    pub before: Option<Id>,
    /// What whoever asks sees.
    pub sight: &'a Sight,
}

impl Which<'_> {
    /// All of them.
    pub const ALL: Which<'static> = Which { on: None, kind: None, before: None, sight: &Sight::Everything };
}

/// Operations, the newest first.
pub async fn list(store: &Store, which: Which<'_>, limit: usize) -> std::result::Result<Vec<Brief>, Failure> {
    let Which { on, kind, before, sight } = which;
    let mut texts: Vec<String> = Vec::new();
    let mut within = String::new();
    if let Some(on) = on {
        texts.push(on.to_owned());
        within += &format!(
            " AND r.id IN (SELECT t.operation FROM operation_target t WHERE t.scope = ${})",
            BOUND_BEFORE + texts.len()
        );
    }
    if let Some(kind) = kind {
        texts.push(kind.to_owned());
        within += &format!(" AND r.kind = ${}", BOUND_BEFORE + texts.len());
    }
    let (seen, scopes) = seen(sight, BOUND_BEFORE + texts.len() + 1);
    texts.extend(scopes);
    let text = format!("{BRIEF} FROM operation_run r WHERE r.id < $1 {within} {seen} ORDER BY r.id DESC LIMIT $2");
    let before = before.map_or_else(|| vec![0xFF; 17], |id| id.0.to_vec());
    let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(before).bind(limit.min(LIST_MAX) as i64);
    let query = texts.into_iter().fold(query, |query, text| query.bind(text));
    let rows = query.fetch_all(store.reader()).await.map_err(StoreError::from)?;
    Ok(rows.iter().map(brief).collect::<Result<Vec<Brief>>>()?)
}

/// The last operations of a kind on each target, `depth` of them and the newest first, of those that began, have ended and
/// were not taken back; with what was asked for.
pub async fn last_of_kind(
    store: &Store,
    kind: &str,
    depth: usize,
    limit: usize,
) -> std::result::Result<Vec<Last>, Failure> {
    let text = format!(
        "{BRIEF}, r.request, x.target FROM operation_run r JOIN (
            SELECT t.target AS target, t.operation AS operation,
                ROW_NUMBER() OVER (PARTITION BY t.target ORDER BY o.started_at DESC, t.operation DESC) AS place
            FROM operation_target t JOIN operation_run o ON o.id = t.operation
            WHERE t.target = t.scope AND o.kind = $1 AND o.undoes IS NULL
                AND o.state IN ('done', 'failed', 'cancelled') AND o.started_at IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM operation_run u WHERE u.undoes = o.id AND u.state = 'done')
         ) x ON x.operation = r.id WHERE x.place <= $2 ORDER BY x.target, x.place LIMIT $3"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(kind.to_owned()).bind(depth as i64).bind(limit as i64);
    let rows = query.fetch_all(store.reader()).await.map_err(StoreError::from)?;
    let of = |row: &AnyRow| -> Result<Last> {
        let request: String = row.try_get(BRIEF_COLUMNS)?;
        let request = serde_json::from_str(&request).unwrap_or_default();
        Ok(Last { target: row.try_get(BRIEF_COLUMNS + 1)?, operation: brief(row)?, request })
    };
    Ok(rows.iter().map(of).collect::<Result<Vec<Last>>>()?)
}

/// The operation that a person names by its id or the first digits of it.
pub async fn resolve(store: &Store, text: &str) -> std::result::Result<Id, Failure> {
    let unknown = || Failure::not_found("operation-unknown").arg("operation", text);
    let digits: String = text.chars().filter(|c| *c != '-').collect::<String>().to_ascii_lowercase();
    let is_prefix =
        digits.len() >= PREFIX_DIGITS_MIN && digits.len() <= 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_prefix {
        return Err(unknown());
    }
    let (from, to) = (bound_of(&digits, '0').ok_or_else(unknown)?, bound_of(&digits, 'f').ok_or_else(unknown)?);
    let rows: Vec<Vec<u8>> = sqlx::query_scalar("SELECT id FROM operation_run WHERE id >= $1 AND id <= $2 LIMIT 2")
        .bind(from.0.to_vec())
        .bind(to.0.to_vec())
        .fetch_all(store.reader())
        .await
        .map_err(StoreError::from)?;
    match <[Vec<u8>; 1]>::try_from(rows) {
        Ok([id]) => Ok(id_column(id)?),
        Err(rows) if rows.is_empty() => Err(unknown()),
        Err(_) => Err(Failure::conflict("operation-several").arg("operation", text)),
    }
}

/// The least or the greatest id that begins with these digits.
fn bound_of(digits: &str, fill: char) -> Option<Id> {
    let rest = std::iter::repeat_n(fill, 32 - digits.len());
    digits.chars().chain(rest).collect::<String>().parse().ok()
}

/// The newest operation that takes `id` back, whatever became of it.
pub async fn undone_by(store: &Store, id: Id) -> std::result::Result<Option<(Id, State)>, Failure> {
    let row: Option<(Vec<u8>, String)> =
        sqlx::query_as("SELECT id, state FROM operation_run WHERE undoes = $1 ORDER BY id DESC LIMIT 1")
            .bind(id.0.to_vec())
            .fetch_optional(store.reader())
            .await
            .map_err(StoreError::from)?;
    Ok(row.map(|(id, state)| Ok::<_, StoreError>((id_column(id)?, State::from_name(&state)?))).transpose()?)
}

fn brief(row: &AnyRow) -> Result<Brief> {
    let id = id_column(row.try_get(0)?)?;
    let undoes: Option<Vec<u8>> = row.try_get(9)?;
    Ok(Brief {
        id,
        kind: row.try_get(1)?,
        title: row.try_get(2)?,
        state: State::from_name(&row.try_get::<String, _>(3)?)?,
        actor: row.try_get(4)?,
        reason: row.try_get(5)?,
        approval: row.try_get(6)?,
        approved_by: row.try_get(7)?,
        break_glass: row.try_get(8)?,
        undoes: undoes.map(id_column).transpose()?,
        cancelled_by: row.try_get(10)?,
        why: failure(&row.try_get::<String, _>(11)?, || format!("the reason of operation {id}"))?,
        steps: row.try_get::<i64, _>(12)? as u64,
        steps_done: row.try_get::<i64, _>(13)? as u64,
        hash: row.try_get(14)?,
        created_at: row.try_get(15)?,
        queued_at: row.try_get(16)?,
        started_at: row.try_get(17)?,
        ended_at: row.try_get(18)?,
        expires_at: row.try_get(19)?,
    })
}

fn operation(row: &AnyRow) -> Result<Operation> {
    let brief = brief(row)?;
    let damaged = |what: &str| StoreError::Damaged { what: format!("the {what} of operation {}", brief.id) };
    let request: String = row.try_get(BRIEF_COLUMNS)?;
    let plan: String = row.try_get(BRIEF_COLUMNS + 1)?;
    let request = serde_json::from_str(&request).map_err(|_| damaged("request"))?;
    let plan: Plan = serde_json::from_str(&plan).map_err(|_| damaged("plan"))?;
    plan.check().map_err(|_| damaged("plan"))?;
    Ok(Operation { brief, request, plan })
}

/// A step for each of the plan's.
async fn progress(conn: &mut sqlx::AnyConnection, of: &Operation) -> Result<Vec<Progress>> {
    let id = of.brief.id;
    let rows = sqlx::query(
        "SELECT number, state, tries, begun_at, ended_at, note, why FROM operation_step WHERE operation = $1 ORDER BY number",
    )
    .bind(id.0.to_vec())
    .fetch_all(conn)
    .await?;
    let mut steps = vec![Progress::WAITING; of.plan.steps.len()];
    for row in rows {
        let number: i64 = row.try_get(0)?;
        let what = || format!("step {number} of operation {id}");
        let damaged = || StoreError::Damaged { what: what() };
        let name: String = row.try_get(1)?;
        let step = steps.get_mut(number as usize).ok_or_else(damaged)?;
        *step = Progress {
            state: StepState::ALL.into_iter().find(|state| state.name() == name).ok_or_else(damaged)?,
            tries: row.try_get::<i64, _>(2)? as u64,
            begun_at: Some(row.try_get(3)?),
            ended_at: row.try_get(4)?,
            note: serde_json::from_str(&row.try_get::<String, _>(5)?).map_err(|_| damaged())?,
            why: failure(&row.try_get::<String, _>(6)?, what)?,
        };
    }
    Ok(steps)
}

/// A stored failure; none where there is no text.
fn failure(text: &str, what: impl FnOnce() -> String) -> Result<Option<Failure>> {
    if text.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(text).map(Some).map_err(|_| StoreError::Damaged { what: what() })
}
