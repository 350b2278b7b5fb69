//! One message for each operation, which follows it to its end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use naru_component::ctx::Ctx;
use naru_core::clock::{Micros, Millis};
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::text::Lang;
use naru_job::lease::{self, Lease};
use naru_operation::card as places;
use naru_operation::engine::Operations;
use naru_operation::operation::{self, Operation, Progress, State};
use naru_operation::record;
use naru_slack::card::Card;
use naru_slack::message::Message;
use naru_slack::periods::Periods;
use naru_slack::web::Web;
use naru_slack::web::reply::Place;

use super::draw;

/// A lease with less than this left is renewed.
const RENEW_LEFT_US: Micros = 4_000_000;
/// How often an operation is looked at whose card stands somewhere.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A card whose operation ended so long ago has said its last word.
const LAST_WORD_MS: Millis = 10 * 60_000;

/// The one instance that follows cards: an operation that another one was asked for has its card here too.
const LEASE: &str = "slack cards";

/// Posts cards and follows operations with them.
pub struct Cards {
    ctx: Ctx,
    web: Arc<Web>,
    periods: Periods,
    lang: Lang,
    /// The console's address.
    console: Option<String>,
}

/// Cards that are followed, by operation and place; without a card where the operation has ended.
type Followed = HashMap<(Id, String), Option<Follower>>;

struct Follower {
    card: Card,
    shown: Option<Look>,
}

/// An operation as it stands.
#[derive(PartialEq)]
pub struct Look {
    pub operation: Operation,
    pub steps: Vec<Progress>,
    /// Whether it was taken back.
    pub is_undone: bool,
    /// Who leaves it as it is, where it ended halfway.
    pub kept_by: Option<String>,
    /// How many it waits for.
    pub before: usize,
}

impl Cards {
    /// None yet.
    pub fn new(ctx: Ctx, web: Arc<Web>, periods: Periods, lang: Lang, console: Option<String>) -> Cards {
        Cards { ctx, web, periods, lang, console }
    }

    /// Posts the card of an operation, unless the channel has it: a command that comes again is the same operation. Whoever
    /// follows cards follows it from now on.
    pub async fn begin(&self, id: Id, channel: &str) -> Result<(), Failure> {
        let Some(now) = look(&self.ctx, id).await? else { return Ok(()) };
        let before = places::of(self.ctx.store(), id).await?;
        let is_here = |place: &String| serde_json::from_str::<Place>(place).is_ok_and(|at| at.channel == channel);
        if before.iter().any(is_here) {
            return Ok(());
        }
        let place = self.web.post(channel, &self.draw(&now)).await?;
        let text = serde_json::to_string(&place).map_err(Failure::bug)?;
        places::put(self.ctx.store(), id, text, self.ctx.clock().now_ms()).await
    }

    /// Follows cards until shutdown, those from before a restart and those of an instance that has ended included.
    pub fn follow(self: Arc<Self>) {
        let lifecycle = self.ctx.lifecycle().clone();
        lifecycle.clone().spawn("slack cards", async move {
            let (mut lease, mut followed) = (None, Followed::new());
            while !lifecycle.is_stopping() {
                if let Err(failure) = self.turn(&mut lease, &mut followed).await {
                    tracing::warn!(error = %failure, "cards are not followed, it is tried again");
                }
                tokio::select! {
                    () = lifecycle.stopped() => {}
                    () = tokio::time::sleep_until(tokio::time::Instant::now() + LOOK_EVERY) => {}
                }
            }
            // Dropped, each still delivers what it was shown last.
            drop(followed);
            if let Some(lease) = &lease
                && let Err(error) = lease::release(self.ctx.store(), lease, 0).await
            {
                tracing::warn!(%error, "a lease was not given back, it ends by itself");
            }
        });
    }

    async fn turn(&self, lease: &mut Option<Lease>, followed: &mut Followed) -> Result<(), Failure> {
        if !self.hold(lease).await? {
            followed.clear();
            return Ok(());
        }
        let since = self.ctx.clock().now_ms() - LAST_WORD_MS;
        let open: Vec<(Id, String)> = places::open(self.ctx.store(), since).await?;
        followed.retain(|key, _| open.contains(key));
        for (id, place) in open {
            let Ok(at) = serde_json::from_str::<Place>(&place) else { continue };
            let take_up = || {
                let card = Card::take_up(self.web.clone(), at, self.periods, self.ctx.lifecycle());
                Some(Follower { card, shown: None })
            };
            let follower = followed.entry((id, place)).or_insert_with(take_up);
            if let Some(inside) = follower
                && self.is_over(id, inside).await?
            {
                *follower = None;
            }
        }
        Ok(())
    }

    /// Shows how an operation stands of which somebody said something to a card that nobody follows any more.
    pub async fn refresh(&self, id: Id) -> Result<(), Failure> {
        let Some(now) = look(&self.ctx, id).await? else { return Ok(()) };
        let since = self.ctx.clock().now_ms() - LAST_WORD_MS;
        if now.operation.brief.ended_at.is_none_or(|at| at >= since) {
            return Ok(());
        }
        for place in places::of(self.ctx.store(), id).await? {
            if let Ok(at) = serde_json::from_str::<Place>(&place) {
                self.web.update(&at, &self.draw(&now)).await?;
            }
        }
        Ok(())
    }

    /// Shows how an operation stands, and tells whether that is for good.
    async fn is_over(&self, id: Id, follower: &mut Follower) -> Result<bool, Failure> {
        let Some(now) = look(&self.ctx, id).await? else { return Ok(true) };
        if follower.shown.as_ref() != Some(&now) {
            follower.card.show(self.draw(&now));
        }
        let is_over = now.operation.brief.state.is_over();
        // Until it is taken back or kept its buttons may go.
        let is_settled = now.is_undone || now.kept_by.is_some() || now.operation.brief.steps_done == 0;
        follower.shown = Some(now);
        Ok(is_over && is_settled)
    }

    fn draw(&self, look: &Look) -> Message {
        draw::operation(&self.ctx, self.lang, look, self.console.as_deref())
    }

    /// Takes the lease or keeps it.
    async fn hold(&self, lease: &mut Option<Lease>) -> Result<bool, Failure> {
        let (store, clock) = (self.ctx.store(), self.ctx.clock().as_ref());
        match lease {
            None => *lease = lease::take(store, clock, self.ctx.instance(), LEASE).await?,
            Some(held) if held.until < clock.monotonic_us().saturating_add(RENEW_LEFT_US) => {
                if !lease::renew(store, clock, std::slice::from_mut(held)).await?.is_empty() {
                    *lease = None;
                }
            }
            Some(_) => {}
        }
        Ok(lease.is_some())
    }
}

async fn look(ctx: &Ctx, id: Id) -> Result<Option<Look>, Failure> {
    let Some((operation, steps)) = operation::show(ctx.store(), id).await? else { return Ok(None) };
    let is_undone = operation::undone_by(ctx.store(), id).await?.is_some();
    let kept_by = match operation.brief.state.is_broken_off() {
        true => record::kept_by(ctx.store(), id).await?,
        false => None,
    };
    let before = match operation.brief.state {
        State::Queued => ctx.need::<Operations>()?.before(id).await?.len(),
        _ => 0,
    };
    Ok(Some(Look { operation, steps, is_undone, kept_by, before }))
}
