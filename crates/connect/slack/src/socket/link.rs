//! One socket, from its hello to its end.

use std::future::pending;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, SinkExt, StreamExt};
use naru_core::failure::Failure;
use naru_core::lifecycle::Lifecycle;
use naru_core::masked::without_value;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout_at};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::answer::Answer;
use crate::desk::Desk;
use crate::payload::read_envelope;
use crate::periods::Periods;
use crate::socket::dial::Stream;

/// Envelopes that wait for their answer. More than the desk has seats, for those that are repeated.
const ENVELOPES_MAX: usize = 512;

/// What keeps a socket open knows of it.
pub(super) struct Link {
    leaves: oneshot::Receiver<()>,
    replaced: oneshot::Sender<()>,
}

impl Link {
    /// Reads `stream` on a task of its own until it ends, has been replaced for long enough, or the process stops.
    pub fn start(stream: Stream, desk: Arc<Desk>, periods: Periods, lifecycle: &Lifecycle) -> Link {
        let ((leave, leaves), (replaced, is_replaced)) = (oneshot::channel(), oneshot::channel());
        let mut ping = interval_at(Instant::now() + periods.ping_every, periods.ping_every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let carrier = Carrier {
            stream,
            desk,
            periods,
            answers: FuturesUnordered::new(),
            leave: Some(leave),
            silent_at: Instant::now() + periods.silence_max,
            end_at: None,
            is_stopping: false,
        };
        lifecycle.spawn("slack link", carrier.carry(ping, is_replaced, lifecycle.clone()));
        Link { leaves, replaced }
    }

    /// Completes when another one is wanted: whether this one is still open.
    pub async fn leaves(&mut self) -> bool {
        (&mut self.leaves).await.is_ok()
    }

    /// Says that another one is open.
    pub fn replaced(self) {
        // It may have ended on its own.
        let _ = self.replaced.send(());
    }
}

struct Carrier {
    stream: Stream,
    desk: Arc<Desk>,
    periods: Periods,
    /// Acknowledgements in the making; none where the request was not taken.
    answers: FuturesUnordered<BoxFuture<'static, Option<String>>>,
    /// Used when Slack says that it will close the socket; dropped when it has.
    leave: Option<oneshot::Sender<()>>,
    silent_at: Instant,
    end_at: Option<Instant>,
    is_stopping: bool,
}

/// What woke the carrier.
enum Event {
    Frame(Message),
    Answered(Option<String>),
    Ping,
    Replaced,
    Stop,
    End(&'static str),
}

impl Carrier {
    async fn carry(mut self, mut ping: Interval, mut is_replaced: oneshot::Receiver<()>, lifecycle: Lifecycle) {
        let why = loop {
            if self.is_stopping && self.answers.is_empty() {
                break "naru stops";
            }
            let going = match self.event(&mut ping, &mut is_replaced, &lifecycle).await {
                Event::Frame(frame) => {
                    self.silent_at = Instant::now() + self.periods.silence_max;
                    self.take(frame);
                    true
                }
                Event::Answered(Some(ack)) => self.send(Message::text(ack)).await,
                Event::Answered(None) => true,
                Event::Ping => self.send(Message::Ping(Bytes::new())).await,
                Event::Replaced => self.end_within(self.periods.linger),
                Event::Stop => {
                    self.is_stopping = true;
                    self.end_within(self.periods.answer_within)
                }
                Event::End(why) => break why,
            };
            if !going {
                break "it takes nothing";
            }
        };
        tracing::info!(why, "slack socket ends");
        // Slack does not answer a close, so nothing waits for that.
        self.silent_at = Instant::now() + self.periods.answer_within;
        self.send(Message::Close(None)).await;
    }

    async fn event(
        &mut self,
        ping: &mut Interval,
        is_replaced: &mut oneshot::Receiver<()>,
        lifecycle: &Lifecycle,
    ) -> Event {
        let end_at = self.end_at;
        let end = async {
            match end_at {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            frame = self.stream.next() => match frame {
                Some(Ok(Message::Close(_))) | None => Event::End("slack closed it"),
                Some(Ok(frame)) => Event::Frame(frame),
                Some(Err(error)) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "slack socket broken");
                    Event::End("it is broken")
                }
            },
            Some(ack) = self.answers.next() => Event::Answered(ack),
            _ = ping.tick() => Event::Ping,
            _ = is_replaced, if end_at.is_none() => Event::Replaced,
            () = lifecycle.stopped(), if !self.is_stopping => Event::Stop,
            () = end => Event::End("its time is over"),
            () = sleep_until(self.silent_at) => Event::End("it is silent"),
        }
    }

    fn end_within(&mut self, period: std::time::Duration) -> bool {
        self.end_at = Some(Instant::now() + period);
        true
    }

    /// Pings are answered by the library; of the rest only text means anything.
    fn take(&mut self, frame: Message) {
        let Message::Text(text) = frame else { return };
        match Frame::read(&text) {
            Ok(frame) if frame.kind == "disconnect" => {
                tracing::info!(reason = frame.reason, "slack renews the socket");
                self.leave.take().map(|leave| leave.send(()));
            }
            Ok(Frame { kind, envelope_id: Some(envelope_id), payload, accepts_response_payload, .. }) => {
                let envelope = Envelope { id: envelope_id, takes_answer: accepts_response_payload };
                self.open(envelope, &kind, payload);
            }
            Ok(_) => {}
            Err(failure) => tracing::warn!(error = &failure as &dyn std::error::Error, "slack frame unreadable"),
        }
    }

    /// What is not acknowledged is repeated, here or by another socket, or Slack says to whoever asked that it failed.
    fn open(&mut self, envelope: Envelope, kind: &str, payload: Value) {
        if self.is_stopping || self.answers.len() >= ENVELOPES_MAX {
            tracing::warn!(envelope.id, "slack envelope left");
            return;
        }
        match read_envelope(kind, payload) {
            Ok(Some(request)) => {
                let desk = self.desk.clone();
                let answer = async move {
                    let answer = desk.answer(request).await;
                    answer.inspect_err(|failure| envelope.refused(failure)).ok().map(|answer| envelope.ack(&answer))
                };
                self.answers.push(answer.boxed());
            }
            Ok(None) => self.answers.push(std::future::ready(Some(envelope.ack(&Answer::bare()))).boxed()),
            Err(failure) => envelope.refused(&failure),
        }
    }

    /// Whether it was taken before the socket counts as silent.
    async fn send(&mut self, message: Message) -> bool {
        matches!(timeout_at(self.silent_at, self.stream.send(message)).await, Ok(Ok(())))
    }
}

struct Envelope {
    id: String,
    takes_answer: bool,
}

impl Envelope {
    fn ack(&self, answer: &Answer) -> String {
        match answer.payload() {
            Some(payload) if self.takes_answer => json!({ "envelope_id": self.id, "payload": payload }).to_string(),
            _ => json!({ "envelope_id": self.id }).to_string(),
        }
    }

    fn refused(&self, failure: &Failure) {
        tracing::warn!(envelope.id = self.id, error = failure as &dyn std::error::Error, "slack envelope refused");
    }
}

/// What a socket brings.
#[derive(Deserialize)]
pub(super) struct Frame {
    /// `hello`, `disconnect`, or what an envelope holds.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub reason: String,
    envelope_id: Option<String>,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    accepts_response_payload: bool,
}

impl Frame {
    pub fn read(text: &str) -> Result<Frame, Failure> {
        let unreadable =
            |e: serde_json::Error| Failure::usage("slack-payload-wrong").cause_text(without_value(&e.to_string()));
        serde_json::from_str(text).map_err(unreadable)
    }
}
