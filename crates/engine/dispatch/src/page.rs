//! The pages of lanes, and what the overview shows of the engine: lanes, the last hour, the account, and what of all that
//! wants a person.

pub mod code;
mod unknown;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::State as Of;
use axum::response::Response;
use axum::routing::get;
use futures_util::future::BoxFuture;
use maud::html;
use naru_component::ctx::Ctx;
use naru_component::{Concern, Concerns, Panel};
use naru_core::clock::{Micros, Millis};
use naru_core::failure::Failure;
use naru_web::failed::Failed;
use naru_web::feed::{self, Parts};
use naru_web::page::chart::{Slice, Timeline, account, gauge, timeline};
use naru_web::page::part::{Tone, badge, empty, heading, section};
use naru_web::page::{Markup, Reader, count, moment};
use naru_web::role::Role;
use naru_web::visit::{Resume, SignedIn, Visit};

use crate::account::{self as accounts, Account};
use crate::component::STATES_SHOWN;
use crate::engine::{Dispatch, LaneView};
use crate::history::{self, STEP_MS};
use crate::lane_word;
use crate::side::State;

/// What the overview's chart goes back.
const HOUR_MS: Millis = 3_600_000;
/// Of which each column is a minute.
const COLUMN_MS: Millis = 60_000;
/// The account is summed up over everything that is stored: so often and no more, and of all time a fiftieth.
const ACCOUNT_EVERY_US: Micros = 2_000_000;
const ACCOUNT_SHARE: Micros = 50;
/// Who looks first waits so long for it: enough for a day's messages. After that the page says that it is being counted.
const FIRST_SUM_MAX: Duration = Duration::from_millis(30);

/// The routes.
pub fn routes() -> Router<Ctx> {
    Router::new().route("/lanes", get(show)).route("/lanes/live", get(live)).merge(unknown::routes())
}

/// What the overview shows, and what of it wants a person.
pub fn overview() -> (Vec<Panel>, Concerns) {
    let (summed, seen) = (SharedSum::default(), Seen::default());
    let its_seen = seen.clone();
    let concerns: Concerns = Arc::new(move |ctx, reader| {
        let seen = seen.clone();
        Box::pin(async move { concerns(&ctx, &reader, &seen).await })
    });
    let panels = vec![
        Panel {
            id: "panel-lanes",
            order: 10,
            draw: Arc::new(move |ctx, reader| {
                let seen = its_seen.clone();
                Box::pin(async move {
                    let looked = match seen.take(reader.now) {
                        Some(looked) => looked,
                        None => Looked::look(&ctx).await?,
                    };
                    Ok(section(&reader.say("lanes-title", &[]), lanes(&ctx, &reader, &looked).await?))
                })
            }),
        },
        Panel {
            id: "panel-hour",
            order: 20,
            draw: Arc::new(|ctx, reader| Box::pin(async move { last_hour(&ctx, &reader).await })),
        },
        Panel {
            id: "panel-account",
            order: 30,
            draw: Arc::new(move |ctx, reader| {
                let summed = summed.clone();
                Box::pin(async move { whole_account(&ctx, &reader, &summed).await })
            }),
        },
    ];
    (panels, concerns)
}

/// All lanes as they are at one moment.
struct Looked {
    views: Vec<LaneView>,
    /// Messages that are not sent yet, by lane.
    pending: BTreeMap<String, u64>,
}

impl Looked {
    async fn look(ctx: &Ctx) -> Result<Looked, Failure> {
        let views = ctx.need::<Dispatch>()?.lane_views().await?;
        Ok(Looked { views, pending: accounts::pending_by_lane(ctx.store()).await? })
    }
}

/// What concerns have looked at, for the panel of the same drawing: one look is enough for both.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Option<(Millis, Looked)>>>);

impl Seen {
    fn leave(&self, now: Millis, looked: Looked) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some((now, looked));
    }

    fn take(&self, now: Millis) -> Option<Looked> {
        let left = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        left.filter(|(at, _)| *at == now).map(|(_, looked)| looked)
    }
}

/// A state of a message as a chart shows it.
pub fn tone(state: State) -> Tone {
    match state {
        State::Pending => Tone::Idle,
        State::Sent => Tone::Going,
        State::Delivered => Tone::Good,
        State::Failed => Tone::Bad,
        State::Expired => Tone::Warn,
        State::Suppressed => Tone::Held,
        State::Cancelled => Tone::Ended,
        State::Unknown => Tone::Doubt,
    }
}

