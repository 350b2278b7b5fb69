//! One life of naru, and what a test does with it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use naru_component::Finding;
use naru_component::ctx::Ctx;
use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_core::masked::Address;
use naru_dispatch::account::Account;
use naru_dispatch::campaign::{self, Campaign};
use naru_dispatch::engine::Dispatch;
use naru_dispatch::frame::TemplateRef;
use naru_dispatch::intake::{Batch, Part};
use naru_dispatch::look::{self, MessageView};
use naru_dispatch::message::{Channel, Message, MessageId, Purpose};
use naru_dispatch::provider::{Report, ReportEnd};
use naru_dispatch::receipt::ReceiptSink;
use naru_dispatch::template::TemplateText;
use naru_store::Store;
use naru_testkit::wait::{PATIENCE, eventually};
use sqlx::Row;
use tokio::runtime::Runtime;

use crate::app::{LANE, STOP_MAX};
use crate::vendor::Vendor;

/// A naru that runs.
pub struct Life {
    pub dispatch: Arc<Dispatch>,
    ctx: Ctx,
    runtime: Runtime,
    vendor: Arc<Vendor>,
}

impl Life {
    pub fn new(runtime: Runtime, ctx: Ctx, dispatch: Arc<Dispatch>, vendor: Arc<Vendor>) -> Life {
        Life { dispatch, ctx, runtime, vendor }
    }

    /// Ends in good order, and fails where something would not end.
    pub fn stop(self) {
        self.ctx.lifecycle().stop();
        let left = self.runtime.block_on(self.ctx.lifecycle().drained(STOP_MAX));
        assert!(left.is_empty(), "still running after a stop: {left:?}");
        self.runtime.block_on(self.ctx.store().close());
        self.kill();
    }

    /// Ends between two polls.
    pub fn kill(self) {
        // Waits for its threads to be gone, not for their work: what is on its way stays where it is.
        self.runtime.shutdown_timeout(Duration::from_secs(5));
    }

    /// Runs `work` in this life.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub fn store(&self) -> &Store {
        self.ctx.store()
    }

    pub fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    /// Takes single messages in; answers their ids after they are durable.
    pub fn accept(&self, purpose: Purpose, messages: Vec<Message>) -> Vec<MessageId> {
        self.wait(self.dispatch.accept(batch(purpose, messages))).unwrap()
    }

    /// Takes one message of purpose `info` in.
    pub fn accept_one(&self, to: &str) -> MessageId {
        self.accept(Purpose::Info, vec![message(to, "x")])[0]
    }

    /// Looks at one message.
    pub fn look(&self, id: MessageId) -> MessageView {
        self.wait(look::look(self.store(), id)).unwrap()
    }

    /// All that is known of a message, masked.
    pub fn life(&self, id: MessageId) -> naru_dispatch::life::Life {
        self.wait(naru_dispatch::life::look(&self.dispatch, id)).unwrap()
    }

    /// What became of a message.
    pub fn state(&self, id: MessageId) -> &'static str {
        self.look(id).state
    }

    /// A campaign's counts and where it stands.
    pub fn campaign(&self, id: Id) -> Campaign {
        self.wait(campaign::show(self.store(), id)).unwrap().unwrap()
    }

    /// The counts over everything stored.
    pub fn account(&self) -> Account {
        self.wait(account(self.store())).unwrap()
    }

    /// Waits until nothing is left to send.
    pub fn settle(&self) -> Account {
        self.until("everything is settled", |account| account.pending == 0)
    }

    /// As [`Life::settle`], with time running two hundred times as fast: doubts are looked into after half a minute.
    pub fn settle_in_time(&self) -> Account {
        self.until("everything is settled in time", |account| {
            self.vendor.clock.skip(Duration::from_secs(1));
            account.pending == 0
        })
    }

    /// Waits for a state of the account.
    pub fn until(&self, what: &str, is_so: impl Fn(&Account) -> bool) -> Account {
        self.wait(eventually(what, PATIENCE, async || {
            // A database that does not answer is asked again: what a test waits for may be that it is back.
            account(self.store()).await.ok().filter(|account| is_so(account))
        }))
    }

    /// Waits for something that can be looked at.
    pub fn eventually<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        // What looks may wait for the database itself.
        self.wait(eventually(what, PATIENCE, async || tokio::task::block_in_place(&mut look)))
    }

    /// Waits for a message's state.
    pub fn until_state(&self, id: MessageId, state: &str) {
        self.wait(eventually(&format!("{id} to be {state}"), PATIENCE, async || {
            let view = look::look(self.store(), id).await.unwrap();
            (view.state == state).then_some(())
        }));
    }

    /// Waits until `count` requests have arrived at the vendor and wait there.
    pub fn until_waiting(&self, count: usize) {
        self.eventually("requests to wait at the vendor", || (self.vendor.waiting() == count).then_some(()));
    }

    /// Lets time pass and wakes the lane, which would notice by itself within a second.
    pub fn pass(&self, time: Duration) {
        self.vendor.clock.skip(time);
        let stranger = MessageId { frame: Id::new(1), slot: 0 };
        self.report(vec![report(stranger, ReportEnd::Delivered, "", 0)]).unwrap();
    }

    /// Hands reports in, as the vendor's webhook does; returns after they are durable.
    pub fn report(&self, reports: Vec<Report>) -> Result<(), Failure> {
        self.report_by(LANE, reports)
    }

    /// As [`Life::report`], for the account of another lane.
    pub fn report_by(&self, lane: &str, reports: Vec<Report>) -> Result<(), Failure> {
        let sink = self.ctx.need::<dyn ReceiptSink>().unwrap();
        self.wait(async move { sink.take(lane, reports).await })
    }

    /// The codes of what `doctor` finds wrong with the lanes.
    pub fn doctor_lanes(&self) -> Vec<String> {
        let component = naru_dispatch::component::component(self.dispatch.config().clone(), &self.ctx);
        // It made and offered an engine of its own.
        self.ctx.offer(self.dispatch.clone());
        let check = component.checks.iter().find(|check| check.name == "lanes").unwrap();
        let findings = self.wait((check.run)(self.ctx.clone()));
        let codes = findings.into_iter().filter_map(|finding| match finding {
            Finding::Bad(failure) => Some(failure.code),
            Finding::Good(_) => None,
        });
        codes.collect()
    }

    /// A number out of the database.
    pub fn number(&self, sql: &'static str) -> i64 {
        self.wait(number(self.store(), sql))
    }

    pub fn push_templates(&self) {
        let templates = self.dispatch.templates();
        // All at once, so that they share a commit.
        let pushed = join_all(Purpose::ALL.map(|purpose| templates.push(template(purpose), "test", 0)));
        self.wait(pushed).into_iter().for_each(|pushed| assert!(pushed.is_ok(), "{pushed:?}"));
    }
}

