//! One message that shows how something stands, for as long as it lasts.
//!
//! States come faster than Slack takes updates, so only the newest counts: what was not sent when a newer one comes is
//! never sent, and the last is always sent in the end, whatever Slack answers in between. An update that may have
//! arrived can be repeated without harm. Posting cannot, so it is a step of its own: whoever posts
//! ([`crate::web::Web::post`]) stores the place and takes the card up there, also after a restart.

use std::sync::{Arc, Mutex, MutexGuard};

use naru_core::failure::{Failure, Kind};
use naru_core::lifecycle::{Activity, Lifecycle};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::message::Message;
use crate::periods::{Backoff, Periods};
use crate::web::Web;
use crate::web::reply::Place;

/// A message that is kept as it was last shown. What was shown is still delivered after the card is dropped.
pub struct Card {
    lifecycle: Lifecycle,
    wanted: watch::Sender<Wanted>,
    settled: watch::Receiver<Settled>,
    debt: Arc<Debt>,
}

#[derive(Clone, Default)]
struct Wanted {
    number: u64,
    message: Message,
}

/// Up to which state everything is settled, and how.
#[derive(Clone)]
struct Settled {
    number: u64,
    outcome: Result<(), Failure>,
}

/// While a state waits to be delivered, shutdown waits for it.
#[derive(Default)]
struct Debt(Mutex<Option<Activity>>);

impl Card {
    /// Takes up the message at `place`; nothing is sent before a state is shown.
    pub fn take_up(web: Arc<Web>, place: Place, periods: Periods, lifecycle: &Lifecycle) -> Card {
        let (wanted, newest) = watch::channel(Wanted::default());
        let (settle, settled) = watch::channel(Settled { number: 0, outcome: Ok(()) });
        let debt = Arc::<Debt>::default();
        let keeper = Keeper { web, place, periods, lifecycle: lifecycle.clone(), newest, settle, debt: debt.clone() };
        lifecycle.spawn("slack card", keeper.keep());
        Card { lifecycle: lifecycle.clone(), wanted, settled, debt }
    }

    /// Shows `message` from now on. Returns at once.
    pub fn show(&self, message: Message) {
        let mut debt = self.debt.lock();
        if self.settled.borrow().number == u64::MAX {
            return;
        }
        debt.get_or_insert_with(|| self.lifecycle.activity("slack card"));
        self.wanted.send_modify(|wanted| *wanted = Wanted { number: wanted.number + 1, message });
    }

    /// Completes when what was shown last is seen, or never will be.
    pub async fn shown(&self) -> Result<(), Failure> {
        let number = self.wanted.borrow().number;
        let mut settled = self.settled.clone();
        let outcome = settled.wait_for(|settled| settled.number >= number).await.map(|settled| settled.outcome.clone());
        outcome.unwrap_or_else(|_| Err(Failure::bug("a card ended without saying how")))
    }
}

struct Keeper {
    web: Arc<Web>,
    place: Place,
    periods: Periods,
    lifecycle: Lifecycle,
    newest: watch::Receiver<Wanted>,
    settle: watch::Sender<Settled>,
    debt: Arc<Debt>,
}

impl Keeper {
    async fn keep(mut self) {
        let mut seen: Option<Message> = None;
        // Ends when the card was dropped and nothing is left to deliver.
        while self.newest.changed().await.is_ok() {
            let started_at = Instant::now();
            match self.deliver(&mut seen).await {
                Some(settled) => self.settled(settled),
                None => return,
            }
            sleep_until(started_at + self.periods.update_every).await;
        }
    }

    /// Delivers the newest state, whichever that is when it goes; none when there is no use in another one.
    async fn deliver(&mut self, seen: &mut Option<Message>) -> Option<Settled> {
        let mut backoff = Backoff::new(self.periods);
        loop {
            let Wanted { number, message } = self.newest.borrow_and_update().clone();
            let settled = |outcome| Some(Settled { number, outcome });
            if seen.as_ref() == Some(&message) {
                return settled(Ok(()));
            }
            let is_last_try = self.lifecycle.is_stopping();
            match self.web.update_now(&self.place, &message).await {
                Ok(()) => {
                    *seen = Some(message);
                    return settled(Ok(()));
                }
                Err(failure) if failure.code == "slack-refused" => {
                    self.warn(&failure, "state of a card refused");
                    return settled(Err(failure));
                }
                Err(failure) if may_pass(&failure) && !is_last_try => self.wait(&failure, &mut backoff).await,
                Err(failure) => {
                    self.warn(&failure, "card given up");
                    self.settled(Settled { number: u64::MAX, outcome: Err(failure) });
                    return None;
                }
            }
        }
    }

    /// Until Slack may be asked again, or the process stops and it must be now.
    async fn wait(&self, failure: &Failure, backoff: &mut Backoff) {
        let wait = failure.retry_after_s.map_or_else(|| backoff.next(), std::time::Duration::from_secs);
        tracing::debug!(error = failure as &dyn std::error::Error, ?wait, "card waits");
        tokio::select! {
            () = self.lifecycle.stopped() => {}
            () = sleep_until(Instant::now() + wait) => {}
        }
    }

    fn settled(&self, settled: Settled) {
        let mut debt = self.debt.lock();
        if settled.number >= self.newest.borrow().number {
            *debt = None;
        }
        self.settle.send_replace(settled);
    }

    fn warn(&self, failure: &Failure, what: &str) {
        tracing::warn!(
            channel = self.place.channel,
            message.ts = self.place.ts,
            error = failure as &dyn std::error::Error,
            "{what}"
        );
    }
}

impl Debt {
    fn lock(&self) -> MutexGuard<'_, Option<Activity>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn may_pass(failure: &Failure) -> bool {
    matches!(failure.kind, Kind::Unavailable | Kind::TooMany)
}
