//! An app at a stand-in of Slack.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use naru_core::lifecycle::Lifecycle;
use naru_core::masked::Secret;
use naru_slack::answer::Answer;
use naru_slack::config::{Account, Door};
use naru_slack::desk::Desk;
use naru_slack::message::Message;
use naru_slack::mrkdwn::Mrkdwn;
use naru_slack::payload::{Body, Request};
use naru_slack::periods::Periods;
use naru_slack::socket::{Socket, State};
use naru_slack::web::Web;
use naru_testkit::slack::ledger::Ack;
use naru_testkit::slack::{APP_TOKEN, BOT_TOKEN, Slack};
use naru_testkit::wait::{PATIENCE, eventually};
use tokio::sync::watch;

pub struct App {
    pub slack: Slack,
    pub web: Arc<Web>,
    pub desk: Arc<Desk>,
    pub lifecycle: Lifecycle,
    pub periods: Periods,
    heard: Arc<Mutex<Vec<Request>>>,
    /// Handlers wait for it.
    gate: watch::Sender<bool>,
}

/// Nothing waits for long, except for what must not be taken for gone on a busy machine.
pub fn quick() -> Periods {
    Periods {
        retry_first: Duration::from_millis(1),
        retry_max: Duration::from_millis(20),
        steady: Duration::ZERO,
        update_every: Duration::from_millis(1),
        acknowledge_within: PATIENCE,
        answer_within: PATIENCE,
        ..Periods::default()
    }
}

pub fn account(slack: &Slack) -> Account {
    Account {
        bot_token: Secret::new(BOT_TOKEN),
        door: Door::Socket { app_token: Secret::new(APP_TOKEN) },
        url: slack.url(),
    }
}

pub fn message(text: &str) -> Message {
    Message::text(Mrkdwn::escaped(text))
}

impl App {
    /// One that repeats what it was told, and complains about every form.
    pub async fn new(periods: Periods) -> App {
        let (slack, lifecycle) = (Slack::start().await, Lifecycle::default());
        let web = Arc::new(Web::new(&account(&slack), &lifecycle).unwrap());
        let (heard, gate) = (Arc::<Mutex<Vec<Request>>>::default(), watch::Sender::new(true));
        let desk = Desk::new(web.clone(), periods, &lifecycle, {
            let (heard, gate) = (heard.clone(), gate.clone());
            move |request: Request| {
                let answer = match &request.body {
                    Body::Command(command) => Answer::only_you(&message(&command.text)),
                    Body::Click(click) => Answer::replacing(&message(&click.value)),
                    Body::Form(_) => Answer::errors([("why", "너무 짧습니다")]),
                };
                heard.lock().unwrap().push(request);
                let mut gate = gate.subscribe();
                async move {
                    gate.wait_for(|is_open| *is_open).await.unwrap();
                    answer
                }
            }
        });
        App { slack, web, desk, lifecycle, periods, heard, gate }
    }

    /// One with an open socket.
    pub async fn with_socket(periods: Periods) -> App {
        let app = App::new(periods).await;
        app.open().await;
        app
    }

    pub async fn open(&self) -> Socket {
        let socket = Socket::open(self.web.clone(), self.desk.clone(), self.periods, &self.lifecycle);
        socket.state().wait_for(|state| *state == State::Open).await.unwrap();
        socket
    }

    /// Handlers wait from now on.
    pub fn shut_gate(&self) {
        self.gate.send_replace(false);
    }

    pub fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    /// The keys of what was handed on, in the order of the ledger.
    pub fn heard(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.heard.lock().unwrap().iter().map(|request| request.key.clone()).collect();
        let order = self.slack.keys();
        keys.sort_by_key(|key| order.iter().position(|other| other == key));
        keys
    }

    pub async fn heard_of(&self, key: &str) -> Request {
        let look = async || self.heard.lock().unwrap().iter().find(|request| request.key == key).cloned();
        eventually("the handler to be called", PATIENCE, look).await
    }

    pub async fn acks(&self, key: &str, count: usize) -> Vec<Ack> {
        let look = async || Some(self.slack.acks_of(key)).filter(|acks| acks.len() >= count);
        let acks = eventually(&format!("{count} acknowledgements"), PATIENCE, look).await;
        assert_eq!(acks.len(), count);
        acks
    }

    /// Waits until everything that was said is acknowledged, and checks that each of it was heard once.
    pub async fn all_heard_once(&self) {
        let keys = self.slack.keys();
        for key in &keys {
            let look = async || (!self.slack.acks_of(key).is_empty()).then_some(());
            eventually(&format!("{key} to be acknowledged"), PATIENCE, look).await;
        }
        assert_eq!(self.heard(), keys);
    }
}