/// An account as parts of a chart, in the order in which a message goes through its states.
pub fn slices(reader: &Reader, account: &Account) -> Vec<Slice> {
    let label = |state: State| reader.say(&format!("state-{}", state.name()), &[]);
    STATES_SHOWN.map(|state| Slice { label: label(state), count: account.of(state), tone: tone(state) }).to_vec()
}

async fn show(Of(ctx): Of<Ctx>, visit: Visit, _: SignedIn) -> Result<Markup, Failed> {
    let reader = &visit.reader;
    let title = reader.say("lanes-title", &[]);
    let body = html! {
        (heading(&title, html! {}))
        (feed::live("/lanes/live", parts(&ctx, reader).await?))
    };
    Ok(visit.page(&title, body))
}

async fn live(Of(ctx): Of<Ctx>, visit: Visit, _: SignedIn, Resume(seen): Resume) -> Result<Response, Failed> {
    let draw = move |reader: Reader| -> BoxFuture<'static, Result<Option<Parts>, Failure>> {
        let ctx = ctx.clone();
        Box::pin(async move { parts(&ctx, &reader).await.map(Some) })
    };
    Ok(visit.web().feed("lanes", &visit.reader, seen, Arc::new(draw))?)
}

async fn parts(ctx: &Ctx, reader: &Reader) -> Result<Parts, Failure> {
    Ok(vec![("lanes", lanes(ctx, reader, &Looked::look(ctx).await?).await?)])
}

async fn lanes(ctx: &Ctx, reader: &Reader, Looked { views, pending }: &Looked) -> Result<Markup, Failure> {
    if views.is_empty() {
        return Ok(empty(&reader.say("lanes-none", &[]), &reader.say("lanes-none.hint", &[])));
    }
    let rates = rates(ctx, reader.now).await?;
    let oldest = accounts::oldest_waiting(ctx.store()).await?;
    let say = |key: &str| reader.say(key, &[]);
    let rows = views.iter().map(|view| {
        let rate = rates.get(&view.name).copied().unwrap_or_default();
        let pending = pending.get(&view.name).copied().unwrap_or_default();
        row(ctx, reader, view, rate, pending, oldest.get(&view.name).copied())
    });
    Ok(html! {
        div.scroll { table.lanes {
            thead { tr {
                th scope="col" { (say("lanes-lane")) }
                th scope="col" { (say("lanes-state")) }
                th scope="col" { (say("lanes-rate")) }
                th.number scope="col" { (say("lanes-in-flight")) }
                th.number scope="col" { (say("lanes-pending")) }
                th scope="col" { (say("lanes-oldest")) }
                th.number scope="col" { (say("lanes-today")) }
            } }
            tbody { @for row in rows { (row) } }
        } }
    })
}

/// Why a lane's provider takes nothing, where there are words for it.
fn why(reader: &Reader, view: &LaneView) -> Option<String> {
    let code = view.block.as_deref().filter(|_| lane_word::state(view) == "blocked")?;
    Some(code::words(reader, code)).filter(|words| words != code)
}

fn row(ctx: &Ctx, reader: &Reader, view: &LaneView, rate: f64, pending: u64, oldest: Option<Millis>) -> Markup {
    let tone = match lane_word::state(view) {
        "running" | "standing-in" | "elsewhere" => Tone::Good,
        "standing-by" => Tone::Idle,
        "paused" => Tone::Held,
        "stalled" | "day-spent" => Tone::Warn,
        _ => Tone::Bad,
    };
    let (max, words) = cap(reader, view);
    html! { tr {
        th scope="row" {
            (view.name)
            span.sub { (view.config.provider) " · " (view.config.channel) }
        }
        td {
            (badge(tone, &lane_word::told(ctx, reader.lang, view)))
            @if let Some(why) = why(reader, view) { span.sub { (why) } }
            @if !view.carried_by.is_empty() && tone != Tone::Idle { span.sub { (view.carried_by.join(", ")) } }
        }
        td { (gauge(&reader.say("lanes-rate", &[]), rate, max, &words)) }
        td.number { (in_flight(reader, ctx.instance().name(), view)) }
        td.number { (count(pending)) }
        td { @match oldest { Some(at) => (moment::ago(reader, at)), None => "-" } }
        td.number {
            (count(view.today))
            @if let Some(max) = view.config.messages_per_day_max { span.sub { "/ " (count(max)) } }
        }
    } }
}