/// A template a purpose, with one variable.
pub fn template(purpose: Purpose) -> TemplateText {
    let body = match purpose {
        Purpose::Ad => "(광고) #{text} 무료거부 0801234567",
        Purpose::Auth | Purpose::Info => "#{text}",
    };
    let (id, body) = (purpose.name().to_owned(), body.to_owned());
    TemplateText { id, channel: Channel::Sms, purpose, subject: None, body, long: true }
}

/// The first version of a purpose's template.
pub fn template_ref(purpose: Purpose) -> TemplateRef {
    TemplateRef { id: purpose.name().to_owned(), version: 1, variables: 1 }
}

/// A call of the API with messages of one purpose.
pub fn batch(purpose: Purpose, messages: Vec<Message>) -> Batch {
    let count = messages.len();
    let part = Part {
        lane: LANE.to_owned(),
        priority: purpose.priority(),
        template: template_ref(purpose),
        messages: messages.into_iter().enumerate().collect(),
    };
    Batch { parts: vec![part], count, key: None }
}

/// A message without customer and expiry.
pub fn message(to: &str, text: &str) -> Message {
    let values = vec![text.to_owned()];
    Message { to: Address::new(to), customer: None, expires_at: None, trace_id: None, values }
}

/// `count` messages to as many numbers.
pub fn messages(count: usize) -> Vec<Message> {
    (0..count).map(|n| message(&phone(n), &format!("text {n}"))).collect()
}

/// A number a `n`.
pub fn phone(n: usize) -> String {
    format!("010{n:08}")
}

/// A report on a message.
pub fn report(id: MessageId, end: ReportEnd, code: &str, at: Millis) -> Report {
    Report { reference: id.to_string(), end, code: code.to_owned(), at }
}

/// A number out of the database.
pub async fn number(store: &Store, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(store.reader()).await.unwrap()
}

/// Changes stored rows behind naru's back.
pub async fn change(store: &Store, sql: &'static str) {
    let change = store.write(move |conn| {
        Box::pin(async move {
            sqlx::query(sql).execute(conn).await?;
            Ok(())
        })
    });
    change.await.unwrap();
}

async fn account(store: &Store) -> Result<Account, sqlx::Error> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM(f.count), 0) AS BIGINT), CAST(COALESCE(SUM(pending), 0) AS BIGINT),
             CAST(COALESCE(SUM(unknown), 0) AS BIGINT), CAST(COALESCE(SUM(sent), 0) AS BIGINT),
             CAST(COALESCE(SUM(failed), 0) AS BIGINT), CAST(COALESCE(SUM(expired), 0) AS BIGINT),
             CAST(COALESCE(SUM(suppressed), 0) AS BIGINT), CAST(COALESCE(SUM(cancelled), 0) AS BIGINT),
             CAST(COALESCE(SUM(delivered), 0) AS BIGINT)
         FROM dispatch_side s JOIN dispatch_frame f ON f.id = s.frame",
    );
    let row = row.fetch_one(store.reader()).await?;
    let term = |index: usize| row.get::<i64, _>(index) as u64;
    Ok(Account {
        accepted: term(0),
        pending: term(1),
        unknown: term(2),
        sent: term(3),
        failed: term(4),
        expired: term(5),
        suppressed: term(6),
        cancelled: term(7),
        delivered: term(8),
    })
}
