//! Socket Mode: requests come over a WebSocket that naru opens (<https://docs.slack.dev/apis/events-api/using-socket-mode>).
//!
//! Slack renews each socket every few hours and says so a little before. The next one is open before the last is let
//! go, and the last is read on for a while, so that nothing falls between the two. A socket that brings nothing for
//! longer than pings take is half open: without noticing, a bot is deaf for hours.

mod dial;
mod link;

use std::sync::Arc;

use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::desk::Desk;
use crate::periods::{Backoff, Periods};
use crate::socket::link::Link;
use crate::web::Web;

/// A socket that is kept open until the process stops.
pub struct Socket {
    state: watch::Receiver<State>,
}

/// Whether requests come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not just now; a socket is being opened.
    Opening,
    /// They do.
    Open,
    /// The last try to open a socket failed; there will be others.
    Failing(Failure),
}

impl Socket {
    /// Opens a socket whose requests are answered at `desk`.
    pub fn open(web: Arc<Web>, desk: Arc<Desk>, periods: Periods, lifecycle: &Lifecycle) -> Socket {
        let (tell, state) = watch::channel(State::Opening);
        let keeper = Keeper { web, desk, periods, lifecycle: lifecycle.clone(), tell };
        lifecycle.spawn("slack socket", keeper.keep_open());
        Socket { state }
    }

    /// Whether requests come in, now and from now on.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

struct Keeper {
    web: Arc<Web>,
    desk: Arc<Desk>,
    periods: Periods,
    lifecycle: Lifecycle,
    tell: watch::Sender<State>,
}

impl Keeper {
    async fn keep_open(self) {
        let (mut backoff, mut last): (Backoff, Option<Link>) = (Backoff::new(self.periods), None);
        loop {
            let dialled = tokio::select! {
                () = self.lifecycle.stopped() => return,
                dialled = dial::dial(&self.web) => dialled,
            };
            match dialled {
                Ok(stream) => {
                    let mut link = Link::start(stream, self.desk.clone(), self.periods, &self.lifecycle);
                    self.say(State::Open);
                    // Only now is the last one let go.
                    if let Some(last) = last.take() {
                        last.replaced();
                    }
                    let opened_at = Instant::now();
                    tokio::select! {
                        () = self.lifecycle.stopped() => return,
                        is_open = link.leaves() => if !is_open { self.say(State::Opening) },
                    }
                    last = Some(link);
                    if opened_at.elapsed() >= self.periods.steady {
                        backoff.reset();
                        continue;
                    }
                }
                Err(failure) => self.say(State::Failing(failure)),
            }
            tokio::select! {
                () = self.lifecycle.stopped() => return,
                () = sleep_until(Instant::now() + backoff.next()) => {}
            }
        }
    }

    fn say(&self, state: State) {
        match &state {
            State::Open => tracing::info!("slack socket open"),
            State::Failing(failure) if self.is_news(failure) => {
                tracing::warn!(error = failure as &dyn std::error::Error, "slack socket cannot be opened");
            }
            _ => {}
        }
        self.tell.send_replace(state);
    }

    /// Whether it is not what the try before failed with.
    fn is_news(&self, failure: &Failure) -> bool {
        !matches!(&*self.tell.borrow(), State::Failing(last) if last.code == failure.code)
    }
}