/// What is on its way by a lane's account. Only whoever carries it knows, so others are named and nothing is made up.
fn in_flight(reader: &Reader, own: &str, view: &LaneView) -> Markup {
    let others: Vec<&str> = view.carried_by.iter().map(String::as_str).filter(|name| *name != own).collect();
    let others = others.join(", ");
    let here = view.outlet.map(|outlet| {
        let max = view.config.in_flight_max;
        reader.say("lanes-of", &[("n", &count(outlet.in_flight as u64)), ("max", &count(max.into()))])
    });
    let say = |key: &str| reader.say(key, &[("instances", &others)]);
    html! {
        @match (here, others.is_empty()) {
            (Some(here), true) => (here),
            (Some(here), false) => { (here) span.sub { (say("lanes-in-flight-also")) } }
            (None, false) => (say("lanes-in-flight-on")),
            (None, true) => "-",
        }
    }
}

/// What a lane's rate is held against, in numbers and in words.
fn cap(reader: &Reader, view: &LaneView) -> (Option<f64>, String) {
    let (messages, requests) = (view.config.messages_per_second_max, view.config.requests_per_second_max);
    match (messages, requests) {
        (Some(max), _) => (Some(f64::from(max)), reader.say("lanes-messages-cap", &[("max", &count(max.into()))])),
        (None, Some(max)) => (None, reader.say("lanes-requests-cap", &[("max", &count(max.into()))])),
        (None, None) => (None, reader.say("lanes-no-cap", &[])),
    }
}

/// Messages a second by lane, over the ten to twenty seconds until now.
async fn rates(ctx: &Ctx, now: Millis) -> Result<BTreeMap<String, f64>, Failure> {
    let since = history::step(now) - STEP_MS;
    let lanes = history::by_lane(ctx.store(), since..now + 1, 2 * STEP_MS).await?;
    let seconds = ((now - since) as f64 / 1_000.0).max(1.0);
    let left = |account: &Account| account.sent + account.failed + account.unknown;
    let rate = |columns: Vec<(Millis, Account)>| columns.iter().map(|(_, it)| left(it)).sum::<u64>() as f64 / seconds;
    Ok(lanes.into_iter().map(|(lane, columns)| (lane, rate(columns))).collect())
}

/// Outcomes over time, as a chart shows them: what is delivered was sent before, and stands beside it.
pub fn outcomes(
    reader: &Reader,
    from: Millis,
    width: Millis,
    columns: usize,
    of: impl IntoIterator<Item = (Millis, Account)>,
) -> Timeline {
    let mut delivered = Account::default();
    let column = |(at, mut account): (Millis, Account)| {
        delivered.add(State::Delivered, account.of(State::Delivered));
        account.take(State::Delivered, account.of(State::Delivered));
        (at, slices(reader, &account))
    };
    let filled = of.into_iter().map(column).collect();
    Timeline { from, width, columns, filled, beside: slices(reader, &delivered) }
}

async fn last_hour(ctx: &Ctx, reader: &Reader) -> Result<Markup, Failure> {
    // Columns begin where minutes do, so that they stand still while the hour moves on.
    let from = (reader.now - HOUR_MS).div_euclid(COLUMN_MS) * COLUMN_MS + COLUMN_MS;
    let mut by_column: BTreeMap<Millis, Account> = BTreeMap::new();
    let lanes = history::by_lane(ctx.store(), from..from + HOUR_MS, COLUMN_MS).await?;
    for (at, account) in lanes.into_values().flatten() {
        by_column.entry(at).or_default().join(&account);
    }
    let title = reader.say("overview-last-hour", &[]);
    let of = outcomes(reader, from, COLUMN_MS, (HOUR_MS / COLUMN_MS) as usize, by_column);
    Ok(section(&title, timeline(reader, &title, &of)))
}

/// The account as it was summed up last. Over a month of messages that takes a second, so nobody waits for it, and it is done
/// again only after many times as long.
#[derive(Default)]
struct Summed {
    last: Option<(Account, Millis)>,
    running: bool,
    /// When it may be done again, on the monotonic clock.
    next: Micros,
}

type SharedSum = Arc<Mutex<Summed>>;

fn lock(summed: &SharedSum) -> MutexGuard<'_, Summed> {
    summed.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

async fn whole_account(ctx: &Ctx, reader: &Reader, summed: &SharedSum) -> Result<Markup, Failure> {
    let began = ctx.clock().monotonic_us();
    let is_due = {
        let mut summed = lock(summed);
        let is_due = !summed.running && began >= summed.next;
        summed.running |= is_due;
        is_due
    };
    if is_due {
        let (done, sum) = tokio::sync::oneshot::channel();
        let (its_ctx, its_sum) = (ctx.clone(), summed.clone());
        ctx.lifecycle().spawn("account", async move { drop(done.send(sum_up(its_ctx, its_sum).await)) });
        let first = lock(summed).last.is_none();
        if first && let Ok(done) = tokio::time::timeout(FIRST_SUM_MAX, sum).await {
            done.map_err(Failure::bug)??;
        }
    }
    let title = reader.say("overview-account", &[]);
    let Some((whole, at)) = lock(summed).last else {
        return Ok(section(&title, html! { p.quiet { (reader.say("overview-counting", &[])) } }));
    };
    let label = reader.say("state-accepted", &[]);
    let sums = account(reader, &label, whole.accepted, &slices(reader, &whole));
    Ok(section(&title, html! { (sums) p.quiet { (reader.say("overview-counted", &[])) " " (moment::at(at)) } }))
}

async fn sum_up(ctx: Ctx, summed: SharedSum) -> Result<(), Failure> {
    let (began, at) = (ctx.clock().monotonic_us(), ctx.clock().now_ms());
    let whole = accounts::total(ctx.store()).await;
    let took = ctx.clock().monotonic_us() - began;
    let mut summed = lock(&summed);
    summed.running = false;
    summed.next = began + ACCOUNT_EVERY_US.max(took * ACCOUNT_SHARE);
    if let Err(error) = &whole {
        tracing::warn!(error = %error, "the account could not be summed up for the overview, trying again");
    }
    summed.last = Some((whole?, at));
    Ok(())
}

/// What of the engine wants a person.
async fn concerns(ctx: &Ctx, reader: &Reader, seen: &Seen) -> Result<Vec<Concern>, Failure> {
    let dispatch = ctx.need::<Dispatch>()?;
    let mut concerns = Vec::new();
    let mut wants = |tone, key: &str, args: &[(&str, &str)], href| {
        concerns.push(Concern { tone, text: reader.say(key, args), href, role: Role::View });
    };
    let looked = Looked::look(ctx).await?;
    for view in &looked.views {
        let (lane, mut told) = (view.name.as_str(), lane_word::told(ctx, reader.lang, view));
        if let Some(why) = why(reader, view) {
            told += &format!(". {why}");
        }
        match lane_word::state(view) {
            "running" | "elsewhere" | "standing-by" => {}
            "paused" | "standing-in" | "day-spent" => {
                wants(Tone::Warn, "concern-lane", &[("lane", lane), ("state", &told)], Some("/lanes"));
            }
            _ => wants(Tone::Bad, "concern-lane", &[("lane", lane), ("state", &told)], Some("/lanes")),
        }
    }
    let doubtful = accounts::unknown(ctx.store()).await?;
    if doubtful > 0 {
        wants(Tone::Doubt, "concern-unknown", &[("n", &count(doubtful))], Some("/unknown"));
    }
    for (lane, messages) in dispatch.stranded_of(&looked.pending) {
        wants(Tone::Bad, "concern-stranded", &[("lane", &lane), ("n", &count(messages))], None);
    }
    seen.leave(reader.now, looked);
    Ok(concerns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_looked_at_is_taken_once_and_of_that_moment_alone() {
        let looked = || Looked { views: Vec::new(), pending: BTreeMap::new() };
        let seen = Seen::default();
        assert!(seen.take(1).is_none());
        seen.leave(1, looked());
        assert!(seen.take(1).is_some() && seen.take(1).is_none());
        seen.leave(1, looked());
        assert!(seen.take(2).is_none() && seen.take(1).is_none());
    }
}
